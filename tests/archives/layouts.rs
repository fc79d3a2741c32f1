//! umoci and we work on one image in turn: each reads the layers that the other's changes have become.
//!
//! ```text
//!   stepbox commit ─ save ─> umoci unpack, change, repack ─> stepbox load ─> the same tree, whiteouts and all
//! ```

use crate::peers::SKOPEO;
use support::here;
use support::site::Site;

/// What a tree has; without times of directories, which change with what is in them.
const TREE: &str = "find . -mindepth 1 ! -name busybox ! -path ./dev ! -path ./proc ! -path ./sys \\( -type d -printf '%P %y %m %U:%G\\n' \
     -o -printf '%P %y %m %U:%G %n %T@ %l\\n' \\) | sed 's/[.]0* / /' | sort";

#[test]
fn umoci_and_we_take_turns() {
    const TEST: &str = "umoci_and_we_take_turns";
    if !here(TEST, &["umoci", "skopeo", "busybox"]) {
        return;
    }
    let Some(site) = Site::root(TEST) else { return };
    let says = |script: &str| site.says(&format!("set -e; {SKOPEO}{script}"));
    says(
        "mkdir -p $D/i/bin $D/i/old/deep $D/i/etc $D/out/tmp; cp $(command -v busybox) $D/i/bin/sh; echo 1 >$D/i/old/a
         echo 2 >$D/i/old/deep/b; echo 3 >$D/i/etc/gone; ln -s a $D/i/old/l; echo 4 >$D/i/etc/kept; mkdir $D/i/type; echo 5 >$D/i/type/x
         tar -C $D/i -c . | $S import - base >/dev/null",
    );
    // our turn
    says(
        "$S run --name con --network none base sh -c 'busybox=/bin/sh; rm -f /etc/gone; rm -rf /old; mkdir -m 711 /old; \
             echo new >/old/n; ln /old/n /old/hard; rm -rf /type; echo file >/type; chmod 4755 /etc/kept; ln -s /x /sym'
         $S commit con ours:1 >/dev/null; $S save --format oci-archive -o $D/out/ours ours:1
         skopeo copy oci-archive:$D/out/ours oci:$D/out/layout:ours
         umoci unpack --image $D/out/layout:ours $D/out/bundle",
    );
    let place = "bin|etc/host.*|etc/resolv.conf|etc/mtab";
    let theirs = says(&format!("cd $D/out/bundle/rootfs; {TREE} | grep -vE '^({place})'"));
    let ours = says(&format!(
        "mkdir $D/out/ours.d; $S export con | tar -C $D/out/ours.d -x; cd $D/out/ours.d; {TREE} | grep -vE '^({place})'"
    ));
    assert_eq!(theirs, ours);
    assert!(
        ours.contains("old/hard f 644 0:0 2") && !ours.contains("gone") && ours.contains("type f"),
        "{ours}"
    );
    // their turn
    says(
        "cd $D/out/bundle/rootfs; rm -r old etc/kept; echo again >old; mkdir type.d; echo 6 >type.d/y; ln type.d/y type.d/z
         chmod 2750 type.d; touch -d @1000000000 old type.d/y
         umoci repack --image $D/out/layout:theirs $D/out/bundle
         skopeo copy oci:$D/out/layout:theirs oci-archive:$D/out/theirs:theirs:1; $S load -q -i $D/out/theirs >/dev/null",
    );
    let digest =
        says("umoci stat --image $D/out/layout:theirs --json | grep -o 'sha256:[0-9a-f]*' | sort -u");
    let known = says("$S inspect -f '{{.Id}}' theirs:1; ls $STEPBOX_ROOT/blobs/sha256 | sed s/^/sha256:/");
    let known: Vec<&str> = known.lines().collect();
    assert!(digest.lines().filter(|line| known.contains(line)).count() >= 1, "{digest}\n{known:?}");
    let theirs = says(&format!("cd $D/out/bundle/rootfs; {TREE} | grep -vE '^({place})'"));
    let ours = says(&format!(
        "$S run --name two --network none theirs:1 sh -c :; mkdir $D/out/two; $S export two | tar -C $D/out/two -x
         cd $D/out/two; {TREE} | grep -vE '^({place})'; $S rm con two >/dev/null"
    ));
    assert_eq!(ours, theirs);
    assert!(ours.contains("old f 644 0:0 1 1000000000") && !ours.contains("kept"), "{ours}");
    site.assert_clean();
}
