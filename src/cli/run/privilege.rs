//! The options of `run` that say what root inside may do, in Docker's words.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::files::target;
use crate::cgroups::devices::Rule;
use crate::engine::request::{HostDevice, Seccomp};
use crate::kernel::flags;
use crate::privilege;
use crate::privilege::seccomp::profile::{self, Host};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Privilege")]
#[group(skip)]
pub(super) struct Args {
    /// Refuse nothing: all capabilities and devices, no filter
    #[arg(long)]
    privileged: bool,
    /// Let root inside keep a capability (NAME or ALL)
    #[arg(long, value_name = "CAP", value_parser = capability)]
    pub(super) cap_add: Vec<(String, u64)>,
    /// Take a capability away from root inside (NAME or ALL)
    #[arg(long, value_name = "CAP", value_parser = capability)]
    pub(super) cap_drop: Vec<(String, u64)>,
    /// seccomp=FILE|builtin|unconfined, no-new-privileges
    #[arg(long, value_name = "OPTION", value_parser = security)]
    pub(super) security_opt: Vec<(String, Security)>,
    /// Lend it a device of the host
    #[arg(long, value_name = "HOST[:CONTAINER][:rwm]", value_parser = device)]
    pub(super) device: Vec<HostDevice>,
    /// Let it use devices of these numbers (c 42:* rwm)
    #[arg(long, value_name = "RULE", value_parser = rule)]
    pub(super) device_cgroup_rule: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Security {
    Builtin,
    Unconfined,
    Profile(PathBuf),
    NoNewPrivileges(bool),
}

const ALL: u64 = flags::ALL_CAPABILITIES;

impl Args {
    /// As Docker: `ALL` counts first, so that a name can be taken out of it or put back; what is both added and dropped
    /// is there. Nobody can give what he has not: `ALL` is all of `ours`.
    pub(super) fn capabilities(&self, ours: u64) -> u64 {
        let sets = |list: &[(String, u64)]| list.iter().map(|(_, set)| *set).collect::<Vec<_>>();
        let names = |list| sets(list).into_iter().filter(|set| *set != ALL).fold(0, |all, set| all | set);
        let (add, drop) = (names(&self.cap_add), names(&self.cap_drop));
        match (sets(&self.cap_add).contains(&ALL), sets(&self.cap_drop).contains(&ALL)) {
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
        self.security_opt.iter().rev().find_map(|(_, option)| match option {
            Security::NoNewPrivileges(on) => Some(*on),
            _ => None,
        }) == Some(true)
    }

    /// The last that was asked for; a file is read here.
    pub(super) fn seccomp(&self, capabilities: u64) -> anyhow::Result<Seccomp> {
        let asked = |option: &&Security| !matches!(option, Security::NoNewPrivileges(_));
        Ok(match self.security_opt.iter().map(|(_, option)| option).rev().find(asked) {
            Some(Security::Unconfined) => Seccomp::Unconfined,
            Some(Security::Profile(path)) => Seccomp::Profile(Box::new(profile(path, capabilities)?)),
            _ => Seccomp::Default,
        })
    }
}

/// A profile as Docker takes it, for these capabilities and this kernel.
fn profile(path: &Path, capabilities: u64) -> anyhow::Result<privilege::seccomp::Profile> {
    let name = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("opening seccomp profile ({name}) failed"))?;
    let host = Host { capabilities, kernel: kernel_version() };
    let profile =
        profile::docker(&text, host).with_context(|| format!("decoding seccomp profile ({name}) failed"))?;
    if let Some(listener) = &profile.listener {
        bail!("seccomp profile ({name}): a listener ({}) is for stepbox oci only", listener.path.display());
    }
    Ok(profile)
}

fn capability(text: &str) -> Result<(String, u64), String> {
    let set = match text.eq_ignore_ascii_case("all") || text.eq_ignore_ascii_case("cap_all") {
        true => ALL,
        false => 1 << flags::capability(text).ok_or("no capability of capabilities(7)")?,
    };
    Ok((text.into(), set))
}

/// 6.18.3-amd64 is (6, 18).
fn kernel_version() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers =
        release.split(|letter: char| !letter.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn security(text: &str) -> Result<(String, Security), String> {
    let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
    let meant = match (name, value) {
        ("no-new-privileges", "" | "true") => Security::NoNewPrivileges(true),
        ("no-new-privileges", "false") => Security::NoNewPrivileges(false),
        ("seccomp", "unconfined") => Security::Unconfined,
        ("seccomp", "builtin") => Security::Builtin,
        ("seccomp", file) if !file.is_empty() => Security::Profile(file.into()),
        _ => {
            return Err(
                "known here are seccomp=FILE, seccomp=builtin, seccomp=unconfined and no-new-privileges"
                    .into(),
            );
        }
    };
    Ok((text.into(), meant))
}

fn device(text: &str) -> Result<HostDevice, String> {
    let access = |text: &str| !text.is_empty() && text.chars().all(|letter| "rwm".contains(letter));
    let parts: Vec<&str> = text.split(':').collect();
    let (path, inside, may) = match parts.as_slice() {
        [path] => (*path, *path, "rwm"),
        [path, may] if access(may) => (*path, *path, *may),
        [path, inside] => (*path, *inside, "rwm"),
        [path, inside, may] if access(may) => (*path, *inside, *may),
        _ => return Err("expected HOST, HOST:CONTAINER or HOST:CONTAINER:rwm".into()),
    };
    if !Path::new(path).is_absolute() {
        return Err(format!("{path:?} is not an absolute path"));
    }
    Ok(HostDevice { path: path.into(), target: target(inside)?, access: may.into() })
}

/// `c 42:* rwm`: character devices of driver 42. Of `a`, the kernel takes no numbers.
fn rule(text: &str) -> Result<Rule, String> {
    let wrong = || format!("invalid device cgroup format '{text}'");
    let [kind @ ("a" | "b" | "c"), numbers, access] = text.split(' ').collect::<Vec<_>>()[..] else {
        return Err(wrong());
    };
    let number = |text: &str| match text {
        "*" => Ok(None),
        text if text.bytes().all(|letter| letter.is_ascii_digit()) => {
            text.parse::<u32>().map(|number| Some(number.into())).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(wrong)?;
    if !(1..=3).contains(&access.len()) || !access.chars().all(|letter| "rwm".contains(letter)) {
        return Err(wrong());
    }
    Ok(Rule::allow(kind, number(major)?, number(minor)?, access))
}
