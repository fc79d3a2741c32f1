//! `stepbox events`.
//!
//! ```text
//!   kept events ── --since, --until, --filter ──> one line each     then new ones, until --until, SIGINT or EPIPE
//! ```

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::moment::moment;
use super::state;
use super::template::{Template, TemplateError, Types, json};
use crate::engine::events::Event;
use crate::engine::events::filter::Filters;
use crate::engine::events::listen::Listener;
use crate::engine::images::filter::Filter;

// The options of `events`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only those that pass: container=, event=, image=, label=, network=, scope=, type=, volume=
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<Filter>,
    /// How to print them: json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Also those of before, from then on: a time (2026-01-02T13:23:37Z), seconds since 1970, or how long ago (42m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// None after that
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// What is asked for.
struct Wanted {
    since: Option<i128>,
    until: Option<i128>,
    filters: Filters,
    format: Format,
}

enum Format {
    Plain(TimeZone),
    Json,
    Template(Template),
}

impl Args {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let now = Timestamp::now();
        let time = |text: &Option<String>| text.as_deref().map(|text| moment(text, now)).transpose();
        let (since, until) = (time(&self.since)?, time(&self.until)?);
        if let (Some(since), Some(until)) = (since, until) {
            let said = |text: &Option<String>| text.clone().unwrap_or_default();
            ensure!(
                since <= until,
                "`since` time ({}) cannot be after `until` time ({})",
                said(&self.since),
                said(&self.until)
            );
        }
        let format = match self.format.as_deref() {
            None | Some("") => Format::Plain(TimeZone::system()),
            Some("json" | "{{json .}}") => Format::Json,
            Some(template) => match Template::parse(&template.replace("\\t", "\t").replace("\\n", "\n")) {
                Ok(template) => Format::Template(template),
                Err(error) => return Ok(wrong(&error)),
            },
        };
        let filters = Filters::of(self.filter).map_err(|name| anyhow::anyhow!("Invalid filter '{name}'"))?;
        let past = since.is_some() || until.is_some();
        let [since, until] = [since, until].map(|time| time.map(Timestamp::as_nanosecond));
        let wanted = Wanted { since, until, filters, format };
        let mut listener = Listener::new(&state()?.events(), past).context("cannot listen")?;
        match wanted.follow(&mut listener) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => match error.downcast_ref::<TemplateError>() {
                Some(error) => Ok(wrong(error)),
                // whoever reads us has seen enough
                None if error.downcast_ref::<io::Error>().is_some_and(gone) => Ok(ExitCode::SUCCESS),
                None => bail!(error),
            },
        }
    }
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// As Docker: a template that is none, or fits no event, is exit code 64.
fn wrong(error: &TemplateError) -> ExitCode {
    let text = error.to_string();
    complain!("Error parsing format: {}", text.trim_start_matches("template parsing error: "));
    ExitCode::from(64)
}

impl Wanted {
    fn follow(&self, listener: &mut Listener) -> anyhow::Result<()> {
        loop {
            // first whether it is over: what has come until then is still heard
            let left = self.until.map(|until| until - Timestamp::now().as_nanosecond());
            let mut failed = None;
            let looked = listener.look(|event| {
                self.print(&event).map_err(|error| match error.downcast::<io::Error>() {
                    Ok(error) => error,
                    Err(error) => {
                        failed = Some(error);
                        io::Error::other("no text")
                    }
                })
            });
            match failed {
                Some(error) => return Err(error),
                None => looked?,
            }
            if left.is_some_and(|left| left < 0) {
                return Ok(());
            }
            let left = left.map(|left| Timespec {
                tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: (left % 1_000_000_000) as i64,
            });
            let out = io::stdout();
            // a pipe that nobody reads any more says so before the next event would
            let mut fds = [PollFd::new(listener, PollFlags::IN), PollFd::new(&out, PollFlags::empty())];
            match poll(&mut fds, left.as_ref()) {
                Ok(_) if fds[1].revents().contains(PollFlags::ERR) => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
    }

    /// Prints one that passes, at once.
    fn print(&self, event: &Event) -> anyhow::Result<()> {
        let time = i128::from(event.nanos);
        let in_time =
            self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time <= until);
        if !in_time || !self.filters.pass(event) {
            return Ok(());
        }
        let line = match &self.format {
            Format::Plain(zone) => plain(event, zone),
            Format::Json => json(&serde_json::to_value(event)?, true),
            Format::Template(template) => {
                let kind = "*events.Message";
                let types = Types {
                    name: Some(kind),
                    maps: &["Attributes"],
                    lists: &[],
                    marshals: false,
                    headings: false,
                };
                template.run(&fields(event), types)?
            }
        };
        let mut out = io::stdout().lock();
        out.write_all(format!("{line}\n").as_bytes())?;
        Ok(out.flush()?)
    }
}

/// With the names that Docker's own fields have.
fn fields(event: &Event) -> serde_json::Value {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    serde_json::json!({
        "Status": text(&event.status), "ID": text(&event.id), "From": text(&event.from),
        "Type": event.kind.word(), "Action": event.action,
        "Actor": {"ID": event.actor.id, "Attributes": event.actor.attributes},
        "Scope": event.scope, "Time": event.time, "TimeNano": event.nanos,
    })
}

/// As Docker prints it: the local time, what happened to whom, and in brackets what else is known.
fn plain(event: &Event, zone: &TimeZone) -> String {
    let time = Timestamp::from_nanosecond(event.nanos.into()).unwrap_or_default().to_zoned(zone.clone());
    let offset = match time.offset().is_zero() {
        true => "Z".into(),
        false => time.strftime("%:z").to_string(),
    };
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.%9f");
    let attributes: Vec<String> =
        event.actor.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let known = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    format!("{time}{offset} {} {} {}{known}", event.kind.word(), event.action, event.actor.id)
}
