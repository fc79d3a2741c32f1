//! CVE-2019-5736, played through: an image's program is a script whose interpreter is `/proc/self/exe`. The kernel executes
//! the engine's file in its place, and whoever has that open can write to it once nobody executes it any more.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use stepbox::kernel::op::Exec;
use stepbox::kernel::{CText, Op, binary};
use stepbox::launch::launch;
use stepbox::step::{Plan, Step};

use super::until;

/// An engine that keeps its file out of reach, or one that does not, and executes the image's program.
pub fn engine(dir: &Path, how: &str) {
    if how == "careful" {
        let argv: Vec<CText> = std::env::args_os().map(CText::from).collect();
        binary::keep_out_of_reach(&argv, &[]).expect("a way");
    }
    let program =
        Exec { paths: vec![dir.join("script").into()], argv: vec!["script".into()], env: Vec::new() };
    let plan = Plan::default()
        .then(Step::new("clone", Op::Clone { flags: 0 }))
        .inside(Step::new("execute", Op::Exec(program)));
    let mut running = launch(&plan, &mut (), None).unwrap_or_else(|error| panic!("{error}"));
    println!("box {}", running.box_pid().unwrap_or_default());
    running.wait().expect("it ends");
}

/// Tries to write to the engine's file as root of the image would; the error of the first call that refused.
fn attack(dir: &Path, how: &str) -> Result<std::io::Result<()>, Failed> {
    let engine = dir.join("engine");
    std::fs::copy(std::env::current_exe()?, &engine)?;
    let script = dir.join("script");
    std::fs::write(&script, "#!/proc/self/exe scenario\n")?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let mut child = Command::new(&engine)
        .args(["scenario".as_ref(), dir.as_os_str(), "engine".as_ref(), how.as_ref()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
    let pid = line.trim().strip_prefix("box ").ok_or(line.clone())?.to_string();
    let is_script =
        || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"script\0"));
    let file = until("the image's program runs", is_script)
        .and_then(|()| Ok(std::fs::File::open(format!("/proc/{pid}/exe"))?));
    // ends its input, and that the program
    child.wait()?;
    let file = file?;
    let again = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(std::fs::File::options().write(true).open(again).and_then(|mut file| file.write_all(b"#!/bin/evil")))
}

pub fn is_out_of_reach(dir: &Path) -> Result<(), Failed> {
    let refused = attack(dir, "careful")?;
    let (before, after) = (std::fs::read(std::env::current_exe()?)?, std::fs::read(dir.join("engine"))?);
    match (refused, before == after) {
        (Err(_), true) => {}
        (answer, same) => return Err(format!("{answer:?}, the file is the same: {same}").into()),
    }
    // the same attack on an engine that does nothing against it: so the test plays the attack that it names
    let answer = attack(dir, "careless")?;
    let text = std::fs::read(dir.join("engine"))?;
    match text.starts_with(b"#!/bin/evil") {
        true => Ok(()),
        false => Err(format!("the attack no longer works at all: {answer:?}").into()),
    }
}
