//! Pause: wait for the reader before a step. Enter goes on; the other keys look around.

use std::io::{self, Write};

use rustix::termios::{self, OptionalActions};

use super::Watcher;
use crate::kernel::op::Exec;
use crate::kernel::process;
use crate::launch::{At, Verdict};
use crate::probe::Probe;
use crate::step::Lane;
use crate::trace::Change;
use crate::trace::text::Text;

/// What comes next.
pub(super) struct Next<'a> {
    /// its number, and who does it; none for work that is many calls
    pub(super) place: Option<(usize, Lane)>,
    pub(super) name: &'a str,
    pub(super) why: &'a str,
    /// the call; none for work that is many
    pub(super) call: Option<String>,
    pub(super) probes: &'a [Probe],
    /// the box, if it is there
    pub(super) box_pid: Option<i32>,
}

impl<'a> Next<'a> {
    pub(super) fn step(at: At<'a>, number: usize) -> Next<'a> {
        Next {
            place: Some((number, at.step.lane)),
            name: at.step.name,
            why: at.step.why,
            call: Some(at.step.op.to_string()),
            probes: &at.step.show,
            box_pid: at.box_pid,
        }
    }

    fn lane(&self) -> Lane {
        self.place.map_or(Lane::Host, |(_, lane)| lane)
    }
}

impl Watcher {
    /// Shows what comes next and waits for a key. Where narration and keys share a terminal, what was shown is not
    /// told again: its answer follows.
    pub(super) fn pause(&mut self, next: &Next<'_>) -> Verdict {
        let mut back = self.trace.events.len();
        loop {
            self.prompt(next);
            let key = read_key();
            eprint!("\r\x1b[J");
            match key {
                Some(b'\r' | b'\n' | b' ' | b'n') => return Verdict::Go,
                Some(b'c') => {
                    self.how.step = false;
                    return Verdict::Go;
                }
                // end of input and Ctrl-C mean the reader has gone
                None | Some(b'q' | 3 | 4) => return Verdict::Quit,
                Some(b'b') => back = self.look_back(back),
                Some(b'i') => self.inspect(next),
                Some(b's') => shell(next),
                Some(_) => {}
            }
        }
    }

    /// Where the reader with the keys reads.
    fn aside(&mut self) -> &mut Text<Box<dyn Write>> {
        self.aside.as_mut().unwrap_or(&mut self.text)
    }

    fn prompt(&mut self, next: &Next<'_>) {
        let (dim, plain) = if self.how.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let _ = self.aside().announce(next.place, next.name, next.why, next.call.as_deref());
        let take = next.place.map_or("do it".into(), |(number, _)| format!("take step {number}"));
        eprint!("{dim}[Enter] {take}  [b]ack  [i]nspect  [s]hell  [c]ontinue  [q]uit{plain} ");
        let _ = io::stderr().flush();
    }

    /// Tells the recorded event before this one again; returns its place.
    fn look_back(&mut self, place: usize) -> usize {
        let Some(place) = place.checked_sub(1) else {
            eprintln!("(this was the first)");
            return 0;
        };
        eprintln!("(recorded, {} of {})", place + 1, self.trace.events.len());
        let event = self.trace.events[place].clone();
        let _ = self.aside().again(&event);
        place
    }

    /// Shows everything that the probes of what comes next see right now.
    fn inspect(&mut self, next: &Next<'_>) {
        if next.probes.is_empty() {
            eprintln!("(this step has no evidence of its own; s opens a shell to look around)");
        }
        for view in next.probes.iter().map(|probe| probe.look(next.box_pid)) {
            let _ = self.aside().look(&Change {
                kind: view.kind.into(),
                subject: view.subject,
                source: view.source,
                before: Vec::new(),
                after: view.facts,
            });
        }
    }
}

/// A shell where the next step would be taken: in the box's namespaces for the box's lane, else here.
fn shell(next: &Next<'_>) {
    let pid = if next.lane() == Lane::Container { next.box_pid } else { None };
    eprintln!("(a shell of the {}; exit comes back)", next.lane().name());
    let env = std::env::vars_os().map(|(name, value)| {
        let mut pair = name;
        pair.push("=");
        pair.push(value);
        pair.into()
    });
    let shell = Exec { paths: vec!["/bin/sh".into()], argv: vec!["sh".into()], env: env.collect() };
    match process::visit(pid, &shell) {
        Ok(exit) if exit.code() == 127 => eprintln!("(no /bin/sh there)"),
        Ok(_) => {}
        Err(errno) => eprintln!("(no shell: {errno})"),
    }
}

/// One key, without waiting for a line. `None` at the end of input.
fn read_key() -> Option<u8> {
    let stdin = io::stdin();
    let before = termios::tcgetattr(&stdin).ok()?;
    let mut raw = before.clone();
    raw.local_modes -= termios::LocalModes::ICANON | termios::LocalModes::ECHO | termios::LocalModes::ISIG;
    termios::tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
    let mut byte = [0u8; 1];
    // unbuffered: what is typed ahead belongs to the shell that may come next
    let count = rustix::io::read(&stdin, &mut byte[..]);
    let _ = termios::tcsetattr(&stdin, OptionalActions::Now, &before);
    match count {
        Ok(1) => Some(byte[0]),
        _ => None,
    }
}
