//! Errors of the runtime: runc's words where engines and suites read them.

use std::path::{Path, PathBuf};

use crate::cgroups::CgroupError;
use crate::kernel::Errno;
use crate::kernel::hint::errno_text;
use crate::launch::LaunchError;

use super::config::ConfigError;
use super::state::Status;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// no name
    #[error("container id cannot be empty")]
    EmptyId,
    /// a name that is none
    #[error("invalid container ID format: {0:?} (letters, digits and _ + - . are allowed, but not . and ..)")]
    InvalidId(String),
    /// the name is taken
    #[error("container with given ID already exists: {0}")]
    Exists(String),
    /// nobody has that name
    #[error("container does not exist: {id} (looked for it in {})", root.display())]
    Missing {
        /// the name
        id: String,
        /// where containers are kept
        root: PathBuf,
    },
    /// the state cannot be read or written
    #[error("{what} {}: {}", path.display(), file_words(error))]
    File {
        /// what was done
        what: &'static str,
        /// the file
        path: PathBuf,
        /// what the system said
        error: std::io::Error,
    },
    /// state.json says something else than a state
    #[error("{} is damaged: {error}; stepbox oci delete --force undoes what is known of the container", path.display())]
    Damaged {
        /// the file
        path: PathBuf,
        /// what the parser said
        error: serde_json::Error,
    },
    /// the command does not fit what the container is doing
    #[error("{0}")]
    State(String),
    /// a plan failed
    #[error("unable to start container process: {0}")]
    Launch(#[from] LaunchError),
    /// the program cannot be executed
    #[error("unable to start container process: exec: {program:?}: {}", exec_reason(program, *errno))]
    Exec {
        /// the program, as the configuration names it
        program: String,
        /// what execve said
        errno: Errno,
    },
    /// the working directory cannot be entered
    #[error(
        "unable to start container process: chdir to cwd ({:?}) set in config.json failed: {}",
        cwd.display(),
        errno_words(*errno)
    )]
    Cwd {
        /// the directory
        cwd: PathBuf,
        /// what chdir said
        errno: Errno,
    },
    /// a program that had to succeed did not
    #[error("error running {name} hook #{at}: error running hook {what}")]
    Hook {
        /// which hooks
        name: &'static str,
        /// which of them, from 0
        at: usize,
        /// what became of it
        what: String,
    },
    /// what would be started could write to our own program
    #[error("cannot keep the runtime's own program from the container")]
    InReach,
    /// the configuration is wrong
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// a limit that cannot be had
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// a signal that is none
    #[error("unknown signal {0:?}")]
    Signal(String),
    /// a setting of the command line
    #[error("{0}")]
    Usage(String),
    /// what this runtime does not do
    #[error("{0}")]
    Unsupported(String),
    /// a system call of the runtime's own
    #[error("{what}: {}", errno_words(*errno))]
    System {
        /// what was done
        what: String,
        /// what the kernel said
        errno: Errno,
    },
}

impl OciError {
    /// For `map_err` on what files answer.
    pub fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OciError {
        let path = path.to_path_buf();
        move |error| OciError::File { what, path, error }
    }

    /// For `map_err` on what system calls answer.
    pub fn system(what: impl Into<String>) -> impl FnOnce(Errno) -> OciError {
        let what = what.into();
        move |errno| OciError::System { what, errno }
    }

    /// A command that does not fit what the container is doing.
    pub fn state(what: &str, status: Status) -> OciError {
        OciError::State(format!("{what} {status}"))
    }
}

/// Engines look for these very words: exit code 127 for the first two, 126 for the third.
fn exec_reason(program: &str, errno: Errno) -> String {
    match errno {
        Errno::NOENT if !program.contains('/') => "executable file not found in $PATH".into(),
        Errno::NOENT | Errno::NOTDIR => format!("stat {program}: no such file or directory"),
        Errno::ACCESS | Errno::ISDIR => "permission denied".into(),
        Errno::NOEXEC => "exec format error: a program for another machine, or a script without #!".into(),
        other => errno_words(other),
    }
}

fn file_words(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => errno_words(Errno::from_raw_os_error(number)),
        None => error.to_string(),
    }
}

/// strerror(3) for what engines look for, else the errno's own name.
pub fn errno_words(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "no such file or directory".into(),
        Errno::ACCESS => "permission denied".into(),
        Errno::PERM => "operation not permitted".into(),
        Errno::SRCH => "no such process".into(),
        Errno::INVAL => "invalid argument".into(),
        other => errno_text(other),
    }
}
