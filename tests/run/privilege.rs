//! What root inside may not do, and which option changes that.

use support::site::Site;

/// Makes calls that have no program of their own, and prints what they answered.
const CALLS: &str = r#"
sub call {
    my ($name, $number, @rest) = @_;
    my $answer = syscall($number, @rest);
    print "$name ", $answer < 0 ? $! + 0 : "ok", "\n";
}
call("keyctl", 250, 0, -3, 0);
call("vsock", 41, 40, 1, 0);
call("vsock-high", 41, 40 | 1 << 32, 1, 0);
call("alg", 41, 38, 5, 0);
call("inet", 41, 2, 1, 0);
call("personality", 135, 0x40000);
call("personality-read", 135, 0xffffffff);
call("clone3", 435, 0, 0);
call("x32", 0x40000000 + 39);
call("newer", 999);
call("tiocsti", 16, 0, 0x5412, 0);
call("tiocsti-high", 16, 0, 0x5412 | 1 << 32, 0);
call("bpf", 321, 0, 0, 0);
call("ptrace", 101, 0, 0, 0, 0);
call("tioclinux", 16, 0, 0x541c, 0);
call("io_uring", 425, 1, 0);
call("setns", 308, 0, 0);
call("clone-user", 56, 0x10000000 | 17, 0, 0, 0, 0) if $ARGV[0] eq "refused";
for (["cgroup", 0x2000000], ["uts", 0x4000000], ["ipc", 0x8000000], ["net", 0x40000000], ["mount", 0x20000]) {
    call("unshare-$_->[0]", 272, $_->[1]) if $ARGV[0] eq "refused";
}
call("unshare-user", 272, 0x10000000);
"#;

/// What the calls answer in a container with these options. None where this machine cannot make them.
fn calls(site: &Site, options: &str) -> Option<String> {
    let usable = ["/usr/bin/perl", "/usr/bin/sort"].iter().all(|path| std::path::Path::new(path).exists());
    if !usable || !cfg!(target_arch = "x86_64") {
        support::skip("calls", "it needs perl, and the call numbers of x86_64");
        return None;
    }
    std::fs::write(site.path().join("calls.pl"), CALLS).expect("a file");
    let word = if options.is_empty() { "refused" } else { "tried" };
    let options = format!("{options} -v /usr:/host/usr:ro -v $D/calls.pl:/host/calls.pl:ro");
    Some(site.inside(&options, &format!("{HOST} chroot /host perl /calls.pl {word} </dev/null")))
}

/// The host's programs below /host, for a machine whose /bin is in /usr.
const HOST: &str = "for d in bin lib lib64; do ln -s usr/$d /host/$d; done;";

fn assert_says(out: &str, wanted: &[(&str, i32)]) {
    for (name, errno) in wanted {
        let line = format!("{name} {errno}");
        assert!(out.lines().any(|other| other == line), "no {line:?} in\n{out}");
    }
}

const REFUSED: [(&str, i32); 20] = [
    ("keyctl", libc::EPERM),
    ("vsock", libc::EPERM),
    ("vsock-high", libc::EPERM),
    ("alg", libc::EPERM),
    ("personality", libc::EPERM),
    ("clone3", libc::ENOSYS),
    ("x32", libc::ENOSYS),
    ("newer", libc::ENOSYS),
    ("tiocsti", libc::EPERM),
    ("tiocsti-high", libc::EPERM),
    ("tioclinux", libc::EPERM),
    ("io_uring", libc::EPERM),
    ("setns", libc::EPERM),
    ("clone-user", libc::EPERM),
    ("unshare-cgroup", libc::EPERM),
    ("unshare-uts", libc::EPERM),
    ("unshare-ipc", libc::EPERM),
    ("unshare-net", libc::EPERM),
    ("unshare-mount", libc::EPERM),
    ("unshare-user", libc::EPERM),
];

#[test]
fn the_default_filter_refuses_what_docker_refuses() {
    for site in [Site::ours(), Site::nobody()] {
        assert_eq!(site.inside("", "grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");
        let Some(out) = calls(&site, "") else { return };
        assert_says(&out, &REFUSED);
        assert_says(&out, &[("bpf", libc::EPERM)]);
        assert!(out.contains("inet ok\n") && out.contains("personality-read ok\n"), "{out}");
        site.assert_clean();
    }
}

#[test]
fn unconfined_is_without_a_filter() {
    let site = Site::ours();
    let options = "--security-opt seccomp=unconfined";
    assert_eq!(site.inside(options, "grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
    let Some(out) = calls(&site, options) else { return };
    let unlocked = [("clone3", libc::EINVAL), ("newer", libc::ENOSYS), ("setns", libc::EINVAL)];
    assert_says(&out, &unlocked);
    // there is no terminal to push letters into
    assert_says(&out, &[("tiocsti", libc::ENOTTY), ("tioclinux", libc::ENOTTY)]);
    assert!(out.contains("personality ok\n"), "{out}");
    let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    assert!(!out.contains("io_uring 1\n") || disabled.trim() != "0", "{out}");
    site.assert_clean();
}

#[test]
fn a_profile_from_a_file() {
    let site = Site::ours();
    let profile = |action: &str| {
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
                {{"names":["sethostname"],"action":"{action}"}},
                {{"names":["umask"],"action":"SCMP_ACT_ERRNO","errnoRet":95,"excludes":{{"caps":["CAP_KILL"]}}}}]}}"#
        )
    };
    let (file, wrong) = (site.path().join("seccomp.json"), site.path().join("wrong.json"));
    std::fs::write(&file, profile("SCMP_ACT_KILL_PROCESS")).expect("a file");
    std::fs::write(&wrong, profile("SCMP_ACT_KILL_ALL")).expect("a file");
    let run = |options: &str, program: &str| {
        site.sh(&format!("$S run --rm --security-opt seccomp={options} stepbox/base sh -c '{program}'"))
    };
    let said = run("$D/seccomp.json", "hostname x; echo $?; grep Seccomp: /proc/self/status");
    assert!(said.out.ends_with("159\nSeccomp:\t2\n"), "128 + SIGSYS: {}{}", said.out, said.err);
    let said = run("$D/wrong.json", "true");
    let wanted = "syscalls[0].action: \"SCMP_ACT_KILL_ALL\" is no action";
    assert!(said.code == 125 && said.err.contains(wanted), "{} {}", said.code, said.err);
    let said = run("$D/none.json", "true");
    assert!(said.code == 125 && said.err.contains("none.json) failed: No such file"), "{}", said.err);
    site.assert_clean();
}

#[test]
fn mounts_and_namespaces_are_refused() {
    let site = Site::ours();
    // with the capability and without the filter it works; either of the two is enough to refuse
    let mount = "mkdir -p /m; mount -t tmpfs none /m 2>&1 && echo mounted";
    assert!(site.sh(&format!("$S run --rm stepbox/base sh -c '{mount}'")).out.contains("ermi"));
    assert!(site.inside("--cap-add SYS_ADMIN", mount).contains("mounted"));
    let only = "--security-opt seccomp=unconfined";
    assert_ne!(site.sh(&format!("$S run --rm {only} stepbox/base sh -c '{mount}'")).code, 0);
    site.assert_clean();
}

#[test]
fn threads_and_children_are_born_without_clone3() {
    let site = Site::ours();
    if !std::path::Path::new("/usr/bin/perl").exists() {
        return support::skip("threads", "it needs perl");
    }
    let host = "-v /usr:/host/usr:ro";
    // a user namespace is refused to whoever asks for it, also to somebody who has no capability
    let unshare = format!("{HOST} chroot /host unshare -U true && echo made");
    let said = site.sh(&format!("$S run --rm {host} stepbox/base sh -c '{unshare}'"));
    assert!(said.err.contains("not permitted") && !said.out.contains("made"), "{}{}", said.out, said.err);
    // above 128 K lines sort(1) makes a thread
    let sort = format!("{HOST} mkdir /host/tmp; seq 300000 | chroot /host sort --parallel=4 -rn | head -n 1");
    assert_eq!(site.inside(host, &sort), "300000\n");
    assert_eq!(site.inside("", "(echo child); echo $(echo grandchild)"), "child\ngrandchild\n");
    site.assert_clean();
}

#[test]
fn capabilities_come_and_go() {
    let site = Site::ours();
    let bounding = |options: &str| {
        let out = site.inside(options, "grep CapBnd /proc/self/status");
        u64::from_str_radix(out.trim().trim_start_matches("CapBnd:\t"), 16).expect("a set")
    };
    const FOURTEEN: u64 = 0xa804_25fb;
    assert_eq!(bounding("--cap-add net_admin"), FOURTEEN | 1 << 12);
    assert_eq!(bounding("--cap-add CAP_NET_ADMIN --cap-drop chown"), FOURTEEN & !1 | 1 << 12);
    assert_eq!(bounding("--cap-drop ALL"), 0);
    assert_eq!(bounding("--cap-drop all --cap-add KILL"), 1 << 5);
    let said = site.sh("$S run --rm --cap-drop ALL stepbox/base chroot / true");
    assert!(said.code == 1 && said.err.contains("not permitted"), "{} {}", said.code, said.err);
    site.assert_clean();
}

#[test]
fn no_new_privileges() {
    let Some(site) = Site::root("no_new_privileges") else { return };
    let read = "grep -E \"NoNewPrivs|Seccomp:\" /proc/self/status";
    assert_eq!(site.inside("", read), "NoNewPrivs:\t0\nSeccomp:\t2\n");
    let options = "--security-opt no-new-privileges";
    assert_eq!(site.inside(options, read), "NoNewPrivs:\t1\nSeccomp:\t2\n");
    assert_eq!(site.inside(&format!("{options} -u 1000"), read), "NoNewPrivs:\t1\nSeccomp:\t2\n");
    assert_eq!(site.inside("-u 1000", read), "NoNewPrivs:\t0\nSeccomp:\t2\n");
    site.assert_clean();
}

/// mknod gives a name; whether it opens is the device cgroup's matter.
#[test]
fn a_device_can_be_made_and_not_opened() {
    let Some(site) = Site::root("a_device_can_be_made_and_not_opened") else { return };
    // the memory of the machine, and the kernel's log
    let out = site.inside(
        "",
        "for d in \"c 1 1\" \"c 1 11\" \"c 1 3\" \"c 10 200\"; do mknod /tmp/d $d || echo unmade; \
         (: <>/tmp/d) 2>/dev/null && echo opened $d || echo closed $d; rm /tmp/d; done; \
         for d in null zero full random urandom tty ptmx; do (: </dev/$d) 2>/dev/null || echo no $d; done",
    );
    // without a terminal of its own, /dev/tty leads nowhere, for all that it may be opened
    assert_eq!(out, "closed c 1 1\nclosed c 1 11\nopened c 1 3\nclosed c 10 200\nno tty\n");
    site.assert_clean();
}

#[test]
fn options_that_are_not_known_are_named() {
    let site = Site::ours();
    for (option, word) in [
        ("--security-opt seccomp=profile.json", "profile.json"),
        ("--security-opt apparmor=unconfined", "apparmor"),
        ("--cap-add NO_SUCH", "NO_SUCH"),
    ] {
        let said = site.sh(&format!("$S run --rm {option} stepbox/base true"));
        assert!(said.code != 0 && said.err.contains(word), "{option}: {} {}", said.code, said.err);
    }
}

/// Numbers that no node has; the kernel is asked for the node, and says whether it may be opened.
#[test]
fn devices_by_their_numbers() {
    let Some(site) = Site::limited_root("devices_by_their_numbers") else { return };
    // /dev/kmsg, which a container has not
    let open = "mknod /node c 1 11 && { head -c 0 /node 2>/dev/null && echo opened || echo refused; }";
    for (options, answer) in [
        ("", "refused\n"),
        ("--device-cgroup-rule \"c 1:11 w\"", "refused\n"),
        ("--device-cgroup-rule \"c 1:11 rw\"", "opened\n"),
        ("--device-cgroup-rule \"c 1:* r\"", "opened\n"),
    ] {
        let options = format!("--cap-add SYSLOG {options}");
        assert_eq!(site.inside(&options, open), answer, "{options}");
    }
    for rule in ["x 1:1 r", "c 1 r", "c 1:1 rwx", "c 1:1", "c -1:1 r", "c  1:1 r", "c 1:1 rwmr"] {
        let command = format!("$S run --rm --device-cgroup-rule '{rule}' stepbox/base true");
        site.refused(&command, 125, &["invalid device cgroup format"]);
    }
    let nobody = Site::nobody();
    let command = "$S run --rm --device-cgroup-rule 'c 1:11 r' stepbox/base true";
    nobody.refused(command, 125, &["--device-cgroup-rule needs root of the whole machine"]);
    site.assert_clean();
}
