//! Bundles: a root file system of this machine's own tools, and a config.json that the test changes.

use std::path::Path;

use serde_json::{Value, json};
use stepbox::oci::spec_template::template;

use crate::player::Said;
use crate::site::Site;

/// A site with a root file system for bundles.
pub struct Bundles {
    /// where it all lies
    pub site: Site,
}

impl Bundles {
    /// In this site.
    pub fn at(site: Site) -> Bundles {
        site.says("$S run --rm stepbox/base true && cp -a $STEPBOX_ROOT/layers/* $D/state/rootfs");
        Bundles { site }
    }

    /// Makes a bundle `$D/state/NAME`: what `spec` writes, without a terminal, running this program, then changed.
    pub fn bundle(&self, name: &str, program: &[&str], change: impl FnOnce(&mut Value)) {
        let directory = self.site.root_directory().join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        let rootless = (!self.site.is_root()).then(|| self.owner());
        let mut config = template(rootless);
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(program);
        config["root"]["path"] = json!("../rootfs");
        if self.site.is_root() {
            // tests run side by side, and their containers have the same names
            let site = self.site.path().file_name().unwrap_or_default().to_string_lossy();
            config["linux"]["cgroupsPath"] = json!(format!("/{site}-{name}"));
        }
        change(&mut config);
        write(&directory.join("config.json"), &config);
    }

    fn owner(&self) -> (u32, u32) {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(self.site.root_directory()).expect("the site's directory");
        (meta.uid(), meta.gid())
    }

    /// Runs a script in which `$R` is the runtime, `$B` where the bundles lie.
    pub fn sh(&self, script: &str) -> Said {
        let file = self.site.path().join("script");
        std::fs::write(&file, format!("B=$D/state; R=\"$S oci --root $B/oci\"\n{script}\n"))
            .expect("written");
        // programs that join a container are orphans when the runtime has gone: process 1 must reap them, or the
        // container's PID namespace waits for them for ever; a shell does
        let reaper = if self.site.is_root() { "unshare --pid --fork --kill-child --mount-proc " } else { "" };
        self.site.sh(&format!("{reaper}sh {}", file.display()))
    }

    /// What a script says that must succeed.
    pub fn says(&self, script: &str) -> String {
        let said = self.sh(script);
        assert_eq!(said.code, 0, "{script}: {}{}", said.out, said.err);
        said.out
    }

    /// A script that must fail with this code, and these words.
    pub fn refused(&self, script: &str, code: i32, words: &[&str]) {
        let said = self.sh(script);
        assert_eq!(said.code, code, "{script}: {}{}", said.out, said.err);
        for word in words {
            assert!(said.err.contains(word), "{script}: no {word:?} in {}", said.err);
        }
    }

    /// Nothing is left of any container.
    pub fn assert_clean(&self) {
        let left: Vec<_> = std::fs::read_dir(self.site.root_directory().join("oci"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "left: {left:?}");
        self.site.assert_clean();
    }
}

/// Writes a value as JSON.
pub fn write(path: &Path, config: &Value) {
    std::fs::write(path, config.to_string()).expect("write config.json");
}
