//! `images`, `history`, `inspect`.

use stepbox::engine::config::ImageConfig;

use crate::talk::{labelled, make, store, three};
use support::site::Site;

#[test]
fn images_are_listed_as_docker_lists_them() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S images",
            "$S image ls --digests",
            "$S images --no-trunc",
            "$S images -q",
            "$S images -q --no-trunc box",
            "$S images box",
            "$S images box:2",
            "$S images 'b*'",
            "$S images '*/*'",
            "$S images lib",
            "$S images '['",
            "$S images -f dangling=true",
            "$S images -f dangling=false -q",
            "$S images -f dangling=maybe",
            "$S images -f label=x",
            "$S images -f label=x=z",
            "$S images -f before=box:1",
            "$S images -f since=lib/two",
            "$S images -f since=nosuch",
            "$S images -f reference='bo*:1' -f label=x=y",
            "$S images -f nosuch=1",
            "$S images -f nosuch",
        ]
    );
}

#[test]
fn lists_follow_a_format() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.CreatedSince}} {{.VirtualSize}}'",
            "$S images --format '{{json .}}' box",
            "$S images --format json box",
            "$S images --format 'table {{.Repository}}\\t{{.ID}}'",
            "$S images --format 'table {{.Repository}}\\t{{.Size}} x {{.Tag | upper}} {{json .ID}}'",
            "$S images --format table nosuch",
            "$S images --format raw box",
            "$S images --format raw -q box",
            "$S images --format 'table {{.ID}}' -q box",
            "$S images --format ''",
            "$S images --format '{{.NoSuch}}'",
            "$S images --format '{{.Repository'",
            "$S images --format '{{nosuch .}}'",
            "$S images --format '{{if}}'",
            "$S images --format '{{len .Repository}} {{index .Repository 1}}{{if eq .Tag \"1\"}} one{{end}}'",
            "$S history --format '{{.ID}} {{.CreatedAt}} {{.Size}}' box:1",
        ]
    );
}

#[test]
fn the_history_of_an_image() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S history box:1",
            "$S image history -H=false box:1",
            "$S history -q --no-trunc box:1",
            "$S history --format json box:1",
            "$S history nosuch",
        ]
    );
}

/// What an image says of itself was written by others.
#[test]
fn a_history_does_not_drive_the_terminal() {
    let site = Site::ours();
    site.says("mkdir $D/r && tar -C $D/r -c . | $S import -m \"$(printf 'a\\033[2Jb\\302\\233c')\" - x");
    let said = site.says("$S history x && $S history --format '{{.Comment}}' x");
    assert!(!said.contains(['\u{1b}', '\u{9b}']), "{said:?}");
    assert_eq!(said.matches(r"a\u{1b}[2Jb\u{9b}c").count(), 2, "{said}");
}

#[test]
fn an_image_is_shown_as_docker_shows_it() {
    let site = three();
    assert_talk!(
        &site,
        &[
            "$S inspect box:1",
            "$S image inspect -f '{{.Id}} {{.Size}} {{json .Config.Labels}}' box:1 nosuch lib/two",
            "$S inspect -f '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}' box:1",
            "$S inspect -f '{{.Config.Entrypoint}} {{.Config.Volumes}} {{.Config.Labels.none}}' box:1",
            "$S inspect -f json lib/two | cut -c1-8",
            "$S inspect nosuch",
            "$S inspect --type image nosuch",
            "$S inspect --type container box:1",
            "$S inspect --type foo box:1",
            "$S inspect -f '{{.NoSuch}}' box:1",
            "$S inspect -f '{{.Id' nosuch",
            "$S inspect -s -f '{{.Os}}' box:1",
            "$S inspect 'NO NAME'",
        ]
    );
}

/// The id that all the ways lead to.
#[test]
fn an_image_is_found_by_name_digest_and_shortened_id() {
    let site = Site::ours();
    let id = make(&site, "box:1", 1, 1, ImageConfig::default());
    let manifest = store(&site).find("box:1").expect("found").digest;
    let hex = id.hex();
    for name in [
        "box:1",
        "docker.io/library/box:1",
        &hex,
        &hex[..12],
        &format!("sha256:{}", &hex[..9]),
        &format!("box@{manifest}"),
        &manifest.hex()[..12],
    ] {
        assert_eq!(site.says(&format!("$S inspect -f '{{{{.Id}}}}' {name}")), format!("{id}\n"), "{name}");
    }
}

/// What an image was made of is told where the image says so, and is not listed without -a.
#[test]
fn images_that_others_were_made_of() {
    let site = Site::ours();
    let below = make(&site, "below", 1, 1, labelled(&[]));
    let mut config = labelled(&[]);
    config.rest.insert("Image".into(), below.to_string().into());
    make(&site, "above", 2, 1, config);
    assert_talk!(
        &site,
        &[
            "$S history -q above",
            "$S rmi below",
            "$S images",
            "$S images -a",
            "$S rmi $($S images -aq | tail -1)",
            "$S rmi -f $($S images -aq | tail -1)",
            "$S image prune -f",
            "$S inspect -f '{{.Parent}}' above",
            "$S rmi above",
            "$S images -a",
        ]
    );
    assert!(store(&site).list().expect("a list").is_empty());
}

#[test]
fn one_image_that_cannot_be_read_does_not_hide_the_others() {
    let site = three();
    let manifest = store(&site).find("lib/two").expect("found");
    std::fs::write(store(&site).blob_path(manifest.id), "damage").expect("written");
    assert_talk!(
        &site,
        &[
            "$S images",
            "$S inspect -f '{{.Os}}' lib/two box:1",
            "$S rmi old",
            "$S rmi lib/two",
            "$S images",
            "$S system check",
        ]
    );
    assert!(!store(&site).blob_path(manifest.digest).exists(), "its blobs are gone");
}

/// While nobody knows what it needs, nothing is removed from the disk; what has left the list is told all the same.
#[test]
fn a_prune_beside_an_image_that_cannot_be_read_says_what_went() {
    let site = three();
    let two = store(&site).find("lib/two").expect("found");
    std::fs::write(store(&site).blob_path(two.digest), "damage").expect("written");
    let said = site.sh("$S image prune -f");
    assert!(said.code == 1 && said.out.starts_with("Deleted Images:\ndeleted: sha256:"), "{}", said.out);
    let words =
        format!("stepbox: nothing of it is removed from the disk yet: blob {} is damaged", two.digest);
    assert!(said.err.starts_with(&words), "{}", said.err);
}

#[test]
fn a_thousand_images_are_listed() {
    let site = Site::ours();
    make(&site, "box:0", 1, 1, labelled(&[]));
    let index = site.root_directory().join("index.json");
    let text = std::fs::read_to_string(&index).expect("readable");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let manifest = store(&site).find("box:0").expect("found");
    let document = store(&site).blob(manifest.id).expect("readable");
    let entries = json["manifests"].as_array_mut().expect("a list");
    for number in 1..1000 {
        let mut config: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
        config["config"]["Labels"] = serde_json::json!({"number": number.to_string()});
        let put = |value: &serde_json::Value| {
            let text = value.to_string();
            let digest = stepbox::layers::Digest::of(text.as_bytes());
            std::fs::write(store(&site).blob_path(digest), &text).expect("written");
            (digest, text.len())
        };
        let (id, size) = put(&config);
        let mut new = serde_json::to_value(&manifest.manifest).expect("JSON");
        new["config"]["digest"] = id.to_string().into();
        new["config"]["size"] = size.into();
        let (digest, size) = put(&new);
        entries.push(serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "annotations": {"org.opencontainers.image.ref.name": format!("docker.io/library/box:{number}")},
        }));
    }
    std::fs::write(&index, json.to_string()).expect("written");
    assert_eq!(site.says("$S images -q | sort -u").lines().count(), 1000);
    assert_eq!(site.says("$S images -f label=number=500 --format '{{.Tag}}'"), "500\n");
    site.says("$S image prune -af >/dev/null");
    assert_eq!(std::fs::read_dir(site.root_directory().join("blobs/sha256")).expect("readable").count(), 0);
}
