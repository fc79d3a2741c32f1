//! Filling: a container is made and does not start yet; its volumes that are empty get what the image has.
//!
//! ```text
//!   host                                 box
//!   clone3 ───────────────────────────>  a mount namespace of its own
//!                                        layers, volumes opened, pivot: names mean the image
//!                                        copy
//!   unlink the marks   <── it has ended
//! ```
//!
//! The same steps as in a run, and nothing else of it: no program of the image runs. Lab 12-storage,
//! tutorials/12-storage.md.

use super::{begin, birth};
use crate::kernel::Op;
use crate::kernel::flags::{NEWNS, NEWUSER};
use crate::spec::{Life, Spec};
use crate::step::{Plan, Step};
use crate::{chroot, rootfs};

/// The steps that fill the empty volumes of a container that does not start yet; none where there is nothing to fill.
pub fn filling(spec: &Spec) -> Option<Plan> {
    let users = &spec.namespaces.user;
    let flags = NEWNS | if users.is_new() { NEWUSER } else { 0 };
    let clone = Step::new("clone a box", Op::Clone { flags })
        .why("what is mounted in its namespace goes with it, and a link of the image leads nowhere else");
    let leave = Step::new("leave", Op::Exit { code: 0 }).why("there is nothing to run yet");
    let ended = Step::new("wait for its end", Op::WaitBox).why("then everything is copied");
    let marks = rootfs::filled(&spec.rootfs);
    (!marks.is_empty()).then(|| {
        Plan::default()
            .act("the volumes are filled", "Once, when the container is made.")
            .then([clone])
            .then(birth::id_maps(users))
            .inside(begin::habits(Life::OfTheEngine))
            .inside(rootfs::assemble_to_fill(&spec.rootfs))
            .inside(chroot::exchange(spec.rootfs.tree()))
            .inside(chroot::leave_old_root())
            .inside(rootfs::fill(&spec.rootfs))
            .inside([leave])
            .then([ended])
            .then(marks)
    })
}
