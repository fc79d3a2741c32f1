//! Leaks: what a run has left on the machine, found by looking before and after.
//!
//! ```text
//!   Snapshot::take() ── run a lab ──> assert_same()      mounts, links, cgroups, nft tables, processes, files
//! ```
//!
//! Processes are found for certain: the test is their subreaper (prctl(2)), so whatever a lab leaves behind
//! becomes a child of the test.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the kernel may take to let go of what a process that just died had held.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything on the machine that a lab could leave or take away, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

/// Orphans of the processes that this test starts become its own children.
pub fn adopt_orphans() {
    let me = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(me)).expect("every process may become a subreaper");
}

/// One at a time of this program's tests, for as long as it is held: what another test has made meanwhile, or a process of
/// its, would look like a leak.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Snapshot {
    /// Looks at the machine as it is now.
    pub fn take() -> Snapshot {
        let mut lines = BTreeSet::new();
        lines.extend(mounts());
        lines.extend(names("/sys/class/net").map(|link| format!("link: {link}")));
        cgroups(Path::new("/sys/fs/cgroup"), 6, &mut lines);
        lines.extend(tables());
        lines.extend(children());
        let temporary = std::env::temp_dir();
        for directory in [Path::new("/tmp"), &temporary] {
            let of_tests =
                |name: &str| ["stepbox-tests-", "stepbox-bench-"].iter().any(|own| name.starts_with(own));
            let ours = |name: &String| name.contains("stepbox") && !of_tests(name);
            let found = names(directory).filter(ours);
            lines.extend(found.map(|name| format!("file: {}", directory.join(name).display())));
        }
        // the two directories themselves are the engine's, and stay
        for directory in ["/run/stepbox", "/run/stepbox/journal"] {
            let found = names(directory).filter(|name| name != "journal");
            lines.extend(found.map(|name| format!("file: {directory}/{name}")));
        }
        Snapshot(lines)
    }

    /// Looks again, for as long as the kernel may need to tidy up. Only what every look shows is a leak: other
    /// runs on the same machine come and go meanwhile.
    ///
    /// # Panics
    /// When something is there that was not there before, or a mount, a link or a table is gone.
    pub fn assert_same(&self) {
        let changes = self.changes(PATIENCE);
        let text: Vec<&str> = changes.iter().map(String::as_str).collect();
        assert!(changes.is_empty(), "the machine is not as it was:\n{}", text.join("\n"));
    }

    /// What every look shows to be changed, for this long.
    pub fn changes(&self, patience: Duration) -> BTreeSet<String> {
        let began = Instant::now();
        let mut changes: Option<BTreeSet<String>> = None;
        loop {
            let now = Snapshot::take();
            let left = now.0.difference(&self.0).map(|line| format!("  + {line}"));
            let gone =
                self.0.difference(&now.0).filter(|line| durable(line)).map(|line| format!("  - {line}"));
            let seen: BTreeSet<String> = left.chain(gone).collect();
            let always: BTreeSet<String> = match changes {
                Some(before) => before.intersection(&seen).cloned().collect(),
                None => seen,
            };
            if always.is_empty() || began.elapsed() >= patience {
                return always;
            }
            changes = Some(always);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What nobody else takes away while a test runs. Cables of containers come and go.
fn durable(line: &str) -> bool {
    let lasting = ["mount:", "link:", "nft:"].iter().any(|kind| line.starts_with(kind));
    lasting && !line.starts_with("link: veth")
}

fn names(directory: impl AsRef<Path>) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// Whole lines: a propagation that a lab changed would be a leak too.
fn mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("read our mounts");
    text.lines().map(|line| format!("mount: {line}")).collect()
}

/// Whether a cgroup is that of a test which has not ended: its site is there, and a journal of the site, or the cgroup's
/// name, says so. Our own site is gone when we look for leaks, or has no journal any more.
pub(crate) fn of_another_site(cgroup: &str) -> bool {
    let sites = names(std::env::temp_dir()).map(|name| (std::env::temp_dir().join(&name), name));
    let sites = sites.chain(names("/tmp").map(|name| (Path::new("/tmp").join(&name), name)));
    let id = cgroup.trim_start_matches("stepbox-");
    sites.filter(|(_, name)| name.starts_with("stepbox-tests-")).any(|(path, name)| {
        cgroup.contains(&name) || path.join(format!("state/run/journal/{id}.journal")).exists()
    })
}

fn cgroups(directory: &Path, depth: u32, lines: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        // with processes in it, it is somebody's: ours have ended
        let procs = std::fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default();
        let ours = name.contains("stepbox") || name.starts_with("lab");
        if ours && procs.is_empty() && !of_another_site(&name) {
            lines.insert(format!("cgroup: {}", entry.path().display()));
        }
        if depth > 0 {
            cgroups(&entry.path(), depth - 1, lines);
        }
    }
}

/// Tables of nftables, where the machine has nft and lets us ask.
fn tables() -> Vec<String> {
    let Ok(output) = Command::new("nft").args(["list", "tables"]).output() else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout).lines().map(|line| format!("nft: {line}")).collect()
}

/// Our children that still run: proc_pid_stat(5), fields 3 and 4.
fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    let numbers = names("/proc").filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let child = |pid: String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(") ")?;
        let mut fields = tail.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?);
        let comm = head.split_once('(')?.1;
        (parent == me && state != "Z").then(|| format!("process: {pid} {comm}"))
    };
    numbers.filter_map(child).collect()
}
