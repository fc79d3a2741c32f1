//! Network: the default bridge's subnet, and an address for each container.
//!
//! A lease is a file named by the address that holds the process id of the engine that took it. It is taken under
//! a lock; a lease whose engine has died is free again.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::ports::given;
use super::state::State;
use crate::kernel::Op;
use crate::kernel::netlink::{Mac, Request};
use crate::kernel::nft::Batch;
use crate::launch::{Answer, perform_undo};
use crate::spec::Net;
use crate::veth::Network;

/// The default bridge.
pub const BRIDGE: &str = "stepbox0";
const PREFIX: u8 = 16;

/// Why no network can be had.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// only root may make a bridge
    #[error(
        "--network bridge needs root, because only root may add links to this machine; without it use --network none or host"
    )]
    NotRoot,
    /// an address on the wire, where there is none
    #[error("conflicting options: mac-address and the network mode: only what is on a bridge has one")]
    NoCable,
    /// every subnet of the pool is in use
    #[error("all subnets from 172.17.0.0/16 to 172.31.0.0/16 are in use on this machine: ip route")]
    NoSubnet,
    /// every address is taken
    #[error("all addresses of {0} are taken: stepbox clean frees those of dead containers")]
    NoAddress(String),
    /// the lease files
    #[error("cannot take an address: {0}")]
    Lease(#[from] std::io::Error),
}

/// Takes an address on the default bridge and describes bridge and port, with this address on the wire or one that
/// follows from the other.
pub fn take_port(state: &State, id: &str, mac: Option<Mac>) -> Result<Net, NetworkError> {
    let leases = state.leases();
    std::fs::create_dir_all(&leases)?;
    let _lock = lock(state)?;
    let subnet = subnet(state)?;
    let gateway = address(subnet, 1);
    for host in 2..u16::MAX - 1 {
        let address = address(subnet, host);
        let lease = leases.join(address.to_string());
        if !taken(&lease) {
            std::fs::write(&lease, std::process::id().to_string()).inspect_err(|_| {
                // a full disk
                let _ = std::fs::remove_file(&lease);
            })?;
            let network = Network { bridge: BRIDGE.into(), gateway, prefix: PREFIX, shared: true };
            let mut port = network.port(format!("veth{}", &id[..8]), address);
            port.mac = mac.unwrap_or(port.mac);
            return Ok(Net::Bridge { network, port, lease, holder: std::process::id() });
        }
    }
    Err(NetworkError::NoAddress(format!("{subnet}/{PREFIX}")))
}

/// The lock of all leases, held until the file is closed.
pub(super) fn lock(state: &State) -> std::io::Result<File> {
    let lock =
        File::options().create(true).truncate(false).write(true).open(state.run.join("leases.lock"))?;
    lock.lock()?;
    Ok(lock)
}

fn address(subnet: Ipv4Addr, host: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet) | u32::from(host))
}

/// An address on the default bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// the address
    pub address: Ipv4Addr,
    /// the bridge's own
    pub gateway: Ipv4Addr,
    /// how many bits of them name the network
    pub prefix: u8,
}

/// The address that the process of this number holds.
pub fn held_by(state: &State, holder: i32) -> Option<Held> {
    let leases = std::fs::read_dir(state.leases()).ok()?.flatten();
    let mut held = leases.filter(|lease| {
        std::fs::read_to_string(lease.path()).is_ok_and(|pid| pid.trim().parse() == Ok(holder))
    });
    let address: Ipv4Addr = held.next()?.file_name().to_str()?.parse().ok()?;
    let subnet = Ipv4Addr::from(u32::from(address) & (u32::MAX << (32 - PREFIX)));
    Some(Held { address, gateway: self::address(subnet, 1), prefix: PREFIX })
}

fn taken(lease: &Path) -> bool {
    match std::fs::read_to_string(lease) {
        Ok(pid) => Path::new(&format!("/proc/{}", pid.trim())).exists(),
        Err(_) => false,
    }
}

/// The default bridge's subnet: what it has, else the first of Docker's pool that no route of this machine uses.
fn subnet(state: &State) -> Result<Ipv4Addr, NetworkError> {
    let note = state.run.join("subnet");
    if Path::new("/sys/class/net").join(BRIDGE).exists()
        && let Ok(text) = std::fs::read_to_string(&note)
        && let Ok(subnet) = text.trim().parse()
    {
        return Ok(subnet);
    }
    let used = used_networks();
    let free = (17..=31).map(|second| Ipv4Addr::new(172, second, 0, 0)).find(|subnet| {
        let number = u32::from(*subnet);
        !used.iter().any(|(net, mask)| number & mask == *net || net & 0xffff_0000 == number)
    });
    let subnet = free.ok_or(NetworkError::NoSubnet)?;
    // a table that outlived its bridge may speak of another subnet
    if let Answer::Error(errno) = perform_undo(&delete_table(), None) {
        return Err(std::io::Error::from(errno).into());
    }
    std::fs::write(note, subnet.to_string())?;
    Ok(subnet)
}

fn delete_table() -> Op {
    let network =
        Network { bridge: BRIDGE.into(), gateway: Ipv4Addr::UNSPECIFIED, prefix: PREFIX, shared: true };
    Op::Nft(Box::new(Batch::DeleteTable { table: network.table() }))
}

/// Networks that have a route here, as number and mask; the default route does not count.
fn used_networks() -> Vec<(u32, u32)> {
    let text = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::swap_bytes);
    let row = |line: &str| {
        let row: Vec<&str> = line.split_whitespace().collect();
        let (net, mask) = (number(row.get(1)?)?, number(row.get(7)?)?);
        (mask != 0 && row.first() != Some(&BRIDGE)).then_some((net, mask))
    };
    text.lines().skip(1).filter_map(row).collect()
}

/// Frees the addresses and the ports of engines that died; how many addresses it were.
pub fn free_dead_leases(state: &State) -> std::io::Result<usize> {
    given::dead(state)?.iter().try_for_each(|note| given::free(note))?;
    let dead = dead_leases(state).into_iter();
    dead.map(std::fs::remove_file).try_fold(0, |count, removed| removed.map(|()| count + 1))
}

/// The leases of engines that died.
pub fn dead_leases(state: &State) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(state.leases()).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| !taken(path)).collect()
}

/// Gives an address back that was taken for a plan that was not launched, or not as far as the step whose undo
/// does it. A lease that is another's by now stays.
pub fn give_back(net: &Net) -> std::io::Result<()> {
    match net {
        Net::Bridge { lease, .. } => match std::fs::read_to_string(lease) {
            Ok(pid) if pid.trim() == std::process::id().to_string() => std::fs::remove_file(lease),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        },
        Net::Host | Net::None | Net::Join(_) => Ok(()),
    }
}

/// Takes the default bridge and its masquerade away when no container is plugged into it.
pub fn remove_unused(state: &State) -> std::io::Result<bool> {
    // whoever takes an address meanwhile makes the bridge anew, or has one already
    let _lock = lock(state)?;
    let ports = Path::new("/sys/class/net").join(BRIDGE).join("brif");
    let note = state.run.join("subnet");
    // the note says that the bridge is ours
    if !note.exists() || std::fs::read_dir(ports).is_ok_and(|mut ports| ports.next().is_some()) {
        return Ok(false);
    }
    if std::fs::read_dir(state.leases()).is_ok_and(|mut leases| leases.next().is_some()) {
        return Ok(false);
    }
    let link = Op::Netlink(Request::DeleteLink { name: BRIDGE.into() });
    for op in [link, delete_table()] {
        if let Answer::Error(errno) = perform_undo(&op, None) {
            return Err(errno.into());
        }
    }
    std::fs::remove_file(note)?;
    Ok(true)
}
