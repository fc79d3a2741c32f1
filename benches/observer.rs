//! Observer: what a plan costs over the same calls written by hand, unobserved and observed.
//!
//! ```text
//!   by hand        mkdir rmdir mkdir rmdir …          200 calls on a tmpfs: the cheapest that change anything
//!   plan           launch(&plan, &mut (), None)       must be within 3 % of it
//!   plan, watched  launch(&plan, &mut counter, None)  two calls of the observer around each step
//! ```
//!
//! See benches/README.md.

#[path = "support/medians.rs"]
mod medians;

use std::path::Path;
use std::time::{Duration, Instant};

use medians::{alternate, median, paired, rounds};
use stepbox::kernel::{CText, Op};
use stepbox::launch::{Answer, At, Observer, Verdict, launch};
use stepbox::step::{Plan, Step};

const PAIRS: usize = 100;

/// The least that an observer can do.
#[derive(Default)]
struct Counter {
    seen: usize,
}

impl Observer for Counter {
    fn before(&mut self, at: At<'_>) -> Verdict {
        self.seen += at.index;
        Verdict::Go
    }

    fn after(&mut self, _at: At<'_>, _answer: Answer) {
        self.seen += 1;
    }
}

fn main() {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let scratch =
        tempfile::Builder::new().prefix("stepbox-bench-").tempdir_in(place).expect("make a directory");
    let path = scratch.path().join("d");
    let mut plan = Plan::default();
    for _ in 0..PAIRS {
        plan = plan.then(Step::new("make it", Op::mkdir(&path)));
        plan = plan.then(Step::new("remove it", Op::Rmdir { path: (&path).into() }));
    }
    let text = CText::from(&path);
    type Work<'a> = Box<dyn Fn() + 'a>;
    let mut contenders: [(&str, Work<'_>); 3] = [
        ("by hand", Box::new(|| by_hand(&text))),
        ("plan", Box::new(|| take(&plan, &mut ()))),
        ("plan, watched", Box::new(|| take(&plan, &mut Counter::default()))),
    ];
    let times = alternate(&mut contenders, rounds(2000), |(_, work)| {
        let began = Instant::now();
        work();
        began.elapsed()
    });
    println!("{:14} {:>16} {:>10}", "200 calls", "median us", "x by hand");
    for ((name, _), own) in contenders.iter().zip(&times) {
        println!("{name:14} {:>16.1} {:>10.3}", micros(median(own)), paired(own, &times[0]));
    }
}

fn by_hand(path: &CText) {
    for _ in 0..PAIRS {
        rustix::fs::mkdir(path.as_c_str(), rustix::fs::Mode::from_raw_mode(0o755)).expect("mkdir");
        rustix::fs::rmdir(path.as_c_str()).expect("rmdir");
    }
}

fn take<O: Observer>(plan: &Plan, observer: &mut O) {
    launch(plan, observer, None).expect("every step succeeds");
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
