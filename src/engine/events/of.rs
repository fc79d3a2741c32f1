//! Of whom: events as Docker words them, with what it says of each kind.

use std::collections::BTreeMap;

use super::{Attributes, Event, Kind};
use crate::engine::containers::Record;
use crate::engine::machine::Machine;
use crate::engine::peers::Mode;
use crate::engine::reference::Reference;
use crate::engine::store::Store;
use crate::engine::volumes::asked::VolumeUse;
use crate::layers::Digest;

/// Something has happened to a container.
pub fn container(record: &Record, action: &str) -> Event {
    let mut attributes: Attributes = record.request.labels.clone();
    attributes.insert("image".into(), record.image.clone());
    attributes.insert("name".into(), record.name.clone());
    Event::new(Kind::Container, action, &record.id, attributes)
}

/// A signal was sent to it.
pub fn kill(record: &Record, signal: i32) -> Event {
    container(record, "kill").with("signal", signal.to_string())
}

/// A program more is run in it, by this id.
pub fn exec(action: &str, id: &str, command: &[String], record: &Record) -> Event {
    let (program, arguments) =
        command.split_first().map_or(("", &[][..]), |(one, rest)| (one.as_str(), rest));
    container(record, &format!("{action}: {program} {}", arguments.join(" "))).with("execID", id)
}

/// The same has ended.
pub fn exec_die(id: &str, exit_code: i32, record: &Record) -> Event {
    container(record, "exec_die").with("execID", id).with("exitCode", exit_code.to_string())
}

/// It has another name now.
pub fn renamed(record: &Record, old: &str) -> Event {
    container(record, "rename").with("oldName", format!("/{old}"))
}

/// Its terminal has another size now.
pub fn resized(record: &Record, rows: u16, columns: u16) -> Event {
    container(record, "resize").with("height", rows.to_string()).with("width", columns.to_string())
}

/// An image was made of it.
pub fn committed(record: &Record, image: &Digest, name: Option<&Reference>, comment: &str) -> Event {
    container(record, "commit")
        .with("comment", comment)
        .with("imageID", image.to_string())
        .with("imageRef", name.map(ToString::to_string).unwrap_or_default())
}

/// All that nothing needs was removed; so many bytes are free again.
pub fn pruned(kind: Kind, freed: u64) -> Event {
    Event::new(kind, "prune", "", Attributes::new()).with("reclaimed", freed.to_string())
}

/// Its program could not be started: what it would have used is given back.
pub fn not_started(record: &Record) -> Vec<Event> {
    [network(record, "connect"), network(record, "disconnect")].into_iter().flatten().collect()
}

/// Its program runs: what it uses comes first.
pub fn started(record: &Record) -> Vec<Event> {
    let mut events: Vec<Event> = network(record, "connect").into_iter().collect();
    events.extend(record.volumes().iter().map(|volume| mount(record, volume)));
    events.push(container(record, "start"));
    events
}

/// Its program has ended, perhaps for want of memory; what it used is given back.
pub fn ended(record: &Record, exit_code: i32, oom: bool) -> Vec<Event> {
    let mut events: Vec<Event> = oom.then(|| container(record, "oom")).into_iter().collect();
    events.push(container(record, "die").with("exitCode", exit_code.to_string()));
    events.extend(network(record, "disconnect"));
    let unmount = |use_: &VolumeUse| volume(&use_.name, "unmount").with("container", &record.id);
    events.extend(record.volumes().iter().map(unmount));
    events
}

/// A volume was made, or removed.
pub fn volume(name: &str, action: &str) -> Event {
    Event::new(Kind::Volume, action, name, BTreeMap::from([("driver".into(), "local".into())]))
}

fn mount(record: &Record, asked: &VolumeUse) -> Event {
    volume(&asked.name, "mount")
        .with("container", &record.id)
        .with("destination", asked.target.display().to_string())
        .with("propagation", "")
        .with("read/write", (!asked.read_only).to_string())
}

/// The network that it has; none where it has another container's.
fn network(record: &Record, action: &str) -> Option<Event> {
    let (name, kind) = match record.request.peers.network {
        Some(Mode::Host) => ("host", "host"),
        Some(Mode::None) => ("none", "null"),
        Some(Mode::Container(_)) => return None,
        None if !Machine::look().root() => ("none", "null"),
        _ => ("bridge", "bridge"),
    };
    // there is one of each, always the same
    let id = Digest::of(format!("stepbox network {name}").as_bytes());
    let attributes = [("container", record.id.as_str()), ("name", name), ("type", kind)];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Event::new(Kind::Network, action, &id.hex(), attributes.into()))
}

/// Something has happened to an image; what it is called there differs from action to action.
pub fn image(store: &Store, id: &str, name: &str, action: &str) -> Event {
    let config = store.find(id).and_then(|stored| store.config(&stored));
    let mut attributes = config.ok().and_then(|document| document.config.labels).unwrap_or_default();
    attributes.insert("name".into(), name.into());
    Event::new(Kind::Image, action, id, attributes)
}

/// The same for what comes from a registry, or goes there.
pub fn transfer(store: &Store, reference: &Reference, action: &str) -> Event {
    image(store, &reference.to_string(), &reference.familiar_name(), action)
}
