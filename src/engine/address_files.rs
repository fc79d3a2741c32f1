//! Address files: /etc/hosts, /etc/hostname and /etc/resolv.conf of one container.
//!
//! ```text
//!   hosts         127.0.0.1 localhost …, 172.17.0.2 red.example.org red, --add-host
//!   resolv.conf   search --dns-search, nameserver --dns, options --dns-option; what is not asked for, as the host has it
//! ```
//!
//! See hosts(5), resolv.conf(5). What a name or an option may hold is checked where it is asked for, so that none can
//! bring a line of its own.

use std::path::{Path, PathBuf};

use super::describe::Place;
use super::request::{HostAddress, Lookup, Request};
use super::run::RunError;
use crate::rootfs::Mount;
use crate::spec::Net;

/// Files to write, each with its text, and the binds that show them.
pub type Files = (Vec<(PathBuf, String)>, Vec<Mount>);

/// The files to write into the container's directory, and the binds that show them at their places.
pub fn files(
    place: &Place,
    request: &Request,
    directory: &Path,
    hostname: Option<&str>,
) -> Result<Files, RunError> {
    let mut files = Vec::new();
    if let Some(name) = hostname {
        files.push(("hostname", format!("{name}\n")));
    }
    if let Some(text) = hosts(place, request, hostname)? {
        files.push(("hosts", text));
    }
    files.push(("resolv.conf", resolvers(place, &request.lookup)));
    let bind =
        |(name, _): &(&str, String)| Mount::bind(directory.join(name), Path::new("/etc").join(name), false);
    let binds = files.iter().map(bind).collect();
    Ok((files.into_iter().map(|(name, text)| (directory.join(name), text)).collect(), binds))
}

/// Those of the container in this directory: who shares its network shares its names.
pub fn of_another(directory: &Path) -> Vec<Mount> {
    let bind = |name: &&str| Mount::bind(directory.join(name), Path::new("/etc").join(name), false);
    let there = |name: &&str| directory.join(name).exists();
    ["hostname", "hosts", "resolv.conf"].iter().filter(|name| there(name)).map(bind).collect()
}

/// The host's own where the network is the host's, as Docker has it; none where that has none either.
fn hosts(place: &Place, request: &Request, hostname: Option<&str>) -> Result<Option<String>, RunError> {
    let mut text = match (&place.net, hostname) {
        (Net::Host, _) => place.hosts.clone(),
        (_, Some(_)) => String::from(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n\
             ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
        ),
        (_, None) => String::new(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if let (Net::Bridge { port, .. }, Some(name)) = (&place.net, hostname) {
        let domain = request.domainname.as_ref().map(|domain| format!(".{domain}")).unwrap_or_default();
        let whole = format!("{name}{domain}");
        let short = whole.split_once('.').map(|(short, _)| format!(" {short}")).unwrap_or_default();
        text.push_str(&format!("{}\t{whole}{short}\n", port.address));
    }
    for (name, address) in &request.lookup.hosts {
        let address = match (address, &place.net) {
            (HostAddress::Ip(address), _) => address.to_string(),
            (HostAddress::Gateway, Net::Bridge { network, .. }) => network.gateway.to_string(),
            (HostAddress::Gateway, _) => return Err(RunError::NoGateway),
        };
        text.push_str(&format!("{address}\t{name}\n"));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// The host's, but for what was asked for; and of the host's only whom the container can reach.
fn resolvers(place: &Place, lookup: &Lookup) -> String {
    let asked = !(lookup.servers.is_empty() && lookup.search.is_empty() && lookup.options.is_empty());
    let hosts = match &place.net {
        Net::Host => place.resolvers.clone(),
        Net::Bridge { .. } => reachable(&place.resolvers),
        Net::None | Net::Join(_) if asked => String::new(),
        Net::None | Net::Join(_) => "# no network\n".into(),
    };
    if !asked {
        return hosts;
    }
    let kept = |keywords: &[&str]| -> String {
        let kept = |line: &&str| keywords.contains(&line.split_whitespace().next().unwrap_or_default());
        hosts.lines().filter(kept).map(|line| format!("{line}\n")).collect()
    };
    let servers = lookup.servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    let search = match lookup.search.as_slice() {
        [dot] if dot == "." => String::new(),
        domains => format!("search {}\n", domains.join(" ")),
    };
    let options = format!("options {}\n", lookup.options.join(" "));
    let choose = |own: String, empty: bool, keywords| if empty { kept(keywords) } else { own };
    [
        choose(search, lookup.search.is_empty(), &["search", "domain"]),
        choose(servers, lookup.servers.is_empty(), &["nameserver"]),
        choose(options, lookup.options.is_empty(), &["options"]),
    ]
    .concat()
}

/// The host's resolvers but for those on its loopback, which a container cannot reach.
fn reachable(resolvers: &str) -> String {
    let reachable = |line: &&str| match line.trim().strip_prefix("nameserver") {
        Some(address) => !address.trim().starts_with("127.") && address.trim() != "::1",
        None => true,
    };
    resolvers.lines().filter(reachable).map(|line| format!("{line}\n")).collect()
}
