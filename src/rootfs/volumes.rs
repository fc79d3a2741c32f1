//! Volumes: those that are empty get what the image has at their place, before anything is mounted there.
//!
//! ```text
//!   box    open_tree(volume) … the old root is gone: copy what the image has
//!   host                                                                    unlink the mark
//!   box                                                                                     mount, … exec
//! ```

use std::path::Path;

use super::{Mount, Rootfs, Source, follow};
use crate::kernel::linux::TREES;
use crate::step::Step;
use crate::storage::Volume;

/// The volumes to fill, each with the number of its copy: counted down from where the terminal's is.
fn wanted(rootfs: &Rootfs) -> impl Iterator<Item = (usize, &Mount, Volume)> {
    let empty = |mount: &Mount| match &mount.source {
        Source::Bind { path, .. } if mount.options.copy_up => Some(Volume::of_data(path)),
        _ => None,
    };
    let wanted = rootfs.mounts.iter().filter_map(move |mount| Some((mount, empty(mount)?)));
    wanted.enumerate().map(|(at, (mount, volume))| (TREES - 2 - at, mount, volume))
}

/// In the box, before the pivot: they are opened by the host's names.
pub(super) fn open(rootfs: &Rootfs) -> Vec<Step> {
    wanted(rootfs).map(|(slot, _, volume)| volume.open(slot)).collect()
}

/// In the box, when the old root is gone and nothing but views is mounted: links may be followed again, and what the
/// image has is copied.
pub fn fill(rootfs: &Rootfs) -> Vec<Step> {
    let follow = Step::new("follow links again", follow(rootfs, true))
        .why("the host is gone: a link of the image can lead nowhere but into the image");
    let fill = |(slot, mount, _): (usize, &Mount, Volume)| Volume::fill(slot, Path::new(&mount.target));
    std::iter::once(follow).chain(wanted(rootfs).map(fill)).collect()
}

/// On the host, when they are filled.
pub fn filled(rootfs: &Rootfs) -> Vec<Step> {
    wanted(rootfs).map(|(.., volume)| volume.filled()).collect()
}
