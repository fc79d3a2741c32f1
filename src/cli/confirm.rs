//! Asking before something is removed, as Docker asks, and saying what went.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use super::human;

/// Says what will happen and waits for a line; `y` is yes, everything else and an end of the input is no.
pub(super) fn confirm(warning: &str) -> std::io::Result<bool> {
    let mut out = std::io::stdout().lock();
    write!(out, "WARNING! {warning}\nAre you sure you want to continue? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// A whole `prune`: asks, unless by `force`; removes, which says what went and how many bytes that freed; says the total.
pub(super) fn prune(
    force: bool,
    warning: &str,
    remove: impl FnOnce() -> anyhow::Result<u64>,
) -> anyhow::Result<ExitCode> {
    let freed = if force || confirm(warning)? { remove()? } else { 0 };
    println!("Total reclaimed space: {}", human::size(freed, 4));
    Ok(ExitCode::SUCCESS)
}

/// Says what went, with an empty line behind it; nothing where nothing went.
pub(super) fn say_deleted<'a>(what: &str, gone: impl IntoIterator<Item = &'a str>) {
    let lines: String = gone.into_iter().map(|line| format!("{line}\n")).collect();
    if !lines.is_empty() {
        println!("Deleted {what}:\n{lines}");
    }
}
