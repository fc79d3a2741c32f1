//! Overlay: read-only layers and one writable layer, seen as a single tree.
//!
//! ```text
//!   merged    what the container sees
//!     upper   the only layer written to; a deletion is a character device 0:0
//!     lower   the image's layers, never written
//! ```
//!
//! See mount(2) and the kernel's overlayfs.rst. Lab 08-overlay, tutorials/08-overlay.md.

use std::path::PathBuf;

use crate::kernel::Op;
use crate::step::Step;

/// mount(2) copies its options from one page of memory.
const PAGE: usize = 4095;

/// The directories of one overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// read-only layers, the topmost first
    pub lower: Vec<PathBuf>,
    /// takes every write
    pub upper: PathBuf,
    /// where the kernel prepares what it moves into `upper`; on the same file system
    pub work: PathBuf,
    /// where the tree appears
    pub merged: PathBuf,
    /// keep overlay's own notes in `user.*` attributes, which a user namespace may write
    pub userxattr: bool,
}

impl Overlay {
    // ANCHOR: directories
    /// The writable directories. They are the host's: what a container wrote outlives it.
    pub fn directories(&self) -> [Step; 3] {
        [
            Step::new("make upper", Op::mkdir(&self.upper))
                .why("every write lands here, so upper is the container's diff")
                .undo(Op::RemoveTree { path: (&self.upper).into() }),
            Step::new("make work", Op::mkdir(&self.work))
                .why("copies are finished here, then renamed into upper in one move")
                .undo(Op::RemoveTree { path: (&self.work).into() }),
            self.place(),
        ]
    }

    /// The directory that the mount hides.
    pub fn place(&self) -> Step {
        Step::new("make merged", Op::mkdir(&self.merged))
            .why("a mount needs a directory to hang on")
            .undo(Op::Rmdir { path: (&self.merged).into() })
    }
    // ANCHOR_END: directories

    // ANCHOR: mount
    /// The mount. Where the options do not fit mount(2)'s one page, as with a hundred layers, the new mount API
    /// takes them one by one.
    pub fn mount(&self) -> Vec<Step> {
        self.mount_with("")
    }

    /// The same for an upper layer that will be thrown away: nothing of it is synced to the disk, neither when a
    /// program asks for it nor at the end, when an overlay else syncs the whole file system that upper lies on. The
    /// kernel refuses to mount these directories a second time. Since Linux 5.10.
    pub fn mount_volatile(&self) -> Vec<Step> {
        self.mount_with("volatile")
    }

    fn mount_with(&self, flag: &str) -> Vec<Step> {
        let mut why = "a path is now looked up in upper, then down the lower layers";
        let mut options = self.options();
        if !flag.is_empty() {
            why = "a path is looked up in upper, then in the layers; upper will be thrown away, so sync nothing";
            options = format!("{options},{flag}");
        }
        if options.len() <= PAGE {
            let op = Op::mount("overlay", &self.merged, "overlay", 0, &options);
            return vec![Step::new("mount the overlay", op).why(why).undo(Op::detach(&self.merged))];
        }
        // ANCHOR_END: mount
        let set = |key: &str, value: &PathBuf| {
            let op = Op::FsconfigString { key: key.into(), value: value.into() };
            Step::new("name a layer", op).why("one call per layer: no limit of one page")
        };
        let mut steps = vec![
            Step::new("open an overlay", Op::Fsopen { kind: "overlay".into() })
                .why("the new mount API: first a descriptor, then its settings, a mount at the end"),
        ];
        steps.extend(self.lower.iter().map(|layer| set("lowerdir+", layer)));
        steps.extend([set("upperdir", &self.upper), set("workdir", &self.work)]);
        if self.userxattr {
            let op = Op::FsconfigFlag { key: "userxattr".into() };
            let why = "trusted attributes are real root's: a user namespace may not write them";
            steps.push(Step::new("keep notes in user attributes", op).why(why));
        }
        if !flag.is_empty() {
            let op = Op::FsconfigFlag { key: flag.into() };
            steps.push(Step::new("sync nothing", op).why("upper will be thrown away"));
        }
        steps.push(
            Step::new("create the overlay", Op::FsconfigCreate)
                .why("only now does the kernel open the layers, and judge them together"),
        );
        steps.push(
            Step::new("make a mount of it", Op::Fsmount)
                .why("a mount that hangs nowhere yet: no path leads to it"),
        );
        let op = Op::MoveMount { target: (&self.merged).into() };
        steps.push(Step::new("mount the overlay", op).why(why).undo(Op::detach(&self.merged)));
        steps
    }

    fn options(&self) -> String {
        let lower: Vec<String> = self.lower.iter().map(|path| escape(path)).collect();
        let (lower, upper, work) = (lower.join(":"), escape(&self.upper), escape(&self.work));
        let userxattr = if self.userxattr { ",userxattr" } else { "" };
        format!("lowerdir={lower},upperdir={upper},workdir={work}{userxattr}")
    }
}

/// `:` parts layers and `,` parts options, so inside a path both carry a backslash.
fn escape(path: &std::path::Path) -> String {
    let path = path.to_string_lossy();
    path.replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,")
}
