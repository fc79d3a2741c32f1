//! Text: the narrator of a terminal.
//!
//! ```text
//! ── a layered file system ────────────────────        act
//!    Two directories, seen as one.
//!
//! 12 box   delete an app file                          number, lane, name
//!       # a lower layer cannot lose a file, so …       why
//!       unlink("[LAB]/merged/app.conf") = 0            the call and the kernel's answer
//!       - [LAB]/merged/app.conf                        evidence: gone
//!       + [LAB]/upper/app.conf   whiteout (…)                    new
//!       ~ hostname   host -> box                                 another value
//! ```
//!
//! Facts that stay are silence, except when a probe looks for the first time in an act. No clock is printed, so that the
//! same run prints the same text. Lab: all of them, tutorials/architecture.md.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::diff::Difference;
use super::stable::{Labels, shorten};
use super::{Change, Event, Fact, Lane, PlanLine, StepEvent, failed};
use terminal::{Line, Style, escape};

pub mod terminal;

/// The width of a terminal that does not tell.
pub const WIDTH: usize = 100;
/// How many facts are listed when evidence is first seen and nothing differs.
const FIRST_LOOK: usize = 12;
/// How many differences of one piece of evidence are listed; an unpacked image has thousands.
const DIFFERENCES: usize = 24;
/// Keys up to this width are padded, so that their values stand in one column.
const KEY: usize = 28;
/// The same for paths, which are longer, and whose values are short.
const PATH: usize = 40;

/// Tells events to a terminal, a file or a buffer.
#[derive(Debug)]
pub struct Text<W> {
    out: W,
    colour: bool,
    width: usize,
    labels: Labels,
    seen: BTreeSet<(String, String)>,
    last: Last,
    announced: bool,
}

/// What was printed last; blank lines follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Paragraph,
    Undo,
}

/// How the first and the further rows of a line are indented.
const HEADING: (usize, usize) = (0, 9);
const PROSE: (usize, usize) = (3, 3);
const CALL: (usize, usize) = (6, 10);
const FACT: (usize, usize) = (6, 10);

impl<W: Write> Text<W> {
    /// A narrator for a terminal of [`WIDTH`] columns.
    pub fn new(out: W, colour: bool) -> Self {
        let (labels, seen) = (Labels::default(), BTreeSet::new());
        Self { out, colour, width: WIDTH, labels, seen, last: Last::Nothing, announced: false }
    }

    /// The same narrator for a terminal as wide as this.
    pub fn width(mut self, columns: usize) -> Self {
        self.width = columns.max(40);
        self
    }

    /// Tells one event.
    ///
    /// # Errors
    /// What the output reports.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.labels.learn(event);
        let announced = std::mem::take(&mut self.announced);
        match event {
            Event::Step(step) if announced => {
                let answer = self.answered(Line::default(), step);
                self.print(CALL, &answer)?;
                self.evidence(&step.evidence)?;
                return self.out.flush();
            }
            Event::Scope { evidence, .. } if announced => {
                self.evidence(evidence)?;
                return self.out.flush();
            }
            Event::Undo { .. } => self.begin(Last::Undo)?,
            _ => self.begin(Last::Paragraph)?,
        }
        match event {
            Event::Act { title, text } => self.act(title, text)?,
            Event::Step(step) => self.step(step)?,
            Event::Scope { name, why, evidence, .. } => {
                self.heading(None, name)?;
                self.why(why)?;
                self.evidence(evidence)?;
            }
            Event::Undo { index, call, result, .. } => {
                let undo = Line::of(Style::Dim, &format!("undo {index:>2}  "));
                let undo = undo.then(Style::Plain, &format!("{} ", self.say(call)));
                let line = self.answer(undo, result);
                self.print((0, 13), &line)?;
            }
            Event::End { outcome, exit_code } => self.end(outcome, *exit_code)?,
        }
        self.out.flush()
    }

    /// A blank line before what begins now, but not between two undos.
    fn begin(&mut self, next: Last) -> io::Result<()> {
        if self.last != Last::Nothing && (self.last, next) != (Last::Undo, Last::Undo) {
            writeln!(self.out)?;
        }
        self.last = next;
        Ok(())
    }

    /// Tells what comes next, all but its answer: the next event is that answer, unless [`Text::again`] comes between.
    /// Work that is not one kernel operation has no place and no call.
    ///
    /// # Errors
    /// What the output reports.
    pub fn announce(
        &mut self,
        place: Option<(usize, Lane)>,
        name: &str,
        why: &str,
        call: Option<&str>,
    ) -> io::Result<()> {
        self.begin(Last::Paragraph)?;
        self.heading(place, name)?;
        self.why(why)?;
        if let Some(call) = call {
            let call = Line::of(Style::Plain, &self.say(call));
            self.print(CALL, &call)?;
        }
        self.announced = true;
        self.out.flush()
    }

    /// Tells an event that was told before, whole, whatever was seen since.
    ///
    /// # Errors
    /// What the output reports.
    pub fn again(&mut self, event: &Event) -> io::Result<()> {
        self.announced = false;
        let seen = std::mem::take(&mut self.seen);
        let told = self.event(event);
        self.seen = seen;
        told
    }

    /// Tells all that one piece of evidence says now.
    ///
    /// # Errors
    /// What the output reports.
    pub fn look(&mut self, change: &Change) -> io::Result<()> {
        self.whose(change)?;
        self.first_look(change, DIFFERENCES)?;
        self.out.flush()
    }

    /// Lists steps that are not taken.
    ///
    /// # Errors
    /// What the output reports.
    pub fn plan(&mut self, lines: &[PlanLine]) -> io::Result<()> {
        for line in lines {
            self.announce(Some((line.index, line.lane)), &line.name, &line.why, Some(&line.call))?;
            if let Some(undo) = &line.undo {
                let undo = Line::of(Style::Dim, &format!("undo: {}", self.say(undo)));
                self.print(CALL, &undo)?;
            }
        }
        self.out.flush()
    }

    fn act(&mut self, title: &str, text: &str) -> io::Result<()> {
        self.seen.clear();
        let title = self.say(title);
        self.rule(&title)?;
        for paragraph in text.lines() {
            let line = Line::of(Style::Plain, &self.say(paragraph));
            self.print(PROSE, &line)?;
        }
        Ok(())
    }

    /// A heading with a rule to its right.
    fn rule(&mut self, title: &str) -> io::Result<()> {
        let line = Line::of(Style::Dim, "\u{2500}\u{2500} ").then(Style::Bold, title);
        let used = title.chars().count() + 4;
        let rest = "\u{2500}".repeat(self.width.min(72).saturating_sub(used));
        self.print((0, 3), &line.then(Style::Dim, &format!(" {rest}")))
    }

    fn step(&mut self, step: &StepEvent) -> io::Result<()> {
        self.heading(Some((step.index, step.lane)), &step.name)?;
        self.why(&step.why)?;
        let call = format!("{} ", self.say(&step.call));
        let call = self.answered(Line::of(Style::Plain, &call), step);
        self.print(CALL, &call)?;
        self.evidence(&step.evidence)
    }

    fn heading(&mut self, place: Option<(usize, Lane)>, name: &str) -> io::Result<()> {
        let name = self.say(name);
        let Some((index, lane)) = place else {
            return self.print(HEADING, &Line::of(Style::Dim, " \u{b7} ").pad(9).then(Style::Bold, &name));
        };
        let style = match lane {
            Lane::Host => Style::Host,
            Lane::Container => Style::Container,
        };
        let number =
            Line::of(Style::Dim, &format!("{index:>2} ")).then(style, &format!("{:<6}", lane.name()));
        self.print(HEADING, &number.then(Style::Bold, &name))
    }

    fn why(&mut self, why: &str) -> io::Result<()> {
        if why.is_empty() {
            return Ok(());
        }
        let line = Line::of(Style::Dim, &format!("# {}", self.say(why)));
        self.print((6, 8), &line)
    }

    /// The kernel's answer to a step, behind its call.
    fn answered(&mut self, call: Line, step: &StepEvent) -> Line {
        let line = self.answer(call, &step.result);
        if step.provoked { line.then(Style::Dim, " (expected)") } else { line }
    }

    fn answer(&mut self, line: Line, result: &str) -> Line {
        let style = if failed(result) { Style::Bad } else { Style::Good };
        line.then(Style::Plain, "= ").then(style, &self.say(result))
    }

    fn evidence(&mut self, evidence: &[Change]) -> io::Result<()> {
        for change in evidence {
            let first = self.seen.insert((change.kind.clone(), change.subject.clone()));
            let differences = change.differences();
            if differences.is_empty() && !first {
                continue;
            }
            if !speaks_for_itself(change, evidence) {
                self.whose(change)?;
            }
            match differences.is_empty() {
                true => self.first_look(change, FIRST_LOOK)?,
                false => self.differences(&differences, widest(change))?,
            }
        }
        Ok(())
    }

    /// "namespaces of box  /proc/17/ns"
    fn whose(&mut self, change: &Change) -> io::Result<()> {
        let kind = if change.kind == "caps" { "capabilities" } else { &change.kind };
        let mut line = Line::of(Style::Plain, &format!("{} of ", self.say(kind)));
        let style = match change.subject.as_str() {
            "host" => Style::Host,
            "box" => Style::Container,
            _ => Style::Plain,
        };
        line = line.then(style, &self.say(&change.subject));
        if change.source != change.subject {
            line = line.then(Style::Dim, &format!("  {}", self.say(&change.source)));
        }
        self.print(FACT, &line)
    }

    fn first_look(&mut self, change: &Change, most: usize) -> io::Result<()> {
        let facts = &change.after;
        if facts.is_empty() {
            return self.print(FACT, &Line::of(Style::Dim, "  (nothing)"));
        }
        let shown = &facts[..facts.len().min(most)];
        let column = column(shown.iter().map(|fact| fact.key.as_str()), widest(change));
        for fact in shown {
            let line = self.fact(Style::Plain, ' ', fact, column);
            self.print(FACT, &line)?;
        }
        self.more(facts.len() - shown.len())
    }

    fn differences(&mut self, differences: &[Difference<'_>], widest: usize) -> io::Result<()> {
        let key = |difference: &Difference<'_>| match difference {
            Difference::Gone(fact) | Difference::New(fact) => fact.key.clone(),
            Difference::Changed { after, .. } => after.key.clone(),
        };
        // what is gone stands first, and gives way: what is there now says more
        let gone = differences.iter().take_while(|one| matches!(one, Difference::Gone(_))).count();
        let left_out = differences.len().saturating_sub(DIFFERENCES).min(gone);
        let (gone, there) = (&differences[..gone - left_out], &differences[gone..]);
        let (there, rest) = there.split_at(there.len().min(DIFFERENCES));
        let keys: Vec<String> = gone.iter().chain(there).map(key).collect();
        let column = column(keys.iter().map(String::as_str), widest);
        for (shown, more) in [(gone, left_out), (there, rest.len())] {
            for difference in shown {
                self.difference(difference, column)?;
            }
            self.more(more)?;
        }
        Ok(())
    }

    fn difference(&mut self, difference: &Difference<'_>, column: usize) -> io::Result<()> {
        let line = match difference {
            Difference::Gone(fact) => {
                let key = Fact { key: fact.key.clone(), value: String::new() };
                self.fact(Style::Bad, '-', &key, column)
            }
            Difference::New(fact) => self.fact(Style::Good, '+', fact, column),
            Difference::Changed { before, after } => {
                let (before, value) = (blank(&before.value), blank(&after.value));
                let fact = Fact { key: after.key.clone(), value: format!("{before} -> {value}") };
                self.fact(Style::Changed, '~', &fact, column)
            }
        };
        self.print(FACT, &line)
    }

    /// "+ upper/app.conf   whiteout (character device 0:0)"
    fn fact(&mut self, style: Style, sign: char, fact: &Fact, column: usize) -> Line {
        let line = Line::of(style, &format!("{sign} {}", self.say(&fact.key)));
        match fact.value.is_empty() {
            true => line,
            false => line.pad(column + 2).then(style, &format!("   {}", self.say(&fact.value))),
        }
    }

    fn more(&mut self, count: usize) -> io::Result<()> {
        match count {
            0 => Ok(()),
            _ => self.print(FACT, &Line::of(Style::Dim, &format!("  \u{2026} {count} more"))),
        }
    }

    fn end(&mut self, outcome: &str, exit_code: Option<i32>) -> io::Result<()> {
        let unsaid = exit_code.filter(|code| !outcome.starts_with(&format!("exited {code};")));
        let code = unsaid.map_or(String::new(), |code| format!(" (exit code {code})"));
        let outcome = self.say(outcome) + &code;
        self.rule(&outcome)?;
        for row in self.labels.legend().chunks(4) {
            let cells: Vec<String> =
                row.iter().map(|(label, number)| format!("{label:<4} = {number}")).collect();
            self.print(PROSE, &Line::of(Style::Dim, &cells.join("   ")))?;
        }
        Ok(())
    }

    /// A text of the trace as it is printed: nothing that moves the cursor, labels for numbers, short ids.
    fn say(&mut self, text: &str) -> String {
        self.labels.apply(&shorten(&escape(text)))
    }

    fn print(&mut self, indents: (usize, usize), line: &Line) -> io::Result<()> {
        line.print(&mut self.out, indents, self.width, self.colour)
    }
}

/// A value that is compared: nothing at all would look like a mistake.
fn blank(value: &str) -> &str {
    if value.is_empty() { "(empty)" } else { value }
}

/// How wide the keys' column may be.
fn widest(change: &Change) -> usize {
    if change.kind == "tree" { PATH } else { KEY }
}

/// How wide the keys' column is.
fn column<'a>(keys: impl Iterator<Item = &'a str>, widest: usize) -> usize {
    keys.map(|key| key.chars().count()).filter(|width| *width <= widest).max().unwrap_or(0)
}

/// Whether the facts tell enough without a heading: their keys are paths or files, and no other evidence of the
/// kind stands beside them.
fn speaks_for_itself(change: &Change, evidence: &[Change]) -> bool {
    let alone = evidence.iter().filter(|other| other.kind == change.kind).count() == 1;
    alone && ["tree", "file", "cgroup"].contains(&change.kind.as_str())
}
