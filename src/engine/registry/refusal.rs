//! Refusals: what a registry says when it does not do what it was asked.
//!
//! ```text
//!   {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}   ──>  manifest unknown: manifest unknown
//!   {"details":"incorrect username or password"}                           ──>  incorrect username or password
//! ```
//!
//! It is written by strangers and shown in a terminal: short, and without control characters.
//! See the OCI distribution specification, error codes. Lab 16-registry.

use super::transport::Answer;
use serde::Deserialize;

/// How much of an answer is read.
const LONGEST: u64 = 64 << 10;
/// How much of it is shown.
const SHOWN: usize = 400;

/// A registry's no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// the HTTP status
    pub status: u16,
    /// `MANIFEST_UNKNOWN` and the like; empty where it gave none
    pub code: String,
    /// what it says, fit to be shown
    pub text: String,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Entry>,
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// Reads it from an answer.
    pub(super) fn of(answer: Answer) -> Refusal {
        let (status, text) = (answer.status, answer.beginning(LONGEST));
        let errors = serde_json::from_slice::<Errors>(&text).ok();
        let first = errors.as_ref().and_then(|errors| errors.errors.first());
        let said = match (first, errors.as_ref().and_then(|errors| errors.details.as_deref())) {
            (Some(entry), _) => {
                let code = entry.code.to_ascii_lowercase().replace('_', " ");
                [code.as_str(), entry.message.as_str()]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join(": ")
            }
            (None, Some(details)) => details.to_owned(),
            (None, None) => status.canonical_reason().unwrap_or("an unknown status").to_ascii_lowercase(),
        };
        let code = first.map(|entry| printable(&entry.code)).unwrap_or_default();
        Refusal { status: status.as_u16(), code, text: printable(&said) }
    }

    /// Whether it says that we may not.
    pub fn is_denied(&self) -> bool {
        matches!(self.status, 401 | 403)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code.is_empty() {
            true => write!(f, "{} (HTTP {})", self.text, self.status),
            false => f.write_str(&self.text),
        }
    }
}

/// A stranger's text, fit for a terminal.
pub(super) fn printable(text: &str) -> String {
    let short: String = text.chars().take(SHOWN).collect();
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.into() };
    short.chars().map(shown).collect()
}
