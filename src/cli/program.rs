//! The command's own program, kept from the containers that it starts.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::kernel::{CText, Errno, binary};

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
