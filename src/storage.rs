//! Storage: what a container sees besides its image, and what of it outlives the container.
//!
//! ```text
//!   bind     a place of the host             ─ open_tree ─> a copy that hangs nowhere ─ move_mount ─> /data
//!   volume   a directory of the engine's     ─ the same; filled first where it is empty and the image has something
//!   tmpfs    memory                          ─ mount ─────────────────────────────────────────────> /run
//!
//!   volumes/NAME/_data       what containers see
//!                unfilled    there until the image's content is complete: who finds it begins again
//! ```
//!
//! A source is opened while names mean the host, and placed when names mean the container. What the image has is
//! copied in between, by the box itself: no link of the image or the volume leads anywhere else.
//!
//! See open_tree(2), move_mount(2), mount_setattr(2), mount_namespaces(7), tmpfs(5). Lab 12-storage,
//! tutorials/12-storage.md.

use std::path::{Path, PathBuf};

use crate::kernel::op::{Fill, MountAt, Within};
use crate::kernel::{Errno, Op};
use crate::step::Step;

/// A directory of the engine's that outlives containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// where it is kept
    pub directory: PathBuf,
}

// ANCHOR: volume
impl Volume {
    /// The volume with these data.
    pub fn of_data(data: &Path) -> Volume {
        Volume { directory: data.parent().unwrap_or(data).into() }
    }

    /// What containers see.
    pub fn data(&self) -> PathBuf {
        self.directory.join("_data")
    }

    /// The mark of one that is being filled.
    pub fn unfilled(&self) -> PathBuf {
        self.directory.join("unfilled")
    }

    /// An empty volume.
    pub fn make(&self) -> [Step; 2] {
        [
            Step::new(
                "make the volume's directory",
                Op::Mkdir { path: (&self.directory).into(), mode: 0o711 },
            )
            .why("it is nobody's container's, so no container takes it along")
            .undo(Op::RemoveTree { path: (&self.directory).into() }),
            Step::new("make room for its data", Op::mkdir(self.data()))
                .why("what the engine writes down of the volume lies beside it, out of reach of containers"),
        ]
    }

    /// In the box, before the pivot: what will be filled, writable whatever the container may do with it.
    pub fn open(&self, slot: usize) -> Step {
        Step { name: "open the volume", ..open(slot, &self.data(), false) }
            .why("the box fills it, and by then the host's names are gone")
    }

    /// In the box, when names mean the container: what the image has there becomes the volume's.
    pub fn fill(slot: usize, target: &Path) -> Step {
        Step::new("fill the volume", Op::Fill(Fill { from: target.into(), slot }))
            .why("an empty volume begins as what it hides: owners, modes and links as they are, and no link is followed")
            .or_else(Errno::NOENT)
    }

    /// On the host: the volume is complete.
    pub fn filled(&self) -> Step {
        Step::new("call the volume complete", Op::Unlink { path: self.unfilled().into() }).why(
            "before the program can write into it: a copy that was cut short is made anew, data never are",
        )
    }
}
// ANCHOR_END: volume

// ANCHOR: bind
/// A place of the host as a mount that hangs nowhere yet; `recursive` with all that is mounted below it.
pub fn open(slot: usize, source: &Path, recursive: bool) -> Step {
    Step::new("open what will be bound", Op::OpenTree { source: source.into(), slot, recursive })
        .why("the host's name is looked up while it means the host")
}

/// The same for a part of a volume. Its links were made by containers: they lead wherever they lead there, and no further.
pub fn open_within(slot: usize, root: &Path, part: &Path) -> Step {
    let op = Op::OpenWithin(Within { root: root.into(), part: part.into(), slot });
    Step::new("open a part of the volume", op)
        .why("containers have made what lies in it: a link there must not lead out of the volume")
}

/// The copy's attributes, as MOUNT_ATTR_RDONLY.
pub fn attributes(slot: usize, set: u64, clear: u64, recursive: bool) -> Step {
    let name = match (set, clear) {
        (libc::MOUNT_ATTR_RDONLY, 0) => "make it read-only",
        _ => "set its attributes",
    };
    let op = Op::MountSetattr { on: MountAt::Slot(slot), set, clear, propagation: 0, recursive };
    Step::new(name, op).why("the copy, not the host's own mount")
}

/// Whether what is mounted below the copy shows at the source, and the other way round: MS_SHARED, MS_SLAVE,
/// MS_PRIVATE, perhaps with MS_REC.
pub fn travel(slot: usize, flags: u64) -> Step {
    let (recursive, propagation) = (flags & libc::MS_REC != 0, flags & !libc::MS_REC);
    let op = Op::MountSetattr { on: MountAt::Slot(slot), set: 0, clear: 0, propagation, recursive };
    Step::new("say how mounts travel", op)
        .why("shared: both ways; slave: from the host only; private: not at all")
}

/// The copy gets its place.
pub fn place(slot: usize, target: &Path) -> Step {
    Step::new("bind it", Op::PlaceTree { slot, target: target.into() })
        .why("the container's name is looked up where it can only mean the container")
}
// ANCHOR_END: bind

/// A file system of the container's own, as a tmpfs: `data` are its options.
pub fn own(target: &Path, kind: &str, device: &str, flags: u64, data: &str) -> Step {
    Step::new("mount a file system", Op::mount(device, target, kind, flags, data))
        .why("a file system of the box's own")
}
