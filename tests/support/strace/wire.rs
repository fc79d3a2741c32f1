//! Requests and answers that a trace tells of, against what was written to sockets and read from them.
//!
//! ```text
//!   HEAD /v2/a/blobs/sha256:…   404        sendto(5, "HEAD /v2/a/blobs/sha256:b78a…")
//!                                          recvfrom(5, "HTTP/1.1 404 Not Found")
//! ```

use stepbox::trace::{Event, Fact, Trace};

use super::log::{Call, strings};

const WRITES: [&str; 4] = ["write", "writev", "sendto", "sendmsg"];
const READS: [&str; 4] = ["read", "readv", "recvfrom", "recvmsg"];

/// A request as far as the trace prints it, and the beginning of its answer.
struct Said {
    request: String,
    answer: String,
}

/// Says which requests or answers the log does not have, in their order.
pub fn problems(trace: &Trace, calls: &[Call]) -> Vec<String> {
    let (mut at, mut problems) = (0, Vec::new());
    for Said { request, answer } in said(trace) {
        let begins = |call: &Call, names: &[&str], text: &str| {
            let strings = strings(&call.arguments);
            names.contains(&call.name.as_str())
                && strings.iter().any(|string| string.starts_with(text.as_bytes()))
        };
        let next = |from: usize, names: &[&str], text: &str| {
            (from..calls.len()).find(|at| begins(&calls[*at], names, text))
        };
        let written = next(at, &WRITES, &request);
        match written.and_then(|written| next(written, &READS, &answer)) {
            Some(read) => at = read + 1,
            None => problems.push(format!("no request {request:?} was written and {answer:?} read")),
        }
    }
    problems.extend(
        frames(trace)
            .filter(|(_, bytes)| !is_sent(bytes, calls))
            .map(|(text, _)| format!("nobody has sent {text}")),
    );
    problems
}

fn is_sent(bytes: &[u8], calls: &[Call]) -> bool {
    let sends = |call: &&Call| WRITES.contains(&call.name.as_str());
    calls
        .iter()
        .filter(sends)
        .any(|call| strings(&call.arguments).iter().any(|string| string.starts_with(bytes)))
}

/// What evidence of the kind `frames` tells, from either side: `> 00 00 00 00 00 00 00 01 61`.
fn frames(trace: &Trace) -> impl Iterator<Item = (&str, Vec<u8>)> {
    let evidence = trace.events.iter().filter_map(|event| match event {
        Event::Scope { evidence, .. } => Some(evidence),
        _ => None,
    });
    let facts = evidence.flatten().filter(|change| change.kind == "frames").flat_map(|change| &change.after);
    facts.map(|fact| {
        let bytes = fact.key.split(' ').skip(1);
        (fact.key.as_str(), bytes.map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect())
    })
}

/// What evidence of the kind `wire` tells, in order.
fn said(trace: &Trace) -> Vec<Said> {
    let mut found = Vec::new();
    for event in &trace.events {
        let Event::Scope { evidence, .. } = event else { continue };
        for change in evidence.iter().filter(|change| change.kind == "wire") {
            let hand = change.after.iter().find_map(|fact| fact.key.strip_prefix("> "));
            match hand {
                Some(request) => {
                    let answer = change.after.iter().find_map(|fact| fact.key.strip_prefix("< "));
                    found.push(Said { request: request.into(), answer: answer.unwrap_or("nothing").into() });
                }
                None => found.extend(change.after.iter().filter_map(by_client)),
            }
        }
    }
    for said in &mut found {
        // the trace shortens digests, and numbers uploads
        let end = said.request.find(['\u{2026}', '[']).unwrap_or(said.request.len());
        said.request.truncate(end);
    }
    found
}

/// `PATCH /v2/…   69120 bytes ─> 202`; what found nobody who speaks TLS has no status.
fn by_client(fact: &Fact) -> Option<Said> {
    let answer = fact.value.rsplit("\u{2500}> ").next()?;
    let status = answer.split([',', ' ']).next().filter(|status| status.parse::<u16>().is_ok())?;
    Some(Said { request: fact.key.clone(), answer: format!("HTTP/1.1 {status} ") })
}
