//! Ports of the host, as operations name them.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What carries a port: each protocol counts its ports by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// streams: tcp(7)
    Tcp,
    /// datagrams: udp(7)
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// A socket that has a port of the host, and listens there if it is one that can: socket(2), bind(2), listen(2). It is
/// the host's: a box cannot take one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// the address and the port; an address of zeros stands for all of its family, and of that alone
    pub address: SocketAddr,
    /// which protocol's port
    pub protocol: Protocol,
    /// the number under which it is kept: see [`crate::kernel::listeners::Listeners`]
    pub slot: usize,
}

/// The call that can fail, as strace prints it.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, port) = (self.protocol, self.address.port());
        match self.address {
            SocketAddr::V4(address) => write!(
                f,
                "bind({protocol}, {{sa_family=AF_INET, sin_port=htons({port}), sin_addr=inet_addr(\"{}\")}})",
                address.ip()
            )?,
            SocketAddr::V6(address) => write!(
                f,
                "bind({protocol}, {{sa_family=AF_INET6, sin6_port=htons({port}), inet_pton(AF_INET6, \"{}\")}})",
                address.ip()
            )?,
        }
        match protocol {
            Protocol::Tcp => f.write_str(", listen(tcp)"),
            Protocol::Udp => Ok(()),
        }
    }
}
