//! Root file systems on the real kernel: every kind of mount that a bundle can ask for, and images that try to lead
//! one astray. Each is made by this binary run again as `rootfs scenario NAME DIRECTORY`, because it clones.
//!
//! ```text
//!   DIRECTORY/bundle/rootfs   becomes /; bin/busybox is in it
//!            /bundle/files    something to bind
//!            /outside         must be the same afterwards
//! ```

#[path = "rootfs/attacks.rs"]
mod attacks;
#[path = "rootfs/kinds.rs"]
mod kinds;
#[path = "rootfs/nodes.rs"]
mod nodes;
#[path = "rootfs/scenario.rs"]
mod scenario;

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use scenario::Scenario;
use support::leaks;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let all: Vec<Scenario> = [kinds::all(), nodes::all(), attacks::all()].into_iter().flatten().collect();
    if let [first, name, directory] = words.as_slice()
        && first == "scenario"
    {
        let wanted = all.iter().find(|scenario| scenario.name == name).expect("a scenario");
        return scenario::take(wanted, Path::new(directory));
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    leaks::adopt_orphans();
    let trials = all.into_iter().map(|scenario| Trial::ignorable_test(scenario.name, move || run(&scenario)));
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run(scenario: &Scenario) -> Result<Completion, Failed> {
    let skip = |why: &str| {
        support::skip(scenario.name, why);
        Ok(Completion::ignored_with(why.to_string()))
    };
    if scenario.root && !rustix::process::geteuid().is_root() {
        return skip(support::NEEDS_ROOT);
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    let Some(busybox) = busybox else { return skip("there is no static busybox") };
    let before = leaks::Snapshot::take();
    let directory = tempfile::Builder::new().prefix("stepbox-tests-").tempdir()?;
    let place = directory.path();
    for name in ["bundle/rootfs/bin", "bundle/files/below", "outside"] {
        std::fs::create_dir_all(place.join(name))?;
    }
    std::fs::copy(busybox, place.join("bundle/rootfs/bin/busybox"))?;
    std::fs::write(place.join("outside/secret"), "secret\n")?;
    std::fs::write(place.join("bundle/files/text"), "of the bundle\n")?;
    (scenario.prepare)(place);
    let seen = || text(Command::new("ls").args(["-lnR", "--time-style=full-iso"]).arg(place.join("outside")));
    let outside = seen();
    let mut me = Command::new(std::env::current_exe()?);
    let said = me.arg("scenario").arg(scenario.name).arg(place).output()?;
    let said = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let said = said.replace(&place.display().to_string(), "[DIR]");
    assert_eq!(seen(), outside, "outside of the bundle; it said: {said}");
    (scenario.check)(place, &said);
    drop(directory);
    before.assert_same();
    Ok(Completion::Completed)
}

fn text(command: &mut Command) -> String {
    String::from_utf8_lossy(&command.output().expect("ran").stdout).into_owned()
}
