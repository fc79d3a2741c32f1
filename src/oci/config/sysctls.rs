//! Sysctls: which kernel parameters a container may set: those of its own namespaces.
//!
//! ```text
//!   net.ipv4.ip_forward              net/ipv4/ip_forward                dots separate
//!   net/ipv4/conf/eth0.1/rp_filter   net/ipv4/conf/eth0.1/rp_filter     or slashes: a dot is part of a name then
//!   net.ipv4.conf.eth0/1.rp_filter   the same
//! ```
//!
//! See sysctl(8), namespaces(7), and config-linux.md, "Sysctl".

use std::path::{Component, Path, PathBuf};

use super::document::Config;
use super::error::{ConfigError, Problem};
use super::namespaces::Listed;
use crate::kernel::flags::{NEWIPC, NEWNET, NEWUTS};

/// Parameters of an IPC namespace, besides those of its message queues: ipc_namespaces(7).
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// Files below /proc/sys, and what is written into them.
pub(super) fn settings(config: &Config, listed: &Listed) -> Result<Vec<(PathBuf, String)>, ConfigError> {
    let setting = |(name, value): (&String, &String)| {
        let problem =
            |problem| ConfigError::at(format!("linux.sysctl.{name:?}"), format!("{value:?}"), problem);
        if value.contains('\0') || name.contains('\0') {
            return Err(problem(Problem::Nul));
        }
        let file = file(name);
        allowed(&file, config, listed).map_err(problem)?;
        Ok((PathBuf::from(file), value.clone()))
    };
    config.linux.sysctl.iter().map(setting).collect()
}

/// The separator is whichever of the two comes first.
fn file(name: &str) -> String {
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    match name.find(['.', '/']).map(|at| &name[at..=at]) {
        Some(".") => name.chars().map(swap).collect(),
        _ => name.into(),
    }
}

fn allowed(file: &str, config: &Config, listed: &Listed) -> Result<(), Problem> {
    let names = |part: Component<'_>| matches!(part, Component::Normal(_));
    // a name that walks about could leave the namespace's part of the tree
    let plain =
        Path::new(file).components().all(names) && file.split('/').all(|part| !["", "."].contains(&part));
    if !plain {
        return Err(Problem::SysctlOfMachine);
    }
    let own = |kind, name| if listed.own(kind) { Ok(()) } else { Err(Problem::SysctlOfHost(name)) };
    if IPC.contains(&file) || file.starts_with("fs/mqueue/") {
        return own(NEWIPC, "ipc");
    }
    if file.starts_with("net/") {
        return own(NEWNET, "network");
    }
    match file {
        "kernel/hostname" => Err(Problem::SysctlOtherwise("hostname")),
        "kernel/domainname" if config.domainname.is_some() => Err(Problem::SysctlOtherwise("domainname")),
        "kernel/domainname" => own(NEWUTS, "uts"),
        _ => Err(Problem::SysctlOfMachine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_decides() {
        assert_eq!(file("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(file("net/ipv4/conf/eth0.1/rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
        assert_eq!(file("net.ipv4.conf.eth0/1.rp_filter"), "net/ipv4/conf/eth0.1/rp_filter");
        assert_eq!(file("net.//.kernel.core_pattern"), "net/../kernel/core_pattern");
    }

    #[test]
    fn no_name_walks_out_of_its_namespace() {
        let (config, listed) = (Config::default(), Listed::default());
        for name in ["net/../kernel/core_pattern", "net/./x", "net//x", "/net/x", "../net/x", "net/", ""] {
            assert_eq!(allowed(name, &config, &listed), Err(Problem::SysctlOfMachine), "{name}");
        }
        assert_eq!(allowed("net/x", &config, &listed), Err(Problem::SysctlOfHost("network")));
    }
}
