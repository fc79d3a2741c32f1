//! Ownership: whether we may give files away, make devices and write overlayfs's own marks.
//!
//! ```text
//!   root of the machine     owners as archived   devices made      trusted.overlay.*
//!   anyone else             all our own          devices skipped   user.overlay.*      (mount with userxattr)
//! ```
//!
//! See capabilities(7), user_namespaces(7), xattr(7) and the kernel's overlayfs.rst (userxattr). Labs 08-overlay
//! and 13-union-image, tutorials/13-union-image.md.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities};
use std::io;
use std::path::Path;

/// Who owns what a layer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// the owners that the archive names; devices are made; `trusted.overlay.opaque` marks opaque directories
    Root,
    /// whoever applies it, as an engine without root must; devices are skipped and counted; `user.overlay.opaque`
    /// marks opaque directories, which overlayfs heeds when mounted with `userxattr`
    User,
}

impl Ownership {
    /// What this process is able to do: [`Ownership::Root`] needs three capabilities, and needs them in the first
    /// user namespace, because devices and trusted attributes ask there.
    pub fn of_this_process() -> Ownership {
        let needed = CapabilitySet::CHOWN | CapabilitySet::MKNOD | CapabilitySet::SYS_ADMIN;
        let able = capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
        if able && crate::kernel::users::initial() { Ownership::Root } else { Ownership::User }
    }

    /// The attribute that makes a directory opaque.
    pub fn opaque(self) -> &'static str {
        match self {
            Ownership::Root => "trusted.overlay.opaque",
            Ownership::User => "user.overlay.opaque",
        }
    }

    /// Whether this directory hides everything below it.
    ///
    /// # Errors
    /// What the kernel answers, but for "no such attribute" and "no attributes here".
    pub fn is_opaque(self, directory: &Path) -> io::Result<bool> {
        let mut value = [0; 2];
        match rustix::fs::lgetxattr(directory, self.opaque(), &mut value[..]) {
            Ok(size) => Ok(&value[..size] == b"y"),
            // a longer value is none of the two that overlayfs knows
            Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}
