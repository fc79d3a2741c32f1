//! Events: what has happened to containers, images, volumes and networks, one line of JSON each, in Docker's words.
//!
//! ```text
//!   command, monitor ── one write, O_APPEND ──> events/log ──> whoever listens: inotify, then what is new
//!                                                  │ 1 MiB
//!                                                  └─ rename ──> events/log.1      the one that was there goes
//! ```
//!
//! Whoever does something says so himself when it is done: there is no daemon that all would have to tell. An event costs
//! an open, a write, a look at the length and a close, for as many as are told together. It never fails a command: where
//! it cannot be written it is lost. Nobody waits for anybody: the kernel puts each write behind the last one, so there is
//! no lock that a process which was stopped could hold; only whoever renames holds one, and others leave it to him.
//!
//! Killed with SIGKILL, a process loses what it has done and not told yet, never what it has told, and never half a line.
//! Of a container whose monitor was killed, `die` is told by whoever finds it; twice, where it was killed between telling
//! that and writing it down. A listener that stands still while two files are filled misses what went with
//! the older one. Nothing is synced: a machine that stops may lose the last ones.
//!
//! See docker-events(1); open(2), O_APPEND; inotify(7).

pub mod filter;
pub mod listen;
pub mod of;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How long a file becomes, in bytes, before the next one is begun.
const LONGEST: u64 = 1 << 20;

/// Names and values of an event.
pub type Attributes = BTreeMap<String, String>;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// a container
    Container,
    /// an image
    Image,
    /// a volume
    Volume,
    /// a network
    Network,
}

impl Kind {
    /// Docker's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Volume => "volume",
            Kind::Network => "network",
        }
    }
}

/// One event, as Docker's API has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// the action once more, of containers and images: the API's first form
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// the same for the id
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// the same for the image of a container
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// what it is about
    #[serde(rename = "Type")]
    pub kind: Kind,
    /// what has happened
    #[serde(rename = "Action")]
    pub action: String,
    /// to whom
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// always `local`: there is no swarm
    pub scope: String,
    /// when, in seconds since 1970
    pub time: i64,
    /// the same in nanoseconds
    #[serde(rename = "timeNano")]
    pub nanos: i64,
}

/// To whom something has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// an id; of a volume its name
    #[serde(rename = "ID")]
    pub id: String,
    /// what else is known
    #[serde(rename = "Attributes")]
    pub attributes: Attributes,
}

impl Event {
    /// One that happens now.
    pub fn new(kind: Kind, action: &str, id: &str, attributes: Attributes) -> Event {
        let now = jiff::Timestamp::now();
        let old = matches!(kind, Kind::Container | Kind::Image);
        Event {
            status: old.then(|| action.into()),
            id: old.then(|| id.into()),
            from: attributes.get("image").filter(|_| kind == Kind::Container).cloned(),
            kind,
            action: action.into(),
            actor: Actor { id: id.into(), attributes },
            scope: "local".into(),
            time: now.as_second(),
            nanos: i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX),
        }
    }

    /// The same with something more.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Event {
        self.actor.attributes.insert(name.into(), value.into());
        self
    }
}

/// Where the events of an engine lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    directory: PathBuf,
}

impl Events {
    /// Those of the engine whose state is in this directory.
    pub fn of(root: &Path) -> Events {
        Events { directory: root.join("events") }
    }

    /// The file that is written to.
    fn file(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// The one before it.
    fn older(&self) -> PathBuf {
        self.directory.join("log.1")
    }

    /// Tells what has happened, in this order. What cannot be told is lost.
    pub fn tell(&self, events: &[Event]) {
        let mut lines = Vec::new();
        for event in events {
            if serde_json::to_writer(&mut lines, event).is_ok() {
                lines.push(b'\n');
            }
        }
        if !lines.is_empty() {
            let _ = self.append(&lines);
        }
    }

    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let open = || File::options().append(true).create(true).mode(0o600).open(self.file());
        let file = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make()?;
                open()?
            }
            file => file?,
        };
        // one call: what is written in two could have another's in between
        if rustix::io::write(&file, lines)? < lines.len() {
            // the disk is full; the next line must not be taken for the rest of this one
            rustix::io::write(&file, b"\n")?;
        }
        match file.metadata()? {
            stat if stat.len() < LONGEST => Ok(()),
            stat => self.begin_anew(&file, stat.ino()),
        }
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)
    }

    /// Puts a file that is long enough aside, unless somebody else does, or has done it.
    fn begin_anew(&self, file: &File, inode: u64) -> io::Result<()> {
        if file.try_lock().is_err() || std::fs::metadata(self.file())?.ino() != inode {
            return Ok(());
        }
        std::fs::rename(self.file(), self.older())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_as_docker_writes_it() {
        let attributes = Attributes::from([("name".into(), "red".into()), ("image".into(), "box".into())]);
        let event = Event::new(Kind::Container, "die", "4711", attributes).with("exitCode", "3");
        let event = Event { time: 1, nanos: 1_000_000_007, ..event };
        let text = serde_json::to_string(&event).expect("texts and numbers");
        assert_eq!(
            text,
            r#"{"status":"die","id":"4711","from":"box","Type":"container","Action":"die","Actor":{"ID":"4711","Attributes":{"exitCode":"3","image":"box","name":"red"}},"scope":"local","time":1,"timeNano":1000000007}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&text).ok(), Some(event));
        let volume = Event::new(Kind::Volume, "create", "v", Attributes::new());
        assert!(serde_json::to_string(&volume).expect("text").starts_with(r#"{"Type":"volume","#));
    }
}
