//! Errors of a config.json: the setting's place in it, its value, what is wrong with it, and the remedy.

use std::fmt;
use std::path::PathBuf;

use super::mounts::Wrong;
use crate::cgroups::CgroupError;
use crate::privilege::seccomp::profile::ProfileError;

/// Why a config.json makes no container.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// the file cannot be read
    #[error("{}: {error}{}", path.display(), remedy(error))]
    Read {
        /// which file
        path: PathBuf,
        /// what the system said
        error: std::io::Error,
    },
    /// what is in it is not JSON
    #[error("{}: not JSON: {error}", path.display())]
    Json {
        /// which file
        path: PathBuf,
        /// what the parser said
        error: serde_json::Error,
    },
    /// a member has another type than the specification says
    #[error("{place}: {error}")]
    Type {
        /// where in the file
        place: String,
        /// what the parser said
        error: serde_json::Error,
    },
    /// a resource cannot be limited so
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// the filter of system calls is not what it should be
    #[error(transparent)]
    Seccomp(#[from] ProfileError),
    /// a setting is wrong
    #[error("{place}: {value}: {problem}")]
    Setting {
        /// where in the file, as `linux.namespaces[2].path`
        place: String,
        /// what stands there
        value: String,
        /// what is wrong with it, and the remedy
        problem: Problem,
    },
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => " (a bundle is a directory with a config.json: --bundle)",
        _ => "",
    }
}

impl ConfigError {
    /// This setting is wrong. A text that may hold anything is quoted by the caller, `{text:?}`.
    pub(super) fn at(place: impl fmt::Display, value: impl fmt::Display, problem: Problem) -> ConfigError {
        ConfigError::Setting { place: place.to_string(), value: value.to_string(), problem }
    }
}

/// What is wrong with a setting, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each says itself what it is
pub enum Problem {
    #[error("must be set: {0}")]
    Missing(&'static str),
    #[error("no version of the specification that this runtime knows: 1.0.0 to 1.2.1")]
    Version,
    #[error("must be an absolute path")]
    NotAbsolute,
    #[error("a NUL character ends a text for the kernel")]
    Nul,
    #[error("{0}; leave it out")]
    Unsupported(&'static str),
    #[error("not known: one of {0}")]
    NotOneOf(String),
    #[error("named twice")]
    Twice,
    #[error("out of range: {0}")]
    Range(&'static str),
    #[error("an environment variable is NAME=value")]
    NoEquals,

    #[error("{0}")]
    Mount(Wrong),
    #[error("no directory: {0}")]
    NoDirectory(String),
    #[error("that is the host's own root: give the container a directory of its own")]
    HostRoot,

    #[error("no file of a namespace: {0}")]
    NoNamespace(String),
    #[error("a {found} namespace, wanted is a {wanted} one")]
    OtherKind { found: &'static str, wanted: &'static str },
    #[error("a new {0} namespace must be asked for in linux.namespaces")]
    NeedsNew(&'static str),
    #[error(
        "a mount namespace is always new: leave the path out, or use exec to run something in a container"
    )]
    MountsOfOthers,
    #[error("a container has mounts of its own: add {{\"type\": \"mount\"}} to linux.namespaces")]
    NoMounts,

    #[error("a new user namespace needs linux.uidMappings and linux.gidMappings")]
    NoMap,
    #[error("an existing user namespace has its maps already")]
    MapOfOthers,
    #[error("the map names an id twice")]
    Overlap,
    #[error("id {0} is not mapped: add it to linux.{1}")]
    NotMapped(u32, &'static str),
    #[error(
        "who is not root may map only the own id ({0}), or ranges through {1}: install it (Debian: uidmap)"
    )]
    NoHelper(u32, &'static str),
    #[error(
        "without root there are no namespaces but through a user namespace: add {{\"type\": \"user\"}} to linux.namespaces"
    )]
    NotRoot,
    #[error("supplementary groups cannot be set in a user namespace that was mapped without privilege")]
    NoGroups,

    #[error(
        "belongs to the whole machine: add {{\"type\": {0:?}}} to linux.namespaces, or set it outside with sysctl -w"
    )]
    SysctlOfHost(&'static str),
    #[error("not a setting of any namespace: set it outside with sysctl -w")]
    SysctlOfMachine,
    #[error("linux.sysctl is not the way to it: use {0}")]
    SysctlOtherwise(&'static str),

    #[error(
        "apparmor: config provided but apparmor not supported: this kernel runs without it; leave it out"
    )]
    NoAppArmor,
    #[error("selinux label is specified in config, but selinux is disabled or not supported; leave it out")]
    NoSelinux,
    #[error("--console-socket is needed to hand the terminal over")]
    NoConsoleSocket,
    #[error(
        "cannot use console socket if runc will not detach or allocate tty: set process.terminal, or leave --console-socket out"
    )]
    NoTerminal,
}
