//! What a container gets that asks for nothing, read from inside, line by line; and what `--privileged` and
//! `--read-only` make of it.

use std::collections::BTreeMap;

use support::site::Site;

/// Fields of mountinfo that are the same on every machine: target, and what is mounted how.
fn mounts(out: &str) -> BTreeMap<String, String> {
    let row = |line: &str| {
        let (mount, what) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(4);
        let (target, flags) = (fields.next()?, fields.next()?);
        // no optional field: neither shared with anybody, nor anybody's slave
        assert_eq!(fields.next(), None, "{line}");
        let mut what = what.split(' ');
        let (kind, options) = (what.next()?, what.nth(1)?);
        Some((target.to_string(), format!("{kind} {} | {options}", flags.trim_end_matches(",relatime"))))
    };
    out.lines().filter_map(row).collect()
}

#[test]
fn every_mount_and_its_flags() {
    for site in [Site::ours(), Site::nobody()] {
        let mounts = mounts(&site.inside("", "cat /proc/self/mountinfo"));
        let starts = |target: &str, wanted: &str| {
            let found = mounts.get(target).unwrap_or_else(|| panic!("no {target} in {mounts:#?}"));
            assert!(found.starts_with(wanted), "{target}: {found}");
        };
        starts("/", "overlay rw | rw,");
        starts("/proc", "proc rw,nosuid,nodev,noexec | rw");
        starts("/sys", "sysfs ro,nosuid,nodev,noexec | ");
        starts("/dev", "tmpfs rw,nosuid | rw,size=65536k,mode=755");
        starts("/dev/mqueue", "mqueue rw,nosuid,nodev,noexec | rw");
        starts("/dev/shm", "tmpfs rw,nosuid,nodev,noexec | rw,size=65536k");
        let group = if site.is_root() { "gid=5," } else { "" };
        starts("/dev/pts", &format!("devpts rw,nosuid,noexec | rw,{group}mode=620,ptmxmode=666"));
        for (target, found) in mounts.iter().filter(|(target, _)| target.starts_with("/sys/fs/cgroup")) {
            let (_, rest) = found.split_once(' ').expect("a type");
            assert!(rest.starts_with("ro,nosuid,nodev,noexec | "), "{target}: {found}");
        }
        for path in ["bus", "fs", "irq", "sys", "sysrq-trigger"] {
            if std::path::Path::new("/proc").join(path).exists() {
                starts(&format!("/proc/{path}"), "proc ro,nosuid,nodev,noexec | ");
            }
        }
        let usual = ["/", "/proc", "/sys", "/dev", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];
        for target in mounts.keys().filter(|target| !usual.contains(&target.as_str())) {
            let below = ["/proc/", "/sys/", "/dev/"].iter().any(|top| target.starts_with(top));
            assert!(below, "who mounted {target}? {mounts:#?}");
        }
        site.assert_clean();
    }
}

/// Files that are there on this machine.
fn there(paths: &[&str]) -> Vec<String> {
    let there = |path: &&&str| std::path::Path::new(path).exists();
    paths.iter().filter(there).map(ToString::to_string).collect()
}

#[test]
fn what_is_hidden_is_empty() {
    let files = ["interrupts", "kcore", "keys", "latency_stats", "sched_debug", "timer_list", "timer_stats"];
    let files = there(&files.map(|name| format!("/proc/{name}")).each_ref().map(String::as_str));
    let mut directories = there(&[
        "/proc/acpi",
        "/proc/asound",
        "/proc/scsi",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]);
    let throttles = stepbox::engine::machine::throttles(std::path::Path::new("/"));
    directories.extend(throttles.iter().map(|path| path.display().to_string()));
    let read = format!(
        "for f in {}; do test -c $f || echo $f is a file; head -c 1 $f; done; \
         for d in {}; do ls -A $d; touch $d/x 2>/dev/null && echo $d can be written; done; true",
        files.join(" "),
        directories.join(" ")
    );
    for site in [Site::ours(), Site::nobody()] {
        assert_eq!(site.inside("", &read), "");
        site.assert_clean();
    }
}

#[test]
fn the_small_dev() {
    let site = Site::ours();
    let out = site.inside(
        "",
        "cd /dev; ls | tr \"\\n\" \" \"; for n in null zero full random urandom tty; do stat -c \"%n %a %t:%T\" $n; \
         done; for l in fd stdin core ptmx; do readlink $l; done",
    );
    let names = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ";
    let nodes =
        ["null 666 1:3", "zero 666 1:5", "full 666 1:7", "random 666 1:8", "urandom 666 1:9", "tty 666 5:0"];
    let links = ["/proc/self/fd", "/proc/self/fd/0", "/proc/kcore", "pts/ptmx"];
    assert_eq!(out, format!("{names}{}\n{}\n", nodes.join("\n"), links.join("\n")));
    site.assert_clean();
}

#[test]
fn the_program_and_who_it_is() {
    const FOURTEEN: &str = "00000000a80425fb";
    for site in [Site::ours(), Site::nobody()] {
        let status = site.inside(
            "--hostname red",
            "cat /proc/self/status; hostname; pwd; umask; ls /proc/self/fd | wc -l",
        );
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
            line.unwrap_or_else(|| panic!("no {name} in {status}")).trim()
        };
        assert_eq!([value("CapBnd"), value("CapPrm"), value("CapEff")], [FOURTEEN; 3]);
        assert_eq!([value("CapInh"), value("CapAmb")], ["0000000000000000"; 2]);
        assert_eq!([value("Seccomp"), value("Seccomp_filters")], ["2", "1"]);
        assert_eq!(value("NoNewPrivs"), if site.is_root() { "0" } else { "1" });
        // as in its own group, also where a set-group-id program changes that
        if site.is_root() {
            assert_eq!(value("Groups"), "0");
        }
        // ls opens the directory itself
        assert!(status.ends_with("\nred\n/\n0022\n4\n"), "{status}");
        site.assert_clean();
    }
}

#[test]
fn each_namespace_is_its_own() {
    let read = "for n in cgroup ipc mnt net pid uts; do ls -l /proc/self/ns/$n; done | sed s,.*-.,,";
    for site in [Site::ours(), Site::nobody()] {
        let out = site.says(&format!("{read}; $S run --rm stepbox/base sh -c '{read}'"));
        let all: Vec<&str> = out.lines().collect();
        assert_eq!(all.len(), 12, "{out}");
        for (host, inside) in all[..6].iter().zip(&all[6..]) {
            assert_ne!(host, inside, "{out}");
        }
        site.assert_clean();
    }
}

#[test]
fn privileged_hides_and_refuses_nothing() {
    for site in [Site::ours(), Site::nobody()] {
        let out = site.inside(
            "--privileged",
            "grep -E \"^(CapInh|CapAmb|CapBnd|Seccomp):\" /proc/self/status; cat /proc/self/mountinfo",
        );
        let value = |name: &str| {
            let line = out.lines().find_map(|line| line.strip_prefix(&format!("{name}:\t")));
            u64::from_str_radix(line.expect("there"), 16).expect("a number")
        };
        let ours = stepbox::engine::machine::Machine::look().capabilities;
        assert_eq!(
            value("CapBnd"),
            if site.is_root() { ours } else { stepbox::kernel::flags::ALL_CAPABILITIES }
        );
        assert_eq!((value("CapInh"), value("CapAmb"), value("Seccomp")), (0, 0, 0));
        let mounts = mounts(&out);
        assert!(mounts["/sys"].starts_with("sysfs rw,"), "{mounts:#?}");
        for (target, found) in &mounts {
            assert!(!target.starts_with("/proc/"), "{target} is covered");
            let writable = found.split(' ').nth(1).is_some_and(|flags| flags.starts_with("rw"));
            assert!(writable || !target.starts_with("/sys/fs/cgroup"), "{target}: {found}");
        }
        site.assert_clean();
    }
}

#[test]
fn privileged_root_has_all_devices() {
    let Some(site) = Site::root("privileged_root_has_all_devices") else { return };
    let made = "mknod /tmp/d c 1 3 && echo a >/tmp/d && ls /dev";
    let host: Vec<String> = ["kmsg", "fuse", "loop-control"].map(String::from).into();
    let inside = site.inside("--privileged", made);
    for name in host.iter().filter(|name| std::path::Path::new("/dev").join(name).exists()) {
        assert!(inside.lines().any(|line| line == name), "no {name} in {inside}");
    }
    // any device that the machine has, even by a node that it makes itself: the host's memory is one
    let opened = "mknod /tmp/d c 1 9; (: </tmp/d) && cat /sys/fs/cgroup/devices/devices.list 2>/dev/null";
    let list = site.inside("--privileged", &format!("{opened}; true"));
    assert!(list.is_empty() || list.starts_with("a *:* rwm"), "{list}");
    let out = site.inside("--privileged --read-only", "grep \" /sys \" /proc/self/mountinfo");
    assert!(out.contains(" ro,"), "as Docker, with --read-only /sys stays closed: {out}");
    site.assert_clean();
}

#[test]
fn read_only_but_for_what_is_mounted() {
    for site in [Site::ours(), Site::nobody()] {
        site.says("mkdir $D/state/vol");
        let out = site.inside(
            "--read-only --tmpfs /run:size=1m,mode=700,exec -v $D/state/vol:/data -v $D/state/vol:/closed:ro",
            "for p in / /etc /tmp /root /sys /closed /run /data /dev /dev/shm; do \
             touch $p/x 2>/dev/null && echo $p; done; echo x 2>/dev/null >>/etc/hosts && echo hosts; \
             stat -c %a /run; grep \" /run \" /proc/self/mountinfo",
        );
        let (written, run) = out.split_once("700\n").unwrap_or_else(|| panic!("{out}"));
        assert_eq!(written, "/run\n/data\n/dev\n/dev/shm\n");
        assert!(run.contains(" rw,nosuid,nodev,relatime - tmpfs tmpfs rw,size=1024k,mode=700"), "{run}");
        assert!(site.root_directory().join("vol/x").exists());
        site.assert_clean();
    }
}
