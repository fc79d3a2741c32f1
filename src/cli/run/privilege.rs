//! The options of `run` that say what root inside may do, in Docker's words.

use crate::engine::request::Seccomp;
use crate::kernel::flags;
use crate::privilege;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Hide nothing and refuse nothing: all capabilities, all devices, no filter
    #[arg(long)]
    privileged: bool,
    /// Let root inside keep a capability (NAME, CAP_NAME or ALL)
    #[arg(long, value_name = "CAP", value_parser = capability)]
    cap_add: Vec<u64>,
    /// Take a capability away from root inside (NAME, CAP_NAME or ALL)
    #[arg(long, value_name = "CAP", value_parser = capability)]
    cap_drop: Vec<u64>,
    /// seccomp=unconfined, seccomp=builtin, no-new-privileges[=true|false]
    #[arg(long, value_name = "OPTION", value_parser = security)]
    security_opt: Vec<Security>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    Seccomp(Seccomp),
    NoNewPrivileges(bool),
}

const ALL: u64 = flags::ALL_CAPABILITIES;

impl Args {
    /// As Docker: `ALL` counts first, so that a name can be taken out of it or put back; what is both added and dropped
    /// is there. Nobody can give what he has not: `ALL` is all of `ours`.
    pub(super) fn capabilities(&self, ours: u64) -> u64 {
        let names = |list: &[u64]| list.iter().filter(|set| **set != ALL).fold(0, |all, set| all | set);
        let (add, drop) = (names(&self.cap_add), names(&self.cap_drop));
        match (self.cap_add.contains(&ALL), self.cap_drop.contains(&ALL)) {
            _ if self.privileged => ours,
            (true, _) => ours & !drop,
            (false, true) => add,
            (false, false) => privilege::default_set() & !drop | add,
        }
    }

    pub(super) fn privileged(&self) -> bool {
        self.privileged
    }

    pub(super) fn no_new_privs(&self) -> bool {
        self.security_opt.iter().rev().find_map(|option| match option {
            Security::NoNewPrivileges(on) => Some(*on),
            Security::Seccomp(_) => None,
        }) == Some(true)
    }

    pub(super) fn seccomp(&self) -> Seccomp {
        let last = self.security_opt.iter().rev().find_map(|option| match option {
            Security::Seccomp(seccomp) => Some(*seccomp),
            Security::NoNewPrivileges(_) => None,
        });
        last.unwrap_or(Seccomp::Default)
    }
}

fn capability(text: &str) -> Result<u64, String> {
    match text.eq_ignore_ascii_case("all") || text.eq_ignore_ascii_case("cap_all") {
        true => Ok(ALL),
        false => flags::capability(text).map(|bit| 1 << bit).ok_or("no capability of capabilities(7)".into()),
    }
}

fn security(text: &str) -> Result<Security, String> {
    let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
    match (name, value) {
        ("no-new-privileges", "" | "true") => Ok(Security::NoNewPrivileges(true)),
        ("no-new-privileges", "false") => Ok(Security::NoNewPrivileges(false)),
        ("seccomp", "unconfined") => Ok(Security::Seccomp(Seccomp::Unconfined)),
        ("seccomp", "builtin") => Ok(Security::Seccomp(Seccomp::Default)),
        ("seccomp", file) => Err(format!(
            "profiles from a file ({file:?}) are not part of this version: unconfined or builtin"
        )),
        _ => Err("known here are seccomp=unconfined, seccomp=builtin and no-new-privileges".into()),
    }
}
