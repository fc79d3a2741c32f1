//! The storage drivers: the same container by each of them.

use support::site::Site;

/// Writes, removes and makes; what the next container sees of it must be nothing.
const CHANGES: &str = "echo new >/etc/new; rm -f /etc/passwd; mkdir /made; ls -d /made /etc/new; ls /etc/passwd 2>&1 | grep -c No";
const UNTOUCHED: &str = "ls /etc/new 2>&1 | grep -c No; head -c 4 /etc/passwd; id -u";

fn by(site: &Site, driver: &str) {
    let run = format!("STEPBOX_STORAGE_DRIVER={driver} $S run --rm stepbox/base sh -c");
    assert_eq!(site.says(&format!("{run} '{CHANGES}'")), "/etc/new\n/made\n1\n", "{driver}");
    assert_eq!(site.says(&format!("{run} '{UNTOUCHED}'")), "1\nroot0\n", "{driver}");
}

#[test]
fn a_container_can_be_a_copy() {
    for site in [Site::ours(), Site::nobody()] {
        by(&site, "overlay");
        by(&site, "vfs");
        let seen = site.says("STEPBOX_STORAGE_DRIVER=vfs $S run --rm --dry-run stepbox/base true");
        assert!(
            seen.contains("branch off the image's tree") && !seen.contains("mount the overlay"),
            "{seen}"
        );
        // without --rm what was written stays
        site.says("STEPBOX_STORAGE_DRIVER=vfs $S run --name kept stepbox/base sh -c 'echo kept >/file'");
        assert_eq!(site.says("cat $STEPBOX_ROOT/containers/*/root/file"), "kept\n");
        site.says("$S rm kept");
        site.refused("STEPBOX_STORAGE_DRIVER=zfs $S run stepbox/base true", 125, &["zfs", "overlay"]);
        site.assert_clean();
    }
}

#[test]
fn a_container_can_be_a_snapshot() {
    const TEST: &str = "a_container_can_be_a_snapshot";
    let Some(site) = Site::root(TEST) else { return };
    let filesystems = std::fs::read_to_string("/proc/filesystems").expect("readable");
    if !filesystems.lines().any(|line| line.trim() == "btrfs") {
        return support::skip(TEST, "this kernel has no btrfs");
    }
    if site
        .script("command -v mkfs.btrfs && test -e /dev/loop-control")
        .output()
        .is_ok_and(|it| !it.status.success())
    {
        return support::skip(TEST, "mkfs.btrfs (btrfs-progs) or /dev/loop-control is not here");
    }
    let on = "truncate -s 300M $D/disk && mkfs.btrfs -q $D/disk >/dev/null 2>&1 && mkdir $D/btrfs && \
              mount -o loop $D/disk $D/btrfs && export STEPBOX_ROOT=$D/btrfs/state STEPBOX_STORAGE_DRIVER=btrfs && mkdir $STEPBOX_ROOT";
    let run = "$S run --rm stepbox/base sh -c";
    let said = site.says(&format!(
        "{on} && {run} '{CHANGES}' && {run} '{UNTOUCHED}' && \
         $S run --name kept stepbox/base sh -c 'echo kept >/file' && cat $STEPBOX_ROOT/containers/*/root/file && \
         test $(stat -c %i $STEPBOX_ROOT/containers/*/root) = 256 && test $(stat -c %i $STEPBOX_ROOT/btrfs/*) = 256 && \
         $S rm kept && ls $STEPBOX_ROOT/containers; umount $D/btrfs"
    ));
    assert_eq!(said, "/etc/new\n/made\n1\n1\nroot0\nkept\nkept\n", "a subvolume's root is inode 256");
    site.says("rm -r $D/disk $D/btrfs");
    site.assert_clean();
}
