//! Who looks after processes whose parent has died: an init inside, and the engine where the host's processes are shared.

use support::site::Site;

#[test]
fn an_init_reaps_and_passes_on() {
    for site in [Site::ours(), Site::nobody()] {
        // an orphan that has ended, counted when the first process is one that waits for nobody
        let count = |first: &str, ended: &str| {
            format!(
                "mkfifo /end; (sh -c \"echo \\$\\$ >/orphan; until [ -e /on ]; do sleep 0.02; done\" &); \
                 (until [ -s /orphan ] && grep -q {first} /proc/1/comm; do sleep 0.02; done; touch /on; \
                 until {ended}; do sleep 0.02; done; cat /proc/[0-9]*/status | grep -c State:.Z; : >/end) & exec cat /end"
            )
        };
        let (stays, goes) = ("grep -q State:.Z /proc/$(cat /orphan)/status", "! [ -e /proc/$(cat /orphan) ]");
        assert_eq!(site.inside("", &count("cat", stays)), "1\n");
        assert_eq!(site.inside("--init", &count("init", goes)), "0\n");
        let end = |options: &str, seconds: u32| {
            site.says(&format!(
                "$S run --rm --network none {options} stepbox/base sh -c 'echo ready; exec sleep {seconds}' >$D/state/out & \
                 pid=$!; until grep -qs ready $D/state/out; do sleep 0.05; done; sleep 0.2; kill -TERM $pid; wait $pid; echo $?"
            ))
        };
        assert_eq!(end("", 2), "0\n", "process 1 has no handler for it");
        assert_eq!(end("--init", 1000), "143\n");
        assert_eq!(site.sh("$S run --rm --init stepbox/base sh -c 'exit 7'").code, 7);
        assert_eq!(site.sh("$S run --rm --init stepbox/base no-such").code, 127);
        site.assert_clean();
    }
}

/// Init is a copy of the engine: what that was called with, and what it holds, stays its own.
#[test]
fn an_init_tells_nothing_of_the_engine() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "export OUTSIDE=s3cret; $S run --rm --init -e HIDDEN=s3cret stepbox/base sh -c 'cat /proc/1/cmdline /proc/1/comm \
             | tr \"\\0\" \"\\n\" | grep .; for f in exe root cwd fd/0; do readlink /proc/1/$f && echo $f; done; \
             cat /proc/1/environ /proc/1/maps' 2>/dev/null; true",
        );
        assert_eq!(out, "init\ninit\n");
        let own = site.inside(
            "--init",
            "readlink /proc/self/exe; ls /proc/self/fd | wc -l; cut -d \" \" -f 4 /proc/self/stat",
        );
        assert!(
            own.starts_with('/') && own.lines().nth(1) == Some("4"),
            "the program itself is as always: {own}"
        );
        site.assert_clean();
    }
}

/// The first process ends, and takes nobody along: neither by a PID namespace, nor, without root, by a cgroup.
#[test]
fn nobody_is_left_behind_among_the_hosts_processes() {
    for site in [Site::ours(), Site::nobody()] {
        for init in ["", "--init"] {
            let out = site.says(&format!(
                "n=9$(date +%N); count() {{ ps ax -o args | grep -c \"^slee[p] $n\"; }}; mkfifo $D/state/end; exec 3<>$D/state/end; \
                 $S run --rm -i --pid host --network none {init} -e n=$n stepbox/base sh -c '(sleep $n &); setsid sleep $n & \
                 sh -c \"(sleep $n &) ; exec sleep $n\" & read end; exit 3' <&3 & pid=$!; \
                 until [ $(count) = 4 ]; do sleep 0.02; done; count; echo >&3; wait $pid; echo $?; count; rm $D/state/end"
            ));
            assert_eq!(out, "4\n3\n0\n", "{init}");
        }
        site.assert_clean();
    }
}
