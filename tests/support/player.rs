//! Players: who runs a lab, from where, and what came of it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The user that every machine has and that owns nothing.
pub const NOBODY: u32 = 65534;
/// A user and a group that no machine has: what they print as an id is seen at once.
pub const STRANGER: (u32, u32) = (54321, 54322);

/// A directory of this test process, gone when it is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new, empty directory that everybody may enter and write.
    pub fn new() -> Scratch {
        let name = format!("stepbox-tests-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
        let scratch = Scratch(path);
        open_to_all(&scratch.0);
        scratch
    }

    /// A directory in it that everybody may write.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("make {}: {error}", path.display()));
        open_to_all(&path);
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
}

/// Somebody who runs labs: this process's own user, or another that only root can become.
#[derive(Debug)]
pub struct Player {
    /// user and group
    pub ids: (u32, u32),
    other: bool,
    scratch: PathBuf,
}

/// What a lab said.
#[derive(Debug)]
pub struct Said {
    /// its exit code
    pub code: i32,
    /// standard output
    pub out: String,
    /// standard error
    pub err: String,
}

impl Player {
    /// This process's own user.
    pub fn ourselves(scratch: &Scratch) -> Player {
        let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Player { ids, other: false, scratch: scratch.directory("ours") }
    }

    /// Another user; only root can become one.
    pub fn other(scratch: &Scratch, ids: (u32, u32)) -> Player {
        Player { ids, other: true, scratch: scratch.directory(&ids.0.to_string()) }
    }

    /// Whether it is root.
    pub fn is_root(&self) -> bool {
        self.ids.0 == 0
    }

    /// A path for a file that this player may write; an earlier file of that name is removed.
    pub fn file(&self, name: &str) -> PathBuf {
        let path = self.scratch.join(name);
        let _ = std::fs::remove_file(&path);
        path
    }

    /// The lab's binary, where this player may read it.
    pub fn binary(&self, lab: &str) -> PathBuf {
        let built = built(lab);
        if !self.other {
            return built;
        }
        let copy = self.scratch.join(lab);
        if !copy.exists() {
            std::fs::copy(&built, &copy).unwrap_or_else(|error| panic!("copy {}: {error}", built.display()));
            std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        copy
    }

    /// A program as this player starts it: no terminal, no input, nothing of our own settings.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null()).env("HOME", "/tmp").env("TMPDIR", &self.scratch);
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "STEPBOX_ACCEPT", "STEPBOX_ROOT"] {
            command.env_remove(name);
        }
        if self.other {
            command.uid(self.ids.0).gid(self.ids.1);
        }
        command
    }

    /// Runs a lab with these arguments, to its end.
    pub fn play(&self, lab: &str, arguments: &[&str]) -> Said {
        said(self.command(&self.binary(lab)).args(arguments))
    }
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    let text = |bytes| String::from_utf8(bytes).unwrap_or_else(|_| panic!("{command:?} printed no UTF-8"));
    Said { code, out: text(stdout), err: text(stderr) }
}

/// Where Cargo has put a binary of this package: two directories above this test.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    test.ancestors().nth(2).expect("it lies in target/debug/deps").join(name)
}
