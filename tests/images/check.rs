//! `system check`: what is damaged is named, moved aside, and everything else works on.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::talk::{store, three};
use support::site::Site;

#[test]
fn what_is_whole_is_said_to_be() {
    let site = three();
    site.says("$S run --name con stepbox/base true");
    let said = site.says("$S system check");
    assert!(said.ends_with("1 container checked: nothing wrong\n") && said.lines().count() == 1, "{said}");
    assert_eq!(site.says("$S system check --repair"), said);
    site.says("$S rm con");
}

#[test]
fn damage_is_named_and_moved_aside() {
    let site = three();
    let store = store(&site);
    // a blob that does not unpack any more, a layer that somebody has written to, and what is none of ours
    let two = store.resolve("lib/two").expect("whole");
    let blob = store.find("lib/two").expect("found").manifest.layers[0].digest;
    fs::write(store.blob_path(blob), "damage").expect("written");
    let one = store.resolve("box:1").expect("whole");
    fs::write(one.layers[0].join("etc/name"), "other\n").expect("written");
    fs::write(store.root().join("blobs/sha256/stranger"), "x").expect("written");
    assert_talk!(
        &site,
        &[
            "$S system check | sed 's/[0-9a-f]\\{64\\}/[DIGEST]/g' | sort",
            "$S system check --repair | sed 's/[0-9a-f]\\{64\\}/[DIGEST]/g' | sort",
            "$S system check",
            "$S images --format '{{.Repository}}'",
            "cd $D/state/quarantine; find . -type f | sed 's/[0-9a-f]\\{64\\}/[DIGEST]/g' | sort",
        ]
    );
    assert!(!two.layers[0].exists(), "no image uses it any more");
    // unpacked anew from its blob
    let again = store.resolve("box:1").expect("whole");
    assert_eq!(fs::read_to_string(again.layers[0].join("etc/name")).expect("readable"), "value\n");
}

#[test]
fn each_kind_of_change_to_a_layer_is_seen() {
    let site = three();
    let layer = store(&site).resolve("box:1").expect("whole").layers[0].clone();
    let shown = layer.display();
    for (change, words) in [
        ("rm $L/etc/name", "etc/name: it is missing"),
        ("touch $L/etc/more", "etc/more: the image has no such file"),
        ("chmod 700 $L/etc", "etc: its permissions are others"),
        ("rm $L/data; ln -s x $L/data", "data: its type is another"),
        ("printf y >>$L/data", "data: its length is another"),
        ("printf y | dd of=$L/data conv=notrunc bs=1 2>/dev/null", "data: its content is another"),
    ] {
        site.says(&change.replace("$L", &shown.to_string()));
        let said = site.sh("$S system check");
        assert_eq!((said.code, said.out.contains(words)), (1, true), "{change}: {}{}", said.out, said.err);
        site.says("$S system check --repair >/dev/null");
        store(&site).resolve("box:1").expect("unpacked anew");
    }
    assert_eq!(fs::read_dir(site.root_directory().join("quarantine/layers")).expect("readable").count(), 6);
}

#[test]
fn an_index_that_is_lost_is_made_again() {
    let site = three();
    fs::write(site.root_directory().join("index.json"), "{").expect("written");
    assert_talk!(
        &site,
        &[
            "$S images",
            "$S system check",
            "$S system check --repair",
            "$S images --format '{{.Repository}} {{.Size}}'",
            "cat $D/state/quarantine/index.json",
        ]
    );
}

/// Nobody ever finds a store without a list of its images: it would make an empty one.
#[test]
fn an_index_is_there_while_it_is_made_again() {
    let site = three();
    let (store, index) = (store(&site), site.root_directory().join("index.json"));
    let done = AtomicBool::new(false);
    let missed = std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut missed = 0;
            while !done.load(Ordering::Relaxed) {
                missed += u32::from(fs::symlink_metadata(&index).is_err());
            }
            missed
        });
        for round in 0..10 {
            let broken = format!("{{ {round}");
            fs::write(&index, &broken).expect("written");
            let old = store.rebuild_index().expect("made again");
            assert_eq!(fs::read_to_string(old).expect("kept"), broken);
            assert_eq!(store.list().expect("a list").len(), 3);
        }
        done.store(true, Ordering::Relaxed);
        looker.join().expect("no panic")
    });
    assert_eq!(missed, 0);
}

#[test]
fn leftovers_of_the_killed_are_cleared() {
    let site = Site::ours();
    // killed while its program waits
    let script = "$S run --name con stepbox/base sh -c 'echo on; exec sleep 100' >$D/state/out & pid=$!
        while ! grep -q on $D/state/out; do sleep 0.05; done; kill -9 $pid; wait $pid 2>/dev/null
        mkdir $D/state/tmp/half $D/state/containers/empty; echo 1 >$D/state/tmp/half/lock
        mkdir -p $D/state/run/leases; echo 999999999 >$D/state/run/leases/172.17.0.99
        $S system check | grep -c -- '--repair'
        $S system check --repair >$D/state/said; echo = $?
        $S system check; $S ps -a --format '{{.Names}}: {{.Status}}' | cut -c1-17; $S rm con; ls $D/state/quarantine/containers";
    let said = site.sh(script);
    let out = said.out.replace(&site.path().display().to_string(), "[SITE]");
    let lines: Vec<&str> = out.lines().collect();
    // journal, lease of the test and perhaps of the run, two leftovers and perhaps the run's hold, two containers; what
    // the killed one has written stays
    let findings: u32 = lines[0].parse().unwrap_or_else(|_| panic!("{out}{}", said.err));
    assert!((5..=8).contains(&findings), "{out}{}", said.err);
    assert_eq!(lines[1], "= 0", "{out}{}", said.err);
    assert!(lines[2].ends_with("1 container checked: nothing wrong"), "{out}");
    assert_eq!(lines[3..], ["con: Exited (137)", "con", "empty"], "{out}");
    site.assert_clean();
}
