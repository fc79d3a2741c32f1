//! Names, passwords and certificates against the real registry.

use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use crate::place::{Place, image};
use crate::server::{Server, Setup};
use support::player::{Said, built};
use support::screen::Terminal;
use support::site::Site;

/// `jane`, `open sesame`
const HTPASSWD: &str = "jane:$2b$04$RwimZ3cSD2d6CDRGAcVldOTGHU30OxERrfWThs07oyfb/CnvyZf4u\n";

fn log_in(place: &Place, host: &str, password: &str) -> Said {
    let mut command = place.command(built("stepbox"), "one");
    let command = command.args(["login", "--username", "jane", "--password-stdin", host]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), password.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_name_and_a_password_let_one_in() {
    let place = Place::new();
    let htpasswd = place.path().join("htpasswd");
    std::fs::write(&htpasswd, HTPASSWD).expect("written");
    let setup = Setup { htpasswd: Some(htpasswd), ..Setup::default() };
    let test = "a_name_and_a_password_let_one_in";
    let Some(server) = Server::start(test, &place, &setup) else { return };
    let (host, name) = (server.host.as_str(), format!("{}/x/y:1", server.host));
    image(&place.store("one"), &name, "text", 1000);
    place.refused("one", &["push", &name], "no basic auth credentials");
    place.refused("two", &["pull", &name], "stepbox login");
    let wrong = log_in(&place, host, "close sesame\n");
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""), "{}", wrong.err);
    assert!(wrong.err.contains("unauthorized") && !wrong.err.contains("sesame"), "{}", wrong.err);
    assert!(!place.docker().exists(), "what is not accepted is not kept");
    let right = log_in(&place, host, "open sesame\n");
    assert_eq!((right.code, right.out.as_str()), (0, "Login Succeeded\n"), "{}", right.err);
    assert!(right.err.starts_with("WARNING! Your password will be stored unencrypted in"), "{}", right.err);
    let config = place.docker().join("config.json");
    assert_eq!(std::fs::metadata(&config).expect("there").mode() & 0o777, 0o600);
    place.says("one", &["push", &name]);
    place.says("two", &["pull", &name]);
    // skopeo reads the same file
    let inspect = ["inspect", "--tls-verify=false", "--authfile", config.to_str().expect("text")];
    if crate::transfers::has_skopeo("a_name_and_a_password_let_one_in") {
        place.runs("skopeo", &[&inspect[..], &[&format!("docker://{name}")]].concat());
    }
    assert_eq!(place.says("one", &["logout", host]), format!("Removing login credentials for {host}\n"));
    assert_eq!(place.says("one", &["logout", host]), format!("Not logged in to {host}\n"));
    place.refused("two", &["pull", &name], "no basic auth credentials");
    let warned = place.stepbox("one", &["login", "-u", "jane", "-p", "open sesame", host]);
    assert!(warned.err.starts_with("WARNING! Using --password via the CLI is insecure."), "{}", warned.err);
    place.refused("one", &["login", "--password-stdin", host], "Must provide --username");
    place.says("one", &["logout", host]);
    place.refused("one", &["login", host], "non TTY device");
}

/// An authority and a certificate of it for 127.0.0.1; the authority's file and those of the server.
fn certificates(place: &Place) -> (String, Setup) {
    let file = |name: &str| place.path().join(name).display().to_string();
    let (authority, key, request) = (file("ca.pem"), file("ca.key"), file("request"));
    let (certificate, server_key, names) = (file("server.pem"), file("server.key"), file("names"));
    std::fs::write(&names, "subjectAltName=IP:127.0.0.1\n").expect("written");
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let run = |arguments: &[&str]| place.runs("openssl", arguments);
    run(&[
        &new[..],
        &["-x509", "-days", "2", "-subj", "/CN=test authority", "-keyout", &key, "-out", &authority],
    ]
    .concat());
    run(&[&new[..], &["-subj", "/CN=127.0.0.1", "-keyout", &server_key, "-out", &request]].concat());
    let sign = ["x509", "-req", "-days", "2", "-CA", &authority, "-CAkey", &key, "-CAcreateserial"];
    run(&[&sign[..], &["-in", &request, "-extfile", &names, "-out", &certificate]].concat());
    (authority, Setup { tls: Some((certificate.into(), server_key.into())), ..Setup::default() })
}

#[test]
fn a_certificate_must_be_trusted() {
    let test = "a_certificate_must_be_trusted";
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        return support::skip(test, "needs openssl");
    }
    let place = Place::new();
    let (authority, setup) = certificates(&place);
    let Some(server) = Server::start(test, &place, &setup) else { return };
    let name = format!("{}/x/y:1", server.host);
    image(&place.store("one"), &name, "text", 1000);
    let error = place.refused("one", &["push", &name], "signed by an authority that is unknown here");
    assert!(error.contains("--cacert") && error.contains("--insecure-registry"), "{error}");
    place.says("one", &["push", "--cacert", &authority, &name]);
    place.says("two", &["pull", "--cacert", &authority, &name]);
    place.says("three", &["pull", "--insecure-registry", &server.host, &name]);
    let mut by_environment = place.command(built("stepbox"), "four");
    by_environment.args(["pull", "-q", &name]).env("SSL_CERT_FILE", &authority);
    assert_eq!(support::player::said(&mut by_environment).out, format!("{name}\n"));
    let mut insecure = place.command(built("stepbox"), "five");
    insecure.args(["pull", "-q", &name]).env("STEPBOX_INSECURE_REGISTRIES", format!("a.b, {}", server.host));
    assert_eq!(support::player::said(&mut insecure).out, format!("{name}\n"));
    // the certificate is for an address, not for a name
    let port = server.host.rsplit(':').next().expect("a port");
    let other = format!("localhost:{port}/x/y:1");
    place.refused("six", &["pull", "--cacert", &authority, &other], "issued for another name");
    place.refused("six", &["pull", "--cacert", "/dev/null", &name], "holds no certificate");
}

#[test]
fn a_question_that_is_left_leaves_a_terminal_that_shows_what_is_typed() {
    let site = Site::ours();
    let test = "a_question_that_is_left_leaves_a_terminal_that_shows_what_is_typed";
    let Some(terminal) = Terminal::open(test, &site) else { return };
    // words are typed in halves: what is typed is on the screen too
    let says = "stty -a | grep -q -e ' -echo ' && echo mu''te || echo audi''ble";
    terminal.types("export DOCKER_CONFIG=$D/docker");
    terminal.types("$S login localhost:1");
    terminal.shows("Username:");
    terminal.types("jane");
    terminal.shows("Password:");
    terminal.press("C-c");
    // what is typed before the terminal is as it was is thrown away, as by getpass(3)
    terminal.shows("interrupted");
    terminal.types(&format!("echo code $?; {says}"));
    terminal.shows("code 1");
    terminal.shows("audible");
    terminal.types("clear; echo onc''e mo''re; $S login -u jane localhost:1");
    terminal.shows("once more\nPassword:");
    terminal.types("open sesame");
    terminal.shows("cannot reach localhost:1");
    terminal.types(says);
    let screen = terminal.shows("audible");
    assert!(!screen.contains("sesame"), "{screen}");
}

#[test]
fn only_a_host_is_a_registry() {
    let place = Place::new();
    let expected = "is not a registry: expected HOST or HOST:PORT, without https:// and without a path";
    for server in ["", "a b", "localhost:80@registry.invalid", "a.b:x"] {
        place.refused("one", &["login", "-u", "jane", "-p", "x", server], &format!("{server:?} {expected}"));
    }
    place.refused("one", &["search", "localhost:80@registry.invalid/x"], expected);
    assert!(!place.docker().exists(), "nothing is kept");
}

#[test]
fn a_password_goes_to_no_token_service_without_tls() {
    let test = "a_password_goes_to_no_token_service_without_tls";
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        return support::skip(test, "needs openssl");
    }
    let place = Place::new();
    let (authority, setup) = certificates(&place);
    let realm = Some(("http://registry.invalid/token".to_owned(), authority.clone().into()));
    let Some(server) = Server::start(test, &place, &Setup { realm, ..setup }) else { return };
    let name = format!("{}/x/y:1", server.host);
    let words = "\"http://registry.invalid/token\" of";
    let error = place.refused("one", &["pull", "--cacert", &authority, &name], words);
    assert!(error.contains("is without TLS: refused"), "{error}");
}
