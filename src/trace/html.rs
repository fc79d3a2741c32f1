//! HTML: a trace as one page that steps back and forth, without privilege and without a network.
//!
//! ```text
//!   viewer.html        {{title}} {{style}} {{plain}} {{trace}} {{script}}
//!   viewer/*.css, *.js        │        │         │         └── the viewer, as it is
//!                             │        │         └── the trace and its labels, as JSON that no tag can end
//!                             │        └── the narrated text, for readers without scripts
//!                             └── one file: a policy in its head forbids it to load anything
//! ```
//!
//! Whatever a trace holds (a file may be called `</script>`) reaches the page as JSON and then as text nodes,
//! never as markup. Lab: all of them (`--html FILE`), tutorials/architecture.md.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::Trace;
use super::stable::Labels;
use super::text::Text;

const PAGE: &str = include_str!("viewer.html");
const STYLE: &str = include_str!("viewer/viewer.css");
/// The viewer's parts, in an order in which each uses only what stands before it.
const SCRIPTS: [&str; 6] = [
    include_str!("viewer/evidence.js"),
    include_str!("viewer/picture.js"),
    include_str!("viewer/layers.js"),
    include_str!("viewer/links.js"),
    include_str!("viewer/gauges.js"),
    include_str!("viewer/viewer.js"),
];

/// What the page's script reads.
#[derive(Serialize)]
struct Payload<'a> {
    trace: &'a Trace,
    /// the label of each namespace number
    labels: BTreeMap<String, String>,
}

/// Writes the page.
///
/// # Errors
/// What `out` reports.
pub fn write(trace: &Trace, mut out: impl Write) -> io::Result<()> {
    let mut rest = PAGE;
    while let Some((markup, tail)) = rest.split_once("{{") {
        let (slot, tail) = tail.split_once("}}").ok_or(io::ErrorKind::InvalidData)?;
        out.write_all(markup.as_bytes())?;
        fill(slot, trace, &mut out)?;
        rest = tail;
    }
    out.write_all(rest.as_bytes())?;
    out.flush()
}

/// Writes what belongs at one place of the page. Nothing that is filled in is searched for further places.
fn fill(slot: &str, trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    match slot {
        "title" => out.write_all(markup_safe(&trace.title).as_bytes()),
        "style" => out.write_all(STYLE.as_bytes()),
        "plain" => out.write_all(markup_safe(&narrated(trace)?).as_bytes()),
        "trace" => out.write_all(script_safe(&payload(trace)?).as_bytes()),
        "script" => SCRIPTS.iter().try_for_each(|script| out.write_all(script.as_bytes())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn payload(trace: &Trace) -> io::Result<String> {
    let labels = Labels::of(trace).legend().into_iter().map(|(label, number)| (number, label)).collect();
    Ok(serde_json::to_string(&Payload { trace, labels })?)
}

fn narrated(trace: &Trace) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut text = Text::new(&mut bytes, false);
    trace.events.iter().try_for_each(|event| text.event(event))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// JSON that may stand in a script element: `<` occurs in JSON only within strings, so it can be written as an
/// escape there, and no `</script` or `<!--` is left (HTML, "Restrictions for contents of script elements").
/// U+2028 and U+2029 end a line in old JavaScript.
fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Text that may stand in an element or in a quoted attribute.
fn markup_safe(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
