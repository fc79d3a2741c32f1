//! What is attached to a container: programs that join it, terminals, descriptors.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use serde_json::json;

use crate::handed::{listener, received};
use support::bundle::Bundles;
use support::site::Site;

#[test]
fn exec_joins_the_container() {
    for bundles in [Site::ours(), Site::nobody()].map(Bundles::at) {
        bundles.bundle("b", &["sleep", "600"], |config| config["hostname"] = json!("red"));
        let out = bundles.says(
            "$R run -d -b $B/b c1 && $R exec c1 sh -c 'hostname; id -u; pwd; cat /proc/1/comm'\n\
             $R exec --cwd /tmp -e A=b c1 sh -c 'pwd; echo $A'\n\
             echo in | $R exec c1 cat\n\
             $R exec c1 sh -c 'exit 7'; echo $?; $R exec c1 sh -c 'kill -9 $$'; echo $?\n\
             $R exec -d --pid-file $B/pid c1 sleep 50 && $R ps -f json c1 | tr , '\\n' | grep -c . && \
             $R exec -- c1 true && $R exec c1 -- echo dashes\n\
             $R delete -f c1",
        );
        assert_eq!(out, "red\n0\n/\nsleep\n/tmp\nb\nin\n7\n137\n2\ndashes\n");
        bundles.refused("$R run -d -b $B/b c1; $R exec c1 nosuch; c=$?; $R delete -f c1; exit $c", 255, &[
            "exec failed: unable to start container process: exec: \\\"nosuch\\\": executable file not found in $PATH",
        ]);
        bundles.assert_clean();
    }
}

#[test]
fn exec_takes_a_process_file_and_privilege() {
    let Some(site) = Site::root("attached::exec_takes_a_process_file_and_privilege") else { return };
    let bundles = Bundles::at(site);
    bundles.bundle("b", &["sleep", "600"], |_| {});
    let process = json!({
        "args": ["sh", "-c", "id -u; id -g; echo $X; pwd; grep NoNewPrivs /proc/self/status"], "cwd": "/tmp",
        "env": ["X=1", "PATH=/bin:/usr/bin"], "user": { "uid": 5, "gid": 6 }, "noNewPrivileges": true,
    });
    std::fs::write(bundles.site.root_directory().join("process.json"), process.to_string()).expect("written");
    let out = bundles.says(
        "$R run -d -b $B/b c1 && $R exec -p $B/process.json c1\n\
         $R exec -u 8:9 c1 sh -c 'id -u; id -g'\n\
         $R exec --cap CAP_SYS_ADMIN c1 grep CapEff /proc/self/status\n\
         $R delete -f c1",
    );
    assert_eq!(out, "5\n6\n1\n/tmp\nNoNewPrivs:\t1\n8\n9\nCapEff:\t0000000020200420\n");
    bundles.assert_clean();
}

#[test]
fn descriptors_are_handed_on_when_asked_for_and_no_others() {
    let bundles = Bundles::at(Site::ours());
    bundles.bundle("b", &["sh", "-c", "cat <&3; ls /proc/self/fd | wc -l"], |_| {});
    // 0 1 2, 3, and the directory that ls reads
    let out = bundles.says("echo three > $B/f; $R run --preserve-fds 1 -b $B/b c1 3<$B/f 7<$B/f");
    assert_eq!(out, "three\n5\n");
    bundles.bundle("b", &["sh", "-c", "ls /proc/self/fd | wc -l"], |_| {});
    assert_eq!(bundles.says("$R run -b $B/b c1 3<$B/f 7<$B/f"), "4\n");
    bundles.assert_clean();
}

/// Plays the engine that carries a terminal: takes it from the socket, types, and reads what comes.
pub fn carry(listener: &UnixListener, typed: &str) -> String {
    let (_, terminal) = received(listener);
    let mut file = std::fs::File::from(terminal);
    file.write_all(typed.as_bytes()).expect("typed");
    let mut text = Vec::new();
    // its other end closes: EIO
    let _ = file.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_terminal_goes_to_whoever_listens() {
    for bundles in [Site::ours(), Site::nobody()].map(Bundles::at) {
        bundles.bundle("t", &["sh", "-c", "tty; read line; echo got $line"], |config| {
            config["process"]["terminal"] = json!(true);
        });
        bundles.bundle("b", &["sleep", "600"], |_| {});
        let listener = listener(&bundles, "console");
        let engine = std::thread::spawn(move || {
            let one = carry(&listener, "one\n");
            (one, carry(&listener, "two\n"))
        });
        bundles.says(
            "$R create --console-socket $B/console -b $B/t c1 && $R start c1\n\
             i=0; while $R state c1 | grep -q running && [ $i -lt 400 ]; do i=$((i+1)); sleep 0.05; done\n\
             $R delete c1\n\
             $R run -d -b $B/b c2 && $R exec -d -t --console-socket $B/console c2 sh -c 'tty; read l; echo got $l'\n\
             i=0; while $R ps -f json c2 | grep -q , && [ $i -lt 400 ]; do i=$((i+1)); sleep 0.05; done\n\
             $R delete -f c2",
        );
        let (one, two) = engine.join().expect("it was carried");
        assert!(one.contains("/dev/pts/0") && one.contains("got one"), "{one}");
        assert!(two.contains("/dev/pts/") && two.contains("got two"), "{two}");
        bundles.assert_clean();
    }
}
