//! Short ways to write the operations that are written most.

use super::Op;
use crate::kernel::ctext::CText;

impl Op {
    /// mkdir(2) with mode 0755.
    pub fn mkdir(path: impl Into<CText>) -> Op {
        Op::Mkdir { path: path.into(), mode: 0o755 }
    }

    /// A file with this text and mode 0644.
    pub fn create(path: impl Into<CText>, text: &str) -> Op {
        Op::Create { path: path.into(), mode: 0o644, data: text.into() }
    }

    /// write(2) into a file of /proc, /sys or a cgroup.
    pub fn write(path: impl Into<CText>, data: impl Into<CText>) -> Op {
        Op::Write { path: path.into(), data: data.into() }
    }

    /// mount(2) of a file system.
    pub fn mount(source: &str, target: impl Into<CText>, kind: &str, flags: u64, data: &str) -> Op {
        let (source, kind, data) = (source.into(), kind.into(), data.into());
        Op::Mount { source, target: target.into(), kind, flags, data }
    }

    /// mount(2) with `MS_BIND`: a tree (`MS_REC`) or a file seen in a second place.
    pub fn bind(source: impl Into<CText>, target: impl Into<CText>, flags: u64) -> Op {
        let (kind, data) = ("".into(), "".into());
        Op::Mount { source: source.into(), target: target.into(), kind, flags: libc::MS_BIND | flags, data }
    }

    /// mount(2) that only changes the flags or the propagation of a mount.
    pub fn remount(target: impl Into<CText>, flags: u64) -> Op {
        Op::mount("", target, "", flags, "")
    }

    /// umount2(2) with `MNT_DETACH`: out of the tree at once, gone when nobody uses it.
    pub fn detach(target: impl Into<CText>) -> Op {
        Op::Umount { target: target.into(), flags: libc::MNT_DETACH as u64 }
    }

    /// capset(2): permitted and effective set are these, the inheritable one is empty.
    pub fn capset(keep: u64) -> Op {
        Op::Capset { permitted: keep, effective: keep, inheritable: 0 }
    }

    /// The name of the system call that matters, as strace prints it.
    pub fn call(&self) -> String {
        let text = self.to_string();
        text.split('(').next().unwrap_or_default().to_string()
    }
}

/// The signal's name, as `SIGKILL`.
pub fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match usize::try_from(signal - 1).ok().and_then(|index| NAMES.get(index)) {
        Some(name) => format!("SIG{name}"),
        None => format!("SIGRT{signal}"),
    }
}
