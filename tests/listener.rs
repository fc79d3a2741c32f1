//! A listener decides about calls of a box: it gets the filter's descriptor and the container's state, whatever calls the
//! filter leaves to it, and the box waits for it. This program runs itself again, because a plan that clones needs a process
//! with one thread.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use stepbox::kernel::flags::{NEWPID, NEWUSER};
use stepbox::kernel::{Errno, Op};
use stepbox::launch::{Answer, At, Observer, launch};
use stepbox::privilege::{self, Capabilities, Privilege, default_set, seccomp::profile::oci};
use stepbox::step::{Plan, Step};
use stepbox::userns;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--launch", socket, call, how] => return take(socket, call, how),
        ["--list", ..] => return ExitCode::SUCCESS,
        _ => {}
    }
    for (call, how) in [("getcwd", "observed"), ("getcwd", "unobserved"), ("sendmsg", "unobserved")] {
        if asked(call, how) {
            println!("test a_listener_is_asked_about_{call}_{how} ... ok");
        }
    }
    nobody_listens();
    println!("test nobody_listens ... ok");
    ExitCode::SUCCESS
}

struct Printer;

impl Observer for Printer {
    fn after(&mut self, at: At<'_>, answer: Answer) {
        if matches!(at.step.op, Op::ForkMessenger { .. } | Op::Clone { .. }) {
            return println!("{} = [PID]", at.step.name);
        }
        println!("{} = {answer}", at.step.name);
    }
}

/// A box whose calls of this name are left to who listens at the socket.
fn take(socket: &str, call: &str, how: &str) -> ExitCode {
    let mut profile = oci(&json!({
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket, "listenerMetadata": "a test",
        "syscalls": [{ "names": [call, "getcwd"], "action": "SCMP_ACT_NOTIFY" }],
    }))
    .expect("a profile");
    let state = json!({ "ociVersion": "1.2.0", "id": "c1", "status": "creating", "bundle": "/b", "annotations": { "k": "[BOX]" } });
    let listener = profile.listener.as_mut().expect("somebody is asked");
    listener.state = state;
    let connect = listener.connect();
    let rights = Privilege {
        uid: 0,
        gid: 0,
        groups: None,
        capabilities: Capabilities::of_user(0, default_set()),
        no_new_privs: true,
        seccomp: Some(profile),
        apparmor: None,
        selinux: None,
    };
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let plan = Plan::default()
        .then(connect)
        .then(Step::new("clone", Op::Clone { flags: NEWUSER | NEWPID }))
        .then(userns::map_root(uid, gid))
        .inside(Step::new("die with this test", Op::ParentDeathSignal { signal: libc::SIGKILL }))
        .inside(privilege::drop(&rights))
        .inside([Step::new("ask", Op::Getcwd).fails(Errno::NOSYS), Step::new("leave", Op::Exit { code: 0 })])
        .then(Step::new("wait", Op::WaitBox));
    let result = match how {
        "observed" => launch(&plan, &mut Printer, None).map(|running| running.undo(&mut ())),
        _ => launch(&plan, &mut (), None).map(|running| running.undo(&mut ())),
    };
    match result {
        Ok(_) => println!("to its end"),
        Err(error) => println!("{error}"),
    }
    ExitCode::SUCCESS
}

fn asked(call: &str, how: &str) -> bool {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("agent.sock");
    let agent = UnixListener::bind(&path).expect("a socket");
    let mut child = this(&path, call, how).spawn().expect("run this program again");
    let (stream, _) = agent.accept().expect("a connection");
    let Some((message, fd)) = receive(&stream) else {
        let output = child.wait_with_output().expect("its output");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains("CLONE_NEWUSER") {
            support::skip("listener", said.lines().next().unwrap_or_default());
            return false;
        }
        panic!("no message: {said}");
    };
    let kind = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("a descriptor");
    assert_eq!(kind.to_string_lossy(), "anon_inode:seccomp notify");
    let pid = message["pid"].as_u64().expect("a pid");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the box is there");
    assert!(status.contains(&format!("PPid:\t{}", child.id())), "{status}");
    assert!(status.contains("Seccomp:\t2"), "the filter is loaded: {status}");
    let state = json!({ "ociVersion": "1.2.0", "id": "c1", "status": "creating", "bundle": "/b", "annotations": { "k": "[BOX]" }, "pid": pid });
    let whole = json!({ "ociVersion": "1.2.0", "fds": ["seccompFd"], "pid": pid, "metadata": "a test", "state": state });
    assert_eq!(message, whole);
    std::thread::sleep(std::time::Duration::from_millis(30));
    assert!(child.try_wait().expect("its state").is_none(), "the box waits for the answer");
    drop(fd); // nobody is left to answer: ENOSYS
    let output = child.wait_with_output().expect("its output");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with("to its end\n"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    if how == "observed" {
        let filter = "send for a messenger = [PID]\nfilter the system calls = 4\nwait for the messenger = 0\nask = -1 ENOSYS";
        assert!(said.contains(filter) || said.contains(&filter.replace("= 4", "= 5")), "{said}");
    }
    true
}

fn nobody_listens() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("agent.sock");
    let output = this(&path, "getcwd", "unobserved").output().expect("run this program again");
    let said = String::from_utf8_lossy(&output.stdout);
    let wanted = format!(
        "connect to the listener: connect(listener, {{sa_family=AF_UNIX, sun_path=\"{}\"}}) = ENOENT (No such file or \
         directory)\nhint: nobody listens on the profile's listenerPath: start the agent first\n",
        path.display()
    );
    assert_eq!(said, wanted);
}

fn this(socket: &Path, call: &str, how: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("our own path"));
    command.arg("--launch").arg(socket).args([call, how]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// One message, and the descriptor that comes with it.
fn receive(stream: &std::os::unix::net::UnixStream) -> Option<(Value, OwnedFd)> {
    let (mut space, mut bytes) = ([MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))], [0; 4096]);
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let read = recvmsg(stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC);
    let length = read.expect("a message").bytes;
    let fd = control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })?;
    Some((serde_json::from_slice(&bytes[..length]).expect("JSON"), fd))
}
