//! What heads of requests say: ranges, queries, versions that the client has.
//!
//! See RFC 9110, sections 13 and 14, and the OCI distribution specification (Content-Range of chunks is its own).
//! Lab 16-registry.

use hyper::http::request::Parts;
use hyper::{Uri, header};

use super::answer::Refusal;
use crate::layers::Digest;

/// The first value of a name in the query.
pub(super) fn query(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A header's value, if it is there and readable.
pub(super) fn header<'a>(parts: &'a Parts, name: &header::HeaderName) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Whether the client has this very content.
pub(super) fn unchanged(parts: &Parts, digest: Digest) -> bool {
    let listed = header(parts, &header::IF_NONE_MATCH).unwrap_or_default().split(',');
    let tag = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    listed.map(tag).any(|tag| tag == digest.to_string())
}

/// Which bytes of `size` are asked for, first and last; none for all of them. Several ranges at once are answered with
/// everything, which the RFC allows.
pub(super) fn range(parts: &Parts, digest: Digest, size: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let current =
        header(parts, &header::IF_RANGE).is_none_or(|tag| tag.trim_matches('"') == digest.to_string());
    let asked = header(parts, &header::RANGE).filter(|_| current);
    let Some((first, last)) = asked.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| match text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => None,
        // what is larger than any file is as good as the largest number
        false => Some(text.parse().unwrap_or(u64::MAX)),
    };
    let (first, last) = match (number(first.trim()), number(last.trim())) {
        (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Some(_), Some(_)) => return Err(Refusal::Range(size)),
        (Some(first), None) if last.trim().is_empty() => (first, size.saturating_sub(1)),
        (None, Some(count)) if first.trim().is_empty() => {
            if count == 0 {
                return Err(Refusal::Range(size));
            }
            (size.saturating_sub(count), size.saturating_sub(1))
        }
        // what cannot be read is not there
        _ => return Ok(None),
    };
    if first >= size { Err(Refusal::Range(size)) } else { Ok(Some((first, last))) }
}

/// Which bytes of the blob a chunk is, first and last.
pub(super) fn chunk(parts: &Parts) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(said) = header(parts, &header::CONTENT_RANGE) else { return Ok(None) };
    let bare =
        said.trim_start_matches("bytes").trim().trim_start_matches('=').split('/').next().unwrap_or_default();
    let numbers = bare.split_once('-').and_then(|(first, last)| {
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok());
        Some((number(first)??, number(last)??))
    });
    match numbers {
        Some((first, last)) if first <= last && last < u64::MAX => Ok(Some((first, last))),
        _ => Err(Refusal::Chunk(said.to_owned())),
    }
}

/// The length that the request says its body has.
pub(super) fn length(parts: &Parts) -> Option<u64> {
    header(parts, &header::CONTENT_LENGTH)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = hyper::Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn ranges_are_those_of_the_rfc() {
        let digest = Digest::of(b"x");
        let ask = |said: &str, size| match range(&parts(&[("range", said)]), digest, size) {
            Ok(Some((first, last))) => format!("{first}-{last}"),
            Ok(None) => "all".to_owned(),
            Err(_) => "416".to_owned(),
        };
        for (said, size, answer) in [
            ("bytes=0-0", 10, "0-0"),
            ("bytes=2-4", 10, "2-4"),
            ("bytes=2-", 10, "2-9"),
            ("bytes=-3", 10, "7-9"),
            ("bytes=-30", 10, "0-9"),
            ("bytes=5-99999999999999999999999", 10, "5-9"),
            ("bytes=10-", 10, "416"),
            ("bytes=99999999999999999999999-", 10, "416"),
            ("bytes=-0", 10, "416"),
            ("bytes=0-", 0, "416"),
            ("bytes=4-2", 10, "416"),
            ("bytes=1-2,4-5", 10, "all"),
            ("bytes=+1-2", 10, "all"),
            ("bytes=-", 10, "all"),
            ("lines=1-2", 10, "all"),
            ("", 10, "all"),
        ] {
            assert_eq!(ask(said, size), answer, "{said} of {size}");
        }
        let other = parts(&[("range", "bytes=1-2"), ("if-range", "\"sha256:0\"")]);
        assert!(matches!(range(&other, digest, 10), Ok(None)));
        let quoted = format!("\"{digest}\"");
        let same = parts(&[("range", "bytes=1-2"), ("if-range", &quoted)]);
        assert!(matches!(range(&same, digest, 10), Ok(Some((1, 2)))));
        assert!(unchanged(&parts(&[("if-none-match", &format!("\"a\", W/{quoted}"))]), digest));
        assert!(!unchanged(&parts(&[("if-none-match", "\"a\"")]), digest));
    }

    #[test]
    fn chunks_say_where_they_belong() {
        let said = |text: &str| chunk(&parts(&[("content-range", text)]));
        assert!(matches!(said("0-9"), Ok(Some((0, 9)))));
        assert!(matches!(said("bytes 5-9/*"), Ok(Some((5, 9)))));
        assert!(matches!(chunk(&parts(&[])), Ok(None)));
        for bad in ["9-0", "a-b", "-5", "5-", "5", "", "0-18446744073709551615", "+1-2"] {
            assert!(said(bad).is_err(), "{bad:?}");
        }
    }
}
