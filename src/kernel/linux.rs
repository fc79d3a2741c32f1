//! From an operation to the system call.
//!
//! Runs before and after the clone, so nothing on the way of a box operation allocates, locks, formats or
//! panics: raw calls through rustix and libc's thin wrappers, errno as a number.

use std::ffi::{CStr, c_char};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicI32;

use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::ctext::{BOX, Room};
use super::netlink::Message;
use super::op::{self, Exec, Op};
use super::{CText, copy_up, credentials, inside, limits, messenger, mounts, socket, terminal, users};

type Result<T> = rustix::io::Result<T>;

/// What an operation needs that must be built before the clone.
#[derive(Debug)]
pub enum Prepared {
    /// the operation says everything
    AsItIs,
    /// the program by way of which the box's next step is taken
    GoBetween(OwnedFd),
    /// where this process keeps its arguments and environment
    Words(std::ops::Range<usize>),
    /// the bytes of a netlink message
    Message(Message),
    /// the pointers that execve(2) takes; they point into the operation
    Exec {
        /// arguments, NULL at the end
        argv: Vec<*const c_char>,
        /// environment, NULL at the end
        env: Vec<*const c_char>,
        /// the box's process id, where an argument is to be that
        pid: Option<CText>,
    },
}

impl Prepared {
    /// Builds what this operation needs. Called on the host's side, where allocation is allowed.
    pub fn new(op: &Op, box_pid: Option<i32>) -> Result<Prepared> {
        Ok(match op {
            Op::Netlink(request) => Prepared::Message(request.encode(box_pid)?),
            Op::Nft(batch) => Prepared::Message(batch.encode()),
            Op::Orphans(op::Orphans::Init) => Prepared::Words(super::orphans::own_words()),
            Op::Exec(exec) => Prepared::exec(exec, None),
            Op::Spawn(hook) => Prepared::exec(&hook.exec, box_pid),
            _ => Prepared::AsItIs,
        })
    }
}

impl Prepared {
    fn exec(exec: &Exec, box_pid: Option<i32>) -> Prepared {
        let pid = box_pid.map(|pid| CText::from(pid.to_string()));
        let named = |text: &&CText| text.as_c_str().to_bytes() == BOX.as_bytes();
        let argument = |text| pid.as_ref().filter(|_| named(&text)).unwrap_or(text);
        let argv = pointers(exec.argv.iter().map(argument));
        Prepared::Exec { argv, env: pointers(exec.env.iter()), pid }
    }
}

pub(super) fn pointers<'a>(list: impl Iterator<Item = &'a CText>) -> Vec<*const c_char> {
    list.map(|text| text.as_c_str().as_ptr()).chain([std::ptr::null()]).collect()
}

/// Descriptors that live from one operation to the next, and the processes an operation may speak of.
#[derive(Debug)]
pub struct Context {
    /// whether this is the box
    pub in_box: bool,
    /// the socket to the other lane
    pub loan: Option<OwnedFd>,
    /// the box's process id, as the host sees it
    pub box_pid: Option<i32>,
    /// refers to the box's process, whatever becomes of its number
    pub pidfd: Option<OwnedFd>,
    /// the controlling end of a terminal
    pub ptmx: Option<OwnedFd>,
    /// what the box reads and prints
    pub pipes: super::pipes::Pipes,
    /// a process of a container that runs already
    pub target: Option<OwnedFd>,
    /// a file system under construction: fsopen(2)
    pub fs: Option<OwnedFd>,
    /// a mount that hangs nowhere yet: fsmount(2)
    pub mnt: Option<OwnedFd>,
    /// the socket to whoever will carry the box's terminal
    pub console: Option<OwnedFd>,
    /// the socket to whoever wants the box's pidfd; the box has none
    pub watcher: Option<OwnedFd>,
    /// where the box will wait to be started
    pub fifo: Option<OwnedFd>,
    /// the cgroup that the box will be born in
    pub cgroup: Option<OwnedFd>,
    /// a loaded program that is attached nowhere yet: bpf(2)
    pub program: Option<OwnedFd>,
    /// a process that waits in a user namespace
    pub held: Option<users::Held>,
    /// a user namespace
    pub users: Option<OwnedFd>,
    /// a device that has been looked at
    pub device: Option<OwnedFd>,
    /// a stream to the process that decides about calls; the box inherits it
    pub listener: Option<OwnedFd>,
    /// where the messenger looks for the filter's descriptor
    pub messenger: Option<&'static AtomicI32>,
    /// copies of mounts that wait for their place: open_tree(2)
    pub trees: [Option<OwnedFd>; TREES],
    /// sockets that have ports of the host
    pub listeners: super::listeners::Listeners,
}

impl Default for Context {
    fn default() -> Context {
        let trees = [const { None }; TREES];
        Context {
            in_box: false,
            loan: None,
            box_pid: None,
            pidfd: None,
            ptmx: None,
            pipes: super::pipes::Pipes::default(),
            target: None,
            fs: None,
            mnt: None,
            console: None,
            watcher: None,
            fifo: None,
            cgroup: None,
            program: None,
            held: None,
            users: None,
            device: None,
            listener: None,
            messenger: None,
            trees,
            listeners: super::listeners::Listeners::default(),
        }
    }
}

/// How many copies of mounts can wait at a time; a fixed number, because the box does not allocate.
pub const TREES: usize = 512;

/// Performs one operation. Cloning and waiting for the box are [`super::process`]'s.
pub fn call(op: &Op, prepared: &Prepared, context: &mut Context) -> Result<i64> {
    match op {
        Op::Mkdir { path, mode } => inside::create(path.as_c_str(), context, |directory, name| {
            fs::mkdirat(directory, name, Mode::from_raw_mode(*mode))
        }),
        Op::Rmdir { path } => fs::rmdir(path.as_c_str()).map(zero),
        Op::Create { path, mode, data } => {
            let how = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
            write_file(path.resolve(context.box_pid, &mut Room::default())?, how, *mode, data)
        }
        Op::Append { path, data } => write_file(path.as_c_str(), OFlags::WRONLY | OFlags::APPEND, 0, data),
        Op::Write { path, data } => {
            let (mut path_room, mut data_room) = (Room::default(), Room::default());
            let path = path.resolve(context.box_pid, &mut path_room)?;
            let data = data.resolve(context.box_pid, &mut data_room)?;
            write_file(path, OFlags::WRONLY, 0, data.to_bytes())
        }
        Op::Copy { from, to } => copy(from.as_c_str(), to.as_c_str()),
        Op::Symlink { target, path } => inside::create(path.as_c_str(), context, |directory, name| {
            fs::symlinkat(target.as_c_str(), directory, name)
        }),
        Op::Link { from, to } => fs::link(from.as_c_str(), to.as_c_str()).map(zero),
        Op::Rename { from, to } => fs::rename(from.as_c_str(), to.as_c_str()).map(zero),
        Op::Unlink { path } => fs::unlink(path.as_c_str()).map(zero),
        Op::RemoveTree { path } => super::remove::remove_at(CWD, path.as_c_str().to_bytes()).map(zero),
        Op::Mknod { path, mode, major, minor } => {
            let kind = match mode & libc::S_IFMT {
                0 => fs::FileType::CharacterDevice,
                _ => fs::FileType::from_raw_mode(*mode),
            };
            let (mode, device) = (Mode::from_raw_mode(mode & 0o7777), fs::makedev(*major, *minor));
            inside::create(path.as_c_str(), context, |directory, name| {
                fs::mknodat(directory, name, kind, mode, device)
            })
        }
        Op::Chmod { path, mode } => fs::chmod(path.as_c_str(), Mode::from_raw_mode(*mode)).map(zero),
        Op::Chown { path, uid, gid } => {
            let (uid, gid) = (fs::Uid::from_raw(*uid), fs::Gid::from_raw(*gid));
            fs::chownat(CWD, path.as_c_str(), Some(uid), Some(gid), fs::AtFlags::SYMLINK_NOFOLLOW).map(zero)
        }
        Op::Room { path } => inside::room(path.as_c_str()),
        Op::Redirect { path, fd } => {
            let file = fs::open(path.as_c_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
            dup2(file.as_fd(), *fd)
        }
        Op::CloseRange { first } => super::start::close_at_exec(*first),
        Op::Chdir { path } => rustix::process::chdir(path.as_c_str()).map(zero),
        Op::Chroot { path } => rustix::process::chroot(path.as_c_str()).map(zero),
        Op::PivotRoot { new, old } => rustix::process::pivot_root(new.as_c_str(), old.as_c_str()).map(zero),
        Op::Mount { source, target, kind, flags, data } => {
            if context.in_box
                && flags & (libc::MS_BIND | libc::MS_REMOUNT | libc::MS_MOVE) == 0
                && !kind.as_c_str().is_empty()
            {
                inside::may_cover(target.as_c_str())?;
            }
            mounts::mount(source.resolve(context.box_pid, &mut Room::default())?, target, kind, *flags, data)
        }
        Op::Umount { target, flags } => {
            let flags = rustix::mount::UnmountFlags::from_bits_retain(*flags as u32);
            rustix::mount::unmount(target.as_c_str(), flags).map(zero)
        }
        Op::Fsopen { .. } | Op::FsconfigString { .. } | Op::FsconfigFlag { .. } => mounts::build(op, context),
        Op::FsconfigCreate | Op::Fsmount | Op::MoveMount { .. } => mounts::build(op, context),
        Op::Device(op) => inside::device(op, context),
        Op::Users(op) => users::call(op, context),
        Op::Tree(op) => super::trees::call(op),
        Op::CopyUp(from) => copy_up::beneath(from.as_c_str(), context),
        Op::OpenWithin(within) => inside::open_within(within, context),
        Op::Fill(fill) => copy_up::fill(fill, context),
        Op::OpenTheirs(theirs) => super::theirs::open(theirs, context),
        Op::OpenTree { .. } | Op::MountSetattr { .. } | Op::PlaceTree { .. } => mounts::tree(op, context),
        Op::Touch { path } => write_file(path.as_c_str(), OFlags::WRONLY | OFlags::CREATE, 0o644, &[]),
        _ => call_process(op, prepared, context),
    }
}

fn call_process(op: &Op, prepared: &Prepared, context: &mut Context) -> Result<i64> {
    match op {
        Op::Unshare { flags } => {
            // SAFETY: takes a number; the callers are single-threaded, so no other thread is left behind.
            check(unsafe { libc::syscall(libc::SYS_unshare, *flags) })
        }
        Op::Setns { path, flags } => {
            let mut room = Room::default();
            let path = path.resolve(context.box_pid, &mut room)?;
            let file = fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            // SAFETY: the descriptor is open for the whole call.
            check(unsafe { libc::syscall(libc::SYS_setns, file.as_raw_fd(), *flags as libc::c_int) })
        }
        Op::PidfdOpen { pid, start } => {
            context.target = Some(super::join::open(*pid, *start)?);
            Ok(0)
        }
        Op::Setdomainname { name } => rustix::system::setdomainname(name.as_c_str().to_bytes()).map(zero),
        Op::Sethostname { name } => rustix::system::sethostname(name.as_c_str().to_bytes()).map(zero),
        Op::Exec(exec) => Err(execute(exec, prepared)),
        Op::Depart => Err(super::departure::depart(prepared, context)),
        // SAFETY: leaves without running destructors or exit handlers, which belong to the other process.
        Op::Exit { code } => unsafe { libc::_exit(*code) },
        Op::Fork { code } => super::process::fork_and_exit(*code).map(i64::from),
        Op::Orphans(op) => super::orphans::call(*op, prepared),
        Op::WaitFork => super::process::wait_any().map(zero),
        Op::PeekBox => super::process::peek(context.pidfd.as_ref().ok_or(Errno::CHILD)?.as_fd()).map(zero),
        Op::KillBox { signal } => {
            let pidfd = context.pidfd.as_ref().ok_or(Errno::SRCH)?;
            super::process::signal(pidfd.as_fd(), *signal).map(zero)
        }
        Op::Nanosleep { milliseconds } => {
            let request = rustix::thread::Timespec {
                tv_sec: (*milliseconds / 1000) as i64,
                tv_nsec: (*milliseconds % 1000 * 1_000_000) as _,
            };
            match rustix::thread::nanosleep(&request) {
                rustix::thread::NanosleepRelativeResult::Ok => Ok(0),
                rustix::thread::NanosleepRelativeResult::Interrupted(_) => Err(Errno::INTR),
                rustix::thread::NanosleepRelativeResult::Err(errno) => Err(errno),
            }
        }
        Op::OpenFifo { .. } | Op::AwaitStart { .. } | Op::LetGo { .. } => super::start::call(op, context),
        Op::Pipe(op) => super::pipes::call(*op, &mut context.pipes),
        Op::Begun(op) => super::start::begun(op, context),
        Op::LookUp { paths } => super::start::look_up(paths),
        Op::Watcher(op) => super::watcher::call(op, context),
        Op::Getcwd => getcwd(),
        Op::Setsid => rustix::process::setsid().map(|_| 0),
        Op::UnblockSignals => super::signals::unblock_all().map(zero),
        Op::DefaultSignal { signal } => super::signals::default(*signal).map(zero),
        Op::Umask { mask } => Ok(rustix::process::umask(Mode::from_raw_mode(*mask)).bits().into()),
        Op::Setgroups { .. } | Op::Setresgid { .. } | Op::Setresuid { .. } => credentials::identity(op),
        Op::DropBounding { keep } => credentials::drop_bounding(*keep),
        Op::Capset { permitted, effective, inheritable } => {
            credentials::capset(*permitted, *effective, *inheritable)
        }
        Op::Ambient { raise } => credentials::ambient(*raise),
        Op::KeepCapabilities { keep } => prctl(libc::PR_SET_KEEPCAPS, (*keep).into()),
        Op::Dumpable { dumpable } => prctl(libc::PR_SET_DUMPABLE, (*dumpable).into()),
        Op::OwnStdio { uid } => credentials::own_stdio(*uid),
        Op::NoNewPrivs => prctl(libc::PR_SET_NO_NEW_PRIVS, 1),
        Op::ParentDeathSignal { signal } => {
            let set = prctl(libc::PR_SET_PDEATHSIG, *signal as u64);
            if super::process::abandoned(context) {
                super::process::leave(125)
            }
            set
        }
        Op::Seccomp { program, flags } => {
            let loaded = super::bpf::load(program, *flags);
            messenger::tell(loaded, context);
            loaded
        }
        Op::ConnectListener { .. } | Op::ForkMessenger { .. } | Op::WaitMessenger => {
            messenger::call(op, context)
        }
        Op::OpenPty | Op::SendPty | Op::AttachPty => terminal::call(op, context),
        Op::ConnectConsole { .. } | Op::SendConsole | Op::WindowSize { .. } => terminal::call(op, context),
        Op::Setrlimit { .. } | Op::Personality { .. } | Op::JoinSessionKeyring { .. } => {
            limits::call(op, context)
        }
        Op::SchedSetattr(_) | Op::SchedSetaffinity { .. } | Op::IoprioSet { .. } => limits::call(op, context),
        Op::Netlink(_) | Op::Nft(_) => match prepared {
            Prepared::Message(message) => socket::send(message),
            _ => Err(Errno::INVAL),
        },
        Op::Listen(op) => super::listeners::call(op, context),
        _ => super::cgroup::call(op, context),
    }
}

/// The kernel's answer begins with "(unreachable)" where the directory is not below the root.
fn getcwd() -> Result<i64> {
    let mut path = [0u8; libc::PATH_MAX as usize];
    // SAFETY: the buffer is writable and of the size given.
    let length = check(unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) })?;
    if path[0] == b'/' { Ok(length) } else { Err(Errno::NOENT) }
}

fn zero<T>(_: T) -> i64 {
    0
}

/// The answer of a raw system call made through libc: -1 and errno, or a number.
pub(super) fn check(answer: libc::c_long) -> Result<i64> {
    if answer < 0 {
        // SAFETY: errno is thread-local and set by the call just made.
        return Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }));
    }
    Ok(answer)
}

pub(super) fn prctl(option: libc::c_int, value: u64) -> Result<i64> {
    // SAFETY: the options used here take numbers only.
    check(unsafe { libc::syscall(libc::SYS_prctl, option, value, 0, 0, 0) })
}

pub(super) fn write_file(path: &CStr, how: OFlags, mode: u32, data: &[u8]) -> Result<i64> {
    let file = fs::open(path, how | OFlags::CLOEXEC, Mode::from_raw_mode(mode))?;
    let mut rest = data;
    while !rest.is_empty() {
        rest = &rest[rustix::io::write(&file, rest)?..];
    }
    Ok(data.len() as i64)
}

fn copy(from: &CStr, to: &CStr) -> Result<i64> {
    let source = fs::open(from, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mode = Mode::from_raw_mode(fs::fstat(&source)?.st_mode);
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let target = fs::open(to, how, mode)?;
    let (mut total, mut across) = (0, false);
    loop {
        let count = match across {
            false => fs::copy_file_range(&source, None, &target, None, 1 << 30),
            true => fs::sendfile(&target, &source, None, 1 << 30),
        };
        match count {
            Ok(0) => return Ok(total),
            Ok(count) => total += count as i64,
            // not between these two file systems
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP) if total == 0 && !across => across = true,
            Err(errno) => return Err(errno),
        }
    }
}

/// execvp's search, without its allocations: the first that can be executed wins; "permission denied" outlives
/// "no such file", so that the message names the better reason.
pub(super) fn execute(exec: &Exec, prepared: &Prepared) -> Errno {
    let Prepared::Exec { argv, env, .. } = prepared else { return Errno::INVAL };
    let mut reason = Errno::NOENT;
    for path in &exec.paths {
        // SAFETY: the path and every pointer of both lists end in NUL and outlive the call; the lists end in NULL.
        unsafe { libc::execve(path.as_c_str().as_ptr(), argv.as_ptr(), env.as_ptr()) };
        // SAFETY: errno is thread-local and was set by execve, which returns only when it failed.
        match Errno::from_raw_os_error(unsafe { *libc::__errno_location() }) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::LOOP if exec.paths.len() > 1 => {}
            Errno::ACCESS => reason = Errno::ACCESS,
            other => return other,
        }
    }
    reason
}

pub(super) fn dup2(from: BorrowedFd<'_>, to: RawFd) -> Result<i64> {
    // SAFETY: `from` is open; `to` is 0, 1 or 2, which nothing in this process owns.
    check(unsafe { libc::syscall(libc::SYS_dup3, from.as_raw_fd(), to, 0) })
}
