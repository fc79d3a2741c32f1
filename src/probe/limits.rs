//! What cgroups count, told so that it does not differ from run to run.

use std::time::Duration;

use super::fact;
use crate::kernel::ctext::BOX;
use crate::trace::Fact;

/// The box's process id among the members of a cgroup, by its stable name.
pub(super) fn members(mut facts: Vec<Fact>, box_pid: Option<i32>) -> Vec<Fact> {
    let pid = box_pid.map(|pid| pid.to_string());
    let members = facts.iter_mut().filter(|fact| fact.key == "cgroup.procs");
    for fact in members {
        let named = fact.value.split("; ").map(|id| if Some(id) == pid.as_deref() { BOX } else { id });
        fact.value = named.collect::<Vec<_>>().join("; ");
    }
    facts
}

/// Each counter as `0` or `more than 0`; one that is not there is not a fact.
pub(super) fn counters(directory: &str, counters: &[(&str, &str)]) -> Vec<Fact> {
    let read = |(file, word): &(&str, &str)| {
        let text = std::fs::read_to_string(format!("{directory}/{file}")).ok()?;
        let number = text.lines().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok())?;
        let value = if number == 0 { "0" } else { "more than 0" };
        Some(fact(format!("{file} {word}").trim_end(), value))
    };
    counters.iter().filter_map(read).collect()
}

/// Reads a number until it has grown. A file that does not exist yet is waited for.
pub(super) fn progress(path: &str, shown_as: &str) -> Option<Vec<Fact>> {
    const PAUSE: Duration = Duration::from_millis(20);
    let read = || std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let again = || {
        std::thread::sleep(PAUSE);
        read()
    };
    let first = (0..500).find_map(|_| again())?;
    let grows = (0..40).any(|_| again().is_some_and(|number| number > first));
    Some(vec![fact(shown_as, if grows { "grows" } else { "stands still" })])
}
