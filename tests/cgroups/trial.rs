//! A cgroup of one test's own on this machine, with processes in it, gone at the end.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stepbox::cgroups::{self, Cgroup, Controller, Hierarchy, Resources};
use stepbox::launch::{LaunchError, launch};
use stepbox::step::{Plan, Step};

/// A cgroup that is gone at the end of the test.
pub struct Trial {
    pub cgroup: Cgroup,
    pub children: Vec<Child>,
}

/// What is done stays, as between two commands of a runtime.
pub fn take(steps: impl IntoIterator<Item = Step>) -> Result<(), LaunchError> {
    let plan = Plan::default().then(steps);
    launch(&plan, &mut (), None)?.keep(|_| true);
    Ok(())
}

pub fn parse(json: &str) -> Resources {
    serde_json::from_str(json).expect("resources as config.json has them")
}

impl Trial {
    /// `None`, and a SKIP, where this user may make no cgroup with these controllers.
    pub fn new(name: &str, needed: &[Controller], json: &str) -> Option<Trial> {
        let hierarchy = cgroups::detect(Path::new("/")).expect("read this machine");
        Trial::within(name, &hierarchy, needed, json)
    }

    pub fn within(name: &str, hierarchy: &Hierarchy, needed: &[Controller], json: &str) -> Option<Trial> {
        if let Some(reason) = needed.iter().find_map(|one| hierarchy.usable(*one).err()) {
            skip(name, &reason.to_string());
            return None;
        }
        let path = format!("stepbox-test-{}-{name}/inner", std::process::id());
        let cgroup = Cgroup::at(hierarchy, &path).expect("a path that names a cgroup");
        take(cgroup.create(&parse(json)).expect("it can be had here")).expect("make the cgroup");
        Some(Trial { cgroup, children: Vec::new() })
    }

    pub fn read(&self, controller: Controller, names: [&str; 2]) -> String {
        let directory = self.cgroup.directory(controller).expect("it is there");
        let text = names.iter().find_map(|name| std::fs::read_to_string(directory.join(name)).ok());
        text.expect("the file of this version").trim().to_string()
    }

    /// A program that is in the cgroup before its first instruction.
    pub fn start(&mut self, script: &str) -> i32 {
        let directories = self.cgroup.directories();
        let enter =
            directories.iter().map(|(_, path)| format!("echo $$ > {}/cgroup.procs; ", path.display()));
        let script = format!("{}{script}", enter.collect::<String>());
        let mut command = Command::new("sh");
        command.args(["-ec", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("start sh");
        let pid = child.id().cast_signed();
        self.children.push(child);
        pid
    }

    pub fn update(&self, json: &str) -> Result<(), LaunchError> {
        take(self.cgroup.update(&parse(json), &read).expect("it can be had here"))
    }
}

/// Root can make cgroups wherever there are any; others where one has been delegated to them.
pub fn skip(name: &str, reason: &str) {
    support::skip(name, if rustix::process::geteuid().is_root() { reason } else { support::NEEDS_ROOT });
}

pub fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

pub fn within_seconds(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(50), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = take(self.cgroup.signal(libc::SIGKILL));
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let gone = (0..5000).any(|_| {
            std::thread::sleep(Duration::from_millis(2));
            take(self.cgroup.remove()).is_ok()
        });
        let directories = self.cgroup.directories();
        for parent in directories.iter().filter_map(|(_, directory)| directory.parent()) {
            let _ = std::fs::remove_dir(parent);
        }
        assert!(gone || std::thread::panicking(), "the cgroup is left");
    }
}
