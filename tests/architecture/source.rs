//! Source files: found, stripped of comments and texts, and the names of other modules that they use.

use std::path::{Path, PathBuf};

/// One Rust file of the project.
#[derive(Debug)]
pub struct Source {
    /// its path from the project's root, as `src/trace/text.rs`
    pub path: String,
    /// what is written in it
    pub text: String,
    /// the same without comments, strings and characters; line breaks kept
    pub code: String,
}

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the project as text.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// The names in a folder, sorted; none where there is no such folder.
pub fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Every Rust file below a folder.
pub fn sources(folder: &str) -> Vec<Source> {
    let (mut found, mut waiting) = (Vec::new(), vec![root().join(folder)]);
    while let Some(directory) = waiting.pop() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("it lies below").display().to_string();
                let text = read(&path);
                found.push(Source { path: name, code: stripped(&text), text });
            }
        }
    }
    found
}

impl Source {
    /// The path of its module, as `["trace", "text"]`; empty for the crate's root.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        if path == "lib" { Vec::new() } else { path.split('/').collect() }
    }

    /// The modules of this crate that it names, as paths from the crate's root: `crate::trace::text`, `super::x`,
    /// and each branch of `crate::{a, b}`.
    pub fn uses(&self) -> Vec<Vec<String>> {
        let mut uses = Vec::new();
        for (at, word) in words(&self.code) {
            let start: Vec<String> = match word {
                "crate" => Vec::new(),
                "super" => {
                    let mut parent: Vec<String> = self.module().iter().map(|name| (*name).into()).collect();
                    parent.pop();
                    parent
                }
                _ => continue,
            };
            // `super::super::` goes on from where the first one led; pub(crate) and self leave no path
            let before = self.code[..at].trim_end();
            if before.ends_with("::") {
                continue;
            }
            follow(&self.code[at + word.len()..], start, &mut uses);
        }
        uses
    }
}

/// Follows `::name::name` and the branches of `::{…}`.
fn follow(code: &str, mut path: Vec<String>, uses: &mut Vec<Vec<String>>) {
    let mut rest = code;
    while let Some(tail) = rest.trim_start().strip_prefix("::") {
        let tail = tail.trim_start();
        if let Some(group) = tail.strip_prefix('{') {
            for branch in branches(group) {
                follow(&format!("::{branch}"), path.clone(), uses);
            }
            return;
        }
        let end = tail.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tail.len());
        match &tail[..end] {
            "super" => drop(path.pop()),
            "self" | "" => {}
            name => path.push(name.into()),
        }
        rest = &tail[end..];
    }
    if rest.len() < code.len() {
        uses.push(path);
    }
}

/// The parts between the commas of a group, up to its closing brace.
fn branches(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(group[start..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(group[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Every word of the code, with its place.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let end = start + code[start..].find(|c| !is_word(c)).unwrap_or(code.len() - start);
        at = end;
        Some((start, &code[start..end]))
    })
}

/// Code without comments, strings and characters, each replaced by a blank.
pub fn stripped(text: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(c) = rest.chars().next() {
        let in_word = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let skip = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' => string(rest),
            'r' if !in_word && (rest.starts_with("r\"") || rest.starts_with("r#")) => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let length = if skip == 0 { c.len_utf8() } else { skip };
        match skip {
            0 => code.push(c),
            _ => {
                code.push(' ');
                code.extend(rest[..skip].matches('\n'));
            }
        }
        rest = &rest[length..];
    }
    code
}

/// The length of the string that begins here.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of the raw string that begins here; nothing for a raw identifier.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    text[body..].find(&close).map_or(text.len(), |at| body + at + close.len())
}

/// The length of the character that begins here; nothing for a lifetime.
fn character(text: &str) -> usize {
    let mut rest = text.char_indices().skip(1);
    match rest.next() {
        Some((_, '\\')) => text[2..].find('\'').map_or(0, |at| {
            // '\'' closes at the second one
            if text[2..].starts_with('\'') { text[3..].find('\'').map_or(0, |at| at + 4) } else { at + 3 }
        }),
        Some(_) => match rest.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}
