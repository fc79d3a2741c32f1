//! Docker's `config.json` and its helpers: read as Docker reads them, changed without loss, secrets kept secret.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use serde_json::{Value, json};
use stepbox::engine::registry::credentials::{Credentials, Login, Secret};

use crate::place::Place;

fn password(user: &str, password: &str) -> Login {
    Login { user: user.into(), secret: Secret::Password(password.into()) }
}

fn read(place: &Place) -> Value {
    serde_json::from_slice(&fs::read(place.docker().join("config.json")).expect("there")).expect("JSON")
}

fn write(place: &Place, content: &Value) {
    fs::create_dir_all(place.docker()).expect("made");
    fs::write(place.docker().join("config.json"), content.to_string()).expect("written");
}

#[test]
fn the_file_is_dockers_and_only_the_owners() {
    let place = Place::new();
    let credentials = Credentials::open(&place.docker());
    assert_eq!(credentials.get("a.b").expect("no file"), None);
    assert!(!credentials.forget("a.b").expect("no file"));
    assert!(!place.docker().exists(), "asking makes nothing");
    write(
        &place,
        &json!({"psFormat": "x", "HttpHeaders": {"A": "b"}, "auths": {"old.io": {"auth": "YTpi"}}}),
    );
    fs::set_permissions(
        place.docker().join("config.json"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .expect("ours");
    credentials.keep("docker.io", &password("jane", "a:b\"c")).expect("kept");
    let file = fs::metadata(place.docker().join("config.json")).expect("there");
    assert_eq!(file.mode() & 0o777, 0o600);
    let expected = json!({
        "psFormat": "x", "HttpHeaders": {"A": "b"},
        "auths": {"old.io": {"auth": "YTpi"}, "https://index.docker.io/v1/": {"auth": "amFuZTphOmIiYw=="}},
    });
    assert_eq!(read(&place), expected);
    assert_eq!(credentials.get("docker.io").expect("read"), Some(password("jane", "a:b\"c")));
    assert_eq!(credentials.get("old.io").expect("read"), Some(password("a", "b")));
    assert!(credentials.forget("docker.io").expect("forgotten"));
    assert_eq!(read(&place)["auths"], json!({"old.io": {"auth": "YTpi"}}));
    assert_eq!(fs::read_dir(place.docker()).expect("there").count(), 1, "nothing is left beside it");
}

#[test]
fn other_spellings_are_understood() {
    let place = Place::new();
    write(
        &place,
        &json!({"auths": {
            "https://old.io/v1/": {"auth": "YTpi"},
            "plain.io": {"username": "c", "password": "d"},
            "token.io": {"auth": "dG9rZW46", "identitytoken": "long"},
            "empty.io": {},
            "broken.io": {"auth": "%%%"},
        }}),
    );
    let credentials = Credentials::open(&place.docker());
    let get = |registry: &str| credentials.get(registry).expect("read");
    assert_eq!(get("old.io"), Some(password("a", "b")));
    assert_eq!(get("plain.io"), Some(password("c", "d")));
    assert!(get("token.io").is_some_and(|login| login.secret == Secret::Identity("long".into())));
    assert_eq!(get("empty.io"), None);
    let error = credentials.get("broken.io").expect_err("no base64").to_string();
    assert!(error.contains("broken.io") && !error.contains("%%%"), "{error}");
    assert!(credentials.forget("old.io").expect("forgotten"));
    assert_eq!(get("old.io"), None);
    fs::write(place.docker().join("config.json"), "{\"auths\": sesame").expect("written");
    let error = credentials.get("a.b").expect_err("no JSON").to_string();
    assert!(error.contains("line 1") && !error.contains("sesame"), "{error}");
    assert!(credentials.keep("a.b", &password("a", "b")).is_err(), "what cannot be read is not overwritten");
}

#[test]
fn a_link_stays_a_link() {
    let place = Place::new();
    fs::create_dir_all(place.docker()).expect("made");
    fs::write(place.path().join("real.json"), "{}").expect("written");
    symlink("../real.json", place.docker().join("config.json")).expect("linked");
    Credentials::open(&place.docker()).keep("a.b", &password("a", "b")).expect("kept");
    assert!(place.docker().join("config.json").is_symlink());
    assert!(fs::read_to_string(place.path().join("real.json")).expect("there").contains("a.b"));
}

/// A helper that keeps what it is given in a file, and writes down its arguments.
const HELPER: &str = r#"#!/bin/sh
echo "$*" >>"$HOME/arguments"
case $1 in
store) cat >"$HOME/kept" ;;
get) read -r server; if [ -e "$HOME/kept" ]; then cat "$HOME/kept"; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) rm "$HOME/kept" ;;
esac
"#;

#[test]
fn a_helper_gets_secrets_over_its_input_alone() {
    let place = Place::new();
    place.program("docker-credential-test", HELPER);
    write(&place, &json!({"credHelpers": {"127.0.0.1:1": "test"}, "credsStore": "other"}));
    // the helper is found in the path of the command, so this goes from outside
    let peer = crate::peer::Peer::start(|asked, _| match asked.header("authorization") {
        Some("Basic amFuZTpvcGVuIHNlc2FtZQ==") => crate::peer::Answer::ok("{}"),
        _ => crate::peer::Answer::status("401 Unauthorized").header("WWW-Authenticate", "Basic realm=\"x\""),
    });
    write(&place, &json!({"credHelpers": {peer.host.clone(): "test"}, "credsStore": "missing"}));
    let mut login = place.command(support::player::built("stepbox"), "store");
    let login = login.args(["login", "-u", "jane", "--password-stdin", &peer.host]);
    login.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = login.stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"open sesame\n").expect("written");
    let output = child.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), out.as_ref(), err.as_ref()), (Some(0), "Login Succeeded\n", ""));
    let kept = fs::read_to_string(place.path().join("kept")).expect("the helper has it");
    assert!(kept.contains("open sesame") && kept.contains(&peer.host), "{kept}");
    let config = fs::read_to_string(place.docker().join("config.json")).expect("there");
    assert!(!config.contains("sesame") && !config.contains("amFuZ"), "{config}");
    // the second time it is already known
    let again = place.says("store", &["login", &peer.host]);
    assert_eq!(again, "Authenticating with existing credentials...\nLogin Succeeded\n");
    let out = place.says("store", &["logout", &peer.host]);
    assert_eq!(out, format!("Removing login credentials for {}\n", peer.host));
    assert!(!place.path().join("kept").exists());
    let arguments = fs::read_to_string(place.path().join("arguments")).expect("there");
    assert!(arguments.lines().all(|line| ["get", "store", "erase"].contains(&line)), "{arguments}");
    let error = place.refused("store", &["logout", "b.c"], "docker-credential-missing cannot be run");
    assert!(error.contains("hint: "), "{error}");
}
