//! What the options of `run` lend, set and share; and what is tried from inside against the host.

use support::site::Site;

#[test]
fn devices_are_lent_as_asked() {
    let Some(site) = Site::root("devices_are_lent_as_asked") else { return };
    let open = "(: <$D) 2>/dev/null && echo r; (: >$D) 2>/dev/null && echo w; true";
    let tried = |options: &str| site.inside(options, &open.replace("$D", "/dev/lent"));
    if std::path::Path::new("/dev/fuse").exists() {
        assert_eq!(tried("--device /dev/fuse:/dev/lent"), "r\nw\n");
        assert_eq!(tried("--device /dev/fuse:/dev/lent:r"), "r\n");
        assert_eq!(tried("--device /dev/fuse:/dev/lent:w"), "w\n");
        let other = site
            .inside("--device /dev/fuse", "mknod /tmp/d c 10 235; (: </tmp/d) 2>/dev/null || echo refused");
        assert_eq!(other, "refused\n", "only what was lent");
    }
    site.refused("$S run --rm --device /dev/none-such stepbox/base true", 125, &["/dev/none-such"]);
    for path in ["/etc/passwd", "/etc/security"] {
        site.says("mkdir -p $D/state/empty");
        let path = if path == "/etc/passwd" { path } else { "$D/state/empty" };
        site.refused(&format!("$S run --rm --device {path} stepbox/base true"), 125, &["not a device node"]);
    }
    site.assert_clean();
}

#[test]
fn limits_settings_and_groups() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.inside(
            "--ulimit nofile=100:200 --ulimit core=0 --shm-size 1m --oom-score-adj 500 \
             --sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=4096",
            "ulimit -n; ulimit -Hn; ulimit -c; grep -c size=1024k /proc/self/mountinfo; cat /proc/self/oom_score_adj \
             /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax",
        );
        assert_eq!(out, "100\n200\n0\n1\n500\n1\n4096\n");
        let run = |option: &str| format!("$S run --rm {option} stepbox/base true");
        for (option, words) in [
            ("--sysctl kernel.panic=1", ["kernel.panic", "whole machine"]),
            ("--sysctl kernel.hostname=x", ["kernel.hostname", "--hostname"]),
            ("--network host --sysctl net.ipv4.ip_forward=1", ["net.ipv4.ip_forward", "the host's here"]),
            ("--ipc host --sysctl kernel.shmmax=1", ["kernel.shmmax", "the host's here"]),
            ("--pid container:none-such", ["No such container", "none-such"]),
        ] {
            site.refused(&run(option), 125, &words);
        }
        site.assert_clean();
    }
    let site = Site::nobody();
    site.refused("$S run --rm --userns host stepbox/base true", 125, &["--userns host"]);
    site.refused("$S run --rm --group-add 7 stepbox/base true", 125, &["--group-add"]);
    let Some(site) = Site::root("limits_settings_and_groups") else { return };
    assert_eq!(
        site.inside("--group-add 77 --userns host", "grep Groups: /proc/self/status").trim(),
        "Groups:\t0 77"
    );
    site.refused("$S run --rm --group-add nosuch stepbox/base true", 125, &["nosuch"]);
}

#[test]
fn what_is_another_containers() {
    for site in [Site::ours(), Site::nobody()] {
        let begin = "$S run --rm --name peer --ipc shareable --network none --hostname red stepbox/base sh -c \
                     'ls -l /proc/self/ns; exec sleep 1000' >$D/state/peer & \
                     while ! grep -q uts $D/state/peer; do sleep 0.1; done;";
        let names = "grep -o \"[a-z]*:.[0-9]*\" $D/state/peer >$D/state/names;";
        let ask = |option: &str, kind: &str| {
            format!(
                "n=$($S run --rm {option} stepbox/base sh -c 'ls -l /proc/self/ns/{kind}'); \
                     grep -qF \"$(echo \"$n\" | grep -o \"{kind}:.[0-9]*\")\" $D/state/names && echo {kind};"
            )
        };
        let script = [
            begin,
            names,
            &ask("--pid container:peer", "pid"),
            &ask("--ipc container:peer", "ipc"),
            &ask("--network container:peer", "net"),
            "$S run --rm --network container:peer stepbox/base sh -c 'hostname; cat /etc/hostname'; \
             $S kill peer >/dev/null; wait",
        ];
        assert_eq!(site.says(&script.join(" ")), "pid\nipc\nnet\nred\nred\n");
        site.says("$S run --name ended stepbox/base true");
        site.refused("$S run --rm --pid container:ended stepbox/base true", 125, &["is not running"]);
        site.says("$S rm ended");
        site.assert_clean();
    }
}

#[test]
fn what_is_the_hosts() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(
            "$S run --rm --uts host stepbox/base hostname; hostname; \
             $S run --rm --ipc none stepbox/base sh -c 'ls /dev/shm 2>/dev/null || echo none'; \
             $S run --rm --ipc host stepbox/base grep -c ' /dev/shm rw' /proc/self/mountinfo",
        );
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!((lines[0], &lines[2..]), (lines[1], &["none", "1"][..]), "{out}");
        site.assert_clean();
    }
}

#[test]
fn the_host_is_not_written_from_inside() {
    for site in [Site::ours(), Site::nobody()] {
        let files = "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches \
                     /proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/uevent_helper \
                     /sys/kernel/profiling /sys/fs/cgroup/release_agent /sys/fs/cgroup/memory/release_agent \
                     /sys/fs/cgroup/memory/notify_on_release";
        let kept = "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe";
        // CVE-2022-0492: version 1 again, in a cgroup namespace and a user namespace of one's own
        let out = site.says(&format!(
            "cat {kept} >$D/state/before; $S run --rm stepbox/base sh -c 'for f in {files}; do \
             (echo x >$f) 2>/dev/null && echo $f; done; mkdir /m; mount -t cgroup -o memory none /m 2>/dev/null && \
             echo mounted; mount -o remount,rw /sys 2>/dev/null && echo remounted; mount --make-rshared / 2>/dev/null && \
             echo shared; umount /proc/sys 2>/dev/null && echo uncovered; for o in U C m n; do unshare -$o true 2>/dev/null \
             && echo unshared $o; done; chroot / true && echo chroot'; cat {kept} | cmp - $D/state/before",
        ));
        assert_eq!(out, "chroot\n");
        site.assert_clean();
    }
}
