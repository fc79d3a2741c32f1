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
use crate::cgroups::oom::Told;
use crate::cgroups::stats::Stats;
use crate::kernel::process;

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
    let cgroup = container.record.cgroup.as_ref();
    let stats = || -> Result<Value, OciError> {
        let stats = cgroup.map_or_else(|| Ok(Stats::default()), |cgroup| cgroup.stats())?;
        Ok(json!(stats))
    };
    if once {
        return print(&line("stats", Some(stats()?)));
    }
    let pidfd = process::pidfd_open(init.pid).map_err(|_| not_running())?;
    // without a memory controller nobody is killed for it
    let mut memory = cgroup.and_then(|cgroup| cgroup.watch_oom().ok());
    let mut next = Instant::now() + interval;
    while init.alive() {
        let wait = next.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut watched = vec![PollFd::new(&pidfd, PollFlags::IN)];
        watched.extend(memory.as_ref().map(|memory| PollFd::new(memory, PollFlags::IN)));
        let _ = poll(&mut watched, Some(&timeout));
        match memory.as_mut().map(|memory| memory.read()) {
            Some(Ok(Told::OutOfMemory)) => print(&line("oom", None))?,
            Some(Ok(Told::Gone) | Err(_)) => memory = None,
            Some(Ok(Told::Nothing)) | None => {}
        }
        if Instant::now() >= next && init.alive() {
            // it may end between the two
            if let Ok(stats) = stats() {
                print(&line("stats", Some(stats)))?;
            }
            next += interval;
        }
    }
    Ok(())
}
