//! Export: the files of a container as one archive, as if there were no layers.
//!
//! ```text
//!   layers + upper ─ one tree ─ sorted ─> tar     /proc, /sys, /dev and what is mounted: as empty as they lie below
//! ```
//!
//! See docker-container-export(1). Lab 14-commit, tutorials/14-commit.md.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::containers::Record;
use super::events::of;
use super::state::State;
use super::view::{Extent, View, ViewError};
use crate::layers::{self, DiffOptions};

/// Writes all files of a container into this file or pipe; returns how many bytes.
///
/// # Errors
/// [`ViewError`].
pub fn export(state: &State, record: &Record, out: OwnedFd) -> Result<u64, ViewError> {
    let view = View::of(state, record)?;
    let out = RefCell::new(Some(out));
    let work = |root: OwnedFd| {
        let Some(out) = out.take() else { return Ok(0) };
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::openat(&root, ".", how, Mode::empty()).map_err(|errno| view.files(errno))?;
        let written = layers::archive_content(top, File::from(out), DiffOptions::default());
        written.map(|written| written.unpacked).map_err(|error| view.files(error))
    };
    let (size, ()) = view.look(Extent::Bare, &[], work, || ())?;
    state.events().tell(&[of::container(record, "export")]);
    Ok(size)
}
