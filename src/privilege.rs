//! Privilege: what root of a container may not do.
//!
//! ```text
//!   root of the machine   41 capabilities
//!   root of a box         14 of them, and no way back: the bounding set is cut
//!   a user of a box       none
//! ```
//!
//! The order matters: groups before ids, because an unprivileged process may not change groups; the bounding set
//! first of all, because cutting it needs CAP_SETPCAP. The seccomp filter comes last where no_new_privs lets anybody
//! load one, so that it sees the fewest calls of ours; else while CAP_SYS_ADMIN is still held. See capabilities(7),
//! seccomp(2). Lab 07-privilege, tutorials/07-privilege.md.

mod cover;
pub mod seccomp;

pub use cover::{mask, read_only};

use crate::kernel::{Op, flags};
use crate::step::Step;

/// Docker's default set.
pub const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// Who the program runs as, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    /// user id inside the box
    pub uid: u32,
    /// group id inside the box
    pub gid: u32,
    /// supplementary groups; `None` where the kernel does not let us set any (a user namespace without setgroups)
    pub groups: Option<Vec<u32>>,
    /// what it may do of what only root may
    pub capabilities: Capabilities,
    /// no program gains privilege by being executed
    pub no_new_privs: bool,
    /// which system calls it may make; `None` for all
    pub seccomp: Option<seccomp::Profile>,
    /// the AppArmor profile that the program runs under
    pub apparmor: Option<String>,
    /// the SELinux label that the program runs under
    pub selinux: Option<String>,
}

/// The five sets of capabilities(7), as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// what may ever be held again
    pub bounding: u64,
    /// what may be used
    pub permitted: u64,
    /// what is used
    pub effective: u64,
    /// what a file's own inheritable set may let through exec
    pub inheritable: u64,
    /// what passes exec by itself
    pub ambient: u64,
}

impl Capabilities {
    /// Docker's way: root holds what may be held, anybody else nothing.
    pub fn of_user(uid: u32, bounding: u64) -> Capabilities {
        let held = if uid == 0 { bounding } else { 0 };
        Capabilities { bounding, permitted: held, effective: held, ..Capabilities::default() }
    }
}

/// Docker's default set, as bits.
pub fn default_set() -> u64 {
    DEFAULT.iter().filter_map(|name| flags::capability(name)).fold(0, |set, bit| set | 1 << bit)
}

// ANCHOR: drop
/// The steps that leave the box with what it may have, and nothing more.
pub fn drop(privilege: &Privilege) -> Vec<Step> {
    let Privilege { uid, gid, groups, capabilities, .. } = privilege;
    let Capabilities { bounding, permitted, effective, inheritable, ambient } = *capabilities;
    let filter: Vec<Step> = privilege.seccomp.iter().flat_map(filter).collect();
    let mut steps = vec![
        Step::new("cut the bounding set", Op::DropBounding { keep: bounding })
            .why("what is dropped here can never be had again, not even by a set-uid program"),
    ];
    if !privilege.no_new_privs {
        // seccomp(2): only with CAP_SYS_ADMIN, which goes away below
        steps.extend(filter.clone());
    }
    if let Some(gids) = groups {
        let op = Op::Setgroups { gids: gids.clone() };
        steps.push(Step::new("set the groups", op).why("the host's groups would open the host's files"));
    }
    if *uid != 0 && permitted != 0 {
        let op = Op::KeepCapabilities { keep: true };
        steps.push(
            Step::new("keep what is permitted", op).why("leaving id 0 would drop it, and it was asked for"),
        );
    }
    steps.extend([
        Step::new("take the group id", Op::Setresgid { gid: *gid })
            .why("groups first: a user may not change them"),
        Step::new("take the user id", Op::Setresuid { uid: *uid }).why("leaving id 0 drops every capability"),
        Step::new("set the capabilities", Op::Capset { permitted, effective, inheritable }).why(
            match *capabilities == Capabilities::of_user(*uid, default_set()) {
                true => "root keeps Docker's fourteen, anybody else none",
                false => "what was asked for, and nothing else",
            },
        ),
    ]);
    // capset(2) has emptied it wherever a capability is not both
    if permitted & inheritable != 0 {
        let op = Op::Ambient { raise: ambient };
        steps.push(
            Step::new("set the ambient ones", op)
                .why("these outlive exec without set-uid root or file capabilities"),
        );
    }
    if privilege.no_new_privs {
        steps.push(
            Step::new("gain nothing by exec", Op::NoNewPrivs)
                .why("set-uid bits and file capabilities are ignored from here on"),
        );
        steps.extend(filter);
    }
    steps
}
// ANCHOR_END: drop

/// The labels that the program gets from the kernel's security modules when it is executed.
pub fn labels(privilege: &Privilege) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(profile) = &privilege.apparmor {
        let op = Op::write("/proc/self/attr/apparmor/exec", format!("exec {profile}"));
        let why = "the profile says which files and capabilities the program may use; it holds from exec on";
        steps.push(Step::new("take an AppArmor profile", op).why(why));
    }
    if let Some(label) = &privilege.selinux {
        let op = Op::write("/proc/self/attr/exec", label);
        let why = "the policy says what a program of this label may do; it holds from exec on";
        steps.push(Step::new("take an SELinux label", op).why(why));
    }
    steps
}

/// The filter; where it leaves calls to a listener, with the messenger who takes the filter's descriptor there.
fn filter(profile: &seccomp::Profile) -> Vec<Step> {
    let op = Op::Seccomp { program: seccomp::compile(profile), flags: profile.flags };
    let load = Step::new("filter the system calls", op)
        .why("the kernel asks this program before every call, of the box and of all its children, for good");
    match &profile.listener {
        Some(listener) => vec![listener.messenger(), load, seccomp::Listener::wait()],
        None => vec![load],
    }
}
