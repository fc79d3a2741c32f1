//! The toy host: a user, mount, PID, network, UTS and IPC namespace that plays the host of a lab.
//!
//! ```text
//!   the machine ── clone3 ──> toy host   root inside, nobody in particular outside
//!                               own /proc, own /tmp, host name "host"
//!                               eth0 203.0.113.2/24 ═══ wan0 203.0.113.1 in namespace "internet"
//! ```
//!
//! A lab in it needs no root, touches nothing of the machine, and prints the same everywhere. It is made by the
//! same engine as everything else: a plan whose last step executes the lab again, inside.

use std::ffi::OsString;
use std::path::Path;

use rustix::fd::AsRawFd;

use crate::chroot;
use crate::kernel::flags::{NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER, NEWUTS};
use crate::kernel::netlink::{Netns, Peer, Request};
use crate::kernel::op::Exec;
use crate::kernel::{CText, Op};
use crate::launch::{LaunchError, launch};
use crate::namespaces;
use crate::step::{Plan, Step};
use crate::userns;

/// Set in the environment of a lab that runs in a toy host.
pub const MARK: &str = "STEPBOX_TOY_HOST";
/// The directory where a lab works in a toy host.
pub const LAB: &str = "/tmp/lab";
/// Where the toy host keeps names of network namespaces.
pub const NETNS: &str = "/tmp/netns";

/// Whether this process already runs in a toy host.
pub fn inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// The plan of the toy host, without a cgroup namespace: limits are the machine's own also for a toy, and under
/// version 2 nobody moves a process to or from a cgroup that lies outside of his namespace (cgroup_namespaces(7)).
///
/// The steps: namespaces, then what makes them look like a machine, then the program again.
pub fn plan(uid: u32, gid: u32, exec: Exec) -> Plan {
    let all = NEWUSER | NEWNS | NEWPID | NEWNET | NEWUTS | NEWIPC;
    Plan::default()
        .then(Step::new("clone the toy host", Op::Clone { flags: all }))
        .then(userns::map_root(uid, gid))
        .inside(machine())
        .inside(internet())
        .inside(Step::new("run the lab in it", Op::Exec(exec)))
}

fn machine() -> [Step; 8] {
    [
        Step::new("die with the machine's side", Op::ParentDeathSignal { signal: libc::SIGKILL }),
        chroot::private(),
        namespaces::own_proc("/proc".as_ref()),
        Step::new(
            "mount its own /tmp",
            Op::mount("tmpfs", "/tmp", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "mode=1777"),
        ),
        Step::new("make the lab's directory", Op::mkdir(LAB)),
        Step::new("work there", Op::Chdir { path: LAB.into() }),
        namespaces::hostname("host"),
        Step::new("start its loopback", Op::Netlink(Request::SetUp { link: "lo".into() })),
    ]
}

/// The namespace of birth becomes the internet; the toy host moves to a second one and is wired to it.
fn internet() -> Vec<Step> {
    let (internet, host) = (format!("{NETNS}/internet"), format!("{NETNS}/host"));
    let keep = |path: &str| Op::bind("/proc/self/ns/net", path, 0);
    let net = |name, request| Step::new(name, Op::Netlink(request));
    let up = |link: &str| Request::SetUp { link: link.into() };
    let address = |link: &str, last| {
        let address = std::net::Ipv4Addr::new(203, 0, 113, last);
        Request::AddAddress { link: link.into(), address, prefix: 24 }
    };
    let peer = Peer { name: "eth0".into(), netns: Netns::Path(host.clone().into()), mac: None };
    let wire = Request::AddVeth { name: "wan0".into(), peer: Box::new(peer) };
    let gateway = std::net::Ipv4Addr::new(203, 0, 113, 1);
    let enter = |path: &str| Op::Setns { path: path.into(), flags: NEWNET };
    vec![
        Step::new("make a place for names", Op::mkdir(NETNS)),
        Step::new("make a name for the internet", Op::create(&internet, "")),
        Step::new("make a name for the host", Op::create(&host, "")),
        Step::new("keep the internet", keep(&internet)),
        Step::new("leave it", Op::Unshare { flags: NEWNET }),
        Step::new("keep the host's network", keep(&host)),
        net("start its loopback", up("lo")),
        Step::new("go to the internet", enter(&internet)),
        net("lay the cable", wire),
        net("give the internet an address", address("wan0", 1)),
        net("switch it on", up("wan0")),
        Step::new("come back", enter(&host)),
        net("give the host an address", address("eth0", 2)),
        net("switch it on", up("eth0")),
        net("send everything else there", Request::AddDefaultRoute { gateway }),
    ]
}

/// Runs this very program again in a toy host, with these arguments, and returns its exit code. Files that are
/// named in `outputs` are opened here, because the toy host's /tmp hides the machine's: an option that names one
/// is followed by the path of its descriptor instead.
pub fn enter(arguments: &[OsString], outputs: &[(&str, &Path)]) -> Result<i32, EnterError> {
    let mut argv: Vec<CText> = vec!["lab".into()];
    argv.extend(arguments.iter().map(CText::from));
    let mut files = Vec::new();
    for (option, path) in outputs {
        let file = std::fs::File::create(path)
            .map_err(|error| EnterError::Output { path: path.to_path_buf(), error })?;
        // the lab closes it again for everything that it starts itself
        let _ = rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty());
        argv.extend([CText::from(option), format!("/proc/self/fd/{}", file.as_raw_fd()).into()]);
        files.push(file);
    }
    let ours = |name: &OsString| name == "TMPDIR" || name.to_string_lossy().starts_with("STEPBOX_");
    let mut env: Vec<CText> = std::env::vars_os()
        .filter(|(name, _)| !ours(name))
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name.into()
        })
        .collect();
    env.extend([format!("{MARK}=1").into(), "STEPBOX_ROOT=/tmp/stepbox".into()]);
    let exec = Exec { paths: vec!["/proc/self/exe".into()], argv, env };
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let plan = plan(uid, gid, exec);
    let mut running = launch(&plan, &mut (), None)?;
    Ok(running.wait().map_or(125, |exit| exit.code()))
}

/// Why there is no toy host.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// the kernel refused one of its steps
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// a trace file cannot be written
    #[error("cannot write {}: {error}", path.display())]
    Output {
        /// the file
        path: std::path::PathBuf,
        /// what the system said
        error: std::io::Error,
    },
}
