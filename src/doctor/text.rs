//! The report for a terminal: one line for each thing, its reason, and the remedy below it.

use std::fmt::Write;

use super::{Finding, Machine, Report, Status};

/// Room for a reason before it goes on in the next row.
const WIDTH: usize = 100;
/// Where reasons begin: mark, name, status.
const INDENT: usize = 32;

pub(super) fn report(report: &Report, colour: bool) -> String {
    let mut text = header(&report.machine);
    text.push_str("\nwhat the kernel answered\n");
    list(&mut text, report.checks.iter().map(|check| (check.name.as_str(), &check.finding)), colour);
    text.push_str("\nwhat that means, lab by lab\n");
    list(&mut text, report.labs.iter().map(|row| (row.name.as_str(), &row.finding)), colour);
    text
}

fn header(machine: &Machine) -> String {
    let mut text = format!("Linux {} {}, uid {}", machine.kernel, machine.arch, machine.uid);
    if machine.wsl {
        text.push_str(", Windows' subsystem for Linux");
    }
    if let Some(container) = &machine.container {
        _ = write!(text, ", marked as a {} container ({})", container.engine, container.evidence);
    }
    if machine.seccomp == 2 {
        text.push_str(", behind a seccomp filter");
    }
    if machine.chrooted {
        text.push_str(", in a chroot");
    }
    text + "\n"
}

/// One line for each. A gate is explained once, and a remedy is said once: one switch often blocks many things.
fn list<'a>(text: &mut String, findings: impl Iterator<Item = (&'a str, &'a Finding)>, colour: bool) {
    let (mut gates, mut fixes): (Vec<&str>, _) = (Vec::new(), Vec::new());
    for (name, finding) in findings {
        let known =
            gates.iter().fold(finding.reason.clone(), |reason, gate| reason.replace(*gate, "the same gate"));
        line(text, name, &Finding { reason: known, ..finding.clone() }, colour);
        gates.extend(gate(&finding.reason));
        for fix in &finding.fix {
            if !fixes.contains(&fix) {
                let word = if colour { "\x1b[1mfix:\x1b[0m" } else { "fix:" };
                _ = writeln!(text, "{:INDENT$}{word} {fix}", "");
                fixes.push(fix);
            }
        }
    }
}

/// What follows the call and its errno: `clone3(…) = ENOSPC: ` the gate.
fn gate(reason: &str) -> Option<&str> {
    let gate = reason.split_once(" = E")?.1.split_once(": ")?.1;
    (!gate.is_empty()).then_some(gate)
}

fn line(text: &mut String, name: &str, finding: &Finding, colour: bool) {
    let (mark, word, code) = match finding.status {
        Status::Works => ("✓", "works", "32"),
        Status::Reduced => ("~", "reduced", "33"),
        Status::Blocked => ("✗", "blocked", "31"),
    };
    let paint = |code: &str, word: &str| match colour {
        true => format!("\x1b[{code}m{word}\x1b[0m"),
        false => word.to_string(),
    };
    let blanks = " ".repeat("reduced".len() - word.len());
    let mut rows = wrap(&finding.reason, WIDTH - INDENT).into_iter();
    let first = rows.next().unwrap_or_default();
    let start = format!("  {} {name:<17}  {}{blanks}  {first}", paint(code, mark), paint(code, word));
    _ = writeln!(text, "{}", start.trim_end());
    for row in rows {
        _ = writeln!(text, "{:INDENT$}{row}", "");
    }
}

/// Breaks at blanks; a word wider than the room, such as a list of flags, also behind its bars.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let bar = if word.chars().count() > room { '|' } else { '\n' };
        for (at, piece) in word.split_inclusive(bar).enumerate() {
            let blank = if at == 0 { " " } else { "" };
            match rows.last_mut() {
                Some(row) if row.chars().count() + blank.len() + piece.chars().count() <= room => {
                    row.extend([blank, piece]);
                }
                _ => rows.push(piece.to_string()),
            }
        }
    }
    rows
}
