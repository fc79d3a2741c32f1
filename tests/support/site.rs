//! A site: a state directory of one test's own and, for root, a network, PID and mount namespace of its own, so
//! that the machine is not touched.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::player::{NOBODY, Said, built, said};

/// How long what was done may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a script waits for. `owner`: the process that answers for the only container that has one. `dead PID`: until that
/// process has ended, for whoever sends SIGKILL comes back before that. `sockets PID`: how many it has; a container's
/// monitor has one more for each of those who call.
const WAITS: &str = r#"
owner() { sed -E 's/.*"owner":[{]"pid":([0-9]+).*/\1/' $D/state/containers/*/state.json; }
dead() { while grep -qs '^State:.[^ZX]' /proc/$1/status; do sleep 0.02; done; }
sockets() { ls -l /proc/$1/fd | grep -c socket:; }
"#;

/// Where a test runs containers, and as whom.
pub struct Site {
    directory: tempfile::TempDir,
    uid: u32,
    cgroups: BTreeSet<PathBuf>,
}

impl Site {
    /// As whoever runs the tests.
    pub fn ours() -> Site {
        Site::of(rustix::process::geteuid().as_raw())
    }

    /// As root; none, with the reason said, where the tests do not run as root.
    pub fn root(test: &str) -> Option<Site> {
        if rustix::process::geteuid().is_root() {
            return Some(Site::of(0));
        }
        crate::skip(test, crate::NEEDS_ROOT);
        None
    }

    /// As whoever runs the tests, if they may limit containers: root, and others who have a cgroup of their own.
    pub fn limited(test: &str) -> Option<Site> {
        let machine = stepbox::cgroups::detect(Path::new("/")).expect("read the cgroups");
        if machine.writable().is_ok() {
            return Some(Site::ours());
        }
        crate::skip(test, "nobody has handed a cgroup over to this user");
        None
    }

    /// As root who may limit containers.
    pub fn limited_root(test: &str) -> Option<Site> {
        Site::root(test).and_then(|_| Site::limited(test))
    }

    /// As a user who is not root: nobody where the tests run as root.
    pub fn nobody() -> Site {
        let uid = rustix::process::geteuid().as_raw();
        Site::of(if uid == 0 { NOBODY } else { uid })
    }

    fn of(uid: u32) -> Site {
        let directory = tempfile::Builder::new().prefix("stepbox-tests-").tempdir().expect("a directory");
        let site = Site { directory, uid, cgroups: cgroups() };
        std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        std::fs::create_dir(site.root_directory()).expect("a directory can be made");
        std::os::unix::fs::chown(site.root_directory(), Some(uid), Some(uid)).expect("ours to give");
        if std::fs::hard_link(binary(), site.path().join("stepbox")).is_err() {
            site.copy(binary(), "stepbox");
        }
        site
    }

    /// Copies a program into the site; by another process, for whoever is forked here meanwhile would hold the copy open
    /// for writing, and it could not be executed (ETXTBSY).
    pub fn copy(&self, program: &Path, name: &str) -> PathBuf {
        let copy = self.path().join(name);
        let copied = Command::new("cp").arg(program).arg(&copy).status();
        assert!(copied.expect("cp runs").success(), "{} can be copied", program.display());
        copy
    }

    /// The site's directory: what tests make lies here.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// `STEPBOX_ROOT`.
    pub fn root_directory(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Whether it is root's.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// A shell script in the site: `$S` is stepbox, `$D` the site's directory; [`WAITS`] are its words. It ends after
    /// two minutes, and no file that it writes grows beyond 2 GiB.
    pub fn script(&self, script: &str) -> Command {
        self.script_of(120, script)
    }

    /// The same with another time limit, in seconds.
    pub fn script_of(&self, seconds: u32, script: &str) -> Command {
        let seconds = seconds.to_string();
        let mut command = match self.is_root() {
            true => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
                // as every init, process 1 reaps those whose parent has died: a shell does while it waits
                command.args(["sh", "-c", "\"$@\"; exit $?", "init"]);
                command.args(["timeout", "-k", "1", &seconds, "sh", "-c"]);
                command
            }
            false => {
                let mut command = Command::new("timeout");
                command.args(["-k", "1", &seconds, "sh", "-c"]);
                command
            }
        };
        // a sysfs shows the network namespace that it was mounted in: a new one, the cgroups put back onto it; and
        // podman trips over a tracefs that is still mounted where nobody can reach it
        const SYSFS: &str = "{ ! mountpoint -q /sys/kernel/tracing || umount /sys/kernel/tracing; } && \
                             mkdir -p $D/cgroup && mount --rbind /sys/fs/cgroup $D/cgroup && \
                             mount -t sysfs sysfs /sys && mount --rbind $D/cgroup /sys/fs/cgroup && \
                             umount -l $D/cgroup || exit 99";
        let prepare = if self.is_root() { SYSFS } else { "" };
        // ulimit -f counts blocks of 512 bytes: 2 GiB, as a runaway must not fill the disk
        command.arg(format!("{prepare}\nulimit -f 4194304\n{WAITS}\n{script}"));
        if rustix::process::geteuid().is_root() && !self.is_root() {
            command.uid(self.uid).gid(self.uid);
        }
        command.current_dir("/").stdin(Stdio::null()).env("STEPBOX_ROOT", self.root_directory());
        command.env("HOME", "/tmp").env("S", self.path().join("stepbox")).env("D", self.path());
        command
    }

    /// Runs a script to its end.
    pub fn sh(&self, script: &str) -> Said {
        said(&mut self.script(script))
    }

    /// Runs a script that gets these bytes as its input.
    pub fn sh_with(&self, script: &str, input: &[u8]) -> std::process::Output {
        let mut command = self.script(script);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the script starts");
        let mut stdin = child.stdin.take().expect("piped");
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().expect("the script ends")
        })
    }

    /// What a script says that must succeed.
    pub fn says(&self, script: &str) -> String {
        let said = self.sh(script);
        assert_eq!(said.code, 0, "{script}: {}{}", said.out, said.err);
        said.out
    }

    /// `stepbox run --rm OPTIONS stepbox/base sh -c PROGRAM`, which must succeed.
    pub fn inside(&self, options: &str, program: &str) -> String {
        assert!(!program.contains('\''), "{program} stands in quotes");
        self.says(&format!("$S run --rm {options} stepbox/base sh -c '{program}'"))
    }

    /// A command that must be refused with this code, in one line, or two where the second is a hint.
    pub fn refused(&self, command: &str, code: i32, words: &[&str]) {
        let said = self.sh(command);
        assert_eq!(said.code, code, "{command}: {}{}", said.out, said.err);
        assert_eq!(said.out, "", "{command}");
        let lines: Vec<&str> = said.err.lines().collect();
        assert!(lines[0].starts_with("stepbox: "), "{command}: {}", said.err);
        assert!(lines.len() == 1 || lines.len() == 2 && lines[1].starts_with("hint: "), "{}", said.err);
        for word in words {
            assert!(said.err.contains(word), "{command}: no {word:?} in {}", said.err);
        }
    }

    /// Nothing of any run is left: no container, journal, lease or cgroup. Whoever watches a container removes it after
    /// others have been told of its end, so what is being removed has a moment for it.
    pub fn assert_clean(&self) {
        let began = Instant::now();
        for name in ["containers", "run/journal", "run/leases", "tmp"] {
            let left = || -> Vec<PathBuf> {
                let entries = std::fs::read_dir(self.root_directory().join(name)).into_iter().flatten();
                entries.flatten().map(|entry| entry.path()).collect()
            };
            while !left().is_empty() && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(left().is_empty(), "left in {name}: {:?}", left());
        }
        // others may run containers meanwhile: only a cgroup that stays empty is a leak
        let began = Instant::now();
        let mut left: BTreeSet<PathBuf> = cgroups().difference(&self.cgroups).cloned().collect();
        while !left.is_empty() {
            assert!(began.elapsed() < PATIENCE, "cgroups left: {left:?}");
            std::thread::sleep(Duration::from_millis(50));
            left = left.intersection(&cgroups()).cloned().collect();
        }
    }
}

/// Cgroups of containers in which no process is.
fn cgroups() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![(PathBuf::from("/sys/fs/cgroup"), 3)];
    while let Some((directory, depth)) = waiting.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            // other tests on the machine group theirs below cgroups of that name
            let ours = name.starts_with("stepbox-")
                && !name.starts_with("stepbox-tests-")
                && !crate::leaks::of_another_site(&name);
            if ours && std::fs::read_to_string(path.join("cgroup.procs")).is_ok_and(|text| text.is_empty()) {
                found.insert(path);
            } else if depth > 0 {
                waiting.push((path, depth - 1));
            }
        }
    }
    found
}

/// The binary, where everybody may read it.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| built("stepbox"))
}
