//! Docker's default profile: what a container needs in its daily life, and nothing that reaches the whole machine.
//!
//! Refused are calls that load code into the kernel, set its clock, mount, make namespaces or read the keyring; a
//! capability that is added brings its calls along. We are tighter in three places: ioctl(2) may not type into a
//! terminal (TIOCSTI, TIOCLINUX); socket families are compared in the 32 bits that the kernel looks at; and x32 is
//! closed. One gap is Docker's too: socketcall(2) of 32-bit programs takes its arguments from memory, where no filter
//! sees them. See docs.docker.com/engine/security/seccomp.

use super::{Action, Compare, Condition, Profile, Rule};
use crate::kernel::flags;

/// Names that are always allowed, sorted.
const ALLOWED: &str = "_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod \
     chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
     clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat \
     dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait \
     epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 \
     fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl \
     fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs \
     fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake \
     futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid \
     geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid \
     getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname \
     getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init \
     inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 \
     io_setup io_submit ioprio_get ioprio_set ipc kill landlock_add_rule landlock_create_ruleset \
     landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat \
     llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create \
     memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr \
     mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink \
     mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep \
     newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free \
     pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 \
     pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom \
     recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 \
     restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo \
     rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo \
     sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam \
     sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr \
     sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop \
     semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area \
     set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer \
     setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 \
     setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown \
     sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs \
     statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time \
     timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 \
     timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate \
     truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes \
     vfork vmsplice wait4 waitid waitpid write writev";

/// What a capability brings along.
const BY_CAPABILITY: &[(&str, &[&str])] = &[
    ("DAC_READ_SEARCH", &["open_by_handle_at"]),
    ("SYS_ADMIN", &SYS_ADMIN),
    ("SYS_BOOT", &["reboot"]),
    ("SYS_CHROOT", &["chroot"]),
    ("SYS_MODULE", &["delete_module", "init_module", "finit_module"]),
    ("SYS_PACCT", &["acct"]),
    ("SYS_PTRACE", &["kcmp", "pidfd_getfd", "process_madvise"]),
    ("SYS_RAWIO", &["iopl", "ioperm"]),
    ("SYS_TIME", &["settimeofday", "stime", "clock_settime", "clock_settime64"]),
    ("SYS_TTY_CONFIG", &["vhangup"]),
    ("SYS_NICE", &["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"]),
    ("SYSLOG", &["syslog"]),
    ("BPF", &["bpf"]),
    ("PERFMON", &["perf_event_open"]),
];

const SYS_ADMIN: [&str; 26] = [
    "bpf",
    "clone",
    "clone3",
    "fanotify_init",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "lookup_dcookie",
    "lsm_get_self_attr",
    "lsm_list_modules",
    "lsm_set_self_attr",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "perf_event_open",
    "quotactl",
    "quotactl_fd",
    "setdomainname",
    "sethostname",
    "setns",
    "syslog",
    "umount",
    "umount2",
    "unshare",
];

/// All namespaces that a flag of clone(2) can ask for; NEWTIME has no room there.
const NEW: u64 = flags::NEWNS
    | flags::NEWUTS
    | flags::NEWIPC
    | flags::NEWUSER
    | flags::NEWPID
    | flags::NEWNET
    | flags::NEWCGROUP;

/// ADDR_NO_RANDOMIZE and PER_BSD are harmless; 0xffffffff only asks.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

const REFUSED: Action = Action::Errno(libc::EPERM as u16);
const UNKNOWN: Action = Action::Errno(libc::ENOSYS as u16);

/// The default profile for a box whose bounding set holds these capabilities, as bits.
pub fn default_profile(capabilities: u64) -> Profile {
    let has = |name| flags::capability(name).is_some_and(|bit| capabilities >> bit & 1 == 1);
    let mut rules = vec![
        Rule { calls: words(ALLOWED), conditions: Vec::new(), action: Action::Allow },
        // the kernel looks at 32 bits of each of these; a program may set any of the others
        only("ioctl", word(1, libc::TIOCSTI as u32), REFUSED),
        only("ioctl", word(1, TIOCLINUX), REFUSED),
        always(&["ioctl"], Action::Allow),
        only("socket", word(0, libc::AF_ALG as u32), REFUSED),
        only("socket", word(0, libc::AF_VSOCK as u32), REFUSED),
        // before Linux 4.8 a tracer could change the number after the filter had seen it; our kernels are younger
        always(&["socket", "ptrace", "process_vm_readv", "process_vm_writev"], Action::Allow),
    ];
    let equal = |value| Condition { argument: 0, compare: Compare::Eq(value) };
    rules.extend(PERSONALITIES.map(|value| only("personality", equal(value), Action::Allow)));
    if cfg!(target_arch = "x86_64") {
        rules.push(always(&["arch_prctl", "modify_ldt"], Action::Allow));
    }
    for (_, calls) in BY_CAPABILITY.iter().filter(|(name, _)| has(name)) {
        rules.push(always(calls, Action::Allow));
    }
    if !has("SYS_ADMIN") {
        let none = Condition { argument: 0, compare: Compare::MaskedEq { mask: NEW, value: 0 } };
        rules.push(only("clone", none, Action::Allow));
        rules.push(always(&["clone3"], UNKNOWN));
    }
    Profile { otherwise: REFUSED, newer: Some(UNKNOWN), rules, ..Profile::default() }
}

/// ioctl_console(2): subcommand 3 of it pastes into the terminal.
const TIOCLINUX: u32 = 0x541c;

fn words(text: &'static str) -> Vec<std::borrow::Cow<'static, str>> {
    text.split(' ').map(Into::into).collect()
}

fn always(calls: &[&'static str], action: Action) -> Rule {
    Rule { calls: calls.iter().map(|call| (*call).into()).collect(), conditions: Vec::new(), action }
}

fn only(call: &'static str, condition: Condition, action: Action) -> Rule {
    Rule { calls: vec![call.into()], conditions: vec![condition], action }
}

fn word(argument: u8, value: u32) -> Condition {
    Condition { argument, compare: Compare::MaskedEq { mask: u32::MAX.into(), value: value.into() } }
}
