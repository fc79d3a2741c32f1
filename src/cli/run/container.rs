//! The options of `run` that say what the container is called, and what runs in it.

use std::path::{Path, PathBuf};

use super::environment;
use crate::engine::names;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Container")]
#[group(skip)]
pub(super) struct Args {
    /// Remove the container when it has ended
    #[arg(long)]
    pub(super) rm: bool,
    /// Keep standard input open
    #[arg(short, long)]
    pub(super) interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub(super) tty: bool,
    /// The container's name
    #[arg(long, allow_hyphen_values = true, value_parser = container_name)]
    pub(super) name: Option<String>,
    /// The host name inside
    #[arg(short = 'h', long, value_name = "NAME", value_parser = host_name)]
    pub(super) hostname: Option<String>,
    /// The domain name inside
    #[arg(long, value_name = "NAME", value_parser = domain_name)]
    pub(super) domainname: Option<String>,
    /// The program, instead of the image's entry point and command
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Process 1 passes signals on to the program, and reaps orphans
    #[arg(long)]
    pub(super) init: bool,
    #[command(flatten)]
    pub(super) env: environment::Args,
    /// The working directory inside
    #[arg(short, long, value_name = "DIR", value_parser = absolute)]
    pub(super) workdir: Option<PathBuf>,
    /// The user inside: name or uid, and perhaps group
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(super) user: Option<String>,
    /// Another group that the user inside belongs to (name or gid)
    #[arg(long, value_name = "GROUP")]
    pub(super) group_add: Vec<String>,
}

impl Args {
    /// As Docker: an empty word takes the image's entry point away, and puts nothing in its place.
    pub(super) fn entrypoint(&self) -> Option<Vec<String>> {
        let word = self.entrypoint.as_ref()?;
        Some(if word.is_empty() { Vec::new() } else { vec![word.clone()] })
    }
}

pub(in crate::cli) fn absolute(text: &str) -> Result<PathBuf, String> {
    match Path::new(text).is_absolute() {
        true => Ok(text.into()),
        false => Err("must be an absolute path".into()),
    }
}

fn container_name(text: &str) -> Result<String, String> {
    match names::valid(text) {
        true => Ok(text.into()),
        false => Err(format!(
            "Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, two letters at least"
        )),
    }
}

fn host_name(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '.';
    match !text.is_empty() && text.len() <= 63 && text.chars().all(allowed) && !text.starts_with('-') {
        true => Ok(text.into()),
        false => Err("1 to 63 letters, digits, dots and hyphens".into()),
    }
}

/// The kernel keeps 64 bytes; a blank or a new line would be an entry of its own in /etc/hosts.
fn domain_name(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    match !text.is_empty() && text.len() <= 64 && text.chars().all(allowed) {
        true => Ok(text.into()),
        false => Err("1 to 64 letters, digits, dots, hyphens and underscores".into()),
    }
}
