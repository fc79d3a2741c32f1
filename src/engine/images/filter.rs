//! Filters: which images a list shows and a prune removes, in Docker's words: `dangling=true`, `label=x=y`, `until=24h`.
//!
//! See docker-images(1), docker-image-prune(1). Lab 13-union-image, tutorials/13-union-image.md.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::catalog::{Catalog, ImageError, Known};
use crate::engine::reference::Reference;

/// One `--filter NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// in small letters
    pub name: String,
    /// what it must be
    pub value: String,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Filter, String> {
        let (name, value) = text.split_once('=').ok_or("bad format of filter (expected name=value)")?;
        Ok(Filter { name: name.trim().to_lowercase(), value: value.trim().into() })
    }
}

/// Filters that were understood.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// `dangling`: without a name, and nothing made of it
    pub dangling: Option<bool>,
    /// `label`: name, and perhaps value
    labels: Vec<(String, Option<String>)>,
    /// `label!`
    without: Vec<(String, Option<String>)>,
    /// `before`: made before this second
    before: Option<i64>,
    /// `since`: made after this second
    since: Option<i64>,
    /// `until`: made not after this second
    until: Option<i64>,
    /// `reference`: one of these patterns fits a name
    references: Vec<Pattern>,
}

impl Filters {
    /// Understands filters; `allowed` are the names that this command has.
    ///
    /// # Errors
    /// [`ImageError::Filter`], [`ImageError::Pattern`], [`ImageError::Time`]; [`ImageError::NoSuch`] for the image of
    /// `before` and `since`.
    pub fn of(filters: &[Filter], allowed: &[&str], catalog: &Catalog) -> Result<Filters, ImageError> {
        let mut done = Filters::default();
        let label = |value: &str| match value.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (value.to_owned(), None),
        };
        let made = |name: &str| Ok::<_, ImageError>(catalog.find(name)?.created().unwrap_or(i64::MIN));
        for Filter { name, value } in filters {
            if !allowed.contains(&name.as_str()) {
                return Err(ImageError::Filter(name.clone()));
            }
            match name.as_str() {
                "dangling" => match value.to_lowercase().as_str() {
                    "true" | "1" => done.dangling = Some(true),
                    "false" | "0" => done.dangling = Some(false),
                    _ => return Err(ImageError::Filter(format!("dangling=[{value}]"))),
                },
                "label" => done.labels.push(label(value)),
                "label!" => done.without.push(label(value)),
                "before" => done.before = Some(made(value)?),
                "since" => done.since = Some(made(value)?),
                "until" => done.until = Some(moment(value)?),
                _ => done.references.push(value.parse()?),
            }
        }
        Ok(done)
    }

    /// One more pattern, as `images PATTERN` gives it.
    ///
    /// # Errors
    /// [`ImageError::Pattern`].
    pub fn and_reference(mut self, pattern: &str) -> Result<Filters, ImageError> {
        self.references.push(pattern.parse()?);
        Ok(self)
    }

    /// Whether an image passes all but `dangling` and `reference`.
    pub fn pass(&self, image: &Known) -> bool {
        let created = image.created().unwrap_or(i64::MIN);
        self.pass_of_age(created, image.document.config.labels.as_ref())
            && self.before.is_none_or(|before| created < before)
            && self.since.is_none_or(|since| created > since)
    }

    /// Whether something of this age, in seconds since 1970, that has these labels passes `label` and `until`.
    pub fn pass_of_age(&self, created: i64, labels: Option<&BTreeMap<String, String>>) -> bool {
        let has = |(name, value): &(String, Option<String>)| {
            let found = labels.and_then(|labels| labels.get(name));
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        self.labels.iter().all(has)
            && !self.without.iter().any(has)
            && self.until.is_none_or(|until| created <= until)
    }

    /// The names under which an image is shown; none at all where no pattern fits one.
    pub fn names<'a>(&self, image: &'a Known) -> Vec<&'a Reference> {
        let fits = |name: &Reference| {
            self.references.is_empty() || self.references.iter().any(|pattern| pattern.fits_name(name))
        };
        image.names.iter().filter(|name| fits(name)).collect()
    }

    /// Whether names are asked for, so that what has none is not shown.
    pub fn wants_names(&self) -> bool {
        !self.references.is_empty()
    }
}

/// A point in time: seconds since 1970, a date (RFC 3339, or cut short), or a time before now as `24h`.
fn moment(text: &str) -> Result<i64, ImageError> {
    let wrong = || ImageError::Time(text.into());
    if let Some(ago) = duration(text) {
        return Ok(jiff::Timestamp::now().as_second() - ago);
    }
    let seconds = text.split_once('.').map_or(text, |(seconds, _)| seconds);
    if let Ok(seconds) = seconds.parse() {
        return Ok(seconds);
    }
    let zoned = text.parse::<jiff::Timestamp>().ok();
    let civil = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::system()).ok();
    zoned.or_else(|| Some(civil()?.timestamp())).map(jiff::Timestamp::as_second).ok_or_else(wrong)
}

/// A time in Go's words, as `1h30m`, in whole seconds.
fn duration(text: &str) -> Option<i64> {
    let (mut sum, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits =
            rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').filter(|at| *at > 0)?;
        let unit = rest[digits..].find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let seconds = match &rest[digits..digits + unit] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum += seconds * rest[..digits].parse::<f64>().ok()?;
        rest = &rest[digits + unit..];
    }
    (!text.is_empty()).then_some(sum as i64)
}

/// A pattern for names, as Go's path.Match has it: `*` and `?` for all but a slash, `[a-z]`, `\` before what is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Letter(char),
    Any,
    Many,
    /// ranges, and whether it is any other letter
    Class(Vec<(char, char)>, bool),
}

impl FromStr for Pattern {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Pattern, ImageError> {
        let mut parts = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                '*' => Part::Many,
                '?' => Part::Any,
                '\\' => Part::Letter(letters.next().ok_or(ImageError::Pattern)?),
                '[' => {
                    let other = letters.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    while ranges.is_empty() || letters.peek() != Some(&']') {
                        let first = bound(&mut letters)?;
                        let last = match letters.next_if_eq(&'-') {
                            Some(_) => bound(&mut letters)?,
                            None => first,
                        };
                        ranges.push((first, last));
                    }
                    letters.next();
                    Part::Class(ranges, other)
                }
                other => Part::Letter(other),
            });
        }
        Ok(Pattern(parts))
    }
}

fn bound(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, ImageError> {
    match letters.next() {
        Some('\\') => letters.next().ok_or(ImageError::Pattern),
        None | Some('-' | ']') => Err(ImageError::Pattern),
        Some(letter) => Ok(letter),
    }
}

impl Pattern {
    /// A pattern stands for the whole name, or for the name without its tag.
    fn fits_name(&self, name: &Reference) -> bool {
        self.fits(&name.to_string()) || self.fits(&name.familiar_name())
    }

    fn fits(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        // which beginnings of the text the parts so far stand for
        let mut reached = vec![false; letters.len() + 1];
        reached[0] = true;
        for part in &self.0 {
            let mut next = vec![false; letters.len() + 1];
            for at in 0..=letters.len() {
                let letter = letters.get(at).copied();
                if let Part::Many = part {
                    next[at] |= reached[at] || at > 0 && next[at - 1] && letters[at - 1] != '/';
                    continue;
                }
                let fits = letter.is_some_and(|letter| match part {
                    Part::Letter(wanted) => letter == *wanted,
                    Part::Class(ranges, other) => {
                        let within = ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter));
                        within != *other && letter != '/'
                    }
                    Part::Any | Part::Many => letter != '/',
                });
                if reached[at] && fits {
                    next[at + 1] = true;
                }
            }
            reached = next;
        }
        reached[letters.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_gos_do() {
        for (pattern, text, fits) in [
            ("*", "abc", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("?b", "ab", true),
            ("?b", "b", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("**", "abc", true),
            ("", "", true),
            ("a*b*c*", "a1b2c3", true),
        ] {
            assert_eq!(pattern.parse::<Pattern>().expect(pattern).fits(text), fits, "{pattern} {text}");
        }
        for pattern in ["[", "[a", "[]", "[a-", "\\", "[-a]"] {
            assert!(pattern.parse::<Pattern>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn times_are_dates_seconds_or_ago() {
        let now = jiff::Timestamp::now().as_second();
        for (text, ago) in [("1h30m", 5400), ("10s", 10), ("1.5h", 5400), ("500ms", 0)] {
            let found = moment(text).expect(text);
            assert!((now - ago - found).abs() <= 1, "{text}: {found}");
        }
        assert_eq!(moment("1700000000").expect("seconds"), 1_700_000_000);
        assert_eq!(moment("2023-11-14T22:13:20Z").expect("a date"), 1_700_000_000);
        assert!(moment("2023-11-14").is_ok() && moment("2023-11-14T22:13:20").is_ok());
        for text in ["", "xx", "1x", "h"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
