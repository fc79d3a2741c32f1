//! Stable labels: names for the numbers that differ from run to run.
//!
//! ```text
//!   pid:[4026532203]  ──>  pid:[NS2]         NS2 = 4026532203
//! ```
//!
//! The kernel names a namespace by an inode number that nobody can remember and no snapshot can hold
//! (namespaces(7)). A label is given to each distinct number in the order of its first appearance, whatever the
//! namespace's kind, so that the chapter, the terminal, the snapshot and the page all say `NS2`.

use std::collections::HashMap;

use super::{Change, Event, Trace};

/// The kinds under /proc/PID/ns. `socket:[…]` and `pipe:[…]` look alike but name no namespace.
const KINDS: [&str; 10] =
    ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"];

/// The labels given so far.
#[derive(Debug, Default, Clone)]
pub struct Labels {
    numbers: Vec<String>,
    places: HashMap<String, usize>,
}

impl Labels {
    /// The labels of a whole trace.
    pub fn of(trace: &Trace) -> Self {
        let mut labels = Self::default();
        trace.events.iter().for_each(|event| labels.learn(event));
        labels
    }

    /// Gives labels to all that an event names, shown or not. Every renderer learns an event before it shows it,
    /// so that all of them count alike.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::Act { title, text } => self.see(&[title, text]),
            Event::Step(step) => {
                self.see(&[&step.name, &step.why, &step.call, &step.result]);
                self.see_all(&step.evidence);
            }
            Event::Scope { name, why, evidence, .. } => {
                self.see(&[name, why]);
                self.see_all(evidence);
            }
            Event::Undo { name, call, result, .. } => self.see(&[name, call, result]),
            Event::End { outcome, .. } => self.see(&[outcome]),
        }
    }

    fn see(&mut self, texts: &[&str]) {
        for text in texts {
            self.apply(text);
        }
    }

    fn see_all(&mut self, evidence: &[Change]) {
        for change in evidence {
            self.see(&[&change.subject, &change.source]);
            for fact in change.before.iter().chain(&change.after) {
                self.see(&[&fact.key, &fact.value]);
            }
        }
    }

    /// The text with every namespace number replaced by its label; a number not met before gets the next label.
    pub fn apply(&mut self, text: &str) -> String {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find(":[") {
            let (head, tail) = rest.split_at(open + 2);
            done.push_str(head);
            rest = tail;
            let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
            let closed = tail[digits..].starts_with(']');
            if digits > 0 && closed && names_a_namespace(&head[..open]) {
                done.push_str(&self.label(&tail[..digits]));
                rest = &tail[digits..];
            }
        }
        done + rest
    }

    /// The label of a number, given now if it has none.
    fn label(&mut self, number: &str) -> String {
        let next = self.numbers.len() + 1;
        let place = *self.places.entry(number.to_owned()).or_insert(next);
        if place == next {
            self.numbers.push(number.to_owned());
        }
        format!("NS{place}")
    }

    /// What each label stands for, in order: `("NS2", "4026532203")`.
    pub fn legend(&self) -> Vec<(String, String)> {
        let label = |(at, number): (usize, &String)| (format!("NS{}", at + 1), number.clone());
        self.numbers.iter().enumerate().map(label).collect()
    }
}

/// The text with every id of 64 hexadecimal digits cut to its first twelve, as Docker shows ids. One behind `sha256:` is
/// a digest, and may be what is to be seen.
pub fn shorten(text: &str) -> String {
    const ID: usize = 64;
    const SHOWN: usize = 12;
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (head, tail) = rest.split_at(begin);
        let digits = tail.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(tail.len());
        done.push_str(head);
        match digits == ID && !done.ends_with("sha256:") {
            true => done.extend([&tail[..SHOWN], "\u{2026}"]),
            false => done.push_str(&tail[..digits]),
        }
        rest = &tail[digits..];
    }
    done + rest
}

/// Whether the text ends in a kind of namespace.
fn names_a_namespace(text: &str) -> bool {
    let word = text.rsplit(|c: char| !c.is_ascii_lowercase() && c != '_').next();
    word.is_some_and(|word| KINDS.contains(&word))
}
