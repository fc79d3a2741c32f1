//! How an operation is printed: as strace prints it, flags decoded.

use std::fmt;

mod mounts;

use super::{self as op, Join, Op, Scheduling, signal_name};
use crate::kernel::ctext::{BOX, CText, quote};
use crate::kernel::flags::{self, decode};

struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 48;
        quote(f, &self.0[..self.0.len().min(MOST)])?;
        if self.0.len() > MOST { f.write_str("...") } else { Ok(()) }
    }
}

fn optional(text: &CText) -> String {
    if text.as_c_str().is_empty() { "NULL".into() } else { text.to_string() }
}

fn list(items: &[CText]) -> String {
    let items: Vec<String> = items.iter().map(CText::to_string).collect();
    format!("[{}]", items.join(", "))
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match self {
            Mkdir { path, mode } => write!(f, "mkdir({path}, {mode:04o})"),
            Rmdir { path } => write!(f, "rmdir({path})"),
            Create { path, data, .. } | Append { path, data } => write!(f, "write({path}, {})", Quoted(data)),
            Touch { path } => write!(f, "openat(AT_FDCWD, {path}, O_WRONLY|O_CREAT, 0644)"),
            Write { path, data } => write!(f, "write({path}, {data})"),
            Copy { from, to } => write!(f, "copy_file_range({from}, {to})"),
            Symlink { target, path } => write!(f, "symlink({target}, {path})"),
            Link { from, to } => write!(f, "link({from}, {to})"),
            Rename { from, to } => write!(f, "rename({from}, {to})"),
            Unlink { path } => write!(f, "unlink({path})"),
            RemoveTree { path } => write!(f, "unlinkat({path}, and all below)"),
            Mknod { path, mode, major, minor } => {
                let (kind, mode) = match mode & libc::S_IFMT {
                    libc::S_IFBLK => ("S_IFBLK", mode & 0o7777),
                    libc::S_IFIFO => return write!(f, "mknod({path}, S_IFIFO|{:04o}, 0)", mode & 0o7777),
                    _ => ("S_IFCHR", mode & 0o7777),
                };
                write!(f, "mknod({path}, {kind}|{mode:04o}, makedev({major}, {minor}))")
            }
            Chown { path, uid, gid } => {
                write!(f, "fchownat(AT_FDCWD, {path}, {uid}, {gid}, AT_SYMLINK_NOFOLLOW)")
            }
            Chmod { path, mode } => write!(f, "chmod({path}, {mode:04o})"),
            Room { path } => {
                write!(
                    f,
                    "openat2(AT_FDCWD, {path}, {{resolve=RESOLVE_NO_MAGICLINKS}}) /* made if missing */"
                )
            }
            Redirect { path, fd } => write!(f, "dup2({path}, {fd})"),
            CloseRange { first } => write!(f, "close_range({first}, ~0U, 0)"),
            Chdir { path } => write!(f, "chdir({path})"),
            Chroot { path } => write!(f, "chroot({path})"),
            PivotRoot { new, old } => write!(f, "pivot_root({new}, {old})"),
            Mount { source, target, kind, flags, data } => {
                let flags = decode(*flags, flags::MOUNT);
                let (source, kind, data) = (optional(source), optional(kind), optional(data));
                write!(f, "mount({source}, {target}, {kind}, {flags}, {data})")
            }
            Umount { target, flags } => write!(f, "umount2({target}, {})", decode(*flags, flags::UMOUNT)),
            Fsopen { kind } => write!(f, "fsopen({kind}, FSOPEN_CLOEXEC)"),
            FsconfigString { key, value } => {
                write!(f, "fsconfig(fs, FSCONFIG_SET_STRING, {key}, {value}, 0)")
            }
            FsconfigFlag { key } => write!(f, "fsconfig(fs, FSCONFIG_SET_FLAG, {key}, NULL, 0)"),
            FsconfigCreate => f.write_str("fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)"),
            Fsmount => f.write_str("fsmount(fs, FSMOUNT_CLOEXEC, 0)"),
            MoveMount { target } => {
                write!(f, "move_mount(mnt, \"\", AT_FDCWD, {target}, MOVE_MOUNT_F_EMPTY_PATH)")
            }
            OpenTree { source, recursive, .. } => {
                let all = if *recursive { "|AT_RECURSIVE" } else { "" };
                write!(f, "open_tree(AT_FDCWD, {source}, OPEN_TREE_CLONE{all})")
            }
            PlaceTree { target, .. } => {
                write!(f, "move_mount(tree, \"\", AT_FDCWD, {target}, MOVE_MOUNT_F_EMPTY_PATH)")
            }
            other => other.fmt_mount(f),
        }
    }
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scheduling { policy, flags, nice, priority, runtime, deadline, period } = self;
        let policy = flags::POLICIES.get(*policy as usize).unwrap_or(&"?");
        write!(f, "{{sched_policy=SCHED_{policy}, sched_flags={flags:#x}, sched_nice={nice}, ")?;
        write!(f, "sched_priority={priority}, sched_runtime={runtime}, sched_deadline={deadline}, ")?;
        write!(f, "sched_period={period}}}")
    }
}

impl Op {
    fn fmt_cgroup(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match self {
            RemoveCgroup { path } => write!(f, "rmdir({path})"),
            LeaveCgroup { path } => write!(f, "rmdir({path}) /* unless somebody is in it */"),
            HandDown { path, controllers } => {
                let names: Vec<_> =
                    controllers.iter().map(|name| format!("+{}", name.as_path().display())).collect();
                write!(f, "write({path}, \"{}\")", names.join(" "))
            }
            Inherit { from, to } => write!(f, "write({to}, read({from})) /* where it is empty */"),
            WriteFirst { choices } => {
                let choices: Vec<String> =
                    choices.iter().map(|(path, data)| format!("write({path}, {data})")).collect();
                f.write_str(&choices.join(" or "))
            }
            AwaitText { path, text, .. } => write!(f, "read({path}) /* until it holds {text} */"),
            SignalCgroup { path, signal } => {
                write!(f, "kill(each process of {path}, {})", signal_name(*signal))
            }
            OpenCgroup(path) => write!(f, "openat(AT_FDCWD, {path}, O_PATH|O_DIRECTORY)"),
            LoadDeviceFilter(program) => write!(
                f,
                "bpf(BPF_PROG_LOAD, {{prog_type=BPF_PROG_TYPE_CGROUP_DEVICE, insn_cnt={}}})",
                program.len()
            ),
            AttachDeviceFilter { cgroup, replace } => {
                let flags = if *replace { "BPF_F_ALLOW_MULTI|BPF_F_REPLACE" } else { "BPF_F_ALLOW_MULTI" };
                write!(
                    f,
                    "bpf(BPF_PROG_ATTACH, {{target_fd={cgroup}, attach_bpf_fd=program, \
                     attach_type=BPF_CGROUP_DEVICE, attach_flags={flags}}})"
                )
            }
            other => other.fmt_process(f),
        }
    }

    fn fmt_process(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match self {
            Clone { flags: 0 } => f.write_str("clone3({flags=CLONE_PIDFD, exit_signal=SIGCHLD})"),
            Clone { flags } => {
                let cgroup = if flags & flags::INTO_CGROUP == 0 { "" } else { ", cgroup=cgroup" };
                let flags = decode(*flags, flags::CLONE);
                write!(f, "clone3({{flags=CLONE_PIDFD|{flags}, exit_signal=SIGCHLD{cgroup}}})")
            }
            PidfdOpen { pid, .. } => write!(f, "pidfd_open({pid}, 0)"),
            CloneThrough { join, flags } => {
                // in two rounds, as it is done: what belongs to a user namespace may need that one first, or last
                let others = join.iter().map(|join| (join, join.kinds() & !flags::NEWUSER));
                let users = join.iter().map(|join| (join, join.kinds() & flags::NEWUSER));
                for (join, kinds) in others.chain(users).filter(|(_, kinds)| *kinds != 0) {
                    let kinds = decode(kinds, flags::NAMESPACES);
                    match join {
                        Join::OfProcess(_) => write!(f, "setns(pidfd, {kinds}), ")?,
                        Join::OfPeer(peer, _) => write!(f, "setns(pidfd_open({}), {kinds}), ", peer.pid)?,
                        Join::File(path, _) => write!(f, "setns({path}, {kinds}), ")?,
                    }
                }
                let new = decode(*flags, flags::NAMESPACES);
                let new = if *flags == 0 { String::new() } else { format!("|{new}") };
                write!(f, "clone3({{flags=CLONE_PARENT{new}, exit_signal=0}})")
            }
            Unshare { flags } => write!(f, "unshare({})", decode(*flags, flags::NAMESPACES)),
            Setns { path, flags } => write!(f, "setns({path}, {})", decode(*flags, flags::NAMESPACES)),
            Setdomainname { name } => {
                write!(f, "setdomainname({name}, {})", name.as_c_str().count_bytes())
            }
            Sethostname { name } => write!(f, "sethostname({name}, {})", name.as_c_str().count_bytes()),
            Exec(exec) => {
                let path = match exec.paths.as_slice() {
                    [path] => path.to_string(),
                    _ => format!(
                        "\"$PATH/{}\"",
                        exec.argv.first().cloned().unwrap_or_default().as_path().display()
                    ),
                };
                write!(f, "execve({path}, {}, {} vars)", list(&exec.argv), exec.env.len())
            }
            Depart => f.write_str("execveat(memfd, \"\", [\"stepbox\"], 0 vars, AT_EMPTY_PATH)"),
            Exit { code } => write!(f, "exit_group({code})"),
            Spawn(hook) => {
                write!(f, "{}", Op::Exec(hook.exec.clone()))?;
                match hook.timeout {
                    Some(seconds) => write!(f, " /* and wait, {seconds} s at most */"),
                    None => f.write_str(" /* and wait */"),
                }
            }
            OpenFifo { path } => write!(f, "openat(AT_FDCWD, {path}, O_RDWR|O_NOFOLLOW|O_CLOEXEC)"),
            LookUp { paths } => match paths.as_slice() {
                [path] => write!(f, "faccessat2(AT_FDCWD, {path}, X_OK, AT_EACCESS)"),
                _ => write!(f, "faccessat2(AT_FDCWD, each of {}, X_OK, AT_EACCESS)", list(paths)),
            },
            AwaitStart { .. } => f.write_str("read(fifo, 1)"),
            LetGo { path } => write!(f, "write({path}, \"\\0\")"),
            Begun(super::Begun::Listen { path }) => {
                write!(f, "openat(AT_FDCWD, {path}, O_RDONLY|O_NONBLOCK|O_NOFOLLOW|O_CLOEXEC)")
            }
            Begun(super::Begun::Await) => f.write_str("poll(fifo, POLLHUP)"),
            Pipe(super::Pipe::Make { fd }) => write!(f, "pipe2([engine, box's {fd}], O_CLOEXEC)"),
            Pipe(super::Pipe::Take { fd }) => write!(f, "dup2(pipe, {fd})"),
            Watcher(super::Watcher::Call { path }) => write!(f, "connect(watcher, {{sun_path={path}}})"),
            Watcher(super::Watcher::Tell { text }) => {
                write!(f, "sendmsg(watcher, {text}, SCM_RIGHTS [pidfd])")
            }
            Fork { code } => write!(f, "clone(exit_signal=SIGCHLD) /* the child: exit_group({code}) */"),
            Orphans(op::Orphans::Adopt) => f.write_str("prctl(PR_SET_CHILD_SUBREAPER, 1)"),
            Orphans(op::Orphans::End) => {
                f.write_str("kill(each child, SIGKILL), wait4(-1) /* until there is none */")
            }
            Orphans(op::Orphans::Init) => f.write_str(
                "clone(exit_signal=SIGCHLD) /* the parent: wait4(-1), kill(child, each signal) */",
            ),
            WaitFork => f.write_str("wait4(child)"),
            WaitBox => f.write_str("waitid(P_PIDFD, box, WEXITED)"),
            PeekBox => f.write_str("waitid(P_PIDFD, box, WEXITED|WNOWAIT)"),
            KillBox { signal } => write!(f, "pidfd_send_signal(box, {})", signal_name(*signal)),
            Nanosleep { milliseconds } => write!(f, "clock_nanosleep(CLOCK_REALTIME, {milliseconds} ms)"),
            Setsid => f.write_str("setsid()"),
            Getcwd => f.write_str("getcwd()"),
            Umask { mask } => write!(f, "umask({mask:03o})"),
            UnblockSignals => f.write_str("rt_sigprocmask(SIG_SETMASK, [])"),
            DefaultSignal { signal } => write!(f, "rt_sigaction({}, SIG_DFL)", signal_name(*signal)),
            Setgroups { gids } => write!(f, "setgroups({}, {gids:?})", gids.len()),
            Setresgid { gid } => write!(f, "setresgid({gid}, {gid}, {gid})"),
            Setresuid { uid } => write!(f, "setresuid({uid}, {uid}, {uid})"),
            DropBounding { keep } => {
                write!(f, "prctl(PR_CAPBSET_DROP, all but {})", flags::capabilities(*keep))
            }
            Capset { permitted, effective, inheritable } => {
                let [effective, permitted, inheritable] =
                    [effective, permitted, inheritable].map(|set| flags::capabilities(*set));
                write!(
                    f,
                    "capset({{effective={effective}, permitted={permitted}, inheritable={inheritable}}})"
                )
            }
            Ambient { raise } => {
                write!(f, "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, {})", flags::capabilities(*raise))
            }
            KeepCapabilities { keep } => write!(f, "prctl(PR_SET_KEEPCAPS, {})", u8::from(*keep)),
            Dumpable { dumpable: false } => f.write_str("prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)"),
            Dumpable { dumpable: true } => f.write_str("prctl(PR_SET_DUMPABLE, SUID_DUMP_USER)"),
            OwnStdio { uid } => write!(f, "fchown(0|1|2, {uid}, -1)"),
            NoNewPrivs => f.write_str("prctl(PR_SET_NO_NEW_PRIVS, 1)"),
            Seccomp { program, flags } => {
                let flags = decode(*flags, flags::SECCOMP);
                write!(f, "seccomp(SECCOMP_SET_MODE_FILTER, {flags}, {{len={}}})", program.len())
            }
            ConnectListener { path } => {
                write!(f, "connect(listener, {{sa_family=AF_UNIX, sun_path={path}}})")
            }
            ForkMessenger { .. } => {
                f.write_str("clone(flags=CLONE_FILES|SIGCHLD) /* the child: sendmsg(listener, SCM_RIGHTS) */")
            }
            WaitMessenger => f.write_str("wait4(messenger)"),
            ParentDeathSignal { signal } => write!(f, "prctl(PR_SET_PDEATHSIG, {})", signal_name(*signal)),
            other => other.fmt_limits(f),
        }
    }

    fn fmt_limits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Op::*;
        match self {
            Setrlimit { resource, soft, hard } => {
                let name = flags::RLIMITS.get(*resource as usize).unwrap_or(&"?");
                let [soft, hard] = [soft, hard].map(|limit| match *limit {
                    libc::RLIM_INFINITY => "RLIM64_INFINITY".to_string(),
                    limit => limit.to_string(),
                });
                write!(f, "prlimit64({BOX}, RLIMIT_{name}, {{rlim_cur={soft}, rlim_max={hard}}}, NULL)")
            }
            Personality { persona } => write!(f, "personality({persona:#x})"),
            SchedSetattr(attributes) => write!(f, "sched_setattr(0, {attributes}, 0)"),
            SchedSetaffinity { cpus } => write!(f, "sched_setaffinity(0, {cpus:?})"),
            IoprioSet { class, level } => {
                let class = flags::IO_CLASSES.get(*class as usize).unwrap_or(&"?");
                let value = format!("IOPRIO_PRIO_VALUE(IOPRIO_CLASS_{class}, {level})");
                write!(f, "ioprio_set(IOPRIO_WHO_PROCESS, 0, {value})")
            }
            JoinSessionKeyring { name } => write!(f, "keyctl(KEYCTL_JOIN_SESSION_KEYRING, {name})"),
            ConnectConsole { path } => write!(f, "connect(console, {{sun_path={path}}})"),
            SendConsole => f.write_str("sendmsg(console, \"/dev/ptmx\", SCM_RIGHTS [ptmx])"),
            WindowSize { rows, columns } => {
                write!(f, "ioctl(ptmx, TIOCSWINSZ, {{ws_row={rows}, ws_col={columns}}})")
            }
            OpenPty => f.write_str("openat(\"/dev/pts/ptmx\", O_RDWR|O_NOCTTY)"),
            SendPty => f.write_str("sendmsg(host, SCM_RIGHTS [ptmx])"),
            AttachPty => f.write_str("ioctl(0, TIOCSCTTY, 0)"),
            Netlink(request) => write!(f, "{request}"),
            Nft(batch) => write!(f, "{batch}"),
            Listen(listen) => write!(f, "{listen}"),
            files => unreachable!("printed by Display: {files:?}"),
        }
    }
}
