//! Machine: what the kernel says of itself and of us, before anything is tried.
//!
//! ```text
//!   /proc/sys/kernel/unprivileged_userns_clone              Debian's switch
//!   /proc/sys/kernel/apparmor_restrict_unprivileged_userns  Ubuntu's switch
//!   /proc/sys/user/max_user_namespaces                      the number allowed, per user namespace
//!   /proc/self/status                                       Seccomp: 2 = somebody filters our calls
//!   /proc/self/mountinfo                                    what covers parts of /proc
//! ```

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::kernel::flags::capability;
use crate::probe::mountinfo::{self, Mount};

/// The facts that tell one gate from another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// the kernel's release, as uname(2) has it
    pub kernel: String,
    /// the processor's architecture
    pub arch: String,
    /// our effective user id
    pub uid: u32,
    /// our effective group id
    pub gid: u32,
    /// the container engine around us, if one left its mark
    pub container: Option<Container>,
    /// Windows' subsystem for Linux
    pub wsl: bool,
    /// our root directory is not the root of our mount namespace
    pub chrooted: bool,
    /// 0: no filter; 1: strict; 2: a filter
    pub seccomp: u8,
    /// we hold CAP_SYS_ADMIN
    pub sys_admin: bool,
    /// we hold CAP_SETFCAP
    pub setfcap: bool,
    /// AppArmor's profile for us, where it is not `unconfined`
    pub apparmor: Option<String>,
    /// kernel.unprivileged_userns_clone, where the kernel has it
    pub userns_clone: Option<u64>,
    /// kernel.apparmor_restrict_unprivileged_userns, where the kernel has it
    pub apparmor_restricts: Option<u64>,
    /// user.max_user_namespaces of our own user namespace; none where the kernel has no user namespaces
    pub max_user_namespaces: Option<u64>,
    /// mounts that hide or lock parts of /proc
    pub covered: Vec<String>,
    /// where the engine keeps images and containers
    pub store: PathBuf,
    /// the file system that the store lies on
    pub store_kind: String,
    /// where all of this was read
    #[serde(skip)]
    pub root: PathBuf,
}

/// A container engine, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// docker, podman, or another
    pub engine: String,
    /// the file that says so
    pub evidence: String,
}

/// Where a kernel module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// loaded, or built in
    Present,
    /// on the disk
    Loadable,
    /// not among this kernel's modules
    Absent,
}

impl Machine {
    /// Reads the facts below `root`, which is `/` outside of tests.
    pub fn read(root: &Path) -> Machine {
        let uname = rustix::system::uname();
        let kernel = uname.release().to_string_lossy().into_owned();
        let text = |path: &str| std::fs::read_to_string(root.join(path)).ok();
        let number = |path: &str| text(path)?.trim().parse().ok();
        let status = text("proc/self/status").unwrap_or_default();
        let field = |key: &str| {
            Some(
                status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?.trim().to_string(),
            )
        };
        let capabilities = field("CapEff").and_then(|set| u64::from_str_radix(&set, 16).ok()).unwrap_or(0);
        let holds = |name: &str| capability(name).is_some_and(|bit| capabilities >> bit & 1 == 1);
        let mounts = text("proc/self/mountinfo").unwrap_or_default();
        let mounts: Vec<Mount<'_>> = mountinfo::parse(&mounts).collect();
        let uid = rustix::process::geteuid().as_raw();
        let store = store(uid);
        let existing = store.ancestors().find(|path| path.exists()).unwrap_or("/".as_ref());
        let under = mounts.iter().filter(|mount| existing.starts_with(&mount.point));
        let deepest = under.max_by_key(|mount| mount.point.as_os_str().len());
        let store_kind = deepest.map_or("", |mount| mount.kind).to_string();
        Machine {
            wsl: kernel.to_lowercase().contains("microsoft"),
            kernel,
            arch: uname.machine().to_string_lossy().into_owned(),
            uid,
            gid: rustix::process::getegid().as_raw(),
            container: container(root),
            chrooted: !mounts.is_empty()
                && (!mounts.iter().any(|mount| mount.point == Path::new("/")) || moved_root(root)),
            seccomp: field("Seccomp").and_then(|mode| mode.parse().ok()).unwrap_or(0),
            sys_admin: holds("SYS_ADMIN"),
            setfcap: holds("SETFCAP"),
            apparmor: text("proc/self/attr/apparmor/current")
                .map(|profile| profile.trim().to_string())
                .filter(|profile| !profile.is_empty() && profile != "unconfined"),
            userns_clone: number("proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            max_user_namespaces: number("proc/sys/user/max_user_namespaces"),
            covered: covered(&mounts),
            store,
            store_kind,
            root: root.into(),
        }
    }

    /// Where this kernel's module is.
    pub fn module(&self, name: &str) -> Module {
        if self.root.join("sys/module").join(name).exists() {
            return Module::Present;
        }
        let directory = self.root.join("lib/modules").join(&self.kernel);
        let lists = |file: &str| {
            let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
            text.lines().any(|line| line.split([':', ' ']).next().is_some_and(|path| is_module(path, name)))
        };
        match (lists("modules.builtin"), lists("modules.dep")) {
            (true, _) => Module::Present,
            (_, true) => Module::Loadable,
            _ => Module::Absent,
        }
    }

    /// We are root, of whatever user namespace.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }
}

fn is_module(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split(".ko").next().is_some_and(|stem| stem.replace('-', "_") == name)
}

/// What lies over parts of /proc. A file or an empty directory of the kernel's own (binfmt_misc) hides nothing.
fn covered(mounts: &[Mount<'_>]) -> Vec<String> {
    let hides = |mount: &&Mount<'_>| {
        let below = mount.point.strip_prefix("/proc").is_ok_and(|rest| rest != Path::new(""));
        below && !matches!(mount.kind, "autofs" | "binfmt_misc")
    };
    mounts.iter().filter(hides).map(|mount| mount.point.display().to_string()).collect()
}

/// The same mount namespace as process 1, and yet another root: chroot(2). Only root may look.
fn moved_root(root: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &str| root.join(path).metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    let link = |path: &str| std::fs::read_link(root.join(path)).ok();
    let same_namespace = link("proc/1/ns/mnt").is_some() && link("proc/1/ns/mnt") == link("proc/self/ns/mnt");
    same_namespace && identity("proc/1/root/").is_some_and(|first| Some(first) != identity("proc/self/root/"))
}

fn container(root: &Path) -> Option<Container> {
    let found = |engine: &str, evidence: &str| {
        Some(Container { engine: engine.into(), evidence: format!("/{evidence}") })
    };
    if root.join("run/.containerenv").exists() {
        return found("podman", "run/.containerenv");
    }
    if root.join(".dockerenv").exists() {
        return found("docker", ".dockerenv");
    }
    let groups = std::fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let marks = [("docker", "/docker"), ("podman", "libpod"), ("kubernetes", "kubepods"), ("lxc", "/lxc")];
    let mark = marks.iter().find(|(_, mark)| groups.contains(mark));
    mark.and_then(|(engine, _)| found(engine, "proc/1/cgroup"))
}

/// Where the engine will keep its state, by the rules of engine/state.rs; but nothing is made.
fn store(uid: u32) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(root) = variable("STEPBOX_ROOT") {
        return root;
    }
    if uid == 0 {
        return "/var/lib/stepbox".into();
    }
    let data = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    let data = data.map(|data| data.join("stepbox")).filter(|data| {
        let there = data.ancestors().find(|path| path.exists());
        there.is_some_and(|path| path.is_dir() && access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok())
    });
    data.unwrap_or_else(|| format!("/tmp/stepbox-{uid}").into())
}
