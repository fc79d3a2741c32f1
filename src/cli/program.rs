//! The command's own program, kept from the containers that it starts.
//!
//! ```text
//!   argv ── a word that may start a program ──> executed once more, out of reach ──> argv read, by clap
//!        └─ none ──────────────────────────────────────────────────────────────────> argv read, by clap
//! ```
//!
//! Words are read once that way: to build all commands' options costs as much as many a step. Whoever starts a
//! program asks again, so a word that was overlooked costs time, and no more.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::kernel::{CText, Errno, binary};

/// The commands that start a program of a container, here and in runc's command line.
const STARTING: [&str; 5] = ["create", "exec", "restart", "run", "start"];

/// Does [`keep_out_of_reach`] where one of these words may start a program. What is wrong shows when that is done.
pub(super) fn keep_out_of_reach_early(words: &[OsString]) {
    if words.iter().any(|word| STARTING.iter().any(|starting| word == starting)) {
        let _ = keep_out_of_reach();
    }
}

/// Executes this command once more, so that nothing it starts can write to its program. To be called before anything is
/// opened or blocked.
pub(super) fn keep_out_of_reach() -> Result<(), Errno> {
    let argv: Vec<CText> = std::env::args_os().map(CText::from).collect();
    let variable = |(name, value): (OsString, OsString)| {
        CText::from(OsStr::from_bytes(&[name.as_bytes(), b"=", value.as_bytes()].concat()))
    };
    let env: Vec<CText> = std::env::vars_os().map(variable).collect();
    binary::keep_out_of_reach(&argv, &env)
}
