//! Sysctls: which of the kernel's settings belong to a namespace, so that a container may have its own.

use std::path::PathBuf;

use super::Namespace;

/// Whose setting it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// the network namespace's
    Net,
    /// the IPC namespace's
    Ipc,
    /// the UTS namespace's
    Uts,
}

const IPC: [&str; 8] = ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"];

/// Whose setting this is, as `net.ipv4.ip_forward`; `None` for the whole machine's.
pub fn owner(name: &str) -> Option<Owner> {
    let name = name.replace('/', ".");
    match name.split_once('.') {
        Some(("net", _)) => Some(Owner::Net),
        Some(("fs", rest)) if rest.starts_with("mqueue.") => Some(Owner::Ipc),
        Some(("kernel", rest)) if IPC.contains(&rest) => Some(Owner::Ipc),
        Some(("kernel", "domainname")) => Some(Owner::Uts),
        _ => None,
    }
}

/// Its file below /proc/sys. As sysctl(8): where the first separator is a dot, a slash stands for a dot in a name, as
/// in `net.ipv4.conf.eth0/100.forwarding`. `None` where it would lead out.
pub fn file(name: &str) -> Option<PathBuf> {
    let dots = name.find(['.', '/']).is_none_or(|at| name[at..].starts_with('.'));
    let swap = |letter| match letter {
        '.' if dots => '/',
        '/' if dots => '.',
        other => other,
    };
    let path: String = name.chars().map(swap).collect();
    let good = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    path.split('/').all(good).then(|| path.into())
}

impl Owner {
    /// Whether the container has one of its own for this to be set in.
    pub fn is_own(self, net: &Namespace, ipc: &Namespace, uts: &Namespace) -> bool {
        let namespace = match self {
            Owner::Net => net,
            Owner::Ipc => ipc,
            Owner::Uts => uts,
        };
        *namespace != Namespace::Host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_an_owner_and_a_file() {
        assert_eq!(owner("net.ipv4.ip_forward"), Some(Owner::Net));
        assert_eq!(owner("fs/mqueue/msg_max"), Some(Owner::Ipc));
        assert_eq!(owner("kernel.shmmax"), Some(Owner::Ipc));
        assert_eq!(owner("kernel.panic"), None);
        assert_eq!(owner("vm.swappiness"), None);
        assert_eq!(
            file("net.ipv4.conf.eth0/100.forwarding"),
            Some("net/ipv4/conf/eth0.100/forwarding".into())
        );
        assert_eq!(
            file("net/ipv4/conf/eth0.100/forwarding"),
            Some("net/ipv4/conf/eth0.100/forwarding".into())
        );
        assert_eq!(file("net.//.//x"), None);
        assert_eq!(file("net/../kernel"), None);
        assert_eq!(file(""), None);
    }
}
