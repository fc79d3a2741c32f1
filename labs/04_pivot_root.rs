//! Lab 04: a root with nothing above it. Chapter: tutorials/04-pivot-root.md.

use std::path::Path;
use std::process::ExitCode;

use stepbox::chroot;
use stepbox::kernel::ctext::BOX;
use stepbox::kernel::flags::NEWNS;
use stepbox::kernel::{Errno, Op};
use stepbox::lab;
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};

fn main() -> ExitCode {
    lab::main("04-pivot-root", |stage| {
        let dir = stage.dir.clone();
        stage.run(&propagation(&dir))?;
        stage.run(&exchange(&dir))
    })
}

fn clone() -> Step {
    Step::new("clone the box", Op::Clone { flags: NEWNS }).why("it gets a copy of every mount of the host")
}

fn end() -> [Step; 2] {
    [
        Step::new("leave", Op::Exit { code: 0 }).why("a mount namespace ends with its last process").inside(),
        Step::new("wait for the box", Op::WaitBox).why("nothing of it stays"),
    ]
}

/// Two mount namespaces, and a mount that both of them hear of.
fn propagation(dir: &Path) -> Plan {
    let (tree, new) = (dir.join("tree"), dir.join("tree/new"));
    let watched =
        |step: Step| [Who::Host, Who::Box].into_iter().fold(step, |s, who| s.show(mounts(who, &tree)));
    let mount = || Step::new("mount a file system", Op::mount("tmpfs", &new, "tmpfs", libc::MS_NOSUID, ""));
    let pivot = Op::PivotRoot { new: (&new).into(), old: (&new).into() };
    Plan::default()
        .act("one mount, two namespaces", "The box has mounts of its own. Are they really its own?")
        .then([
            Step::new("make a directory", Op::mkdir(&tree))
                .why("the mounts of this act hang below it")
                .undo(Op::RemoveTree { path: (&tree).into() }),
            Step::new("make a place in it", Op::mkdir(&new)).why("a mount needs a directory to hang on"),
            Step::new("make it a mount", Op::bind(&tree, &tree, 0))
                .why("only a mount can be shared or private, a plain directory cannot")
                .undo(Op::detach(&tree)),
            Step::new("share it", Op::remount(&tree, libc::MS_SHARED))
                .why("systemd does so with / at boot: from now on its copies tell each other what is mounted")
                .show(mounts(Who::Host, &tree)),
        ])
        .then(watched(clone()))
        .inside([
            watched(mount()).why("the copy of a shared mount is its peer, so this one reaches the host"),
            Step::new("exchange the roots", pivot)
                .why("a new root would reach the host in the same way, so the kernel refuses")
                .fails(Errno::INVAL),
            watched(Step::new("take it away", Op::detach(&new))).why("a peer hears of this as well"),
            watched(chroot::private()),
            watched(mount()).why("the same call as before, and now the box keeps it"),
        ])
        .act(
            "a directory is not enough",
            "The box makes that mount its root, and asks for a directory in it.",
        )
        .inside(chroot::chroot(&new))
        .inside([
            Step::new("make a plain directory", Op::mkdir("/plain"))
                .why("it lies on the mount that is the root"),
            Step::new("exchange the roots", Op::PivotRoot { new: "/plain".into(), old: "/plain".into() })
                .why("a mount cannot take its own place, and the directory is no mount of its own")
                .fails(Errno::BUSY),
        ])
        .then(end())
}

fn mounts(who: Who, under: &Path) -> Probe {
    Probe::Mounts(who, under.display().to_string())
}

/// The exchange, and the escape of lab 02 after it.
fn exchange(dir: &Path) -> Plan {
    let (root, outside) = (dir.join("root"), dir.join("host.txt"));
    let inside = || Probe::Tree(format!("/proc/{BOX}/root"));
    let write = |name| {
        let op = Op::Append { path: (&outside).into(), data: b"the box was here".to_vec() };
        Step::new(name, op).fails(Errno::NOENT).show(inside())
    };
    let [detach, go] = chroot::leave_old_root();
    Plan::default()
        .act("the exchange", "A new box, a root, and beside it a file of the host, as in lab 02.")
        .then([
            Step::new("make a root", Op::mkdir(&root))
                .why("a plain directory so far")
                .undo(Op::RemoveTree { path: (&root).into() }),
            Step::new("put a file into it", Op::create(root.join("box.txt"), "the box's"))
                .why("to be recognised by"),
            Step::new("make a file outside", Op::create(&outside, "the host's"))
                .why("it stands for everything on the host")
                .undo(Op::Unlink { path: (&outside).into() }),
        ])
        .then(clone())
        .inside(chroot::private())
        .inside(chroot::enter(&root))
        .act(
            "the old root goes",
            "It still lies on top of the new one. What is mounted in the box after that?",
        )
        .inside([detach.show(inside()), go.show(mounts(Who::Box, Path::new("/")))])
        .act("the escape", "The four calls that led out of a chroot. Can the box reach the host's file now?")
        .inside(write("write to the host's file").why("no path that starts at the new root leads there"))
        .inside(chroot::escape().map(|step| step.show(inside())))
        .inside(
            write("write to the host's file")
                .why("the climb ended where it began: above this root nothing is mounted")
                .show(Probe::Tree(dir.display().to_string())),
        )
        .then(end())
}
