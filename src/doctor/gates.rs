//! Gates: which of the kernel's switches refused, and the command that moves it.
//!
//! ```text
//!   step that failed + errno + Machine ──> "clone3(…) = EPERM: user.max_user_namespaces is 0"
//!                                          fix: sudo sysctl -w user.max_user_namespaces=15000
//! ```
//!
//! One errno stands behind many gates: EPERM from clone3 may be Debian's switch, Ubuntu's AppArmor, the seccomp
//! filter of a container around us, or chroot. See user_namespaces(7) and proc_sys_user(5).

use super::machine::{Machine, Module};
use super::{COMMAND, Finding, Status};
use crate::kernel::{Errno, Op, flags, hint};
use crate::launch::{StepError, Unmet};

/// Why a step failed and what to do: always [`Status::Blocked`].
pub fn explain(machine: &Machine, error: &StepError) -> Finding {
    let Unmet::Errno(errno) = error.what else { return Finding::blocked(error.to_string(), Vec::new()) };
    let (gate, fix) = gate(machine, &error.op, errno).unwrap_or_else(|| {
        let hint = hint::hint(&error.op, errno).unwrap_or("the kernel gives no other reason");
        (hint.to_string(), Vec::new())
    });
    Finding { status: Status::Blocked, reason: format!("{}: {gate}", refusal(error)), fix }
}

/// The call and its error, as strace prints them, the number of our process left out.
pub(super) fn refusal(error: &StepError) -> String {
    let Unmet::Errno(errno) = error.what else { return error.to_string() };
    let text = hint::errno_text(errno);
    let symbol = text.split(' ').next().unwrap_or_default();
    format!("{} = {symbol}", error.op).replace(&format!("-{}", std::process::id()), "-[PID]")
}

type Gate = (String, Vec<String>);

fn gate(machine: &Machine, op: &Op, errno: Errno) -> Option<Gate> {
    let denied = matches!(errno, Errno::PERM | Errno::ACCESS);
    match op {
        Op::Clone { flags } | Op::Unshare { flags } => namespaces(machine, *flags, errno),
        Op::Mount { kind, .. } if kind.as_path().as_os_str() == "proc" && errno == Errno::PERM => {
            Some(covered_proc(machine))
        }
        Op::Mount { kind, .. } if errno == Errno::NODEV => {
            let kind = kind.as_path().to_string_lossy().into_owned();
            Some(module(machine, &kind))
        }
        Op::Netlink(request) if errno == Errno::OPNOTSUPP => {
            use crate::kernel::netlink::Request::{AddBridge, AddVeth};
            match request {
                AddBridge { .. } => Some(module(machine, "bridge")),
                AddVeth { .. } => Some(module(machine, "veth")),
                _ => None,
            }
        }
        Op::Nft(_) if matches!(errno, Errno::NOENT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT) => {
            let loaded = machine.module("nf_tables") == Module::Present;
            Some(module(machine, if loaded { "nft_masq" } else { "nf_tables" }))
        }
        Op::Write { path, .. }
            if errno == Errno::PERM && path.as_path().ends_with("uid_map") && lacks_setfcap(machine) =>
        {
            let gate = "root without CAP_SETFCAP may not map root into a user namespace (since Linux 5.12)";
            let fix = match machine.container {
                Some(_) => around(machine, "--cap-add SETFCAP"),
                None => format!("setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp {COMMAND}"),
            };
            one(gate, fix)
        }
        Op::Mkdir { path, .. } if denied && path.as_path().starts_with("/sys/fs/cgroup") => {
            Some(("this cgroup belongs to another user".into(), Vec::new()))
        }
        _ if denied => confined(machine),
        _ => None,
    }
}

fn one(gate: impl Into<String>, fix: impl Into<String>) -> Option<Gate> {
    Some((gate.into(), vec![fix.into()]))
}

fn namespaces(machine: &Machine, wanted: u64, errno: Errno) -> Option<Gate> {
    let user = wanted & flags::NEWUSER != 0;
    match errno {
        Errno::NOSPC | Errno::USERS if user && machine.max_user_namespaces == Some(0) => {
            one("user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=15000")
        }
        Errno::NOSPC | Errno::USERS => one(
            "a number under /proc/sys/user/max_*_namespaces is used up, here or in a namespace around us, \
             or namespaces are nested more than 32 deep",
            "head /proc/sys/user/max_*_namespaces",
        ),
        Errno::INVAL | Errno::NOSYS if user && machine.max_user_namespaces.is_none() => one(
            "this kernel has no user namespaces: it was built without CONFIG_USER_NS",
            "boot a kernel with CONFIG_USER_NS=y",
        ),
        Errno::PERM | Errno::ACCESS => refused_clone(machine, user),
        _ => None,
    }
}

fn refused_clone(machine: &Machine, user: bool) -> Option<Gate> {
    if machine.chrooted && user {
        let gate = "this process is chroot'ed, and user namespaces are refused to such processes";
        return one(gate, "run it outside of the chroot, or enter it with: unshare --mount chroot …");
    }
    if machine.userns_clone == Some(0) && !machine.sys_admin && user {
        let gate = "kernel.unprivileged_userns_clone is 0";
        return one(gate, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if !user && machine.is_root() && !machine.sys_admin {
        let gate = "we are root without CAP_SYS_ADMIN: whoever started us keeps it back";
        return match machine.container {
            Some(_) => one(gate, around(machine, "--privileged")),
            None => one(
                gate,
                format!("setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp {COMMAND}"),
            ),
        };
    }
    if let Some(gate) = confined(machine) {
        return Some(gate);
    }
    one(
        "none of the kernel's switches is set against it, so this process is chroot'ed, or a security module refuses",
        "ls -id / /proc/1/root/; cat /sys/kernel/security/lsm  # as root: two numbers that differ mean chroot",
    )
}

fn lacks_setfcap(machine: &Machine) -> bool {
    machine.is_root() && !machine.setfcap
}

/// Who stands above us: AppArmor, or the seccomp filter of whatever started us.
fn confined(machine: &Machine) -> Option<Gate> {
    let free = machine.apparmor.as_ref().is_none_or(|profile| profile.starts_with("unprivileged_userns"));
    if machine.apparmor_restricts == Some(1) && free && !machine.sys_admin {
        return one(
            "kernel.apparmor_restrict_unprivileged_userns is 1: AppArmor takes the capabilities of a user namespace away",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        );
    }
    if machine.seccomp == 2 {
        let options = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined";
        return match &machine.container {
            Some(container) => one(
                format!("the seccomp filter of the {} container around us (Seccomp: 2)", container.engine),
                around(machine, options),
            ),
            None => one(
                "a seccomp filter around us (Seccomp: 2 in /proc/self/status)",
                "start it outside of that sandbox; for a systemd service: RestrictNamespaces=no, SystemCallFilter=",
            ),
        };
    }
    let profile = machine.apparmor.as_ref()?;
    let option = "--security-opt apparmor=unconfined";
    match &machine.container {
        Some(_) => one(format!("AppArmor's profile {profile}"), around(machine, option)),
        None => one(
            format!("AppArmor's profile {profile}"),
            "sudo aa-complain PROFILE, or start it outside of it",
        ),
    }
}

/// The command that starts the container around us with these options.
pub(super) fn around(machine: &Machine, options: &str) -> String {
    let podman = machine.container.as_ref().is_some_and(|container| container.engine == "podman");
    match podman {
        true => format!("podman run {} …", options.replace("systempaths=unconfined", "unmask=ALL")),
        false => format!("docker run {options} …"),
    }
}

/// mount_too_revealing() in the kernel: who sees a part of /proc covered may not mount one that is not.
fn covered_proc(machine: &Machine) -> Gate {
    if machine.covered.is_empty() {
        return confined(machine)
            .unwrap_or_else(|| ("no /proc that is fully visible is mounted here".into(), Vec::new()));
    }
    let first = &machine.covered[0];
    let more = match machine.covered.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let gate = format!("parts of /proc are covered ({first}{more}), so a new one is refused");
    let fix = match &machine.container {
        Some(_) => around(machine, "--security-opt systempaths=unconfined"),
        None => format!("sudo umount {}", machine.covered.join(" ")),
    };
    (gate, vec![fix])
}

/// A module that the kernel did not find by itself.
fn module(machine: &Machine, name: &str) -> Gate {
    let option = match name {
        "overlay" => "OVERLAY_FS".to_string(),
        other => other.to_uppercase(),
    };
    let fix = match machine.module(name) {
        _ if machine.wsl => "wsl.exe --update".into(),
        Module::Loadable => format!("sudo modprobe {name}"),
        _ if machine.container.is_some() => {
            format!("on the machine outside of the container: sudo modprobe {name}")
        }
        Module::Present => format!("sudo modprobe {name}; sudo dmesg | tail"),
        Module::Absent => {
            format!(
                "sudo apt install linux-modules-extra-$(uname -r) && sudo modprobe {name}  # or CONFIG_{option}=m"
            )
        }
    };
    (format!("this kernel has no {name}: its module is not loaded"), vec![fix])
}
