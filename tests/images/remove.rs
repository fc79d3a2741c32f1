//! `tag`, `rmi`, `image prune`, and what containers keep.

use stepbox::engine::config::ImageConfig;

use crate::talk::{labelled, make, store, three};
use support::site::Site;

#[test]
fn names_are_given_as_docker_gives_them() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S tag box:1 other:tag",
            "$S image tag $($S images -q box) third",
            "$S images --format '{{.Repository}}:{{.Tag}}'",
            "$S tag nosuch x",
            "$S tag box:1 BAD",
            "$S tag box:1 'a b'",
            "$S tag box:1 x@sha256:$(printf 'a%.0s' $(seq 64))",
            "$S tag box:1 $(printf 'a%.0s' $(seq 64))",
            "$S tag BAD x",
            "$S tag box:1",
        ]
    );
}

#[test]
fn images_are_removed_as_docker_removes_them() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S tag box:1 other:tag; $S tag box:1 box:2",
            "$S rmi $($S images -q box:1)",
            "$S rmi other:tag nosuch",
            "$S rmi -f $($S images -q box:1)",
            "$S rmi lib/two:latest",
            "$S rmi nosuch BAD",
            "$S rmi -f nosuch",
            "$S images",
            "$S rmi $($S images -q)",
        ]
    );
    for directory in ["blobs/sha256", "layers", "sizes", "tmp"] {
        let left = std::fs::read_dir(site.root_directory().join(directory)).expect("readable").count();
        assert_eq!(left, 0, "{directory}");
    }
}

#[test]
fn images_are_pruned_as_docker_prunes_them() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S image prune </dev/null",
            "echo n | $S image prune -a",
            "$S image prune -f --filter label=x=y",
            "$S image prune -f --filter until=1999-01-01",
            "$S image prune -f --filter nosuch=1",
            "$S image prune -f --filter until=xx",
            "echo y | $S image prune",
            "$S image prune -f",
            "$S image prune -af --filter 'label!=x'",
            "$S image prune -af --filter until=24h",
            "$S images -a",
        ]
    );
}

/// A layer that another image has as well stays.
#[test]
fn shared_layers_stay() {
    let site = Site::ours();
    make(&site, "one", 1, 5, labelled(&[("n", "1")]));
    make(&site, "two", 2, 5, labelled(&[("n", "2")]));
    let said = site.says("$S rmi one");
    assert_eq!(said.lines().count(), 2, "untagged, and its config deleted: {said}");
    assert!(store(&site).resolve("two").expect("whole").layers[0].join("data").exists());
    assert_eq!(site.says("$S system check").lines().count(), 1);
}

#[test]
fn what_containers_use_stays() {
    let site = Site::ours();
    site.says("$S run --name con stepbox/base true");
    assert_talk!(
        &site,
        &[
            "$S rmi stepbox/base",
            "$S rmi $($S images -q)",
            "$S image prune -af",
            "$S tag stepbox/base other; $S rmi other",
            "$S rmi -f stepbox/base | grep -c '^Deleted: '",
            "$S images",
            "test -e $D/state/layers/*/bin && echo its layer stays",
            "$S system check | sed 's/[0-9]* blobs/N blobs/'",
            "$S rm con",
            "$S image prune -f",
            "ls $D/state/layers",
        ]
    );
    site.assert_clean();
}

#[test]
fn a_container_that_runs_keeps_its_image() {
    let site = Site::ours();
    assert_talk!(
        &site,
        &[
            "mkfifo $D/end; chmod 666 $D/end; $S run --rm --name con -v $D:/d stepbox/base sh -c 'touch /d/state/on; read x </d/end' & \
             while ! test -e $D/state/on; do sleep 0.05; done
             $S inspect -f '{{.State.Status}} {{.State.Running}} {{.Path}} {{.Args}} {{.Name}}' con
             test $($S inspect -f '{{.State.Pid}}' con) -gt 0 && echo it has a process
             $S rmi stepbox/base; $S rmi $($S images -q); $S rmi -f $($S images -q); $S rmi -f stepbox/base
             $S image prune -f; $S system prune -af
             $S images --format '{{.Repository}}'
             $S run --rm --network none $($S images -q) echo it still runs
             echo >$D/end; wait",
            "$S image prune -f | grep -c deleted",
        ]
    );
    site.assert_clean();
}

#[test]
fn what_is_held_is_not_collected() {
    let site = Site::ours();
    make(&site, "box", 1, 5, ImageConfig::default());
    let store = store(&site);
    let image = store.resolve("box").expect("whole");
    let hold = store.hold(&image.diff_ids).expect("held");
    site.says("$S rmi box");
    assert!(image.layers[0].exists(), "somebody is about to use it");
    drop(hold);
    site.says("$S image prune -f");
    store.collect(&Default::default()).expect("collected");
    assert!(!image.layers[0].exists());
}
