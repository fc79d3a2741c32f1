//! Ps: the processes of a container, as the host's ps(1) shows them.

use std::process::{Command, Stdio};

use super::state::Container;
use super::{OciError, control};

/// The numbers of all processes of the container, as the host sees them.
pub fn pids(container: &Container) -> Vec<i32> {
    let own = || container.init().map(|init| neighbours(init.pid)).unwrap_or_default();
    container.record.cgroup.as_ref().and_then(control::pids).unwrap_or_else(own)
}

/// For a container without a cgroup: everybody in the PID namespace of its first process, unless that is ours too.
fn neighbours(init: i32) -> Vec<i32> {
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let theirs = namespace(&init.to_string());
    if theirs.is_none() || theirs == namespace("self") {
        return vec![init];
    }
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut found: Vec<i32> = numbers.filter(|pid| namespace(&pid.to_string()) == theirs).collect();
    found.sort_unstable();
    found
}

/// What `ps` prints with these arguments, of this container's processes only. ps(1) cannot be asked for a cgroup, so
/// its lines are chosen by their PID column, as runc does.
pub fn table(pids: &[i32], args: &[String]) -> Result<String, OciError> {
    let default = ["-ef".to_string()];
    let args = if args.is_empty() { &default[..] } else { args };
    let output = Command::new("ps").args(args).stdin(Stdio::null()).output().map_err(|error| {
        OciError::Unsupported(format!("cannot run ps: {error}; install procps, or ask with --format json"))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(OciError::Usage(format!("ps {}: {}: {}", args.join(" "), output.status, said.trim())));
    }
    choose(&String::from_utf8_lossy(&output.stdout), pids)
}

fn choose(text: &str, pids: &[i32]) -> Result<String, OciError> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let column = header.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| OciError::Usage("couldn't find PID field in ps output".into()))?;
    let ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|pid| pid.parse::<i32>().ok());
        pid.is_some_and(|pid| pids.contains(&pid))
    };
    Ok(std::iter::once(header).chain(lines.filter(ours)).map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_the_pid_column() {
        let text = "UID PID PPID CMD\nroot 7 1 sh\nroot 17 7 ps 7\n";
        assert_eq!(choose(text, &[7]).expect("a column"), "UID PID PPID CMD\nroot 7 1 sh\n");
        assert!(choose("COMMAND\nsh\n", &[7]).is_err());
    }
}
