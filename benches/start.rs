//! Start: how long from nothing to a program that has run and ended in a container, whole processes measured.
//!
//! ```text
//!   turn 1:  floor  bwrap  crun  runc  stepbox …        medians of each, and of each turn's ratio to the floor
//!   turn 2:  bwrap  crun  runc  stepbox …  floor
//! ```
//!
//! The floor is benches/floor.c: what the kernel itself asks for. Peers that the machine lacks are named as missing.
//! Run as root for all rows; see benches/README.md.

#[path = "support/medians.rs"]
mod medians;

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use medians::{alternate, median, paired, rounds};

const NOBODY: u32 = 65534;

/// Every engine's limits, so that each writes the same files of the same cgroups.
const MEMORY: u64 = 256 << 20;
const PIDS: u64 = 512;

/// System calls that the peers' seccomp filter refuses.
const REFUSED: &[&str] = &[
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "create_module",
    "delete_module",
    "finit_module",
    "get_kernel_syms",
    "init_module",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "mount",
    "move_pages",
    "nfsservctl",
    "open_by_handle_at",
    "perf_event_open",
    "personality",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "ptrace",
    "quotactl",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "sysfs",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "ustat",
    "vm86",
];

/// One way to start a program in a container.
struct Contender {
    name: &'static str,
    what: &'static str,
    command: Box<dyn Fn() -> Command>,
}

fn contender(name: &'static str, what: &'static str, command: impl Fn() -> Command + 'static) -> Contender {
    Contender { name, what, command: Box::new(command) }
}

/// Set in the mount namespace of our own.
const APART: &str = "STEPBOX_BENCH_APART";

fn main() {
    apart();
    let scratch = tempfile::Builder::new().prefix("stepbox-bench-").tempdir().expect("make a directory");
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o711)).expect("open it");
    let _memory = Memory(scratch.path().to_owned());
    let stepbox = scratch.path().join("stepbox");
    let built = std::env::var_os("STEPBOX_BENCH_ENGINE").unwrap_or(env!("CARGO_BIN_EXE_stepbox").into());
    std::fs::copy(built, &stepbox).expect("copy the engine");
    let root = rustix::process::geteuid().is_root();
    if root {
        let bridge = Path::new("/sys/class/net").join(stepbox::engine::network::BRIDGE);
        let there_before = bridge.exists();
        compare("root", as_root(scratch.path(), &stepbox));
        if !there_before {
            let mut clean = Command::new(&stepbox);
            let cleaned = run(clean.env("STEPBOX_ROOT", scratch.path().join("root")).arg("clean"));
            assert!(cleaned.is_ok_and(|output| output.status.success()), "the bridge was not removed");
        }
    } else {
        println!("SKIP the rows of root: only root can compare them");
    }
    let user = if root { Some(NOBODY) } else { None };
    compare("rootless", rootless(scratch.path(), &stepbox, user));
}

/// Begins once more in a mount namespace of its own. There what every engine keeps below /run is on a tmpfs, as /run is;
/// and version 2 of the cgroups is not mounted where crun, which refuses machines with both, would be missing.
fn apart() {
    if !rustix::process::geteuid().is_root() || std::env::var_os(APART).is_some() {
        return;
    }
    let unified = Path::new("/sys/fs/cgroup/unified");
    let controllers = std::fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
    let crun = Command::new("crun").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut again = Command::new("unshare");
    again.args(["--mount", "--propagation", "private", "sh", "-c"]);
    if crun && !controllers.trim().is_empty() {
        println!("{} is hidden from everybody: crun refuses it", unified.display());
        again.arg(format!("umount {} && exec \"$@\"", unified.display()));
    } else {
        again.arg("exec \"$@\"");
    }
    let error = again.arg("sh").args(std::env::args_os()).env(APART, "1").exec();
    println!("unshare: {error}: on with the mounts of this machine");
}

/// The places that have a tmpfs, below this directory; they are to go before it.
struct Memory(PathBuf);

impl Drop for Memory {
    fn drop(&mut self) {
        for place in ["root/run", "rootless/run", "run"] {
            // where none was mounted there is nothing to do
            let _ = rustix::mount::unmount(self.0.join(place), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// A tmpfs, where one can be mounted for us alone.
fn memory(at: &Path) {
    std::fs::create_dir_all(at).expect("make a directory");
    if std::env::var_os(APART).is_some() {
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", at, "tmpfs", flags, c"mode=711").expect("mount a tmpfs");
    }
}

/// Takes all in alternation and prints the table; the first is what the others are compared with.
fn compare(title: &str, mut contenders: Vec<Contender>) {
    contenders.retain(|contender| {
        let status = run(&mut (contender.command)());
        let fine = status.as_ref().is_ok_and(|output| output.status.success());
        if !fine {
            let why = match status {
                Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
                Err(error) => error.to_string(),
            };
            println!("SKIP {}: {why}", contender.name);
        }
        fine
    });
    let times = alternate(&mut contenders, rounds(30), |contender| {
        let mut command = (contender.command)();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let began = Instant::now();
        let status = command.status();
        let took = began.elapsed();
        assert!(status.is_ok_and(|status| status.success()), "{} failed", contender.name);
        // the kernel takes network namespaces apart in the background, under a lock that the next start needs: let
        // it, so that nobody pays for another
        std::thread::sleep(Duration::from_millis(150));
        took
    });
    if contenders.is_empty() {
        return;
    }
    // whom each is compared with: the floor, and the runtimes that most engines use
    let peers: Vec<usize> = (0..contenders.len())
        .filter(|at| *at == 0 || ["crun", "runc"].contains(&contenders[*at].name))
        .collect();
    print!("\n{title}\n{:28} {:>9}", "", "median ms");
    peers.iter().for_each(|peer| print!(" {:>12}", format!("x {}", contenders[*peer].name)));
    println!("   what");
    for (contender, own) in contenders.iter().zip(&times) {
        print!("{:28} {:>9.2}", contender.name, median(own).as_secs_f64() * 1e3);
        peers.iter().for_each(|peer| print!(" {:>12.2}", paired(own, &times[*peer])));
        println!("   {}", contender.what);
    }
}

fn run(command: &mut Command) -> std::io::Result<std::process::Output> {
    command.stdin(Stdio::null()).output()
}

fn as_root(scratch: &Path, stepbox: &Path) -> Vec<Contender> {
    let state = scratch.join("root");
    memory(&state.join("run"));
    let run_time = scratch.join("run");
    memory(&run_time);
    let Some(layer) = base_layer(stepbox, &state, None) else { return Vec::new() };
    let mut contenders = Vec::new();
    match floor(scratch) {
        Some(floor) => {
            let work = scratch.join("floor-work");
            std::fs::create_dir(&work).expect("make a directory");
            for (name, what, option) in [
                ("C floor", "6 namespaces, overlay, 6 mounts, pivot_root", None),
                ("C floor, volatile", "the same; the overlay syncs nothing at its end", Some("volatile")),
            ] {
                let (floor, layer, work) = (floor.clone(), layer.clone(), work.clone());
                contenders.push(contender(name, what, move || {
                    let mut command = Command::new(&floor);
                    command.arg(&layer).arg(&work).args(option);
                    command
                }));
            }
        }
        None => println!("SKIP the C floor: no static C program can be built here; install a C compiler"),
    }
    let bwrap_layer = layer.clone();
    contenders.push(contender("bwrap", "no overlay, no cgroup, no seccomp", move || bwrap(&bwrap_layer)));
    // under this name we take runc's command line
    let ours = scratch.join("runc");
    std::os::unix::fs::symlink(stepbox, &ours).expect("make a link");
    let runtimes = [("crun", Path::new("crun")), ("runc", Path::new("runc")), ("stepbox oci run", &ours)];
    for (name, program) in runtimes {
        let runtime = name.split(' ').next().unwrap_or_default();
        let bundle = scratch.join(format!("bundle-{runtime}"));
        if let Err(why) = make_bundle((runtime, program), &bundle, &layer) {
            println!("SKIP {name}: {why}");
            continue;
        }
        let (state, program) = (run_time.join(runtime), program.to_owned());
        contenders.push(contender(name, "cgroups, seccomp; no overlay, no cable", move || {
            let mut command = Command::new(&program);
            command.arg("--root").arg(&state).args(["run", "--bundle"]).arg(&bundle);
            command.arg(format!("stepbox-bench-{runtime}"));
            command
        }));
    }
    for (name, what, network) in [
        ("stepbox --network none", "cgroups, overlay, record, journal", "none"),
        ("stepbox", "the same with cable, bridge, NAT", "bridge"),
    ] {
        let (stepbox, state) = (stepbox.to_owned(), state.clone());
        contenders.push(contender(name, what, move || {
            let mut command = Command::new(&stepbox);
            command.env("STEPBOX_ROOT", &state).args(["run", "--rm", "--network", network]);
            command.arg(format!("--memory={MEMORY}")).arg(format!("--pids-limit={PIDS}"));
            command.args(["stepbox/base", "true"]);
            command
        }));
    }
    contenders
}

fn rootless(scratch: &Path, stepbox: &Path, user: Option<u32>) -> Vec<Contender> {
    let state = scratch.join("rootless");
    memory(&state.join("run"));
    if let Some(user) = user {
        chown(&state, Some(user), Some(user)).expect("give it away");
        chown(state.join("run"), Some(user), Some(user)).expect("give it away");
    }
    let become_user = move |mut command: Command| {
        command.current_dir("/");
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command
    };
    let Some(layer) = base_layer(stepbox, &state, user) else { return Vec::new() };
    let stepbox = stepbox.to_owned();
    vec![
        contender("bwrap", "no overlay", move || become_user(bwrap(&layer))),
        contender("stepbox", "overlay, record, journal", move || {
            let mut command = Command::new(&stepbox);
            command.env("STEPBOX_ROOT", &state).args(["run", "--rm", "stepbox/base", "true"]);
            become_user(command)
        }),
    ]
}

/// Makes the base image with a first run; the directory that its only layer is unpacked in.
fn base_layer(stepbox: &Path, state: &Path, user: Option<u32>) -> Option<PathBuf> {
    let mut command = Command::new(stepbox);
    command.env("STEPBOX_ROOT", state).current_dir("/");
    command.args(["run", "--rm", "--network", "none", "stepbox/base", "true"]);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    match run(&mut command) {
        Ok(output) if output.status.success() => {
            let layer = std::fs::read_dir(state.join("layers")).ok()?.flatten().next()?;
            Some(layer.path())
        }
        Ok(output) => {
            println!("SKIP all: {}", String::from_utf8_lossy(&output.stderr).trim());
            None
        }
        Err(error) => {
            println!("SKIP all: {error}");
            None
        }
    }
}

fn bwrap(layer: &Path) -> Command {
    let mut command = Command::new("bwrap");
    command.arg("--bind").arg(layer).arg("/").args(["--unshare-all", "--proc", "/proc", "--dev", "/dev"]);
    command.args(["--die-with-parent", "--clearenv", "/bin/true"]);
    command
}

fn floor(scratch: &Path) -> Option<PathBuf> {
    let program = scratch.join("floor");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/floor.c");
    let status = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source).status();
    status.is_ok_and(|status| status.success()).then_some(program)
}

/// The bundle that `RUNTIME spec` makes, with our layer, limits, a seccomp filter, and `true` to run.
fn make_bundle((runtime, program): (&str, &Path), bundle: &Path, layer: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    std::fs::create_dir(bundle).map_err(text)?;
    let output = run(Command::new(program).arg("spec").current_dir(bundle)).map_err(text)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let file = bundle.join("config.json");
    let config = std::fs::read(&file).map_err(text)?;
    let mut config: serde_json::Value = serde_json::from_slice(&config).map_err(|error| error.to_string())?;
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = serde_json::json!(["/bin/true"]);
    config["root"] = serde_json::json!({ "path": layer, "readonly": true });
    config["linux"]["resources"]["memory"] = serde_json::json!({ "limit": MEMORY, "swap": MEMORY });
    config["linux"]["resources"]["pids"] = serde_json::json!({ "limit": PIDS });
    config["linux"]["cgroupsPath"] = format!("/stepbox-bench-{runtime}").into();
    config["linux"]["seccomp"] = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": REFUSED, "action": "SCMP_ACT_ERRNO" }],
    });
    std::fs::write(&file, config.to_string()).map_err(text)
}
