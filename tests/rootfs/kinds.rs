//! Every kind of mount, seen from inside.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use stepbox::kernel::Op;
use stepbox::step::Step;
use stepbox::userns::Range;

use super::scenario::{Scenario, Wanted};

/// The bundle is enough.
pub const NOTHING: fn(&Path) = |_| {};

/// All of them.
pub fn all() -> Vec<Scenario> {
    [binds(), filled(), travelling(), owners()].into_iter().flatten().collect()
}

/// These lines were printed.
pub fn has(said: &str, lines: &[&str]) {
    for line in lines {
        assert!(said.lines().any(|other| other == *line), "no line {line:?} in:\n{said}");
    }
}

/// A directory of this mode.
pub fn make(path: impl AsRef<Path>, mode: u32) {
    std::fs::create_dir_all(&path).expect("made");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
}

fn binds() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "a_directory_and_a_file_are_bound",
            root: false,
            prepare: NOTHING,
            wanted: Wanted {
                mounts: "- files /data rbind,ro,nosuid\n- files/text deep/er/file bind\n- files /w bind",
                script: "cat /data/text /deep/er/file; echo x >/data/new || echo closed; echo x >/w/new && cat /w/new; \
                         grep -c ' /data ro,nosuid' /proc/self/mountinfo; ls /proc/self/fd",
                ..Wanted::default()
            },
            check: |place, said| {
                has(said, &["of the bundle", "closed", "x", "1", "0", "1", "2", "exited 0"]);
                assert!(place.join("bundle/files/new").exists(), "{said}");
                assert_eq!(said.matches("of the bundle").count(), 2, "{said}");
            },
        },
        Scenario {
            name: "attributes_reach_what_is_mounted_below",
            root: true,
            prepare: NOTHING,
            wanted: Wanted {
                mounts: "- files /flat rbind,ro\n- files /deep rbind,rro,rnoexec\n- files /open rbind,ro,rrw",
                script: "touch /flat/below/x && echo flat; touch /deep/below/x || echo deep; touch /open/x && echo open; \
                         grep -c ' /deep/below ro,.*noexec' /proc/self/mountinfo",
                before: |place| {
                    let below = place.join("bundle/files/below");
                    vec![Step::new("mount below", Op::mount("tmpfs", below, "tmpfs", 0, ""))]
                },
                ..Wanted::default()
            },
            check: |_, said| has(said, &["flat", "deep", "open", "1", "exited 0"]),
        },
        Scenario {
            name: "a_remount_changes_what_is_there",
            root: false,
            prepare: NOTHING,
            wanted: Wanted {
                mounts: "tmpfs tmpfs /t size=1m\ntmpfs tmpfs /t remount,ro,size=1m\n- files /b bind\n- - /b remount,bind,ro",
                script: "touch /t/x || echo t; touch /b/x || echo b",
                ..Wanted::default()
            },
            check: |_, said| has(said, &["t", "b", "exited 0"]),
        },
        Scenario {
            name: "own_cgroups_are_bound",
            root: false,
            prepare: NOTHING,
            wanted: Wanted {
                mounts: "cgroup cgroup /sys/fs/cgroup ro,nosuid",
                script: "cat /sys/fs/cgroup/pids/text; touch /sys/fs/cgroup/x || echo closed; touch /sys/fs/cgroup/pids/x || echo too",
                ..Wanted::default()
            },
            check: |_, said| has(said, &["of the bundle", "closed", "too"]),
        },
        Scenario {
            name: "a_root_that_is_moved_over_the_old_one",
            root: true,
            prepare: NOTHING,
            wanted: Wanted {
                mounts: "- files /data bind",
                script: "cat /data/text; ls /; ls /../..; grep -c ' / /' /proc/self/mountinfo; readlink /proc/1/root",
                rootfs: |rootfs| rootfs.no_pivot = true,
                ..Wanted::default()
            },
            check: |_, said| {
                has(said, &["of the bundle", "exited 0", "/"]);
                assert!(!said.contains("etc"), "{said}");
            },
        },
    ]
}

fn filled() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "a_tmpfs_begins_with_a_copy",
            root: false,
            prepare: |place| {
                let kept = place.join("bundle/rootfs/kept");
                make(&kept, 0o1750);
                make(kept.join("deep/er"), 0o2711);
                std::fs::write(kept.join("deep/er/text"), "copied\n").expect("written");
                std::fs::set_permissions(kept.join("deep/er/text"), PermissionsExt::from_mode(0o4710))
                    .expect("a mode");
                symlink("/outside/secret", kept.join("link")).expect("linked");
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    kept.join("fifo"),
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::from_raw_mode(0o640),
                    0,
                )
                .expect("a fifo");
                if rustix::process::geteuid().is_root() {
                    chown(kept.join("deep"), Some(7), Some(8)).expect("another owner");
                }
            },
            wanted: Wanted {
                mounts: "tmpfs tmpfs /kept tmpcopyup,nosuid,nodev,size=1m",
                script: "stat -c '%n %a %F' /kept /kept/deep/er /kept/deep/er/text /kept/fifo; readlink /kept/link; \
                         cat /kept/deep/er/text; stat -c '%u:%g' /kept/deep; echo more >>/kept/deep/er/text; \
                         grep -c ' /kept rw,nosuid,nodev' /proc/self/mountinfo",
                ..Wanted::default()
            },
            check: |place, said| {
                let lines = [
                    "/kept 1750 directory",
                    "/kept/deep/er 2711 directory",
                    "/kept/deep/er/text 4710 regular file",
                ];
                has(said, &lines);
                has(said, &["/kept/fifo 640 fifo", "/outside/secret", "copied", "1", "exited 0"]);
                let owner = if rustix::process::geteuid().is_root() { "7:8" } else { "0:0" };
                has(said, &[owner]);
                let text =
                    std::fs::read_to_string(place.join("bundle/rootfs/kept/deep/er/text")).expect("there");
                assert_eq!(text, "copied\n", "the bundle's own is as it was");
            },
        },
        Scenario {
            name: "a_copy_that_is_too_deep_is_refused",
            root: false,
            prepare: |place| {
                let deep = ["d"; 300].join("/");
                make(place.join("bundle/rootfs/kept").join(deep), 0o755);
            },
            wanted: Wanted { mounts: "tmpfs tmpfs /kept tmpcopyup", ..Wanted::default() },
            check: |_, said| {
                assert!(said.contains("copy what it will hide: ") && said.contains("ENAMETOOLONG"), "{said}")
            },
        },
        Scenario {
            name: "a_read_only_tmpfs_takes_what_lies_on_it",
            root: false,
            prepare: NOTHING,
            wanted: Wanted {
                mounts: "tmpfs tmpfs /t ro,mode=700\n- files /t/sub bind\ntmpfs tmpfs /dev remount,ro,mode=755",
                script: "cat /t/sub/text; touch /t/x || echo closed; touch /dev/x || echo too; stat -c %a /t; test -c /dev/null && echo null",
                ..Wanted::default()
            },
            check: |_, said| has(said, &["of the bundle", "closed", "700", "exited 0"]),
        },
    ]
}

fn travel(
    name: &'static str,
    mounts: &'static str,
    rootfs: fn(&mut stepbox::rootfs::Rootfs),
    check: fn(&Path, &str),
) -> Scenario {
    let wanted = Wanted {
        mounts,
        rootfs,
        script: "grep -E ' /(vol)? ' /proc/self/mountinfo | sed 's/ - .*//; s/:[0-9]*//g' | cut -d' ' -f5,7-; \
                 mkdir /vol/inner; mount -t tmpfs none /vol/inner",
        before: |place| {
            let files = place.join("bundle/files");
            vec![
                Step::new("a mount", Op::bind(&files, &files, 0)),
                Step::new("that is shared", Op::remount(&files, libc::MS_SHARED)),
            ]
        },
        ..Wanted::default()
    };
    Scenario { name, root: true, prepare: NOTHING, wanted, check }
}

fn travelling() -> Vec<Scenario> {
    vec![
        travel(
            "a_private_mount_stays_inside",
            "- files /vol rbind,rprivate",
            |_| {},
            |_, said| {
                has(said, &["exited 0"]);
                assert!(said.lines().any(|line| line.trim_end() == "/vol"), "{said}");
                assert!(!said.contains("files/inner"), "{said}");
            },
        ),
        travel(
            "a_slave_stays_inside",
            "- files /vol rbind",
            |_| {},
            |_, said| {
                assert!(said.lines().any(|line| line.starts_with("/vol master")), "{said}");
                assert!(!said.contains("files/inner"), "{said}");
            },
        ),
        travel(
            "a_shared_mount_reaches_the_host",
            "- files /vol rbind,rshared",
            |rootfs| rootfs.propagation = libc::MS_SHARED | libc::MS_REC,
            |_, said| {
                assert!(said.lines().any(|line| line.starts_with("/vol shared")), "{said}");
                assert!(said.lines().any(|line| line.starts_with("/ shared")), "{said}");
                has(said, &["host: [DIR]/bundle/files/inner"]);
                assert!(!said.contains("host: [DIR]/bundle/rootfs"), "{said}");
            },
        ),
        travel(
            "an_unbindable_root",
            "- files /vol rbind,slave,shared",
            |rootfs| rootfs.propagation = libc::MS_UNBINDABLE,
            |_, said| {
                assert!(said.lines().any(|line| line == "/ unbindable"), "{said}");
                assert!(said.lines().any(|line| line.starts_with("/vol shared")), "{said}");
                assert!(!said.contains("files/inner"), "{said}");
            },
        ),
    ]
}

const MAP: [Range; 1] = [Range { inside: 0, outside: 3000, count: 10 }];
const OWN: [Range; 1] = [Range { inside: 0, outside: 100_000, count: 65_536 }];

/// The box's root owns its tree, and may go there.
fn open_to_the_box(place: &Path) {
    for name in ["", "bundle", "bundle/rootfs", "bundle/rootfs/bin"] {
        std::fs::set_permissions(place.join(name), PermissionsExt::from_mode(0o755)).expect("a mode");
        if !name.is_empty() {
            chown(place.join(name), Some(100_000), Some(100_000)).expect("owned");
        }
    }
}

fn owners() -> Vec<Scenario> {
    let prepare: fn(&Path) = |place| {
        chown(place.join("bundle/files/text"), Some(0), Some(0)).expect("owned");
        make(place.join("bundle/files/two"), 0o755);
        open_to_the_box(place);
        chown(place.join("bundle/files/two"), Some(2), Some(2)).expect("owned");
    };
    vec![
        Scenario {
            name: "owners_have_other_numbers",
            root: true,
            prepare,
            wanted: Wanted {
                mounts: "- files /mapped rbind,idmap",
                script: "stat -c '%u:%g %n' /mapped/text /mapped/two; touch /mapped/new",
                mapping: &MAP,
                ..Wanted::default()
            },
            check: |_, said| {
                has(said, &["3000:3000 /mapped/text", "3002:3002 /mapped/two"]);
                assert!(said.contains("Value too large"), "nobody's files cannot be made: {said}");
            },
        },
        Scenario {
            name: "the_containers_own_users_own_what_is_mapped",
            root: true,
            prepare,
            wanted: Wanted {
                mounts: "- files /vol bind,idmap\n- files /plain bind",
                script: "stat -c '%u:%g %n' /vol/text /vol/two /plain/text; touch /vol/new && stat -c '%u' /vol/new; touch /plain/n",
                ranges: true,
                mapping: &OWN,
                ..Wanted::default()
            },
            check: |place, said| {
                has(said, &["0:0 /vol/text", "2:2 /vol/two", "65534:65534 /plain/text", "0"]);
                let new = std::fs::metadata(place.join("bundle/files/new")).expect("made");
                assert_eq!(std::os::unix::fs::MetadataExt::uid(&new), 0, "on the disk it is root's");
                assert!(!place.join("bundle/files/n").exists(), "{said}");
            },
        },
        Scenario {
            name: "the_host_opens_what_the_box_may_not_reach",
            root: true,
            prepare: |place| {
                make(place.join("bundle/hidden/inner"), 0o777);
                std::fs::write(place.join("bundle/hidden/inner/text"), "reached\n").expect("written");
                std::fs::set_permissions(place.join("bundle/hidden"), PermissionsExt::from_mode(0o700))
                    .expect("a mode");
                open_to_the_box(place);
            },
            wanted: Wanted {
                mounts: "- hidden/inner /data rbind,rprivate\n- hidden/inner/text /file bind,ro",
                script: "cat /data/text /file; echo x >/dev/null && test -c /dev/null && echo null; id -u; mount -o remount,bind,rw /file; echo x >/file || echo closed",
                ranges: true,
                ..Wanted::default()
            },
            check: |_, said| {
                assert_eq!(said.matches("reached").count(), 2, "{said}");
                has(said, &["null", "0"]);
            },
        },
    ]
}
