//! Asking the kernel over netlink, inside the namespace that is looked at: everything of one kind.
//!
//! ```text
//!   question, NLM_F_DUMP ──> kernel        answers, in several datagrams <── NLMSG_DONE
//! ```
//!
//! See netlink(7).

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::{Who, fact};
use crate::kernel::{CText, flags, process, socket};
use crate::trace::Fact;

/// What is seen in somebody's network namespace.
pub(super) fn inside(
    who: &Who,
    box_pid: Option<i32>,
    facts: impl FnOnce() -> Vec<Fact>,
) -> Option<Vec<Fact>> {
    let look = || lines(facts());
    let bytes = match who {
        Who::Host => look(),
        Who::Box => process::inside(box_pid?, flags::NEWNET, look).ok()?,
        Who::Namespace(path) => process::inside_file(CText::from(path).as_c_str(), look).ok()?,
    };
    let text = String::from_utf8(bytes).ok()?;
    Some(text.lines().filter_map(|line| line.split_once('\t')).map(|(key, value)| fact(key, value)).collect())
}

/// Facts on their way out of the forked child: one line each.
fn lines(facts: Vec<Fact>) -> Vec<u8> {
    facts.iter().flat_map(|fact| format!("{}\t{}\n", fact.key, fact.value).into_bytes()).collect()
}

/// Asks for everything of one kind; the answer comes in several datagrams and ends with NLMSG_DONE.
pub(super) fn everything<M>(protocol: i32, question: M) -> Result<Vec<M>, Errno>
where
    M: NetlinkSerializable + NetlinkDeserializable + Into<NetlinkPayload<M>>,
{
    let socket = socket::open_netlink(protocol)?;
    let mut message = NetlinkMessage::from(question);
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    rustix::net::send(&socket, &bytes, SendFlags::empty())?;
    let (mut answers, mut bytes) = (Vec::new(), vec![0u8; 64 << 10]);
    loop {
        let (count, _) = rustix::net::recv(&socket, &mut bytes[..], RecvFlags::empty())?;
        let mut rest = &bytes[..count];
        while !rest.is_empty() {
            let message = NetlinkMessage::<M>::deserialize(rest).map_err(|_| Errno::PROTO)?;
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(Errno::from_raw_os_error(-error.raw_code())),
                _ => {}
            }
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length.max(16)..).unwrap_or_default();
        }
    }
}
