//! Whiteouts: how a layer says that something below it is gone.
//!
//! ```text
//!   in the archive      on disk, for overlayfs               the merged tree
//!   etc/.wh.motd        etc/motd, character device 0:0       no etc/motd
//!   etc/.wh..wh..opq    etc with xattr overlay.opaque = y    of etc only what this layer has
//! ```
//!
//! The archive form is a name, so a name can lie: `.wh...` would white out `..`. Only names that stand for one
//! plain entry are accepted. See the OCI image specification, layer.md (Whiteouts), and the kernel's overlayfs.rst
//! (whiteouts and opaque directories). Labs 08-overlay and 13-union-image, tutorials/13-union-image.md.

use super::error::Refusal;
use super::printable;

/// What a whiteout's name begins with.
pub const PREFIX: &str = ".wh.";

/// The name of the entry that makes its directory opaque.
pub const OPAQUE_MARKER: &str = ".wh..wh..opq";

/// What the last part of an entry's name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// an ordinary entry
    No,
    /// the entry of this name is gone
    Of(&'a [u8]),
    /// everything below the directory is gone
    Opaque,
}

// ANCHOR: parse
impl<'a> Whiteout<'a> {
    /// Reads the last part of a name.
    ///
    /// # Errors
    /// [`Refusal::WhiteoutName`] where nothing, `.`, `..` or a second `.wh.` follows the prefix.
    pub fn parse(base: &'a [u8]) -> Result<Whiteout<'a>, Refusal> {
        let Some(name) = base.strip_prefix(PREFIX.as_bytes()) else { return Ok(Whiteout::No) };
        if base == OPAQUE_MARKER.as_bytes() {
            return Ok(Whiteout::Opaque);
        }
        let plain = !matches!(name, b"" | b"." | b"..") && !name.starts_with(PREFIX.as_bytes());
        if plain { Ok(Whiteout::Of(name)) } else { Err(Refusal::WhiteoutName(printable(base))) }
    }
}
// ANCHOR_END: parse
