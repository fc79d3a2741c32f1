//! Entries as bundles have them, and what they become.

use super::*;

/// A bundle with `files/`, `file` and a rootfs; each entry converted by itself.
struct Bundle(tempfile::TempDir);

impl Bundle {
    fn new() -> Bundle {
        let bundle = Bundle(tempfile::tempdir().expect("a directory"));
        for name in ["files", "rootfs", "rootfs/kept"] {
            std::fs::create_dir(bundle.0.path().join(name)).expect("made");
        }
        std::fs::write(bundle.0.path().join("file"), "text").expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1750);
        std::fs::set_permissions(bundle.0.path().join("rootfs/kept"), mode).expect("a mode");
        bundle
    }

    fn convert(&self, words: &str) -> Result<Vec<Mount>, Wrong> {
        self.convert_with(words, &CgroupTree::None)
    }

    /// `TYPE SOURCE DESTINATION OPTION,…`, `-` for what is left out.
    fn convert_with(&self, words: &str, cgroups: &CgroupTree) -> Result<Vec<Mount>, Wrong> {
        let words: Vec<&str> = words.split(' ').collect();
        let options: Vec<String> =
            words[3].split(',').filter(|word| *word != "-").map(String::from).collect();
        let entry = Entry {
            destination: Path::new(words[2]),
            kind: Some(words[0]).filter(|kind| *kind != "-"),
            source: Some(words[1]).filter(|source| *source != "-").map(Path::new),
            options: &options,
            uids: &[],
            gids: &[],
        };
        let rootfs = self.0.path().join("rootfs");
        let place = Place { bundle: self.0.path(), rootfs: &rootfs, cgroups, users: None };
        convert(&[entry], &place).map_err(|error| error.what)
    }
}

#[test]
fn a_bind_is_of_what_its_source_is() {
    let bundle = Bundle::new();
    let [mount] = &bundle.convert("- files data/./x/../y rbind,ro").expect("converted")[..] else {
        panic!("one mount")
    };
    let path = bundle.0.path().join("files");
    assert_eq!(mount.target, Path::new("/data/y"));
    assert_eq!(mount.source, Source::Bind { path, directory: true, recursive: true });
    assert_eq!((mount.options.set, mount.options.set_below), (libc::MOUNT_ATTR_RDONLY, 0));
    let file = bundle.convert("none file /f bind").expect("converted");
    assert!(matches!(file[0].source, Source::Bind { directory: false, recursive: false, .. }), "{file:?}");
}

#[test]
fn what_cannot_be_is_said_by_name() {
    let bundle = Bundle::new();
    let wrong = |words: &str| bundle.convert(words).expect_err(words);
    let missing = bundle.0.path().join("missing");
    assert_eq!(wrong("- missing /data bind"), Wrong::Source(missing, Errno::NOENT));
    assert_eq!(wrong("- - /data bind"), Wrong::NoSource);
    assert_eq!(wrong("- files /data bind,mode=755"), Wrong::Data("mode=755".into()));
    assert_eq!(wrong("- files /data ro"), Wrong::NoType);
    assert_eq!(wrong("tmpfs tmpfs /x/.. -"), Wrong::Root);
    assert_eq!(wrong("tmpfs tmpfs /proc -"), Wrong::NotProc);
    assert_eq!(wrong("- files /proc bind"), Wrong::NotProc);
    assert_eq!(wrong("- file /proc/sys/kernel/core_pattern bind"), Wrong::InProc);
    assert_eq!(wrong("tmpfs tmpfs //proc/./scsi -"), Wrong::InProc);
    assert_eq!(wrong("- files /data bind,idmap"), Wrong::IdmapHalf);
    assert_eq!(wrong("tmpfs tmpfs /data ridmap"), Wrong::IdmapKind);
    assert_eq!(wrong("- files /data bind,tmpcopyup"), Wrong::CopyUp);
    let text = MountError { destination: "/data".into(), what: Wrong::Data("x".into()) }.to_string();
    assert!(text.starts_with("mounts: /data: option x: bind mounts cannot"), "{text}");
}

#[test]
fn proc_may_be_bound_and_a_few_files_hidden() {
    let bundle = Bundle::new();
    for words in ["- /proc /proc rbind", "proc proc /proc nosuid", "- file /proc/cpuinfo bind,ro"] {
        assert_eq!(bundle.convert(words).expect(words).len(), 1);
    }
}

#[test]
fn a_tmpfs_looks_as_what_it_hides() {
    let bundle = Bundle::new();
    let data = |words: &str| match &bundle.convert(words).expect(words)[0].source {
        Source::New { data, .. } => data.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(data("tmpfs tmpfs /kept size=1m"), "size=1m,mode=1750");
    assert_eq!(data("tmpfs tmpfs /kept mode=700"), "mode=700");
    assert_eq!(data("tmpfs tmpfs /new nosuid"), "");
}

#[test]
fn its_own_cgroups_are_bound_where_there_is_no_namespace() {
    let bundle = Bundle::new();
    let tree = CgroupTree::Bound(vec![
        ("cpu,cpuacct".into(), "/sys/fs/cgroup/cpu,cpuacct/x".into()),
        ("pids".into(), "/sys/fs/cgroup/pids/x".into()),
    ]);
    let mounts = bundle.convert_with("cgroup cgroup /sys/fs/cgroup ro,nosuid", &tree).expect("converted");
    let targets: Vec<_> = mounts.iter().map(|mount| mount.target.to_str().expect("text")).collect();
    let wanted =
        ["", "/cpu,cpuacct", "/pids", "/cpu", "/cpuacct"].map(|name| format!("/sys/fs/cgroup{name}"));
    assert_eq!(targets, wanted);
    assert!(matches!(&mounts[3].source, Source::Link(to) if to == Path::new("cpu,cpuacct")), "{mounts:?}");
}

#[test]
fn a_remount_names_what_is_there() {
    let bundle = Bundle::new();
    let mounts = bundle.convert("- - / remount,bind,ro").expect("converted");
    assert_eq!(mounts[0].options.flags, libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY);
}
