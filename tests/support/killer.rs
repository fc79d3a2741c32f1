//! Killer: an observer that ends somebody by SIGKILL before a step, as a machine that runs out of memory would.

use stepbox::kernel::Op;
use stepbox::launch::{At, Observer, Verdict};
use stepbox::step::Plan;

/// Kills before a step: this process itself, or the box.
pub struct Killer {
    at: usize,
    the_box: bool,
}

impl Killer {
    /// `victim` is `box`, or anything else for ourselves. At a step that the plan does not have, nobody is killed.
    pub fn new(at: usize, victim: &str) -> Killer {
        Killer { at, the_box: victim == "box" }
    }
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

/// How many steps of the plan the host sees done, and the first at which there is a box, as [`numbers`] reads them.
pub fn count(plan: &Plan) -> String {
    let clone = |op: &Op| matches!(op, Op::Clone { .. } | Op::CloneThrough { .. });
    let born = plan.steps.iter().position(|step| clone(&step.op)).expect("a box is born");
    // a box that waits to be started takes the rest alone
    let alone = plan.steps.iter().position(|step| matches!(step.op, Op::AwaitStart { .. }));
    format!("{} {}", alone.unwrap_or(plan.steps.len()), born + 1)
}

/// What [`count`] has written.
pub fn numbers(text: &str) -> (usize, usize) {
    let numbers: Vec<usize> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [steps, born] = numbers[..] else { panic!("two numbers, not {text}") };
    assert!(steps > born, "{steps} {born}");
    (steps, born)
}
