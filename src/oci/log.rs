//! Log: one line for each thing that went wrong, in the two shapes of runc's, which engines parse.
//!
//! ```text
//!   text   time="2026-01-02T03:04:05Z" level=error msg="container does not exist"
//!   json   {"level":"error","msg":"container does not exist","time":"2026-01-02T03:04:05Z"}
//! ```
//!
//! Without `--log` the lines go to standard error. With it they go to that file, and standard error gets the bare text.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::kernel::Op;
use crate::launch::{Answer, At, Observer};

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// key=value
    #[default]
    Text,
    /// an object
    Json,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // runc's own names
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

/// Where the lines go.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<File>,
    format: Format,
    debug: bool,
}

impl Log {
    /// Opens the file, where one is asked for; it is never cut short, since a container's whole life is written there.
    pub fn open(path: Option<&Path>, format: Format, debug: bool) -> std::io::Result<Log> {
        let open = |path: &Path| File::options().append(true).create(true).mode(0o644).open(path);
        Ok(Log { file: path.map(open).transpose()?, format, debug })
    }

    /// Writes one line. A log that cannot be written ends nothing.
    pub fn line(&mut self, level: Level, message: &str) {
        if level == Level::Debug && !self.debug {
            return;
        }
        let line = line(self.format, level, message, &now());
        match &mut self.file {
            Some(file) => {
                let _ = file.write_all(line.as_bytes());
                if level == Level::Error {
                    let _ = writeln!(std::io::stderr(), "{message}");
                }
            }
            None => {
                let _ = std::io::stderr().write_all(line.as_bytes());
            }
        }
    }

    /// Something failed.
    pub fn error(&mut self, message: &str) {
        self.line(Level::Error, message);
    }

    /// Something was not as asked for, and yet went on.
    pub fn warning(&mut self, message: &str) {
        self.line(Level::Warning, message);
    }

    /// Whether anybody wants [`Level::Debug`].
    pub fn is_debug(&self) -> bool {
        self.debug
    }

    /// For `--debug`.
    pub fn debug(&mut self, message: &str) {
        self.line(Level::Debug, message);
    }
}

/// `--debug`: one line for each step, when it has been taken: who took it, what for, the call and its answer.
#[derive(Debug)]
pub struct Steps<'l>(pub &'l mut Log);

impl Observer for Steps<'_> {
    fn after(&mut self, at: At<'_>, answer: Answer) {
        self.0.debug(&format!("{}: {}: {} = {answer}", at.step.lane.name(), at.step.name, at.step.op));
    }

    fn undone(&mut self, _at: At<'_>, op: &Op, answer: Answer) {
        self.0.debug(&format!("undo: {op} = {answer}"));
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn line(format: Format, level: Level, message: &str, time: &str) -> String {
    let level = match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let quoted = serde_json::Value::from(message);
    match format {
        Format::Text => format!("time=\"{time}\" level={level} msg={quoted}\n"),
        Format::Json => format!("{{\"level\":\"{level}\",\"msg\":{quoted},\"time\":\"{time}\"}}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_runcs_shape_and_stays_one_line() {
        let text = line(Format::Text, Level::Error, "no \"x\"\nhere", "T");
        assert_eq!(text, "time=\"T\" level=error msg=\"no \\\"x\\\"\\nhere\"\n");
        let json = line(Format::Json, Level::Warning, "a\tb", "T");
        assert_eq!(json, "{\"level\":\"warning\",\"msg\":\"a\\tb\",\"time\":\"T\"}\n");
    }
}
