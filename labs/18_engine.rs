//! Lab 18: what stays with a container when the command that started it has ended. Chapter: tutorials/18-engine.md.
//!
//! ```text
//!   this lab                another process           stays                     the container
//!   scope ── command ──────> create, start, rm ──> monitor ID ── pipes ──> sh, and what it starts
//!     │                          ends                │
//!     └── attach.sock, frames by hand ───────────────┘ state.json, journal, log
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use stepbox::engine::containers::end::attach;
use stepbox::engine::containers::life::{Life, Lock, Status};
use stepbox::engine::containers::{find, list, remove};
use stepbox::engine::monitor::frames::Frame;
use stepbox::engine::state::State;
use stepbox::engine::{base, store::Store};
use stepbox::kernel::Op;
use stepbox::lab::{self, LabError, Stage};
use stepbox::probe::Probe;
use stepbox::step::{Plan, Step};
use stepbox::trace::{Change, Fact};

#[path = "18_engine/command.rs"]
mod command;
#[path = "18_engine/evidence.rs"]
mod evidence;

use command::Command;
use evidence::{Seen, eventually, fact, told};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Says what it hears, until it hears "end".
const ECHO: &str = "echo ready; while read word; do echo heard $word; [ $word != end ] || exit 7; done";

fn main() -> ExitCode {
    // the other processes of this lab: the commands, and what they leave behind
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = command::main(&words) {
        return code;
    }
    lab::main("18-engine", |stage| {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        stage.run(&replace(&stage.dir))?;
        let mut lab = Lab::new(stage)?;
        lab.create(stage)?;
        lab.start(stage)?;
        lab.log(stage)?;
        lab.attach(stage)?;
        lab.lock(stage)?;
        lab.end(stage)?;
        lab.kill(stage)?;
        lab.restart(stage)?;
        lab.remove(stage)
    })
}

/// How everything is written that somebody else may read at any moment.
fn replace(dir: &Path) -> Plan {
    let place = dir.join("written");
    let [state, new] = ["state.json", "state.json.new"].map(|name| place.join(name));
    let shown = || Probe::Tree(place.display().to_string());
    let moved = Op::Rename { from: (&new).into(), to: (&state).into() };
    Plan::default()
        .act("a file that is never half", "Predict: who reads while we write, what does he find?")
        .then([
            Step::new("make a directory", Op::mkdir(&place))
                .why("of a container there is a directory, and what it holds")
                .undo(Op::RemoveTree { path: (&place).into() }),
            Step::new("write down that it runs", Op::create(&state, "running\n")).why("the old state"),
            // ANCHOR: replace
            Step::new("write the new state beside it", Op::create(&new, "exited\n"))
                .why("whoever reads now, or is killed now, finds the old one, whole")
                .show(shown()),
            Step::new("give it the old one's name", moved)
                .why("one call: before it everybody sees the old file, after it the new one")
                .show(shown()),
            // ANCHOR_END: replace
        ])
}

/// The engine of this lab, and the container that it is about.
struct Lab {
    state: State,
    root: PathBuf,
    id: String,
}

impl Lab {
    fn new(stage: &mut Stage) -> Result<Lab, LabError> {
        let root = stage.dir.join("state");
        let state = State { run: root.join("run"), root: root.clone() };
        let why = "the machine's own programs as one layer, as in lab 15; the engine's state lies beside it";
        scope(stage, "make the image", why, || {
            std::fs::create_dir_all(&state.run)?;
            base::ensure(&Store::open(&root)?)?;
            Ok(Vec::new())
        })?;
        Ok(Lab { state, root, id: String::new() })
    }

    fn command(&self, words: &[&str]) -> Command {
        Command::new(&self.root, words)
    }

    fn seen(&self) -> Seen<'_> {
        Seen::new(&self.state, &self.id)
    }

    fn create(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act("create", "A container that was never started. Predict: how many processes is it?");
        let why = "docker create: a directory and a record in it; whoever reads config.json sees a container";
        let mut id = String::new();
        scope(stage, "create red", why, || {
            self.command(&["create", "red", "no", ECHO]).run()?;
            id = find(&self.state, "red")?.id;
            let seen = Seen::new(&self.state, &id);
            Ok(vec![seen.directory()?, seen.record()?, seen.processes()?])
        })?;
        self.id = id;
        Ok(())
    }

    fn start(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "a monitor",
            "The command that starts it ends at once. Predict: who waits for the program, and reads what it prints?",
        );
        let why = "it starts this program once more as a monitor, and ends with its first word";
        scope(stage, "start red", why, || {
            let command = self.command(&["start", "red"]).run()?;
            let seen = self.seen();
            eventually(|| seen.monitor_is_orphan(command))?;
            Ok(vec![seen.life()?, seen.processes()?, seen.monitor()?, seen.descriptors()?, seen.locks()?])
        })
    }

    fn log(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "what it prints",
            "Predict: where does the line lie that the program printed when it began?",
        );
        let why = "one line of the program is one line of JSON, written by the monitor by one write(2)";
        scope(stage, "read the log", why, || {
            eventually(|| self.seen().lines(1))?;
            Ok(vec![self.seen().log()?])
        })
    }

    fn attach(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "attach",
            "Two of us connect to attach.sock. One types. Predict: who sees the answer, and is it in the log?",
        );
        let why =
            "a frame is a kind, three zeros, the length, and so many bytes: as in Docker's attach stream";
        scope(stage, "by hand: two clients, one types", why, || {
            let directory = self.seen().path().to_owned();
            let (one, other) = (attach(&directory)?, attach(&directory)?);
            let mut wire = Vec::new();
            for (client, stdin) in [(&one, true), (&other, false)] {
                wire.push(evidence::say(client, &Frame::Hello { stdin, stdout: true, stderr: true })?);
            }
            // whoever has said hello is heard before what is typed next
            std::thread::sleep(Duration::from_millis(100));
            wire.push(evidence::say(&one, &Frame::Stdin(b"hello\n".to_vec()))?);
            let reads = vec![wire.remove(1), evidence::hear(&other)?];
            wire.push(evidence::hear(&one)?);
            let (types, reads) = (told("frames", "who types", wire), told("frames", "who only reads", reads));
            Ok(vec![types, reads, self.seen().log()?])
        })
    }

    fn lock(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "one at a time",
            "We hold red's lock, and another command starts red. Predict: what does it do?",
        );
        let why = "flock(2) on a file of its directory; the kernel lets go of it when its holder dies, whatever kills it";
        scope(stage, "hold the lock while another command wants it", why, || {
            let lock = Lock::take(self.seen().path())?;
            let waiting = self.command(&["start", "red"]).spawn()?;
            eventually(|| self.seen().somebody_waits())?;
            let held = self.seen().locks()?;
            drop(lock);
            waiting.wait()?;
            let mut let_go = self.seen().locks()?;
            (let_go.subject, let_go.source) =
                ["/proc/locks, when we have let go"; 2].map(String::from).into();
            Ok(vec![held, let_go, self.seen().processes()?])
        })
    }

    fn end(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "its end",
            "We type the word on which it ends, with 7. Predict: who hears of the 7, and in which order?",
        );
        let why =
            "the monitor waits on a pidfd; it undoes the run, writes the end down, and only then says it";
        scope(stage, "by hand: type end, and wait for the last frame", why, || {
            let client = attach(self.seen().path())?;
            evidence::say(&client, &Frame::Hello { stdin: true, stdout: false, stderr: false })?;
            let typed = evidence::say(&client, &Frame::Stdin(b"end\n".to_vec()))?;
            let wire = told("frames", "attach.sock", vec![typed, evidence::hear(&client)?]);
            let life = self.seen().life()?;
            drop(client);
            eventually(|| Ok(self.seen().processes()?.after.is_empty()))?;
            Ok(vec![wire, life, self.seen().processes()?, self.seen().journal()?])
        })
    }

    fn kill(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "kill -9 of the monitor",
            "It can write nothing down any more. Predict: what does state.json say, and what of the run is left?",
        );
        let why =
            "state.json says that it runs, its owner is gone: number and start time of no living process";
        scope(stage, "start red, and kill its monitor", why, || {
            self.command(&["start", "red"]).run()?;
            // what it said before, and that it is ready again
            eventually(|| self.seen().lines(4))?;
            self.seen().kill_monitor()?;
            Ok(vec![self.seen().life()?, self.seen().journal()?])
        })?;
        let why = "whoever looks next sees that, ends what is left of it, undoes what the journal says, and writes 137";
        scope(stage, "ps", why, || {
            let before = self.seen().life()?;
            self.command(&["ps"]).run()?;
            let mut life = self.seen().life()?;
            life.before = before.after;
            Ok(vec![life, self.seen().processes()?, self.seen().journal()?, self.seen().log()?])
        })
    }

    fn restart(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "again, and again",
            "blue ends with 3 each time, and may be started twice more. Predict: how long does that take?",
        );
        let why = "docker run --restart on-failure:2: 100 ms before the second run, 200 ms before the third";
        scope(stage, "start blue, and wait for its last end", why, || {
            self.command(&["create", "blue", "on-failure:2", "echo run; exit 3"]).run()?;
            self.command(&["start", "blue"]).run()?;
            let id = find(&self.state, "blue")?.id;
            let seen = Seen::new(&self.state, &id);
            let over = || Ok(Life::read(seen.path()).is_some_and(|life| life.status == Status::Exited));
            eventually(over)?;
            Ok(vec![seen.life()?, seen.log()?, seen.pauses()?])
        })
    }

    fn remove(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act("rm", "Predict: which file goes first, and why that one?");
        let why = "config.json first: from then on nobody sees it, and what a kill leaves behind stepbox clean removes";
        scope(stage, "remove red and blue", why, || {
            self.command(&["rm", "red", "blue"]).run()?;
            let count = |directory: PathBuf| std::fs::read_dir(directory).map(Iterator::count);
            let left = vec![
                fact("containers", count(self.state.containers())?.to_string()),
                fact("journals", count(self.state.journals())?.to_string()),
            ];
            Ok(vec![told("file", "state", left)])
        })
    }
}

/// Also where the reader stops half-way: a monitor would outlive the lab.
impl Drop for Lab {
    fn drop(&mut self) {
        for record in list(&self.state) {
            let _ = remove::remove(&self.state, &record.id, true, true);
        }
    }
}

/// Work whose errors are of several kinds.
fn scope(
    stage: &mut Stage,
    title: &str,
    why: &str,
    work: impl FnOnce() -> Result<Vec<Change>>,
) -> Result<(), LabError> {
    stage.scope(title, why, &[], || work().map_err(std::io::Error::other))
}

/// Facts that name themselves.
fn facts<const N: usize>(facts: [(&str, String); N]) -> Vec<Fact> {
    facts.into_iter().map(|(key, value)| fact(key, value)).collect()
}
