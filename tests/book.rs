//! The book holds against the project: what a chapter includes is there, what it links to is there, and the steps
//! that it speaks of are those of its lab's snapshot.

use std::path::{Path, PathBuf};

/// A text of the book: its path from the project's root, and what is written in it.
type Page = (PathBuf, String);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let chapters = std::fs::read_dir(root().join("tutorials")).expect("there are chapters").flatten();
    let mut paths: Vec<PathBuf> =
        chapters.map(|entry| Path::new("tutorials").join(entry.file_name())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.extend(["README.md", "benches/README.md"].map(PathBuf::from));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(root().join(&path)).expect("a page can be read");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// What stands between each `open` and the next `close`, with its line's number.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = (usize, &'a str)> {
    text.match_indices(open).filter_map(move |(at, _)| {
        let rest = &text[at + open.len()..];
        Some((text[..at].matches('\n').count() + 1, &rest[..rest.find(close)?]))
    })
}

/// Fails with every finding at once.
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn every_include_is_there() {
    let mut findings = Vec::new();
    for (page, text) in pages() {
        for (line, include) in between(&text, "{{#include ", '}') {
            let (path, part) = include.split_once(':').unwrap_or((include, ""));
            let path = page.parent().expect("a page lies in a folder").join(path);
            let here = format!("{}:{line}: {include}", page.display());
            let Ok(source) = std::fs::read_to_string(root().join(path)) else {
                findings.push(format!("{here}: no such file"));
                continue;
            };
            let is_lines = part.chars().all(|c| c.is_ascii_digit() || c == ':');
            let has = |mark: &str| source.lines().any(|line| line.trim_end().ends_with(mark));
            let anchored = has(&format!(" ANCHOR: {part}")) && has(&format!(" ANCHOR_END: {part}"));
            if !is_lines && !anchored {
                findings.push(format!("{here}: no such anchor"));
            }
        }
    }
    none("what a chapter includes must be there", findings);
}

/// Every source file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn every_chapter_that_the_code_names_is_there() {
    let (mut found, mut findings) = (Vec::new(), Vec::new());
    for folder in ["src", "labs"] {
        sources(&root().join(folder), &mut found);
    }
    for path in found {
        let text = std::fs::read_to_string(&path).expect("a source file can be read");
        for (line, name) in between(&text, " tutorials/", '.') {
            if !root().join(format!("tutorials/{name}.md")).exists() {
                findings.push(format!("{}:{line}: tutorials/{name}.md", path.display()));
            }
        }
    }
    none("a chapter that is named must be there", findings);
}

#[test]
fn every_link_leads_somewhere() {
    let mut findings = Vec::new();
    for (page, text) in pages() {
        for (line, link) in between(&text, "](", ')').filter(|(_, link)| !link.contains("://")) {
            let path = link.split_once('#').map_or(link, |(path, _)| path);
            let folder = root().join(page.parent().expect("a page lies in a folder"));
            if !folder.join(path).exists() {
                findings.push(format!("{}:{line}: {link}", page.display()));
            }
        }
    }
    none("a link must lead somewhere", findings);
}

/// The steps of a snapshot, each with all that is printed about it.
fn steps(snapshot: &str) -> Vec<(usize, String)> {
    let mut steps: Vec<(usize, String)> = Vec::new();
    for line in snapshot.lines() {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok());
        let begins = !line.starts_with("   ") && matches!(words.next(), Some("host" | "box"));
        match (number.filter(|_| begins), steps.last_mut()) {
            (Some(number), _) => steps.push((number, line.into())),
            (None, Some((_, text))) => *text = format!("{text}\n{line}"),
            (None, None) => {}
        }
    }
    steps
}

/// The numbers after `step ` or `steps `, as in `steps 8 and 17`.
fn numbers(text: &str) -> Vec<usize> {
    let words = text.split([' ', '–']).map(|word| word.trim_end_matches([',', '.', ':', ';', ')', '?']));
    words.take_while(|word| *word == "and" || word.parse::<usize>().is_ok()).flat_map(str::parse).collect()
}

#[test]
fn every_step_is_in_the_snapshot() {
    let mut findings = Vec::new();
    for (page, text) in pages() {
        let name = page.file_stem().expect("a page has a name").to_string_lossy();
        let snapshot = format!("tests/snapshots/{name}.run.txt");
        let Ok(snapshot) = std::fs::read_to_string(root().join(snapshot)) else { continue };
        let steps = steps(&snapshot);
        for (at, line) in text.lines().enumerate() {
            let here = format!("{}:{}", page.display(), at + 1);
            if let Some((_, count)) = line.split_once("<summary>")
                && let Some((count, _)) = count.split_once(" steps")
                && count.parse::<usize>().is_ok_and(|count| count != steps.len())
            {
                findings.push(format!("{here}: {count} steps; the snapshot has {}", steps.len()));
            }
            let spoken = ["step ", "steps ", "Step ", "Steps "];
            let spoken = spoken.into_iter().flat_map(|word| line.split(word).skip(1)).flat_map(numbers);
            let cells: Vec<&str> = line.split(" | ").collect();
            let row = cells[0].strip_prefix("| ").map(numbers).unwrap_or_default();
            for number in spoken.chain(row.iter().copied()) {
                if !steps.iter().any(|(known, _)| *known == number) {
                    findings.push(format!("{here}: there is no step {number}"));
                }
            }
            // the call in a row is the call of its first step
            if let (Some(number), Some((_, call))) =
                (row.first(), cells.get(1).and_then(|cell| cell.split_once('`')))
                && let Some((_, step)) = steps.iter().find(|(known, _)| known == number)
                && let call = call.split(['(', '`', ' ']).next().unwrap_or_default()
                && !step.contains(call)
            {
                findings.push(format!("{here}: step {number} has no {call}"));
            }
        }
    }
    none("a chapter must speak of the steps that its lab takes", findings);
}
