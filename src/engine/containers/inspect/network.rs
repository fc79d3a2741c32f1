//! `NetworkSettings`: where a container can be reached, as Docker calls it, in Docker's order.
//!
//! Networks have no ids of their own in this version: these are empty. See the Docker Engine API (ContainerInspect).

use serde_json::{Map, Value, json};

use crate::engine::containers::Record;
use crate::engine::network::{Held, held_by};
use crate::engine::ports::{self, Mapping};
use crate::engine::state::State;
use crate::kernel::netlink::Mac;

/// Everything that is known of its network; `pid` is its program's, 0 where it does not run.
pub fn settings(state: &State, record: &Record, pid: i32) -> Value {
    let owner = record.life.owner.as_ref().filter(|_| pid != 0);
    let held = owner.and_then(|owner| held_by(state, owner.pid));
    let key = if pid == 0 { String::new() } else { format!("/proc/{pid}/ns/net") };
    let mut done = Map::new();
    let mut put = |fields: Vec<(&str, Value)>| {
        done.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    };
    put(vec![
        ("Bridge", "".into()),
        ("SandboxID", "".into()),
        ("HairpinMode", false.into()),
        ("LinkLocalIPv6Address", "".into()),
        ("LinkLocalIPv6PrefixLen", 0.into()),
        ("Ports", ports(state, record)),
        ("SandboxKey", key.into()),
        ("SecondaryIPAddresses", Value::Null),
        ("SecondaryIPv6Addresses", Value::Null),
        ("EndpointID", "".into()),
    ]);
    let Addresses { gateway, address, prefix, mac } = Addresses::of(held, record.request.mac);
    put(vec![
        ("Gateway", gateway.as_str().into()),
        ("GlobalIPv6Address", "".into()),
        ("GlobalIPv6PrefixLen", 0.into()),
        ("IPAddress", address.as_str().into()),
        ("IPPrefixLen", prefix.into()),
        ("IPv6Gateway", "".into()),
        ("MacAddress", mac.as_str().into()),
    ]);
    let mut networks = Map::new();
    if let Some(name) = record.request.peers.network_name() {
        let network = json!({
            "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": "", "EndpointID": "",
            "Gateway": gateway, "IPAddress": address, "IPPrefixLen": prefix, "IPv6Gateway": "",
            "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": mac, "DriverOpts": null,
        });
        networks.insert(name.into(), network);
    }
    put(vec![("Networks", Value::Object(networks))]);
    Value::Object(done)
}

/// What can be reached, each with where on the host it is published, or null.
fn ports(state: &State, record: &Record) -> Value {
    let mut reachable = ports::reachable(state, record);
    // as Docker: by the name; those of one name in the order in which they were given
    reachable.sort_by_key(Mapping::name);
    let mut shown = Map::new();
    for port in reachable {
        let on = shown.entry(port.name()).or_insert(Value::Null);
        if let Some(host) = port.host {
            let host = json!({"HostIp": host.ip().to_string(), "HostPort": host.port().to_string()});
            match on.as_array_mut() {
                Some(hosts) => hosts.push(host),
                None => *on = json!([host]),
            }
        }
    }
    Value::Object(shown)
}

/// As texts; empty where it has none.
#[derive(Default)]
struct Addresses {
    gateway: String,
    address: String,
    prefix: u8,
    mac: String,
}

impl Addresses {
    fn of(held: Option<Held>, mac: Option<Mac>) -> Addresses {
        let Some(Held { address, gateway, prefix }) = held else { return Addresses::default() };
        Addresses {
            gateway: gateway.to_string(),
            address: address.to_string(),
            prefix,
            mac: mac.unwrap_or_else(|| Mac::of(address)).to_string(),
        }
    }
}
