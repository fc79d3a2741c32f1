//! Peers that lie: each is refused by name, and the store stays as it was.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepbox::engine::config::{CONFIG, DOCKER_MANIFEST, INDEX, MANIFEST};
use stepbox::engine::registry::{Client, Settings};
use stepbox::layers::Digest;

use crate::peer::{Answer, Asked, Peer};
use crate::place::{Place, assert_untouched, pull, reference};
use support::archive::{Raw, gzip};

/// An image that is what it says, as documents.
pub struct Honest {
    pub layer: Vec<u8>,
    pub config: Vec<u8>,
    pub manifest: Value,
}

impl Honest {
    pub fn new(filler: usize) -> Honest {
        let tar = Raw::default().file("a", "1").file("filler", &crate::place::noise(filler)).end();
        let layer = gzip(&tar);
        let config = config(&json!({"type": "layers", "diff_ids": [Digest::of(&tar).to_string()]}));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
        });
        Honest { layer, config, manifest }
    }
}

pub fn config(rootfs: &Value) -> Vec<u8> {
    let architecture = stepbox::engine::config::architecture();
    json!({"architecture": architecture, "os": "linux", "rootfs": rootfs}).to_string().into()
}

pub fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(blob).to_string(), "size": blob.len()})
}

/// A registry of one image: what it says of each document is up to `change`.
pub fn registry(
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
    change: impl Fn(&Asked, Answer) -> Answer + Send + Sync + 'static,
) -> Peer {
    Peer::start(move |asked, _| {
        let plain = match asked.path.split('?').next().unwrap_or_default() {
            "/v2/" => Answer::ok("{}"),
            path if path.contains("/manifests/") => {
                Answer::ok(manifest.clone()).header("Content-Type", MANIFEST)
            }
            path => {
                let named = |blob: &&Vec<u8>| path.ends_with(&Digest::of(blob).to_string());
                blobs
                    .iter()
                    .find(named)
                    .map_or(Answer::status("404 Not Found"), |blob| Answer::ok(blob.clone()))
            }
        };
        change(asked, plain)
    })
}

fn is_manifest(asked: &Asked) -> bool {
    asked.path.contains("/manifests/")
}

/// Pulls from it, must be refused with these words, and leaves nothing.
fn refused(peer: &Peer, suffix: &str, words: &str) {
    let place = Place::new();
    let store = place.store("store");
    let error =
        pull(&place.client(), &store, &format!("{}/x/y{suffix}", peer.host)).expect_err(words).to_string();
    assert!(error.contains(words), "no {words:?} in: {error}");
    assert!(!error.contains('\u{1b}'), "{error:?}");
    assert_untouched(&store);
}

#[test]
fn the_honest_one_is_taken() {
    let Honest { layer, config, manifest } = Honest::new(1000);
    let manifest = manifest.to_string().into_bytes();
    let digest = Digest::of(&manifest);
    let peer = registry(manifest, vec![layer, config], |_, answer| answer);
    let place = Place::new();
    let store = place.store("store");
    let pulled = pull(&place.client(), &store, &format!("{}/x/y", peer.host)).expect("pulled");
    assert_eq!((pulled.digest, pulled.newer), (digest, true));
    assert_eq!(store.list().expect("a list").len(), 1);
}

#[test]
fn documents_that_lie_are_refused() {
    let honest = Honest::new(10);
    let blobs = vec![honest.layer.clone(), honest.config.clone()];
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut manifest = honest.manifest.clone();
        change(&mut manifest);
        registry(manifest.to_string().into(), blobs.clone(), |_, answer| answer)
    };
    let path = "sha256:../../../../etc/passwd";
    refused(&changed(&|it| it["config"]["digest"] = path.into()), "", "is not a digest");
    refused(&changed(&|it| it["layers"][0]["digest"] = path.into()), "", "is not a digest");
    refused(&changed(&|it| it["config"]["size"] = 9_000_000.into()), "", "longer than");
    refused(&changed(&|it| it["config"]["size"] = 3.into()), "", "its descriptor says 3");
    refused(&changed(&|it| it["layers"][0]["size"] = (-1).into()), "", "cannot be read");
    refused(&changed(&|it| it["manifests"] = json!([])), "", "an image that is also a list");
    refused(&changed(&|it| it["mediaType"] = INDEX.into()), "", "calls itself");
    refused(&changed(&|it| it["schemaVersion"] = 1.into()), "", "schema version 1");
    refused(&changed(&|it| it["config"]["mediaType"] = "a\u{1b}[2J".into()), "", "which is no image");
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    refused(&changed(&|it| it["layers"][0]["mediaType"] = foreign.into()), "", "outside the registry");
    let twice = |it: &mut Value| it["layers"] = json!([it["layers"][0], it["layers"][0]]);
    refused(&changed(&twice), "", "has 2 layers and 1 diff ids");
    refused(&changed(&|it| it["layers"] = json!([])), "", "has 0 layers and 1 diff ids");
    // by digest, nothing else than that will do
    let other = Digest::of(b"another");
    refused(&changed(&|_| {}), &format!("@{other}"), "its digest is");
}

#[test]
fn configs_without_layers_are_refused() {
    let honest = Honest::new(10);
    for (document, words) in [
        (json!({"architecture": "amd64", "os": "linux"}).to_string().into_bytes(), "rootfs"),
        (config(&json!({"type": "layers", "diff_ids": ["sha256:x"]})), "is not a digest"),
        (
            config(&json!({"type": "layers", "diff_ids": [Digest::of(b"x").to_string()]})),
            "the image's config says",
        ),
        (b"{".to_vec(), "cannot be read"),
    ] {
        let mut manifest = honest.manifest.clone();
        manifest["config"] = descriptor(CONFIG, &document);
        let blobs = vec![honest.layer.clone(), document];
        refused(&registry(manifest.to_string().into(), blobs, |_, answer| answer), "", words);
    }
}

#[test]
fn blobs_that_are_others_are_refused() {
    let honest = Honest::new(5000);
    let manifest = honest.manifest.to_string().into_bytes();
    let blobs = || vec![honest.layer.clone(), honest.config.clone()];
    let digest = Digest::of(&honest.layer).to_string();
    let (layer, length) = (honest.layer.clone(), honest.layer.len());
    let swapped = move |what: Vec<u8>, digest: String| {
        move |asked: &Asked, answer: Answer| match asked.path.ends_with(&digest) {
            true => Answer::ok(what.clone()),
            false => answer,
        }
    };
    let mut tampered = layer.clone();
    tampered[length / 2] ^= 1;
    refused(
        &registry(manifest.clone(), blobs(), swapped(tampered, digest.clone())),
        "",
        "is damaged: its content is",
    );
    let longer = [layer.clone(), vec![0; 600]].concat();
    refused(&registry(manifest.clone(), blobs(), swapped(longer, digest.clone())), "", "has more than");
    let config = Digest::of(&honest.config).to_string();
    let same_length = vec![b' '; honest.config.len()];
    refused(&registry(manifest, blobs(), swapped(same_length, config)), "", "its digest is");
}

#[test]
fn what_never_ends_is_refused() {
    let honest = Honest::new(10);
    let manifest = honest.manifest.to_string().into_bytes();
    let blobs = vec![honest.layer.clone(), honest.config.clone()];
    let endless = |asked: &Asked, answer: Answer| match is_manifest(asked) {
        true => Answer::ok(vec![b' '; 65536]).endless(),
        false => answer,
    };
    refused(&registry(manifest.clone(), blobs.clone(), endless), "", "longer than 4194304 bytes");
    let huge = |asked: &Asked, answer: Answer| match is_manifest(asked) {
        true => Answer::ok("{}").claiming(1 << 40),
        false => answer,
    };
    refused(&registry(manifest.clone(), blobs.clone(), huge), "", "longer than 4194304 bytes");
    let around = |asked: &Asked, answer: Answer| match is_manifest(asked) {
        true => Answer::status("307 Temporary Redirect").header("Location", asked.path.clone()),
        false => answer,
    };
    refused(&registry(manifest, blobs, around), "", "after 10 redirects");
    refused(&lists(7), "", "lists of lists without an end");
}

/// A byte now and then is no silence, and no answer either.
#[test]
fn what_trickles_in_is_not_waited_for() {
    let place = Place::new();
    let patience = Some(Duration::from_secs(2));
    let client = Client::new(Settings { patience, ..Settings::default() }).expect("a client");
    let document = Peer::start(|asked, _| match asked.path.as_str() {
        "/v2/" => Answer::ok("{}"),
        _ => Answer::ok("{").trickling(),
    });
    let refusal = Peer::start(|_, _| Answer::status("403 Forbidden").trickling());
    let token = Peer::start(|asked, host| match asked.path.as_str() {
        "/v2/" => Answer::status("401 Unauthorized")
            .header("WWW-Authenticate", format!("Bearer realm=\"http://{host}/token\"")),
        _ => Answer::ok("{").trickling(),
    });
    let began = Instant::now();
    for (peer, words) in [
        (&document, "x/y:latest is not there after 2 seconds"),
        (&refusal, "is no registry: GET /v2/ answers forbidden"),
        (&token, "does not come to an end with its answer"),
    ] {
        let name = format!("{}/x/y", peer.host);
        let error = pull(&client, &place.store("store"), &name).expect_err(words).to_string();
        assert!(error.contains(words), "no {words:?} in: {error}");
    }
    let found = client.search("x", 5, &format!("http://{}/other", token.host)).expect_err("it trickles");
    assert!(found.to_string().contains("the search for \"x\" is not there"), "{found}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

/// Pages upon pages of a catalog are read into memory.
#[test]
fn a_catalog_has_an_end() {
    let page = [br#"{"tags":["a"]}"#.as_slice(), &vec![b' '; 4_000_000]].concat();
    let peer = Peer::start(move |asked, _| match asked.path.as_str() {
        "/v2/" => Answer::ok("{}"),
        path => Answer::ok(page.clone()).header("Link", format!("<{path}1>; rel=\"next\"")),
    });
    let name = format!("{}/x/y", peer.host);
    let error = Place::new().client().tags(&reference(&name)).expect_err("it never ends").to_string();
    assert!(
        error.contains("/v2/x/y/tags/list has no end: more than 1000 pages, or 67108864 bytes"),
        "{error}"
    );
    assert!(peer.asked().len() < 20, "{}", peer.asked().len());
}

/// A list of a list of a list …
fn lists(depth: usize) -> Peer {
    let mut documents = vec![json!({"schemaVersion": 2, "manifests": []}).to_string()];
    for _ in 0..depth {
        let below = documents.last().expect("the first").as_bytes();
        documents.push(json!({"schemaVersion": 2, "manifests": [descriptor(INDEX, below)]}).to_string());
    }
    Peer::start(move |asked, _| {
        let named = |document: &&String| asked.path.ends_with(&Digest::of(document.as_bytes()).to_string());
        match asked.path.as_str() {
            "/v2/" => Answer::ok("{}"),
            path if path.ends_with("/latest") => Answer::ok(documents.last().expect("the last").as_str()),
            _ => Answer::ok(documents.iter().find(named).expect("a digest").as_str()),
        }
    })
}

#[test]
fn a_registrys_words_are_shown_without_their_escapes() {
    let peer = Peer::start(|asked, _| match asked.path.as_str() {
        "/v2/" => Answer::ok("{}"),
        _ => Answer::status("404 Not Found")
            .saying(r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"\u001b[2Jgone\u0007"}]}"#),
    });
    refused(&peer, "", r"manifest unknown: \u{1b}[2Jgone\u{7}");
    let denied = Peer::start(|asked, _| match asked.path.as_str() {
        "/v2/" => Answer::ok("{}"),
        _ => Answer::status("403 Forbidden").saying(r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
    });
    refused(&denied, "", "repository does not exist or may require");
    let web = Peer::start(|_, _| Answer::status("404 Not Found").saying("<html>"));
    refused(&web, "", "is no registry");
    let docker1 = registry(
        json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST}).to_string().into(),
        Vec::new(),
        |_, answer| answer,
    );
    refused(&docker1, "", "it comes as");
}

#[test]
fn what_a_search_finds_is_fit_for_a_terminal() {
    let hub = Peer::start(|_, _| {
        Answer::ok(
            r#"{"results":[{"name":"one","description":"a\u001b[2J\nb","star_count":1,"is_official":false},
            {"name":"two","description":"","star_count":7,"is_official":true,"is_automated":false}]}"#,
        )
    });
    let address = format!("http://{}", hub.host);
    let found = Place::new().client().search("a b&n=1", 5, &address).expect("found");
    let rows: Vec<(&str, u64, bool)> =
        found.iter().map(|found| (found.name.as_str(), found.stars, found.official)).collect();
    assert_eq!(rows, [("two", 7, true), ("one", 1, false)], "the best liked first");
    assert_eq!(found[1].description, r"a\u{1b}[2J b");
    assert_eq!(hub.asked()[0].path, "/v1/search?q=a%20b%26n%3D1&n=5");
}
