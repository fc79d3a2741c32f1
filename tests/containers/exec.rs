//! Exec: one program more in a container that runs.

use support::screen::Terminal;
use support::site::Site;

/// A container `red` that sleeps.
const RED: &str = "$S run -d --name red stepbox/base sleep 1000 >/dev/null; ";

fn both() -> [Site; 2] {
    [Site::ours(), Site::nobody()]
}

#[test]
fn it_is_in_the_container() {
    for site in both() {
        let out = site.says(&format!(
            "{RED} for kind in cgroup ipc mnt net pid user uts; do \
                 [ $($S exec red readlink /proc/self/ns/$kind) = $($S exec red readlink /proc/1/ns/$kind) ] && \
                 [ $($S exec red readlink /proc/self/ns/$kind) != x ] && echo -n $kind,; done; \
             $S exec red sh -c '[ $(readlink /proc/self/ns/mnt) ] && echo; cat /proc/1/cmdline | tr \"\\0\" :; echo'; \
             $S exec red sh -c 'echo x >/f'; cat $D/state/containers/*/upper/f; \
             $S exec red sh -c '[ \"$(cat /proc/self/cgroup)\" = \"$(cat /proc/1/cgroup)\" ] && echo counted'; \
             echo typed | $S exec -i red cat; echo typed | $S exec red cat; \
             $S exec red sh -c 'exit 7'; echo $?; $S exec red sh -c 'kill -9 $$'; echo $?; $S rm -f red"
        ));
        let wanted = "cgroup,ipc,mnt,net,pid,user,uts,\nsleep:1000:\nx\ncounted\ntyped\n7\n137\nred\n";
        assert_eq!(out, wanted);
        site.assert_clean();
    }
}

#[test]
fn it_may_what_the_container_may() {
    const STATUS: &str =
        "grep -E \"^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Max|Gid)\" /proc/self/status; ulimit -n";
    for site in both() {
        for options in ["", "--cap-drop ALL --ulimit nofile=99:99", "--security-opt no-new-privileges -u 0:0"]
        {
            let out = site.says(&format!(
                "$S run -d --name red {options} stepbox/base sh -c '{STATUS}; exec sleep 1000' >/dev/null; \
                 until $S logs red | tail -n 1 | grep -q '^[0-9]'; do sleep 0.02; done; $S logs red >$D/state/its; \
                 $S exec red sh -c '{STATUS}' | diff $D/state/its - && echo same; $S rm -f red"
            ));
            assert_eq!(out, "same\nred\n", "{options}");
            site.assert_clean();
        }
        let out = site.says(&format!(
            "{RED} $S exec --privileged red grep CapEff /proc/self/status; $S exec red unshare -m true; echo $?; \
             $S rm -f red"
        ));
        let lines: Vec<&str> = out.lines().collect();
        assert!(lines[0].ends_with("1fffeffffff") || lines[0].ends_with("1ffffffffff"), "{out}");
        assert_eq!(lines[1..], ["1", "red"], "{out}");
    }
}

#[test]
fn who_and_where_it_is() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red -e A=1 -e B=1 -w /tmp -h box stepbox/base sleep 1000 >/dev/null; \
         echo A=file >$D/state/env; \
         $S exec -e B=2 --env-file $D/state/env red env | sort; $S exec red pwd; $S exec -w /etc red pwd; $S rm -f red",
    );
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(out, format!("A=file\nB=2\nHOME=/root\nHOSTNAME=box\n{path}\n/tmp\n/etc\nred\n"));
    site.assert_clean();
}

/// A name is looked up in the container as it is now; without root only its root has a number outside.
#[test]
fn as_another_user() {
    for site in both() {
        let out = site.says(&format!(
            "{RED} $S exec red sh -c 'echo new:x:77:88::/home/new:/bin/sh >>/etc/passwd'; \
             for user in new 7:8; do $S exec -u $user red sh -c 'id -u; id -g; echo $HOME' 2>&1; echo $?; done; \
             $S rm -f red"
        ));
        match site.is_root() {
            true => assert_eq!(out, "77\n88\n/home/new\n0\n7\n8\n/\n0\nred\n"),
            false => {
                let refused = |line: &&str| line.starts_with("stepbox: cannot be group ");
                assert_eq!(out.lines().filter(refused).count(), 2, "{out}");
                assert_eq!(out.lines().filter(|line| *line == "126").count(), 2, "{out}");
            }
        }
        site.assert_clean();
    }
}

#[test]
fn in_the_background() {
    for site in both() {
        let out = site.says(&format!(
            "{RED} out=$($S exec -d red sh -c 'echo lost; echo lost >&2; echo $$ >/pid; exec sleep 900'); echo \"[$out]\"; \
             until $S exec red test -s /pid; do sleep 0.02; done; \
             $S exec red sh -c 'tr \"\\0\" : </proc/$(cat /pid)/cmdline; echo'; $S logs red; $S stop -t 0 red; $S rm red"
        ));
        assert_eq!(out, "[]\nsleep:900:\nred\nred\n");
        site.assert_clean();
    }
}

/// Where the host's process 1 waits for nobody, as in many a container: what nobody waits for would hold up the end of the
/// container that it is in.
#[test]
fn in_the_background_it_is_waited_for() {
    let Some(site) = Site::root("in_the_background_it_is_waited_for") else { return };
    let inside = "$S run -d --name red --network none stepbox/base sleep 1000 >/dev/null; \
        for end in true false \"kill -9 \\$\\$\"; do $S exec -d red sh -c \"$end\"; done; $S exec -d red no-such 2>&1; echo $?; \
        for i in $(seq 200); do [ $($S exec red sh -c \"echo /proc/[0-9]*\" | wc -w) = 2 ] && break; sleep 0.1; done; \
        $S exec red sh -c \"cat /proc/[0-9]*/status\" | grep -c zombie; \
        $S exec -d red sleep 900; timeout 20 $S stop -t 0 red; echo $?; $S exec red true 2>&1 | sed \"s/[0-9a-f]\\{64\\}/ID/\"; \
        $S exec -d red true 2>/dev/null; echo $?; $S rm red";
    let out = site.says(&format!(
        "unshare --pid --fork --mount-proc --kill-child sleep 1000 & outer=$!; \
         until one=$(cat /proc/$outer/task/$outer/children) && [ \"$one\" ]; do sleep 0.02; done; \
         until [ \"$(tr '\\0' ' ' </proc/${{one% }}/cmdline)\" = 'sleep 1000 ' ]; do sleep 0.02; done; \
         nsenter -t ${{one% }} -p -m sh -c '{inside}'; kill $outer"
    ));
    let gone = "stepbox: Container ID is not running\n1\n";
    let program = "stepbox: cannot run \"no-such\": executable file not found in $PATH\n1\n";
    assert_eq!(out, format!("{program}0\nred\n0\n{gone}red\n"));
    site.assert_clean();
}

/// Also where it is killed with its container, and where the command that waits for it is killed.
#[test]
fn its_end() {
    for site in both() {
        let out = site.says(&format!(
            "{RED} $S exec red sh -c 'touch /here; exec sleep 900' & \
             until $S exec red test -e /here; do sleep 0.02; done; $S stop -t 0 red; wait $!; echo $?; \
             $S start red; $S exec red sh -c 'echo $$ >/pid; exec sleep 900' & \
             until $S exec red test -s /pid; do sleep 0.02; done; kill -9 $!; \
             while $S exec red sh -c 'grep -q . /proc/$(cat /pid)/cmdline'; do sleep 0.02; done; $S rm -f red"
        ));
        assert_eq!(out, "red\n137\nred\nred\n");
        site.assert_clean();
    }
}

#[test]
fn what_is_refused() {
    let site = Site::ours();
    let refused: [(&str, i32, &str); 13] = [
        ("exec red nosuch", 127, "cannot run \"nosuch\": executable file not found in $PATH"),
        ("exec red /etc/passwd", 126, "cannot run \"/etc/passwd\": permission denied"),
        ("exec -d red nosuch", 1, "executable file not found in $PATH"),
        ("exec -w /nosuch red true", 126, "cannot start in /nosuch"),
        ("exec -w there red true", 125, "must be an absolute path"),
        ("exec -u nosuch red true", 126, "unable to find user nosuch: no matching entries in passwd file"),
        ("exec none true", 1, "No such container: none"),
        ("exec blue true", 1, " is not running"),
        ("exec -it red true", 1, "the input device is not a TTY"),
        ("exec -d --explain red true", 1, "--detach"),
        ("exec --detach-keys ctrl-1 red true", 125, "Invalid detach keys (ctrl-1) provided"),
        ("exec --env-file /nosuch red true", 1, "open /nosuch: no such file or directory"),
        ("exec red", 125, "COMMAND"),
    ];
    // the container lives as long as the script
    let ask = |(command, ..): &(&str, i32, &str)| {
        format!("said=$($S {command} 2>&1); echo \"$? $said\" | head -n 1; ")
    };
    let out = site.says(&format!(
        "{RED} $S create --name blue stepbox/base true >/dev/null; {} $S rm -f red blue >/dev/null",
        refused.iter().map(ask).collect::<String>()
    ));
    assert_eq!(out.lines().count(), refused.len(), "{out}");
    for ((command, code, words), line) in refused.iter().zip(out.lines()) {
        assert!(line.starts_with(&format!("{code} stepbox: ")) && line.contains(words), "{command}: {line}");
    }
    site.assert_clean();
}

/// A run in the foreground is listed before its root is its own.
#[test]
fn never_in_the_hosts_files() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true; touch $D/mark; ls $D/mark");
    let out = site.says(
        "for i in 1 2 3 4 5 6; do \
             $S run --rm --name red stepbox/base sleep 0.3 & \
             for j in $(seq 12); do $S exec red ls $D/mark 2>/dev/null; done; wait $!; \
         done; echo done",
    );
    assert_eq!(out, "done\n");
    site.assert_clean();
}

#[test]
fn step_by_step() {
    let site = Site::ours();
    let out = site.says(&format!(
        "{RED} $S exec --dry-run red true | grep -c 'find the container'; \
         $S exec --explain red echo hello 2>$D/state/said; grep -c 'killed\\|exited 0' $D/state/said; \
         $S exec --json-trace $D/state/trace red true; grep -c setns $D/state/trace; $S rm -f red"
    ));
    assert_eq!(out, "1\nhello\n1\n1\nred\n");
    site.assert_clean();
}

#[test]
fn a_real_terminal() {
    for site in both() {
        site.says("$S run --rm stepbox/base true");
        let Some(terminal) = Terminal::open("a_real_terminal", &site) else { return };
        terminal.types("$S run -d --name red stepbox/base sleep 1000; $S exec -it red sh; echo code $?");
        terminal.is_the_shells();
        terminal.shows("\ncode 9");
        terminal.types("$S rm -f red && echo go''ne");
        terminal.shows("gone");
        drop(terminal);
        site.assert_clean();
    }
}

#[test]
fn its_terminal_is_left() {
    for site in both() {
        site.says("$S run --rm stepbox/base true");
        let Some(terminal) = Terminal::open("its_terminal_is_left", &site) else { return };
        terminal.types(
            "$S run -d --name red stepbox/base sleep 1000 | grep -c .; $S exec -it red sh; echo code $?",
        );
        terminal.shows("/ #");
        terminal.types("echo $$ >/pid; trap 'echo heard >/heard' HUP; stty size");
        terminal.shows("30 90");
        terminal.press("C-p");
        terminal.press("C-q");
        terminal.shows("read escape sequence");
        terminal.shows("\ncode 1");
        terminal.types(
            "clear; $S exec red sh -c 'echo its name; cat /proc/$(cat /pid)/comm; ls /heard'; echo code $?",
        );
        terminal.shows("\nsh");
        terminal.shows("No such file");
        terminal.types("clear; $S exec -it --detach-keys x,y red sh -c 'read a; exit 7'; echo code $?");
        terminal.types("xz");
        terminal.shows("\ncode 7");
        terminal.types("clear; $S exec -dt red sh -c 'tty >/tty; exec sleep 900'; echo code $?; until $S exec red grep -q pts /tty; do sleep 0.1; done; echo su''re");
        terminal.shows("code 0");
        terminal.shows("\nsure");
        terminal
            .types("clear; $S exec -it red nosuch; echo code $?; $S stop -t 0 red; $S rm red; echo do''ne");
        terminal.shows("not found in $PATH");
        terminal.shows("\ncode 127");
        terminal.shows("\ndone");
        drop(terminal);
        site.assert_clean();
    }
}
