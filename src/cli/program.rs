//! The command's own program, kept from the containers that it starts.
//!
//! ```text
//!   argv ── a word that may start a program ──> executed once more, out of reach ──> argv read, by clap
//!        ├─ run ──> argv read ── the box leaves this program behind ───────────────> it runs
//!        │                    └─ it cannot: executed once more, out of reach ──────> argv read again …
//!        └─ none ──────────────────────────────────────────────────────────────────> argv read, by clap
//! ```
//!
//! Words are read once that way: to build all commands' options costs as much as many a step. Whoever starts a
//! program asks again, so a word that was overlooked costs time, and no more.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::kernel::{CText, Errno, binary};

/// The commands that start a program of a container, here and in runc's command line, and always so that they, or a
/// process that they leave, are not alone with it.
const STARTING: [&str; 4] = ["create", "exec", "restart", "start"];
/// Options of `run` with which it cannot leave this program behind, or that read what can be read only once.
const OF_RUN: [&str; 4] = ["--env-file", "--init", "--label-file", "--pid"];
/// A part in another container, which has others in it.
const OF_ANOTHER: &[u8] = b"container:";

/// Does [`keep_out_of_reach`] where one of these words may start a program. What is wrong shows when that is done.
pub(super) fn keep_out_of_reach_early(words: &[OsString]) {
    if words.iter().any(|word| is_starting(word.as_bytes())) {
        let _ = keep_out_of_reach();
    }
}

fn is_starting(word: &[u8]) -> bool {
    let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
    STARTING.iter().any(|starting| word == starting.as_bytes())
        || OF_RUN.iter().any(|option| name == option.as_bytes())
        || word.windows(OF_ANOTHER.len()).any(|part| part == OF_ANOTHER)
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

#[cfg(test)]
mod tests {
    use super::is_starting;

    #[test]
    fn words_that_show_early_what_it_takes() {
        for word in
            ["exec", "start", "--init", "--pid", "--pid=host", "--network=container:red", "container:red"]
        {
            assert!(is_starting(word.as_bytes()), "{word}");
        }
        for word in ["run", "ps", "--pids-limit=7", "--network=none", "starts"] {
            assert!(!is_starting(word.as_bytes()), "{word}");
        }
    }
}
