//! Profiles from files: what `linux.seccomp` of an OCI config says, and the file that Docker takes.
//!
//! ```text
//!   config.json  linux.seccomp ─────────────── oci() ──┐
//!                                                      ├──> Profile ── compile ──> program
//!   seccomp.json archMap, includes, excludes ─ docker()┘
//! ```
//!
//! Where several rules speak of one call, the one without conditions decides; else their order is libseccomp's, not
//! the file's: see `order`. See config-linux.md of the OCI runtime specification, section Seccomp, and
//! docs.docker.com/engine/security/seccomp.

use std::collections::HashMap;

use serde_json::Value;

use super::{Action, Arch, Condition, Listener, Profile, Rule};
use crate::kernel::flags;

mod json;
mod order;
mod words;

use json::Node;
pub use json::{Problem, ProfileError};
pub use words::{Known, known};

/// What Docker's profile asks of the machine and the container: it says who gets which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// the container's bounding set, as bits
    pub capabilities: u64,
    /// the kernel's version: 6.18 is (6, 18)
    pub kernel: (u32, u32),
}

/// `linux.seccomp` of an OCI config. The listener, if there is one, has no state yet.
///
/// # Errors
/// The place in the config, what stands there, and what is wrong with it.
pub fn oci(seccomp: &Value) -> Result<Profile, ProfileError> {
    let root = Node::root("linux.seccomp", seccomp);
    let arches = root.list("architectures")?;
    read(&root, &arches, |_| Ok(true))
}

/// The file of `--security-opt seccomp=FILE`, for this container.
///
/// # Errors
/// The place in the file, what stands there, and what is wrong with it.
pub fn docker(text: &str, host: Host) -> Result<Profile, ProfileError> {
    let value: Value = serde_json::from_str(text).map_err(ProfileError::not_json)?;
    let root = Node::root("", &value);
    let (mut arches, map) = (root.list("architectures")?, root.list("archMap")?);
    if let (false, Some(first)) = (arches.is_empty(), map.first()) {
        return Err(first.fails(Problem::Both("architectures", "archMap")));
    }
    for row in &map {
        let main = row.need("architecture")?;
        if words::arch(&main)? == Some(Arch::OURS[0]) {
            arches.push(main);
            arches.extend(row.list("subArchitectures")?);
        }
    }
    read(&root, &arches, |rule| concerns(rule, host))
}

/// Whether Docker's filters let a rule through.
fn concerns(rule: &Node<'_>, host: Host) -> Result<bool, ProfileError> {
    let has = |name: &str| flags::capability(name).is_some_and(|bit| host.capabilities >> bit & 1 == 1);
    let ours = |name: &str| words::GO.iter().any(|(go, arch)| *go == name && *arch == Arch::OURS[0]);
    if let Some(all) = rule.get("includes") {
        let arches = all.words("arches")?;
        let right = arches.is_empty() || arches.iter().any(|name| ours(name));
        let young = all.get("minKernel").map(|least| least.version()).transpose()?;
        let held = all.words("caps")?.iter().all(|name| has(name));
        if !right || !held || young.is_some_and(|least| host.kernel < least) {
            return Ok(false);
        }
    }
    if let Some(any) = rule.get("excludes") {
        let young = any.get("minKernel").map(|least| least.version()).transpose()?;
        let named = any.words("arches")?.iter().any(|name| ours(name));
        let held = any.words("caps")?.iter().any(|name| has(name));
        if named || held || young.is_some_and(|least| host.kernel >= least) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One entry of `syscalls`.
struct Entry<'a> {
    node: Node<'a>,
    calls: Vec<&'a str>,
    action: Action,
    /// all must hold in one of these; a single empty one always holds
    either: Vec<Vec<Condition>>,
}

fn read<'a>(
    root: &Node<'a>,
    arches: &[Node<'a>],
    concerns: impl Fn(&Node<'a>) -> Result<bool, ProfileError>,
) -> Result<Profile, ProfileError> {
    let otherwise = action(root, "defaultAction", "defaultErrnoRet")?;
    if otherwise == Action::Notify {
        return Err(root.need("defaultAction")?.fails(Problem::NotifyAll));
    }
    let mut entries = Vec::new();
    for node in root.list("syscalls")? {
        if concerns(&node)? {
            entries.push(entry(node)?);
        }
    }
    let mut open = vec![Arch::OURS[0]];
    for node in arches {
        open.extend(words::arch(node)?.filter(|arch| Arch::OURS.contains(arch)));
    }
    let mut seen = Vec::new();
    open.retain(|arch| {
        !seen.contains(arch) && {
            seen.push(*arch);
            true
        }
    });
    // a program meets calls younger than its profile with a question: ENOSYS says what libc can work with
    let permissive = matches!(otherwise, Action::Allow | Action::Log | Action::Trace(_));
    let newer = (!permissive).then_some(Action::Errno(libc::ENOSYS as u16));
    let rules = rules(&entries, otherwise)?;
    let asks = entries.iter().find(|entry| entry.action == Action::Notify);
    let mut set = words::flags(&root.list("flags")?)?;
    let listener = listener(root, asks)?;
    match listener {
        Some(_) => {
            set |= libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
            if set & libc::SECCOMP_FILTER_FLAG_TSYNC != 0 {
                set |= libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH; // seccomp(2): the answer cannot be two numbers
            }
        }
        // nobody to wait for
        None => set &= !libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
    }
    Ok(Profile { otherwise, newer, rules, arches: open, flags: set, listener })
}

/// Who is asked: only where a rule asks somebody.
fn listener(root: &Node<'_>, asks: Option<&Entry<'_>>) -> Result<Option<Listener>, ProfileError> {
    let metadata = root.get("listenerMetadata").map(|node| Ok((node.text()?, node))).transpose()?;
    let path = root.get("listenerPath").map(|node| Ok((node.text()?, node))).transpose()?;
    let path = path.filter(|(path, _)| !path.is_empty());
    match (&path, &metadata, asks) {
        (None, Some((text, node)), _) if !text.is_empty() => Err(node.fails(Problem::NoListener)),
        (None, _, Some(asks)) => Err(asks.node.need("action")?.fails(Problem::NoListener)),
        (Some((path, node)), _, _) if !path.starts_with('/') || path.contains('\0') => {
            Err(node.fails(Problem::NotAbsolute))
        }
        (Some((path, _)), metadata, Some(_)) => {
            let metadata = metadata.as_ref().map(|(text, _)| (*text).to_string()).unwrap_or_default();
            Ok(Some(Listener { path: path.into(), metadata, state: Value::Null }))
        }
        _ => Ok(None),
    }
}

fn entry<'a>(node: Node<'a>) -> Result<Entry<'a>, ProfileError> {
    let mut named = node.list("names")?;
    if let Some(name) = node.get("name").filter(|name| name.value.as_str() != Some("")) {
        if !named.is_empty() {
            return Err(name.fails(Problem::Both("name", "names")));
        }
        named.push(name);
    }
    if named.is_empty() {
        return Err(node.fails(Problem::Nameless));
    }
    let action = action(&node, "action", "errnoRet")?;
    let mut calls = Vec::new();
    for name in named {
        let call = name.text()?;
        if call == "write" && action == Action::Notify {
            return Err(name.fails(Problem::NotifyWrite));
        }
        calls.push(call);
    }
    let conditions = node.list("args")?.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
    let twice = conditions
        .iter()
        .enumerate()
        .any(|(at, one)| conditions[..at].iter().any(|other: &Condition| other.argument == one.argument));
    // libseccomp takes one condition for each argument; runc then makes each a rule of its own
    let either = match twice {
        true => conditions.into_iter().map(|one| vec![one]).collect(),
        false => vec![conditions],
    };
    Ok(Entry { node, calls, action, either })
}

fn condition(node: &Node<'_>) -> Result<Condition, ProfileError> {
    let (index, value) = (node.need("index")?, node.need("value")?.number()?);
    let second = node.get("valueTwo").map_or(Ok(0), |node| node.number())?;
    let compare = words::compare(&node.need("op")?, value, second)?;
    match index.number()? {
        argument @ 0..=5 => Ok(Condition { argument: argument as u8, compare }),
        _ => Err(index.fails(Problem::Index)),
    }
}

fn action(node: &Node<'_>, key: &'static str, errno: &'static str) -> Result<Action, ProfileError> {
    let (_, most, action) = words::action(&node.need(key)?)?;
    match (*most, node.get(errno)) {
        (None, None) => Ok(action(0)),
        (None, Some(number)) => Err(number.fails(Problem::NoErrno)),
        (Some(_), None) => Ok(action(libc::EPERM as u16)),
        (Some(most), Some(number)) => match number.number()? {
            within if within <= most => Ok(action(within as u16)),
            _ => Err(number.fails(Problem::Errno(most))),
        },
    }
}

/// What each call meets, in the order in which the compiler asks.
fn rules(entries: &[Entry<'_>], otherwise: Action) -> Result<Vec<Rule>, ProfileError> {
    let always = |entry: &Entry<'_>| entry.either.iter().any(Vec::is_empty);
    // what an entry changes nothing of, libseccomp does not take at all
    let speaks = |entry: &&Entry<'_>| entry.action != otherwise;
    let mut decided: HashMap<&str, usize> = HashMap::new();
    for (at, entry) in entries.iter().enumerate().filter(|(_, entry)| always(entry) && speaks(entry)) {
        for call in &entry.calls {
            decided.entry(call).or_insert(at);
        }
    }
    let mut conditional: Vec<(&str, Vec<order::Case<'_>>)> = Vec::new();
    let mut place: HashMap<&str, usize> = HashMap::new();
    let mut rules = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let free = || entry.calls.iter().filter(|call| !decided.contains_key(**call));
        if !speaks(&entry) {
            continue;
        }
        if always(entry) {
            let calls = entry.calls.iter().filter(|call| decided.get(**call) == Some(&at));
            rules.push(rule(calls, Vec::new(), entry.action));
            continue;
        }
        for call in free() {
            let at = *place.entry(call).or_insert_with(|| {
                conditional.push((call, Vec::new()));
                conditional.len() - 1
            });
            for conditions in &entry.either {
                order::add(&mut conditional[at].1, (conditions, entry.action), &entry.node)?;
            }
        }
    }
    for (call, mut cases) in conditional {
        order::sort(&mut cases);
        rules.extend(cases.into_iter().map(|(conditions, action)| rule([&call], conditions.clone(), action)));
    }
    // last, so that they change nothing but the number above which a call is newer than the profile
    for entry in entries.iter().filter(|entry| !speaks(entry)) {
        rules.push(rule(&entry.calls, Vec::new(), otherwise));
    }
    Ok(rules)
}

fn rule<'a>(
    calls: impl IntoIterator<Item = &'a &'a str>,
    conditions: Vec<Condition>,
    action: Action,
) -> Rule {
    let calls = calls.into_iter().map(|call| (*call).to_string().into()).collect();
    Rule { calls, conditions, action }
}
