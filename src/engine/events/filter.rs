//! Filters of events, by Docker's rules.
//!
//! ```text
//!   type=, scope=                 the word itself
//!   event=                        the same; health_status, exec_create and exec_start also by their beginning
//!   container=, volume=, network= the beginning of an id or a name
//!   image=                        an id or a name, with or without its tag; of containers also what they were made of
//!   label=                        NAME or NAME=VALUE
//! ```
//!
//! Several values of one filter are alternatives, labels and several filters all hold. See docker-events(1).

use super::{Event, Kind};
use crate::engine::images::filter::Filter;
use crate::engine::reference::Reference;

/// What can be asked for.
pub const FILTERS: [&str; 8] = ["container", "event", "image", "label", "network", "scope", "type", "volume"];

/// Actions that go on after a colon.
const BEGINNINGS: [&str; 3] = ["health_status", "exec_create", "exec_start"];

/// Those that are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    asked: Vec<Filter>,
}

impl Filters {
    /// These; the first one that nobody knows comes back.
    ///
    /// # Errors
    /// Its name.
    pub fn of(asked: Vec<Filter>) -> Result<Filters, String> {
        match asked.iter().find(|filter| !FILTERS.contains(&filter.name.as_str())) {
            Some(unknown) => Err(unknown.name.clone()),
            None => Ok(Filters { asked }),
        }
    }

    /// Whether an event passes.
    pub fn pass(&self, event: &Event) -> bool {
        FILTERS.into_iter().all(|name| {
            let mut values =
                self.asked.iter().filter(|filter| filter.name == name).map(|filter| &filter.value);
            let mut values = values.by_ref().map(String::as_str).peekable();
            values.peek().is_none() || holds(event, name, &values.collect::<Vec<_>>())
        })
    }
}

fn holds(event: &Event, name: &str, values: &[&str]) -> bool {
    let attribute = |name: &str| event.actor.attributes.get(name).map_or("", String::as_str);
    let id = event.actor.id.as_str();
    let begins = |text: &str| values.iter().any(|value| text.starts_with(value));
    match name {
        "type" => values.contains(&event.kind.word()),
        "scope" => values.contains(&event.scope.as_str()),
        "event" if values.iter().any(|value| BEGINNINGS.contains(value)) => begins(&event.action),
        "event" => values.contains(&event.action.as_str()),
        "image" => {
            let name = attribute(if event.kind == Kind::Image { "name" } else { "image" });
            [id, name].iter().any(|text| values.contains(text) || values.contains(&bare(text).as_str()))
        }
        "label" => values.iter().all(|value| match value.split_once('=') {
            Some((name, value)) => event.actor.attributes.get(name).is_some_and(|other| other == value),
            None => event.actor.attributes.contains_key(*value),
        }),
        // as in Docker, whatever the event is about
        _ => begins(id) || begins(attribute("name")),
    }
}

/// A name without its tag.
fn bare(text: &str) -> String {
    text.parse::<Reference>().map_or_else(|_| text.to_owned(), |reference| reference.familiar_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::events::Attributes;

    fn event(kind: Kind, action: &str, id: &str, attributes: &[(&str, &str)]) -> Event {
        let attributes = attributes.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        Event::new(kind, action, id, attributes.collect::<Attributes>())
    }

    #[test]
    fn they_hold_as_in_docker() {
        let red = [("name", "red"), ("image", "box:1"), ("a", "1"), ("b", "2")];
        let events = [
            event(Kind::Container, "exec_start: sh -c x", "c0ffee", &red),
            event(Kind::Container, "start", "c0ffee", &red),
            event(Kind::Container, "start", "beef", &[("name", "blue"), ("image", "sha256:abc")]),
            event(Kind::Image, "tag", "sha256:abc", &[("name", "box:2")]),
            event(Kind::Volume, "mount", "data", &[("driver", "local")]),
        ];
        let passed = |filters: &str| {
            let asked = filters.split(' ').map(|text| {
                let (name, value) = text.split_once('=').expect("a filter");
                Filter { name: name.into(), value: value.into() }
            });
            let filters = Filters::of(asked.collect()).expect("known");
            let passed = events.iter().enumerate().filter(|(_, event)| filters.pass(event));
            passed.map(|(at, _)| at.to_string()).collect::<Vec<_>>().join("")
        };
        for (filters, wanted) in [
            ("type=container", "012"),
            ("type=container type=volume", "0124"),
            ("event=start", "12"),
            ("event=exec_start", "0"),
            ("event=exec_start event=st", "012"),
            ("event=st", ""),
            ("container=c0", "01"),
            ("container=re", "01"),
            ("container=x", ""),
            ("image=box", "013"),
            ("image=box:1", "01"),
            ("image=sha256:abc", "23"),
            ("label=a", "01"),
            ("label=a label=b=3", ""),
            ("label=a label=b=2", "01"),
            ("volume=da", "4"),
            ("volume=da type=container", ""),
            ("scope=local", "01234"),
            ("scope=swarm", ""),
        ] {
            assert_eq!(passed(filters), wanted, "{filters}");
        }
        let unknown = Filters::of(vec![Filter { name: "nosuch".into(), value: "1".into() }]);
        assert_eq!(unknown.err().as_deref(), Some("nosuch"));
    }
}
