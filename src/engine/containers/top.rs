//! Top: the processes of a container, as the host's ps(1) shows them.
//!
//! ```text
//!   ps -ef ──> header: where is PID? ──> the lines whose PID is in the container's cgroup
//! ```

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::life::Status;
use super::{ContainerError, Record, cgroup, process};
use crate::engine::events::of;
use crate::engine::state::State;

/// The heading, and a row for each process, as `ps` has them with these arguments.
///
/// # Errors
/// A container that does not run, and what `ps` answers.
pub fn top(state: &State, record: &Record, args: &[String]) -> Result<Vec<Vec<String>>, ContainerError> {
    if record.life.status == Status::Restarting {
        return Err(ContainerError::Restarting(record.id.clone()));
    }
    let first = process(state, record).map_err(|_| ContainerError::NotRunning(record.id.clone()))?;
    let usual = ["-ef".to_string()];
    let output =
        Command::new("ps").args(if args.is_empty() { &usual } else { args }).stdin(Stdio::null()).output();
    let output = output.map_err(|error| ContainerError::Ps(format!("{error}: install procps")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(ContainerError::Ps(said.lines().next().unwrap_or_default().into()));
    }
    // asked for last, so that nobody whom ps shows is missed
    let rows = choose(&String::from_utf8_lossy(&output.stdout), &pids(record, first.pid)?)?;
    state.events().tell(&[of::container(record, "top")]);
    Ok(rows)
}

/// The numbers of its processes; of one without a cgroup those who share its PID namespace, unless that is ours, too.
fn pids(record: &Record, first: i32) -> Result<Vec<i32>, ContainerError> {
    let counted = cgroup(record)?.pids()?;
    if !counted.is_empty() {
        return Ok(counted);
    }
    let namespace = |pid: &str| std::fs::read_link(PathBuf::from(format!("/proc/{pid}/ns/pid"))).ok();
    let theirs = namespace(&first.to_string());
    if theirs.is_none() || theirs == namespace("self") {
        return Ok(vec![first]);
    }
    let names =
        std::fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|pid| namespace(pid) == theirs).filter_map(|pid| pid.parse().ok()).collect())
}

/// The last column is the command line, and has blanks.
fn choose(text: &str, pids: &[i32]) -> Result<Vec<Vec<String>>, ContainerError> {
    let mut lines = text.lines().map(|line| line.split_whitespace().map(String::from).collect::<Vec<_>>());
    let heading = lines.next().unwrap_or_default();
    let column = heading.iter().position(|name| name == "PID");
    let column = column.ok_or_else(|| ContainerError::Ps("Couldn't find PID field in ps output".into()))?;
    let ours = |row: &Vec<String>| {
        row.get(column).and_then(|pid| pid.parse().ok()).is_some_and(|pid| pids.contains(&pid))
    };
    let mut rows = vec![heading];
    for mut row in lines.filter(ours) {
        let last = row.split_off(row.len().min(rows[0].len() - 1)).join(" ");
        row.push(last);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_the_pid_column() {
        let text = "UID PID CMD\nroot 1 init\nroot 21 sh -c 1\nroot 12 sleep  21\n";
        let rows = choose(text, &[21, 12]).expect("there is a PID");
        let wanted = [["UID", "PID", "CMD"], ["root", "21", "sh -c 1"], ["root", "12", "sleep 21"]];
        assert_eq!(rows, wanted);
        assert!(choose("UID CMD\nroot init\n", &[1]).is_err());
    }
}
