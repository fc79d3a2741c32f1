//! Devices: which of them may be opened for reading or writing, and which made.
//!
//! ```text
//!   rules, in order        the list that they come to         version 1: written to devices.deny, devices.allow
//!   deny  a            ─>  all denied, but              ─>    version 2: a program, asked at every open: filter.rs
//!   allow c 1:3 rwm        c 1:3 rwm, c *:* m
//!   allow c *:* m
//! ```
//!
//! The list works as that of version 1, also for version 2: a rule for everything starts afresh; any other adds an
//! exception, or takes back one that names the same device.
//!
//! See the OCI runtime specification, config-linux.md, "Allowed Device list"; the kernel's cgroup-v1/devices.rst.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::setting::refuse;
use super::{CgroupError, filter};
use crate::kernel::Op;
use crate::step::Step;

const MEMBER: &str = "linux.resources.devices";

/// One member of `linux.resources.devices`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// allow, or deny
    pub allow: bool,
    /// `c` character devices, `b` block devices, `a` or none: all
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// none or negative: any
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major: Option<i64>,
    /// none or negative: any
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor: Option<i64>,
    /// of `r` read, `w` write, `m` mknod
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
}

/// A device, or all that a wildcard (-1) stands for: major, minor, `b` or `c`. In the order in which they are written.
type Device = (i64, i64, char);

/// Bits of access, as the kernel gives them to a program: BPF_DEVCG_ACC_*.
const LETTERS: [(char, u8); 3] = [('r', 2), ('w', 4), ('m', 1)];
pub(super) const EVERYTHING: u8 = 7;

/// What a list of rules comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// what holds for the rest
    pub(super) allow: bool,
    /// for which the opposite holds, and for what access
    pub(super) exceptions: BTreeMap<Device, u8>,
}

impl Rule {
    fn all(allow: bool) -> Rule {
        Rule { allow, access: Some("rwm".into()), ..Rule::default() }
    }

    /// Allows access to a device, or to all that `None` stands for.
    pub fn allow(kind: &str, major: Option<i64>, minor: Option<i64>, access: &str) -> Rule {
        Rule { allow: true, kind: Some(kind.into()), major, minor, access: Some(access.into()) }
    }

    fn character(major: i64, minor: Option<i64>) -> Rule {
        Rule::allow("c", Some(major), minor, "rwm")
    }
}

/// What every container may: make any device file, and use those that config.md says it finds in /dev. To be
/// appended to the rules of a config.json, as runtimes do.
pub fn always() -> Vec<Rule> {
    let mut rules = vec![Rule::allow("c", None, None, "m"), Rule::allow("b", None, None, "m")];
    // null, random, full, tty, zero, urandom, pts/*, ptmx
    rules.extend([(1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9)].map(|(a, b)| Rule::character(a, Some(b))));
    rules.extend([Rule::character(136, None), Rule::character(5, Some(2))]);
    rules
}

/// Docker's default for a container of an engine: nothing but [`always`] and the console.
pub fn default() -> Vec<Rule> {
    [Rule::all(false), Rule::character(5, Some(1))].into_iter().chain(always()).collect()
}

/// Everything, as for `--privileged`.
pub fn all() -> Vec<Rule> {
    vec![Rule::all(true)]
}

impl List {
    /// Takes the rules in order, from "all denied" on.
    pub fn of(rules: &[Rule]) -> Result<List, CgroupError> {
        let mut list = List::default();
        for (at, rule) in rules.iter().enumerate() {
            list.apply(at, rule)?;
        }
        Ok(list)
    }

    /// Reads `devices.list`. Of a list that allows the rest, it does not tell the exceptions.
    pub fn parse(text: &str) -> List {
        let mut list = List::default();
        for line in text.lines() {
            let fields: Vec<&str> = line.split([' ', ':']).collect();
            let [kind, major, minor, access] = fields[..] else { continue };
            let number = |text: &str| text.parse().unwrap_or(-1);
            match kind {
                "a" => list = List { allow: true, exceptions: BTreeMap::new() },
                _ if list.allow => {}
                _ => {
                    let device = (number(major), number(minor), if kind == "b" { 'b' } else { 'c' });
                    *list.exceptions.entry(device).or_default() |= bits(access).unwrap_or(0);
                }
            }
        }
        list
    }

    fn apply(&mut self, at: usize, rule: &Rule) -> Result<(), CgroupError> {
        let place = format!("{MEMBER}[{at}]");
        let text = rule.access.as_deref().unwrap_or_default();
        if text.is_empty() {
            return refuse(
                &format!("{place}.access"),
                "\"\"",
                &format!("device access at {at} field cannot be empty"),
            );
        }
        let Some(access) = bits(text) else {
            return refuse(&format!("{place}.access"), text, "of r, w and m");
        };
        let kind = match rule.kind.as_deref() {
            None | Some("" | "a") => {
                *self = List { allow: rule.allow, exceptions: BTreeMap::new() };
                return Ok(());
            }
            Some("c") => 'c',
            Some("b") => 'b',
            Some(other) => return refuse(&format!("{place}.type"), other, "a, b or c"),
        };
        let number = |name, value: Option<i64>| match value {
            None | Some(..0) => Ok(-1),
            Some(value) if u32::try_from(value).is_ok() => Ok(value),
            Some(value) => refuse(&format!("{place}.{name}"), value, "device numbers have 32 bits"),
        };
        let device = (number("major", rule.major)?, number("minor", rule.minor)?, kind);
        match rule.allow == self.allow {
            true => self.take_back(device, access).or_else(|held| {
                let hole = format!(
                    "cannot punch hole in existing wildcard rule {}: name the devices that are to remain",
                    line(held, access)
                );
                refuse(&place, line(device, access), &hole)
            }),
            false => {
                *self.exceptions.entry(device).or_default() |= access;
                Ok(())
            }
        }
    }

    /// Version 1 would leave a wildcard as it is, and say nothing: that must not pass for success.
    fn take_back(&mut self, device: Device, access: u8) -> Result<(), Device> {
        let (major, minor, kind) = device;
        for wider in [(-1, minor, kind), (major, -1, kind), (-1, -1, kind)] {
            let held = self.exceptions.get(&wider).copied().unwrap_or(0);
            if wider != device && held & access != 0 {
                return Err(wider);
            }
        }
        if let Some(held) = self.exceptions.get_mut(&device) {
            *held &= !access;
        }
        self.exceptions.retain(|_, held| *held != 0);
        Ok(())
    }

    /// From this list to another: what to allow (true) and what to deny, disturbing as little as can be. What a list
    /// that allows the rest denies cannot be read back, so from there it starts afresh.
    pub fn towards(&self, target: &List) -> Vec<(bool, String)> {
        let afresh = self.allow || target.allow;
        let none = BTreeMap::new();
        let old = if afresh { &none } else { &self.exceptions };
        let all = afresh.then(|| (target.allow, "a *:* rwm".into()));
        let beyond = |one: &BTreeMap<Device, u8>, other: &BTreeMap<Device, u8>, allow| {
            let rest = |(device, access): (&Device, &u8)| {
                let rest = access & !other.get(device).copied().unwrap_or(0);
                (rest != 0).then(|| (allow, line(*device, rest)))
            };
            one.iter().filter_map(rest).collect::<Vec<_>>()
        };
        let gone = beyond(old, &target.exceptions, target.allow);
        let new = beyond(&target.exceptions, old, !target.allow);
        all.into_iter().chain(gone).chain(new).collect()
    }

    /// Version 1, in a cgroup that has just been made and holds what its parent has.
    pub(super) fn write(&self, directory: &Path) -> Vec<Step> {
        let unknown = List { allow: true, exceptions: BTreeMap::new() };
        steps(&unknown.towards(self), directory)
    }

    /// Version 2: one program, from one moment to the next.
    pub(super) fn attach(&self, directory: &Path, replace: bool) -> Vec<Step> {
        let load = Op::LoadDeviceFilter(filter::program(self));
        let attach = Op::AttachDeviceFilter { cgroup: directory.into(), replace };
        vec![
            Step::new("load the device filter", load).why(
                "version 2 has no list of devices: the kernel asks a program, which it has checked first",
            ),
            Step::new("attach it to the cgroup", attach)
                .why("it is asked at every open and mknod of a device, by everybody in the cgroup"),
        ]
    }
}

/// The writes that make it so under version 1.
pub(super) fn steps(changes: &[(bool, String)], directory: &Path) -> Vec<Step> {
    let step = |(allow, what): &(bool, String)| {
        let (name, why, file) = match (allow, what.starts_with('a')) {
            (false, true) => ("deny every device", "what is not allowed below stays closed", "devices.deny"),
            (true, true) => ("allow every device", "also the host's disks", "devices.allow"),
            (true, false) => {
                ("allow a device", "mknod gives a name, and only this lets it be opened", "devices.allow")
            }
            (false, false) => ("deny a device", "its file can be made, and not opened", "devices.deny"),
        };
        Step::new(name, Op::write(directory.join(file), what)).why(why)
    };
    changes.iter().map(step).collect()
}

fn bits(access: &str) -> Option<u8> {
    let bit = |letter| LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, bit)| *bit);
    let every = LETTERS.iter().fold(0, |all, (_, bit)| all | bit);
    // `a` is all of them, as in devices.allow
    access.chars().try_fold(0, |all, letter| Some(all | if letter == 'a' { every } else { bit(letter)? }))
}

/// As devices.list has it: `c 1:3 rwm`.
fn line((major, minor, kind): Device, access: u8) -> String {
    let number = |number: i64| if number < 0 { "*".into() } else { number.to_string() };
    let letters: String =
        LETTERS.iter().filter(|(_, bit)| access & bit != 0).map(|(letter, _)| *letter).collect();
    format!("{kind} {}:{} {letters}", number(major), number(minor))
}
