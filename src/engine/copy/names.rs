//! Names: what a path asks for by its text alone, in Docker's reading.
//!
//! ```text
//!   dir       the directory itself, or the link      name "dir"
//!   dir/      what must be a directory               name "dir"
//!   dir/.     what is in it                          name "."
//! ```
//!
//! See docker-container-cp(1). Lab 14-commit, tutorials/14-commit.md.

/// A path without doubled slashes, `.` and, where a name stands before them, `..`: Go's filepath.Clean.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let absolute = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => drop(parts.pop()),
            b".." if absolute => {}
            part => parts.push(part),
        }
    }
    let clean = parts.join(&b'/');
    match (absolute, clean.is_empty()) {
        (true, _) => [b"/", clean.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => clean,
    }
}

/// Whether the path asks for what is in a directory: its last part is `.`.
pub fn asks_for_content(path: &[u8]) -> bool {
    path == b"." || path.ends_with(b"/.")
}

/// Whether the path can be a directory only.
pub fn asserts_directory(path: &[u8]) -> bool {
    path.ends_with(b"/") || asks_for_content(path)
}

/// The path clean, but for the slash or the `/.` at its end.
pub fn tidy(path: &[u8]) -> Vec<u8> {
    let mut tidy = clean(path);
    if asks_for_content(path) && !asks_for_content(&tidy) {
        if !tidy.ends_with(b"/") {
            tidy.push(b'/');
        }
        tidy.push(b'.');
    } else if path.ends_with(b"/") && !tidy.ends_with(b"/") {
        tidy.push(b'/');
    }
    tidy
}

/// The name that what is copied gets: the last part of a tidy path; `.` for a directory's content, empty for `/`.
pub fn called(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    &path[start..]
}

/// The directory part, with its slash, and the last part of a tidy path; no last part where the path asserts a directory.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    if asks_for_content(path) {
        return (path, b"");
    }
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.split_at(slash + 1),
        None => (b".", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_docker_reads_them() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        for (path, cleaned, tidied, name) in [
            ("/a//b/./c/../d", "/a/b/d", "/a/b/d", "d"),
            ("/a/b/", "/a/b", "/a/b/", "b"),
            ("/a/b/.", "/a/b", "/a/b/.", "."),
            ("/", "/", "/", ""),
            ("/.", "/", "/.", "."),
            ("/../..", "/", "/", ""),
            ("", ".", ".", "."),
            ("..", "..", "..", ".."),
            ("../a/..", "..", "..", ".."),
            ("a/", "a", "a/", "a"),
        ] {
            let bytes = path.as_bytes();
            assert_eq!(text(clean(bytes)), cleaned, "clean {path}");
            assert_eq!(text(tidy(bytes)), tidied, "tidy {path}");
            assert_eq!(text(called(&tidy(bytes)).to_vec()), name, "called {path}");
        }
        assert_eq!(split(b"/a/b"), (&b"/a/"[..], &b"b"[..]));
        assert_eq!(split(b"/a/b/"), (&b"/a/b/"[..], &b""[..]));
        assert_eq!(split(b"/a/b/."), (&b"/a/b/."[..], &b""[..]));
        assert_eq!(split(b"b"), (&b"."[..], &b"b"[..]));
    }
}
