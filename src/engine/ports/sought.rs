//! Which ports a filter seeks: `publish=8080`, `expose=80-89/udp`, in the words of Docker's daemon.
//!
//! See docker-ps(1).

use super::Mapping;

/// A number that is none of a port, in Go's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.ParseUint: parsing {text:?}: {}", if *large { "value out of range" } else { "invalid syntax" })]
pub struct NumberError {
    text: String,
    large: bool,
}

/// A port's number.
///
/// # Errors
/// [`NumberError`].
pub fn number(text: &str) -> Result<u16, NumberError> {
    let large = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if large => Ok(number),
        _ => Err(NumberError { text: text.into(), large }),
    }
}

/// Why nothing can be sought.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SoughtError {
    /// nothing
    #[error("Empty string specified for ports.")]
    Empty,
    /// two ports where one is meant
    #[error("should not contain ':'")]
    Colon,
    /// no number
    #[error(transparent)]
    Number(#[from] NumberError),
    /// the last before the first
    #[error("Invalid range specified for the Port: {0}")]
    Range(String),
}

/// What one filter seeks.
#[derive(Debug, PartialEq, Eq)]
pub struct Sought {
    first: u16,
    last: u16,
    protocol: String,
}

impl Sought {
    /// Understands `80`, `80/udp`, `80-89/tcp`.
    ///
    /// # Errors
    /// [`SoughtError`].
    pub fn parse(text: &str) -> Result<Sought, SoughtError> {
        if text.contains(':') {
            return Err(SoughtError::Colon);
        }
        let (range, protocol) = text.split_once('/').unwrap_or((text, ""));
        if range.is_empty() {
            return Err(SoughtError::Empty);
        }
        let protocol = protocol.split('/').next().filter(|word| !word.is_empty()).unwrap_or("tcp");
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        match first <= last {
            true => Ok(Sought { first, last, protocol: protocol.into() }),
            false => Err(SoughtError::Range(range.into())),
        }
    }

    /// Whether a port of a container is offered under such a number.
    pub fn exposes(&self, port: &Mapping) -> bool {
        self.is(port.port, &port.protocol)
    }

    /// Whether it is published under such a number.
    pub fn publishes(&self, port: &Mapping) -> bool {
        port.host.is_some_and(|host| self.is(host.port(), &port.protocol))
    }

    fn is(&self, port: u16, protocol: &str) -> bool {
        (self.first..=self.last).contains(&port) && self.protocol == protocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_seeks() {
        for (text, first, last, protocol) in [
            ("80", 80, 80, "tcp"),
            ("80-89/udp", 80, 89, "udp"),
            ("80/", 80, 80, "tcp"),
            ("1/x/y", 1, 1, "x"),
        ] {
            assert_eq!(Sought::parse(text), Ok(Sought { first, last, protocol: protocol.into() }), "{text}");
        }
        for (text, words) in [
            ("x", "strconv.ParseUint: parsing \"x\": invalid syntax"),
            ("70000", "strconv.ParseUint: parsing \"70000\": value out of range"),
            ("", "Empty string specified for ports."),
            ("80-79", "Invalid range specified for the Port: 80-79"),
            ("80:80", "should not contain ':'"),
        ] {
            assert_eq!(Sought::parse(text).map_err(|error| error.to_string()), Err(words.into()), "{text}");
        }
    }
}
