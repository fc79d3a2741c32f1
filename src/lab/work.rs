//! Work: the small programs that labs run inside a box, carried by the lab's own binary as `LAB work NAME …`.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::kernel::op::{Exec, Hook};

mod ping;
mod serve;

/// This very program, run as one of the workloads below.
pub fn exec(arguments: &[&str]) -> Exec {
    let argv = ["work", "work"].iter().chain(arguments).map(|argument| (*argument).into());
    Exec { paths: vec!["/proc/self/exe".into()], argv: argv.collect(), env: Vec::new() }
}

/// The same, run beside the box in another network namespace: that of a process, `[BOX]` for the box, or the one that a
/// file names. What it says goes into a file.
pub fn beside(network: &str, said: &Path, arguments: &[&str]) -> Hook {
    let said = said.to_string_lossy();
    let exec = exec(&[&["from", network, "into", &said], arguments].concat());
    Hook { exec, stdin: "".into(), timeout: None }
}

/// Runs a workload.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Vec<String> = arguments.iter().map(|text| text.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["from", network, "into", said, ..] => match elsewhere(network, said) {
            Ok(()) => main(arguments[4..].iter().map(Into::into).collect()),
            Err(error) => {
                complain!("cannot work in {network}, with {said}: {error}");
                ExitCode::from(125)
            }
        },
        ["hello"] => {
            println!("hello from process {}", std::process::id());
            ExitCode::SUCCESS
        }
        ["alloc", mebibytes] => alloc(mebibytes.parse().unwrap_or(0)),
        ["spin", milliseconds] => spin(Duration::from_millis(milliseconds.parse().unwrap_or(0))),
        ["count", file] => count(file),
        ["ping", address] => ping::ping(address),
        ["serve", port] => serve::serve(port.parse().unwrap_or(0)),
        ["fetch", address] => serve::fetch(address),
        _ => {
            complain!("unknown work: {}", arguments.join(" "));
            ExitCode::from(125)
        }
    }
}

/// Enters a network namespace, and speaks into a file.
fn elsewhere(network: &str, said: &str) -> io::Result<()> {
    let path = match network.parse::<u32>() {
        Ok(pid) => format!("/proc/{pid}/ns/net"),
        Err(_) => network.into(),
    };
    move_into_link_name_space(File::open(path)?.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(rustix::stdio::dup2_stdout(File::create(said)?)?)
}

/// Uses so much memory: a page counts when it is written, not when it is asked for.
fn alloc(mebibytes: usize) -> ExitCode {
    let mut blocks = Vec::with_capacity(mebibytes);
    for _ in 0..mebibytes {
        blocks.push(vec![1u8; 1 << 20]);
    }
    println!("has {} MiB of memory", blocks.len());
    ExitCode::SUCCESS
}

/// Uses so much cpu time, however long that takes.
fn spin(wanted: Duration) -> ExitCode {
    let used = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    while used() < wanted {}
    println!("has used {} ms of cpu time", wanted.as_millis());
    ExitCode::SUCCESS
}

/// Counts in a file until it is killed.
fn count(path: &str) -> ExitCode {
    use std::os::unix::fs::FileExt;
    let Ok(file) = std::fs::File::create(path) else { return ExitCode::from(125) };
    for number in 1u64.. {
        if file.write_at(format!("{number:020}\n").as_bytes(), 0).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    ExitCode::from(125)
}
