//! Listener: a process outside of the box that decides about calls of the box (SCMP_ACT_NOTIFY).
//!
//! ```text
//!   host                          box                        messenger
//!   connect to the listener
//!   clone ────────────────────>   clone(CLONE_FILES) ─────>  waits
//!                                 load the filter            sees the new descriptor
//!   listener <──────────────────────── SCM_RIGHTS, state ──  sends it, and leaves
//!            <── "may it?" ──     any call that the filter leaves to the listener
//! ```
//!
//! From the moment the filter is loaded any call of the box may have to wait for the listener, sendmsg(2) itself too. So
//! somebody else sends: a child that was born before the filter, and shares the table of descriptors. See
//! seccomp_unotify(2); the message is the OCI runtime specification's "Container Process State".

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::kernel::ctext::BOX;
use crate::kernel::{CText, Op};
use crate::step::Step;

/// Who decides about calls, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// a Unix socket, as the host names it
    pub path: PathBuf,
    /// handed on as it is
    pub metadata: String,
    /// the container's state (ociVersion, id, status, bundle, annotations); a pid is put in where it has none
    pub state: Value,
}

impl Listener {
    /// On the host, before the box is cloned.
    pub fn connect(&self) -> Step {
        Step::new("connect to the listener", Op::ConnectListener { path: (&self.path).into() })
            .why("its socket lies on the host, which the box will not see any more")
    }

    /// In the box, before the filter is loaded.
    pub(crate) fn messenger(&self) -> Step {
        Step::new("send for a messenger", Op::ForkMessenger { message: self.message() })
            .why("once the filter is loaded, no call of ours is sure to be made")
    }

    /// In the box, after it.
    pub(crate) fn wait() -> Step {
        Step::new("wait for the messenger", Op::WaitMessenger)
            .why("the listener now has the filter's descriptor, and answers for it")
    }

    /// The message; `[BOX]` stands for the box's process id.
    pub fn message(&self) -> CText {
        // a text of the user cannot be mistaken for the place of a number: serde_json escapes what is in it
        const PID: &str = "\u{1}pid";
        let mut state = self.state.clone();
        if let Some(members) = state.as_object_mut() {
            members.entry("pid").or_insert(PID.into());
        }
        let version = state.get("ociVersion").cloned().unwrap_or("1.2.0".into());
        let mut message = json!({ "ociVersion": version, "fds": ["seccompFd"], "pid": PID });
        if !self.metadata.is_empty() {
            message["metadata"] = self.metadata.as_str().into();
        }
        message["state"] = state;
        let text = message.to_string().replace(BOX, "\\u005bBOX]");
        text.replace("\"\\u0001pid\"", BOX).into()
    }
}
