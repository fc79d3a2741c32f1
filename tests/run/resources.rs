//! How much a container may use, as the kernel has it; which cgroup that is; and what Docker refuses.

use support::site::Site;

/// Files of a cgroup: those of version 1, else those of version 2.
const READ: &str = "cd /sys/fs/cgroup; for f in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes \
    memory/memory.soft_limit_in_bytes cpu/cpu.shares cpu/cpu.cfs_period_us cpu/cpu.cfs_quota_us cpuset/cpuset.cpus \
    cpuset/cpuset.mems memory.max memory.swap.max memory.low cpu.weight cpu.max cpuset.cpus cpuset.mems; do \
    test -e $f && echo $(basename $f) $(cat $f); done; true";

#[test]
fn every_limit_reaches_its_file() {
    let Some(site) = Site::limited_root("every_limit_reaches_its_file") else { return };
    let out = site.inside(
        "-m 32m --memory-swap 48m --memory-reservation 16m -c 512 --cpu-period 50000 --cpu-quota 25000 \
         --cpuset-cpus 0 --cpuset-mems 0",
        READ,
    );
    let has = |line: &str| out.lines().any(|other| other == line);
    for (one, two) in [
        ("memory.limit_in_bytes 33554432", "memory.max 33554432"),
        ("memory.memsw.limit_in_bytes 50331648", "memory.swap.max 16777216"),
        ("memory.soft_limit_in_bytes 16777216", "memory.low 16777216"),
        ("cpu.shares 512", "cpu.weight 59"),
        ("cpu.cfs_quota_us 25000", "cpu.max 25000 50000"),
        ("cpu.cfs_period_us 50000", "cpu.max 25000 50000"),
        ("cpuset.cpus 0", "cpuset.cpus 0"),
        ("cpuset.mems 0", "cpuset.mems 0"),
    ] {
        let unknown = !out.contains(one.split(' ').next().expect("a name"))
            && !out.contains(two.split(' ').next().expect("a name"));
        assert!(
            has(one) || has(two) || unknown && one.contains("memsw"),
            "neither {one} nor {two} in\n{out}"
        );
    }
    let any = site.inside("-m 32m --memory-swap -1", READ);
    assert!(any.contains("swap.max max") || !any.contains("memsw.limit_in_bytes 6710"), "{any}");
    site.assert_clean();
}

#[test]
fn over_the_limit_it_waits() {
    let Some(site) = Site::limited_root("over_the_limit_it_waits") else { return };
    let control = "cat /sys/fs/cgroup/memory/memory.oom_control";
    match std::path::Path::new("/sys/fs/cgroup/memory/memory.oom_control").exists() {
        true => assert!(site.inside("-m 32m --oom-kill-disable", control).contains("oom_kill_disable 1")),
        false => site.refused(
            "$S run --rm -m 32m --oom-kill-disable stepbox/base true",
            125,
            &["--oom-kill-disable", "only version 1"],
        ),
    }
    site.assert_clean();
}

#[test]
fn disks_are_weighed_or_it_is_said() {
    let Some(site) = Site::limited_root("disks_are_weighed_or_it_is_said") else { return };
    let read = "cat /sys/fs/cgroup/blkio/blkio.bfq.weight /sys/fs/cgroup/io.bfq.weight /sys/fs/cgroup/io.weight \
                2>/dev/null; true";
    let run = format!("$S run --rm --blkio-weight 300 stepbox/base sh -c '{read}'");
    match site.sh(&run) {
        said if said.code == 0 => {
            assert!(said.out.contains("300") || said.out.contains("2930"), "{}", said.out)
        }
        said => assert!(said.err.contains("weigh") && said.err.contains("hint: "), "{}", said.err),
    }
    site.assert_clean();
}

/// By the numbers of a disk, if there is one; what is written is in the plan.
#[test]
fn one_disk_is_limited() {
    const TEST: &str = "one_disk_is_limited";
    let Some(site) = Site::limited_root(TEST) else { return };
    let disk = "for disk in /sys/block/*; do name=${disk##*/}; [ -b /dev/$name ] && echo $name $(cat $disk/dev) && break; done";
    let found = site.says(&format!("{disk}; true"));
    let Some((name, numbers)) = found.trim().split_once(' ') else {
        return support::skip(TEST, "there is no disk in /dev");
    };
    for (option, value, key, number) in [
        ("device-read-bps", "1mb", "rbps", "1048576"),
        ("device-write-bps", "2k", "wbps", "2048"),
        ("device-read-iops", "30", "riops", "30"),
        ("device-write-iops", "40", "wiops", "40"),
        ("blkio-weight-device", "300", "weight", "300"),
    ] {
        let plan = site.says(&format!("$S run --dry-run --{option} /dev/{name}:{value} stepbox/base true"));
        // a line of the plan may end anywhere between two words
        let plan = plan.split_whitespace().collect::<Vec<_>>().join(" ");
        let written = [format!("\"{numbers} {number}\""), format!("\"{numbers} {key}={number}\"")];
        assert!(written.iter().any(|text| plan.contains(text)), "{option}: no {written:?} in {plan}");
    }
    for (option, words) in [
        (format!("--device-read-bps {name}:1mb"), "bad format for device path"),
        (format!("--device-read-bps /dev/{name}"), "bad format"),
        (
            format!("--device-write-bps /dev/{name}:0"),
            "<device-path>:<number>[<unit>]. Number must be a positive integer",
        ),
        (
            format!("--device-read-iops /dev/{name}:1mb"),
            "<device-path>:<number>. Number must be a positive integer",
        ),
        (format!("--blkio-weight-device /dev/{name}:5"), "invalid weight for device"),
        ("--device-read-bps /dev/null:1mb".into(), "it is no block device"),
        ("--device-read-bps /dev/no-such:1mb".into(), "cannot limit the disk /dev/no-such"),
    ] {
        site.refused(&format!("$S run --rm {option} stepbox/base true"), 125, &[words]);
    }
    site.assert_clean();
}

/// What version 2 has not, it says.
#[test]
fn only_the_older_version_has_these() {
    let Some(site) = Site::limited_root("only_the_older_version_has_these") else { return };
    let old = std::path::Path::new("/sys/fs/cgroup/memory/memory.swappiness").exists();
    for (option, file) in [
        ("--memory-swappiness 40", "memory.swappiness\", \"40\""),
        ("--kernel-memory 64m", "memory.kmem.limit_in_bytes\", \"67108864\""),
    ] {
        let name = option.split(' ').next().expect("a word");
        match old {
            true => {
                assert!(site.says(&format!("$S run --dry-run {option} stepbox/base true")).contains(file))
            }
            false => site.refused(
                &format!("$S run --rm {option} stepbox/base true"),
                125,
                &[name, "only version 1"],
            ),
        }
    }
    let plan = site.sh("$S run --dry-run --cpu-rt-period 500000 --cpu-rt-runtime 1000 stepbox/base true");
    assert!(
        plan.out.contains("rt_runtime_us\", \"1000\"") || plan.err.contains("--cpu-rt-"),
        "{}{}",
        plan.out,
        plan.err
    );
    site.assert_clean();
}

#[test]
fn its_cgroup_and_how_much_of_it_is_seen() {
    for site in [Site::ours(), Site::nobody()] {
        let read = "cat /proc/self/cgroup; readlink /proc/self/ns/cgroup";
        let inside = |options: &str| site.inside(options, read);
        let host = site.says(read);
        let namespace = |text: &str| text.lines().last().expect("a line").to_string();
        for options in ["", "--cgroupns private"] {
            let out = inside(options);
            let mut lines = out.lines().filter(|line| !line.starts_with("cgroup:"));
            assert!(lines.all(|line| line.ends_with(":/")), "{options}: {out}");
            assert_ne!(namespace(&out), namespace(&host), "{options}");
        }
        let out = inside("--cgroupns host");
        assert_eq!(namespace(&out), namespace(&host));
        if site.is_root() {
            assert!(out.lines().any(|line| line.contains(":/stepbox-")), "{out}");
            let out = inside("--cgroupns host --cgroup-parent under/it");
            assert!(out.lines().any(|line| line.contains(":/under/it/stepbox-")), "{out}");
        }
        site.assert_clean();
    }
}

#[test]
fn what_docker_refuses() {
    let site = Site::ours();
    for (options, words) in [
        ("--memory-swap 64m", "You should always set the Memory limit when using Memoryswap limit"),
        ("-m 64m --memory-swap 32m", "Minimum memoryswap limit should be larger than memory limit"),
        ("-m 32m --memory-reservation 64m", "Minimum memory limit can not be less than memory reservation"),
        ("--cpus 1 --cpu-period 100000", "Nano CPUs and CPU Period cannot both be set"),
        ("--cpus 1 --cpu-quota 50000", "Nano CPUs and CPU Quota cannot both be set"),
        ("--cpu-period 10", "CPU cfs period can not be less than 1ms"),
        ("--cpu-quota 10", "CPU cfs quota can not be less than 1ms"),
        ("--cpuset-cpus 4096", "Requested CPUs are not available - requested 4096, available: 0"),
        ("--cpuset-mems 512", "Requested memory nodes are not available - requested 512"),
        ("--cpuset-cpus 3-1", "Invalid value 3-1 for cpuset cpus"),
        ("--blkio-weight 5", "Range of blkio weight is from 10 to 1000"),
        ("--cpu-shares 1", "2 to 262144"),
        ("--memory-swappiness 101", "valid memory swappiness range is 0-100"),
        ("--kernel-memory 1m", "Minimum kernel memory limit allowed is 4MB"),
        ("--cgroup-parent ../up", "without .."),
        ("--cgroup-parent /", "the path of a cgroup"),
    ] {
        site.refused(&format!("$S run --rm {options} stepbox/base true"), 125, &[words]);
    }
    site.assert_clean();
}

/// A member of the runtime specification is nothing that anybody has typed.
#[test]
fn without_a_cgroup_the_option_is_named() {
    let site = Site::nobody();
    let machine = stepbox::cgroups::detect(std::path::Path::new("/")).expect("read the cgroups");
    if !site.is_root() && machine.writable().is_ok() && !rustix::process::geteuid().is_root() {
        return support::skip("without_a_cgroup_the_option_is_named", "this user has a cgroup of its own");
    }
    for (option, name) in [
        ("-m 32m", "--memory: "),
        ("--cpu-shares 512", "--cpu-shares: "),
        ("--pids-limit 9", "--pids-limit: "),
    ] {
        site.refused(&format!("$S run --rm {option} stepbox/base true"), 125, &[name, "hint: "]);
    }
    let lower = "$S run --rm --oom-score-adj -900 stepbox/base true";
    site.refused(lower, 125, &["oom_score_adj", "EACCES", "hint: a score below our own"]);
    site.assert_clean();
}
