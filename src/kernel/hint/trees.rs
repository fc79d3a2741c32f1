//! Hints for what is opened, mapped and placed: the new mount API, and names in the container.

use crate::kernel::{Errno, Op, op};

/// The cause and the remedy.
pub(super) fn hint(op: &Op, errno: Errno) -> Option<&'static str> {
    Some(match (op, errno) {
        (Op::OpenTree { .. }, Errno::NOENT) => {
            "what is to be bound does not exist on the host: make it first"
        }
        (Op::OpenWithin(_), Errno::NOENT | Errno::NOTDIR) => {
            "the part of the volume was there a moment ago: somebody has removed it"
        }
        (Op::OpenTree { .. }, Errno::ACCESS) => {
            "what is to be bound lies in a directory that the container's root may not enter: chmod o+x, or move it"
        }
        (Op::OpenTree { .. }, Errno::INVAL) => {
            "it lies on a mount that is unbindable, or that hides others from this user namespace: bind with rbind"
        }
        (Op::OpenTree { .. } | Op::PlaceTree { .. }, Errno::PERM) => {
            "mounting needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace"
        }
        (Op::PlaceTree { .. } | Op::MoveMount { .. }, Errno::NOENT) => {
            "the target does not exist in the container, or is a link to what does not"
        }
        (Op::PlaceTree { .. } | Op::MoveMount { .. }, Errno::INVAL | Errno::NOTDIR) => {
            "a directory can be bound only onto a directory, a file only onto a file"
        }
        (_, Errno::LOOP) => {
            "a link of the image leads to /, into /proc or through a process's own link there: mount onto the name itself"
        }
        (Op::MountSetattr { .. }, Errno::PERM) => {
            "a user namespace may not take away a flag (ro, nosuid, nodev, noexec, an atime) that the host has set"
        }
        (Op::MountSetattr { .. }, Errno::NOSYS) => "attributes of mounts need Linux 5.12 or newer",
        (Op::Users(op::Users::Take { .. }), Errno::INVAL) => {
            "this file system cannot show its files with other owners, on this kernel: bind without idmap"
        }
        (Op::Users(op::Users::Take { .. }), Errno::PERM) => {
            "other owners are given only by root of the machine, and once for each mount"
        }
        (Op::Users(op::Users::Map { .. }), Errno::PERM | Errno::INVAL) => {
            "a range is empty, overlaps another, or names numbers that the caller does not have"
        }
        (Op::Device(op::Device::Open { .. }), Errno::INVAL) => {
            "another file lies there, or a link, or a device of other numbers: remove it from the rootfs"
        }
        (Op::Device(op::Device::Open { .. }), Errno::NOENT) => {
            "files are masked with the container's /dev/null: mount a tmpfs or a devtmpfs at /dev"
        }
        (Op::Fill(_), Errno::NOTDIR) => {
            "the image has a file there, and a volume is a directory: use another place, or nocopy"
        }
        (Op::Fill(_), Errno::NOSPC | Errno::DQUOT) => {
            "what the image has there does not fit beside the volumes: stepbox system df, or nocopy"
        }
        (Op::CopyUp { .. } | Op::Fill(_), Errno::NAMETOOLONG) => {
            "directories are nested more than 200 deep: bind them instead"
        }
        (Op::CopyUp { .. }, Errno::NOSPC) => {
            "what is to be copied does not fit: give the tmpfs a larger size="
        }
        (Op::Tree(op::Tree::Copy { .. }), Errno::NAMETOOLONG) => {
            "directories are nested more than 200 deep: use the storage driver overlay"
        }
        (Op::Tree(_), Errno::NOSPC | Errno::DQUOT) => {
            "the disk that holds the engine's state is full: stepbox system prune, or set STEPBOX_ROOT"
        }
        (Op::Tree(_), Errno::NOTTY) => {
            "the engine's state does not lie on a btrfs: use the storage driver overlay or vfs"
        }
        _ => return None,
    })
}
