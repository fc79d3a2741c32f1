//! Every lab of the list, held against what it must be: its plan and its output (snapshots), the system calls that it
//! really makes (strace), its flags, and the machine as it was before.
//!
//! ```text
//!   cargo test --test labs 08            everything about 08-overlay
//!   cargo test --test labs strace        the comparison with strace, for all
//!   STEPBOX_ACCEPT=1 cargo test --test labs      write the snapshots, then review them
//! ```
//!
//! As root, each run is made twice: by root and by a user that owns nothing, against the same file. One test at a
//! time, because each looks at the machine before and after.

#[path = "labs/lies.rs"]
mod lies;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use stepbox::lab::{LABS, Lab};
use stepbox::trace::{Event, Trace, json};
use support::player::{NOBODY, Player, STRANGER, Said, Scratch};
use support::{leaks, player, snapshot, strace};

/// Says what this machine allows, so that its text is another one on every machine.
const DOCTOR: &str = "00-doctor";
/// Shows less where nobody has handed a cgroup over; then its second snapshot holds.
const REDUCED: &[&str] = &["06-cgroups"];
/// A run, watched but never waiting.
const RUN: [&str; 3] = ["--auto", "0", "--no-color"];

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    leaks::adopt_orphans();
    let scratch = Scratch::new();
    let stage = Arc::new(Stage::new(&scratch));
    let before = leaks::Snapshot::take();
    let mut trials: Vec<Trial> = LABS.iter().flat_map(|lab| trials(*lab, &stage)).collect();
    trials.extend(lies::trials());
    trials.push(Trial::test("all::leave_the_machine_as_it_was", move || {
        before.assert_same();
        Ok(())
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(scratch);
    conclusion.exit();
}

/// Who plays: always this user; as root, a user that owns nothing too.
struct Stage {
    ourselves: Player,
    nobody: Option<Player>,
    /// whose run is written into a snapshot
    author: Option<Player>,
}

impl Stage {
    fn new(scratch: &Scratch) -> Stage {
        let ourselves = Player::ourselves(scratch);
        let other = |ids| ourselves.is_root().then(|| Player::other(scratch, ids));
        Stage { nobody: other((NOBODY, NOBODY)), author: other(STRANGER), ourselves }
    }

    fn author(&self) -> &Player {
        self.author.as_ref().unwrap_or(&self.ourselves)
    }
}

type Test = fn(&Stage, &Player, Lab) -> Result<Completion, Failed>;

fn trials(lab: Lab, stage: &Arc<Stage>) -> Vec<Trial> {
    if !player::built(lab.name).exists() {
        let missing = format!("{} is in LABS, but Cargo.toml has no [[bin]] of that name", lab.name);
        return vec![Trial::test(format!("{}::is_there", lab.name), move || Err(missing.into()))];
    }
    let mut trials = Vec::new();
    let mut add = |kind: &str, as_nobody: bool, test: Test| {
        let (stage, name) = (Arc::clone(stage), format!("{}::{kind}", lab.name));
        trials.push(Trial::ignorable_test(name, move || {
            let player = if as_nobody { stage.nobody.as_ref() } else { Some(&stage.ourselves) };
            let before = leaks::Snapshot::take();
            let completion = test(&stage, player.expect("only root adds these"), lab)?;
            before.assert_same();
            Ok(completion)
        }));
    };
    add("plan", false, plan);
    add("run", false, run);
    add("strace", false, seen_by_strace);
    add("until", false, until);
    add("from", false, from);
    add("json_and_html", false, json_and_html);
    add("wrong_flags", false, wrong_flags);
    add("trace_that_cannot_be_written", false, unwritable);
    if stage.nobody.is_some() {
        add("run_as_nobody", true, run);
        add("strace_as_nobody", true, seen_by_strace);
        add("json_and_html_as_nobody", true, json_and_html);
        add("real_as_nobody", true, real);
    }
    add("real", false, real);
    trials
}

/// The plan needs no privilege, and is the same everywhere.
fn plan(stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let path = snapshot::path(lab.name, "plan");
    let dry = |player: &Player| player.play(lab.name, &["--dry-run", "--no-color"]);
    if lab.name == DOCTOR {
        return expect(&dry(player), 0).map(|()| Completion::Completed);
    }
    if snapshot::accepting() {
        let author = stage.author();
        snapshot::accept(&path, &snapshot::stable(&dry(author).out), author.ids);
    }
    for player in [Some(player), stage.nobody.as_ref()].into_iter().flatten() {
        let said = dry(player);
        expect(&said, 0)?;
        snapshot::compare(&path, &snapshot::stable(&said.out), player.ids)?;
    }
    Ok(Completion::Completed)
}

/// The output is the same everywhere, for everybody.
fn run(stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let name = format!("{}::run", lab.name);
    let said = player.play(lab.name, &RUN);
    if let Some(why) = refused(&said) {
        return skip(&name, why);
    }
    expect(&said, 0)?;
    if lab.name == DOCTOR {
        return doctor(&said.out).map(|()| Completion::Completed);
    }
    let text = snapshot::stable(&said.out);
    let full = snapshot::path(lab.name, "run");
    if REDUCED.contains(&lab.name) {
        return reduced(player, lab, &text);
    }
    if snapshot::accepting() && player.ids == stage.ourselves.ids {
        let author = stage.author();
        snapshot::accept(&full, &snapshot::stable(&author.play(lab.name, &RUN).out), author.ids);
    }
    snapshot::compare(&full, &text, player.ids)?;
    Ok(Completion::Completed)
}

/// Two snapshots for each version of cgroups: in full, and what is left without a cgroup of one's own.
fn reduced(player: &Player, lab: Lab, text: &str) -> Result<Completion, Failed> {
    const V2: &str = "   memory: version 2, ";
    let delegated = text.lines().find_map(|line| line.strip_prefix(V2));
    let kinds = if delegated.is_some() { ["run-v2", "reduced-v2"] } else { ["run", "reduced"] };
    if delegated.is_some() && text.contains(" hand the controllers down") {
        return skip(
            &format!("{}::run", lab.name),
            "the snapshot is of a machine that hands all controllers down",
        );
    }
    let [full, less] = kinds.map(|kind| snapshot::path(lab.name, kind));
    let is_less = text.contains("\n── reduced ");
    let path = if is_less { less } else { full };
    if snapshot::accepting() {
        snapshot::accept(&path, text, STRANGER);
    }
    let same = match delegated {
        Some(directory) if directory != TOP => elsewhere(&path, text, directory),
        _ => snapshot::compare(&path, text, player.ids),
    };
    if is_less && same.is_ok() {
        println!("{}: reduced, for user {}", lab.name, player.ids.0);
    }
    Ok(same.map(|()| Completion::Completed)?)
}

/// Where the cgroups of version 2 begin.
const TOP: &str = "/sys/fs/cgroup";

/// The same as at the top, but in a directory that was delegated. Its name is longer, so lines break elsewhere.
fn elsewhere(path: &Path, text: &str, directory: &str) -> Result<(), String> {
    let flat = |text: &str| text.split_whitespace().collect::<String>();
    let wanted = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    match flat(text).replace(directory, TOP) == flat(&wanted) {
        true => Ok(()),
        false => Err(snapshot::difference(&wanted, text)),
    }
}

/// Each lab has its line, and a verdict on it.
fn doctor(text: &str) -> Result<(), Failed> {
    for lab in LABS.iter().filter(|lab| lab.name != DOCTOR) {
        let line = text.lines().find(|line| line.contains(lab.name));
        let line = line.ok_or_else(|| format!("the doctor says nothing about {}:\n{text}", lab.name))?;
        let verdicts = ["works", "reduced", "blocked"];
        if !verdicts.iter().any(|verdict| line.contains(verdict)) {
            return Err(format!("no verdict ({}) in: {line}", verdicts.join(", ")).into());
        }
    }
    Ok(())
}

/// What the trace names is what the kernel was asked, with the same answers: strace saw it.
fn seen_by_strace(_stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let name = format!("{}::strace", lab.name);
    if Command::new("strace").arg("--version").output().is_err() {
        return skip(&name, "strace is not installed (apt-get install strace)");
    }
    let (log, trace) = (player.file("strace.log"), player.file("strace.json"));
    let mut command = player.command(Path::new("strace"));
    command.args(["-f", "-y", "-qq", "-s", "400", "-o"]).arg(&log).arg(player.binary(lab.name));
    let said = player::said(command.args(RUN).arg("--json").arg(&trace));
    if let Some(why) = refused(&said) {
        return skip(&name, why);
    }
    expect(&said, 0)?;
    let bytes = std::fs::read(&log).map_err(|error| format!("read {}: {error}", log.display()))?;
    let calls = strace::read(&String::from_utf8_lossy(&bytes));
    strace::compare(&read(&trace)?, &calls)?;
    Ok(Completion::Completed)
}

/// `--until N` stops after step N and undoes what was done.
fn until(_stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let path = player.file("until.json");
    let path_text = path.display().to_string();
    let whole = player.play(lab.name, &[&RUN[..], &["--json", &path_text]].concat());
    if let Some(why) = refused(&whole) {
        return skip(&format!("{}::until", lab.name), why);
    }
    let steps = steps(&read(&path)?);
    if steps < 2 {
        return Ok(Completion::Completed);
    }
    let last = steps / 2;
    let said =
        player.play(lab.name, &[&RUN[..], &["--until", &last.to_string(), "--json", &path_text]].concat());
    expect(&said, 0)?;
    if !said.out.contains(&format!("stopped after step {last}, as asked; everything is undone")) {
        return Err(format!("--until {last} does not say that it stopped:\n{}", said.out).into());
    }
    let trace = read(&path)?;
    if self::steps(&trace) > last {
        return Err(format!("--until {last} took {} steps", self::steps(&trace)).into());
    }
    Ok(undone(&trace).map(|()| Completion::Completed)?)
}

/// Every step that succeeded and has an undo was undone.
fn undone(trace: &Trace) -> Result<(), String> {
    let mut open = Vec::new();
    for event in &trace.events {
        match event {
            Event::Step(step) if step.undo.is_some() && !step.result.starts_with('-') => {
                open.push(step.index)
            }
            Event::Undo { index, call, result, .. } => {
                if result.starts_with('-') {
                    return Err(format!("the undo of step {index} failed: {call} = {result}"));
                }
                if open.pop() != Some(*index) {
                    return Err(format!("step {index} was undone out of order"));
                }
            }
            _ => {}
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("steps {open:?} were not undone")) }
}

/// `--from N` changes nothing where nobody pauses.
fn from(_stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let said = player.play(lab.name, &[&RUN[..], &["--from", "3"]].concat());
    if let Some(why) = refused(&said) {
        return skip(&format!("{}::from", lab.name), why);
    }
    expect(&said, 0)?;
    Ok(Completion::Completed)
}

/// Both files are written, also where a toy host hides the directory in which they lie.
fn json_and_html(_stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let (file, page) = (player.file("lab.json"), player.file("lab.html"));
    let (file_text, page_text) = (file.display().to_string(), page.display().to_string());
    let said = player.play(lab.name, &[&RUN[..], &["--json", &file_text, "--html", &page_text]].concat());
    if let Some(why) = refused(&said) {
        return skip(&format!("{}::json_and_html", lab.name), why);
    }
    expect(&said, 0)?;
    let trace = read(&file)?;
    if trace.version != stepbox::trace::VERSION || trace.title != lab.name || trace.question != lab.question {
        return Err(format!("the trace is of {} (version {})", trace.title, trace.version).into());
    }
    if !matches!(trace.events.last(), Some(Event::End { .. })) {
        return Err("the trace does not end".into());
    }
    undone(&trace)?;
    let page = std::fs::read_to_string(&page).map_err(|error| format!("read {page_text}: {error}"))?;
    for part in ["<!doctype html", "id=\"trace\"", lab.name, "</html>"] {
        if !page.to_lowercase().contains(part) {
            return Err(format!("the page lacks {part}").into());
        }
    }
    Ok(Completion::Completed)
}

/// A value that cannot be understood is refused before anything is begun: exit code 2, and clap says what was meant.
fn wrong_flags(_stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    for (arguments, message) in [
        (["--auto", "soon"], "soon is not a number of seconds"),
        (["--auto=-1", "--no-color"], "-1 is not a time that can be waited"),
        (["--host", "moon"], "[possible values: toy, real]"),
        (["--until", "x"], "invalid value 'x' for '--until <N>'"),
        (["--from", ""], "'--from <N>'"),
        (["--moon", "1"], "unexpected argument '--moon'"),
    ] {
        let said = player.play(lab.name, &arguments);
        expect(&said, 2)?;
        if !said.err.contains(message) || !said.out.is_empty() {
            return Err(format!("{arguments:?} is refused without saying {message:?}:\n{}", said.err).into());
        }
    }
    Ok(Completion::Completed)
}

/// A trace file that cannot be made: nothing is begun, exit code 125, the path is named.
fn unwritable(_stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let path = player.file("no/such/directory/lab.out").display().to_string();
    for option in ["--json", "--html"] {
        let said = player.play(lab.name, &[&RUN[..], &[option, &path]].concat());
        if let Some(why) = refused(&said) {
            return skip(&format!("{}::trace_that_cannot_be_written", lab.name), why);
        }
        expect(&said, 125)?;
        if !said.err.contains(&path) || said.err.contains("panicked") {
            return Err(format!("{option} does not name the file:\n{}", said.err).into());
        }
    }
    Ok(Completion::Completed)
}

/// On the real machine a lab works for root and leaves nothing; others are told why not.
fn real(_stage: &Stage, player: &Player, lab: Lab) -> Result<Completion, Failed> {
    let said = player.play(lab.name, &[&RUN[..], &["--host", "real"]].concat());
    if lab.name == DOCTOR {
        return expect(&said, if player.is_root() { 0 } else { said.code }).map(|()| Completion::Completed);
    }
    if player.is_root() {
        expect(&said, 0)?;
        if !said.out.contains("everything is undone") {
            return Err(format!("it does not come to its end:\n{}", said.out).into());
        }
    } else {
        expect(&said, 125)?;
        if !said.err.contains("needs root") || !said.out.is_empty() {
            return Err(format!("it is refused without a reason:\n{}", said.err).into());
        }
    }
    Ok(Completion::Completed)
}

fn read(path: &Path) -> Result<Trace, Failed> {
    let file = std::fs::File::open(path).map_err(|error| format!("open {}: {error}", path.display()))?;
    Ok(json::read(file).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn steps(trace: &Trace) -> usize {
    trace.events.iter().filter(|event| matches!(event, Event::Step(_))).count()
}

fn expect(said: &Said, code: i32) -> Result<(), Failed> {
    if said.code == code && !said.err.contains("panicked") {
        return Ok(());
    }
    Err(format!("exit code {}, not {code}\n{}{}", said.code, said.out, said.err).into())
}

/// Why this machine does not let the lab play, if it does not.
fn refused(said: &Said) -> Option<&str> {
    (said.code == 125 && said.err.starts_with("SKIP ")).then_some(said.err.trim())
}

fn skip(name: &str, why: &str) -> Result<Completion, Failed> {
    support::skip(name, why);
    Ok(Completion::ignored_with(why.lines().next().unwrap_or_default()))
}
