//! Calls: the real runtime, killed before each system call that changes anything: between two of those it has done the
//! same, whichever calls it has made only to look.

use std::collections::{HashMap, HashSet};

use crate::Field;
use crate::steps::WHOLE;

/// Calls that change nothing outside of the process that makes them.
const LOOKS: &str = "access alarm arch_prctl brk clock_gettime clock_nanosleep close close_range dup dup3 epoll_create1 \
    epoll_ctl exit_group faccessat faccessat2 fcntl fstat fstatfs futex getcwd getdents64 getegid geteuid getgid getpid \
    getppid getrandom gettid getuid ioctl lseek madvise mmap mprotect munmap newfstatat pidfd_open poll pread64 prlimit64 \
    read readlink readlinkat rseq rt_sigaction rt_sigprocmask sched_getaffinity set_robust_list set_tid_address \
    sigaltstack stat statfs statx umask uname";

/// One command of the runtime: what comes before it, and how to see that its death has done no harm.
struct Case {
    command: &'static str,
    before: &'static str,
    after: &'static str,
    /// one container for all kills
    shared: bool,
}

const CASES: [Case; 8] = [
    Case { command: "create -b $B/b c1", before: "", after: "gone", shared: false },
    Case { command: "run -b $B/short c1", before: "", after: "gone", shared: false },
    Case { command: "run -d -b $B/hooks c1", before: "", after: "gone", shared: false },
    Case { command: "start c1", before: "$R create -b $B/hooks c1", after: "gone", shared: false },
    Case { command: "exec c1 true", before: "$R run -d -b $B/b c1", after: "whole", shared: true },
    Case { command: "exec -d c1 true", before: "$R run -d -b $B/b c1", after: "whole", shared: true },
    Case { command: "delete c1", before: "$R create -b $B/hooks c1", after: "gone", shared: false },
    Case { command: "delete --force c1", before: "$R run -d -b $B/hooks c1", after: "gone", shared: false },
];

/// A start that was killed when it had let the program go, and had not said so yet: the container runs all the same, and
/// is not deleted without force.
const STARTED: &str = "$R create -b $B/b c1\n\
    strace -qq -o /dev/null -e inject=unlink,unlinkat:signal=KILL:when=1 $R start c1 2>/dev/null; code=$?\n\
    [ $code = 137 ] && [ -e $B/oci/c1/exec.fifo ] || echo \"start was not killed in time: $code\"\n\
    for i in $(seq 400); do $R state c1 | grep -q running && break; sleep 0.05; done; $R state c1 | grep -q running || $R state c1\n\
    $R start c1 2>/dev/null && echo started twice; $R delete c1 2>/dev/null && echo deleted while it runs\n\
    gone 'a start that was killed'";

pub fn all(name: &str, field: &Field) {
    if std::process::Command::new("strace").arg("--version").output().is_err() {
        return support::skip(name, "needs strace");
    }
    field.each("", &[STARTED.into()], "");
    let mut kills = 0;
    for Case { command, before, after, shared } in CASES {
        let traced = field.bundles.says(&format!(
            "{before}\nstrace -qq -o $B/calls $R {command} >/dev/null; cat $B/calls; $R delete --force c1"
        ));
        let points = points(&traced);
        assert!(points.len() >= 3, "{command}: {points:?}");
        let again = if shared { "" } else { before };
        let line = |(call, count): &(String, usize)| {
            let what = format!("'{command} at {call} {count}'");
            format!(
                "{again}\nstrace -qq -o /dev/null -e inject={call}:signal=KILL:when={count} $R {command} >/dev/null 2>$B/err\n\
                 [ $? = 137 ] || echo {command} at {call} {count}: $(cat $B/err) >>$B/survived; {after} {what}"
            )
        };
        let lines: Vec<String> = points.iter().map(line).collect();
        let (first, last) =
            if shared { (format!("{WHOLE}\n{before}"), "gone shared") } else { (String::new(), "") };
        field.each(&first, &lines, last);
        kills += lines.len();
    }
    // how often a call is made can differ by one or two from run to run
    let survived =
        std::fs::read_to_string(field.bundles.site.root_directory().join("survived")).unwrap_or_default();
    let count = survived.lines().count();
    assert!(count * 10 < kills, "{count} of {kills} were not killed:\n{survived}");
    println!("{name}: {} kills, nothing left", kills - count);
}

/// The calls before which to kill: each by its name, and which of that name it is. Those before the state is looked for
/// are the program's own beginning.
fn points(log: &str) -> Vec<(String, usize)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut points = Vec::new();
    let (mut begun, mut repeated) = (false, HashSet::new());
    for line in log.lines() {
        let Some((name, rest)) = line.split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let count = counts.entry(name).or_default();
        *count += 1;
        begun |= rest.contains("/state/oci");
        let opens = ["open", "openat", "openat2"].contains(&name);
        let writes = ["O_CREAT", "O_WRONLY", "O_RDWR", "O_TRUNC"].iter().any(|flag| rest.contains(flag));
        let looks = LOOKS.split_whitespace().any(|look| look == name) || opens && !writes;
        // what is tried again until somebody has gone is tried as often as that takes
        let first = repeated.insert(line);
        if begun && name != "execve" && !looks && first {
            // a call that strace has no name for goes by its number
            let name = match name.strip_prefix("syscall_0x") {
                Some(hex) => u32::from_str_radix(hex, 16).expect("a number").to_string(),
                None => name.into(),
            };
            points.push((name, *count));
        }
    }
    points
}
