//! Bundles that try to reach the host: by links in place of targets, of /dev, of /proc. Whatever comes of it, what
//! lies outside of the bundle is as it was: the runner compares it.

use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use stepbox::kernel::flags::NEWPID;

use super::scenario::{Scenario, Wanted};

/// All of them.
pub fn all() -> Vec<Scenario> {
    [names(), kernel(), disguises()].into_iter().flatten().collect()
}

fn link(place: &Path, to: &str, name: &str) {
    let path = place.join("bundle/rootfs").join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    // a process that stays outside, and may do what we may
    let to =
        to.replace("[DIR]", &place.display().to_string()).replace("[PID]", &std::process::id().to_string());
    symlink(to, path).expect("linked");
}

fn refused(said: &str, step: &str, errno: &str) {
    assert!(said.starts_with(step) && said.contains(errno), "{said}");
}

fn names() -> Vec<Scenario> {
    vec![
        // CVE-2021-30465: links among the targets, left by whoever had the volume before
        Scenario {
            name: "a_target_that_climbs_stays_inside",
            root: false,
            prepare: |place| {
                link(place, "../../../../../../../../[DIR]/outside", "up");
                link(place, "[DIR]/outside", "absolute");
            },
            wanted: Wanted {
                mounts: "- files /up/a bind\n- files/text /absolute/b bind\ntmpfs tmpfs /up/c -",
                ..Wanted::default()
            },
            check: |place, said| {
                assert!(said.contains("ENOENT") || said.contains("exited 0"), "{said}");
                assert_eq!(std::fs::read_dir(place.join("outside")).expect("there").count(), 1);
            },
        },
        Scenario {
            name: "a_target_in_another_root_is_not_found",
            root: true,
            prepare: |place| link(place, "/proc/[PID]/root[DIR]/outside", "data"),
            wanted: Wanted { mounts: "- files /data/new bind", shared: NEWPID, ..Wanted::default() },
            check: |_, said| refused(said, "make a directory: ", "ELOOP"),
        },
        Scenario {
            name: "a_file_in_another_root_is_not_made",
            root: true,
            prepare: |place| link(place, "/proc/[PID]/root[DIR]/outside/new", "data"),
            wanted: Wanted { mounts: "- files/text /data bind", shared: NEWPID, ..Wanted::default() },
            check: |_, said| refused(said, "make a place for it: ", "ELOOP"),
        },
        Scenario {
            name: "a_fifo_as_a_target_blocks_nobody",
            root: false,
            prepare: |place| {
                let path = place.join("bundle/rootfs/fifo");
                mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("made");
            },
            wanted: Wanted { mounts: "- files/text /fifo bind", script: "cat /fifo", ..Wanted::default() },
            check: |_, said| assert!(said.contains("of the bundle") && said.contains("exited 0"), "{said}"),
        },
        Scenario {
            name: "a_dangling_target_is_made_inside",
            root: false,
            prepare: |place| {
                link(place, "../run/resolv.conf", "etc/resolv.conf");
                std::fs::create_dir_all(place.join("bundle/rootfs/run")).expect("made");
            },
            wanted: Wanted {
                mounts: "- files/text /etc/resolv.conf bind",
                script: "cat /run/resolv.conf",
                ..Wanted::default()
            },
            check: |_, said| assert!(said.contains("of the bundle"), "{said}"),
        },
    ]
}

fn kernel() -> Vec<Scenario> {
    vec![
        // CVE-2019-16884, CVE-2025-52881: what is written to /proc must reach it
        Scenario {
            name: "proc_by_another_name_is_not_covered",
            root: false,
            prepare: |place| link(place, "/proc/self/attr", "data"),
            wanted: Wanted { mounts: "- files /data bind", ..Wanted::default() },
            check: |_, said| refused(said, "bind it: ", "ELOOP"),
        },
        Scenario {
            name: "nor_by_a_new_file_system",
            root: false,
            prepare: |place| link(place, "/proc", "data"),
            wanted: Wanted { mounts: "tmpfs tmpfs /data -", ..Wanted::default() },
            check: |_, said| refused(said, "mount a file system: ", "ELOOP"),
        },
        Scenario {
            name: "the_root_by_another_name_is_not_covered",
            root: false,
            prepare: |place| link(place, "/", "data"),
            wanted: Wanted { mounts: "- files /data bind", ..Wanted::default() },
            check: |_, said| refused(said, "bind it: ", "ELOOP"),
        },
        // CVE-2023-27561: the same, where /proc itself leads elsewhere
        Scenario {
            name: "proc_is_no_link",
            root: false,
            prepare: |place| link(place, "bin", "proc"),
            wanted: Wanted::default(),
            check: |_, said| refused(said, "mount proc: ", "ELOOP"),
        },
    ]
}

fn disguises() -> Vec<Scenario> {
    let mask: fn(&mut stepbox::rootfs::Rootfs) = |rootfs| rootfs.masked = vec!["/proc/keys".into()];
    vec![
        // CVE-2025-31133: masked with what the image calls /dev/null
        Scenario {
            name: "a_null_that_is_a_link_masks_nothing",
            root: false,
            prepare: |place| {
                let dev = place.join("bundle/dev");
                std::fs::create_dir_all(dev.join("pts")).expect("made");
                symlink("/proc/sys/kernel/core_pattern", dev.join("null")).expect("linked");
            },
            wanted: Wanted {
                mounts: "- dev /dev bind",
                rootfs: |rootfs| {
                    rootfs.mounts.retain(|mount| {
                        let fresh = matches!(mount.source, stepbox::rootfs::Source::New { .. });
                        !(mount.target.starts_with("/dev") && fresh)
                    });
                    rootfs.masked = vec!["/proc/keys".into()];
                },
                ..Wanted::default()
            },
            check: |_, said| assert!(said.starts_with("make sure of /dev/null: "), "{said}"),
        },
        Scenario {
            name: "dev_as_a_link_stays_inside",
            root: false,
            prepare: |place| {
                link(place, "[DIR]/outside", "dev");
            },
            wanted: Wanted { rootfs: mask, ..Wanted::default() },
            check: |_, said| assert!(said.contains("ENOENT"), "{said}"),
        },
        Scenario {
            name: "dev_as_a_link_to_a_directory_inside",
            root: false,
            prepare: |place| {
                link(place, "elsewhere", "dev");
                std::fs::create_dir_all(place.join("bundle/rootfs/elsewhere")).expect("made");
            },
            wanted: Wanted {
                script: "test -c /elsewhere/null && echo null; cat /proc/keys | wc -c",
                rootfs: mask,
                ..Wanted::default()
            },
            check: |place, said| {
                assert!(said.contains("null\n0\n"), "{said}");
                let left = std::fs::read_dir(place.join("bundle/rootfs/elsewhere")).expect("there").count();
                assert_eq!(left, 0, "the nodes are on the new file system");
            },
        },
    ]
}
