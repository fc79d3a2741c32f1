//! Events: what a container uses, once or again and again, and when the kernel killed in it for memory.
//!
//! ```text
//!   {"type":"stats","id":"ID","data":{"cpu":…,"memory":…,"pids":…,…}}
//!   {"type":"oom","id":"ID"}
//! ```
//!
//! The shape is runc's, which engines read. It ends when the container ends.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use super::OciError;
use super::state::{Container, Status};
use crate::cgroups::Controller;
use crate::kernel::process;

mod stats;

/// How often it is looked whether somebody was killed for memory.
const LOOK: Duration = Duration::from_millis(200);

/// Prints what is used, once or at each interval until the container ends.
pub fn watch(
    container: &Container,
    once: bool,
    interval: Duration,
    mut print: impl FnMut(&str) -> Result<(), OciError>,
) -> Result<(), OciError> {
    let id = &container.record.id;
    let not_running = || OciError::State(format!("container with id {id} is not running"));
    let init = match container.status() {
        Status::Stopped | Status::Creating => return Err(not_running()),
        _ => container.init().ok_or_else(not_running)?,
    };
    let line = |kind: &str, data: Option<Value>| {
        let mut event = json!({ "type": kind, "id": id });
        if let Some(data) = data {
            event["data"] = data;
        }
        format!("{event}\n")
    };
    let stats = || container.record.cgroup.as_ref().map(stats::stats).unwrap_or_else(stats::nothing);
    if once {
        return print(&line("stats", Some(stats())));
    }
    let pidfd = process::pidfd_open(init.pid).map_err(|_| not_running())?;
    let (mut killed, mut next) = (kills(container), Instant::now() + interval);
    while init.alive() {
        let wait = next.saturating_duration_since(Instant::now()).min(LOOK);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout));
        let now = kills(container);
        for _ in killed..now {
            print(&line("oom", None))?;
        }
        killed = now.max(killed);
        if Instant::now() >= next && init.alive() {
            print(&line("stats", Some(stats())))?;
            next += interval;
        }
    }
    Ok(())
}

/// How many processes the kernel has killed in it for memory.
fn kills(container: &Container) -> u64 {
    let directory = container.record.cgroup.as_ref().and_then(|one| one.directory(Controller::Memory));
    let Some(directory) = directory else { return 0 };
    let counter = |file: &str| stats::keyed(&directory.join(file)).get("oom_kill").copied();
    counter("memory.events").or_else(|| counter("memory.oom_control")).unwrap_or(0)
}
