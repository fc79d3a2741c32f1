//! Where published ports are tested: a site, and in it this program, which containers find as `/peer`.

use std::path::Path;
use std::process::Command;

use stepbox::closure;
use support::player::Said;
use support::site::Site;

/// What scripts are made of: `serve` runs a container that is called `$1`, with these options, and waits until it
/// listens; `ask` and `free` are this program.
const WORDS: &str = r#"
[ "$(id -u)" != 0 ] || ip link set lo up
free() { $D/peer peer free ${1:-tcp}; }
ask() { $D/peer peer ask "$@"; }
serve() { name=$1; shift; $S run -d --name $name $LIBRARIES "$@" stepbox/base /peer peer serve 80 >/dev/null || return
          until $S logs $name | grep -q listening; do sleep 0.02; done; }
proxy() { sed -E 's/.*"proxy":\{"pid":([0-9]+).*/\1/' $D/state/run/ports/*; }
owner() { sed -E 's/.*"owner":\{"pid":([0-9]+).*/\1/' $D/state/containers/*/state.json; }
dead() { while grep -qs '^State:.[^ZX]' /proc/$1/status; do sleep 0.02; done; }
"#;

/// Here and now.
pub fn place(site: Site) -> Place {
    let program = std::env::current_exe().expect("this program");
    let copy = site.path().join("peer");
    // by another process: whoever is forked here meanwhile would hold it open for writing (ETXTBSY)
    assert!(Command::new("cp").arg(&program).arg(&copy).status().expect("cp runs").success());
    let show = |from: &Path, to: &Path| format!("-v {}:{}:ro", from.display(), to.display());
    let mut options = vec![show(&copy, Path::new("/peer"))];
    options
        .extend(closure::of(&program).expect("its libraries").iter().map(|library| show(library, library)));
    Place { site, libraries: options.join(" ") }
}

/// A site with this program.
pub struct Place {
    pub site: Site,
    libraries: String,
}

impl Place {
    fn script(&self, script: &str) -> String {
        format!("LIBRARIES='{}'\n{WORDS}\n{script}", self.libraries)
    }

    /// What a script says that must succeed.
    pub fn says(&self, script: &str) -> String {
        self.site.says(&self.script(script))
    }

    /// The same, whatever comes of it, with more time.
    pub fn sh(&self, script: &str) -> Said {
        self.site.sh(&self.script(script))
    }
}

/// As root, and as somebody who is not.
pub fn everybody() -> impl Iterator<Item = Place> {
    [Site::ours(), Site::nobody()].into_iter().map(place)
}

/// No table of a container is left. Of a site of root's: its network is its own.
pub const TABLES: &str = "nft list tables | grep -vc stepbox-stepbox0; true";
