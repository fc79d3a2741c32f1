//! Commands that look: state, list, ps, events, features, spec. They change nothing, but for spec's one new file.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::{Shape, Site};
use crate::oci::state::Shown;
use crate::oci::{OciError, events, features as answer, list, ps, spec_template};

// The options of `list`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// A table, or JSON
    #[arg(short, long, default_value = "table")]
    format: String,
    /// Print names only
    #[arg(short, long)]
    quiet: bool,
}

// The options of `ps`.
#[derive(Debug, clap::Args)]
pub(super) struct Ps {
    /// A table, or the numbers as JSON
    #[arg(short, long, default_value = "table")]
    format: String,
    /// The container
    #[arg(value_name = "CONTAINER")]
    id: String,
    /// Arguments of ps(1) [default: -ef]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<String>,
}

// The options of `events`.
#[derive(Debug, clap::Args)]
pub(super) struct Events {
    /// Print once what is used, and leave
    #[arg(long)]
    stats: bool,
    /// How often otherwise
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = duration)]
    interval: Duration,
    /// The container
    #[arg(value_name = "CONTAINER")]
    id: String,
}

// The options of `spec`.
#[derive(Debug, clap::Args)]
pub(super) struct Spec {
    /// The directory to write config.json into [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// For containers that are made without root
    #[arg(long)]
    rootless: bool,
}

/// `table` or `json`, in runc's words where it is neither.
fn shape(text: &str) -> Result<Shape, OciError> {
    match text {
        "table" => Ok(Shape::Table),
        "json" => Ok(Shape::Json),
        other => Err(OciError::Usage(format!("invalid format option {other:?}: table or json"))),
    }
}

/// Go's notation: `5s`, `1m30s`, `100ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time, as 5s, 1m30s or 100ms");
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    match Duration::try_from_secs_f64(total) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(format!("{text:?}: a time longer than 0 is needed")),
    }
}

fn print(text: &str) -> Result<u8, OciError> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map(|()| 0).map_err(OciError::file("cannot write to", "standard output".as_ref()))
}

/// Who a user id is, on this machine.
fn owner(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_string())
    });
    named.unwrap_or_else(|| format!("#{uid}"))
}

pub(super) fn state(site: &mut Site, id: &str) -> Result<u8, OciError> {
    let shown = Shown::new(&site.root.find(id)?, "");
    print(&(serde_json::to_string_pretty(&shown).expect("strings and numbers serialise") + "\n"))
}

pub(super) fn features() -> Result<u8, OciError> {
    print(&(serde_json::to_string_pretty(&answer::features()).expect("JSON serialises") + "\n"))
}

impl List {
    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        let shape = shape(&self.format)?;
        if self.quiet {
            return print(&site.root.ids().iter().map(|id| format!("{id}\n")).collect::<String>());
        }
        let (containers, broken) = list::containers(&site.root);
        for (id, error) in broken {
            let remedy = "delete --force undoes what is known of it";
            site.log.warning(&format!("container {id} was not made to its end ({error}); {remedy}"));
        }
        print(&match shape {
            Shape::Table => list::table(&containers, owner),
            Shape::Json => list::json(&containers, owner) + "\n",
        })
    }
}

impl Ps {
    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        let shape = shape(&self.format)?;
        let pids = ps::pids(&site.root.find(&self.id)?);
        print(&match shape {
            Shape::Json if pids.is_empty() => "null\n".into(),
            Shape::Json => serde_json::to_string(&pids).expect("numbers serialise") + "\n",
            Shape::Table => ps::table(&pids, &self.args)?,
        })
    }
}

impl Events {
    pub(super) fn obey(self, site: &mut Site) -> Result<u8, OciError> {
        let container = site.root.find(&self.id)?;
        let once = self.stats.then_some(());
        events::watch(&container, once.is_some(), self.interval, |line| print(line).map(drop)).map(|()| 0)
    }
}

impl Spec {
    pub(super) fn obey(self) -> Result<u8, OciError> {
        let bundle = self.bundle.unwrap_or_else(|| ".".into());
        let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        spec_template::write(&bundle, self.rootless.then_some(ids)).map(|()| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_gos() {
        for (text, milliseconds) in [("5s", 5000), ("1m30s", 90_000), ("100ms", 100), ("1.5s", 1500)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "0s", "5x", "1..5s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
