//! `commit`: an image of what a container changed.

use serde_json::{Value, json};

use crate::place::{nobodys, ours, while_running};
use support::site::Site;

/// The blob of this digest, as JSON.
fn blob(site: &Site, digest: &str) -> Value {
    let hex = digest.trim().trim_start_matches("sha256:");
    let path = site.root_directory().join("blobs/sha256").join(hex);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

fn commit(site: &Site) {
    site.says("$S run --name one --network none -e B=2 -w /data box sh -c 'rm -r /old; mkdir /old; echo n >/old/n; rm a; echo new >b'");
    let words = "-a 'A. Author' -m 'a message' -c 'ENV C=\"3 4\"' -c 'CMD [\"sh\", \"-c\", \"pwd; echo $B $C; ls /old /data\"]' -c 'LABEL x=y'";
    let id = site.says(&format!("$S commit {words} one me/img:v1"));
    assert!(id.starts_with("sha256:") && id.trim().len() == 71, "{id}");
    assert_eq!(
        site.says("$S run --rm --network none me/img:v1"),
        "/data\n2 3 4\n/data:\nb\nla\nsub\n\n/old:\nn\n"
    );
    let config = blob(site, &id);
    assert_eq!(config["author"], "A. Author");
    assert_eq!(config["config"]["Env"], json!(["B=2", "C=3 4"]));
    assert_eq!(config["config"]["WorkingDir"], "/data");
    assert_eq!(config["config"]["Labels"], json!({ "x": "y" }));
    let history = config["history"].as_array().expect("a history");
    assert_eq!(history.len(), 2);
    assert_eq!(history[1]["comment"], "a message");
    assert_eq!(history[1]["author"], "A. Author");
    let by = "sh -c rm -r /old; mkdir /old; echo n >/old/n; rm a; echo new >b";
    assert_eq!(history[1]["created_by"], by);
    assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(2));
    // one more, on that one
    let twice = "$S run --name two --network none me/img:v1 sh -c 'echo more >/more'; $S container commit two me/img:v2; \
                 $S run --rm --network none me/img:v2 sh -c 'cat /more /data/b'";
    assert!(site.says(twice).ends_with("\nmore\nnew\n"));
    site.says("$S rm one two");
    site.assert_clean();
}

#[test]
fn an_image_of_a_container() {
    ours("an_image_of_a_container").iter().for_each(commit);
}

#[test]
fn an_image_of_a_container_without_root() {
    nobodys("an_image_of_a_container_without_root").iter().for_each(commit);
}

#[test]
fn the_layer_holds_what_the_container_did_and_nothing_else() {
    let Some(site) = ours("the_layer_holds_what_the_container_did_and_nothing_else") else { return };
    site.says(
        "$S run --name one --network none box sh -c 'rm -r /old; mkdir /old; echo n >/old/n; rm /data/a'",
    );
    site.says("$S commit one img >/dev/null");
    let newest = "ls -t $D/state/blobs/sha256 | while read blob; do gzip -dc $D/state/blobs/sha256/$blob 2>/dev/null | tar t 2>/dev/null && break; done";
    assert_eq!(site.says(newest), "data/\ndata/.wh.a\nold/\nold/.wh..wh..opq\nold/n\n");
    // a container that wrote nothing: no layer, but a line of history
    let id = site.says("$S run --name two --network none -e A=b box true; $S commit two same");
    let config = blob(&site, &id);
    assert_eq!(config["rootfs"]["diff_ids"].as_array().map(Vec::len), Some(1));
    assert_eq!(config["history"][1]["empty_layer"], true);
}

#[test]
fn the_same_files_make_the_same_image() {
    let Some(site) = ours("the_same_files_make_the_same_image") else { return };
    let made = |name: &str| {
        site.says(&format!(
            "$S run --name {name} --network none box sh -c 'echo 1 >/f; mkdir /d; chmod 750 /d'; sleep 1.1
             SOURCE_DATE_EPOCH=1000000000 $S commit {name}"
        ))
    };
    let (one, other) = (made("one"), made("other"));
    assert_eq!(one, other);
    assert_eq!(blob(&site, &one)["created"], "2001-09-09T01:46:40Z");
    assert_eq!(site.says("$S images | grep -c none"), "1\n");
    site.refused("SOURCE_DATE_EPOCH=soon $S commit one", 1, &["SOURCE_DATE_EPOCH", "soon"]);
    site.refused(
        "SOURCE_DATE_EPOCH=99999999999999 $S commit one",
        1,
        &["is \"99999999999999\", not a number"],
    );
    // as in `import`, and in most that heed it: empty is not set
    site.says("SOURCE_DATE_EPOCH= $S commit one");
}

#[test]
fn a_running_container_goes_on() {
    let Some(site) = Site::limited("a_running_container_goes_on") else { return };
    let Some(site) = crate::place::furnished("a_running_container_goes_on", site) else { return };
    let count = "(i=0; while :; do i=$((i+1)); echo $i >/count; sleep 0.02; done) & echo begun";
    // the file is empty now and then, while it is written
    let goes_on = "look() { for i in 1 2 3 4 5 6; do $S cp live:/count - | tar xO; done | tail -1; }; one=$(look); sleep 0.3; \
                   [ \"$one\" != \"$(look)\" ] && echo goes on";
    let then = format!(
        "$S commit live img >/dev/null && {goes_on}
         $S commit --pause=false live img >/dev/null && {goes_on}
         echo odd >$D/state/.wh.odd; $S cp $D/state/.wh.odd live:/
         $S commit live img || {{ {goes_on}; }}"
    );
    let said = site.sh(&while_running("", count, &then));
    assert_eq!(said.out, "goes on\ngoes on\ngoes on\n", "{}", said.err);
    assert_eq!(said.err.matches("its name would be read as a whiteout").count(), 1, "{}", said.err);
    assert!(!said.err.contains("cannot be paused"), "{}", said.err);
}

#[test]
fn where_nothing_can_be_paused_it_is_said() {
    let test = "where_nothing_can_be_paused_it_is_said";
    let machine = stepbox::cgroups::detect(std::path::Path::new("/")).expect("read the cgroups");
    if machine.writable().is_ok() && !rustix::process::geteuid().is_root() {
        return support::skip(test, "this user has a cgroup");
    }
    let Some(site) = nobodys(test) else { return };
    let said = site.sh(&while_running(
        "",
        "echo 1 >/f",
        "$S commit live img >/dev/null; $S run --rm --network none img cat /f",
    ));
    assert_eq!(said.out, "1\n", "{}", said.err);
    assert!(said.err.contains("cannot be paused") && said.err.contains("--pause=false"), "{}", said.err);
}

#[test]
fn what_cannot_be_committed_is_refused_by_name() {
    let Some(site) = ours("what_cannot_be_committed_is_refused_by_name") else { return };
    site.says("$S run --name one --network none box sh -c 'echo 1 >/f'");
    site.refused("$S commit nosuch", 1, &["No such container: nosuch"]);
    site.refused("$S commit one BAD", 1, &["BAD"]);
    site.refused(
        "$S commit one a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        1,
        &["digest"],
    );
    site.refused("$S commit -c 'FOO x' one img", 1, &["FOO"]);
    site.refused("$S commit -c 'RUN x' one img", 1, &["RUN"]);
    assert_eq!(site.says("$S images -q | wc -l").trim(), "1", "no half image");
    // its image goes
    site.says("echo '{\"schemaVersion\":2,\"manifests\":[]}' >$D/state/index.json");
    site.refused(
        "$S commit one img",
        1,
        &["container one was made of sha256:", "is here no longer", "stepbox export one"],
    );
    assert_eq!(site.says("$S export one | tar xO f"), "1\n");
    site.says("$S rm one");
    site.assert_clean();
}
