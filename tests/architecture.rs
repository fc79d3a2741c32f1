//! The rules of the house, checked mechanically: which module may use which, where `unsafe` may stand, and that
//! mechanism, module, lab, chapter and snapshots are one.
//!
//! ```text
//!   cli ── api ── engine ── container ── mechanisms ── step ── kernel        imports point to the right
//! ```

#[path = "architecture/source.rs"]
mod source;

use source::{Source, names, read, root, sources, words};
use stepbox::lab::LABS;

/// Pure functions from settings to steps. They never use each other.
const MECHANISMS: &[&str] = &[
    "chroot",
    "namespaces",
    "userns",
    "cgroups",
    "privilege",
    "overlay",
    "veth",
    "ports",
    "netmodes",
    "storage",
    "layers",
];
/// What every mechanism stands on.
const GROUND: &[&str] = &["kernel", "trace", "probe", "step", "closure", "complain"];
/// The one loop and who watches it.
const LOOP: &[&str] = &["attend", "journal", "launch", "observe"];
/// What a container should be, and the recipe.
const RECIPE: &[&str] = &["rootfs", "spec", "container", "join"];
/// The stage of the labs.
const LABORATORY: &[&str] = &["host", "lab", "doctor", "grade"];

/// Which modules each module may use. A module that is not listed here has no place yet.
fn may_use(module: &str) -> Option<Vec<&'static str>> {
    let groups: &[&[&'static str]] = match module {
        "kernel" | "trace" | "closure" | "complain" => &[],
        "probe" => &[&["kernel", "trace"]],
        "step" => &[&["kernel", "probe", "trace"]],
        "journal" => &[&["kernel", "launch", "step"]],
        "launch" => &[&["journal", "kernel", "step"]],
        "observe" => &[GROUND, &["launch"]],
        "attend" => &[&["kernel", "launch"]],
        mechanism if MECHANISMS.contains(&mechanism) => &[GROUND],
        "rootfs" => &[GROUND, MECHANISMS],
        "spec" | "container" | "join" => &[GROUND, MECHANISMS, RECIPE],
        "host" => &[GROUND, LOOP, MECHANISMS],
        "lab" => &[GROUND, LOOP, MECHANISMS, &["host"]],
        "doctor" | "grade" => &[GROUND, LOOP, MECHANISMS, RECIPE, &["host", "lab"]],
        "oci" | "engine" => &[GROUND, LOOP, MECHANISMS, RECIPE, &["host"]],
        "api" => &[GROUND, LOOP, MECHANISMS, RECIPE, &["engine"]],
        "cli" => &[GROUND, LOOP, MECHANISMS, RECIPE, LABORATORY, &["api", "engine", "oci"]],
        "main" => &[&["cli"]],
        _ => return None,
    };
    Some(groups.concat())
}

/// Fails with every finding at once.
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// The line of a place in the code, for messages.
fn line(source: &Source, at: usize) -> String {
    format!("{}:{}", source.path, source.code[..at].matches('\n').count() + 1)
}

#[test]
fn imports_point_down() {
    let mut findings = Vec::new();
    for source in sources("src") {
        let modules = source.module();
        let Some(module) = modules.first() else { continue };
        let Some(allowed) = may_use(module) else {
            findings.push(format!("{}: {module} has no place in may_use()", source.path));
            continue;
        };
        for used in source.uses().iter().filter_map(|path| path.first()) {
            // what is written in capitals is an item of the crate's root, not a module
            let is_module = root().join(format!("src/{used}.rs")).exists();
            if is_module && used != module && !allowed.contains(&used.as_str()) {
                findings.push(format!("{} uses {used}", source.path));
            }
        }
    }
    findings.dedup();
    none("imports point down", findings);
}

#[test]
fn every_module_is_declared_and_no_folder_is_anonymous() {
    let mut findings = Vec::new();
    let declared = source::stripped(&read("src/lib.rs"));
    for name in names("src").iter().filter_map(|name| name.strip_suffix(".rs")) {
        let is_root = ["lib", "main"].contains(&name);
        if !is_root && !declared.contains(&format!("mod {name};")) {
            findings.push(format!("src/{name}.rs is not declared in src/lib.rs"));
        }
    }
    for source in sources("src") {
        let name = source.module().last().copied().unwrap_or_default().to_string();
        let vague = ["utils", "util", "common", "helper", "helpers", "manager", "misc", "mod"];
        if vague.contains(&name.as_str()) {
            findings.push(format!("{}: what is in it? name the concept", source.path));
        }
        if let Some((folder, _)) = source.path.rsplit_once('/')
            && folder != "src"
            && !root().join(format!("{folder}.rs")).exists()
        {
            findings.push(format!("{folder}/ has no {folder}.rs"));
        }
    }
    none("foo.rs and foo/, with names that say something", findings);
}

#[test]
fn unsafe_stands_only_under_the_kernel() {
    let mut findings = Vec::new();
    for source in ["src", "labs", "tests", "benches"].iter().flat_map(|folder| sources(folder)) {
        let below = source.path.starts_with("src/kernel/");
        for (at, word) in words(&source.code) {
            if word == "unsafe" && !below || word == "unsafe_code" && source.path != "src/kernel.rs" {
                findings.push(line(&source, at));
            }
        }
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, code) in source.code.lines().enumerate().filter(|_| below) {
            let explained = lines[at.saturating_sub(8)..=at].iter().any(|line| line.contains("SAFETY:"));
            let is_block = words(code).any(|(_, word)| word == "unsafe") && !code.contains("unsafe fn");
            if is_block && !explained {
                findings.push(format!("{}:{}: no SAFETY comment", source.path, at + 1));
            }
        }
    }
    none("unsafe only under src/kernel, each with its invariant", findings);
}

#[test]
fn mechanisms_touch_nothing() {
    // what reads or writes files by its nature, and why
    const EXCEPTIONS: &[(&str, &str)] = &[
        ("src/cgroups/detect.rs", "reads which version this machine has; its root is passed in"),
        ("src/cgroups/members.rs", "reads who is in a cgroup"),
        ("src/cgroups/stats", "reads what a cgroup has used"),
        ("src/cgroups/oom.rs", "listens to a cgroup"),
        ("src/layers/", "archives go in and out through directories that are passed in"),
    ];
    let doing =
        ["std::fs", "std::process", "std::env", "std::net::Tcp", "rustix::", "libc::syscall", "Command::new"];
    let mut findings = Vec::new();
    for source in sources("src") {
        let is_mechanism = source.module().first().is_some_and(|module| MECHANISMS.contains(module));
        if !is_mechanism || EXCEPTIONS.iter().any(|(path, _)| source.path.starts_with(path)) {
            continue;
        }
        let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
        let found = doing.iter().filter_map(|word| Some((code.find(word)?, word)));
        findings.extend(found.map(|(at, word)| format!("{}: {word}", line(&source, at))));
    }
    none("a mechanism returns steps, it does nothing itself", findings);
}

#[test]
fn arguments_and_environment_are_read_at_the_edge() {
    const EDGE: &[(&str, &str)] = &[
        ("src/cli", "the command line itself"),
        ("src/main", "the command line itself"),
        ("src/lab.rs", "a lab's command line"),
        ("src/host.rs", "hands the lab's environment over to the toy host"),
        ("src/observe/pause.rs", "gives the reader a shell with his own environment"),
        ("src/doctor/", "says what this machine allows, its settings included"),
        ("src/engine/base.rs", "PATH says where this machine keeps its programs"),
        ("src/oci/config/hooks.rs", "a hook that names no environment has the one of whoever calls us"),
    ];
    let mut findings = Vec::new();
    for source in sources("src") {
        if EDGE.iter().any(|(path, _)| source.path.starts_with(path)) {
            continue;
        }
        for word in ["env::var", "env::args", "cfg!(test)"] {
            findings.extend(source.code.find(word).map(|at| format!("{}: {word}", line(&source, at))));
        }
    }
    none("only the edge reads arguments and environment, and nothing asks whether it is tested", findings);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    const MOST: usize = 400;
    let mut findings = Vec::new();
    for source in ["src", "labs", "tests", "benches"].iter().flat_map(|folder| sources(folder)) {
        let lines = source.text.lines().count();
        if lines > MOST {
            findings
                .push(format!("{}: {lines} lines, at most {MOST}: find the concept inside it", source.path));
        }
        if !source.text.starts_with("//! ") {
            findings.push(format!("{}: no //! header", source.path));
        }
        advise(&source, lines);
    }
    none("a file is short and begins with what it is", findings);
}

/// What is too long by taste: said, not failed.
fn advise(source: &Source, lines: usize) {
    let is_mechanism = source.module().first().is_some_and(|module| MECHANISMS.contains(module));
    if is_mechanism && lines > 250 {
        println!("advice: {}: a mechanism of {lines} lines, better 250", source.path);
    }
    if source.path.starts_with("labs/") && lines > 80 {
        println!("advice: {}: a lab of {lines} lines, better 40 to 80", source.path);
    }
    let code: Vec<&str> = source.code.lines().collect();
    for (at, line) in code.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if !words(line).any(|(_, word)| word == "fn") || !line.trim_end().ends_with('{') {
            continue;
        }
        let closes = |line: &&str| line.trim_end() == format!("{}}}", " ".repeat(indent));
        let length = code[at..].iter().position(closes).unwrap_or(0) + 1;
        if length > 60 {
            println!("advice: {}:{}: a function of {length} lines, better 60", source.path, at + 1);
        }
    }
}

#[test]
fn every_lab_has_its_module_binary_chapter_and_snapshots() {
    let mut findings = Vec::new();
    let manifest = read("Cargo.toml");
    let summary = std::fs::read_to_string(root().join("tutorials/SUMMARY.md")).unwrap_or_default();
    for lab in LABS {
        let module = format!("src/{}.rs", lab.module.replace("::", "/"));
        let source = format!("labs/{}.rs", lab.name.replace('-', "_"));
        let chapter = format!("tutorials/{}.md", lab.name);
        let mut files = vec![module.clone(), source.clone(), chapter.clone()];
        // what a machine allows is another text on each: the doctor's test looks at its structure
        if lab.name != "00-doctor" {
            files.extend(["plan", "run"].map(|kind| format!("tests/snapshots/{}.{kind}.txt", lab.name)));
        }
        let missing = |file: &&String| !root().join(file).exists();
        findings.extend(files.iter().filter(missing).map(|file| format!("{}: no {file}", lab.name)));
        if !manifest.contains(&format!("[[bin]]\nname = \"{}\"\npath = \"{source}\"", lab.name)) {
            findings.push(format!("{}: no [[bin]] in Cargo.toml", lab.name));
        }
        if !summary.contains(&format!("({}.md)", lab.name)) {
            findings.push(format!("{}: tutorials/SUMMARY.md does not name it", lab.name));
        }
        for file in [&module, &source] {
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            let header: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
            if !text.is_empty() && !header.contains(&chapter) {
                findings.push(format!("{file}: its header does not name {chapter}"));
            }
        }
    }
    none("one mechanism = one module = one lab = one chapter = one snapshot", findings);
}

#[test]
fn nothing_stands_there_that_the_list_does_not_name() {
    let mut findings = Vec::new();
    let lab = |name: &str| LABS.iter().any(|lab| lab.name == name);
    let unknown = |folder: &str, name: String| format!("{folder}/{name} belongs to no lab of LABS");
    for name in names("labs") {
        let stem = name.strip_suffix(".rs").unwrap_or(&name).replace('_', "-");
        if !lab(&stem) {
            findings.push(unknown("labs", name));
        }
    }
    for name in names("tutorials") {
        let known = ["SUMMARY.md", "README.md", "architecture.md"].contains(&name.as_str());
        if name.ends_with(".md") && !known && !lab(name.trim_end_matches(".md")) {
            findings.push(unknown("tutorials", name));
        }
    }
    for name in names("tests/snapshots") {
        // a test file's own snapshots begin with its name: trace__text.snap
        let of_a_test = name.split_once("__").is_some_and(|(test, _)| {
            name.ends_with(".snap") && root().join(format!("tests/{test}.rs")).exists()
        });
        let of_a_lab =
            name.strip_suffix(".txt").and_then(|name| name.rsplit_once('.')).is_some_and(|(name, kind)| {
                // limits are other files in each version, and need a cgroup of one's own
                let of_limits = ["reduced", "run-v2", "reduced-v2"].contains(&kind) && name == "06-cgroups";
                lab(name) && (["plan", "run"].contains(&kind) || of_limits)
            });
        if !of_a_test && !of_a_lab {
            findings.push(unknown("tests/snapshots", name));
        }
    }
    none("nothing stands unlisted", findings);
}

#[test]
fn the_reader_of_sources_is_not_fooled() {
    let code = "use crate::{a, b::{self, c}, d::e}; // crate::no\nlet x = \"crate::no\"; super::f::g(); \
                '\"'; r#\"crate::no\"#; fn h<'a>(t: &'a str) {} use super::super::i;";
    let source = Source { path: "src/k/l.rs".into(), text: code.into(), code: source::stripped(code) };
    let uses: Vec<String> = source.uses().iter().map(|path| path.join("::")).collect();
    assert_eq!(uses, ["a", "b", "b::c", "d::e", "k::f::g", "i"]);
}

/// The README's demo is output that the tests have seen, not a drawing of it.
#[test]
fn the_demo_of_the_readme_is_real() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let seen = std::fs::read_to_string(root().join("tests/snapshots/08-overlay.run.txt")).expect("snapshot");
    let block = readme.split("```").nth(1).expect("a block of output");
    let lines: Vec<&str> = block.lines().skip(2).filter(|line| !line.is_empty() && *line != "…").collect();
    assert!(lines.len() > 10, "the demo shows steps");
    let missing: Vec<&&str> =
        lines.iter().filter(|line| !seen.lines().any(|other| other == **line)).collect();
    assert!(missing.is_empty(), "not in the snapshot: {missing:#?}");
}
