//! What a trace says against what strace saw: every call of every step, in order, with the same answer.
//!
//! ```text
//!   LAB --json FILE                       strace -f -y -qq -s 400 -o LOG
//!   write("/x", "1") = 1        host      17 open("/x", O_WRONLY) = 3</x>   17 write(3</x>, "1", 1) = 1
//!   chdir("/") = 0              box       18 chdir("/") = 0                 another process than the host's
//! ```
//!
//! [`wanted`] says under which names strace sees an operation. A call that it does not list is looked for under its
//! own name, with the same strings and the same flags. What the trace tells of requests over a socket must have been
//! written to one, and the answer read.

use std::collections::HashSet;

use stepbox::trace::{Event, Lane, Trace};

mod log;
mod text;
mod wanted;
mod wire;

pub use log::{Call, read};
use log::{numbers, strings};
use text::{octets, same_strings};
use wanted::{Rule, Wanted};

/// The messages of rtnetlink(7): strace prints a number where it cannot tell the socket's protocol.
const MESSAGES: &[(&str, u32)] = &[
    ("RTM_NEWLINK", 0x10),
    ("RTM_DELLINK", 0x11),
    ("RTM_SETLINK", 0x13),
    ("RTM_NEWADDR", 0x14),
    ("RTM_DELADDR", 0x15),
    ("RTM_NEWROUTE", 0x18),
    ("RTM_DELROUTE", 0x19),
    ("RTM_NEWNEIGH", 0x1c),
    ("RTM_DELNEIGH", 0x1d),
];

/// Says which steps and undos of the trace the log does not confirm; nothing where it confirms all of them.
pub fn compare(trace: &Trace, calls: &[Call]) -> Result<(), String> {
    let mut log = Log { calls, host: host_of(calls), at: 0, clone: None, the_box: None };
    let mut problems = Vec::new();
    for event in &trace.events {
        let (lane, call, result, is_undo, label) = match event {
            Event::Step(s) => (s.lane, &s.call, &s.result, false, format!("step {} {}", s.index, s.name)),
            Event::Undo { index, call, result, .. } => {
                (Lane::Host, call, result, true, format!("undo of step {index}"))
            }
            _ => continue,
        };
        let wanted = Wanted::new(call, result, is_undo);
        let found = match through(call) {
            Some(parts) => log.clone_through(&parts, result),
            None => log.find(lane, &wanted),
        };
        match found {
            Some(at) => {
                if through(call).is_some() || wanted.name == "clone3" {
                    (log.clone, log.the_box) = (Some(at), None);
                } else if lane == Lane::Container {
                    log.the_box = Some(calls[at].pid);
                }
                log.at = at + 1;
            }
            None => problems.push(format!("{label}: {call} = {result}\n{}", log.nearest(&wanted))),
        }
    }
    problems.extend(wire::problems(trace, calls));
    match problems.is_empty() {
        true => Ok(()),
        false => Err(format!("strace did not see what the trace says:\n{}", problems.join("\n"))),
    }
}

/// The process that takes the host's steps: the lab itself, or in a toy host the one that it executed there.
fn host_of(calls: &[Call]) -> u32 {
    let inside = calls.iter().find(|call| {
        call.name == "execve" && call.arguments.starts_with("\"/proc/self/exe\", [\"lab\"") && succeeded(call)
    });
    inside.or(calls.first()).map_or(0, |call| call.pid)
}

fn succeeded(call: &Call) -> bool {
    !call.result.starts_with('-')
}

/// The calls of a go-between: `setns(…), setns(…), clone3(…)`.
fn through(call: &str) -> Option<Vec<&str>> {
    let parts: Vec<&str> = call.split_inclusive(')').map(|part| part.trim_start_matches(", ")).collect();
    (parts.len() > 1 && parts[0].starts_with("setns(") && parts[parts.len() - 1].starts_with("clone3("))
        .then_some(parts)
}

/// A log, how far it is read, and who is who in it.
struct Log<'a> {
    calls: &'a [Call],
    host: u32,
    at: usize,
    clone: Option<usize>,
    the_box: Option<u32>,
}

impl Log<'_> {
    /// The place of the call that completes the operation.
    fn find(&self, lane: Lane, wanted: &Wanted<'_>) -> Option<usize> {
        let older: HashSet<u32> =
            self.calls[..self.clone.map_or(0, |at| at + 1)].iter().map(|c| c.pid).collect();
        let spawned = wanted.call.ends_with("/* and wait */");
        let by = |pid: u32| match (lane, self.the_box) {
            // a program beside host and box: whoever executes it is made for that
            _ if spawned => pid != self.host && Some(pid) != self.the_box,
            (Lane::Host, _) => pid == self.host,
            (Lane::Container, Some(the_box)) => pid == the_box,
            (Lane::Container, None) => !older.contains(&pid),
        };
        let mut candidates = (self.at..self.calls.len()).filter(|at| by(self.calls[*at].pid));
        candidates.find_map(|at| self.completes(at, wanted))
    }

    /// The last of the calls of somebody who is neither the host nor the box. In which order it has joined what exists
    /// depends on who may do what.
    fn clone_through(&self, parts: &[&str], result: &str) -> Option<usize> {
        let (clone, joins) = parts.split_last()?;
        let older: HashSet<u32> = self.calls[..self.at].iter().map(|call| call.pid).collect();
        let by_another = |at: &usize| !older.contains(&self.calls[*at].pid);
        let find = |part: &str, from: usize| {
            let wanted = Wanted::new(part, result, false);
            (from..self.calls.len()).filter(by_another).find_map(|at| self.completes(at, &wanted))
        };
        let joined: Option<Vec<usize>> = joins.iter().map(|part| find(part, self.at)).collect();
        find(clone, joined?.into_iter().max()?)
    }

    fn completes(&self, at: usize, wanted: &Wanted<'_>) -> Option<usize> {
        let call = &self.calls[at];
        let here = |matches: bool| matches.then_some(at);
        match wanted.rule {
            Rule::Call(names) => here(wanted.named(call, names) && wanted.same(call)),
            Rule::Numbers(names) => {
                let same = numbers(wanted.arguments) == numbers(&call.arguments);
                here(wanted.named(call, names) && same && (wanted.answered(call) || call.result == "?"))
            }
            Rule::Tree(names) => {
                let absent = ["statx", "newfstatat", "lstat", "openat"].contains(&call.name.as_str());
                let named = names.contains(&call.name.as_str());
                let same = same_strings(&wanted.strings, &strings(&call.arguments));
                here(same && (named && wanted.answered(call) || absent && call.result.contains("ENOENT")))
            }
            Rule::Exec => {
                let (ours, theirs) = (&wanted.strings, strings(&call.arguments));
                let same = theirs.len() == ours.len() && same_strings(&ours[1..], &theirs[1..]);
                here(call.name == "execve" && same && wanted.answered(call))
            }
            Rule::Opened(names) => self.opened(at, wanted, names),
            Rule::Inherited => {
                let file = format!("<{}>", String::from_utf8_lossy(wanted.strings.first()?));
                let its = call.arguments.split(',').next().is_some_and(|first| first.ends_with(&file));
                let full = call.name == "read" && call.result.parse::<u32>().is_ok_and(|count| count > 1);
                here(its && (full || call.name == "write") && wanted.answered(call))
            }
            Rule::Below(names) => {
                let whole = wanted.named(call, names) && wanted.same(call);
                if whole { Some(at) } else { self.below(at, wanted, names) }
            }
            Rule::Onto(name) => {
                if call.name == name && wanted.same(call) {
                    Some(at)
                } else {
                    self.onto(at, wanted, name)
                }
            }
            Rule::Netlink => self.netlink(at, wanted),
        }
    }

    /// Later calls of the process that made the call at `at`.
    fn later(&self, at: usize) -> impl Iterator<Item = (usize, &Call)> {
        let pid = self.calls[at].pid;
        self.calls.iter().enumerate().skip(at + 1).filter(move |(_, call)| call.pid == pid)
    }

    /// `openat2(AT_FDCWD, "/a/b") = 5`, `mkdirat(5</a/b>, "c")`.
    fn below(&self, at: usize, wanted: &Wanted<'_>, names: &[&str]) -> Option<usize> {
        let call = &self.calls[at];
        let (path, rest) = wanted.strings.split_last()?;
        let slash = path.iter().rposition(|byte| *byte == b'/')?;
        let parent = path[..slash].to_vec();
        if call.name != "openat2" || !same_strings(&[parent], &strings(&call.arguments)) {
            return None;
        }
        let named: Vec<Vec<u8>> = rest.iter().cloned().chain([path[slash + 1..].to_vec()]).collect();
        let fd = call.result.split(['<', ' ']).next().unwrap_or_default();
        let (place, later) = self.later(at).next()?;
        let here = later.arguments.split([' ', ',']).any(|word| word.split('<').next() == Some(fd));
        let same = same_strings(&named, &strings(&later.arguments)) && wanted.answered(later);
        (names.contains(&later.name.as_str()) && here && same).then_some(place)
    }

    /// `openat2(AT_FDCWD, "/a") = 6`, `move_mount(5, "", 6</a>, "")`.
    fn onto(&self, at: usize, wanted: &Wanted<'_>, name: &str) -> Option<usize> {
        let call = &self.calls[at];
        let path = wanted.strings.last()?;
        if call.name != "openat2" || !same_strings(std::slice::from_ref(path), &strings(&call.arguments)) {
            return None;
        }
        if !succeeded(call) {
            return wanted.answered(call).then_some(at);
        }
        let fd = call.result.split(['<', ' ']).next().unwrap_or_default();
        let moves = |call: &Call| {
            let named = call.arguments.split([' ', ',']).any(|word| word.split('<').next() == Some(fd));
            call.name == name && named && wanted.answered(call)
        };
        self.later(at).take(6).find(|(_, call)| moves(call)).map(|(place, _)| place)
    }

    fn opened(&self, at: usize, wanted: &Wanted<'_>, names: &[&str]) -> Option<usize> {
        let call = &self.calls[at];
        let (path, rest) = wanted.strings.split_first()?;
        let opens = ["open", "openat", "openat2", "creat"].contains(&call.name.as_str());
        if !opens || !same_strings(std::slice::from_ref(path), &strings(&call.arguments)) {
            return None;
        }
        if !succeeded(call) {
            return wanted.answered(call).then_some(at);
        }
        // an empty text is not written: opening has made or emptied the file
        if wanted.name == "write" && rest == [Vec::<u8>::new()] {
            return Some(at);
        }
        let fd = |call: &Call| call.result.split(['<', ' ']).next().unwrap_or_default().to_string();
        let mut fds = vec![fd(call)];
        for (place, later) in self.later(at) {
            let first = later.arguments.split(['<', ',', ' ']).next().unwrap_or_default();
            if names.contains(&later.name.as_str()) && fds.iter().any(|fd| fd == first) {
                let texts = strings(&later.arguments);
                let same = match (wanted.name, rest) {
                    ("write", rest) => same_strings(rest, &texts),
                    // it is read again until it holds this
                    ("read", [text]) => texts.concat().windows(text.len()).any(|part| part == text),
                    _ => true,
                };
                if same && wanted.answered(later) {
                    return Some(place);
                }
            }
            if wanted.name == "copy_file_range" && later.name.starts_with("open") {
                if !succeeded(later) && wanted.answered(later) {
                    return Some(place);
                }
                fds.push(fd(later));
            }
            if later.name == "close" && fds.iter().any(|fd| fd == first) {
                return None;
            }
        }
        None
    }

    /// The message is sent, names of links having been turned into numbers just before; then the kernel answers.
    fn netlink(&self, at: usize, wanted: &Wanted<'_>) -> Option<usize> {
        let call = &self.calls[at];
        if !["sendto", "sendmsg"].contains(&call.name.as_str()) || !call.arguments.contains("nlmsg_len=") {
            return None;
        }
        let words: Vec<&str> = wanted
            .arguments
            .split([' ', ',', '=', '[', ']', '{', '}'])
            .skip(1)
            .filter(|word| !word.is_empty())
            .collect();
        let message = MESSAGES.iter().find(|(name, _)| words.contains(name));
        if let Some((name, number)) = message {
            let by_number = format!("nlmsg_type={number:#x} ");
            if !call.arguments.contains(*name) && !call.arguments.contains(&by_number) {
                return None;
            }
        }
        let payload: Vec<u8> = strings(&call.arguments).concat();
        let looked_up = self.calls[self.at..at].iter().filter(|call| call.name == "ioctl");
        let looked_up: String = looked_up.map(|call| call.arguments.as_str()).collect();
        let known = |word: &str| {
            let bytes = octets(word);
            looked_up.contains(&format!("ifr_name=\"{word}\""))
                || call.arguments.contains(word)
                || payload.windows(bytes.len()).any(|window| window == bytes)
        };
        // names and addresses must all be there, of a message of rtnetlink; key words such as `dev` are ours
        let is_name = |word: &&&str| {
            let digits = word.bytes().filter(u8::is_ascii_digit).count();
            digits > 0 && digits < word.len() && !word.starts_with(['/', '"'])
        };
        let named: Vec<&&str> = words.iter().filter(is_name).collect();
        let enough = match message.is_some() && !named.is_empty() {
            true => named.iter().all(|word| known(word)),
            false => words.is_empty() || words.iter().any(|word| known(word)),
        };
        if !enough {
            return None;
        }
        let (place, answer) = self.later(at).find(|(_, call)| call.name.starts_with("recv"))?;
        let error = answer.arguments.split("error=-").nth(1).and_then(|rest| rest.split([',', '}']).next());
        let same = match error {
            Some(error) => wanted.errors.contains(&error) || wanted.forgiving && error == "ENODEV",
            None => wanted.errors.is_empty(),
        };
        same.then_some(place)
    }

    /// What the log has under these names from here on, to say in a failure.
    fn nearest(&self, wanted: &Wanted<'_>) -> String {
        let names = match wanted.rule {
            Rule::Call(names) | Rule::Numbers(names) | Rule::Opened(names) | Rule::Tree(names) => names,
            Rule::Below(names) => names,
            Rule::Onto(_) => &["openat2", "move_mount"],
            Rule::Inherited => &["read", "write"],
            Rule::Exec => &["execve"],
            Rule::Netlink => &["sendto", "recvfrom"],
        };
        let near = self.calls[self.at..].iter().filter(|call| wanted.named(call, names)).take(3);
        let line = |call: &Call| {
            let arguments: String = call.arguments.chars().take(160).collect();
            format!("    {} {}({arguments}) = {}\n", call.pid, call.name, call.result)
        };
        format!("  after call {} strace saw:\n{}", self.at, near.map(line).collect::<String>())
    }
}
