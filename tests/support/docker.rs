//! Docker: the same commands, given to stepbox and to a Docker of a test's own, each in namespaces of its own.
//!
//! ```text
//!   a site of ours   ── bash ──> C=$S       the commands ──> what was said ──┐
//!   a site of its own ─ bash ──> C=docker   the commands ──> what was said ──┴─ the same?
//!                        └ tests/engines/place.sh, dockerd.sh
//! ```

use crate::player::{Said, said};
use crate::site::Site;

/// Seconds that a script may take.
const PATIENCE: u32 = 300;

/// A site for us and one for Docker; none, with the reason said, where the two are not compared. It takes a Docker and
/// `more` programs.
pub fn sites(test: &str, more: &[&str]) -> Option<(Site, Site)> {
    let needs = [&["dockerd", "docker", "runc"], more].concat();
    if !crate::slow(test, "a minute") || !crate::here(test, &needs) {
        return None;
    }
    Some((Site::root(test)?, Site::root(test)?))
}

/// What a script of bash(1) prints, which must succeed. `$ENGINES` is where place.sh and dockerd.sh lie.
pub fn bash(site: &Site, script: &str) -> String {
    let engines = crate::package().join("tests/engines");
    let script = format!(
        "exec bash -c '. /dev/stdin' <<'THE-END'\nENGINES={}\n{script}\nTHE-END\n",
        engines.display()
    );
    let Said { code, out, err } = said(&mut site.script_of(PATIENCE, &script));
    assert_eq!(code, 0, "{out}{err}");
    out
}

/// What we say to a script in which `$C` asks us, after `before`. Nothing that it leaves running outlives it.
pub fn stepbox(site: &Site, before: &str, script: &str) -> String {
    let end = "$S ps -aq | while read -r id; do $S rm -f \"$id\" </dev/null; done >/dev/null";
    let said = bash(site, &format!("{before}\nC=$S\n{script}\n{end}"));
    site.assert_clean();
    said
}

/// What Docker says to a script in which `docker` asks it, after `before`. It keeps images by this storage driver.
pub fn docker(site: &Site, driver: &str, before: &str, script: &str) -> String {
    let begin = format!(". $ENGINES/place.sh; . $ENGINES/dockerd.sh; dockerd_begins {driver}");
    bash(site, &format!("{begin}\n{before}\nC=docker\n{script}\ndockerd_ends"))
}
