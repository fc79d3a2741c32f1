//! Work: the small programs that labs run inside a box, carried by the lab's own binary as `LAB work NAME …`.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::kernel::op::Exec;

mod ping;

/// This very program, run as one of the workloads below.
pub fn exec(arguments: &[&str]) -> Exec {
    let argv = ["work", "work"].iter().chain(arguments).map(|argument| (*argument).into());
    Exec { paths: vec!["/proc/self/exe".into()], argv: argv.collect(), env: Vec::new() }
}

/// Runs a workload.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Vec<String> = arguments.iter().map(|text| text.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["hello"] => {
            println!("hello from process {}", std::process::id());
            ExitCode::SUCCESS
        }
        ["ping", address] => ping::ping(address),
        _ => {
            eprintln!("unknown work: {}", arguments.join(" "));
            ExitCode::from(125)
        }
    }
}
