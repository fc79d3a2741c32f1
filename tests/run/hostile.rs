//! Images that try to reach the host, and images that no program can be started from.

use support::archive::Raw;
use support::player::STRANGER;
use support::site::Site;

/// A root file system with the base's programs and what a test adds, imported as `evil`.
fn import(site: &Site, archive: Raw) {
    std::fs::write(site.path().join("evil.tar"), archive.end()).expect("written");
    site.says("$S run --rm stepbox/base true; $S import $D/evil.tar evil >/dev/null");
}

/// A static shell of the machine's as an archive's entry; none where there is none.
fn shell(test: &str) -> Option<Raw> {
    let found = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find_map(|path| std::fs::read(path).ok());
    let Some(program) = found else {
        support::skip(test, "there is no static busybox");
        return None;
    };
    let raw = Raw::default().directory("bin/", 0o755);
    Some(raw.sized(b"bin/busybox", b'0', b"", &program, program.len() as u64, 0o755))
}

#[test]
fn links_in_an_image_lead_nowhere() {
    let site = Site::ours();
    let Some(raw) = shell("links_in_an_image_lead_nowhere") else { return };
    let outside = site.root_directory().join("outside");
    site.says("mkdir $D/state/outside $D/state/vol; echo secret >$D/state/outside/hosts; chmod 777 $D/state/outside");
    let target = outside.to_str().expect("text");
    let mut raw = raw;
    for name in ["etc", "proc", "dev", "sys", "data", "work"] {
        raw = raw.symlink(name, target);
    }
    import(&site, raw);
    let before = site.says("ls -AlR $D/state/outside; cat $D/state/outside/hosts");
    let said = site.sh("$S run --rm -v $D/state/vol:/data -w /work evil /bin/busybox ls -la / /data");
    assert!([0, 125].contains(&said.code), "{}{}", said.out, said.err);
    assert!(said.code == 0 || said.err.starts_with("stepbox: "), "{}", said.err);
    assert!(said.err.lines().count() <= 2, "{}", said.err);
    assert_eq!(site.says("ls -AlR $D/state/outside; cat $D/state/outside/hosts"), before);
    site.assert_clean();
}

#[test]
fn each_link_alone_leaves_the_host_as_it_is() {
    let site = Site::ours();
    let Some(raw) = shell("each_link_alone_leaves_the_host_as_it_is") else { return };
    site.says("mkdir $D/state/outside $D/state/vol; echo secret >$D/state/outside/hosts");
    let before = site.says("ls -AlR $D/state/outside; cat $D/state/outside/hosts");
    let outside = site.root_directory().join("outside");
    for name in ["etc", "proc", "dev", "sys", "data", "work"] {
        import(&site, raw.clone().symlink(name, outside.to_str().expect("text")));
        let said = site.sh("$S run --rm -v $D/state/vol:/data -w /work evil /bin/busybox id -u");
        assert!([0, 125].contains(&said.code), "{name}: {}{}", said.out, said.err);
        assert!(said.err.lines().count() <= 2, "{name}: {}", said.err);
        assert_eq!(site.says("ls -AlR $D/state/outside; cat $D/state/outside/hosts"), before, "{name}");
        site.assert_clean();
    }
}

#[test]
fn a_relative_link_stays_inside_too() {
    let site = Site::ours();
    let Some(raw) = shell("a_relative_link_stays_inside_too") else { return };
    let up = format!("../../../../../../../..{}/outside", site.root_directory().display());
    site.says("mkdir $D/state/outside $D/state/vol; echo mine >$D/state/vol/file");
    import(&site, raw.symlink("data", &up));
    let said = site.sh("$S run --rm -v $D/state/vol:/data/deep evil /bin/busybox cat /data/deep/file");
    assert!([0, 125].contains(&said.code), "{}{}", said.out, said.err);
    assert_eq!(site.says("ls $D/state/outside"), "", "nothing was made outside");
    site.assert_clean();
}

#[test]
fn the_working_directory_is_in_the_root() {
    let site = Site::ours();
    let Some(raw) = shell("the_working_directory_is_in_the_root") else { return };
    import(&site, raw);
    // CVE-2024-21626: a descriptor of the host's as the working directory
    for fd in 3..12 {
        let said = site.sh(&format!("$S run --rm -w /proc/self/fd/{fd} evil /bin/busybox pwd 9</"));
        assert_ne!(said.code, 0, "{fd}: {}", said.out);
        assert!(said.err.starts_with("stepbox: "), "{fd}: {}", said.err);
    }
    site.assert_clean();
}

#[test]
fn what_the_caller_left_open_is_no_way_out() {
    let site = Site::ours();
    let Some(raw) = shell("what_the_caller_left_open_is_no_way_out") else { return };
    site.says("mkdir $D/state/outside $D/state/vol");
    import(&site, raw.symlink("data", "/proc/self/fd/9"));
    let said = site.sh("$S run --rm -v $D/state/vol:/data/deep evil /bin/busybox true 9<$D/state/outside");
    assert_eq!(said.code, 125, "{}", said.err);
    assert_eq!(site.says("ls $D/state/outside"), "", "nothing was made outside");
    site.assert_clean();
}

/// Without a place of his own a user's state goes to /tmp, where anybody may have been before him.
#[test]
fn a_strangers_directory_in_tmp_is_not_trusted() {
    let Some(site) = Site::root("a_strangers_directory_in_tmp_is_not_trusted") else { return };
    let (uid, _) = STRANGER;
    let said = site.sh(&format!(
        "d=/tmp/stepbox-{uid}; mkdir -m 777 $d $D/state/home; trap 'rm -rf $d' EXIT; \
         env -u STEPBOX_ROOT -u XDG_RUNTIME_DIR -u XDG_DATA_HOME HOME=$D/state/home \
             setpriv --reuid {uid} --regid {uid} --clear-groups $S ps"
    ));
    assert_ne!(said.code, 0, "{}", said.out);
    assert!(said.err.contains(&format!("/tmp/stepbox-{uid} belongs to user 0, not to us")), "{}", said.err);
}
