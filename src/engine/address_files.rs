//! Address files: /etc/hosts, /etc/hostname and /etc/resolv.conf of one container.

use std::path::{Path, PathBuf};

use crate::rootfs::Mount;
use crate::spec::Net;

/// The files to write into the container's directory, and the binds that show them at their places.
/// `resolvers` is the host's resolv.conf.
pub fn files(
    directory: &Path,
    hostname: Option<&str>,
    net: &Net,
    resolvers: &str,
) -> (Vec<(PathBuf, String)>, Vec<Mount>) {
    let mut files = Vec::new();
    if let Some(name) = hostname {
        files.push(("hostname", format!("{name}\n")));
        files.push(("hosts", hosts(name, net)));
    }
    match net {
        Net::Host => files.push(("resolv.conf", resolvers.into())),
        Net::None | Net::Join(_) => files.push(("resolv.conf", "# no network\n".into())),
        Net::Bridge { .. } => files.push(("resolv.conf", reachable(resolvers))),
    }
    let bind =
        |(name, _): &(&str, String)| Mount::bind(directory.join(name), Path::new("/etc").join(name), false);
    let binds = files.iter().map(bind).collect();
    (files.into_iter().map(|(name, text)| (directory.join(name), text)).collect(), binds)
}

/// Those of the container in this directory: who shares its network shares its names.
pub fn of_another(directory: &Path) -> Vec<Mount> {
    let bind = |name: &&str| Mount::bind(directory.join(name), Path::new("/etc").join(name), false);
    let there = |name: &&str| directory.join(name).exists();
    ["hostname", "hosts", "resolv.conf"].iter().filter(|name| there(name)).map(bind).collect()
}

fn hosts(name: &str, net: &Net) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n",
    );
    if let Net::Bridge { port, .. } = net {
        text.push_str(&format!("{}\t{name}\n", port.address));
    }
    text
}

/// The host's resolvers but for those on its loopback, which a container cannot reach.
fn reachable(resolvers: &str) -> String {
    let reachable = |line: &&str| match line.trim().strip_prefix("nameserver") {
        Some(address) => !address.trim().starts_with("127.") && address.trim() != "::1",
        None => true,
    };
    resolvers.lines().filter(reachable).map(|line| format!("{line}\n")).collect()
}
