//! What has been tried against container engines, tried from inside: each attack fails, the host is as it was, and where
//! that is safe the option that opens the door shows that the attack would have come through it.
//!
//! The calls are made by the machine's own perl, because they have no program of their own.

use support::site::Site;

/// The host's programs below /host, /proc open as descriptor 3, and perl with this script.
fn perl(site: &Site, options: &str, script: &str, words: &str) -> Option<String> {
    let usable = std::path::Path::new("/usr/bin/perl").exists() && cfg!(target_arch = "x86_64");
    if !usable {
        support::skip("attacks", "it needs perl, and the call numbers of x86_64");
        return None;
    }
    std::fs::write(site.path().join("probe.pl"), format!("{PRELUDE}{script}")).expect("a file");
    let begin = "for d in bin lib lib64; do ln -s usr/$d /host/$d; done; cp /host/usr/bin/cat /host/caps; exec 3</proc";
    Some(format!(
        "$S run --rm {options} -v /usr:/host/usr:ro -v $D/probe.pl:/host/probe.pl:ro stepbox/base \
         sh -c '{begin}; chroot /host perl /probe.pl '\"{words}\""
    ))
}

const PRELUDE: &str = r#"
$| = 1;
syscall(81, 3) == 0 or die "fchdir: $!";
sub report { my ($name, $ok) = @_; print "$name ", $ok ? "ok" : $! + 0, "\n"; }
sub call { my ($name, @words) = @_; my $answer = syscall($words[0], @words[1 .. $#words]); report($name, $answer >= 0); $answer; }
"#;

/// What the probe printed: name and `ok`, or the errno.
fn answers(out: &str) -> Vec<(&str, &str)> {
    out.lines().filter_map(|line| line.split_once(' ')).collect()
}

/// Everything by which one process looks into another: ptrace(2), "Ptrace access mode checking".
const LOOK: &str = r#"
my $pid = shift;
my ($buffer, $first, $e, $maps) = ("." x 64, "");
report("environ", open($e, "<", "$pid/environ") && defined(sysread($e, $buffer, 64)));
report("mem", open(my $m, "+<", "$pid/mem"));
report("maps", open($maps, "<", "$pid/maps") && defined($first = <$maps>));
my ($at) = $first =~ /^([0-9a-f]+)/;
report("exe", defined(readlink("$pid/exe")));
report("root", opendir(my $r, "$pid/root/"));
report("fd", defined(readlink("$pid/fd/0")));
my $target = "." x 8;
my $local = pack("QQ", unpack("Q", pack("P", $target)), 8);
my $remote = pack("QQ", hex($at // "400000"), 8);
call("process_vm_readv", 310, $pid + 0, $local, 1, $remote, 1, 0);
my $fd = syscall(434, $pid + 0, 0);
call("pidfd_getfd", 438, $fd, 0, 0);
call("ptrace", 101, 0x4206, $pid + 0, 0, 0);
"#;

#[test]
fn no_process_of_the_host_can_be_looked_into() {
    for site in [Site::ours(), Site::nobody()] {
        let Some(run) = perl(&site, "--pid host $OPTIONS", LOOK, "$victim") else { return };
        let with = |options: &str| {
            let begin = "SECRET=s3cret sleep 300 & victim=$!; ";
            site.says(&format!(
                "{begin}{}; kill -0 $victim && kill $victim",
                run.replace("$OPTIONS", options)
            ))
        };
        let out = with("");
        let denied = [libc::EPERM, libc::EACCES].map(|errno| errno.to_string());
        assert_eq!(answers(&out).len(), 9, "{out}");
        for (name, answer) in answers(&out) {
            assert!(denied.iter().any(|errno| errno == answer), "{name} {answer}: {out}");
        }
        if site.is_root() {
            let out = with("--cap-add SYS_PTRACE");
            assert!(answers(&out).iter().all(|(_, answer)| *answer == "ok"), "with the capability: {out}");
        }
        site.assert_clean();
    }
}

/// Another container's process has no name here: its number, as the host has it, is nobody's.
#[test]
fn no_process_of_another_container_can_be_looked_into() {
    for site in [Site::ours(), Site::nobody()] {
        let Some(run) = perl(&site, "--network none", LOOK, "$victim") else { return };
        // far from the numbers that a new namespace gives
        let out = site.says(&format!(
            "echo 30000 2>/dev/null >/proc/sys/kernel/ns_last_pid; \
             $S run --rm --name peer --network none stepbox/base sleep 4.25 & \
             while [ -z \"$victim\" ]; do sleep 0.05; \
             victim=$(ps ax -o pid= -o args= | sed -n 's/^ *\\([0-9]*\\) slee[p] 4.25$/\\1/p'); done; {run}; wait"
        ));
        // what the filter refuses is not even looked for
        let nobody = [libc::ENOENT, libc::ESRCH, libc::EPERM].map(|errno| errno.to_string());
        assert_eq!(answers(&out).len(), 9, "{out}");
        assert!(answers(&out).iter().all(|(_, answer)| nobody.iter().any(|errno| errno == answer)), "{out}");
        site.assert_clean();
    }
}

/// Whose namespaces are to be shared is known before they are joined. Where that process ends in between, and its number
/// is given to a stranger, nobody joins the stranger.
#[test]
fn nobody_joins_whoever_has_the_number_now() {
    let Some(site) = Site::root("nobody_joins_whoever_has_the_number_now") else { return };
    for kind in ["--network", "--pid", "--ipc"] {
        // a run that tells what it does into a pipe that is full stands before its first step
        let out = site.says(&format!(
            "id=$($S run -d --name red --network none --ipc shareable stepbox/base sleep 1000); \
             pid=$($S inspect -f '{{{{.State.Pid}}}}' red); \
             mkfifo $D/state/told; exec 3<>$D/state/told; dd if=/dev/zero bs=4096 count=16 >&3 2>/dev/null; \
             $S run --rm --explain {kind} container:red stepbox/base echo joined 2>$D/state/told 3>&- & run=$!; \
             until [ $(ls $D/state/run/journal | wc -l) = 2 ]; do sleep 0.02; done; $S rm -f red; \
             while [ -e /proc/$pid ]; do sleep 0.02; done; \
             for i in $(seq 20); do echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid; sleep 1000 3>&- & stranger=$!; \
                 [ $stranger = $pid ] && break; kill $stranger; done; [ $stranger = $pid ] || echo another number; \
             cat <&3 >$D/state/seen & reader=$!; wait $run; echo $?; kill $reader $stranger; \
             grep -aq 'start that one first' $D/state/seen && echo why; rm $D/state/told $D/state/seen"
        ));
        assert_eq!(out, "red\n125\nwhy\n", "{kind}");
        site.assert_clean();
    }
}

/// Runs its arguments with a key in a session keyring of its own, whose number they find in `KEY`.
const HOLDER: &str = r#"
my ($kind, $name, $secret) = ("user", "stepbox-secret", "s3cret");
syscall(250, 1, my $ring = "outer") >= 0 or die "no keyrings: $!";
$ENV{KEY} = syscall(248, $kind, $name, $secret, 6, -3);
my $found = syscall(250, 10, -3, $kind, $name, 0);
print "host ", $found == $ENV{KEY} ? "found" : "lost", "\n";
exec @ARGV;
"#;

/// Looks for that key where the caller looks, and by its number.
const THIEF: &str = r#"
my ($kind, $name, $buffer) = ("user", "stepbox-secret", "." x 64);
call("search", 250, 10, -3, $kind, $name, 0);
call("read", 250, 11, $ENV{KEY} + 0, $buffer, 64);
print "session ", syscall(250, 0, -3, 0), "\n";
"#;

/// With the filter nobody in a container makes the call at all; without it, the keyring is another.
#[test]
fn keys_of_the_engine_are_out_of_reach() {
    for site in [Site::ours(), Site::nobody()] {
        let options = "-e KEY --security-opt seccomp=unconfined";
        let Some(run) = perl(&site, options, THIEF, "") else { return };
        std::fs::write(site.path().join("holder.pl"), HOLDER).expect("a file");
        std::fs::write(site.path().join("run.sh"), format!("{run}\n{run}\n")).expect("a file");
        let out = site.says("perl $D/holder.pl sh $D/run.sh");
        assert!(out.starts_with("host found\n"), "{out}");
        let values = |name: &str| -> Vec<&str> {
            answers(&out).iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect()
        };
        let unknown = libc::ENOKEY.to_string();
        assert_eq!(values("search"), [unknown.as_str(); 2], "{out}");
        assert!(
            values("read").iter().all(|answer| answer.parse::<i32>().is_ok_and(|errno| errno > 0)),
            "{out}"
        );
        let sessions = values("session");
        assert!(sessions.len() == 2 && sessions[0] != sessions[1], "each has its own: {out}");
        site.assert_clean();
    }
}

/// Makes a program whose file says that whoever may inherit CAP_DAC_OVERRIDE gets it, and has nobody execute it: as it
/// is, and with the inheritable capability that Docker's containers had.
const INHERIT: &str = r#"
my ($path, $name, $value) = ("/caps", "security.capability", pack("V5", 0x02000001, 0, 2, 0, 0));
syscall(188, $path, $name, $value, 20, 0) == 0 or die "setxattr: $!";
for my $inheritable (0, 2) {
    my $child = fork;
    if (!$child) {
        my ($header, $all) = (pack("VV", 0x20080522, 0), 0xa80425fb);
        my $sets = pack("V6", $all, $all, $inheritable, 0, 0, 0);
        !$inheritable or syscall(126, $header, $sets) == 0 or die "capset: $!";
        syscall(119, 65534, 65534, 65534) == 0 && syscall(117, 65534, 65534, 65534) == 0 or die "setuid: $!";
        exec "/caps", "self/status";
    }
    waitpid $child, 0;
}
"#;

#[test]
fn cve_2022_24769_no_capability_is_inherited() {
    let Some(site) = Site::root("cve_2022_24769_no_capability_is_inherited") else { return };
    let Some(run) = perl(&site, "", INHERIT, "") else { return };
    let out = site.says(&run);
    let effective: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("CapEff:\t")).collect();
    assert_eq!(
        effective,
        ["0000000000000000", "0000000000000002"],
        "the second shows that the first could: {out}"
    );
    site.assert_clean();
}

/// A cgroup hierarchy of one's own, whose release_agent the kernel would start on the host.
#[test]
fn cve_2022_0492_no_release_agent_is_set() {
    for site in [Site::ours(), Site::nobody()] {
        let try_it = "unshare -U -r -m sh -c \"echo namespace; mkdir -p /tmp/m; for o in memory rdma misc pids; do \
                      mount -t cgroup -o \\$o none /tmp/m && echo mounted \\$o; \
                      echo /evil >/tmp/m/release_agent && umount /tmp/m; done; \
                      for f in /sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent; do \
                      echo /evil >\\$f && echo wrote \\$f; done\" 2>/dev/null; true";
        let agents = "cat /sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent 2>/dev/null";
        let run = |options: &str| {
            site.says(&format!(
                "{agents} >$D/state/before; $S run --rm {options} stepbox/base sh -c '{try_it}'; \
                 {agents} | cmp - $D/state/before"
            ))
        };
        assert_eq!(run(""), "", "not even the namespace");
        // what is left then is the kernel's own check
        assert_eq!(run("--security-opt seccomp=unconfined"), "namespace\n");
        site.assert_clean();
    }
}

/// The files that change the whole machine: closed, and open where the reader has asked for it. Nothing is written then.
#[test]
fn what_changes_the_machine_opens_only_when_privileged() {
    let Some(site) = Site::root("what_changes_the_machine_opens_only_when_privileged") else { return };
    let files = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe"];
    let sys = ["/sys/kernel/uevent_helper", "/sys/kernel/profiling", "/sys/module/kernel/parameters/panic"];
    let there: Vec<&str> =
        files.into_iter().chain(sys).filter(|file| std::path::Path::new(file).exists()).collect();
    let open = format!("for f in {}; do (: >>$f) 2>/dev/null && echo $f; done; true", there.join(" "));
    assert_eq!(site.inside("", &open), "");
    assert_eq!(site.inside("--privileged", &open).lines().collect::<Vec<_>>(), there);
    site.assert_clean();
}

/// It fills the box up to its limit; the host, which is asked meanwhile, has room for everything else.
#[test]
fn a_fork_bomb_stays_in_its_limit() {
    let Some(site) = Site::limited_root("a_fork_bomb_stays_in_its_limit") else { return };
    let out = site.says(
        "p=$(basename $D); $S run --rm --name red --pids-limit 20 --cgroup-parent $p stepbox/base \
         sh -c 'b() { b | b & }; b 2>/dev/null; exec sleep 1000' 2>/dev/null & \
         until f=$(find /sys/fs/cgroup -path \"*$p/stepbox-*/pids.events\" 2>/dev/null); [ -n \"$f\" ] && grep -q 'max [1-9]' $f; do \
         sleep 0.05; done; echo now $(cat $(dirname $f)/pids.current); echo $(cat $f); $S kill red >/dev/null; wait; \
         find /sys/fs/cgroup -path \"*$p*\" 2>/dev/null | wc -l",
    );
    let words: Vec<&str> = out.split_whitespace().collect();
    let [_, now, _, refused, left] = words[..] else { panic!("{out}") };
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{out}"));
    assert!((2..=20).contains(&number(now)), "{out}");
    assert!(number(refused) > 0, "fork was refused: {out}");
    assert_eq!(left, "0", "the cgroup above is gone too: {out}");
    site.assert_clean();
}

/// Somebody swaps a directory in a volume for a link, again and again, while a box is made that has a mount there
/// (CVE-2021-30465). Wherever the mount ends up, that is in the box or in the volume.
#[test]
fn cve_2021_30465_a_target_swapped_meanwhile() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "cd $D/state; mkdir outside vol vol/dir data; echo x >data/mine; ln -s $D/state/outside vol/away; \
             ln -s ../../../../../../..$D/state/outside vol/up; \
             (while [ ! -e stop ]; do for l in away up; do mv -T vol/dir vol/kept && mv -T vol/$l vol/dir && sleep 0.001; \
             mv -T vol/dir vol/$l && mv -T vol/kept vol/dir; done; done) 2>/dev/null & \
             for i in $(seq 12); do \
             $S run --rm -v $D/state/vol:/vol -v $D/state/data:/vol/dir/deep stepbox/base true 2>>said || true; done; \
             touch stop; wait; ls -A outside; cat said | cut -c 1-8 | sort -u",
        );
        assert!(
            ["", "stepbox:\n", "hint: a \nstepbox:\n", "hint: th\nstepbox:\n"].contains(&out.as_str()),
            "{out}"
        );
        site.assert_clean();
    }
}
