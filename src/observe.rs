//! Observe: the observer that people use. It narrates, pauses, records, and writes the trace files.
//!
//! ```text
//!   launch ── before ──> look at the probes, show what comes next, wait for a key
//!          ── after ───> look again, make one Event, narrate it, keep it
//!   work that is no step:  before_work ── the same pause ──>  tell
//! ```

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::kernel::Op;
use crate::kernel::process::Exit;
use crate::launch::{Answer, At, Observer, Verdict};
use crate::probe::{Probe, View};
use crate::step::{Expect, Plan};
use crate::trace::text::Text;
use crate::trace::{Change, Event, PlanLine, StepEvent, Trace, html, json};

mod pause;

use pause::Next;

/// How a run is watched.
#[derive(Debug, Clone, Default)]
pub struct Watching {
    /// wait for a key before each step
    pub step: bool,
    /// wait this long before each step instead
    pub auto: Option<Duration>,
    /// do not pause before this step (from 1)
    pub from: usize,
    /// stop, and undo, after this step
    pub until: Option<usize>,
    /// say what happens
    pub narrate: bool,
    /// narrate to standard error, because standard output belongs to the container
    pub to_stderr: bool,
    /// colour the narration
    pub colour: bool,
    /// write the trace here as JSON
    pub json: Option<PathBuf>,
    /// write the trace here as a page
    pub html: Option<PathBuf>,
}

/// Watches a run: narrates it, pauses it, records it.
pub struct Watcher {
    how: Watching,
    text: Text<Box<dyn Write>>,
    /// where a reader with keys reads, if not there
    aside: Option<Text<Box<dyn Write>>>,
    trace: Trace,
    before: Vec<View>,
    seen: Vec<(Probe, View)>,
    began: Instant,
    offset: usize,
    /// the last step that was begun
    last: usize,
    stopped: bool,
}

impl Watcher {
    /// A watcher of one run.
    pub fn new(how: Watching, title: &str, question: &str, host: &str) -> Watcher {
        let out: Box<dyn Write> = match how.to_stderr {
            true => Box::new(io::stderr()),
            false => Box::new(io::stdout()),
        };
        let here = how.to_stderr || io::stdout().is_terminal();
        let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(100, |size| size.ws_col.into());
        let text =
            |out: Box<dyn Write>| Text::new(out, how.colour).width(if columns == 0 { 100 } else { columns });
        let aside = (how.step && !here).then(|| text(Box::new(io::stderr())));
        let text = text(out);
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let trace = Trace::new(title, question, host, &kernel);
        Watcher {
            how,
            text,
            aside,
            trace,
            before: Vec::new(),
            seen: Vec::new(),
            began: Instant::now(),
            offset: 0,
            last: 0,
            stopped: false,
        }
    }

    /// Whether the reader has stopped the run.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// The steps of the plan that was just taken are counted; the next plan's numbers go on from there. Says where this
    /// one's began.
    pub fn next_plan(&mut self, plan: &Plan) -> usize {
        self.seen.clear();
        let next = self.offset + plan.steps.len();
        std::mem::replace(&mut self.offset, next)
    }

    /// Goes back to the numbers of an earlier plan, which others may have followed, while it is undone.
    pub fn back_to(&mut self, began: usize, undo: impl FnOnce(&mut Watcher)) {
        let next = std::mem::replace(&mut self.offset, began);
        undo(self);
        self.offset = next;
    }

    /// Pauses before work that is not one kernel operation, as before a step. It has no number: it belongs to the
    /// step after it.
    pub fn before_work(&mut self, name: &str, why: &str, probes: &[Probe]) -> Verdict {
        let done = self.last.max(self.offset);
        if self.stopped || self.how.until.is_some_and(|until| done >= until) {
            self.stopped = true;
            return Verdict::Quit;
        }
        let next = Next { place: None, name, why, call: None, probes, box_pid: None };
        self.wait(&next, done + 1)
    }

    /// Waits for whom we wait for before the step of this number.
    fn wait(&mut self, next: &Next<'_>, number: usize) -> Verdict {
        if number < self.how.from {
            return Verdict::Go;
        }
        if self.how.step && io::stdin().is_terminal() {
            let verdict = self.pause(next);
            self.stopped = verdict == Verdict::Quit;
            return verdict;
        }
        if let Some(wait) = self.how.auto {
            std::thread::sleep(wait);
        }
        Verdict::Go
    }

    /// Tells what was done that is not one kernel operation.
    pub fn tell(&mut self, event: Event) {
        if self.how.narrate {
            // a reader that went away (a closed pipe) does not end the run: what was begun must be undone
            let _ = self.text.event(&event);
        }
        self.trace.events.push(event);
    }

    /// Lists a plan instead of taking it.
    pub fn list(&mut self, plan: &Plan) -> io::Result<()> {
        let lines: Vec<PlanLine> = plan_lines(plan, self.offset);
        self.text.plan(&lines)?;
        self.next_plan(plan);
        Ok(())
    }

    /// Lists work instead of doing it.
    pub fn list_work(&mut self, name: &str, why: &str) -> io::Result<()> {
        self.text.announce(None, name, why, None)
    }

    /// Who has stopped the run.
    pub fn stop(&self) -> String {
        match self.how.until {
            Some(until) if self.last.max(self.offset) >= until => {
                format!("stopped after step {until}, as asked")
            }
            _ => "stopped by the reader".into(),
        }
    }

    /// The run is over: says how, and writes the trace files.
    pub fn finish(mut self, outcome: &str, exit_code: Option<i32>) -> io::Result<Trace> {
        self.tell(Event::End { outcome: outcome.into(), exit_code });
        if let Some(path) = &self.how.json {
            json::write(&self.trace, std::fs::File::create(path)?)?;
        }
        if let Some(path) = &self.how.html {
            html::write(&self.trace, std::fs::File::create(path)?)?;
        }
        Ok(self.trace)
    }
}

/// Before a wait the box's program is already running and moves the counters, so they are looked at only after it.
fn first_look(probe: &Probe, at: At<'_>) -> View {
    let mut view = probe.look(at.box_pid);
    if matches!((&at.step.op, probe), (Op::WaitBox, Probe::Counters(..))) {
        view.facts.clear();
    }
    view
}

/// A plan as lines for a reader; numbers go on from `offset`.
pub fn plan_lines(plan: &Plan, offset: usize) -> Vec<PlanLine> {
    let line = |(index, step): (usize, &crate::step::Step)| PlanLine {
        index: offset + index + 1,
        lane: step.lane,
        name: step.name.into(),
        why: step.why.into(),
        call: step.op.to_string(),
        undo: step.undo.as_ref().map(Op::to_string),
    };
    plan.steps.iter().enumerate().map(line).collect()
}

impl Observer for Watcher {
    fn act(&mut self, title: &str, text: &str) {
        self.tell(Event::Act { title: title.into(), text: text.into() });
    }

    fn before(&mut self, at: At<'_>) -> Verdict {
        let number = self.offset + at.index + 1;
        if self.stopped || self.how.until.is_some_and(|until| number > until) {
            self.stopped = true;
            return Verdict::Quit;
        }
        if self.wait(&Next::step(at, number), number) == Verdict::Quit {
            return Verdict::Quit;
        }
        self.last = number;
        // while the box runs by itself, a look would depend on the moment: what was last seen is what was before
        let waits = matches!(at.step.op, Op::WaitBox | Op::PeekBox | Op::AwaitText { .. });
        let last = |probe: &Probe| self.seen.iter().find(|(seen, _)| waits && seen == probe);
        let look = |probe: &Probe| last(probe).map_or_else(|| first_look(probe, at), |seen| seen.1.clone());
        self.before = at.step.show.iter().map(look).collect();
        self.began = Instant::now();
        Verdict::Go
    }

    fn after(&mut self, at: At<'_>, answer: Answer) {
        let micros = self.began.elapsed().as_micros() as u64;
        let looks: Vec<View> = at.step.show.iter().map(|probe| probe.look(at.box_pid)).collect();
        for (probe, view) in at.step.show.iter().zip(&looks) {
            self.seen.retain(|(seen, _)| seen != probe);
            self.seen.push((probe.clone(), view.clone()));
        }
        let evidence = std::mem::take(&mut self.before)
            .into_iter()
            .zip(looks)
            .map(|(before, after)| Change {
                kind: after.kind.into(),
                subject: after.subject,
                source: after.source,
                before: before.facts,
                after: after.facts,
            })
            .collect();
        let result = match (&at.step.op, answer) {
            (Op::Clone { .. } | Op::CloneThrough { .. }, Answer::Value(_)) => "[BOX]".into(),
            (Op::Fork { .. }, Answer::Value(_)) => "[CHILD]".into(),
            (Op::Copy { .. }, Answer::Value(_)) => "[SIZE]".into(),
            // the old mask, in octal as strace has it
            (Op::Umask { .. }, Answer::Value(old)) if old != 0 => format!("0{old:o}"),
            _ => answer.to_string(),
        };
        self.tell(Event::Step(StepEvent {
            index: self.offset + at.index + 1,
            total: self.offset + at.total,
            name: at.step.name.into(),
            why: at.step.why.into(),
            lane: at.step.lane,
            call: at.step.op.to_string(),
            result,
            provoked: match (at.step.expect, answer) {
                (Expect::Fails(wanted), Answer::Error(errno)) => wanted == errno,
                (Expect::Dies(wanted), Answer::Ended(exit)) => wanted == exit,
                (Expect::Exits(wanted), Answer::Ended(exit)) => Exit::Code(wanted) == exit,
                _ => false,
            },
            undo: at.step.undo.as_ref().map(Op::to_string),
            evidence,
            micros,
        }));
    }

    fn undone(&mut self, at: At<'_>, op: &Op, answer: Answer) {
        self.tell(Event::Undo {
            index: self.offset + at.index + 1,
            name: at.step.name.into(),
            call: op.to_string(),
            result: answer.to_string(),
        });
    }
}
