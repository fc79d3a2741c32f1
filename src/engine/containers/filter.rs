//! Filters: which containers a list shows, in Docker's words.
//!
//! ```text
//!   name=                  an expression that fits somewhere, with or without a slash before the name
//!   id=                    the beginning of one id
//!   label=                 NAME or NAME=VALUE; all of them
//!   status=, health=, exited=
//!   ancestor=              an image, or one that it was made of
//!   volume=, network=      by name; volumes also by where they are
//!   before=, since=        made before, after this one
//!   publish=, expose=      PORT[-PORT][/PROTOCOL] on the host, inside; one of both is enough
//! ```
//!
//! Several values of one filter are alternatives, labels and several filters all hold. Those that do not run are shown
//! where all are asked for, and by `status`.
//!
//! See docker-ps(1).

use std::collections::BTreeSet;

use super::inspect::points;
use super::life::Status;
use super::{ContainerError, Record};
use crate::engine::expression::Expression;
use crate::engine::health;
use crate::engine::images::catalog::Catalog;
use crate::engine::images::filter::Filter;
use crate::engine::ports::reachable;
use crate::engine::ports::sought::{Sought, SoughtError};
use crate::engine::state::State;
use crate::engine::store::StoreError;
use crate::layers::Digest;

/// What can be asked for.
const FILTERS: [&str; 13] = [
    "id", "name", "label", "status", "exited", "ancestor", "before", "since", "health", "volume", "network",
    "publish", "expose",
];

/// Why nothing can be listed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// a filter that nobody knows, or a value that it cannot have
    #[error("Invalid filter '{0}'")]
    Invalid(String),
    /// no exit code, in the words of Docker's daemon
    #[error("strconv.Atoi: parsing {0:?}: invalid syntax")]
    Code(String),
    /// no word for how well a container is
    #[error("Unrecognised filter value for health: {0}")]
    Health(String),
    /// no port, in the words of Docker's daemon
    #[error("error while looking up for {name} {value}: {error}")]
    Port {
        /// `publish` or `expose`
        name: &'static str,
        /// what it was to be
        value: String,
        /// what is wrong with it
        error: SoughtError,
    },
    /// the container of `before` and `since`
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// the images, for `ancestor`
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was asked for, understood.
#[derive(Debug)]
pub struct Filters<'a> {
    state: &'a State,
    asked: &'a [Filter],
    names: Vec<Expression>,
    /// the ids that `id` stands for
    ids: BTreeSet<&'a str>,
    /// the images that `ancestor` stands for
    images: BTreeSet<Digest>,
    published: Vec<Sought>,
    exposed: Vec<Sought>,
    before: Option<&'a Record>,
    since: Option<&'a Record>,
}

impl<'a> Filters<'a> {
    /// Understands filters of these containers; the catalog is asked for where images matter.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn of(
        asked: &'a [Filter],
        state: &'a State,
        all: &'a [Record],
        catalog: impl FnOnce() -> Result<Catalog, StoreError>,
    ) -> Result<Filters<'a>, FilterError> {
        asked.iter().try_for_each(check)?;
        let values = |name: &'a str| values(asked, name);
        let other = |name: &'a str| values(name).last().map(|value| found(all, value)).transpose();
        let mut images = BTreeSet::new();
        if values("ancestor").next().is_some() {
            let catalog = catalog()?;
            values("ancestor").for_each(|value| descend(&catalog, value, &mut images));
        }
        Ok(Filters {
            state,
            asked,
            names: values("name").map(Expression::of).collect(),
            ids: values("id").filter_map(|value| only(all, value)).collect(),
            images,
            published: sought(asked, "publish")?,
            exposed: sought(asked, "expose")?,
            before: other("before")?,
            since: other("since")?,
        })
    }

    /// Whether those that do not run are shown, too.
    pub fn want_all(&self) -> bool {
        values(self.asked, "status").next().is_some()
    }

    /// Whether a container passes.
    pub fn pass(&self, record: &Record) -> bool {
        FILTERS.iter().all(|name| {
            let mut values = values(self.asked, name).peekable();
            values.peek().is_none() || self.holds(record, name, &values.collect::<Vec<_>>())
        })
    }

    fn holds(&self, record: &Record, filter: &str, values: &[&str]) -> bool {
        let labels = &record.request.labels;
        match filter {
            "id" => self.ids.contains(record.id.as_str()),
            "name" => {
                let slash = format!("/{}", record.name);
                self.names.iter().any(|name| name.fits(&record.name) || name.fits(&slash))
            }
            "label" => values.iter().all(|value| match value.split_once('=') {
                Some((name, value)) => labels.get(name).is_some_and(|other| other == value),
                None => labels.contains_key(*value),
            }),
            "status" => values.contains(&record.life.status.word()),
            "exited" => {
                let code = |value: &&str| value.parse() == Ok(record.life.exit_code);
                record.life.status == Status::Exited && values.iter().any(code)
            }
            "health" => {
                let condition = record.life.health.as_ref().map(|health| health.status.word());
                values.contains(&condition.unwrap_or(health::NONE))
            }
            "ancestor" => record.image_id.is_some_and(|id| self.images.contains(&id)),
            "volume" => self.has_volume(record, values),
            "network" => record.request.peers.network_name().is_some_and(|name| values.contains(&name)),
            "publish" | "expose" => self.has_port(record),
            "before" => self.before.is_some_and(|other| made(record) < made(other)),
            "since" => self.since.is_some_and(|other| made(record) > made(other)),
            _ => false,
        }
    }

    fn has_port(&self, record: &Record) -> bool {
        reachable(self.state, record).iter().any(|port| {
            self.published.iter().any(|sought| sought.publishes(port))
                || self.exposed.iter().any(|sought| sought.exposes(port))
        })
    }

    /// By its name, where what has none comes from, or where it is in the container.
    fn has_volume(&self, record: &Record, values: &[&str]) -> bool {
        let points = points(self.state, record);
        points.as_array().into_iter().flatten().any(|point| {
            let named = if point.get("Name").is_some() { "Name" } else { "Source" };
            [named, "Destination"].iter().any(|field| {
                point[*field].as_str().is_some_and(|text| !text.is_empty() && values.contains(&text))
            })
        })
    }
}

/// The order of a list, from its end.
fn made(record: &Record) -> (&str, std::cmp::Reverse<&str>) {
    (&record.created, std::cmp::Reverse(&record.id))
}

fn values<'a>(asked: &'a [Filter], name: &str) -> impl Iterator<Item = &'a str> {
    asked.iter().filter(move |filter| filter.name == name).map(|filter| filter.value.as_str())
}

fn sought(asked: &[Filter], name: &'static str) -> Result<Vec<Sought>, FilterError> {
    let wrong = |value: &str, error| FilterError::Port { name, value: value.into(), error };
    values(asked, name).map(|value| Sought::parse(value).map_err(|error| wrong(value, error))).collect()
}

fn check(Filter { name, value }: &Filter) -> Result<(), FilterError> {
    const HEALTH: [&str; 4] = ["starting", "healthy", "unhealthy", health::NONE];
    const STATES: [&str; 7] = ["created", "restarting", "running", "removing", "paused", "exited", "dead"];
    match name.as_str() {
        "status" if !STATES.contains(&value.as_str()) => Err(FilterError::Invalid(format!("{name}={value}"))),
        "exited" if value.parse::<i32>().is_err() => Err(FilterError::Code(value.clone())),
        "health" if !HEALTH.contains(&value.as_str()) => Err(FilterError::Health(value.clone())),
        other if !FILTERS.contains(&other) => Err(FilterError::Invalid(other.into())),
        _ => Ok(()),
    }
}

fn found<'a>(all: &'a [Record], value: &str) -> Result<&'a Record, ContainerError> {
    let named = all.iter().find(|record| record.name == value);
    let begins = || only(all, value).and_then(|id| all.iter().find(|record| record.id == id));
    named.or_else(begins).ok_or_else(|| ContainerError::NoSuch(value.into()))
}

/// The id that begins so, if no other does.
fn only<'a>(all: &'a [Record], value: &str) -> Option<&'a str> {
    let mut ids = all.iter().map(|record| record.id.as_str());
    let mut begin = ids.by_ref().filter(|id| !value.is_empty() && id.starts_with(value));
    begin.next().filter(|_| begin.next().is_none())
}

/// This image, and all that were made of it; one that is not there has none.
fn descend(catalog: &Catalog, name: &str, images: &mut BTreeSet<Digest>) {
    let mut waiting: Vec<Digest> = catalog.find(name).map(|image| image.id).into_iter().collect();
    while let Some(id) = waiting.pop() {
        if images.insert(id) {
            let made = catalog.images.iter().filter(|image| image.parent() == Some(id));
            waiting.extend(made.map(|image| image.id));
        }
    }
}
