//! How the operations around mounts are printed.

use std::fmt;

use crate::kernel::flags::{self, decode};
use crate::kernel::op::{self, MountAt, Op};

impl Op {
    pub(super) fn fmt_mount(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match self {
            MountSetattr { on, set, clear, propagation, recursive } => {
                let (attributes, travel) = (flags::MOUNT_ATTRIBUTES, flags::MOUNT);
                let changes: Vec<String> = [
                    ("attr_set", *set, attributes),
                    ("attr_clr", *clear, attributes),
                    ("propagation", *propagation, travel),
                ]
                .into_iter()
                .filter(|(_, bits, _)| *bits != 0)
                .map(|(field, bits, names)| format!("{field}={}", decode(bits, names)))
                .collect();
                let (place, how) = match on {
                    MountAt::Slot(_) => ("tree, \"\"".into(), "AT_EMPTY_PATH"),
                    MountAt::Path(path) => (format!("AT_FDCWD, {path}"), ""),
                };
                let how = match (how, *recursive) {
                    ("", true) => "AT_RECURSIVE".into(),
                    ("", false) => "0".into(),
                    (how, true) => format!("{how}|AT_RECURSIVE"),
                    (how, false) => how.to_string(),
                };
                write!(f, "mount_setattr({place}, {how}, {{{}}})", changes.join(", "))
            }
            Users(op::Users::Take { recursive, .. }) => {
                let all = if *recursive { "|AT_RECURSIVE" } else { "" };
                let change = "{attr_set=MOUNT_ATTR_IDMAP, userns_fd=users}";
                write!(f, "mount_setattr(tree, \"\", AT_EMPTY_PATH{all}, {change})")
            }
            Tree(op::Tree::Copy { from, to }) => write!(f, "copy_file_range({from}, {to}, and all below)"),
            Tree(op::Tree::Subvolume { path }) => {
                write!(f, "ioctl(BTRFS_IOC_SUBVOL_CREATE, {{name={path}}})")
            }
            Tree(op::Tree::Snapshot { from, to }) => {
                write!(f, "ioctl(BTRFS_IOC_SNAP_CREATE_V2, {{fd={from}, name={to}}})")
            }
            Users(op::Users::Hold) => {
                f.write_str("clone3({flags=CLONE_PIDFD|CLONE_NEWUSER, exit_signal=SIGCHLD})")
            }
            Users(op::Users::Map { file, map }) => {
                write!(f, "write(\"/proc/[HELD]/{}\", {map})", file.as_path().display())
            }
            Users(op::Users::Keep) => {
                f.write_str("openat(AT_FDCWD, \"/proc/[HELD]/ns/user\", O_RDONLY|O_CLOEXEC)")
            }
            Users(op::Users::Open { path }) => write!(f, "openat(AT_FDCWD, {path}, O_RDONLY|O_CLOEXEC)"),
            Device(op::Device::Open { path, major, minor, .. }) => {
                write!(f, "openat(AT_FDCWD, {path}, O_PATH|O_NOFOLLOW) /* which must be {major}:{minor} */")
            }
            Device(op::Device::Place { target }) => {
                write!(f, "move_mount(device, \"\", AT_FDCWD, {target}, MOVE_MOUNT_F_EMPTY_PATH)")
            }
            Device(op::Device::Terminal { .. }) => {
                f.write_str("open_tree(terminal, \"\", OPEN_TREE_CLONE|AT_EMPTY_PATH)")
            }
            OpenTheirs(op::Theirs { peer, user, source, .. }) => {
                if *user {
                    write!(f, "setns(pidfd_open({}), CLONE_NEWUSER), ", peer.pid)?;
                }
                write!(f, "setns(pidfd_open({}), CLONE_NEWNS), ", peer.pid)?;
                write!(f, "open_tree(AT_FDCWD, {source}, OPEN_TREE_CLONE|AT_RECURSIVE)")
            }
            OpenWithin(op::Within { root, part, .. }) => {
                write!(
                    f,
                    "openat2({root}, {part}, {{flags=O_PATH, resolve=RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS}}), "
                )?;
                f.write_str("open_tree(part, \"\", OPEN_TREE_CLONE|AT_EMPTY_PATH)")
            }
            CopyUp(from) | Fill(op::Fill { from, .. }) => {
                write!(f, "openat(AT_FDCWD, {from}, O_RDONLY|O_DIRECTORY) /* and copy all */")
            }
            other => other.fmt_cgroup(f),
        }
    }
}
