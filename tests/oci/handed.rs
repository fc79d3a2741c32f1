//! What is handed on: a pidfd to whoever watches, sockets to a program that listens; and on which cpus that runs.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use support::bundle::Bundles;
use support::site::Site;

/// A socket `$B/NAME` at which whoever runs the site may call.
pub fn listener(bundles: &Bundles, name: &str) -> UnixListener {
    let path = bundles.site.root_directory().join(name);
    let listener = UnixListener::bind(&path).expect("a socket");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("ours");
    listener
}

/// What the next who calls has sent: a text, and a descriptor.
pub fn received(listener: &UnixListener) -> (String, OwnedFd) {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let (stream, _) = listener.accept().expect("somebody calls");
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0u8; 64];
    let mut slices = [std::io::IoSliceMut::new(&mut bytes)];
    let message = recvmsg(&stream, &mut slices, &mut control, RecvFlags::empty()).expect("a message");
    let fds = control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    (String::from_utf8_lossy(&bytes[..message.bytes]).into_owned(), fds.expect("a descriptor"))
}

/// The numbers of a pidfd's process in each PID namespace from ours down, while it lives: proc_pid_fdinfo(5).
fn numbers(pidfd: &OwnedFd) -> Vec<i32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).expect("its info");
    let line = info.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_else(|| panic!("{info}"));
    line.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn a_pidfd_goes_to_whoever_watches() {
    for bundles in [Site::ours(), Site::nobody()].map(Bundles::at) {
        bundles.bundle("b", &["sleep", "600"], |_| {});
        bundles.bundle("b2", &["sleep", "600"], |_| {});
        let listener = listener(&bundles, "watch");
        let watcher = std::thread::spawn(move || {
            [(); 3].map(|()| {
                let (text, pidfd) = received(&listener);
                let numbers = numbers(&pidfd);
                (text, numbers, pidfd)
            })
        });
        let out = bundles.says(
            "$R create --pid-file $B/pid --pidfd-socket $B/watch -b $B/b c1 && cat $B/pid && echo && $R start c1\n\
             $R exec -d --pid-file $B/pid --pidfd-socket $B/watch c1 sleep 50 && cat $B/pid && echo\n\
             $R run -d --pid-file $B/pid --pidfd-socket $B/watch -b $B/b2 c2 && cat $B/pid && echo\n\
             $R delete -f c1; $R delete -f c2",
        );
        let told: Vec<i32> = out.lines().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(told.len(), 3, "{out}");
        let seen = watcher.join().expect("three have called");
        let texts = seen.each_ref().map(|(text, ..)| text.as_str());
        assert_eq!(texts, ["standard", "setns", "standard"], "runc's words");
        for ((_, numbers, pidfd), told) in seen.iter().zip(&told) {
            // the last is the container's own
            assert!(numbers.len() >= 2 && numbers[..numbers.len() - 1].contains(told), "{numbers:?} {told}");
            let mut ended = [PollFd::new(pidfd, PollFlags::IN)];
            let moment = Timespec { tv_sec: 30, tv_nsec: 0 };
            assert_eq!(poll(&mut ended, Some(&moment)), Ok(1), "it tells of the end");
        }
        assert_eq!((seen[0].1.last(), seen[2].1.last()), (Some(&1), Some(&1)));
        bundles.refused(
            "$R run --pidfd-socket $B/nobody -b $B/b c1",
            1,
            &["nobody listens at --pidfd-socket"],
        );
        bundles.assert_clean();
    }
}

#[test]
fn sockets_that_somebody_has_opened_are_handed_on() {
    let bundles = Bundles::at(Site::ours());
    let program = "echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4; ls /proc/self/fd | wc -l";
    bundles.bundle("b", &["sh", "-c", program], |config| {
        config["process"]["env"] = json!(["PATH=/bin:/usr/bin", "LISTEN_FDS=9"]);
    });
    std::fs::write(bundles.site.root_directory().join("3"), "three\n").expect("written");
    std::fs::write(bundles.site.root_directory().join("4"), "four\n").expect("written");
    let run = |listen: &str, options: &str| {
        let kept = "3<$B/3 4<$B/4 7<$B/3";
        bundles.says(&format!("sh -c 'export {listen}; exec \"$@\"' sh $R run {options} -b $B/b c1 {kept}"))
    };
    // 0 1 2, 3, 4, and the directory that ls reads; two of them are listened at, or one is and one is kept besides
    assert_eq!(run("LISTEN_FDS=2 LISTEN_PID=$$", ""), "2 1\nthree\nfour\n6\n");
    assert_eq!(run("LISTEN_FDS=1 LISTEN_PID=$$", "--preserve-fds 1"), "1 1\nthree\nfour\n6\n");
    // meant for another process: they are not handed on, and what the configuration says stays
    bundles.bundle("b", &["sh", "-c", "echo $LISTEN_FDS$LISTEN_PID; ls /proc/self/fd | wc -l"], |_| {});
    for listen in ["LISTEN_FDS=2 LISTEN_PID=1", "LISTEN_FDS=2", "LISTEN_FDS=x LISTEN_PID=$$", "LISTEN_PID=$$"]
    {
        assert_eq!(run(listen, ""), "\n4\n", "{listen}");
    }
    bundles.assert_clean();
}

/// The last cpu on which we may run.
fn last_cpu() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("our status");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a list");
    list.trim().rsplit([',', '-']).next().expect("at least one").into()
}

#[test]
fn exec_runs_on_the_cpus_that_it_is_given() {
    let cpu = last_cpu();
    for bundles in [Site::ours(), Site::nobody()].map(Bundles::at) {
        let write = |name: &str, affinity: serde_json::Value| {
            let process = json!({
                "args": ["sh", "-c", "while read a b; do [ $a != Cpus_allowed_list: ] || echo $b; done </proc/self/status"],
                "cwd": "/", "env": ["PATH=/bin:/usr/bin"], "execCPUAffinity": affinity,
            });
            std::fs::write(bundles.site.root_directory().join(name), process.to_string()).expect("written");
        };
        write("final", json!({ "initial": format!("0-{cpu}"), "final": cpu }));
        write("initial", json!({ "initial": format!(" {cpu} ,{cpu}") }));
        write("neither", json!({ "initial": "", "final": "" }));
        bundles.bundle("b", &["sleep", "600"], |config| {
            config["process"]["execCPUAffinity"] = json!({ "final": cpu });
        });
        let out = bundles.says(
            "cpus='while read a b; do [ $a != Cpus_allowed_list: ] || echo $b; done </proc/self/status'\n\
             $R run -d -b $B/b c1; $R exec c1 sh -c \"$cpus\"; $R exec -p $B/final c1\n\
             $R --debug --log $B/log exec -p $B/initial c1 >/dev/null; grep -o 'sched_setaffinity.* = 0' $B/log\n\
             $R exec -p $B/neither c1 >$B/all; sh -c \"$cpus\" | cmp - $B/all; $R delete -f c1",
        );
        assert_eq!(out, format!("{cpu}\n{cpu}\nsched_setaffinity(0, [{cpu}, {cpu}]) = 0\n"));
        for (member, list) in [("initial", "1-0"), ("final", "8192"), ("final", "x"), ("initial", ",")] {
            bundles.bundle("bad", &["true"], |config| {
                config["process"]["execCPUAffinity"] = json!({ member: list });
            });
            bundles.refused("$R create -b $B/bad c1", 1, &["process.execCPUAffinity", member, "0-3,7"]);
        }
        bundles.assert_clean();
    }
}
