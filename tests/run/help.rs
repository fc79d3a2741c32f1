//! `run --help` can be read, and the README names what it names.

use std::collections::BTreeSet;

use support::site::Site;

#[test]
fn help_is_in_groups_and_fits() {
    let help = Site::ours().says("$S run --help");
    let groups: Vec<&str> =
        help.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    let wanted = [
        "Arguments:",
        "Container:",
        "Keeping:",
        "Health:",
        "Files:",
        "Resources:",
        "Network:",
        "Isolation:",
        "Privilege:",
        "Image:",
        "Watching:",
    ];
    assert_eq!(groups, wanted);
    let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(long.is_empty(), "{long:#?}");
    // as in Docker, the short one is the host name's
    assert_eq!(Site::ours().inside("-h red", "hostname"), "red\n");
}

/// The long options in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    words.filter(|word| word.starts_with("--") && word.len() > 3).map(String::from).collect()
}

#[test]
fn the_readme_names_every_option() {
    let help = Site::ours().says("$S run --help");
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let defined = lines.filter_map(|line| line.split("  ").next()).collect::<Vec<_>>().join(" ");
    let short = ["--interactive", "--tty", "--env", "--workdir", "--user", "--volume", "--memory", "--help"];
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("there");
    let list =
        readme.split("stepbox run [").nth(1).and_then(|rest| rest.split("IMAGE").next()).expect("its list");
    let watching =
        readme.split("`run` takes").nth(1).and_then(|rest| rest.split('.').next()).expect("its sentence");
    let named = options(&format!("[{list} {watching}"));
    let missing: Vec<String> = options(&defined)
        .into_iter()
        .filter(|one| !named.contains(one) && !short.contains(&one.as_str()))
        .collect();
    assert!(missing.is_empty(), "the README does not name {missing:?}");
    let gone: Vec<&String> = named.iter().filter(|one| !options(&defined).contains(*one)).collect();
    assert!(gone.is_empty(), "the README names what there is not: {gone:?}");
}

/// The commands that a help lists, with what it says of each.
fn commands(help: &str) -> Vec<(String, String)> {
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let pairs = lines.filter_map(|line| line.trim().split_once("  "));
    pairs.map(|(name, about)| (name.to_string(), about.trim().to_string())).collect()
}

#[test]
fn a_command_says_of_itself_what_the_list_says() {
    let site = Site::ours();
    let mut seen = 0;
    for group in ["", "container", "image", "volume", "system", "registry", "oci"] {
        for (name, about) in commands(&site.says(&format!("$S {group} --help"))) {
            // the options of `oci` are its own, and `help` has none
            if name == "help" || name == "oci" {
                continue;
            }
            let own = site.says(&format!("$S {group} {name} --help"));
            // an alias stands after the words of the list
            let about = about.split(" [alias").next().unwrap_or(&about);
            assert!(own.starts_with(about), "{group} {name}: {about:?}, {own}");
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen} commands");
}
