//! On a btrfs, where a container's tree is a snapshot of its image's: the same commands, the same answers.

use std::collections::BTreeSet;

use crate::place::{furnished, while_running};
use support::site::Site;
use support::skip;

/// Changes of each kind, every command on them, and what they come to.
fn program() -> String {
    let change = "rm -r /old; mkdir /old; echo n >/old/n; rm /data/a; echo z >>/data/sub/b; chmod 700 /data2; \
        mkdir -p /new/x; echo 1 >/new/x/f; ln /new/x/f /new/x/g; ln -s q /new/l; mkfifo /new/ff; touch /same";
    let live = while_running(
        "",
        change,
        "$S diff live; $S export live | tar t; $S commit live during >/dev/null 2>&1
         echo put >$D/state/put; $S cp $D/state/put live:/data/put; $S cp live:/data/put - | tar xO",
    );
    format!(
        "$S run --name one --network none box sh -c '{change}'
         $S diff one; $S export one | tar tv | cut -c1-10,48-; $S export one | tar xO new/x/f
         $S cp $D/state/image/data/a one:/data/again; $S cp one:/data - | tar t; $S cp one:/data/again $D/state/back
         cat $D/state/back; $S diff one | grep again
         SOURCE_DATE_EPOCH=1000000000 $S commit -c 'ENV A=b' one img >/dev/null
         $S run --rm --network none img sh -c 'find /data /old /new; cat /new/x/g /data/again; echo $A'
         $S run --name two --network none img sh -c 'rm -r /new; echo 2 >/data/sub/b'; $S diff two; $S commit two img:2 >/dev/null
         $S history --format '{{{{.Size}}}}' img:2; $S run --rm --network none img:2 sh -c 'ls -d /new; cat /data/sub/b'
         {live}
         $S run --rm --network none during sh -c 'cat /new/x/f'
         $S save img:2 | tar xO manifest.json | grep -o blobs | wc -l; $S ps -aq | wc -l; $S rm one two live >/dev/null
         $S system df --format '{{{{.Type}}}} {{{{.TotalCount}}}}'"
    )
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

#[test]
fn a_snapshot_is_read_like_an_overlay() {
    const TEST: &str = "a_snapshot_is_read_like_an_overlay";
    let Some(site) = Site::root(TEST).and_then(|site| furnished(TEST, site)) else { return };
    let filesystems = std::fs::read_to_string("/proc/filesystems").expect("readable");
    if !filesystems.lines().any(|line| line.trim() == "btrfs") {
        return skip(TEST, "this kernel has no btrfs");
    }
    if site.sh("command -v mkfs.btrfs && test -e /dev/loop-control").code != 0 {
        return skip(TEST, "mkfs.btrfs (btrfs-progs) or /dev/loop-control is not here");
    }
    let stacked = site.says(&program());
    assert!(stacked.contains("A /new/x/f\n") && stacked.contains("\nput\n"), "{stacked}");
    let on = "truncate -s 400M $D/disk && mkfs.btrfs -q $D/disk >/dev/null 2>&1 && mkdir $D/btrfs && \
              mount -o loop $D/disk $D/btrfs && export STEPBOX_ROOT=$D/btrfs/state STEPBOX_STORAGE_DRIVER=btrfs && \
              mkdir $STEPBOX_ROOT && $S import $D/state/image.tar box >/dev/null || exit 1";
    let end = "$S system check | tail -1; ls $STEPBOX_ROOT/layers; test $(stat -c %i $STEPBOX_ROOT/btrfs/* | sort -u) = 256 && \
               $S image prune -af >/dev/null && ls $STEPBOX_ROOT/btrfs $STEPBOX_ROOT/containers | grep -v : ; $S system check";
    let said = site.says(&format!("{on}\n{}\necho ---; {end}; umount $D/btrfs", program()));
    let (snapshots, end) = said.split_once("---\n").expect("it came to its end");
    let (one, other) = (lines(&stacked), lines(snapshots));
    let differ: Vec<_> = one.symmetric_difference(&other).collect();
    assert!(differ.is_empty() && stacked.lines().count() == snapshots.lines().count(), "{differ:?}\n{said}");
    let checked: Vec<&str> = end.lines().filter(|line| !line.is_empty()).collect();
    assert!(checked.len() == 2 && checked.iter().all(|line| line.ends_with("nothing wrong")), "{end}");
    site.says("rm -r $D/disk $D/btrfs; $S image prune -af >/dev/null");
    site.assert_clean();
}
