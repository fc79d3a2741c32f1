//! Lab 07: root that cannot mount. Chapter: tutorials/07-privilege.md.

use std::path::Path;
use std::process::ExitCode;

use stepbox::chroot;
use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::{ALL_CAPABILITIES, NEWNET, NEWNS, NEWUSER, NEWUTS};
use stepbox::kernel::op::Exec;
use stepbox::kernel::{Errno, Op};
use stepbox::lab::{self, Stage};
use stepbox::privilege::seccomp::{
    Action, Arch, Compare, Condition, Profile, Rule, compile, default_profile, disassemble,
};
use stepbox::privilege::{self, Capabilities, Privilege, default_set};
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};

fn main() -> ExitCode {
    lab::main("07-privilege", |stage| {
        let place = stage.dir.join("mnt");
        stage.run(&fourteen(&place))?;
        stage.run(&way_back())?;
        stage.run(&covers())?;
        show_program(stage);
        stage.run(&filtered(&place))?;
        stage.run(&for_good())
    })
}

// ANCHOR: profile
/// Four rules, each with another answer; every other call is made.
fn profile() -> Profile {
    let rule = |call: &'static str, conditions, action| Rule { calls: vec![call.into()], conditions, action };
    let user = Condition { argument: 0, compare: Compare::MaskedEq { mask: NEWUSER, value: NEWUSER } };
    Profile {
        otherwise: Action::Allow,
        rules: vec![
            rule("mount", vec![], Action::Errno(libc::EPERM as u16)),
            rule("fsopen", vec![], Action::Errno(libc::ENOSYS as u16)),
            rule("unshare", vec![user], Action::Errno(libc::EPERM as u16)),
            rule("sethostname", vec![], Action::KillProcess),
        ],
        arches: vec![Arch::OURS[0]],
        ..Profile::default()
    }
}
// ANCHOR_END: profile

/// The program that the compiler makes of it, line by line.
fn show_program(stage: &mut Stage) {
    let lines = disassemble(&compile(&profile()));
    let docker = default_profile(default_set());
    let names: usize = docker.rules.iter().map(|rule| rule.calls.len()).sum();
    let length = compile(&docker).len();
    let text = format!(
        "The box keeps every capability. Who refuses, and how? Four rules become {} instructions. Before each call the \
         kernel starts at 0000 and goes on until a ret; a jump names where it goes if the answer is yes, then if it is \
         no.\n{}\nDocker's default profile names {names} calls and becomes {length} instructions.",
        lines.len(),
        lines.join("\n")
    );
    stage.act("three ways to say no", &text);
}

fn clone(flags: u64, why: &'static str) -> Step {
    Step::new("clone the box", Op::Clone { flags }).why(why)
}

fn look(step: Step) -> Step {
    step.show(Probe::Privilege(Who::Box))
}

fn mount(place: &Path) -> Step {
    let op = Op::mount("tmpfs", place, "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "");
    Step::new("mount a file system", op)
}

fn directory(place: &Path) -> Step {
    let step = Step::new("make a directory", Op::mkdir(place)).why("a mount needs a directory to hang on");
    step.undo(Op::Rmdir { path: place.into() })
}

fn sleep(why: &'static str) -> Step {
    let argv = vec!["sleep".into(), "1000".into()];
    let exec = Exec { paths: vec!["/bin/sleep".into()], argv, env: Vec::new() };
    look(Step::new("start a program", Op::Exec(exec)).why(why)).inside()
}

fn end() -> [Step; 2] {
    [
        Step::new("end it", Op::KillBox { signal: libc::SIGKILL }).why("it has shown what it was there for"),
        Step::new("wait for the box", Op::WaitBox).why("its mounts and its privilege are gone with it"),
    ]
}

/// What root of a container keeps.
fn docker() -> Privilege {
    let capabilities = Capabilities::of_user(0, default_set());
    let (no_new_privs, seccomp, apparmor, selinux) = (false, None, None, None);
    Privilege { uid: 0, gid: 0, groups: None, capabilities, no_new_privs, seccomp, apparmor, selinux }
}

/// Root with every capability, and root with Docker's fourteen.
fn fourteen(place: &Path) -> Plan {
    Plan::default()
        .act(
            "root",
            "The box is user 0 and holds every capability. Afterwards it will be user 0 all the same.",
        )
        .then(directory(place))
        .then(look(clone(NEWNS, "mounts of its own, and everything that root can do")))
        .inside(chroot::private())
        .inside(mount(place).why("CAP_SYS_ADMIN is there, so the kernel does it"))
        .act("fourteen of forty-one", "Docker's default set. What of it is still root?")
        .inside(privilege::drop(&docker()).into_iter().map(look))
        .inside([
            mount(place)
                .why("user 0 still, but the kernel asks for CAP_SYS_ADMIN, not for a number")
                .fails(Errno::PERM),
            Step::new("take all back", Op::capset(ALL_CAPABILITIES))
                .why("the permitted set only ever shrinks")
                .fails(Errno::PERM),
        ])
        .then(sleep("for root, execve fills the sets again, up to the bounding set: and that was cut"))
        .then(end())
}

/// The same without the bounding set.
fn way_back() -> Plan {
    let none = Op::capset(0);
    Plan::default()
        .act("the way back", "The box gives up every capability, and leaves the bounding set as it is.")
        .then(look(clone(0, "root with every capability once more")))
        .inside(look(
            Step::new("give up every capability", none).why("it can do nothing now that root could"),
        ))
        .then(sleep(
            "the kernel's old rule: who executes a program as user 0 gets all that the bounding set allows",
        ))
        .then(end())
}

/// Files that belong to the whole machine.
fn covers() -> Plan {
    let forward = || Op::write("/proc/sys/net/ipv4/ip_forward", "1");
    let write = |why| Step::new("change a setting", forward()).why(why);
    let uncover =
        |why| Step::new("take the cover away", Op::Umount { target: "/proc/sys".into(), flags: 0 }).why(why);
    let interrupts = || format!("/proc/{BOX}/root/proc/interrupts");
    Plan::default()
        .act(
            "covers",
            "Some files of /proc speak of the whole machine, or change it. A mount can lie over them.",
        )
        .then(clone(NEWNS | NEWNET, "mounts and a network of its own, so that it changes nobody else's"))
        .inside(chroot::private())
        .inside([
            privilege::mask("/proc/interrupts").show(Probe::Telling(interrupts())),
            write("the box may write here: it is the setting of its own network"),
        ])
        .inside(privilege::read_only("/proc/sys"))
        .inside([
            write("most settings below /proc/sys are the machine's, so all of them are closed")
                .fails(Errno::ROFS),
            uncover("who may mount may unmount: for root with every capability a cover is no wall"),
            write("open again"),
        ])
        .act("covers that hold", "The same covers, and then Docker's fourteen capabilities.")
        .inside(privilege::read_only("/proc/sys"))
        .inside(privilege::drop(&docker()))
        .inside([
            uncover("it takes CAP_SYS_ADMIN, and that is gone: two walls, each of which needs the other")
                .fails(Errno::PERM),
            Step::new("leave", Op::Exit { code: 0 }).why("the covers go with the box's mounts"),
        ])
        .then(Step::new("wait for the box", Op::WaitBox).why("nothing of it stays"))
}

fn load() -> Step {
    let program = compile(&profile());
    look(Step::new("filter the system calls", Op::Seccomp { program, flags: 0 }))
}

/// Three ways to say no, to a root who holds every capability.
fn filtered(place: &Path) -> Plan {
    let unshare = |name, flags| Step::new(name, Op::Unshare { flags });
    Plan::default()
        .then(directory(place))
        .then(clone(NEWNS | NEWUTS, "root, with mounts and a host name of its own"))
        .inside(chroot::private())
        .inside([
            Step::new(
                "go to the lab's directory",
                Op::Chdir { path: place.parent().unwrap_or(place).into() },
            )
            .why("should this machine write a core file at the end, it falls here and is removed"),
            mount(place).why("before the filter: allowed"),
            load().why("from here on, of this process and of all its children, for good"),
            mount(place).why("EPERM: it is there, and not for you; no capability helps").fails(Errno::PERM),
            Step::new("ask for it in the new way", Op::Fsopen { kind: "tmpfs".into() })
                .why("ENOSYS: as if this kernel were too old; who hears that tries the older call")
                .fails(Errno::NOSYS),
            unshare("make a UTS namespace", NEWUTS)
                .why("the program looks at arguments too: this flag is allowed"),
            unshare("make a user namespace", NEWUSER)
                .why("the same call, and the flag that is not")
                .fails(Errno::PERM),
            Step::new("rename the machine", Op::Sethostname { name: "box".into() })
                .why("no answer: the call is the last thing that this process does")
                .dies(libc::SIGSYS),
        ])
        .then(Step::new("wait for the box", Op::WaitBox).why("Docker and a shell call it 159: 128 + 31"))
}

/// Who may load a filter, and what no_new_privs adds.
fn for_good() -> Plan {
    let none = Op::capset(0);
    Plan::default()
        .act("no way back", "The box of the second act, which had all of it again after execve.")
        .then(look(clone(0, "root with every capability")))
        .inside([
            look(Step::new("give up every capability", none)).why("as before, the bounding set stays full"),
            load().why("it could make a set-uid program fail in the wrong place").fails(Errno::ACCESS),
            look(Step::new("gain nothing by exec", Op::NoNewPrivs))
                .why("a promise that cannot be taken back: nothing that it executes gains anything"),
            load().why("who can gain nothing can fool nobody: now it may"),
        ])
        .then(sleep("user 0, a full bounding set, and this time nothing comes back"))
        .then(end())
}
