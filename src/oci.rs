//! OCI: a container as the runtime specification has it, from a bundle; the commands of runc, without its command line.
//!
//! ```text
//!   config.json ──config──> Spec ──container::plan──> Plan ──launch──> the container
//!                                                                       │
//!   ROOT/ID/   state.json  journal  exec.fifo   <───────────────────────┘
//!      │
//!      ├── start    lets it go            ├── exec     joins it by another plan
//!      ├── kill     signals it            ├── pause, resume, update, events, ps: its cgroup
//!      └── delete   replays the journal, which undoes everything
//! ```
//!
//! See the runtime specification 1.2: runtime.md, config.md; and runc(8), whose words and exit codes these are.

pub mod config;
pub mod control;
pub mod create;
pub mod delete;
mod error;
pub mod events;
pub mod exec;
pub mod features;
pub mod freeze;
pub mod hooks;
pub mod kill;
pub mod list;
pub mod log;
pub mod ps;
pub mod run;
pub mod spec_template;
pub mod start;
pub mod state;
pub mod update;

pub use error::{OciError, errno_words};

use crate::launch::launch;
use crate::step::Plan;

/// The version of the runtime specification that is implemented.
pub const OCI_VERSION: &str = "1.2.0";

/// Takes a few steps whose work stays: nothing is undone, neither now nor later.
fn take(plan: Plan) -> Result<(), OciError> {
    let running = launch(&plan, &mut (), None)?;
    running.leave().map_err(OciError::system("cannot let go"))
}
