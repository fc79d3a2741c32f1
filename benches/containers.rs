//! Containers: a hundred that are started and removed at once, a thousand in one list, and what an idle one costs.
//!
//! ```text
//!   turn 1:  stepbox  docker      100 x run -d at once, then 100 x rm -f at once
//!   turn 2:  docker   stepbox     ratios are the medians of the turns' own
//!   then:    ps -a of 1000, prune of 1000, memory of each monitor by /proc/PID/smaps_rollup
//! ```
//!
//! Run as root for all rows; see benches/README.md.

#[path = "support/docker.rs"]
mod docker;
#[path = "support/medians.rs"]
mod medians;
#[path = "containers/memory.rs"]
mod memory;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use docker::Docker;
use medians::{alternate, median, paired, rounds};

/// One engine, and how it is asked for container number so-and-so.
struct Engine<'a> {
    name: &'static str,
    what: &'static str,
    run: Box<dyn Fn(usize) -> Command + 'a>,
    remove: Box<dyn Fn(usize) -> Command + 'a>,
    removals: Vec<Duration>,
}

/// The engine that is measured, with a state of its own.
struct Ours {
    program: PathBuf,
    state: PathBuf,
}

impl Ours {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env("STEPBOX_ROOT", &self.state).current_dir("/").args(words).stdin(Stdio::null());
        command
    }

    fn says(&self, words: &[&str]) -> String {
        let output = self.command(words).output().expect("the engine runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn engine(&self, name: &'static str, what: &'static str, network: &'static str) -> Engine<'_> {
        let run = move |number: usize| {
            self.command(&[
                "run",
                "-d",
                "--network",
                network,
                "--name",
                &box_name(number),
                "stepbox/base",
                "sleep",
                "1000",
            ])
        };
        let remove = move |number: usize| self.command(&["rm", "-f", &box_name(number)]);
        Engine { name, what, run: Box::new(run), remove: Box::new(remove), removals: Vec::new() }
    }
}

fn box_name(number: usize) -> String {
    format!("bench{number}")
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn main() {
    let scratch = tempfile::Builder::new().prefix("stepbox-bench-").tempdir().expect("a directory");
    let program = scratch.path().join("stepbox");
    let built = std::env::var_os("STEPBOX_BENCH_ENGINE").unwrap_or(env!("CARGO_BIN_EXE_stepbox").into());
    std::fs::copy(built, &program).expect("copy the engine");
    let ours = Ours { program, state: scratch.path().join("state") };
    ours.says(&["run", "--rm", "--network", "none", "stepbox/base", "true"]);
    let docker = Docker::start(scratch.path()).and_then(|docker| with_image(docker, &ours, scratch.path()));
    let docker = docker.inspect_err(|why| println!("SKIP docker: {why}")).ok();
    at_once(&ours, docker.as_ref());
    memory::compare(&ours, docker.as_ref());
    drop(docker);
    lists(&Ours { program: ours.program.clone(), state: scratch.path().join("many") }, &ours);
    if rustix::process::geteuid().is_root() {
        ours.says(&["clean"]);
    }
}

/// The same image for both.
fn with_image(docker: Docker, ours: &Ours, scratch: &Path) -> Result<Docker, String> {
    let archive = scratch.join("base.tar").display().to_string();
    ours.says(&["save", "-o", &archive, "stepbox/base"]);
    let loaded = docker.client().args(["load", "-q", "-i", &archive]).output();
    let loaded = loaded.map_err(|error| error.to_string())?;
    match loaded.status.success() {
        true => Ok(docker),
        false => Err(String::from_utf8_lossy(&loaded.stderr).trim().to_owned()),
    }
}

/// Starts all of these, and waits for all.
fn all(commands: impl Iterator<Item = Command>) -> Result<Duration, String> {
    let began = Instant::now();
    let started: Result<Vec<_>, _> = commands
        .map(|mut command| command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn())
        .collect();
    for child in started.map_err(|error| error.to_string())? {
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
    }
    Ok(began.elapsed())
}

fn engines<'a>(ours: &'a Ours, docker: Option<&'a Docker>) -> Vec<Engine<'a>> {
    let mut engines = vec![ours.engine(
        "stepbox",
        "overlay, cgroups, seccomp, record, journal, log; a monitor each",
        "none",
    )];
    if rustix::process::geteuid().is_root() {
        engines.push(ours.engine("stepbox, on the bridge", "the same with cable, address, NAT", "bridge"));
    }
    if let Some(docker) = docker {
        let run = |number: usize| {
            let mut command = docker.client();
            command.args([
                "run",
                "-d",
                "--network",
                "none",
                "--name",
                &box_name(number),
                "stepbox/base",
                "sleep",
                "1000",
            ]);
            command
        };
        let remove = |number: usize| {
            let mut command = docker.client();
            command.args(["rm", "-f", &box_name(number)]);
            command
        };
        let what = "overlay2, runc, a shim each";
        engines.push(Engine {
            name: "docker",
            what,
            run: Box::new(run),
            remove: Box::new(remove),
            removals: Vec::new(),
        });
    }
    engines
}

fn at_once(ours: &Ours, docker: Option<&Docker>) {
    let count = number("STEPBOX_BENCH_AT_ONCE", 100);
    let mut engines = engines(ours, docker);
    let starts = alternate(&mut engines, rounds(3), |engine| {
        let name = engine.name;
        let started = all((0..count).map(&engine.run)).unwrap_or_else(|why| panic!("{name}: {why}"));
        let removed = all((0..count).map(&engine.remove)).unwrap_or_else(|why| panic!("{name}: {why}"));
        engine.removals.push(removed);
        // namespaces are taken apart in the background
        std::thread::sleep(Duration::from_secs(1));
        started
    });
    println!(
        "{count} at once, {} turns\n{:26} {:>9} {:>6} {:>10} {:>9} {:>6} {:>10}   what",
        rounds(3),
        "",
        "start ms",
        "a s",
        "x stepbox",
        "rm ms",
        "a s",
        "x stepbox"
    );
    for (engine, own) in engines.iter().zip(&starts) {
        let row = |own: &[Duration], first: &[Duration]| {
            let took = median(own).as_secs_f64();
            format!("{:>9.0} {:>6.0} {:>10.2}", took * 1e3, count as f64 / took, paired(own, first))
        };
        let (start, removal) = (row(own, &starts[0]), row(&engine.removals, &engines[0].removals));
        println!("{:26} {start} {removal}   {}", engine.name, engine.what);
    }
}

/// Lists of many, beside lists of none.
fn lists(many: &Ours, none: &Ours) {
    let count = number("STEPBOX_BENCH_CONTAINERS", 1000);
    many.says(&["run", "--rm", "--network", "none", "stepbox/base", "true"]);
    let began = Instant::now();
    for _ in 0..count {
        many.says(&["create", "--network", "none", "stepbox/base", "true"]);
    }
    let each = began.elapsed().as_secs_f64() * 1e3 / count as f64;
    let last = many.says(&["ps", "-lq", "--no-trunc"]);
    let last = last.trim();
    let mut rows: Vec<(&str, &Ours, Vec<&str>)> = vec![
        ("ps -a, of none", none, vec!["ps", "-a"]),
        ("ps, none of them runs", many, vec!["ps"]),
        ("ps -aq", many, vec!["ps", "-aq"]),
        ("ps -a", many, vec!["ps", "-a"]),
        ("inspect of one", many, vec!["inspect", last]),
    ];
    let times = alternate(&mut rows, rounds(20), |(_, ours, words)| {
        let began = Instant::now();
        ours.says(words);
        began.elapsed()
    });
    println!("\n{count} containers, made in {each:.1} ms each\n{:26} {:>9}", "", "median ms");
    for ((name, ..), own) in rows.iter().zip(&times) {
        println!("{name:26} {:>9.2}", median(own).as_secs_f64() * 1e3);
    }
    let began = Instant::now();
    many.says(&["container", "prune", "-f"]);
    println!("{:26} {:>9.2}   of all of them", "container prune", began.elapsed().as_secs_f64() * 1e3);
}
