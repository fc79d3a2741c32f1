//! Lab 06: limits that bite. Chapter: tutorials/06-cgroups.md.

use std::path::Path;
use std::process::ExitCode;

use stepbox::cgroups::{Cgroup, CgroupError, Controller, Hierarchy, Limits};
use stepbox::kernel::{Errno, Op, flags};
use stepbox::lab::{self, LabError, Stage, work};
use stepbox::probe::Probe;
use stepbox::step::{Plan, Step};

/// The cgroup is called stepbox-lab.
const ID: &str = "lab";

fn main() -> ExitCode {
    lab::main("06-cgroups", |stage| {
        let all = stage.cgroups()?;
        stage.act(all.title(), &all.to_string());
        if let Err(error @ CgroupError::Refused(..)) = all.writable() {
            return reduced(stage, &error);
        }
        let _turn = stage.take_turns(&all, ID)?;
        stage.act("memory", "The box may have 32 MiB, and takes 64.");
        let memory = Limits { memory: Some(32 << 20), swap: Some(0), ..Limits::default() };
        play(stage, &all, memory, vec![run(&["alloc", "64"], "it writes to page after page")])?;
        stage.act("cpu", "The box may have a tenth of a cpu, and wants a whole one.");
        let cpu = Limits { cpus: Some(100), ..Limits::default() };
        play(stage, &all, cpu, vec![run(&["spin", "50"], "it computes for 50 ms without a pause")])?;
        stage.act("processes", "The box may be two processes, and is one already.");
        play(stage, &all, Limits { pids: Some(2), ..Limits::default() }, forks(&all))?;
        stage.act("freezing", "The box stops, and does not notice.");
        play(stage, &all, Limits::default(), counting(&all, &stage.dir.join("count")))
    })
}

/// Limits a new process that has not done anything yet, takes these steps, and waits; or says why that cannot be.
fn play(stage: &mut Stage, all: &Hierarchy, limits: Limits, steps: Vec<Step>) -> Result<(), LabError> {
    let controller = limits.controllers().first().copied().unwrap_or(Controller::Freezer);
    let one = all.only(controller);
    let cgroup = Cgroup::of_box(&one, ID);
    let limit = match one.usable(controller).and_then(|_| cgroup.create(&(&limits).into())) {
        Ok(limit) => limit,
        Err(error) => return reduced(stage, &error),
    };
    let clone = Step::new("clone the box", Op::Clone { flags: flags::NEWPID })
        .why("it waits at its birth, so that it is limited before its first instruction");
    let wait = Step::new("wait for it", Op::WaitBox)
        .why("a zombie until it is asked for; what was counted stays until the cgroup goes");
    let wait = wait.show(cgroup.bites(controller));
    stage.run(&Plan::default().then(limit).then(clone).then(cgroup.join()).then(steps).then(wait))
}

/// Why a limit cannot be set here, how it could, and the refusal itself.
fn reduced(stage: &mut Stage, error: &CgroupError) -> Result<(), LabError> {
    stage.act("reduced", &error.to_string());
    let Some((op, errno)) = error.attempt(ID) else { return Ok(()) };
    let why = "a cgroup is a directory: who may not write its parent cannot limit anybody";
    stage.run(&Plan::default().then(Step::new("try all the same", op).why(why).fails(errno)))
}

fn run(arguments: &[&str], why: &'static str) -> Step {
    Step::new("run a program in it", Op::Exec(work::exec(arguments))).why(why).inside()
}

fn forks(all: &Hierarchy) -> Vec<Step> {
    let cgroup = Cgroup::of_box(all, ID);
    let [used, bites] = [cgroup.settings(Controller::Pids), cgroup.bites(Controller::Pids)];
    let fork = |name| Step::new(name, Op::Fork { code: 0 });
    let steps = [
        fork("fork").why("the second process: just within the limit"),
        fork("fork again").why("the third: a fork bomb gets no further than this").fails(Errno::AGAIN),
        Step::new("wait for the child", Op::WaitFork)
            .why("it ended long ago, but a zombie keeps its number and is counted until it is waited for"),
        Step::new("leave", Op::Exit { code: 0 }).why("nobody was killed"),
    ];
    steps.into_iter().map(|step| step.show(used.clone()).show(bites.clone()).inside()).collect()
}

fn counting(all: &Hierarchy, file: &Path) -> Vec<Step> {
    let path = file.display().to_string();
    let place = Step::new("make a file", Op::create(file, "")).undo(Op::Unlink { path: file.into() });
    let place = place.why("the box will count in it, a thousand times a second");
    let cgroup = Cgroup::of_box(all, ID);
    let stop_and_go = cgroup.freeze().into_iter().chain(cgroup.thaw());
    let stop_and_go = stop_and_go.map(|step| step.show(Probe::Progress(path.clone())));
    let count = run(&["count", &path], "it counts until it is killed");
    [place, count].into_iter().chain(stop_and_go).chain(cgroup.kill()).collect()
}
