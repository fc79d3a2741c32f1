//! What a program is born with: limits, schedule, capabilities, the owner of its streams, its terminal. The plan is taken
//! by this binary run again, and the program says what it found.

use std::io::{IoSliceMut, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use libtest_mimic::Failed;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use stepbox::kernel::flags::{NEWNS, NEWPID, NEWUSER, NEWUTS, capability};
use stepbox::kernel::op::{Exec, Scheduling};
use stepbox::kernel::{Errno, Op};
use stepbox::step::{Plan, Step};

use super::{holds, take};

fn shell(script: &str) -> Step {
    let argv = ["sh", "-c", script].map(Into::into).into();
    let env = vec!["PATH=/bin:/usr/bin:/sbin:/usr/sbin".into()];
    Step::new("execute", Op::Exec(Exec { paths: vec!["/bin/sh".into()], argv, env }))
}

fn bits(names: &[&str]) -> u64 {
    names.iter().filter_map(|name| capability(name)).fold(0, |set, bit| set | 1 << bit)
}

/// The plan of this name.
pub fn plan(name: &str, dir: &Path) -> Plan {
    let step = |op| Step::new("do it", op);
    let wait = || Step::new("wait", Op::WaitBox);
    match name {
        "limits" => Plan::default()
            .then(step(Op::Clone { flags: NEWUSER | NEWUTS }))
            .inside(
                [
                    Op::Setrlimit { resource: 7, soft: 100, hard: 200 },
                    Op::Personality { persona: 0x0040000 },
                    Op::SchedSetattr(Scheduling { policy: 3, nice: 5, ..Scheduling::default() }),
                    Op::SchedSetaffinity { cpus: vec![0] },
                    Op::IoprioSet { class: 2, level: 6 },
                    Op::Setdomainname { name: "example.org".into() },
                ]
                .map(step),
            )
            .inside(shell(
                "echo files $(ulimit -Sn) $(ulimit -Hn); echo persona $(cat /proc/self/personality); \
                 echo sched $(cut -d' ' -f19,41 /proc/self/stat); echo $(grep Cpus_allowed_list /proc/self/status); \
                 ionice; cat /proc/sys/kernel/domainname",
            ))
            .then(wait()),
        "keyring" => {
            let op = Op::JoinSessionKeyring { name: "stepbox-test".into() };
            Plan::default().then(step(Op::Clone { flags: 0 })).inside([step(op), shell("cat /proc/keys")]).then(wait())
        }
        // nobody's user namespace, no map: exec gives nothing but what is ambient
        "ambient" => Plan::default()
            .then(step(Op::Clone { flags: NEWUSER }))
            .inside([
                step(Op::DropBounding { keep: bits(&["CHOWN", "KILL", "SYS_CHROOT"]) }),
                step(Op::Capset {
                    permitted: bits(&["CHOWN", "KILL"]),
                    effective: bits(&["CHOWN"]),
                    inheritable: bits(&["KILL"]),
                }),
                step(Op::Ambient { raise: bits(&["CHOWN"]) }).fails(Errno::PERM),
                step(Op::Ambient { raise: bits(&["KILL"]) }),
                shell("grep ^Cap /proc/self/status"),
            ])
            .then(wait()),
        "keeps" => Plan::default()
            .then(step(Op::Clone { flags: 0 }))
            .inside([
                step(Op::KeepCapabilities { keep: true }),
                step(Op::Setresuid { uid: 65534 }),
                step(Op::Capset { permitted: 1, effective: 1, inheritable: 1 }),
                step(Op::Ambient { raise: 1 }),
                shell("grep -E '^Cap(Prm|Eff)' /proc/self/status"),
            ])
            .then(wait()),
        "files" => {
            let at = |name: &str| dir.join(name).into();
            Plan::default().then(
                [
                    Op::Mknod { path: at("block"), mode: libc::S_IFBLK | 0o640, major: 7, minor: 0 },
                    Op::Mknod { path: at("fifo"), mode: libc::S_IFIFO | 0o600, major: 0, minor: 0 },
                    Op::Mknod { path: at("null"), mode: 0o666, major: 1, minor: 3 },
                    Op::Symlink { target: "fifo".into(), path: at("link") },
                    Op::Chown { path: at("link"), uid: 7, gid: 8 },
                    Op::OwnStdio { uid: 65534 },
                ]
                .map(step),
            )
        }
        "console" => terminal(dir, None),
        other => {
            let fake = other.strip_prefix("console-over-").unwrap_or_else(|| panic!("unknown plan: {other}"));
            terminal(dir, Some(&fake.replace('-', "/")))
        }
    }
}

/// A terminal of a devpts of its own; over its ptmx, somebody has put another file.
fn terminal(dir: &Path, fake: Option<&str>) -> Plan {
    let step = |op| Step::new("do it", op);
    let connect = step(Op::ConnectConsole { path: dir.join("console.sock").into() });
    Plan::default()
        .then(fake.is_none().then_some(connect))
        .then(step(Op::Clone { flags: NEWUSER | NEWNS | NEWPID }))
        .inside([
            step(Op::remount("/", libc::MS_REC | libc::MS_PRIVATE)),
            step(Op::mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620")),
        ])
        .inside(fake.map(|file| step(Op::bind(file, "/dev/pts/ptmx", 0))))
        .inside(
            [
                Op::Setsid,
                Op::OpenPty,
                Op::WindowSize { rows: 33, columns: 99 },
                Op::AttachPty,
                Op::SendConsole,
                Op::CloseRange { first: 3 },
            ]
            .map(step),
        )
        .inside(shell("stty size; tty; echo to the terminal > /dev/tty; ls /proc/self/fd | tr '\\n' ' '"))
        .then(Step::new("wait", Op::WaitBox))
}

pub fn limits(dir: &Path) -> Result<(), Failed> {
    let printed = take(dir, &["plan", "limits"]);
    for line in [
        "files 100 200\n",
        "persona 00040000\n",
        "sched 5 3\n",
        "Cpus_allowed_list: 0\n",
        "best-effort: prio 6\n",
        "example.org\n",
    ] {
        holds(&printed, line)?;
    }
    Ok(())
}

pub fn keyring(dir: &Path) -> Result<(), Failed> {
    let printed = take(dir, &["plan", "keyring"]);
    holds(&printed, "stepbox-test: empty")
}

pub fn ambient(dir: &Path) -> Result<(), Failed> {
    let printed = take(dir, &["plan", "ambient"]);
    let (kill, bounding) = (bits(&["KILL"]), bits(&["CHOWN", "KILL", "SYS_CHROOT"]));
    for (set, wanted) in [("Inh", kill), ("Prm", kill), ("Eff", kill), ("Bnd", bounding), ("Amb", kill)] {
        holds(&printed, &format!("Cap{set}:\t{wanted:016x}\n"))?;
    }
    Ok(())
}

pub fn keeps(dir: &Path) -> Result<(), Failed> {
    let printed = take(dir, &["plan", "keeps"]);
    holds(&printed, "CapPrm:\t0000000000000001\nCapEff:\t0000000000000001\n")
}

pub fn files(dir: &Path) -> Result<(), Failed> {
    use std::os::unix::fs::FileTypeExt;
    let out = std::fs::File::create(dir.join("out"))?;
    let status = super::command(dir, &["plan", "files"]).stdout(out).status()?;
    let look = |name: &str| std::fs::symlink_metadata(dir.join(name));
    let (block, fifo, null, link) = (look("block")?, look("fifo")?, look("null")?, look("link")?);
    let kinds = block.file_type().is_block_device()
        && fifo.file_type().is_fifo()
        && null.file_type().is_char_device();
    let owners = (link.uid(), link.gid()) == (7, 8) && fifo.uid() == 0;
    let out = look("out")?;
    match status.success() && kinds && owners && out.uid() == 65534 && out.gid() == 0 {
        true => Ok(()),
        false => Err(format!("{status}: {block:?} {fifo:?} {null:?} {link:?} {out:?}").into()),
    }
}

/// Whoever listens gets the controlling end, as runc sends it.
pub fn console(dir: &Path) -> Result<(), Failed> {
    // longer than a socket's name can be
    let long = dir.join("d".repeat(100));
    std::fs::create_dir(&long)?;
    let listener = {
        let before = std::env::current_dir()?;
        std::env::set_current_dir(&long)?;
        let listener = std::os::unix::net::UnixListener::bind("console.sock");
        std::env::set_current_dir(before)?;
        listener?
    };
    let mut child = super::command(&long, &["plan", "console"]).spawn()?;
    let outcome = listener.accept().map_err(Failed::from).and_then(|(socket, _)| {
        let (name, ptmx) = receive(socket.as_fd())?;
        let mut text = String::new();
        let mut file = std::fs::File::from(ptmx);
        let mut bytes = [0u8; 1024];
        // the last read of a terminal whose other end is closed answers EIO
        while let Ok(count) = file.read(&mut bytes) {
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        holds(&name, "/dev/ptmx")?;
        // 3 is the directory that ls itself reads
        holds(&text, "33 99\r\n/dev/pts/0\r\nto the terminal\r\n0 1 2 3 ")
    });
    let _ = child.kill();
    child.wait()?;
    outcome
}

fn receive(socket: std::os::fd::BorrowedFd<'_>) -> Result<(String, OwnedFd), Failed> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0u8; 64];
    let count =
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::empty())?;
    let name = String::from_utf8_lossy(&bytes[..count.bytes]).into_owned();
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((name, fd.ok_or("no descriptor came")?))
}

/// A file of somebody else's in the place of ptmx is not taken for a terminal (CVE-2025-52565).
pub fn fake_console(dir: &Path) -> Result<(), Failed> {
    for fake in ["dev-null", "dev-pts-0", "etc-passwd"] {
        if fake == "dev-pts-0" && !Path::new("/dev/pts/0").exists() {
            continue;
        }
        let printed = take(dir, &["plan", &format!("console-over--{fake}")]);
        if fake == "dev-pts-0" && !Path::new("/dev/pts/0").exists() {
            // whoever had this terminal has closed it meanwhile
            continue;
        }
        if !printed.contains("ENOTTY") && !printed.contains("EACCES") && !printed.contains("EIO") {
            return Err(format!("{fake}: {printed}").into());
        }
    }
    Ok(())
}
