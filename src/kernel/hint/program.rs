//! Hints for what a program is given on its way: names, a place, an identity, a terminal, somebody who looks after it.

use crate::kernel::{Errno, Op, op};

/// The cause and the remedy.
pub(super) fn hint(op: &Op, errno: Errno) -> Option<&'static str> {
    Some(match (op, errno) {
        (Op::Sethostname { .. } | Op::Setdomainname { .. }, Errno::INVAL | Errno::NAMETOOLONG) => {
            "the kernel keeps 64 bytes of a host name or domain name: choose a shorter one"
        }
        (Op::Sethostname { .. } | Op::Setdomainname { .. }, Errno::PERM) => {
            "the UTS namespace is somebody else's: leave out --uts host, or the name"
        }
        (Op::Chdir { .. }, Errno::ACCESS) => {
            "root of the container may not enter it, for all that it is root there: choose another --workdir"
        }
        (Op::Chdir { .. }, Errno::NOTDIR) => "a part of that path is a file: choose another --workdir",
        (Op::Chdir { .. }, Errno::LOOP) => "too many links lead to it: choose another --workdir",
        (Op::Setgroups { .. }, Errno::PERM) => {
            "this user namespace denies setgroups(2) (/proc/self/setgroups): run as root, or without --group-add"
        }
        (Op::Setgroups { .. } | Op::Setresuid { .. } | Op::Setresgid { .. }, Errno::INVAL) => {
            "this user namespace has no such user or group: see /proc/self/uid_map and gid_map"
        }
        (Op::Setresuid { .. }, Errno::AGAIN) => {
            "that user has as many processes as it may have: raise --ulimit nproc"
        }
        (Op::Setresuid { .. } | Op::Setresgid { .. }, Errno::PERM) => {
            "to become somebody else needs CAP_SETUID and CAP_SETGID: run as root"
        }
        (Op::DropBounding { .. }, Errno::PERM) => {
            "to give capabilities up for good needs CAP_SETPCAP: run as root, with it"
        }
        (Op::OpenPty, Errno::NOSPC) => {
            "the machine has as many terminals as it may have: raise /proc/sys/kernel/pty/max"
        }
        (Op::AttachPty, Errno::PERM) => "the session has a terminal already, or is not the box's own",
        (Op::Orphans(op::Orphans::Init), Errno::AGAIN) => {
            "a limit on processes is reached: raise --pids-limit or --ulimit nproc"
        }
        (Op::Orphans(op::Orphans::Init), Errno::PERM) => {
            "the seccomp profile refuses clone(2), without which there is no init: run without --init"
        }
        (Op::Orphans(op::Orphans::End), Errno::TIMEDOUT) => {
            "what the container has left behind does not die, or forks faster than it is killed: find it with ps, or run \
             with a cgroup of your own (systemd-run --user --scope -p Delegate=yes)"
        }
        (Op::CloneThrough { .. } | Op::OpenTheirs(_), Errno::SRCH) => {
            "the container whose namespaces it shares has ended meanwhile: start that one first"
        }
        (Op::OpenTheirs(_), Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {
            "the other container has ended, or has no /dev/shm: start it with --ipc shareable"
        }
        (Op::OpenTheirs(_), Errno::PERM | Errno::ACCESS) => {
            "the other container is somebody else's: only its own user and root may share its memory"
        }
        (Op::Mkdir { .. } | Op::Room { .. } | Op::Create { .. }, Errno::NOTDIR) => {
            "a part of that path is a file: choose another target, or remove the file"
        }
        (Op::Room { .. }, Errno::ISDIR) => "a directory lies there: a file can be bound only onto a file",
        (Op::Create { .. }, Errno::ROFS) => "the file system is read-only: choose another with STEPBOX_ROOT",
        (Op::Mkdir { path, .. } | Op::Create { path, .. }, Errno::ACCESS | Errno::PERM)
            if !path.as_path().starts_with("/sys") =>
        {
            "we may not write there: choose another directory with STEPBOX_ROOT"
        }
        (Op::Mkdir { .. } | Op::Create { .. }, Errno::DQUOT) => {
            "the user has used up what the disk's quota gives: quota -s"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::hint;
    use super::*;
    use crate::kernel::op::{Join, Orphans, Peer, Theirs};

    /// What options of `run` lead to: the operation, the errno that can be foreseen, and what the remedy names.
    #[test]
    fn every_error_of_a_run_has_a_remedy() {
        let peer = Peer { pid: 7, start: 1 };
        let theirs = || Op::OpenTheirs(Theirs { peer, user: false, source: "/dev/shm".into(), slot: 0 });
        let through = || Op::CloneThrough { join: vec![Join::OfPeer(peer, 0x4000_0000)], flags: 0 };
        let met = [
            (Op::write("/proc/[BOX]/oom_score_adj", "-500"), Errno::ACCESS, "CAP_SYS_RESOURCE"),
            (Op::write("/proc/sys/net/core/somaxconn", "1"), Errno::ACCESS, "as root"),
            (Op::write("/proc/sys/net/ipv4/no_such", "1"), Errno::NOENT, "/proc/sys"),
            (Op::write("/proc/sys/kernel/shmmax", "x"), Errno::INVAL, "does not accept"),
            (Op::Sethostname { name: "x".into() }, Errno::INVAL, "64 bytes"),
            (Op::Setdomainname { name: "x".into() }, Errno::PERM, "--uts host"),
            (Op::Chdir { path: "/root".into() }, Errno::ACCESS, "--workdir"),
            (Op::Chdir { path: "/etc/passwd".into() }, Errno::NOTDIR, "--workdir"),
            (Op::Setgroups { gids: vec![7] }, Errno::PERM, "--group-add"),
            (Op::Setresuid { uid: 7 }, Errno::INVAL, "uid_map"),
            (Op::Setresuid { uid: 7 }, Errno::AGAIN, "--ulimit nproc"),
            (Op::Setresgid { gid: 7 }, Errno::PERM, "run as root"),
            (Op::DropBounding { keep: 0 }, Errno::PERM, "CAP_SETPCAP"),
            (Op::OpenPty, Errno::NOSPC, "pty/max"),
            (Op::AttachPty, Errno::PERM, "terminal"),
            (Op::Orphans(Orphans::Init), Errno::AGAIN, "--pids-limit"),
            (Op::Orphans(Orphans::Init), Errno::PERM, "without --init"),
            (Op::Orphans(Orphans::End), Errno::TIMEDOUT, "Delegate=yes"),
            (theirs(), Errno::NOENT, "--ipc shareable"),
            (theirs(), Errno::PERM, "its own user"),
            (theirs(), Errno::SRCH, "start that one first"),
            (through(), Errno::SRCH, "start that one first"),
            (Op::mkdir("/etc/passwd/x"), Errno::NOTDIR, "choose another target"),
            (Op::Room { path: "/etc".into() }, Errno::ISDIR, "only onto a file"),
            (Op::create("/var/x", ""), Errno::ROFS, "STEPBOX_ROOT"),
            (Op::mkdir("/var/x"), Errno::ACCESS, "STEPBOX_ROOT"),
            (Op::create("/var/x", ""), Errno::DQUOT, "quota"),
            (Op::mkdir("/sys/fs/cgroup/x"), Errno::ACCESS, "Delegate=yes"),
            (Op::write("/sys/fs/cgroup/cpuset/x/cpuset.cpus", "9"), Errno::ACCESS, "cpuset.cpus"),
            (Op::OpenCgroup("/sys/fs/cgroup/x".into()), Errno::ACCESS, "Delegate=yes"),
        ];
        for (op, errno, remedy) in met {
            let said = hint(&op, errno).unwrap_or("no hint");
            assert!(said.contains(remedy), "{op} = {errno}: {said}");
        }
    }
}
