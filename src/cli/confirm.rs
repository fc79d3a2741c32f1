//! Asking before something is removed, as Docker asks.

use std::io::{BufRead, Write};

/// Says what will happen and waits for a line; `y` is yes, everything else and an end of the input is no.
pub(super) fn confirm(warning: &str) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    write!(out, "WARNING! {warning}\nAre you sure you want to continue? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
