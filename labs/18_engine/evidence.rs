//! Evidence: what the kernel and the engine's files say of one container and its monitor, without what differs from run to
//! run: ids, numbers, times.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stepbox::engine::containers::Record;
use stepbox::engine::containers::life::Life;
use stepbox::engine::log;
use stepbox::engine::monitor::frames::Frame;
use stepbox::engine::state::State;
use stepbox::journal;
use stepbox::trace::{Change, Fact};

use super::{Result, facts};

/// What can be seen of one container.
pub struct Seen<'a> {
    state: &'a State,
    id: &'a str,
    directory: PathBuf,
}

/// Looks until it is so, for ten seconds at most.
pub fn eventually(mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so()? {
        if began.elapsed() > Duration::from_secs(10) {
            return Err("what this lab waits for does not happen".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// One line of evidence.
pub fn fact(key: impl Into<String>, value: impl Into<String>) -> Fact {
    Fact { key: key.into(), value: value.into() }
}

/// Evidence that has no before.
pub fn told(kind: &str, subject: &str, after: Vec<Fact>) -> Change {
    Change { kind: kind.into(), subject: subject.into(), source: subject.into(), before: Vec::new(), after }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Sends a frame.
pub fn say(socket: &OwnedFd, frame: &Frame) -> Result<Fact> {
    let mut bytes = Vec::new();
    frame.put(&mut bytes);
    rustix::io::write(socket, &bytes)?;
    Ok(told_frame(">", frame))
}

/// The next frame that comes.
pub fn hear(socket: &OwnedFd) -> Result<Fact> {
    let (mut come, mut piece) = (Vec::new(), [0u8; 1]);
    loop {
        if let Some(frame) = Frame::take(&mut come)? {
            return Ok(told_frame("<", &frame));
        }
        if rustix::io::read(socket, &mut piece)? == 0 {
            return Err("the monitor has hung up".into());
        }
        come.push(piece[0]);
    }
}

fn told_frame(side: &str, frame: &Frame) -> Fact {
    let text = |name: &str, bytes: &[u8]| format!("{name} {:?}", String::from_utf8_lossy(bytes));
    let words = match frame {
        Frame::Stdin(bytes) => text("Stdin", bytes),
        Frame::Stdout(bytes) => text("Stdout", bytes),
        Frame::Stderr(bytes) => text("Stderr", bytes),
        Frame::Hello { stdin, .. } => {
            format!("Hello: {}", if *stdin { "types and reads" } else { "only reads" })
        }
        other => format!("{other:?}"),
    };
    let mut bytes = Vec::new();
    frame.put(&mut bytes);
    fact(format!("{side} {}", hex(&bytes)), words)
}

impl<'a> Seen<'a> {
    /// Of the container of this id.
    pub fn new(state: &'a State, id: &'a str) -> Seen<'a> {
        Seen { state, id, directory: state.containers().join(id) }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    fn owner(&self) -> Option<i32> {
        Life::read(&self.directory)?.owner.map(|owner| owner.pid)
    }

    /// What its directory holds.
    pub fn directory(&self) -> Result<Change> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let kind = if entry.file_type()?.is_dir() { "directory" } else { "file" };
            found.push(fact(entry.file_name().to_string_lossy(), kind));
        }
        found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(told("file", "containers/[ID]", found))
    }

    /// What is kept of it.
    pub fn record(&self) -> Result<Change> {
        let record = Record::read(&self.directory).ok_or("it has no record")?;
        let found = facts([
            ("name", record.name),
            ("image", record.image),
            ("command", format!("{:?}", record.command)),
            ("restart", format!("{:?}", record.request.restart)),
        ]);
        Ok(told("file", "config.json", found))
    }

    /// What it is doing, as its monitor has written it down.
    pub fn life(&self) -> Result<Change> {
        let life = Life::read(&self.directory).ok_or("it was never started")?;
        let owner = match &life.owner {
            Some(owner) if owner.lives() => "[MONITOR], start time and boot id",
            Some(_) => "[MONITOR], which is gone",
            None => "none",
        };
        let found = facts([
            ("status", life.status.word().into()),
            ("owner", owner.into()),
            ("exit code", life.exit_code.to_string()),
            ("restarts", life.restarts.to_string()),
        ]);
        Ok(told("file", "state.json", found))
    }

    /// The processes that belong to it.
    pub fn processes(&self) -> Result<Change> {
        let mut found = Vec::new();
        let program = journal::box_of(&self.state.journal(self.id)).map(|peer| peer.pid);
        for pid in fs::read_dir("/proc")?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<String> = line
                .split(|byte| *byte == 0)
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            if words.get(1).is_some_and(|word| word == "monitor")
                && words.get(2).is_some_and(|id| id == self.id)
            {
                found.push(fact("[MONITOR]", words[..3].join(" ").replace(self.id, "[ID]")));
            } else if program == Some(pid) {
                found.push(fact("[BOX]", words.first().cloned().unwrap_or_default()));
            }
        }
        found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(told("process", "the container", found))
    }

    fn monitor_pid(&self) -> Result<i32> {
        Ok(self.owner().ok_or("it has no monitor")?)
    }

    fn parent(pid: i32) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    }

    /// Whether the command that started it has left it to somebody else.
    pub fn monitor_is_orphan(&self, command: u32) -> Result<bool> {
        Ok(Seen::parent(self.monitor_pid()?).is_some_and(|parent| parent != command))
    }

    /// Who the monitor is: proc_pid_stat(5).
    pub fn monitor(&self) -> Result<Change> {
        let pid = self.monitor_pid()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> =
            stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
        let parent =
            if field(4) == "1" { "process 1: the command has ended" } else { "who takes in orphans here" };
        let own =
            if field(6) == pid.to_string() { "its own: no terminal's end is its end" } else { "another's" };
        let found = facts([
            ("parent", parent.into()),
            ("session", own.into()),
            ("threads", field(20).into()),
            ("parent of [BOX]", self.parent_of_box(pid)),
        ]);
        Ok(told("process", "/proc/[MONITOR]/stat", found))
    }

    fn parent_of_box(&self, monitor: i32) -> String {
        let parent = journal::box_of(&self.state.journal(self.id)).and_then(|peer| Seen::parent(peer.pid));
        if parent == Some(monitor.cast_unsigned()) { "[MONITOR]" } else { "another" }.into()
    }

    /// What the monitor has open, and which of it the program has at its other end.
    pub fn descriptors(&self) -> Result<Change> {
        let program = journal::box_of(&self.state.journal(self.id)).ok_or("there is no program")?;
        let link = |pid: i32, fd: &str| fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap_or_default();
        let theirs = [("0", "standard input"), ("1", "standard output"), ("2", "standard error")]
            .map(|(fd, name)| (link(program.pid, fd), name));
        let monitor = self.monitor_pid()?;
        let listening = listening()?;
        let mut found = Vec::new();
        for entry in fs::read_dir(format!("/proc/{monitor}/fd"))? {
            let target = fs::read_link(entry?.path())?;
            let text = target.to_string_lossy();
            found.push(match theirs.iter().find(|(theirs, _)| *theirs == target) {
                Some((_, name)) if text.starts_with("pipe:") => {
                    fact("pipe", format!("[BOX] has the other end as its {name}"))
                }
                // pidfd:[…] since Linux 6.9
                _ if text.contains("pidfd") => fact("pidfd", "of [BOX]: readable when it ends"),
                _ if text.contains("signalfd") => fact("signalfd", "what it is sent, to be read"),
                _ if listening.iter().any(|socket| *socket == text) => {
                    fact("socket", "attach.sock, listening")
                }
                _ if text.starts_with("socket:") => {
                    fact("socket", "by which [BOX] was lent its steps; closed there")
                }
                _ => {
                    let state = self.state.root.display().to_string();
                    fact("file", text.replace(&state, "state").replace(self.id, "[ID]"))
                }
            });
        }
        found.sort_by(|one, other| (&one.key, &one.value).cmp(&(&other.key, &other.value)));
        found.dedup();
        Ok(told("process", "/proc/[MONITOR]/fd", found))
    }

    /// Locks on the files of this container: proc_locks(5).
    pub fn locks(&self) -> Result<Change> {
        let named = [
            ("journal/[ID].journal", self.state.journal(self.id)),
            ("containers/[ID]/lock", self.directory.join("lock")),
        ];
        let owner = self.owner();
        let mut found = Vec::new();
        for line in fs::read_to_string("/proc/locks")?.lines() {
            let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "->").collect();
            let (Some(pid), Some(inode)) =
                (words.get(4), words.get(5).and_then(|place| place.rsplit(':').next()))
            else {
                continue;
            };
            let is = |path: &Path| path.metadata().is_ok_and(|stat| stat.ino().to_string() == inode);
            let Some((name, _)) = named.iter().find(|(_, path)| is(path)) else { continue };
            let who = match pid.parse::<i32>() {
                Ok(pid) if Some(pid) == owner => "[MONITOR]",
                Ok(pid) if pid.cast_unsigned() == std::process::id() => "this lab",
                _ => "the other command",
            };
            let how = if line.contains("->") { "waits" } else { "holds it" };
            found.push(fact(*name, format!("{} {}: {who} {how}", words[1], words[3])));
        }
        // the kernel has an order of its own for each processor
        found.sort_by_key(|fact| (fact.key.clone(), fact.value.ends_with("waits")));
        Ok(told("file", "/proc/locks", found))
    }

    /// Whether another command waits for its lock.
    pub fn somebody_waits(&self) -> Result<bool> {
        Ok(self.locks()?.after.iter().any(|fact| fact.value.ends_with("waits")))
    }

    /// Whether there is something to undo.
    pub fn journal(&self) -> Result<Change> {
        let is = if self.state.journal(self.id).exists() {
            "there: what is to undo"
        } else {
            "gone: everything is undone"
        };
        Ok(told("file", "run/journal", vec![fact("[ID].journal", is)]))
    }

    fn log_lines(&self) -> Vec<String> {
        let text = fs::read_to_string(log::file(&self.directory, self.id)).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    /// Whether it has so many lines.
    pub fn lines(&self, count: usize) -> Result<bool> {
        Ok(self.log_lines().len() >= count)
    }

    /// What it has printed, as the file has it.
    pub fn log(&self) -> Result<Change> {
        let stable = |line: &String| match line.split_once("\"time\":") {
            Some((begin, _)) => format!("{begin}\"time\":\"[TIME]\"}}"),
            None => line.clone(),
        };
        let lines = self.log_lines();
        let found =
            lines.iter().enumerate().map(|(number, line)| fact(format!("{}", number + 1), stable(line)));
        Ok(told("file", "[ID]-json.log", found.collect()))
    }

    /// How long it was between one run and the next, by the times of what they printed.
    pub fn pauses(&self) -> Result<Change> {
        let time = |line: &String| {
            let time = line.split_once("\"time\":\"")?.1.trim_end_matches(['"', '}']);
            time.parse::<jiff::Timestamp>().ok()
        };
        let times: Vec<_> = self.log_lines().iter().filter_map(time).collect();
        let pairs = times.windows(2).enumerate().map(|(number, pair)| {
            let least = 100 << number;
            let took = pair[1].duration_since(pair[0]).as_millis();
            let words = if took >= least { format!("at least {least} ms") } else { format!("{took} ms") };
            fact(format!("from run {} to run {}", number + 1, number + 2), words)
        });
        Ok(told("time", "the pauses", pairs.collect()))
    }

    /// SIGKILL, and until it is gone.
    pub fn kill_monitor(&self) -> Result<()> {
        let pid = self.monitor_pid()?;
        let monitor = rustix::process::Pid::from_raw(pid).ok_or("it has no monitor")?;
        rustix::process::kill_process(monitor, rustix::process::Signal::KILL)?;
        eventually(|| {
            Ok(!Life::read(&self.directory).and_then(|life| life.owner).is_some_and(|owner| owner.lives()))
        })
    }
}

/// Unix sockets that listen, as /proc/PID/fd names them: __SO_ACCEPTCON among the flags of /proc/net/unix.
fn listening() -> Result<Vec<String>> {
    const FLAGS: usize = 3;
    const INODE: usize = 6;
    let text = fs::read_to_string("/proc/net/unix")?;
    let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listens = rows.filter(|row| row.get(FLAGS) == Some(&"00010000"));
    Ok(listens.filter_map(|row| Some(format!("socket:[{}]", row.get(INODE)?))).collect())
}
