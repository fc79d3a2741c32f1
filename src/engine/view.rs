//! View: the files of a container, from outside.
//!
//! ```text
//!                 it runs                              it has ended
//!   everything    /proc/PID/root, opened once          layers and upper mounted as it had them, and what of the host
//!                                                      it was shown, in a mount namespace of a process of ours
//!   bare          a copy of its / alone                the same without the host's
//!   layers        the directories as they lie in the store
//! ```
//!
//! In each case a process apart does the work, by descriptor: [`mod@apart`]. Who is not root is root
//! of a user namespace there, as in the container, so that no file of its own is closed to him.
//!
//! See openat2(2), open_tree(2), user_namespaces(7), the kernel's overlayfs.rst; CVE-2018-15664. Lab 14-commit,
//! tutorials/14-commit.md.

use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::containers::life::Lock;
use super::containers::{self, Record};
use super::machine::Machine;
use super::state::State;
use crate::chroot;
use crate::kernel::apart::{self, apart};
use crate::kernel::flags::{NEWNS, NEWUSER};
use crate::kernel::hint::errno_text;
use crate::kernel::op::{MountAt, Peer};
use crate::kernel::{Errno, Op};
use crate::launch::launch;
use crate::overlay::Overlay;
use crate::step::{Plan, Step};

/// Why the files of a container cannot be looked at.
#[derive(Debug, thiserror::Error, Serialize, serde::Deserialize)]
pub enum ViewError {
    /// a layer is not there any more
    #[error(
        "container {container} has lost its image's layer {}: the image was removed; what the container itself wrote lies in {}",
        layer.display(), upper.display()
    )]
    LayerGone {
        /// the container
        container: String,
        /// the layer's directory
        layer: PathBuf,
        /// the container's own
        upper: PathBuf,
    },
    /// it was made by an engine that kept less
    #[error("container {0} was made by an older stepbox, which did not keep what its image was: run it anew")]
    Unknown(String),
    /// a mount or a namespace was refused
    #[error("cannot open the files of container {container}: {what}")]
    Open {
        /// the container
        container: String,
        /// which step, and why
        what: String,
    },
    /// its own directory
    #[error("cannot open the files of container {container}: {call}: {error}")]
    Directory {
        /// the container
        container: String,
        /// what was tried
        call: String,
        /// what the system said
        error: String,
    },
    /// a file of it could not be read, or the archive not be written
    #[error("cannot read the files of container {container}: {what}")]
    Files {
        /// the container
        container: String,
        /// which, and why
        what: String,
    },
    /// the process that looked ended without an answer
    #[error("the process that looked at the files of container {0} ended without an answer")]
    NoAnswer(String),
}

/// How much of them is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// with what is mounted in it
    Everything {
        /// to be written to
        write: bool,
    },
    /// its own file system alone
    Bare,
    /// no tree at all: upper and the layers, each as it is
    Layers,
}

/// The files of one container.
#[derive(Debug)]
pub struct View<'a> {
    record: &'a Record,
    directory: PathBuf,
    machine: Machine,
    /// its process, while it runs
    running: Option<Peer>,
}

impl<'a> View<'a> {
    /// Of this container, as it is now.
    ///
    /// # Errors
    /// [`ViewError::Unknown`], [`ViewError::LayerGone`].
    pub fn of(state: &State, record: &'a Record) -> Result<View<'a>, ViewError> {
        if record.lower.is_empty() {
            return Err(ViewError::Unknown(record.name.clone()));
        }
        let running = containers::process(state, record).ok();
        let directory = state.containers().join(&record.id);
        let view = View { record, directory, machine: Machine::look(), running };
        let gone = record.lower.iter().find(|layer| !layer.is_dir());
        match gone.filter(|_| view.running.is_none()) {
            Some(layer) => Err(view.gone(layer)),
            None => Ok(view),
        }
    }

    /// The directory that takes the container's writes.
    pub fn upper(&self) -> PathBuf {
        self.tree().unwrap_or_else(|| self.directory.join("upper"))
    }

    /// The tree of a container that has one of its own, by a storage driver that stacks nothing.
    pub fn tree(&self) -> Option<PathBuf> {
        Some(self.directory.join("root")).filter(|tree| tree.is_dir())
    }

    /// The directories of the image's layers, the topmost first.
    ///
    /// # Errors
    /// [`ViewError::LayerGone`].
    pub fn lower(&self) -> Result<Vec<PathBuf>, ViewError> {
        match self.record.lower.iter().find(|layer| !layer.is_dir()) {
            Some(layer) => Err(self.gone(layer)),
            None => Ok(self.record.lower.iter().rev().cloned().collect()),
        }
    }

    /// Whether the caller is not root, and so nobody but himself in there.
    pub fn is_rootless(&self) -> bool {
        !self.machine.root()
    }

    /// Whether its program runs.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// An error about a file of it.
    pub fn files(&self, what: impl std::fmt::Display) -> ViewError {
        ViewError::Files { container: self.record.name.clone(), what: what.to_string() }
    }

    /// Does this work with the container's root open, in a process apart, and something else meanwhile in this one.
    /// `not_for_it` are the ends of pipes that belong to this process alone. For [`Extent::Layers`] the root is the
    /// container's directory.
    ///
    /// # Errors
    /// [`ViewError`] for the view, what the work answers for the work.
    pub fn look<T, E, U>(
        &self,
        extent: Extent,
        not_for_it: &[RawFd],
        work: impl FnOnce(OwnedFd) -> Result<T, E>,
        meanwhile: impl FnOnce() -> U,
    ) -> Result<(T, U), E>
    where
        T: Serialize + DeserializeOwned,
        E: Serialize + DeserializeOwned + From<ViewError>,
    {
        let _lock = self.lock(extent)?;
        // of a process that runs, while we are who the kernel lets look
        let root = match (extent, self.running) {
            (Extent::Everything { .. }, Some(Peer { pid, start })) => {
                Some(apart::root_of(pid, || apart::is_still(pid, start)))
            }
            (Extent::Bare, Some(Peer { pid, start })) => {
                Some(apart::bare_root_of(pid, || apart::is_still(pid, start)))
            }
            _ => None,
        };
        let root = root.transpose().map_err(|errno| self.refused(errno_text(errno)))?;
        let child = apart(not_for_it, || {
            let answer = self.inside(extent, root, work);
            serde_json::to_vec(&answer).unwrap_or_default()
        });
        let child = child.map_err(|errno| self.refused(errno_text(errno)))?;
        let meanwhile = meanwhile();
        let answer = child.answer().unwrap_or_default();
        let answer: Result<T, E> = serde_json::from_slice(&answer)
            .map_err(|_| E::from(ViewError::NoAnswer(self.record.name.clone())))?;
        answer.map(|answer| (answer, meanwhile))
    }

    /// In the process apart: what it needs is mounted, and the work done.
    fn inside<T, E: From<ViewError>>(
        &self,
        extent: Extent,
        root: Option<OwnedFd>,
        work: impl FnOnce(OwnedFd) -> Result<T, E>,
    ) -> Result<T, E> {
        let mounts = root.is_none() && extent != Extent::Layers;
        let plan = Plan::default().then(self.namespaces(mounts)).then(self.mounts(mounts, extent));
        let running = launch(&plan, &mut (), None).map_err(|error| self.refused(error.to_string()))?;
        let root = match root {
            Some(root) => root,
            None => {
                let merged = || self.tree().unwrap_or_else(|| self.directory.join("merged"));
                let place = if mounts { merged() } else { self.directory.clone() };
                let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let opened = rustix::fs::open(&place, how, Mode::empty());
                opened.map_err(|errno| self.directory("open", errno.into()))?
            }
        };
        if let (Extent::Everything { .. }, true) = (extent, mounts) {
            self.show(&root)?;
        }
        let done = work(root);
        drop(running);
        done
    }

    /// A user namespace for whoever is not root, and a mount namespace for what is mounted.
    fn namespaces(&self, mounts: bool) -> Vec<Step> {
        let rootless = self.is_rootless();
        let flags = if mounts { NEWNS } else { 0 } | if rootless { NEWUSER } else { 0 };
        let mut steps = Vec::new();
        if flags != 0 {
            steps.push(Step::new("leave the host's namespaces", Op::Unshare { flags }));
        }
        if rootless {
            let own = |name, file: &str, text: String| {
                Step::new(name, Op::write(format!("/proc/self/{file}"), text))
            };
            steps.extend([
                own("become root of it", "uid_map", format!("0 {} 1", self.machine.uid)),
                own("give up setgroups", "setgroups", "deny".into()),
                own("the same for the group", "gid_map", format!("0 {} 1", self.machine.gid)),
            ]);
        }
        steps
    }

    fn mounts(&self, mounts: bool, extent: Extent) -> Vec<Step> {
        if !mounts {
            return Vec::new();
        }
        if let Some(tree) = self.tree() {
            return self.mounted(&tree);
        }
        let [upper, work, merged] = ["upper", "work", "merged"].map(|name| self.directory.join(name));
        let lower = self.record.lower.iter().rev().cloned().collect();
        let overlay = Overlay { lower, upper, work, merged, userxattr: !self.machine.all_powerful() };
        let place = Step::new("make merged", Op::mkdir(&overlay.merged)).or_else(Errno::EXIST);
        let mut steps = vec![chroot::private(), place.undo(Op::Rmdir { path: (&overlay.merged).into() })];
        let write = extent == Extent::Everything { write: true } && !self.record.request.read_only;
        steps.extend(overlay.mount().into_iter().map(|mut step| {
            // an overlay that cannot be written is not synced to the disk when it goes
            if let (Op::Mount { flags, .. }, false) = (&mut step.op, write) {
                *flags |= libc::MS_RDONLY;
            }
            step
        }));
        steps
    }

    /// A tree that lies there as it is: on it, as on every place, what the host shows is mounted for us alone.
    fn mounted(&self, tree: &Path) -> Vec<Step> {
        let bind = Step::new("make the tree a mount", Op::bind(tree, tree, libc::MS_REC));
        let mut steps = vec![chroot::private(), bind.undo(Op::detach(tree))];
        if self.record.request.read_only {
            let (on, set) = (MountAt::Path(tree.into()), libc::MOUNT_ATTR_RDONLY);
            let op = Op::MountSetattr { on, set, clear: 0, propagation: 0, recursive: false };
            steps.push(Step::new("close it for writing", op));
        }
        steps
    }

    /// What of the host the container was shown, where its names still lead somewhere.
    fn show(&self, root: &OwnedFd) -> Result<(), ViewError> {
        for shown in &self.record.shown {
            let target = shown.target.as_os_str().as_bytes();
            match apart::attach(root.as_fd(), (&shown.source, shown.part.as_deref()), target, shown.read_only)
            {
                // removed on the host, or in the container
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => {
                    let what = format!("show {}: {}", shown.source.display(), errno_text(errno));
                    return Err(self.refused(what));
                }
            }
        }
        Ok(())
    }

    /// Two mounts must not share one upper directory, so those who mount take turns, with each other and with its start.
    fn lock(&self, extent: Extent) -> Result<Option<Lock>, ViewError> {
        if self.running.is_some() || extent == Extent::Layers {
            return Ok(None);
        }
        let lock = Lock::take(&self.directory).map_err(|error| self.directory("lock", error))?;
        match Record::read(&self.directory) {
            Some(now) if now.running() && !now.life.orphaned() => {
                Err(self.refused("it has been started meanwhile: try again".into()))
            }
            _ => Ok(Some(lock)),
        }
    }

    fn gone(&self, layer: &Path) -> ViewError {
        let (container, upper) = (self.record.name.clone(), self.upper());
        ViewError::LayerGone { container, layer: layer.to_owned(), upper }
    }

    fn refused(&self, what: String) -> ViewError {
        ViewError::Open { container: self.record.name.clone(), what }
    }

    fn directory(&self, call: &str, error: io::Error) -> ViewError {
        let container = self.record.name.clone();
        ViewError::Directory { container, call: call.to_owned(), error: error.to_string() }
    }
}
