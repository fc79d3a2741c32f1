//! Snapshots as plain text files, so that a chapter can include them: compare, show the difference, accept.
//!
//! The same file holds for every machine and every user; what may differ is filtered here and nowhere else:
//!
//! | what differs | in the snapshot |
//! |---|---|
//! | the user's id, in id maps | `[UID]`, `[GID]` |
//! | options that only some kernels print for an overlay mount | left out |
//! | inode numbers in the legend of namespaces | `[INODE]` |
//! | where this machine keeps its loader and its C library | as on Debian, x86-64 |
//! | whether a kernel has a path that a container may not see or write | `= 0 or ENOENT` |

use std::io::Write;
use std::path::{Path, PathBuf};

use stepbox::trace::text::terminal::{Line, Style};

/// Whether snapshots are to be written instead of compared.
pub fn accepting() -> bool {
    std::env::var_os("STEPBOX_ACCEPT").is_some_and(|value| value == "1")
}

/// Where a lab's snapshot lies: `tests/snapshots/08-overlay.run.txt`.
pub fn path(lab: &str, kind: &str) -> PathBuf {
    crate::package().join(format!("tests/snapshots/{lab}.{kind}.txt"))
}

/// Writes a snapshot. The text comes from a run as `user`, a number that nothing else prints.
///
/// # Panics
/// In CI: a snapshot is reviewed like code, by a person.
pub fn accept(path: &Path, text: &str, (uid, gid): (u32, u32)) {
    let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!in_ci, "snapshots are not accepted in CI");
    assert!(uid >= 1000 && uid != 65534, "accept snapshots as root or as an ordinary user");
    assert!(!text.trim().is_empty(), "nothing was printed, nothing is accepted");
    let text = text.replace(&uid.to_string(), "[UID]").replace(&gid.to_string(), "[GID]");
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    std::fs::write(path, text).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    println!("accepted {}", path.display());
}

/// Whether a run as this user printed what the snapshot says; if not, the difference.
pub fn compare(path: &Path, text: &str, (uid, gid): (u32, u32)) -> Result<(), String> {
    let shown = path.strip_prefix(crate::package()).unwrap_or(path).display();
    let accept = "to accept it, after a review: STEPBOX_ACCEPT=1 cargo test --test labs";
    let Ok(wanted) = std::fs::read_to_string(path) else {
        return Err(format!("{shown} is missing; {accept}"));
    };
    let wanted = wanted.replace("[UID]", &uid.to_string()).replace("[GID]", &gid.to_string());
    if wanted == text {
        return Ok(());
    }
    Err(format!("{shown} differs (- wanted, + printed):\n{}{accept}", difference(&wanted, text)))
}

/// The text without what differs from machine to machine: see the table above.
pub fn stable(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    libraries(&legend(&covered(&overlay_options(&text))))
}

/// Mounts over parts of /proc and /sys: a kernel need not have all of them, and the step allows for that. The answer
/// may stand on a line of its own, so the call's lines are joined first and broken again afterwards.
fn covered(text: &str) -> String {
    const HANG: &str = "          ";
    let names = ["box   mask /", "box   make /proc/"];
    let mut done = Vec::new();
    let mut lines = text.lines().peekable();
    let mut covers = false;
    while let Some(line) = lines.next() {
        covers = if line.contains(" box   ") { names.iter().any(|name| line.contains(name)) } else { covers };
        if !covers || !line.starts_with("      mount(") {
            writeln!(done, "{line}").expect("a buffer takes every write");
            continue;
        }
        let mut call = line.trim().to_string();
        while let Some(more) = lines.next_if(|line| line.starts_with(HANG)) {
            // a break after a separator has eaten no space
            call += if call.ends_with(['|', ',']) { "" } else { " " };
            call += more.trim();
        }
        let answered = |answer: &str| Some(format!("{} = 0 or ENOENT", call.strip_suffix(answer)?));
        let told = answered(" = 0").or_else(|| answered(" = -1 ENOENT (No such file or directory)"));
        let line = Line::of(Style::Plain, &told.unwrap_or(call));
        line.print(&mut done, (6, HANG.len()), 100, false).expect("a buffer takes every write");
    }
    String::from_utf8(done).expect("text is UTF-8")
}

/// Options of overlay that a kernel adds by itself. Lines are broken after commas, so a paragraph is joined
/// first and broken again afterwards.
fn overlay_options(text: &str) -> String {
    const OF_SOME_KERNELS: [&str; 8] =
        ["redirect_dir=", "uuid=", "index=", "xino=", "nfs_export=", "metacopy=", "verity=", "fsync="];
    const HANG: &str = "          ";
    let joined = text.replace(&format!(",\n{HANG}"), ",\u{1}");
    let mut done = String::new();
    for line in joined.lines() {
        if !line.contains(" overlay rw") || !line.contains("upperdir=") {
            done.push_str(&line.replace('\u{1}', &format!("\n{HANG}")));
            done.push('\n');
            continue;
        }
        let line = line.replace('\u{1}', "");
        let kept = |option: &&str| !OF_SOME_KERNELS.iter().any(|name| option.starts_with(name));
        let line = line.split(',').filter(kept).collect::<Vec<_>>().join(",");
        let mut out = Vec::new();
        let line = Line::of(Style::Plain, line.trim_start());
        line.print(&mut out, (6, HANG.len()), 100, false).expect("a buffer takes every write");
        done.push_str(&String::from_utf8(out).expect("text is UTF-8"));
    }
    done
}

/// `NS1  = 4026532203` in the legend at a run's end.
fn legend(text: &str) -> String {
    let mut done = String::new();
    for line in text.lines() {
        let in_legend = line.trim_start().starts_with("NS") && line.contains(" = ");
        let cell = |word: &str| match word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_digit()) {
            true => "[INODE]".to_string(),
            false => word.to_string(),
        };
        match in_legend {
            true => done.push_str(&line.split(' ').map(cell).collect::<Vec<_>>().join(" ")),
            false => done.push_str(line),
        }
        done.push('\n');
    }
    done
}

fn libraries(text: &str) -> String {
    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
    const PLACES: [(&str, &str); 7] = [
        ("/lib/ld-linux-aarch64.so.1", LOADER),
        ("/lib/ld-linux-riscv64-lp64d.so.1", LOADER),
        ("/lib64/ld64.so.2", LOADER),
        ("/lib/aarch64-linux-gnu/", "/lib/x86_64-linux-gnu/"),
        ("/lib/riscv64-linux-gnu/", "/lib/x86_64-linux-gnu/"),
        ("\"/lib64/libc.so.6\"", "\"/lib/x86_64-linux-gnu/libc.so.6\""),
        ("\"/usr/lib/libc.so.6\"", "\"/lib/x86_64-linux-gnu/libc.so.6\""),
    ];
    PLACES.iter().fold(text.to_string(), |text, (here, there)| text.replace(here, there))
}

/// The lines that differ, each with two lines around it.
pub fn difference(wanted: &str, printed: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (wanted.lines().collect(), printed.lines().collect());
    // the longest common subsequence of a[i..] and b[j..]
    let mut common = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = match a[i] == b[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut rows) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            rows.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || common[i + 1][j] >= common[i][j + 1]) {
            rows.push(('-', a[i]));
            i += 1;
        } else {
            rows.push(('+', b[j]));
            j += 1;
        }
    }
    let near =
        |at: usize| rows[at.saturating_sub(2)..(at + 3).min(rows.len())].iter().any(|row| row.0 != ' ');
    let shown = rows.iter().enumerate().filter(|(at, _)| near(*at));
    shown.map(|(_, (sign, line))| format!("  {sign} {line}\n")).collect()
}
