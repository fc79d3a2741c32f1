//! Terminal: styled text, broken into lines that fit.
//!
//! ```text
//!   spans ──> cells (one character, one style) ──> rows no wider than the terminal ──> bytes
//! ```
//!
//! Evidence is made by others: a file's name may hold an escape sequence that moves the cursor, or a direction
//! mark that turns a line around. No control character passes [`escape`]. See console_codes(4).

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

/// What a piece of text means; the colour follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// as the terminal has it
    Plain,
    /// less important
    Dim,
    /// more important
    Bold,
    /// done by, or said of, the host
    Host,
    /// done by, or said of, the box
    Container,
    /// new, or went well
    Good,
    /// gone, or went wrong
    Bad,
    /// another value
    Changed,
}

impl Style {
    /// The parameters of Select Graphic Rendition.
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Dim => Some("2"),
            Self::Bold => Some("1"),
            Self::Host => Some("36"),
            Self::Container => Some("35"),
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Changed => Some("33"),
        }
    }
}

/// A line before it is broken.
#[derive(Debug, Default)]
pub struct Line {
    cells: Vec<(char, Style)>,
}

impl Line {
    /// A line that begins with this text.
    pub fn of(style: Style, text: &str) -> Self {
        Self::default().then(style, text)
    }

    /// The line with this text after it.
    pub fn then(mut self, style: Style, text: &str) -> Self {
        self.cells.extend(text.chars().map(|c| (c, style)));
        self
    }

    /// The line with blanks after it, up to this width.
    pub fn pad(mut self, width: usize) -> Self {
        let used: usize = self.cells.iter().map(|(c, _)| columns(*c)).sum();
        let style = self.cells.last().map_or(Style::Plain, |(_, style)| *style);
        self.cells.extend((used..width).map(|_| (' ', style)));
        self
    }

    /// Prints the line: its first row after `indent` blanks, the further ones after `hang`.
    ///
    /// # Errors
    /// What `out` reports.
    pub fn print(
        &self,
        out: &mut impl Write,
        (indent, hang): (usize, usize),
        width: usize,
        colour: bool,
    ) -> io::Result<()> {
        for (at, row) in
            self.rows(width.saturating_sub(indent), width.saturating_sub(hang)).iter().enumerate()
        {
            let blanks = if at == 0 { indent } else { hang };
            let row = &self.cells[row.clone()];
            let end = row.iter().rposition(|(c, _)| *c != ' ').map_or(0, |at| at + 1);
            let text =
                if colour { painted(&row[..end]) } else { row[..end].iter().map(|(c, _)| c).collect() };
            writeln!(out, "{:blanks$}{text}", "")?;
        }
        Ok(())
    }

    /// Where to break: after the last blank, comma or bar that fits; in the middle of a word only when it is wider
    /// than a row, or when the break would leave two thirds of the row empty.
    fn rows(&self, first: usize, rest: usize) -> Vec<Range<usize>> {
        let mut rows = Vec::new();
        let mut start = 0;
        while start < self.cells.len() {
            let room = if rows.is_empty() { first } else { rest }.max(8);
            let full = start + self.fits(start, room);
            let end = if full == self.cells.len() { full } else { self.break_before(start, full, room) };
            rows.push(start..end);
            start = end + self.cells[end..].iter().take_while(|(c, _)| *c == ' ').count();
        }
        rows
    }

    /// How many cells from `start` on fit into `room` columns.
    fn fits(&self, start: usize, room: usize) -> usize {
        let mut used = 0;
        self.cells[start..]
            .iter()
            .take_while(|(c, _)| {
                used += columns(*c);
                used <= room
            })
            .count()
    }

    fn break_before(&self, start: usize, full: usize, room: usize) -> usize {
        if self.cells[full].0 == ' ' {
            return full;
        }
        let soft = self.cells[start..full].iter().rposition(|(c, _)| matches!(c, ' ' | ',' | '|'));
        soft.filter(|at| at * 3 > room).map_or(full, |at| start + at + 1)
    }
}

/// The cells with their colours around each run of one style.
fn painted(cells: &[(char, Style)]) -> String {
    let mut text = String::new();
    for run in cells.chunk_by(|a, b| a.1 == b.1) {
        let word: String = run.iter().map(|(c, _)| c).collect();
        match run[0].1.sgr() {
            Some(code) => _ = write!(text, "\x1b[{code}m{word}\x1b[0m"),
            None => text.push_str(&word),
        }
    }
    text
}

/// How many columns a character takes: two in the scripts of East Asia and for most pictographs.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff => 2,
        0xfe30..=0xfe4f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The text with its control characters and direction marks made visible, as `\x1b` and `\u{202e}`.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if u32::from(c) < 0x100 && c.is_control() => _ = write!(safe, "\\x{:02x}", u32::from(c)),
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}
