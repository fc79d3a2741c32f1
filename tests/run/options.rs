//! What the options of `run` do.

use support::site::Site;

#[test]
fn input_goes_in_only_when_asked_for_and_unharmed() {
    let site = Site::ours();
    site.says("$S run --rm stepbox/base true");
    let data: Vec<u8> = (0..10_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let output = site.sh_with("$S run -i --rm stepbox/base cat", &data);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == data, "10 MB came back otherwise than they went in");
    assert!(site.sh_with("$S run --rm stepbox/base cat", b"typed").stdout.is_empty());
    site.assert_clean();
}

#[test]
fn environment_directory_and_name() {
    let site = Site::ours();
    let out = site.inside("--hostname red -w /made/here -e A=b -e HOME -e NOT_SET", "pwd; hostname; env");
    assert!(out.starts_with("/made/here\nred\n"), "{out}");
    for line in ["A=b", "HOME=/tmp", "HOSTNAME=red"] {
        assert!(out.lines().any(|other| other == line), "no {line} in {out}");
    }
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert!(out.contains(path) && !out.contains("NOT_SET"), "{out}");
    assert!(site.inside("", "env").contains("HOME=/root\n"));
    site.assert_clean();
}

#[test]
fn users() {
    let Some(site) = Site::root("users") else { return };
    assert!(site.inside("-u 1000", "id").starts_with("uid=1000 gid=0(root)"));
    assert!(site.inside("-u 1000:1001", "id").starts_with("uid=1000 gid=1001"));
    assert!(site.inside("-u nobody", "id; grep CapEff /proc/self/status").contains("0000000000000000"));
    site.assert_clean();
}

#[test]
fn volumes() {
    let site = Site::ours();
    site.says("mkdir $D/state/vol; echo old >$D/state/vol/file");
    let out = site.inside(
        "-v $D/state/vol:/data -v $D/state/vol/file:/etc/one:ro -v $D/state/a/../new/dir:/new",
        "cat /etc/one; echo new >/data/new; echo x >/etc/one || echo refused; ls -d /new",
    );
    assert_eq!(out, "old\nrefused\n/new\n");
    assert_eq!(
        site.says("cat $D/state/vol/new $D/state/vol/file; ls -d $D/state/new/dir | wc -l"),
        "new\nold\n1\n"
    );
    assert!(!site.root_directory().join("a").exists(), "`..` goes away before the source is made");
    assert_ne!(site.sh("$S run --rm -v $D/state/vol:/data:ro stepbox/base touch /data/x").code, 0);
    site.assert_clean();
}

#[test]
fn limits_bite() {
    let Some(site) = Site::limited("limits_bite") else { return };
    let full = "$S run --rm -m 20m stepbox/base dd if=/dev/zero of=/dev/shm/x bs=1M count=50";
    assert_eq!(site.sh(full).code, 137, "killed for want of memory");
    let files = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null; true";
    assert!(site.inside("--cpus 0.5", files).starts_with("50000"));
    let bomb =
        "$S run --rm --pids-limit 5 stepbox/base sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 100 & done'";
    assert!(site.sh(bomb).err.contains("fork"));
    site.assert_clean();
}

#[test]
fn networks() {
    let Some(site) = Site::root("networks") else { return };
    assert!(!site.inside("--network none", "ip link").contains("eth0"));
    let host = site.says("ip link add probe0 type bridge; $S run --rm --network host stepbox/base ip link");
    assert!(host.contains("probe0"), "{host}");
    let out = site.says(
        "$S run --rm --name red stepbox/base sh -c 'ip -o -4 addr show eth0; exec sleep 1000' >$D/state/first & \
         while ! grep -q inet $D/state/first; do sleep 0.1; done; \
         first=$(sed 's,.*inet \\([0-9.]*\\)/.*,\\1,' $D/state/first); \
         $S run --rm stepbox/base ping -c 1 -W 10 $first; $S kill red >/dev/null; wait",
    );
    assert!(out.contains("1 packets received") || out.contains("1 received"), "{out}");
    site.assert_clean();
}

#[test]
fn a_box_keeps_little_privilege() {
    let site = Site::ours();
    let out = site.inside(
        "",
        "grep -E \"CapEff|CapBnd|CapAmb|CapInh\" /proc/self/status; cat /proc/keys | wc -c; \
         echo x 2>&1 >/proc/sys/kernel/domainname || echo closed; stat -c %a /dev/null /dev/tty",
    );
    let words: Vec<&str> = out.split_whitespace().collect();
    let value = |name: &str| words[words.iter().position(|word| *word == name).expect("there") + 1];
    assert_eq!([value("CapEff:"), value("CapBnd:")], ["00000000a80425fb"; 2], "Docker's fourteen");
    assert_eq!([value("CapInh:"), value("CapAmb:")], ["0000000000000000"; 2]);
    assert!(out.contains("closed\n666\n666\n") && words.contains(&"0"), "{out}");
    site.assert_clean();
}

#[test]
fn no_descriptor_of_the_host_comes_along() {
    let site = Site::ours();
    let out = site.says("$S run --rm stepbox/base sh -c 'ls /proc/1/fd; true' 7</etc/passwd 8</");
    let fds: Vec<&str> = out.lines().collect();
    assert_eq!(fds, ["0", "1", "2"], "{out}");
    site.assert_clean();
}

#[test]
fn without_root_what_needs_root_is_refused() {
    let site = Site::nobody();
    site.says("$S run --rm stepbox/base true");
    site.refused("$S run --rm --network bridge stepbox/base true", 125, &["needs root", "none or host"]);
    site.refused("$S run --rm -u 1000 stepbox/base true", 125, &["user 1000", "hint: run it as root"]);
    assert_eq!(site.inside("", "id -u; grep NoNewPrivs /proc/self/status"), "0\nNoNewPrivs:\t1\n");
    site.assert_clean();
}

/// Each by its name; what asks for nothing is taken.
#[test]
fn options_for_which_there_is_nothing_here() {
    let site = Site::ours();
    for (option, words) in [
        ("--gpus all", "lend the nodes of one with --device"),
        ("--runtime runc", "there is one runtime"),
        ("--storage-opt size=1g", "options for one container"),
        ("--isolation hyperv", "on Linux there is one kind"),
        ("--disable-content-trust=false", "signatures of images are not looked at"),
        ("--volume-driver nfs", "plugin \"nfs\" not found"),
    ] {
        let name = option.split([' ', '=']).next().expect("a word");
        site.refused(&format!("$S run --rm {option} stepbox/base true"), 125, &[name, words]);
        let code = if name == "--volume-driver" { 1 } else { 125 };
        site.refused(&format!("$S create {option} stepbox/base true"), code, &[name, words]);
    }
    let out = site.inside(
        "--isolation default --disable-content-trust --volume-driver local -v data:/data",
        "ls -d /data",
    );
    assert_eq!(out, "/data\n");
    site.says("$S volume rm data");
    site.assert_clean();
}
