//! Json: a value, and where in the file it stands, so that an error can say both.

use std::fmt;

use serde_json::Value;

use super::words::proposed;

/// What is wrong with a profile, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ProfileError {
    /// as `linux.seccomp.syscalls[3].action`
    pub place: String,
    /// what stands there, as JSON; `None` where nothing does
    pub value: Option<String>,
    /// what is wrong with it
    pub problem: Problem,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 80;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        match &self.value {
            Some(value) if value.chars().count() > MOST => {
                write!(f, "{}... ", value.chars().take(MOST).collect::<String>())?;
            }
            Some(value) => write!(f, "{value} ")?,
            None => {}
        }
        write!(f, "{}", self.problem)
    }
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each says what it means
pub enum Problem {
    #[error("not JSON: {0}")]
    NotJson(String),
    #[error("is missing")]
    Missing,
    #[error("is not {0}")]
    Kind(&'static str),
    #[error("is no action: {}", proposed(self))]
    Action,
    #[error("is no operator: {}", proposed(self))]
    Operator,
    #[error("is no architecture that seccomp knows, as SCMP_ARCH_X86_64")]
    Architecture,
    #[error("is no flag for a profile: {}", proposed(self))]
    Flag,
    #[error("is no argument of a call: they are counted from 0 to 5")]
    Index,
    #[error("is too much: 0 to {0}")]
    Errno(u64),
    #[error("goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE only")]
    NoErrno,
    #[error("names no call")]
    Nameless,
    #[error("cannot stand beside the other: either {0} or {1}")]
    Both(&'static str, &'static str),
    #[error("contradicts an earlier rule, which has the same calls and the same arguments")]
    Contradiction,
    #[error("cannot be the default: the listener would be asked before it is there")]
    NotifyAll,
    #[error("cannot be left to a listener: SCMP_ACT_NOTIFY cannot be used for the write syscall")]
    NotifyWrite,
    #[error("needs a listenerPath")]
    NoListener,
    #[error("must be an absolute path")]
    NotAbsolute,
    #[error("is no version of a kernel, as 4.8")]
    Version,
}

impl ProfileError {
    pub(super) fn not_json(error: serde_json::Error) -> ProfileError {
        ProfileError { place: String::new(), value: None, problem: Problem::NotJson(error.to_string()) }
    }
}

/// A value and its place.
pub(super) struct Node<'a> {
    place: String,
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(place: &str, value: &'a Value) -> Node<'a> {
        Node { place: place.into(), value }
    }

    fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.into() } else { format!("{}.{key}", self.place) }
    }

    /// The member of this name; `null` is none.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Node { place: self.at(key), value })
    }

    pub(super) fn need(&self, key: &'static str) -> Result<Node<'a>, ProfileError> {
        if !self.value.is_object() {
            return Err(self.fails(Problem::Kind("an object")));
        }
        let missing = || ProfileError { place: self.at(key), value: None, problem: Problem::Missing };
        self.get(key).ok_or_else(missing)
    }

    /// The members of a list; none where it is not there.
    pub(super) fn list(&self, key: &str) -> Result<Vec<Node<'a>>, ProfileError> {
        let Some(list) = self.get(key) else { return Ok(Vec::new()) };
        let items = list.value.as_array().ok_or_else(|| list.fails(Problem::Kind("a list")))?;
        let item = |(at, value)| Node { place: format!("{}[{at}]", list.place), value };
        Ok(items.iter().enumerate().map(item).collect())
    }

    /// The strings of a list.
    pub(super) fn words(&self, key: &str) -> Result<Vec<&'a str>, ProfileError> {
        self.list(key)?.iter().map(Node::text).collect()
    }

    pub(super) fn text(&self) -> Result<&'a str, ProfileError> {
        self.value.as_str().ok_or_else(|| self.fails(Problem::Kind("a string")))
    }

    pub(super) fn number(&self) -> Result<u64, ProfileError> {
        self.value.as_u64().ok_or_else(|| self.fails(Problem::Kind("a whole number from 0 on")))
    }

    pub(super) fn version(&self) -> Result<(u32, u32), ProfileError> {
        let (major, minor) = self.text()?.split_once('.').ok_or_else(|| self.fails(Problem::Version))?;
        let number = |text: &str| text.parse().map_err(|_| self.fails(Problem::Version));
        Ok((number(major)?, number(minor)?))
    }

    pub(super) fn fails(&self, problem: Problem) -> ProfileError {
        ProfileError { place: self.place.clone(), value: Some(self.value.to_string()), problem }
    }
}
