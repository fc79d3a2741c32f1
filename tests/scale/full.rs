//! A disk without room: what cannot be done is refused in words, what was there stays, and all goes on with room again.

use support::site::Site;

use crate::expect;

/// With `DISK` mounted at the state directory.
const WALK: &str = r#"
    refused() { if "$@" >$D/said 2>&1; then echo done all the same: "$@"; fi
        grep -q "No space left on device" $D/said || { echo "$@:"; cat $D/said; }; }
    fill() { dd if=/dev/zero of=$D/state/fill bs=4k >/dev/null 2>&1; for i in 1 2 3 4; do
        dd if=/dev/zero of=$D/state/fill.$i bs=512 count=64 >/dev/null 2>&1; done; }
    files() { ls -A $D/state/containers $D/state/volumes $D/state/run/journal $D/state/run/leases $D/state/tmp; }
    $S run --rm stepbox/base true
    $S volume create kept >/dev/null
    $S run -d --name red -v kept:/data stepbox/base sh -c \
        'trap "exit 9" USR1; n=0; echo kept >/data/file; while :; do n=$((n+1)); echo line $n; sleep 0.01; done' >/dev/null
    $S create --name blue stepbox/base true >/dev/null
    $S run -d --rm --name short stepbox/base sleep 1000 >/dev/null
    until $S logs red | grep -q 'line 3'; do sleep 0.01; done
    files >$D/before; fill
    refused $S run -d --name green stepbox/base true
    refused $S run --name green stepbox/base true
    refused $S create --name green stepbox/base true
    refused $S volume create other
    refused $S start blue
    refused $S rename blue green
    refused $S exec red sh -c 'cat /dev/zero >/data/zeros'
    $S exec red rm /data/zeros
    fill
    files | diff $D/before -
    $S ps -a --format '{{.Names}} {{.Status}}' | sed 's/Up .*/Up/' | sort
    $S exec red cat /data/file
    # its log has no room, and its program goes on
    before=$($S logs red | wc -l); sleep 0.5
    rm $D/state/fill*; until [ $($S logs red | wc -l) -gt $before ]; do sleep 0.1; done
    $S logs red | sed 's/line //' | sort -n -c && $S logs red | grep -vc '^line [0-9]*$'
    fill
    # ends are written down, and what is removed is removed
    $S kill -s USR1 red; $S wait red; $S ps -a --filter name=red --format '{{.Status}}' | cut -d' ' -f-2
    $S inspect --format '{{.State.Error}}' red | sed 's/^[0-9]* //'
    $S stop -t 0 short; $S rm blue; $S ps -a --format '{{.Names}}'
    rm $D/state/fill*
    $S start red; $S exec red cat /data/file; $S rm -f red; $S volume rm kept
    $S run --rm stepbox/base echo again; $S system check | grep -o 'nothing wrong'
"#;

const ANSWERS: &str = "blue Created\nred Up\nshort Up\nkept\n0\nred\n9\nExited (9)\n\
    lines of its log found no room on the disk\nshort\nblue\nred\nred\nkept\nred\nkept\nagain\nnothing wrong\n";

#[test]
fn a_full_disk_in_memory() {
    let Some(site) = Site::root("a_full_disk_in_memory") else { return };
    let script =
        format!("mount -t tmpfs -o size=40m,mode=755 tmpfs $D/state || exit 98\n{WALK}\numount -l $D/state");
    expect(&site, 150, &script, ANSWERS);
    site.assert_clean();
}

#[test]
fn a_full_ext4() {
    let Some(site) = Site::root("a_full_ext4") else { return };
    let script = format!(
        "truncate -s 64m $D/disk && mke2fs -q -t ext4 -F -m 0 $D/disk && mount -o loop $D/disk $D/state || exit 98\n\
         {WALK}\numount -l $D/state"
    );
    let said = support::player::said(&mut site.script_of(150, &script));
    if said.code == 98 {
        return support::skip("a_full_ext4", "no loop device, or no mke2fs, can be had");
    }
    assert_eq!((said.out.as_str(), said.code), (ANSWERS, 0), "{}", said.err);
    site.assert_clean();
}
