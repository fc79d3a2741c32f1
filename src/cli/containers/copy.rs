//! `stepbox cp`.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::state;
use crate::engine::containers;
use crate::engine::copy::{self, Container, Options};

// The options of `cp`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "stepbox cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n       stepbox cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH"
)]
pub(in crate::cli) struct Args {
    /// Keep owners; else what goes into a container is root's, and what comes out of it yours
    #[arg(short, long)]
    archive: bool,
    /// Copy what a link leads to, if SRC_PATH is one
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Do not say how much was copied (said only at a terminal)
    #[arg(short, long)]
    quiet: bool,
    /// What to copy: CONTAINER:PATH, a path of the host, or - for a tar archive on standard input
    source: OsString,
    /// Where to: CONTAINER:PATH, a path of the host, or - for a tar archive on standard output
    destination: OsString,
}

/// A word of the user's: a path in a container, or of the host.
enum Word<'a> {
    Inside(&'a str, &'a [u8]),
    Host(&'a OsStr),
}

/// As Docker reads it: a path that begins with `/` or `.` is the host's, whatever colons it has.
fn word(word: &OsStr) -> Word<'_> {
    let bytes = word.as_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':');
    match colon.filter(|_| !bytes.starts_with(b"/") && !bytes.starts_with(b".")) {
        Some(colon) => match std::str::from_utf8(&bytes[..colon]) {
            Ok(name) if !name.is_empty() => Word::Inside(name, &bytes[colon + 1..]),
            _ => Word::Host(word),
        },
        None => Word::Host(word),
    }
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        for (what, given) in [("source", &self.source), ("destination", &self.destination)] {
            if given.is_empty() {
                anyhow::bail!("{what} can not be empty");
            }
        }
        let options = Options { archive: self.archive, follow: self.follow_link };
        let state = state()?;
        let size = match (word(&self.source), word(&self.destination)) {
            (Word::Inside(..), Word::Inside(..)) => {
                anyhow::bail!("copying between containers is not supported")
            }
            (Word::Host(_), Word::Host(_)) => anyhow::bail!("must specify at least one container source"),
            (Word::Inside(name, path), Word::Host(to)) => {
                let record = containers::find(&state, name)?;
                let container = Container { state: &state, record: &record, name };
                if to == "-" {
                    let out = std::io::stdout();
                    if out.is_terminal() {
                        anyhow::bail!(
                            "refusing to write an archive to a terminal: redirect it, or name a path"
                        );
                    }
                    copy::out_to(container, path, options, out.lock())?;
                    return Ok(ExitCode::SUCCESS);
                }
                copy::out(container, path, options, Path::new(to))?
            }
            (Word::Host(from), Word::Inside(name, path)) => {
                let record = containers::find(&state, name)?;
                let container = Container { state: &state, record: &record, name };
                let source = match from == "-" {
                    true => copy::Source::Input,
                    false => copy::source(Path::new(from), options.follow)?,
                };
                copy::into(container, source, path, options)?
            }
        };
        if !self.quiet && std::io::stderr().is_terminal() {
            let to = self.destination.to_string_lossy();
            complain!("Successfully copied {size} bytes to {}", to.escape_debug());
        }
        Ok(ExitCode::SUCCESS)
    }
}
