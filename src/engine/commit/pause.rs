//! Pause: a container stands still while its files are read, and goes on whatever happens.
//!
//! ```text
//!   signals wait ─> journal ─> freeze ─> all have stopped ─> work ─> thaw ─> signals
//! ```
//!
//! Who ends us meanwhile is heard when the container goes on; after a kill -9, `stepbox clean` thaws it. See the
//! kernel's freezer-subsystem.rst and cgroup-v2.rst.

use super::CommitError;
use crate::cgroups::Controller;
use crate::engine::containers::{Record, cgroup, locked};
use crate::engine::events::of;
use crate::engine::state::State;
use crate::journal::Journal;
use crate::kernel::hint::errno_text;
use crate::kernel::signals::{self, Signals};
use crate::launch::launch;
use crate::step::Plan;

/// Does this work while the container stands still; where it cannot be frozen, says so and does it all the same.
pub(super) fn paused<T>(
    state: &State,
    record: &Record,
    note: impl FnOnce(&str),
    work: impl FnOnce() -> T,
) -> Result<T, CommitError> {
    let failed = |what: String| CommitError::Pause { container: record.name.clone(), what };
    // whoever pauses it meanwhile waits, and pauses it afterwards
    let _lock = locked(state, record).map_err(|error| failed(error.to_string()))?;
    let cgroup = cgroup(record).map_err(|error| failed(error.to_string()))?;
    if !cgroup.directory(Controller::Freezer).is_some_and(|directory| directory.is_dir()) {
        note(
            "the container cannot be paused, because it has no cgroup: it goes on while its files are read, as with \
             --pause=false",
        );
        return Ok(work());
    }
    if cgroup.frozen().map_err(|error| failed(error.to_string()))? {
        return Ok(work());
    }
    let plan = Plan::default().then(cgroup.pause());
    let _signals = Signals::block_all().map_err(|errno| failed(errno_text(errno)))?;
    let title = format!("stepbox commit {}", record.name);
    let journal = Journal::create(&state.journals(), &title, &plan);
    let journal = journal.map_err(|error| failed(error.to_string()))?;
    let running = launch(&plan, &mut (), Some(journal));
    let tell = |action: &str| state.events().tell(&[of::container(record, action)]);
    let done = running.map_err(|error| failed(error.to_string())).map(|running| {
        tell("pause");
        let done = work();
        let refused = running.undo(&mut ());
        tell("unpause");
        (done, refused)
    });
    signals::unblock_all().map_err(|errno| failed(errno_text(errno)))?;
    match done? {
        (done, refused) if refused.is_empty() => Ok(done),
        (_, refused) => {
            let refused: Vec<String> =
                refused.iter().map(|(op, errno)| format!("{op}: {}", errno_text(*errno))).collect();
            Err(failed(format!("it stands still: {}; try: stepbox clean", refused.join("; "))))
        }
    }
}
