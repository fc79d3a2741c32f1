//! Other limits, and another restart policy, for containers that are there.

use support::site::Site;

/// What a container's cgroup says, whichever version it is of; from inside.
const READ: &str = "cd /sys/fs/cgroup; for f in memory/memory.limit_in_bytes memory/memory.soft_limit_in_bytes \
    cpu/cpu.shares cpu/cpu.cfs_period_us cpu/cpu.cfs_quota_us cpuset/cpuset.cpus cpuset/cpuset.mems pids/pids.max memory.max \
    memory.low cpu.weight cpu.max cpuset.cpus cpuset.mems pids.max; do test -n \"$(cat $f 2>/dev/null)\" && echo $(basename $f) $(cat $f); done; \
    grep _allowed_list /proc/1/status";

/// All that can be updated on every machine.
const ALL: &str = "--memory 48m --memory-swap 96m --memory-reservation 24m --cpu-shares 512 --cpu-period 50000 \
    --cpu-quota 25000 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 77";

fn has_all(out: &str) {
    for (one, two) in [
        ("memory.limit_in_bytes 50331648", "memory.max 50331648"),
        ("memory.soft_limit_in_bytes 25165824", "memory.low 25165824"),
        ("cpu.shares 512", "cpu.weight 59"),
        ("cpu.cfs_quota_us 25000", "cpu.max 25000 50000"),
        ("cpu.cfs_period_us 50000", "cpu.max 25000 50000"),
        ("pids.max 77", "pids.max 77"),
        ("Cpus_allowed_list:\t0", "Cpus_allowed_list:\t0"),
        ("Mems_allowed_list:\t0", "Mems_allowed_list:\t0"),
    ] {
        assert!(out.lines().any(|line| line == one || line == two), "neither {one} nor {two} in\n{out}");
    }
}

#[test]
fn whatever_it_is_doing_it_gets_other_limits_and_keeps_them() {
    const TEST: &str = "whatever_it_is_doing_it_gets_other_limits_and_keeps_them";
    let Some(site) = Site::limited_root(TEST) else { return };
    let run = "$S run -d --name red stepbox/base sleep 1000 >/dev/null";
    for (before, after) in [
        (run.to_string(), ":"),
        ("$S create --name red stepbox/base sleep 1000 >/dev/null".into(), "$S start red >/dev/null"),
        (format!("{run}; $S pause red >/dev/null"), "$S unpause red >/dev/null"),
        (format!("{run}; $S kill red >/dev/null; $S wait red >/dev/null"), "$S start red >/dev/null"),
        // without a monitor; its own files are read once more after its end
        ("$S run --name red stepbox/base sleep 1000 & until $S exec red true 2>/dev/null; do sleep 0.02; done".into(), ":"),
    ] {
        let read = format!("$S exec red sh -c '{READ}'");
        let kept = "$S inspect -f '{{with .HostConfig}}{{.Memory}} {{.MemorySwap}} {{.MemoryReservation}} {{.CpuShares}} \
                    {{.CpuPeriod}} {{.CpuQuota}} {{.CpusetCpus}} {{.CpusetMems}} {{.PidsLimit}} {{.NanoCpus}}{{end}}' red";
        let out = site.says(&format!(
            "{before}; $S update {ALL} red; {after}; {read}; echo then; {kept}; $S kill red; $S wait red; wait; \
             find /sys/fs/cgroup -name \"stepbox-$(basename $D/state/containers/*)\"; echo then; \
             $S start red; {read}; $S rm -f red"
        ));
        let parts: Vec<&str> = out.split("then\n").collect();
        assert!(parts[0].starts_with("red\n"), "{out}");
        has_all(parts[0]);
        assert_eq!(parts[1], "50331648 100663296 25165824 512 50000 25000 0 0 77 0\nred\n137\n", "{before}");
        has_all(parts[2]);
        site.assert_clean();
    }
}

/// The last is refused by the kernel: no machine has so many processes. Under version 2 a choice of cpus that was never
/// made is taken back as one of all: so not the file counts, but which they are.
#[test]
fn all_of_it_or_nothing() {
    let Some(site) = Site::limited_root("all_of_it_or_nothing") else { return };
    let look =
        format!("$S inspect -f '{{{{json .HostConfig}}}}' red; $S exec red sh -c '{READ}' | grep -v ^cpuset");
    let out = site.says(&format!(
        "$S run -d --name red -m 64m --cpu-shares 200 --pids-limit 99 --restart on-failure:3 stepbox/base sleep 1000 >/dev/null; \
         ({look}) >$D/before 2>/dev/null; \
         $S update --memory 32m --memory-swap 48m --cpus 0.5 --cpu-shares 300 --cpuset-cpus 0 --pids-limit 99999999 \
             --restart always red 2>&1; echo $?; \
         ({look}) >$D/after 2>/dev/null; cmp $D/before $D/after && echo as it was; \
         $S rm -f red; rm $D/before $D/after"
    ));
    let (refused, rest) = out.split_once("\n1\n").expect("a code");
    assert!(
        refused.contains("Cannot update container") && refused.contains("--pids-limit: 99999999 is refused"),
        "{out}"
    );
    assert_eq!(rest, "as it was\nred\n");
    site.assert_clean();
}

#[test]
fn its_monitor_hears_of_another_policy() {
    for site in [Site::ours(), Site::nobody()] {
        let program = "until [ -e /go ]; do sleep 0.02; done; echo went; exit 4";
        let out = site.says(&format!(
            "$S run -d --name red stepbox/base sh -c '{program}' >/dev/null; $S update --restart on-failure:2 red; \
             $S exec red touch /go; for _ in $(seq 200); do [ $($S logs red | wc -l) = 3 ] && break; sleep 0.05; done; \
             until [ -z \"$($S ps -q)\" ]; do sleep 0.05; done; $S logs red; $S inspect -f '{{{{.RestartCount}}}}' red; $S rm red; \
             $S run -d --name red --restart always stepbox/base sh -c '{program}' >/dev/null; $S update --restart no red; \
             $S exec red touch /go; $S wait red; sleep 0.5; $S ps -q; $S logs red; \
             $S inspect -f '{{{{.HostConfig.RestartPolicy.Name}}}}' red; $S rm red; \
             $S run --rm --name red stepbox/base sleep 1000 & \
             until $S exec red true 2>/dev/null; do sleep 0.02; done; $S update --restart always red 2>&1 | sed 's/[0-9a-f]*:/ID:/2'; \
             $S kill red; wait $!; \
             $S run --name red stepbox/base sleep 1000 & \
             until $S exec red true 2>/dev/null; do sleep 0.02; done; $S update --restart always red 2>&1 | sed 's/container [0-9a-f]*:/ID:/'; \
             $S kill red; wait $!; $S rm red"
        ));
        let of_rm = "AutoRemove is enabled for the container\n";
        let (begin, rest) = out.split_once("stepbox: Cannot update container ").expect("one is removed");
        assert_eq!(begin, "red\nwent\nwent\nwent\n2\nred\nred\n4\nwent\nno\nred\n");
        let (_, rest) = rest.split_once(of_rm).expect("why not");
        let wanted = "red\nstepbox: Cannot update ID: it runs in the foreground of a command, without a monitor, which would start \
                      it again\nhint: start it again with stepbox start; then it has one\nred\nred\n";
        assert_eq!(rest, wanted);
        site.assert_clean();
    }
}

/// In a box that forks all the time, everybody is moved.
#[test]
fn who_is_born_meanwhile_comes_too() {
    let Some(site) = Site::limited_root("who_is_born_meanwhile_comes_too") else { return };
    let program = "while :; do for i in 1 2 3 4 5 6 7 8; do sleep 0.03 & done; wait; done";
    let out = site.says(&format!(
        "$S run -d --name red stepbox/base sh -c '{program}' >/dev/null; sleep 0.2; $S update --cpuset-cpus 0 red; \
         $S exec red sh -c \"sleep 0.2; cat /proc/[0-9]*/status\" | grep Cpus_allowed_list | sort -u; $S rm -f red"
    ));
    assert_eq!(out, "red\nCpus_allowed_list:\t0\nred\n");
    site.assert_clean();
}

/// Whoever kills its monitor leaves nothing of what an update has made.
#[test]
fn nothing_is_left_of_a_monitor_that_was_killed() {
    let Some(site) = Site::limited_root("nothing_is_left_of_a_monitor_that_was_killed") else { return };
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; $S update --cpuset-cpus 0 red; \
         kill -KILL $(owner); $S wait red; $S rm red",
    );
    assert_eq!(out, "red\n137\nred\n");
    site.assert_clean();
}

#[test]
fn each_step_can_be_watched() {
    let Some(site) = Site::limited_root("each_step_can_be_watched") else { return };
    let out = site.says(
        "$S run -d --name red -m 64m stepbox/base sleep 1000 >/dev/null; \
         $S update --dry-run --memory 32m red | grep -c 'limit memory'; $S inspect -f '{{.HostConfig.Memory}}' red; \
         $S update --explain --memory 32m red 2>&1 | grep -c -e 'limit memory' -e '^red$'; \
         $S inspect -f '{{.HostConfig.Memory}}' red; $S update --step --pids-limit 9 red red 2>&1; echo $?; $S rm -f red",
    );
    let refusal = "stepbox: whoever watches each step watches one container: name it alone\n1\n";
    assert_eq!(out, format!("1\n67108864\n2\n33554432\n{refusal}red\n"));
    site.assert_clean();
}

#[test]
fn what_nobody_can_have() {
    let site = Site::ours();
    site.says("$S create --name red stepbox/base true >/dev/null; $S create --name blue --cpus 1 stepbox/base true >/dev/null");
    for (command, code, words) in [
        ("red", 1, "you must provide one or more flags"),
        ("--memory 1m red", 1, "Minimum memory limit allowed is 6MB"),
        ("--memory 64m red", 1, "update the memoryswap at the same time"),
        ("--memory x red", 125, "invalid size: 'x'"),
        ("--cpu-period 5 red", 1, "CPU cfs period can not be less than 1ms"),
        ("--cpu-quota 50000 blue", 1, "CPU Quota cannot be updated as NanoCPUs has already been set"),
        ("--blkio-weight 5 red", 1, "Range of blkio weight is from 10 to 1000"),
        ("--cpuset-cpus 4096 red", 1, "Requested CPUs are not available"),
        ("--cpuset-cpus 3-1 red", 1, "Invalid value 3-1 for cpuset cpus"),
        ("--restart maybe red", 1, "invalid restart policy 'maybe'"),
        ("--pids-limit 9 nosuch", 1, "No such container: nosuch"),
    ] {
        site.refused(&format!("$S update {command}"), code, &[words]);
    }
    assert_eq!(site.says("$S rm red blue"), "red\nblue\n");
    site.assert_clean();
}

/// Without a cgroup of ours: the next start would fail, so the limit is said to be none.
#[test]
fn without_a_cgroup_nothing_is_limited() {
    let handed = stepbox::cgroups::detect(std::path::Path::new("/")).expect("read the cgroups");
    if handed.writable().is_ok() && !rustix::process::geteuid().is_root() {
        return support::skip("without_a_cgroup_nothing_is_limited", "this user has a cgroup");
    }
    let site = Site::nobody();
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; $S update --pids-limit 9 red 2>&1; echo $?; \
         $S inspect -f '{{json .HostConfig.PidsLimit}}' red; $S update --restart always red; $S rm -f red",
    );
    let (refused, rest) = out.split_once("\n1\n").expect("a code");
    assert!(refused.contains("--pids-limit: ") && refused.contains("\nhint: "), "{out}");
    assert_eq!(rest, "null\nred\nred\n");
    site.assert_clean();
}
