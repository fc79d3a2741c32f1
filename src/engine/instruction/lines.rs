//! Lines: a Dockerfile's text becomes its logical lines.
//!
//! ```text
//!   ENV A=b \        backslash, end of line: goes on
//!     # a comment    left out, also in the middle
//!     C=d            -> "ENV A=b     C=d"
//! ```

/// The lines that hold an instruction, joined where a backslash ends one, without comments and blank lines.
pub(super) fn logical(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        // the blanks at the beginning of a continued line belong to it
        let line = if open.is_some() { line.trim_end() } else { trimmed };
        let mut whole = open.take().unwrap_or_default();
        match line.strip_suffix('\\') {
            Some(begun) => open = Some(whole + begun),
            None => {
                whole += line;
                lines.push(whole);
            }
        }
    }
    lines.extend(open);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_on_after_a_backslash() {
        let text = "ENV A=b \\\n # a comment\n\n  C=d\n  USER x  \n\nCMD a\\";
        assert_eq!(logical(text), ["ENV A=b   C=d", "USER x", "CMD a"]);
    }
}
