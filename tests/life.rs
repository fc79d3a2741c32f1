//! A container's life on the real kernel: the programs that are run on its way, the box that waits to be started when
//! its engine is long gone, and what the journal undoes afterwards.
//!
//! Each plan is taken by this binary run again as `life scenario …`: see life/scenario.rs.

#[path = "life/attributes.rs"]
mod attributes;
#[path = "life/departing.rs"]
mod departing;
#[path = "life/joining.rs"]
mod joining;
#[path = "life/own_binary.rs"]
mod own_binary;
#[path = "life/scenario.rs"]
mod scenario;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use stepbox::journal::{self, Journal};
use stepbox::kernel::process::start_time;
use stepbox::kernel::{Errno, Op};
use stepbox::launch::launch;
use stepbox::step::{Plan, Step};
use support::leaks;

/// Hooks that do not succeed, in either lane, and what the error says.
const REFUSALS: &[(&str, &str)] = &[
    ("fails", "= exited 3\n"),
    ("is_killed", "= killed by SIGTERM\n"),
    ("is_late", "= ETIMEDOUT (Connection timed out)\nhint: it ran longer than its `timeout` allows"),
    ("is_missing", "execve(\"/no/such\", [\"hook\"], 0 vars) /* and wait */ = ENOENT"),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "scenario") {
        return scenario::main(&words[1..]);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    leaks::adopt_orphans();
    let mut trials = Vec::new();
    for (name, text) in REFUSALS {
        for lane in ["host", "box"] {
            trials.push(Trial::test(format!("hook::{name}::{lane}"), move || {
                with_directory(|dir| refused(dir, name, lane, text))
            }));
        }
    }
    let mut add = |name: &str, test: fn(&Path) -> Result<(), Failed>| {
        trials.push(Trial::test(name, move || with_directory(test)));
    };
    add("hook::hears_who_the_box_is", hears_who_the_box_is);
    add("hook::inherits_nothing", inherits_nothing);
    add("leave::start_then_delete", start_then_delete);
    add("leave::delete_before_start", delete_before_start);
    add("leave::the_box_says_what_went_wrong", the_box_says_what_went_wrong);
    add("leave::a_box_that_is_gone_is_undone", a_box_that_is_gone_is_undone);
    add("journal::an_engine_that_lives_is_left_alone", an_engine_that_lives_is_left_alone);
    add("journal::an_undo_that_fails_is_tried_again", an_undo_that_fails_is_tried_again);
    add("look_up::before_anybody_starts", before_anybody_starts);
    add("attributes::limits", attributes::limits);
    add("attributes::ambient_capabilities", attributes::ambient);
    add("attributes::console", attributes::console);
    add("attributes::console_that_is_none", attributes::fake_console);
    add("join::every_namespace", joining::every_namespace);
    add("binary::is_out_of_reach", own_binary::is_out_of_reach);
    add("departing::is_as_straight", departing::is_as_straight);
    add("departing::has_nothing_of_the_engine", departing::has_nothing_of_the_engine);
    add("join::by_files", joining::by_files);
    add("join::by_process", joining::by_process);
    add("join::a_number_of_somebody_else", joining::a_number_of_somebody_else);
    add("join::nobody_looks_in", joining::nobody_looks_in);
    for (name, test) in [
        ("attributes::keyring", attributes::keyring as fn(&Path) -> Result<(), Failed>),
        ("attributes::capabilities_kept", attributes::keeps),
        ("departing::is_as_straight_for_users", departing::is_as_straight_for_users),
        ("attributes::devices_and_owners", attributes::files),
    ] {
        trials.push(Trial::ignorable_test(name, move || {
            if !rustix::process::geteuid().is_root() {
                support::skip(name, support::NEEDS_ROOT);
                return Ok(Completion::ignored_with(support::NEEDS_ROOT));
            }
            with_directory(test).map(|()| Completion::Completed)
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Gives a test an empty directory, and looks that nothing of the machine is left changed.
fn with_directory(test: impl FnOnce(&Path) -> Result<(), Failed>) -> Result<(), Failed> {
    let dir = std::env::temp_dir().join(format!("stepbox-tests-life-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let before = leaks::Snapshot::take();
    let result = test(&dir);
    let _ = std::fs::remove_dir_all(&dir);
    result?;
    before.assert_same();
    Ok(())
}

fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test is a file"));
    command.arg("scenario").arg(dir).args(words);
    command
}

/// What a scenario printed, both streams.
fn take(dir: &Path, words: &[&str]) -> String {
    let output = command(dir, words).output().expect("run ourselves");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}").replace(&dir.display().to_string(), "[DIR]")
}

fn holds(text: &str, wanted: &str) -> Result<(), Failed> {
    if text.contains(wanted) { Ok(()) } else { Err(format!("wanted:\n{wanted}\nprinted:\n{text}").into()) }
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| format!("{}: {error}", path.display()))
}

/// Looks until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) -> Result<(), Failed> {
    let began = Instant::now();
    while !so() {
        if began.elapsed() > Duration::from_secs(30) {
            return Err(format!("{what}: not within 30 s").into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn refused(dir: &Path, name: &str, lane: &str, text: &str) -> Result<(), Failed> {
    let printed = take(dir, &["hook", name, lane]);
    holds(&printed, "run the hook: execve(")?;
    holds(&printed, text)?;
    holds(&printed, "left: \n")
}

/// The runtime specification: on the host the number that the host knows, in the container the container's own.
fn hears_who_the_box_is(dir: &Path) -> Result<(), Failed> {
    let printed = take(dir, &["hears"]);
    let pid = printed.lines().find_map(|line| line.strip_prefix("box ")).unwrap_or_default();
    holds(&read(dir.join("on-host")), &format!("{{\"pid\":{pid}}}"))?;
    holds(&read(dir.join("in-box")), "{\"pid\":1}")?;
    // far more than a pipe holds, and nobody reads it
    holds(&printed, "to its end\n")
}

fn inherits_nothing(dir: &Path) -> Result<(), Failed> {
    let printed = take(dir, &["inherits"]);
    for line in ["fds 0 1 2 \n", "SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n", "mask 0022\n"]
    {
        holds(&printed, line)?;
    }
    // its output is no output of the container's
    holds(&read(dir.join("out")), "to its end\n")?;
    match read(dir.join("out")).contains("fds") {
        true => Err("the hook wrote to standard output".into()),
        false => Ok(()),
    }
}

/// Creates a box in the background; its number.
fn create(dir: &Path, words: &[&str]) -> Result<i32, Failed> {
    // the box keeps our streams: what it says goes to a file
    let said = std::fs::File::create(dir.join("said"))?;
    let status = command(dir, words).stdout(said.try_clone()?).stderr(said).status()?;
    let said = read(dir.join("said"));
    match said.lines().find_map(|line| line.strip_prefix("box ")?.parse().ok()) {
        Some(pid) if status.success() => Ok(pid),
        _ => Err(format!("{status}: {said}").into()),
    }
}

fn start_then_delete(dir: &Path) -> Result<(), Failed> {
    let pid = create(dir, &["create", "sleeps"])?;
    if dir.join("started").exists() || start_time(pid).is_none() {
        return Err("it must wait".into());
    }
    until("it waits with 0, 1, 2 and the fifo", || names(&format!("/proc/{pid}/fd")).len() == 4)?;
    holds(&take(dir, &["start"]), "started\n")?;
    until("the program runs", || dir.join("started").exists())?;
    until("the fifo is closed by exec", || names(&format!("/proc/{pid}/fd")).len() == 3)?;
    holds(&take(dir, &["start"]), "= ENXIO (No such device or address)\nhint: nobody waits to be started")?;
    deleted(dir, pid)
}

fn delete_before_start(dir: &Path) -> Result<(), Failed> {
    let pid = create(dir, &["create", "sleeps"])?;
    deleted(dir, pid)?;
    match dir.join("started").exists() {
        true => Err("it was started".into()),
        false => Ok(()),
    }
}

/// The journal ends the box and undoes what was done for it.
fn deleted(dir: &Path, pid: i32) -> Result<(), Failed> {
    if !dir.join("made").exists() {
        return Err("what was made for it must outlive the engine".into());
    }
    let cleaned = journal::replay_file(&dir.join("journal"))?;
    let undone: Vec<String> = cleaned.undone.iter().map(|(op, answer)| format!("{op} = {answer}")).collect();
    let left = [dir.join("made"), dir.join("journal")].into_iter().find(|path| path.exists());
    let runs = std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    match (left, runs) {
        (None, false) => Ok(()),
        _ => Err(format!("undone: {undone:?}, the box runs: {runs}").into()),
    }
}

/// After `start` nobody listens any more: what goes wrong then is said on the container's standard error.
fn the_box_says_what_went_wrong(dir: &Path) -> Result<(), Failed> {
    for (scenario, words) in [
        ("refuses", "stepbox: run the hook: execve(\"/bin/sh\", "),
        ("cannot", "stepbox: execute: execve(\"/no/such\", [\"such\"], 0 vars) = ENOENT\n"),
    ] {
        let pid = create(dir, &["create", scenario])?;
        holds(&take(dir, &["start"]), "started\n")?;
        until("the box ends", || {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
        })?;
        holds(&read(dir.join("said")), words)?;
        deleted(dir, pid)?;
    }
    holds(&read(dir.join("said")), "= ENOENT\n")
}

fn a_box_that_is_gone_is_undone(dir: &Path) -> Result<(), Failed> {
    holds(&take(dir, &["gone"]), "not left: ESRCH (No such process)\nleft: \n")
}

/// As long as the engine lives its journal is its own. When it is dead, a box that is still on its way is ended: it is
/// in a hook for a minute, and holds the journal's lock.
fn an_engine_that_lives_is_left_alone(dir: &Path) -> Result<(), Failed> {
    let mut engine = command(dir, &["stuck"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let journal = dir.join("journal");
    let outcome = until("the hook runs", || dir.join("in-hook").exists()).and_then(|()| {
        match journal::replay_file(&journal) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            other => Err(format!("a living engine's journal: {other:?}").into()),
        }
    });
    let _ = engine.kill();
    engine.wait()?;
    outcome?;
    let pid = read(journal.clone()).lines().find_map(|line| {
        let (pid, _) = line.strip_prefix("box ")?.split_once(' ')?;
        pid.parse().ok()
    });
    deleted(dir, pid.ok_or("the journal names no box")?)
}

/// A directory cannot be removed while something is in it: the journal stays until somebody undoes that too.
fn an_undo_that_fails_is_tried_again(dir: &Path) -> Result<(), Failed> {
    let (made, file) = (dir.join("made"), dir.join("made/file"));
    let undo = Op::Rmdir { path: (&made).into() };
    let plan = Plan::default().then(Step::new("make", Op::mkdir(&made)).undo(undo.clone()));
    let journal = Journal::create_at(&dir.join("journal"), "test", &plan)?;
    let running = launch(&plan, &mut (), Some(journal)).map_err(|error| error.to_string())?;
    std::fs::write(&file, "")?;
    let failed = running.undo(&mut ());
    assert_eq!(failed, [(undo, Errno::NOTEMPTY)]);
    assert!(made.exists() && dir.join("journal").exists());
    std::fs::remove_file(&file)?;
    journal::replay_file(&dir.join("journal"))?;
    assert!(!made.exists() && !dir.join("journal").exists());
    Ok(())
}

fn before_anybody_starts(dir: &Path) -> Result<(), Failed> {
    std::fs::write(dir.join("plain"), "no program")?;
    for (paths, answer) in [
        ("/no/such", "= ENOENT (No such file or directory)\nhint: the program is in none"),
        ("[DIR]", "= EISDIR (Is a directory)\nhint: a directory cannot be executed"),
        ("[DIR]/plain", "= EACCES (Permission denied)\nhint: the file may not be executed"),
        ("/no/such:[DIR]/plain:/none", "= EACCES (Permission denied)"),
        ("/no/such:/bin/sh", "to its end\n"),
    ] {
        let paths = paths.replace("[DIR]", &dir.display().to_string());
        holds(&take(dir, &["look-up", &paths]), answer)?;
    }
    Ok(())
}

/// The names in a directory, sorted.
fn names(path: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into()).collect();
    names.sort();
    names
}
