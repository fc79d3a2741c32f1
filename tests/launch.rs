//! The one loop on the real kernel: what it undoes, what it reports, and what is left when it is killed.
//!
//! Each plan is taken by this binary run again as `launch scenario …`: see launch/scenario.rs.

#[path = "launch/scenario.rs"]
mod scenario;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use stepbox::journal;
use stepbox::launch::Answer;
use support::{leaks, strace};

/// A plan, how it is taken, and what must be printed.
const SCENARIOS: &[(&str, &str, &str)] = &[
    (
        "middle_fails",
        "observed",
        "host make a = 0\nhost put file = 1\nhost make a again = -1 EEXIST (File exists)\n\
         undo put file = 0\nundo make a = 0\n\
         make a again: mkdir(\"[DIR]/a\", 0755) = EEXIST (File exists)\n\
         hint: left by an earlier run that was killed? stepbox clean removes it\n",
    ),
    (
        "middle_fails",
        "unobserved",
        "make a again: mkdir(\"[DIR]/a\", 0755) = EEXIST (File exists)\n\
         hint: left by an earlier run that was killed? stepbox clean removes it\n",
    ),
    (
        "box_fails",
        "observed",
        "host make a = 0\nhost put file = 1\nhost clone = [BOX]\nbox go = 0\n\
         box go astray = -1 ENOENT (No such file or directory)\nundo put file = 0\nundo make a = 0\n\
         go astray: chdir(\"/no/such\") = ENOENT (No such file or directory)\n",
    ),
    ("box_fails", "unobserved", "go astray: chdir(\"/no/such\") = ENOENT (No such file or directory)\n"),
    (
        "box_is_killed",
        "observed",
        "host make a = 0\nhost put file = 1\nhost clone = [BOX]\nbox go = 0\nhost kill it = 0\n\
         undo put file = 0\nundo make a = 0\n\
         too late: chdir(\"/\") = the box's process ended here: killed by SIGKILL\n",
    ),
    (
        "box_is_killed",
        "unobserved",
        "too late: chdir(\"/\") = the box's process ended here: killed by SIGKILL\n",
    ),
    (
        "provoked",
        "observed",
        "host make a = 0\nhost put file = 1\nhost make a again = -1 EEXIST (File exists)\n\
         host clone = [BOX]\nbox and inside = -1 EEXIST (File exists)\nbox leave = 0\n\
         host wait = exited 3\nundo put file = 0\nundo make a = 0\nto its end\n",
    ),
    ("provoked", "unobserved", "to its end\n"),
    (
        "not_refused",
        "observed",
        "host make a = 0\nhost put file = 1\nhost make b = 0\nundo make b = 0\nundo put file = 0\n\
         undo make a = 0\n\
         make b: mkdir(\"[DIR]/b\", 0755) = success, though EEXIST (File exists) was expected\n",
    ),
    (
        "not_refused_inside",
        "unobserved",
        "go: chdir(\"/\") = success, though ENOENT (No such file or directory) was expected\n",
    ),
    (
        "dies",
        "observed",
        "host make a = 0\nhost put file = 1\nhost clone = [BOX]\nbox gain nothing = 0\nbox filter = 0\n\
         box the last = killed by SIGSYS\nhost wait = killed by SIGSYS\nundo put file = 0\nundo make a = 0\nto its end\n",
    ),
    ("dies", "unobserved", "to its end\n"),
    ("lives", "unobserved", "the last: chdir(\"/\") = success, though killed by SIGSYS was expected\n"),
    (
        "dies_too_early",
        "unobserved",
        "never: chdir(\"/\") = the box's process ended here: killed by SIGSYS\n",
    ),
    (
        "exits",
        "observed",
        "host make a = 0\nhost put file = 1\nhost run it = exited 7\nundo put file = 0\nundo make a = 0\nto its end\n",
    ),
    (
        "exits_otherwise",
        "unobserved",
        "run it: execve(\"/proc/self/exe\", [\"launch\", \"scenario\", \"exit\", \"7\"], 0 vars) /* and wait */ = exited 7, though \
         exited 0 was expected\n",
    ),
    (
        "other_error",
        "unobserved",
        "make a again: mkdir(\"[DIR]/a\", 0755) = EEXIST (File exists)\n\
         hint: left by an earlier run that was killed? stepbox clean removes it\n",
    ),
    (
        "program_is_missing",
        "unobserved",
        "execute: execve(\"/no/such\", [\"such\"], 0 vars) = ENOENT (No such file or directory)\n\
         hint: the program, or the loader named in it, does not exist inside the container\n",
    ),
    (
        "two_boxes",
        "observed",
        "host clone = [BOX]\nbox execute = 0\nhost wait = exited 7\n\
         host clone = [BOX]\nbox go = 0\nbox execute = 0\nhost wait = exited 8\nto its end\n",
    ),
    ("two_boxes", "unobserved", "to its end\n"),
    ("still_running", "unobserved", "to its end\n"),
    ("still_running", "dropped", "there: a\nto its end\n"),
    (
        "reader_stops",
        "observed",
        "host make a = 0\nhost put file = 1\nhost clone = [BOX]\nbox go = 0\n\
         undo put file = 0\nundo make a = 0\nstopped by the reader\n",
    ),
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
    for (name, how, printed) in SCENARIOS {
        trials.push(Trial::test(format!("{name}::{how}"), move || {
            let printed = format!("{printed}left: \nchildren: none\n");
            with_directory(|dir| same(&printed, &take(name, dir, how)))
        }));
    }
    let mut add = |name: &str, test: fn(&Path) -> Result<Completion, Failed>| {
        trials.push(Trial::ignorable_test(name, move || with_directory(test)));
    };
    add("or_else::what_was_there_stays", what_was_there_stays);
    add("undo_fails::the_others_are_undone", the_others_are_undone);
    add("journal::undoes_after_kill_9", undoes_after_kill_9);
    add("journal::cut_short_undoes_nothing", cut_short_undoes_nothing);
    add("strace::watched_or_not_the_calls_are_the_same", the_calls_are_the_same);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Gives a test an empty directory, and looks that nothing of the machine is left changed.
fn with_directory<T>(test: impl FnOnce(&Path) -> Result<T, Failed>) -> Result<T, Failed> {
    let name = format!("stepbox-tests-launch-{}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&dir).map_err(|error| format!("make {}: {error}", dir.display()))?;
    let before = leaks::Snapshot::take();
    let result = test(&dir);
    let _ = std::fs::remove_dir_all(&dir);
    before.assert_same();
    result
}

fn command(name: &str, dir: &Path, how: &str) -> Command {
    let mut command = Command::new(me());
    command.args(["scenario", name]).arg(dir).arg(how);
    command
}

fn me() -> PathBuf {
    std::env::current_exe().expect("this test is a file")
}

/// What a scenario printed, its directory written `[DIR]`.
fn take(name: &str, dir: &Path, how: &str) -> String {
    let output = command(name, dir, how).output().expect("run ourselves");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}").replace(&dir.display().to_string(), "[DIR]")
}

fn same(wanted: &str, printed: &str) -> Result<(), Failed> {
    if wanted == printed { Ok(()) } else { Err(format!("wanted:\n{wanted}\nprinted:\n{printed}").into()) }
}

fn what_was_there_stays(dir: &Path) -> Result<Completion, Failed> {
    std::fs::create_dir(dir.join("journal"))?;
    let printed = take("or_else", dir, "observed");
    same(
        "host make it = -1 EEXIST (File exists)\nhost make b = 0\nundo make b = 0\nto its end\n\
         left: journal\nchildren: none\n",
        &printed,
    )?;
    Ok(Completion::Completed)
}

fn the_others_are_undone(dir: &Path) -> Result<Completion, Failed> {
    let printed = take("undo_fails", dir, "observed");
    let end = "undo make b = -1 ENOTEMPTY (Directory not empty)\nundo put file = 0\nundo make a = 0\n\
               make a again: mkdir(\"[DIR]/a\", 0755) = EEXIST (File exists)\n\
               hint: left by an earlier run that was killed? stepbox clean removes it\n\
               not undone: rmdir(\"[DIR]/b\") = ENOTEMPTY (Directory not empty)\n\
               left: b\nchildren: none\n";
    if printed.ends_with(end) { Ok(Completion::Completed) } else { Err(printed.into()) }
}

/// A run that lives is left alone; one that was killed is taken back, its box ended first.
fn undoes_after_kill_9(dir: &Path) -> Result<Completion, Failed> {
    let mut child = command("sleeps", dir, "journal").stdout(Stdio::null()).spawn()?;
    let journals = dir.join("journal");
    let outcome = killed(&mut child, &journals);
    let _ = child.kill();
    child.wait()?;
    let the_box = outcome?;
    if !Path::new(&format!("/proc/{the_box}")).exists() {
        return Err("the box did not outlive its host".into());
    }
    let cleaned = journal::clean(&journals)?;
    let [run] = &cleaned[..] else { return Err(format!("{} runs were cleaned", cleaned.len()).into()) };
    let undone: Vec<String> = run
        .undone
        .iter()
        .map(|(op, answer)| format!("{op} = {answer}").replace(&dir.display().to_string(), "[DIR]"))
        .collect();
    if undone != ["unlink(\"[DIR]/a/file\") = 0", "rmdir(\"[DIR]/a\") = 0"] || run.title != "a test" {
        return Err(format!("{}: {undone:?}", run.title).into());
    }
    let state = std::fs::read_to_string(format!("/proc/{the_box}/stat")).unwrap_or_default();
    if !(state.is_empty() || state.contains(") Z ")) {
        return Err(format!("the box still runs: {state}").into());
    }
    if !journal::clean(&journals)?.is_empty() || scenario::left(dir) != ["journal"] {
        return Err(format!("left: {:?}", scenario::left(dir)).into());
    }
    Ok(Completion::Completed)
}

/// Waits until the run sleeps in the middle of its plan, finds that `clean` leaves it alone, and kills it. Returns
/// the process id of its box.
fn killed(child: &mut Child, journals: &Path) -> Result<i32, Failed> {
    let began = Instant::now();
    let the_box = loop {
        let file = std::fs::read_dir(journals).into_iter().flatten().flatten().next();
        let text = file.and_then(|file| std::fs::read_to_string(file.path()).ok()).unwrap_or_default();
        let pid = text.lines().find_map(|line| line.strip_prefix("box ")?.split(' ').next()?.parse().ok());
        let executed = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.ends_with(b"sleep\0")
        };
        if let Some(pid) = pid.filter(executed) {
            break pid;
        }
        if began.elapsed() > Duration::from_secs(30) {
            return Err(format!("the run did not get to its sleep; its journal:\n{text}").into());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let alive = journal::clean(journals)?;
    if !alive.is_empty() {
        return Err("a run that lives was cleaned".into());
    }
    child.kill()?;
    child.wait()?;
    Ok(the_box)
}

/// A header that was not written to its end: not even the first step was begun.
fn cut_short_undoes_nothing(dir: &Path) -> Result<Completion, Failed> {
    std::fs::write(dir.join("1-1.journal"), "{\"version\":1,\"boot\":\"x\",\"undos\":[[0,{\"Rmdir\"")?;
    let cleaned = journal::clean(dir)?;
    let undone: Vec<&(_, Answer)> = cleaned.iter().flat_map(|run| &run.undone).collect();
    if !undone.is_empty() || !scenario::left(dir).is_empty() {
        return Err(format!("undone: {undone:?}, left: {:?}", scenario::left(dir)).into());
    }
    Ok(Completion::Completed)
}

/// Watching changes how far a loan reaches, and nothing else.
fn the_calls_are_the_same(dir: &Path) -> Result<Completion, Failed> {
    if Command::new("strace").arg("--version").output().is_err() {
        let why = "strace is not installed (apt-get install strace)";
        support::skip("strace::watched_or_not_the_calls_are_the_same", why);
        return Ok(Completion::ignored_with(why));
    }
    let log = dir.join("log");
    let mut seen = Vec::new();
    for how in ["observed", "unobserved"] {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-qq", "-s", "400", "-o"]).arg(&log).arg(me());
        let status =
            command.args(["scenario", "every_lane"]).arg(dir).arg(how).stdout(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("strace: {status}").into());
        }
        let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        seen.push(changes(&text.replace(&dir.display().to_string(), "[DIR]")));
        std::fs::remove_file(&log)?;
    }
    same(&seen[0].join("\n"), &seen[1].join("\n"))?;
    let calls: Vec<&str> = seen[0].iter().map(|line| line.split('(').next().unwrap_or_default()).collect();
    let wanted = [
        "1 mkdirat",
        "1 open",
        "1 write",
        "1 open",
        "1 write",
        "1 clone3",
        "2 chdir",
        "2 umask",
        "2 mkdirat",
        "1 mkdirat",
        "2 setsid",
        "2 execve",
        "1 unlinkat",
        "1 unlinkat",
        "1 unlinkat",
    ];
    if calls == wanted { Ok(Completion::Completed) } else { Err(seen[0].join("\n").into()) }
}

/// The calls that change something, in each process the same order; processes by number of appearance, without
/// what differs from run to run: descriptors, addresses, process ids.
fn changes(log: &str) -> Vec<String> {
    const CHANGING: [&str; 11] = [
        "mkdirat", "open", "openat", "write", "clone3", "chdir", "umask", "setsid", "execve", "unlinkat",
        "rmdir",
    ];
    let mut numbers = HashMap::new();
    let mut lines = Vec::new();
    for call in strace::read(log).into_iter().skip(1) {
        let next = numbers.len() + 1;
        let process = *numbers.entry(call.pid).or_insert(next);
        let ours = call.arguments.contains("[DIR]") || !call.name.starts_with(['o', 'w']);
        if !CHANGING.contains(&call.name.as_str()) || !ours || call.arguments.contains("O_RDONLY") {
            continue;
        }
        let mut parts = call.arguments.split("0x");
        let first = parts.next().unwrap_or_default();
        let arguments: String = std::iter::once(first).chain(parts.map(after_number)).collect();
        let arguments =
            arguments.split_once('<').filter(|_| call.name == "write").map_or(&*arguments, |x| x.1);
        let result = call.result.split(['<', ' ']).next().unwrap_or_default();
        let result = if ["clone3", "open", "setsid"].contains(&&*call.name) { "[N]" } else { result };
        lines.push(format!("{process} {}({arguments}) = {result}", call.name));
    }
    lines
}

fn after_number(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_hexdigit())
}
