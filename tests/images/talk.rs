//! Conversations: commands and what they answer, as one text; and a store whose images are always of the same time.

use std::collections::BTreeMap;

use stepbox::engine::config::ImageConfig;
use stepbox::engine::images::{Change, import};
use stepbox::engine::reference::Reference;
use stepbox::engine::store::Store;
use stepbox::layers::Digest;

use support::archive::Raw;
use support::site::Site;

/// Runs each command; what it says on standard error stands behind `!`, its exit code behind `=` where it is not 0.
pub fn talk(site: &Site, commands: &[&str]) -> String {
    let mut text = String::new();
    for command in commands {
        let said = site.sh(command);
        text += &format!("$ {}\n{}", command.replace("$S", "stepbox"), said.out);
        if !said.out.is_empty() && !said.out.ends_with('\n') {
            text.push('\n');
        }
        text.extend(said.err.lines().map(|line| format!("! {line}\n")));
        if said.code != 0 {
            text += &format!("= {}\n", said.code);
        }
    }
    text
}

/// Compares a conversation with its snapshot, without what is another on each machine.
macro_rules! assert_talk {
    ($site:expr, $commands:expr) => {
        let text = $crate::talk::talk($site, $commands);
        let directory = $site.path().display().to_string();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.add_filter("[0-9a-f]{64}", "[DIGEST]");
        settings.add_filter(r"\b[0-9a-f]{12}\b", "[ID]");
        settings.add_filter(r"\b[0-9a-f]{8,12}\b (\(must|\(cannot)", "[ID] $1");
        settings.add_filter(r"\d\d years ago", "[NN] years ago");
        settings.bind(|| insta::assert_snapshot!(text.replace(&directory, "[SITE]")));
    };
}

/// The site's store.
pub fn store(site: &Site) -> Store {
    Store::open(site.root_directory()).expect("a store can be made")
}

/// What images are made of: a file, and as many bytes more.
pub fn rootfs(bytes: usize) -> Raw {
    Raw::default().directory("etc/", 0o755).file("etc/name", "value\n").file("data", &"x".repeat(bytes))
}

/// A config with these labels.
pub fn labelled(labels: &[(&str, &str)]) -> ImageConfig {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    ImageConfig {
        cmd: Some(vec!["sh".into()]),
        env: vec!["A=b".into(), "PATH=/bin".into()],
        labels: (!labels.is_empty()).then_some(labels),
        ..ImageConfig::default()
    }
}

/// Makes an image of January 2000, on this day.
pub fn make(site: &Site, name: &str, day: u32, bytes: usize, config: ImageConfig) -> Digest {
    let created = Some(format!("2000-01-{day:02}T00:00:00Z"));
    let change = Change { config, created, architecture: Some("amd64".into()), ..Change::default() };
    let name: Reference = name.parse().unwrap_or_else(|error| panic!("{error}"));
    let archive = rootfs(bytes).end();
    import(&store(site), archive.as_slice(), &name, change).expect("imported")
}

/// A site with three images: `box:1` with a label, `lib/two`, and one that lost its name.
pub fn three() -> Site {
    let site = Site::ours();
    make(&site, "box:1", 3, 2_000_000, labelled(&[("x", "y"), ("html", "<a>&b")]));
    make(&site, "lib/two", 2, 1, ImageConfig::default());
    make(&site, "old", 1, 100_000, labelled(&[("x", "z")]));
    site.says("$S rmi --help >/dev/null");
    // another takes its name, and loses it again
    make(&site, "old", 1, 7, ImageConfig::default());
    site.says("$S rmi old >/dev/null");
    site
}
