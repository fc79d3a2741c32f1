//! A container as a row of a list, with Docker's fields.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::cli::format::row;
use crate::cli::human;
use crate::engine::containers::Record;
use crate::engine::containers::life::Status;
use crate::engine::ports;
use crate::engine::state::State;
use crate::rootfs::Source;

/// The heading of each field.
pub(in crate::cli) const HEADINGS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];

/// What Docker calls it where it has no such field.
pub(in crate::cli) const KIND: &str = "*formatter.containerContext";

/// A container's row; `size` says how much it takes.
pub(in crate::cli) fn of(state: &State, record: &Record, whole: bool, size: String) -> Value {
    row([
        ("Command", command(&record.command, whole)),
        ("CreatedAt", human::moment(second(Some(&record.created)))),
        ("ID", if whole { record.id.clone() } else { record.id[..12].into() }),
        ("Image", record.image.clone()),
        ("Labels", labels(&record.request.labels)),
        ("LocalVolumes", record.volumes().len().to_string()),
        ("Mounts", mounts(record, whole)),
        ("Names", record.name.clone()),
        ("Networks", record.request.peers.network_name().unwrap_or_default().into()),
        ("Ports", ports::listed(&ports::reachable(state, record))),
        ("RunningFor", human::ago(second(Some(&record.created)))),
        ("Size", size),
        ("State", record.life.status.word().into()),
        ("Status", status(record)),
    ])
}

fn second(time: Option<&String>) -> Option<i64> {
    time.and_then(|time| time.parse().ok()).map(Timestamp::as_second)
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// As Docker: a volume by its name, a directory of the host by its path.
fn mounts(record: &Record, whole: bool) -> String {
    let volumes = record.volumes().iter().map(|volume| (&volume.target, volume.name.clone()));
    let binds = record.binds().iter().filter_map(|mount| match &mount.source {
        Source::Bind { path, .. } => Some((&mount.target, path.display().to_string())),
        _ => None,
    });
    let names: BTreeMap<_, _> = volumes.chain(binds).collect();
    names.into_values().map(|name| if whole { name } else { cut(&name, 15) }).collect::<Vec<_>>().join(",")
}

fn status(record: &Record) -> String {
    let life = &record.life;
    let up = || {
        let second = second(life.started.as_ref());
        second.map_or("N/A".into(), |second| human::duration(Timestamp::now().as_second() - second))
    };
    let ended = || human::ago(second(life.finished.as_ref()));
    match life.status {
        Status::Created => "Created".into(),
        Status::Running => match &life.health {
            Some(health) => format!("Up {} ({})", up(), health.status.shown()),
            None => format!("Up {}", up()),
        },
        Status::Paused => format!("Up {} (Paused)", up()),
        Status::Restarting => format!("Restarting ({}) {}", life.exit_code, ended()),
        Status::Exited => format!("Exited ({}) {}", life.exit_code, ended()),
    }
}

/// As Docker shortens: so many letters, of which the last one says that there are more.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() <= most {
        true => text.into(),
        false => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

/// As Docker: words with a blank in quotes, 20 letters of it all, quoted as Go does.
fn command(words: &[String], whole: bool) -> String {
    let quoted = |(at, word): (usize, &String)| match at > 0 && word.contains(' ') {
        true => format!("'{word}'"),
        false => word.clone(),
    };
    let line = words.iter().enumerate().map(quoted).collect::<Vec<_>>().join(" ");
    let line = if whole { line } else { cut(&line, 20) };
    let escaped = line.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    let printable = |letter: char| match letter.is_control() {
        true => format!("\\x{:02x}", u32::from(letter)),
        false => letter.to_string(),
    };
    format!("\"{}\"", escaped.chars().map(printable).collect::<String>())
}
