//! Request: what the user asked for, checked, and what a container gets that asks for nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::instruction::Health;
use super::log::Rotation;
use super::monitor::here::Part;
use super::peers::Peers;
use super::ports::asked::Asked;
use super::volumes::asked::VolumeUse;
use crate::cgroups::Resources;
use crate::cgroups::devices::Rule;
use crate::kernel::netlink::Mac;
use crate::kernel::op::Peer;
use crate::privilege::seccomp::Profile;
use crate::rootfs::Mount;
use crate::spec::{Namespace, Rlimit};

/// What the user asked for: `stepbox run`'s options, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// the command line, for messages and journals
    pub title: String,
    /// `--hostname`
    pub hostname: Option<String>,
    /// `--domainname`
    pub domainname: Option<String>,
    /// `--rm`
    pub remove: bool,
    /// `-i`
    pub stdin: bool,
    /// its standard input ends with that of the first who types into it
    pub stdin_once: bool,
    /// `-t`
    pub terminal: bool,
    /// `-e`, as `NAME=value`
    pub env: Vec<String>,
    /// `-w`
    pub workdir: Option<PathBuf>,
    /// `-u`
    pub user: Option<String>,
    /// `--entrypoint`, instead of the image's; without a word, none
    pub entrypoint: Option<Vec<String>>,
    /// `--init`
    pub init: bool,
    /// `-v`, `--mount type=bind`
    pub binds: Vec<Mount>,
    /// `-v NAME:…`, `--mount type=volume`, and those of the image
    pub volumes: Vec<VolumeUse>,
    /// `--volumes-from`: whose binds and volumes it sees too; empty once they have been looked at
    pub volumes_from: Vec<String>,
    /// `-m`, `--cpus`, `--pids-limit` and their like; of devices it says nothing
    pub limits: Resources,
    /// `--cpus`, thousandths, of which the quota among the limits was made
    pub cpus: Option<u64>,
    /// which of its streams whoever made it was attached to: `-a`, none with `-d`
    pub attaches: Part,
    /// `--cidfile`
    pub id_file: Option<PathBuf>,
    /// of binds, volumes and tmpfs: the places of those that came by `--mount`
    pub by_fields: Vec<PathBuf>,
    /// `--cap-add`, as it was written
    pub cap_add: Vec<String>,
    /// `--cap-drop`
    pub cap_drop: Vec<String>,
    /// `--security-opt`
    pub security_opt: Vec<String>,
    /// `--cgroup-parent`
    pub cgroup_parent: Option<String>,
    /// `--expose`: ports with their protocols, besides the image's
    pub expose: Vec<String>,
    /// `--publish`: ports of the host that lead into it
    pub publish: Vec<Asked>,
    /// `--publish-all`: every port that it offers gets one
    pub publish_all: bool,
    /// `--mac-address`, instead of the one that follows from its address
    pub mac: Option<Mac>,
    /// `--add-host`, `--dns`, `--dns-search`, `--dns-option`
    pub lookup: Lookup,
    /// `--cap-add`, `--cap-drop`: what root inside may have, as bits
    pub capabilities: u64,
    /// `--security-opt no-new-privileges`; without root it is always so
    pub no_new_privs: bool,
    /// `--security-opt seccomp=…`
    pub seccomp: Seccomp,
    /// `--privileged`: all capabilities, all devices, nothing hidden, no filter
    pub privileged: bool,
    /// `--read-only`
    pub read_only: bool,
    /// `--tmpfs`, `--mount type=tmpfs`
    pub tmpfs: Vec<Mount>,
    /// `--shm-size`, bytes
    pub shm_size: u64,
    /// `--device`
    pub devices: Vec<HostDevice>,
    /// `--device-cgroup-rule`
    pub device_rules: Vec<Rule>,
    /// `--ulimit`
    pub rlimits: Vec<Rlimit>,
    /// `--sysctl`: name and value
    pub sysctls: Vec<(String, String)>,
    /// `--group-add`: names or numbers
    pub groups: Vec<String>,
    /// `--oom-score-adj`
    pub oom_score_adj: Option<i32>,
    /// `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--network`
    pub peers: Peers,
    /// `--restart`
    pub restart: Restart,
    /// `--log-driver`, `--log-opt`
    pub log: LogKept,
    /// `--label`: names and values, for people and tools
    pub labels: BTreeMap<String, String>,
    /// `--stop-signal`, as it was written
    pub stop_signal: Option<String>,
    /// `--stop-timeout`: seconds from that signal to SIGKILL; below 0 as long as it takes
    pub stop_timeout: Option<i64>,
    /// `--health-cmd` and its like, instead of what the image says; `--no-healthcheck`
    pub health: Option<Health>,
    /// the command and its arguments; empty for the image's own
    pub command: Vec<String>,
}

/// What a container gets when nothing is asked for: of privilege as much as Docker gives.
impl Default for Request {
    fn default() -> Request {
        Request {
            title: String::new(),
            hostname: None,
            domainname: None,
            remove: false,
            stdin: false,
            stdin_once: false,
            terminal: false,
            env: Vec::new(),
            workdir: None,
            user: None,
            entrypoint: None,
            init: false,
            binds: Vec::new(),
            volumes: Vec::new(),
            volumes_from: Vec::new(),
            limits: Resources::default(),
            cpus: None,
            attaches: Part::of_all(false),
            id_file: None,
            by_fields: Vec::new(),
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            security_opt: Vec::new(),
            cgroup_parent: None,
            expose: Vec::new(),
            publish: Vec::new(),
            publish_all: false,
            mac: None,
            lookup: Lookup::default(),
            capabilities: crate::privilege::default_set(),
            no_new_privs: false,
            seccomp: Seccomp::Default,
            privileged: false,
            read_only: false,
            tmpfs: Vec::new(),
            shm_size: 64 << 20,
            devices: Vec::new(),
            device_rules: Vec::new(),
            rlimits: Vec::new(),
            sysctls: Vec::new(),
            groups: Vec::new(),
            oom_score_adj: None,
            peers: Peers::default(),
            restart: Restart::No,
            log: LogKept::default(),
            labels: BTreeMap::new(),
            stop_signal: None,
            stop_timeout: None,
            health: None,
            command: Vec::new(),
        }
    }
}

/// One of the three descriptors that a program begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// what it reads
    Stdin,
    /// what it prints
    Stdout,
    /// what it prints as errors
    Stderr,
}

/// When a container whose program has ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// never
    #[default]
    No,
    /// when its exit code is not 0, so many times at most; 0 for as often as it takes
    OnFailure(u32),
    /// each time
    Always,
    /// each time, but for a container that somebody stopped
    UnlessStopped,
}

/// Where what a container prints is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogKept {
    /// `json-file`
    JsonFile(Rotation),
    /// `none`: nowhere
    None,
}

impl Default for LogKept {
    fn default() -> LogKept {
        LogKept::JsonFile(Rotation::default())
    }
}

/// A device of the host, or those of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDevice {
    /// its name on the host
    pub path: PathBuf,
    /// its name in the container
    pub target: PathBuf,
    /// what the container may do with it: of `rwm`
    pub access: String,
}

/// How it finds the addresses of others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// names that need nobody to be asked
    pub hosts: Vec<(String, HostAddress)>,
    /// whom to ask, instead of those that the host asks
    pub servers: Vec<IpAddr>,
    /// domains in which a short name is looked for, instead of the host's; `.` is none at all
    pub search: Vec<String>,
    /// options of resolv.conf(5), instead of the host's
    pub options: Vec<String>,
}

/// An address in `--add-host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostAddress {
    /// this one
    Ip(IpAddr),
    /// `host-gateway`: where the host can be reached
    Gateway,
}

/// Which namespaces are not the container's alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// `--pid`
    pub pid: Namespace,
    /// `--ipc`
    pub ipc: Namespace,
    /// `--ipc`, as to /dev/shm
    pub shm: Shm,
    /// `--uts`
    pub uts: Namespace,
    /// `--cgroupns`
    pub cgroup: Namespace,
}

impl Default for Share {
    fn default() -> Share {
        let new = || Namespace::New;
        Share { pid: new(), ipc: new(), shm: Shm::Own, uts: new(), cgroup: new() }
    }
}

/// Whose /dev/shm it has: the memory of shm_open(3) goes with the IPC namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Shm {
    /// its own
    #[default]
    Own,
    /// none
    None,
    /// the host's
    Hosts,
    /// that of the container that this process is of
    Theirs(Peer),
}

/// `--security-opt seccomp=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// Docker's default profile, for the capabilities that are kept
    Default,
    /// no filter
    Unconfined,
    /// what a file says; also for a container that is privileged
    Profile(Box<Profile>),
}

/// Which network a container gets, as the others are now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum NetworkMode {
    /// a bridge where we may make one, else a loopback alone
    #[default]
    Default,
    /// the default bridge
    Bridge,
    /// a loopback alone
    None,
    /// the host's
    Host,
    /// another container's
    Join {
        /// its process
        peer: Peer,
        /// its directory, where its hosts and resolv.conf lie
        directory: PathBuf,
        /// its host name, which goes with its address
        hostname: Option<String>,
    },
}
