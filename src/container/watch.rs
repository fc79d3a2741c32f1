//! Watch: whoever wants to hear of a process's end without being its parent gets a pidfd of it.

use crate::kernel::Op;
use crate::kernel::op::Watcher;
use crate::spec::Process;
use crate::step::Step;

/// Before the clone: in the container the socket's name would lead elsewhere, and who is not there is missed early.
pub fn call(process: &Process) -> Option<Step> {
    let path = process.pidfd_socket.as_ref()?.into();
    let why = "somebody else will wait for the box, and listens under a name of the host";
    Some(Step::new("call who watches", Op::Watcher(Watcher::Call { path })).why(why))
}

/// When the box is all but done. `text` says what kind of process it is, in runc's words.
pub fn tell(process: &Process, text: &str) -> Option<Step> {
    process.pidfd_socket.as_ref()?;
    let why = "a number could be another's by the time it is looked up; this stays the box";
    Some(Step::new("hand out a pidfd", Op::Watcher(Watcher::Tell { text: text.into() })).why(why))
}
