//! Devices, and paths that are hidden or closed, seen from inside.

use std::os::unix::fs::symlink;

use super::kinds::{NOTHING, has, make};
use super::scenario::{Scenario, Wanted, device};

/// All of them.
pub fn all() -> Vec<Scenario> {
    [nodes(), covered()].into_iter().flatten().collect()
}

fn nodes() -> Vec<Scenario> {
    const DEV: &str = "for n in null zero full random urandom tty; do test -c /dev/$n && echo $n; done; \
                       readlink /dev/ptmx; readlink /dev/fd; stat -c '%n %F %t:%T %a %u' /dev/mine /opt/deep/block /run/pipe 2>/dev/null";
    let asked: fn(&mut stepbox::rootfs::Rootfs) = |rootfs| {
        rootfs.devices = vec![
            device("/dev/mine", libc::S_IFCHR | 0o640, 1, 3, 5),
            device("/opt/deep/block", libc::S_IFBLK | 0o600, 7, 77, 0),
            device("/run/pipe", libc::S_IFIFO | 0o622, 0, 0, 0),
            device("/dev/zero", libc::S_IFCHR | 0o600, 1, 5, 0),
        ];
    };
    vec![
        Scenario {
            name: "devices_are_made",
            root: true,
            prepare: NOTHING,
            wanted: Wanted { script: DEV, rootfs: asked, ..Wanted::default() },
            check: |_, said| {
                has(said, &["null", "zero", "full", "random", "urandom", "tty", "pts/ptmx", "/proc/self/fd"]);
                has(said, &["/dev/mine character special file 1:3 640 5"]);
                has(said, &["/opt/deep/block block special file 7:4d 600 0", "/run/pipe fifo 0:0 622 0"]);
            },
        },
        Scenario {
            name: "devices_are_bound_in_a_user_namespace",
            root: false,
            prepare: NOTHING,
            wanted: Wanted {
                shared: 0,
                script: DEV,
                rootfs: |rootfs| {
                    rootfs.make = stepbox::rootfs::Devices::Bind;
                    rootfs.devices = vec![device("/run/pipe", libc::S_IFIFO | 0o622, 0, 0, 0)];
                },
                ..Wanted::default()
            },
            check: |_, said| {
                has(said, &["null", "zero", "full", "random", "urandom", "tty", "/run/pipe fifo 0:0 622 0"])
            },
        },
        Scenario {
            name: "a_device_that_is_there_is_accepted",
            root: true,
            prepare: |place| {
                make(place.join("bundle/rootfs/opt"), 0o755);
                let path = place.join("bundle/rootfs/opt/null");
                let mode = rustix::fs::Mode::from_raw_mode(0o666);
                let device = rustix::fs::makedev(1, 3);
                rustix::fs::mknodat(
                    rustix::fs::CWD,
                    path,
                    rustix::fs::FileType::CharacterDevice,
                    mode,
                    device,
                )
                .expect("made");
            },
            wanted: Wanted {
                script: "test -c /opt/null && echo there",
                rootfs: |rootfs| rootfs.devices = vec![device("/opt/null", libc::S_IFCHR | 0o666, 1, 3, 0)],
                ..Wanted::default()
            },
            check: |_, said| has(said, &["there", "exited 0"]),
        },
        Scenario {
            name: "another_in_its_place_is_refused",
            root: true,
            prepare: |place| {
                make(place.join("bundle/rootfs/opt"), 0o755);
                symlink("/outside/secret", place.join("bundle/rootfs/opt/null")).expect("linked");
            },
            wanted: Wanted {
                rootfs: |rootfs| rootfs.devices = vec![device("/opt/null", libc::S_IFCHR | 0o666, 1, 3, 0)],
                ..Wanted::default()
            },
            check: |_, said| assert!(said.starts_with("look at it: ") && said.contains("EINVAL"), "{said}"),
        },
        Scenario {
            name: "a_rootfs_without_dev_can_be_used_twice",
            root: true,
            prepare: |place| {
                make(place.join("bundle/rootfs/dev"), 0o755);
                symlink("/proc/self/fd", place.join("bundle/rootfs/dev/fd")).expect("linked");
                std::fs::write(place.join("bundle/rootfs/dev/ptmx"), "").expect("written");
            },
            wanted: Wanted {
                script: DEV,
                rootfs: |rootfs| rootfs.mounts.retain(|mount| !mount.target.starts_with("/dev")),
                ..Wanted::default()
            },
            check: |_, said| has(said, &["null", "tty", "pts/ptmx", "exited 1"]),
        },
    ]
}

fn covered() -> Vec<Scenario> {
    vec![Scenario {
        name: "paths_are_hidden_and_closed",
        root: false,
        prepare: |place| {
            make(place.join("bundle/rootfs/etc/dir"), 0o755);
            std::fs::write(place.join("bundle/rootfs/etc/dir/x"), "hidden\n").expect("written");
            std::fs::write(place.join("bundle/rootfs/etc/file"), "hidden\n").expect("written");
        },
        wanted: Wanted {
            script: "ls /etc/dir; cat /etc/file; cat /proc/keys; touch /proc/sys/x || echo closed; ls -d /proc/sys; \
                         touch /etc/dir/y || echo shut; mkdir /root || echo sealed; touch /dev/shmm && echo dev",
            rootfs: |rootfs| {
                rootfs.masked =
                    ["/etc/dir", "/etc/file", "/etc/none", "/etc/file/none", "/proc/keys", "/proc/scsi"]
                        .map(Into::into)
                        .into();
                rootfs.read_only_paths = ["/proc/sys", "/proc/none"].map(Into::into).into();
                rootfs.read_only = true;
            },
            ..Wanted::default()
        },
        check: |_, said| {
            has(said, &["closed", "shut", "sealed", "dev", "exited 0"]);
            assert!(!said.contains("hidden"), "{said}");
        },
    }]
}
