//! Hints for networks: links, addresses, routes, the packet filter, and ports of the host.

use crate::kernel::{Errno, Op};

/// The cause and the remedy.
pub(super) fn hint(op: &Op, errno: Errno) -> Option<&'static str> {
    Some(match (op, errno) {
        (Op::Netlink(_), Errno::PERM) => {
            "changing a network needs CAP_NET_ADMIN over its namespace: run as root, or use --network none"
        }
        (Op::Netlink(_), Errno::NETUNREACH) => {
            "a route's gateway must be a neighbour: give the link its address and switch it on first"
        }
        (Op::Nft(_), Errno::PERM) => {
            "changing the packet filter needs CAP_NET_ADMIN over its namespace: run as root"
        }
        (Op::Nft(_), Errno::OPNOTSUPP | Errno::NOENT | Errno::PROTONOSUPPORT) => {
            "this kernel lacks nf_tables or its NAT: as root, modprobe nft_chain_nat nft_masq nft_nat nft_fib_ipv4"
        }
        (Op::Nft(_), Errno::EXIST) => {
            "left by an earlier run that was killed? stepbox clean removes the table"
        }
        (Op::Nft(_), Errno::MSGSIZE | Errno::NOBUFS) => {
            "so many ports do not fit in one message: publish fewer, or raise net.core.wmem_max"
        }
        (Op::Netlink(_), Errno::NODEV) => "no link of that name is in this network namespace",
        (Op::Netlink(_), Errno::OPNOTSUPP) => "this kernel lacks that kind of link: load its module as root",
        (Op::Netlink(_), Errno::EXIST) => {
            "the link, address or route is there already: stepbox clean removes leftovers"
        }
        (Op::Listen(_), Errno::ADDRINUSE) => {
            "port already allocated: another program or container has it: ss -lntup names it; choose another port of \
             the host"
        }
        (Op::Listen(_), Errno::ACCESS) => {
            "ports below net.ipv4.ip_unprivileged_port_start (1024) are root's: choose a higher port of the host, run \
             as root, or sysctl -w net.ipv4.ip_unprivileged_port_start=0"
        }
        (Op::Listen(_), Errno::ADDRNOTAVAIL) => {
            "this machine has no such address: ip address lists those it has; without an address, all of them are meant"
        }
        (Op::Listen(_), Errno::AFNOSUPPORT) => {
            "this kernel has no IPv6, or it is switched off: publish on an IPv4 address, as 0.0.0.0"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::hint;
    use super::*;
    use crate::kernel::netlink::Request;
    use crate::kernel::nft::Batch;
    use crate::kernel::op::{Listen, Protocol};

    #[test]
    fn every_error_of_a_network_has_a_remedy() {
        let link = || Op::Netlink(Request::SetUp { link: "eth0".into() });
        let table = || Op::Nft(Box::new(Batch::DeleteTable { table: "t".into() }));
        let listen = || {
            let address = "0.0.0.0:80".parse().expect("an address");
            Op::Listen(Listen { address, protocol: Protocol::Tcp, slot: 0 })
        };
        let met = [
            (link(), Errno::PERM, "--network none"),
            (link(), Errno::NODEV, "no link of that name"),
            (link(), Errno::EXIST, "stepbox clean"),
            (table(), Errno::PERM, "run as root"),
            (table(), Errno::OPNOTSUPP, "modprobe"),
            (table(), Errno::NOENT, "nft_fib_ipv4"),
            (table(), Errno::EXIST, "stepbox clean"),
            (table(), Errno::MSGSIZE, "publish fewer"),
            (listen(), Errno::ADDRINUSE, "port already allocated"),
            (listen(), Errno::ADDRINUSE, "choose another port"),
            (listen(), Errno::ACCESS, "ip_unprivileged_port_start"),
            (listen(), Errno::ADDRNOTAVAIL, "ip address"),
            (listen(), Errno::AFNOSUPPORT, "0.0.0.0"),
            (listen(), Errno::MFILE, "ulimit -n"),
        ];
        for (op, errno, remedy) in met {
            let said = hint(&op, errno).unwrap_or("no hint");
            assert!(said.contains(remedy), "{op} = {errno}: {said}");
        }
    }
}
