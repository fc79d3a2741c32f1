//! What a command says on standard error. A line leaves in one write: commands that run at the same time, with one
//! file for their complaints, never break each other's lines. (`eprintln!` writes each part as it comes.)

use std::fmt::Arguments;
use std::io::Write;

/// As `eprintln!`, but the line leaves whole.
macro_rules! complain {
    ($($words:tt)+) => { $crate::complain::line(format_args!($($words)+)) };
}

/// Writes these words and a line feed to standard error. Nobody can be told that nobody listens there.
pub(crate) fn line(words: Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("{words}\n").as_bytes());
}
