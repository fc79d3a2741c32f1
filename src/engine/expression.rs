//! Expressions: names that a filter asks for, as Docker's daemon takes them: regular expressions that fit anywhere, or the
//! very name. One that is no expression is no error there: it fits the name that is written so, and nothing else.
//!
//! See docker-ps(1), docker-volume-ls(1).

use regex_lite::Regex;

/// One value of a filter.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    regex: Option<Regex>,
}

impl Expression {
    /// What this text asks for.
    pub fn of(text: &str) -> Expression {
        Expression { text: text.into(), regex: Regex::new(text).ok() }
    }

    /// Whether a name is one that is asked for.
    pub fn fits(&self, name: &str) -> bool {
        self.text == name || self.regex.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_dockers_daemon() {
        for (text, name, fits) in [
            ("re", "red", true),
            ("^ed", "red", false),
            ("^r.d$", "red", true),
            ("r.d", "r.d", true),
            ("(?i)RED", "red", true),
            ("^(red|blue)$", "blue", true),
            ("^re$", "red", false),
            ("[", "red", false),
            ("[", "[", true),
            ("", "red", true),
        ] {
            assert_eq!(Expression::of(text).fits(name), fits, "{text} {name}");
        }
    }
}
