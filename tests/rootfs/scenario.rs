//! Scenario: a bundle's mounts, the box that has them, and what a shell in it prints.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stepbox::chroot;
use stepbox::kernel::Op;
use stepbox::kernel::flags::{NEWCGROUP, NEWIPC, NEWNET, NEWNS, NEWPID, NEWUSER};
use stepbox::kernel::op::Exec;
use stepbox::launch::launch;
use stepbox::oci::config::mounts::{Entry, Place, convert};
use stepbox::rootfs::{self, CgroupTree, Device, Devices, MappedBy, Root, Rootfs};
use stepbox::step::{Plan, Step};
use stepbox::userns::{self, Range};

/// What is made, and what must come of it.
pub struct Scenario {
    /// its name
    pub name: &'static str,
    /// only root can do it
    pub root: bool,
    /// puts things into the directory
    pub prepare: fn(&Path),
    /// what the box is
    pub wanted: Wanted,
    /// looks at what was printed
    pub check: fn(&Path, &str),
}

/// What the box is.
#[derive(Clone)]
pub struct Wanted {
    /// `TYPE SOURCE DESTINATION OPTIONS`, one a line, `-` for nothing; `[DIR]` is the directory
    pub mounts: &'static str,
    /// what the shell does
    pub script: &'static str,
    /// namespaces that it shares with the host
    pub shared: u64,
    /// root in a user namespace with these ranges
    pub ranges: bool,
    /// mappings of the one mount that has some
    pub mapping: &'static [Range],
    /// everything else
    pub rootfs: fn(&mut Rootfs),
    /// on the host, in a mount namespace of its own
    pub before: fn(&Path) -> Vec<Step>,
}

/// The mounts of an ordinary bundle.
pub const ORDINARY: &str = "proc proc /proc nosuid\ntmpfs tmpfs /dev nosuid,mode=755\n\
                            devpts devpts /dev/pts newinstance,ptmxmode=0666";

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            mounts: "",
            script: "true",
            shared: 0,
            ranges: false,
            mapping: &[],
            rootfs: |_| {},
            before: |_| Vec::new(),
        }
    }
}

const IDS: Range = Range { inside: 0, outside: 100_000, count: 65_536 };

/// In the process of its own: makes the box, prints what it prints.
pub fn take(scenario: &Scenario, directory: &Path) -> ExitCode {
    let Wanted { mounts, .. } = scenario.wanted.clone();
    let text = format!("{ORDINARY}\n{mounts}").replace("[DIR]", &directory.display().to_string());
    match plan(&scenario.wanted, directory, &text) {
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
        Ok(plan) => match launch(&plan, &mut (), None) {
            Ok(mut running) => {
                let exit = running.wait().expect("waited for");
                running.undo(&mut ());
                println!("{exit}");
                print_mounts(directory);
                ExitCode::SUCCESS
            }
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// What has appeared among the host's mounts.
fn print_mounts(directory: &Path) {
    let text = std::fs::read_to_string("/proc/self/mountinfo").expect("readable");
    let ours = text
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|at| Path::new(at).starts_with(directory));
    ours.for_each(|at| println!("host: {at}"));
}

fn plan(wanted: &Wanted, directory: &Path, text: &str) -> Result<Plan, Box<dyn std::error::Error>> {
    let root = rustix::process::geteuid().is_root();
    let bundle = directory.join("bundle");
    let tree = bundle.join("rootfs");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let options: Vec<Vec<String>> = lines
        .iter()
        .map(|words| words[3].split(',').filter(|word| *word != "-").map(String::from).collect())
        .collect();
    let given = |word: &&str| *word != "-";
    let entries: Vec<Entry<'_>> = lines
        .iter()
        .zip(&options)
        .map(|(words, options)| {
            let mapped = words[2] == "/mapped";
            Entry {
                kind: Some(words[0]).filter(given),
                source: Some(words[1]).filter(given).map(Path::new),
                destination: Path::new(words[2]),
                options,
                uids: if mapped { wanted.mapping } else { &[] },
                gids: if mapped { wanted.mapping } else { &[] },
            }
        })
        .collect();
    let users = wanted.ranges.then(|| MappedBy::Ranges(vec![IDS], vec![IDS]));
    let cgroups = CgroupTree::Bound(vec![("pids".into(), directory.join("bundle/files"))]);
    let place = Place { bundle: &bundle, rootfs: &tree, cgroups: &cgroups, users };
    let mut rootfs = Rootfs {
        root: Root::Directory(tree.clone()),
        read_only: false,
        propagation: libc::MS_SLAVE | libc::MS_REC,
        no_pivot: false,
        host_views: vec!["/sys".into(), "/proc".into()],
        open_on_host: wanted.ranges,
        in_order: false,
        mounts: convert(&entries, &place)?,
        make: if root && !wanted.ranges { Devices::Make } else { Devices::Bind },
        devices: Vec::new(),
        masked: Vec::new(),
        read_only_paths: Vec::new(),
        terminal: false,
        directories: Vec::new(),
    };
    (wanted.rootfs)(&mut rootfs);
    let own = NEWNS | NEWPID | NEWIPC | NEWNET | if root && !wanted.ranges { 0 } else { NEWUSER };
    let maps: Vec<Step> = match (root, wanted.ranges) {
        (true, true) => userns::map_ranges(&[IDS], &[IDS]).into(),
        (true, false) => Vec::new(),
        _ => {
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            userns::map_root(uid.as_raw(), gid.as_raw()).into()
        }
    };
    let exchange = match rootfs.no_pivot {
        true => chroot::move_over(&tree, &rootfs.host_views),
        false => chroot::exchange(&tree).into(),
    };
    let leave = if rootfs.no_pivot { Vec::new() } else { chroot::leave_old_root().into() };
    let before = (wanted.before)(directory);
    let apart = (!before.is_empty()).then(|| {
        [
            Step::new("stand apart", Op::Unshare { flags: NEWNS }),
            Step::new("keep mounts here", Op::remount("/", libc::MS_REC | libc::MS_PRIVATE)),
        ]
    });
    let words = ["busybox", "sh", "-c", wanted.script];
    let exec = Exec {
        paths: vec!["/bin/busybox".into()],
        argv: words.map(Into::into).into(),
        env: vec!["PATH=/bin".into()],
    };
    Ok(Plan::default()
        .then(apart.into_iter().flatten())
        .then(before)
        .then(rootfs::open_on_host(&rootfs))
        .then(Step::new("clone", Op::Clone { flags: own & !wanted.shared }))
        .then(maps)
        .inside(Step::new("be root", Op::Setresgid { gid: 0 }))
        .inside(Step::new("be root", Op::Setresuid { uid: 0 }))
        .inside(Step::new("clear the umask", Op::Umask { mask: 0 }))
        .inside(Step::new("see our cgroup", Op::Unshare { flags: NEWCGROUP }))
        .inside(rootfs::assemble(&rootfs))
        .inside(exchange)
        .inside(rootfs::views(&rootfs))
        .inside(leave)
        .inside(rootfs::fill(&rootfs))
        .inside(rootfs::furnish(&rootfs))
        .inside(rootfs::cover(&rootfs))
        .inside(rootfs::close(&rootfs))
        .inside(Step::new("keep no descriptor", Op::CloseRange { first: 3 }))
        .inside(Step::new("run", Op::Exec(exec))))
}

/// A node that a bundle asks for.
pub fn device(path: &str, mode: u32, major: u32, minor: u32, owner: u32) -> Device {
    Device { path: PathBuf::from(path), mode, major, minor, uid: owner, gid: owner }
}
