//! Hiding: how a layer takes away what the layers below it have.
//!
//! ```text
//!                    layers in directories of their own      one tree for all layers
//!   .wh.motd         character device 0:0                    motd is removed
//!   .wh..wh..opq     xattr overlay.opaque=y                  what the layers below had there is removed
//! ```
//!
//! Either way a layer hides nothing of its own, whichever of the two comes first in the archive.
//!
//! See the OCI image specification, layer.md (Whiteouts), and the kernel's overlayfs.rst. Lab 13-union-image,
//! tutorials/13-union-image.md.

use super::error::Refusal;
use super::tree::{Directory, Fail, Tree, call, join, look};
use rustix::fs::{Dir, FileType, Mode, OFlags, Stat};
use std::collections::HashSet;
use std::rc::Rc;

/// Where the layers below are.
#[derive(Debug)]
pub(super) enum Hiding {
    /// in directories of their own: overlayfs reads the marks
    Marks,
    /// in the tree itself; with the real names of what the layer has made there, and of all directories above those
    Removal(HashSet<Vec<u8>>),
}

impl Hiding {
    /// The layer has this.
    pub(super) fn made(&mut self, parent: &Directory, base: &[u8]) {
        let Hiding::Removal(made) = self else { return };
        let real = join(&parent.real, base);
        let mut end = real.len();
        // above what is known everything is known
        while made.insert(real[..end].to_vec()) {
            match real[..end].iter().rposition(|byte| *byte == b'/') {
                Some(slash) => end = slash,
                None => return,
            }
        }
    }

    /// Whether nothing below shows in this directory anyway, because the layer has a link in its place, or on the way to it:
    /// umoci names what was in a directory that has become a link. Whoever followed the link would hide something else.
    pub(super) fn hides_all_of(&self, tree: &Tree, directory: &[u8]) -> Result<bool, Fail> {
        Ok(match (tree.link_in(directory)?, self) {
            (None, _) => false,
            (Some(_), Hiding::Marks) => true,
            (Some(link), Hiding::Removal(made)) => made.contains(link),
        })
    }

    /// What the layers below have in this directory is gone.
    pub(super) fn opaque(&self, tree: &mut Tree, directory: &Directory) -> Result<(), Fail> {
        let Hiding::Removal(made) = self else { return tree.set_opaque(directory) };
        let open =
            rustix::fs::openat(&directory.fd, ".", DIRECTORY, Mode::empty()).map_err(call("openat"))?;
        let mut names = Vec::new();
        for entry in Dir::new(open).map_err(call("openat"))? {
            names.push(entry.map_err(call("getdents64"))?.file_name().to_bytes().to_vec());
        }
        for name in names.iter().filter(|name| !matches!(name.as_slice(), b"." | b"..")) {
            let real = join(&directory.real, name);
            match look(directory, name)? {
                Some(stat) if made.contains(&real) => {
                    if is_directory(&stat) {
                        let inner = tree.existing(&real)?;
                        self.opaque(tree, &inner)?;
                    }
                }
                _ => tree.clear(directory, name)?,
            }
        }
        Ok(())
    }

    /// What the layers below have under this name in its parent is gone.
    pub(super) fn whiteout(
        &self,
        tree: &mut Tree,
        parent: Result<Rc<Directory>, Fail>,
        name: &[u8],
    ) -> Result<(), Fail> {
        let parent = match parent {
            // umoci also names what was in a directory that has become a file: the file hides all of that
            Err(Fail::Refused(Refusal::NotDirectory(_))) => return Ok(()),
            parent => &*parent?,
        };
        let there = look(parent, name)?;
        match (self, there) {
            (Hiding::Marks, None) => {
                // since Linux 5.8 anyone may make this one device: it opens nothing
                let kind = FileType::CharacterDevice;
                rustix::fs::mknodat(&parent.fd, name, kind, Mode::empty(), 0).map_err(call("mknodat"))
            }
            (Hiding::Removal(made), Some(_)) if !made.contains(&join(&parent.real, name)) => {
                tree.clear(parent, name)
            }
            (_, Some(stat)) if is_directory(&stat) => {
                let fd = rustix::fs::openat(&parent.fd, name, DIRECTORY, Mode::empty());
                let real = join(&parent.real, name);
                self.opaque(tree, &Directory { fd: fd.map_err(call("openat"))?, real })
            }
            _ => Ok(()),
        }
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}
