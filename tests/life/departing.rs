//! A box that becomes its program by way of another: the program is born the same, and what it cannot be executed for is
//! said in the same words. Each plan is taken twice, with that step and without.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use libtest_mimic::Failed;
use stepbox::kernel::hint::errno_text;
use stepbox::kernel::op::Exec;
use stepbox::kernel::{Errno, Op};
use stepbox::launch::{Answer, At, Observer, Verdict, launch};
use stepbox::step::{Plan, Step};

use super::{command, holds, take};

/// What is asked of a program that has been born: the shell asks of itself.
const FACTS: &str = "exec 2>/dev/null; grep -E '^(Name|Umask|Uid|Gid|Groups|NoNewPrivs|Cap|SigIgn)' /proc/$$/status; \
    tr '\\0' '|' </proc/$$/cmdline; tr '\\0' '|' </proc/$$/environ; \
    for fd in /proc/$$/fd/*; do [ -e $fd ] && echo fd ${fd##*/}; done; \
    ulimit -a; cat /proc/$$/oom_score_adj; pwd; kill -TERM $$";

/// Which program, and as whom: all of this machine's user.
const CASES: [&str; 12] = [
    "shell",
    "name",
    "auxv",
    "script",
    "missing",
    "shut",
    "shut-and-missing",
    "not-here-but-there",
    "circle",
    "circles",
    "directory",
    "garbage",
];
/// The same for root.
const OF_ROOT: [&str; 6] = ["user", "ambient", "gains-nothing", "set-uid", "set-uid-gains-nothing", "file"];

fn bits(names: &[&str]) -> u64 {
    names
        .iter()
        .filter_map(|name| stepbox::kernel::flags::capability(name))
        .fold(0, |set, bit| set | 1 << bit)
}

/// Who it is then: the last steps of a container.
fn privilege(case: &str) -> Vec<Op> {
    let keep = bits(&["CHOWN", "KILL", "SETUID", "NET_RAW"]);
    let set = |set| Op::Capset { permitted: set, effective: set, inheritable: set };
    let user = [Op::DropBounding { keep }, Op::Setresgid { gid: 65534 }, Op::Setresuid { uid: 65534 }];
    match case {
        "user" | "set-uid" | "file" => [&user[..], &[set(0)]].concat(),
        "gains-nothing" | "set-uid-gains-nothing" => [&user[..], &[set(0), Op::NoNewPrivs]].concat(),
        "ambient" => {
            let raise = bits(&["KILL"]);
            [&[Op::KeepCapabilities { keep: true }], &user[..], &[set(raise), Op::Ambient { raise }]].concat()
        }
        _ => Vec::new(),
    }
}

/// What is executed.
fn program(case: &str, dir: &Path) -> Exec {
    let at = |name: &str| dir.join(name).into();
    let of = |paths, argv: &[&str]| {
        let env = ["PATH=/bin:/usr/bin", "A=1", "A=2", "EMPTY="].map(Into::into).into();
        Exec { paths, argv: argv.iter().map(Into::into).collect(), env }
    };
    match case {
        "name" => of(vec![at("other-name")], &["sh", "-c", FACTS]),
        "auxv" => Exec {
            env: vec!["LD_SHOW_AUXV=1".into()],
            ..of(vec!["/no/such".into(), "/bin/../bin/true".into()], &["true"])
        },
        "script" => of(vec![at("script")], &["not-its-name", "x"]),
        "missing" => of(vec!["/no/such".into()], &["such"]),
        "shut" => of(vec![at("shut")], &["shut"]),
        "shut-and-missing" => of(vec![at("shut"), "/no/such".into(), at("shut/below")], &["shut"]),
        "not-here-but-there" => of(vec![at("shut"), at("circle"), "/bin/sh".into()], &["sh", "-c", "exit 7"]),
        "circle" => of(vec![at("circle")], &["circle"]),
        "circles" => of(vec![at("circle"), at("circle")], &["circle"]),
        "directory" => of(vec![dir.into(), "/bin/sh".into()], &["directory"]),
        "garbage" => of(vec![at("garbage"), "/bin/sh".into()], &["garbage"]),
        "too-much" => {
            let much = "x".repeat(200_000);
            of(vec!["/bin/sh".into()], &["sh", &much])
        }
        case if case.starts_with("set-uid") => of(vec![at("set-uid")], &["sh", "-pc", FACTS]),
        "file" => of(vec![at("with-capabilities")], &["sh", "-c", FACTS]),
        _ => of(vec!["/bin/sh".into()], &["sh", "-c", FACTS]),
    }
}

/// What lies there to be executed.
fn lay_out(dir: &Path) -> Result<(), Failed> {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755))?;
    let shell = std::fs::read("/bin/sh")?;
    for (name, content, mode) in [
        ("other-name", &shell[..], 0o755),
        ("set-uid", &shell, 0o4755),
        ("with-capabilities", &shell, 0o755),
        ("script", b"#!/bin/sh\necho \"$0 $1\"; cat /proc/$$/comm\n", 0o755),
        ("shut", b"#!/bin/sh\n", 0o600),
        ("garbage", b"\x7fELF, but not quite", 0o755),
    ] {
        let file = dir.join(name);
        std::fs::write(&file, content)?;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode))?;
    }
    if rustix::process::geteuid().is_root() {
        // capability.h: VFS_CAP_REVISION_2, effective; permitted: CAP_KILL
        let words = [0x0200_0001u32, 1 << 5, 0, 0, 0].map(u32::to_le_bytes).concat();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(dir.join("with-capabilities"), c"security.capability", &words, flags)?;
    }
    Ok(symlink("circle", dir.join("circle"))?)
}

/// Holds what the box executes in the meantime, as an attacker would.
#[derive(Default)]
struct Attacker {
    held: Option<std::fs::File>,
}

impl Observer for Attacker {
    fn before(&mut self, _at: At<'_>) -> Verdict {
        Verdict::Go
    }

    fn after(&mut self, at: At<'_>, answer: Answer) {
        if at.step.op == Op::Depart {
            // where it is, and whether it can be looked at or written to
            let exe = format!("/proc/{}/exe", at.box_pid.unwrap_or_default());
            let link = std::fs::read_link(&exe).map(|link| link.display().to_string());
            println!("departed = {answer}, to {}", link.unwrap_or_else(|error| error.kind().to_string()));
            self.held = std::fs::File::open(&exe).ok();
            self.write("while");
        }
    }

    fn undone(&mut self, _at: At<'_>, _op: &Op, _answer: Answer) {}
}

impl Attacker {
    /// By what was opened for reading, for writing.
    fn write(&self, when: &str) {
        let Some(held) = &self.held else { return println!("written {when}: not even opened") };
        let again = format!("/proc/self/fd/{}", held.as_raw_fd());
        let write = |mut file: std::fs::File| file.write_all(b"#!/bin/evil");
        let tried = std::fs::File::options().write(true).open(again).and_then(write);
        let errno =
            |error: std::io::Error| Errno::from_raw_os_error(error.raw_os_error().unwrap_or_default());
        println!(
            "written {when}: {}",
            tried.map_or_else(|error| errno_text(errno(error)), |()| "yes".into())
        );
    }
}

/// Takes one plan, and prints how the program ended, or why it did not begin.
pub fn become_program(dir: &Path, how: &str, case: &str) {
    let step = |op| Step::new("do it", op);
    let aside = how.starts_with("aside").then(|| Step::new("leave the engine behind", Op::Depart));
    let exec = match case {
        "itself" => Exec { paths: vec!["/proc/self/exe".into()], argv: Vec::new(), env: Vec::new() },
        "evil" => Exec { paths: vec![dir.join("evil").into()], argv: vec!["evil".into()], env: Vec::new() },
        _ => program(case, dir),
    };
    let plan = Plan::default()
        .then(step(Op::Clone { flags: 0 }))
        .inside(privilege(case).into_iter().map(step))
        .inside([step(Op::Umask { mask: 0o27 }), step(Op::CloseRange { first: 3 })])
        .inside(aside)
        .inside(Step::new("execute", Op::Exec(exec)));
    let mut attacker = Attacker::default();
    let launched = match how.ends_with("watched") {
        true => launch(&plan, &mut attacker, None),
        false => launch(&plan, &mut (), None),
    };
    match launched {
        Ok(mut running) => println!("{}", running.wait().expect("it ends")),
        Err(error) => println!("{error}"),
    }
    if how.ends_with("watched") {
        attacker.write("after");
    }
}

fn same(dir: &Path, cases: &[&str]) -> Result<(), Failed> {
    lay_out(dir)?;
    for case in cases {
        let straight = take(dir, &["become", "straight", case]);
        if ["shell", "user", "name"].contains(case) {
            holds(&straight, "fd 2\n")?;
            holds(&straight, "killed by SIGTERM")?;
        }
        for how in ["aside", "aside-watched"] {
            let aside = take(dir, &["become", how, case]);
            let aside: String = aside
                .split_inclusive('\n')
                .filter(|line| !["departed", "written"].iter().any(|word| line.starts_with(word)))
                .collect();
            let plain =
                |text: &str| text.split_inclusive('\n').filter(|line| !differs(line)).collect::<String>();
            if plain(&straight) != plain(&aside) {
                return Err(format!("{case}, {how}:\n{aside}\nstraight:\n{straight}").into());
            }
        }
    }
    Ok(())
}

/// Addresses and random numbers of the kernel's.
fn differs(line: &str) -> bool {
    let named = ["AT_SYSINFO_EHDR", "AT_BASE", "AT_ENTRY", "AT_PHDR", "AT_RANDOM", "AT_???", "AT_RSEQ"];
    named.iter().any(|name| line.starts_with(name))
}

pub fn is_as_straight(dir: &Path) -> Result<(), Failed> {
    same(dir, &CASES)?;
    same_again(dir, "too-much", "E2BIG")
}

fn same_again(dir: &Path, case: &str, wanted: &str) -> Result<(), Failed> {
    for how in ["straight", "aside", "aside-watched"] {
        holds(&take(dir, &["become", how, case]), wanted)?;
    }
    Ok(())
}

pub fn is_as_straight_for_users(dir: &Path) -> Result<(), Failed> {
    same(dir, &OF_ROOT)?;
    // and these are no plays with nothing in them
    for (case, wanted) in [
        ("user", "CapPrm:\t0000000000000000"),
        ("ambient", "CapAmb:\t0000000000000020"),
        ("gains-nothing", "NoNewPrivs:\t1"),
        ("set-uid", "Uid:\t65534\t0\t0\t0"),
        ("set-uid-gains-nothing", "Uid:\t65534\t65534\t65534\t65534"),
        ("file", "CapPrm:\t0000000000000020"),
    ] {
        holds(&take(dir, &["become", "aside", case]), wanted)?;
    }
    Ok(())
}

/// What is executed once more is what the box has left for, and that ends.
pub fn has_nothing_of_the_engine(dir: &Path) -> Result<(), Failed> {
    let script = dir.join("evil");
    std::fs::write(&script, "#!/proc/self/exe scenario\n")?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    for case in ["itself", "evil"] {
        let output = command(dir, &["become", "aside", case]).output()?;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "exited 125\n", "{case}");
    }
    let said = take(dir, &["become", "aside-watched", "itself"]);
    match rustix::process::geteuid().is_root() {
        true => {
            holds(&said, "departed = 0, to /memfd:stepbox (deleted)\n")?;
            holds(&said, "written while: ETXTBSY (Text file busy)\n")?;
            holds(&said, "written after: EPERM (Operation not permitted)\n")
        }
        // nobody may look into it at all, whose file it is neither
        false => holds(&said, "written while: not even opened\n"),
    }
}
