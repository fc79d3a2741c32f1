//! `stepbox logs`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;

use crate::cli::moment::moment;
use crate::cli::state;
use crate::engine::containers::end::{Watch, log};
use crate::engine::containers::{directory, find, settled};
use crate::engine::log::{Follower, Line, Stream, Wanted, read};
use crate::engine::request::LogKept;

// The options of `logs`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Also what it prints from now on, until it ends
    #[arg(short, long)]
    follow: bool,
    /// The last N lines only
    #[arg(short = 'n', long, value_name = "N", default_value = "all", allow_hyphen_values = true)]
    tail: String,
    /// Printed then or later: a time (2026-01-02T13:23:37Z), seconds since 1970, or how long ago (42m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Printed then or before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Each line with its time
    #[arg(short, long)]
    timestamps: bool,
    /// Each line with what the log says of the container (json-file: nothing)
    #[arg(long)]
    details: bool,
    /// A name, an id, or the beginning of an id
    container: String,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let record = find(&state, &self.container)?;
        if record.request.log == LogKept::None {
            bail!("configured logging driver does not support reading");
        }
        let now = Timestamp::now();
        let wanted = Wanted {
            since: self.since.as_deref().map(|text| moment(text, now)).transpose()?,
            until: self.until.as_deref().map(|text| moment(text, now)).transpose()?,
            // as Docker: what is no number, or below 0, is all
            tail: self.tail.parse::<i64>().ok().and_then(|count| usize::try_from(count).ok()),
        };
        let (path, directory) = (log(&state, &record), directory(&state, &record));
        let watch = if self.follow { Some(Watch::new(&directory)?) } else { None };
        let mut follower = Follower::from_end(&path)?;
        let printed = read(&path, follower.place(), wanted, |line| self.print(&line));
        if gone(&printed) {
            return Ok(ExitCode::SUCCESS);
        }
        printed?;
        while let Some(watch) = &watch {
            // first whether it runs: what it printed last is in the log when it does not
            let ended = !settled(&state, &directory).is_some_and(|record| record.running());
            let looked = follower.look(|line| match wanted.in_time(&line) {
                true => self.print(&line),
                false => Ok(()),
            });
            if gone(&looked) || ended || wanted.is_over(Timestamp::now()) {
                break;
            }
            looked?;
            watch.wait(Duration::from_millis(500))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, line: &Line) -> io::Result<()> {
        let mut text = String::new();
        if self.timestamps {
            let time = line.time.parse::<Timestamp>();
            let time = time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string());
            text.push_str(&time.unwrap_or_else(|_| line.time.clone()));
            text.push(' ');
        }
        if self.details {
            text.push(' ');
        }
        text.push_str(&line.text);
        match line.stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
            Stream::Stderr => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

/// Whether whoever reads us has seen enough.
fn gone(result: &io::Result<()>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
