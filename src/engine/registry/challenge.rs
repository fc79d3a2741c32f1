//! Challenges: what a registry wants to see before it answers, by its `WWW-Authenticate` headers.
//!
//! ```text
//!   Basic realm="registry"                                        name and password with each request
//!   Bearer realm="https://auth/token",service="…",scope="…"       a token, from the realm, for the scope
//! ```
//!
//! See RFC 9110, section 11.6.1, and the distribution project's token specification. Lab 16-registry.

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// name and password
    Basic,
    /// a token
    Bearer {
        /// who gives it, a URL
        realm: String,
        /// for whom it is
        service: Option<String>,
        /// what for, where the registry says so
        scope: Option<String>,
    },
}

impl Challenge {
    /// The best of what these headers offer; none where nothing in them is known.
    pub(super) fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
        let offers: Vec<Challenge> = headers.flat_map(offers).collect();
        let bearer = offers.iter().find(|offer| matches!(offer, Challenge::Bearer { .. }));
        bearer.or(offers.first()).cloned()
    }
}

/// The challenges of one header: a scheme, then its parameters, `name=value` or `name="value"`, commas between.
fn offers(header: &str) -> Vec<Challenge> {
    let mut offers: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        let (word, tail) = rest.split_at(end);
        match tail.strip_prefix('=') {
            Some(tail) => {
                let (value, tail) = value(tail);
                if let Some((_, parameters)) = offers.last_mut() {
                    parameters.push((word.to_ascii_lowercase(), value));
                }
                rest = tail;
            }
            None => {
                offers.push((word.to_ascii_lowercase(), Vec::new()));
                rest = tail;
            }
        }
    }
    offers.into_iter().filter_map(|(scheme, parameters)| known(&scheme, &parameters)).collect()
}

fn known(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    let parameter =
        |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameter("realm")?,
            service: parameter("service"),
            scope: parameter("scope"),
        }),
        _ => None,
    }
}

/// A value and what follows it. In quotes, a backslash takes the next character as it is.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut characters) = (String::new(), quoted.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let text = |value: Option<&str>| value.map(str::to_owned);
        Challenge::Bearer { realm: realm.into(), service: text(service), scope: text(scope) }
    }

    #[test]
    fn challenges_are_read() {
        for (header, expected) in [
            ("Basic realm=\"Registry\"", Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://a/token\",service=\"r.io\",scope=\"repository:a/b:pull,push\"",
                Some(bearer("https://a/token", Some("r.io"), Some("repository:a/b:pull,push"))),
            ),
            ("Bearer  service=x , realm=https://a/t", Some(bearer("https://a/t", Some("x"), None))),
            ("Basic realm=\"a\", Bearer realm=\"b\"", Some(bearer("b", None, None))),
            ("Bearer realm=\"a\\\"b", Some(bearer("a\"b", None, None))),
            ("Bearer service=\"no realm\"", None),
            ("Negotiate", None),
            ("=,=\"", None),
            ("", None),
        ] {
            assert_eq!(Challenge::of([header].into_iter()), expected, "{header}");
        }
        let several = ["Basic realm=\"x\"", "Bearer realm=\"y\""];
        assert_eq!(Challenge::of(several.into_iter()), Some(bearer("y", None, None)));
    }
}
