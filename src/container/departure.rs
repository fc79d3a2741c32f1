//! Departure: whether the box may leave the engine's program behind by way of another one, and the step that does.
//!
//! ```text
//!   alone until its program runs, and executed twice as good as once?
//!     yes   execveat, execve                       the engine's program is never the container's
//!     no    the engine executes itself first, by a mount that nobody can write through: kernel::binary
//! ```
//!
//! See [`crate::kernel::departure`].

use super::birth;
use crate::kernel::{Op, departure};
use crate::privilege::Privilege;
use crate::privilege::seccomp::lets_pass;
use crate::probe::{Probe, Who};
use crate::spec::{Hooks, Namespace, Spec, Start};
use crate::step::{Plan, Step};

/// Puts the step before the last one, where it is needed and does.
pub(super) fn before_the_program(spec: &Spec, mut plan: Plan) -> Plan {
    if spec.process.engine_in_reach && nobody_comes_before(spec) && changes_nothing(spec) && passes(&plan) {
        let step = Step::new("leave the engine's program behind", Op::Depart)
            .why("an image may call its program /proc/self/exe: that is now a sealed file of memory (CVE-2019-5736)")
            .show(Probe::Process(Who::Box))
            .inside();
        plan.steps.insert(plan.steps.len() - 1, step);
    }
    plan
}

/// Whether this plan's container never comes near the engine's program.
pub fn leaves_the_engine(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.op == Op::Depart)
}

/// Whether until then nobody can look at the box, and no program of the image is started by a copy of it.
fn nobody_comes_before(spec: &Spec) -> bool {
    let alone = spec.namespaces.pid == Namespace::New && !birth::joins(spec);
    let Hooks { prestart, create_runtime, create_container, start_container, directory: _ } = &spec.hooks;
    let hooked = [prestart, create_runtime, create_container, start_container];
    // an init and a messenger are copies of the engine; and who waits to be started waits long
    let copied = spec.process.init || listened_to(&spec.privilege);
    alone && hooked.iter().all(|list| list.is_empty()) && !copied && spec.start == Start::AtOnce
}

fn listened_to(privilege: &Privilege) -> bool {
    privilege.seccomp.as_ref().is_some_and(|profile| profile.listener.is_some())
}

/// Whether two programs, one after the other, come to the same as the second alone. A label is given at the next exec,
/// whichever that is; what a personality becomes depends on the program.
fn changes_nothing(spec: &Spec) -> bool {
    let Privilege { uid, capabilities, apparmor, selinux, .. } = &spec.privilege;
    // capabilities(7), "Transformation of capabilities during execve": for a program without any of its own
    let after = match uid {
        0 => capabilities.bounding | capabilities.inheritable,
        _ => capabilities.ambient,
    };
    let kept = capabilities.permitted == after && capabilities.effective == after;
    kept && apparmor.is_none() && selinux.is_none() && spec.process.personality.is_none()
}

/// Whether the calls that this takes are made, whatever filter the box is under by then.
fn passes(plan: &Plan) -> bool {
    plan.steps.iter().all(|step| match &step.op {
        Op::Seccomp { program, .. } => lets_pass(program, &departure::CALLS),
        _ => true,
    })
}
