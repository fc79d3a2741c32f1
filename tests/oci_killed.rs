//! kill -9 at every step of a container's making, of the runtime and of the box alone; then `delete --force` leaves
//! nothing.
//!
//! ```text
//!   this test ── for each n ──> itself as the runtime: the real plan, SIGKILL before step n
//!             ──> stepbox oci delete --force ──> no directory, cgroup, mount, process
//! ```
//!
//! A program instead of the test harness, because the runtime must be single-threaded.

#[path = "support/mod.rs"]
mod support;

#[path = "support/player.rs"]
#[allow(dead_code)]
mod player;

#[path = "run/site.rs"]
#[allow(dead_code)]
mod site;

#[path = "oci/bundle.rs"]
#[allow(dead_code)]
mod bundle;

use std::path::PathBuf;

use stepbox::kernel::Op;
use stepbox::launch::{At, Observer, Verdict};
use stepbox::oci::create::{Request, draft};
use stepbox::oci::log::Log;
use stepbox::oci::state::Root;

use crate::bundle::Bundles;
use crate::site::Site;

/// Kills before a step: the runtime itself, or the box.
struct Killer {
    at: usize,
    the_box: bool,
}

impl Observer for Killer {
    fn before(&mut self, at: At<'_>) -> Verdict {
        if at.index == self.at {
            let victim = if self.the_box { at.box_pid } else { Some(std::process::id().cast_signed()) };
            if let Some(victim) = victim.and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(victim, rustix::process::Signal::KILL);
            }
        }
        Verdict::Go
    }
}

/// Creates a container with a killer. Prints how many steps it has, and the first at which there is a box.
fn runtime(place: &str, at: usize, the_box: bool) {
    let place = PathBuf::from(place);
    let path = std::env::var("PATH").unwrap_or_default();
    let request = Request { id: "c1".into(), bundle: place.join("b"), path, ..Request::default() };
    let (mut draft, plan) = draft(&Root(place.join("oci")), request, &mut Log::default()).expect("a plan");
    let born = plan.steps.iter().position(|step| matches!(step.op, Op::Clone { .. }));
    println!("{} {}", plan.steps.len(), born.map_or(0, |index| index + 1));
    let left = draft.make(&plan, &mut Killer { at, the_box }).map(|running| running.leave());
    // whose box was killed gives up as the command does
    if !matches!(left, Ok(Ok(()))) {
        drop(draft.give_up());
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, place, at, the_box] = &words[..]
        && word == "runtime"
    {
        return runtime(place, at.parse().expect("a number"), the_box == "box");
    }
    let only = words.iter().find(|word| !word.starts_with('-'));
    for (name, site) in [("ours", Site::ours()), ("nobody", Site::nobody())] {
        if only.is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let bundles = Bundles::at(site);
        bundles.bundle("b", &["sleep", "60"], |_| {});
        killed_at_every_step(name, &bundles);
    }
}

fn killed_at_every_step(name: &str, bundles: &Bundles) {
    let copy = bundles.site.path().join("runtime");
    std::fs::copy(std::env::current_exe().expect("this is a program"), &copy).expect("copied");
    let run = |at: usize, victim: &str| {
        // what the killed one has left is there, and is found by its name
        let out = bundles.says(&format!(
            "{} runtime $B {at} {victim} 2>/dev/null >$B/said; cat $B/said; $R list >/dev/null || exit 8\n\
             $R delete --force c1 || exit 9",
            copy.display()
        ));
        bundles.assert_clean();
        out
    };
    let out = run(usize::MAX, "runtime");
    let mut numbers = out.split_whitespace().map(|word| word.parse::<usize>().expect("a number"));
    let (steps, born) = (numbers.next().expect("steps"), numbers.next().expect("a birth"));
    assert!(steps > 40 && born > 0, "{steps} {born}");
    (0..steps).for_each(|at| drop(run(at, "runtime")));
    (born..steps).for_each(|at| drop(run(at, "box")));
    println!("{name}: killed at each of {steps} steps, and the box from step {born} on: nothing is left");
}
