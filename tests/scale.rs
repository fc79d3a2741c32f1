//! Many, and at the worst moment: a hundred starts and removals at once, a thousand containers in one list, kill -9 of
//! monitors and of commands at random moments, a disk that is full, a flood of lines.
//!
//! ```text
//!   any of our processes dies, any write fails
//!     └─> what was said before is still so: lines of the log, data of volumes, names, exit codes
//!         └─> system check --repair, clean: nothing is left of what nobody can reach
//! ```
//!
//! Each in namespaces of its own, as root and, where that makes a difference, as nobody. `STEPBOX_SLOW=1` makes more of
//! everything, `STEPBOX_SEED` makes the same again.

#[path = "scale/floods.rs"]
mod floods;
#[path = "scale/full.rs"]
mod full;
#[path = "scale/killed.rs"]
mod killed;
#[path = "scale/many.rs"]
mod many;

/// The larger number where time is no matter.
fn more(usual: usize, slow: usize) -> usize {
    if std::env::var_os("STEPBOX_SLOW").is_some() { slow } else { usual }
}

/// Runs a script that takes up to so many seconds; it must succeed and say this.
fn expect(site: &support::site::Site, seconds: u32, script: &str, wanted: &str) {
    let said = support::player::said(&mut site.script_of(seconds, script));
    assert_eq!((said.out.as_str(), said.code), (wanted, 0), "{script}\n{}", said.err);
}
