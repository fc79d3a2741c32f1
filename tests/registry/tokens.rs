//! Tokens and redirects: credentials reach whom they are for, and nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use stepbox::engine::registry::credentials::{Credentials, Login, Secret};
use stepbox::engine::registry::{Client, Exchange, Settings, Silent, Wire};

use crate::hostile::{Honest, registry};
use crate::peer::{Answer, Asked, Peer};
use crate::place::{Place, image, pull, reference};

/// `jane:open sesame`
const BASIC: &str = "Basic amFuZTpvcGVuIHNlc2FtZQ==";

fn jane() -> Login {
    Login { user: "jane".into(), secret: Secret::Password("open sesame".into()) }
}

fn log_in(place: &Place, host: &str, login: Login) {
    Credentials::open(&place.docker()).keep(host, &login).expect("kept");
}

/// A token service whose tokens are numbered, in the field of this name.
fn service(field: &'static str) -> Peer {
    let given = AtomicUsize::new(0);
    Peer::start(move |_, _| {
        let number = given.fetch_add(1, Ordering::Relaxed) + 1;
        Answer::ok(format!(r#"{{"{field}":"token-{number}","expires_in":300}}"#))
    })
}

fn wants_a_token(realm: &Peer) -> Answer {
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"the registry\"", realm.host);
    Answer::status("401 Unauthorized").header("WWW-Authenticate", challenge)
}

#[test]
fn a_token_is_asked_for_kept_and_renewed() {
    let realm = Arc::new(service("access_token"));
    let Honest { layer, config, manifest } = Honest::new(10);
    let (asks, blobs) = (realm.clone(), AtomicUsize::new(0));
    let peer = registry(manifest.to_string().into(), vec![layer, config], move |asked, answer| {
        let good = match asked.path.contains("/blobs/") {
            // by then the first token is not good any more
            true => {
                asked.header("authorization") == Some("Bearer token-2")
                    || blobs.fetch_add(1, Ordering::Relaxed) > 0
            }
            false => asked.header("authorization") == Some("Bearer token-1"),
        };
        if good { answer } else { wants_a_token(&asks) }
    });
    let place = Place::new();
    log_in(&place, &peer.host, jane());
    pull(&place.client(), &place.store("store"), &format!("{}/x/y", peer.host)).expect("pulled");
    let asked = realm.asked();
    assert_eq!(asked.len(), 2, "one token, and one in its place: {asked:?}");
    for asked in &asked {
        let scope = "scope=repository%3Ax%2Fy%3Apull";
        assert!(asked.path.starts_with("/token?") && asked.path.contains(scope), "{}", asked.path);
        assert!(asked.path.contains("service=the%20registry") && asked.path.contains("account=jane"));
        assert_eq!(asked.header("authorization"), Some(BASIC), "the password goes to the token service");
    }
    assert!(
        peer.asked().iter().all(|asked| asked.header("authorization") != Some(BASIC)),
        "and to nobody else"
    );
}

/// Writes down all that it is told.
#[derive(Debug, Default)]
struct Watch(Mutex<Vec<String>>);

impl Wire for Watch {
    fn exchange(&self, exchange: &Exchange<'_>) {
        let (method, path, status) = (exchange.method(), exchange.url().path(), exchange.status());
        let (kind, status) = (exchange.authorization().unwrap_or("-"), status.unwrap_or(0));
        self.0.lock().expect("ours").push(format!("{method} {path} {kind} {status}"));
    }
}

#[test]
fn who_watches_sees_each_request_and_no_secret() {
    let realm = Arc::new(service("token"));
    let Honest { layer, config, manifest } = Honest::new(10);
    let asks = realm.clone();
    let peer = registry(manifest.to_string().into(), vec![layer, config], move |asked, answer| {
        if asked.header("authorization").is_some() { answer } else { wants_a_token(&asks) }
    });
    let place = Place::new();
    log_in(&place, &peer.host, jane());
    let watch = Arc::new(Watch::default());
    let credentials = Some(Credentials::open(&place.docker()));
    let wire = Some(Arc::clone(&watch) as _);
    let client = Client::new(Settings { credentials, wire, ..Settings::default() }).expect("a client");
    pull(&client, &place.store("store"), &format!("{}/x/y", peer.host)).expect("pulled");
    let seen = watch.0.lock().expect("ours");
    let kinds: Vec<String> =
        seen.iter().map(|line| line.split('/').next().unwrap_or_default().into()).collect();
    assert_eq!(kinds, ["GET "; 6], "{seen:?}");
    let ends = |at: usize, end: &str| assert!(seen[at].ends_with(end), "{at}: {seen:?}");
    // nobody speaks TLS there; what is wanted; a token for the password; then with the token alone
    for (at, end) in
        ["/v2/ - 0", "/v2/ - 401", "/token Basic 200", "latest Bearer 200", " Bearer 200", " Bearer 200"]
            .into_iter()
            .enumerate()
    {
        ends(at, end);
    }
}

#[test]
fn nobody_needs_no_name_and_a_push_asks_for_more() {
    let realm = Arc::new(service("token"));
    let asks = realm.clone();
    let peer = Peer::start(move |asked, host| {
        if asked.header("authorization").is_none() {
            return wants_a_token(&asks);
        }
        match asked.method.as_str() {
            "HEAD" => Answer::status("404 Not Found"),
            "POST" if asked.path.contains("mount") => Answer::status("201 Created"),
            "POST" | "PATCH" => {
                Answer::status("202 Accepted").header("Location", format!("http://{host}/v2/up"))
            }
            _ => Answer::status("201 Created"),
        }
    });
    let place = Place::new();
    let store = place.store("store");
    let name = format!("{}/x/y:1", peer.host);
    image(&store, &name, "text", 10);
    store.tag(&name, &reference(&format!("{}/a/b", peer.host))).expect("tagged");
    place.client().push(&store, &reference(&name), &Silent).expect("pushed");
    let scopes: Vec<String> = realm.asked().into_iter().map(|asked| asked.path).collect();
    assert!(scopes[0].ends_with("scope=repository%3Ax%2Fy%3Apull%2Cpush"), "{scopes:?}");
    assert!(scopes[1].ends_with("&scope=repository%3Aa%2Fb%3Apull"), "to mount from: {scopes:?}");
    assert!(realm.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[test]
fn an_identity_token_goes_in_the_body_of_a_post() {
    let realm = Arc::new(service("access_token"));
    let Honest { layer, config, manifest } = Honest::new(10);
    let asks = realm.clone();
    let peer = registry(manifest.to_string().into(), vec![layer, config], move |asked, answer| {
        if asked.header("authorization").is_some() { answer } else { wants_a_token(&asks) }
    });
    let place = Place::new();
    log_in(&place, &peer.host, Login { user: "jane".into(), secret: Secret::Identity("long lived".into()) });
    pull(&place.client(), &place.store("store"), &format!("{}/x/y", peer.host)).expect("pulled");
    let asked: &Asked = &realm.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/token"));
    let body = String::from_utf8(asked.body.clone()).expect("text");
    assert!(
        body.contains("grant_type=refresh%5Ftoken&") && body.contains("refresh_token=long%20lived"),
        "{body}"
    );
}

/// What goes over loopback may be plain; that says nothing of what goes further.
#[test]
fn a_registry_on_loopback_sends_no_password_over_the_network() {
    for realm in ["http://registry.invalid/token", "http://localhost:80@registry.invalid/token"] {
        let challenge = format!("Bearer realm=\"{realm}\"");
        let peer = Peer::start(move |_, _| {
            Answer::status("401 Unauthorized").header("WWW-Authenticate", challenge.clone())
        });
        let place = Place::new();
        log_in(&place, &peer.host, jane());
        let name = format!("{}/x/y", peer.host);
        let error = pull(&place.client(), &place.store("store"), &name).expect_err("refused").to_string();
        assert!(error.contains(&format!("{realm:?} of {} is without TLS: refused", peer.host)), "{error}");
    }
}

#[test]
fn a_redirect_takes_no_credentials_along() {
    let Honest { layer, config, manifest } = Honest::new(10);
    let blobs = vec![layer, config];
    // where the blobs really lie, as in a registry that hands out addresses of a storage service
    let storage = Arc::new(registry(Vec::new(), blobs.clone(), |_, answer| answer));
    let to = storage.host.clone();
    let peer = registry(manifest.to_string().into(), blobs, move |asked, answer| {
        if asked.header("authorization") != Some(BASIC) {
            return Answer::status("401 Unauthorized").header("WWW-Authenticate", "Basic realm=\"x\"");
        }
        match asked.path.contains("/blobs/") {
            true => Answer::status("307 Temporary Redirect")
                .header("Location", format!("http://{to}{}?signature=x", asked.path)),
            false => answer,
        }
    });
    let place = Place::new();
    let name = format!("{}/x/y", peer.host);
    let error = pull(&place.client(), &place.store("store"), &name).expect_err("not logged in").to_string();
    assert!(error.contains("no basic auth credentials"), "{error}");
    log_in(&place, &peer.host, jane());
    pull(&place.client(), &place.store("store"), &name).expect("pulled");
    let asked = storage.asked();
    assert_eq!(asked.len(), 2, "config and layer");
    assert!(asked.iter().all(|asked| asked.header("authorization").is_none()), "{asked:?}");
}

/// CVE-2020-15157: where a redirect leads, somebody else may answer, and name a token service of his own.
#[test]
fn who_is_redirected_to_names_nobody_who_gets_the_password() {
    let thief = Arc::new(service("token"));
    let hears = thief.clone();
    let storage = Arc::new(Peer::start(move |_, _| wants_a_token(&hears)));
    let to = storage.host.clone();
    let elsewhere = move |asked: &Asked| {
        Answer::status("307 Temporary Redirect").header("Location", format!("http://{to}{}", asked.path))
    };
    let moves = elsewhere.clone();
    let documents = Peer::start(move |asked, _| match (asked.path.as_str(), asked.header("authorization")) {
        (_, None) => Answer::status("401 Unauthorized").header("WWW-Authenticate", "Basic realm=\"x\""),
        ("/v2/", _) => Answer::ok("{}"),
        _ => moves(asked),
    });
    let everything = Peer::start(move |asked, _| elsewhere(asked));
    let place = Place::new();
    for peer in [&documents, &everything] {
        log_in(&place, &peer.host, jane());
        let name = format!("{}/x/y", peer.host);
        let error = pull(&place.client(), &place.store("store"), &name).expect_err("refused").to_string();
        assert!(error.contains("pull access denied"), "{error}");
    }
    let login = place.client().login(&everything.host, jane()).expect_err("refused").to_string();
    assert!(login.contains("login attempt to"), "{login}");
    assert_eq!(thief.asked().len(), 0, "{:?}", thief.asked());
    assert!(storage.asked().len() > 2);
    assert!(storage.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[test]
fn what_is_refused_for_good_is_said_in_dockers_words_without_the_password() {
    let realm = Arc::new(Peer::start(|_, _| {
        Answer::status("401 Unauthorized").saying(r#"{"details":"incorrect username or password"}"#)
    }));
    let asks = realm.clone();
    let peer = Peer::start(move |_, _| wants_a_token(&asks));
    let place = Place::new();
    log_in(&place, &peer.host, jane());
    let (store, name) = (place.store("store"), format!("{}/x/y", peer.host));
    image(&store, &name, "text", 10);
    let push = place.client().push(&store, &reference(&name), &Silent).expect_err("refused").to_string();
    assert!(push.starts_with("denied: requested access to the resource is denied\nhint: "), "{push}");
    let pull = pull(&place.client(), &store, &name).expect_err("refused").to_string();
    assert!(pull.starts_with("pull access denied for") && pull.contains("incorrect username"), "{pull}");
    let login = place.client().login(&peer.host, jane()).expect_err("refused").to_string();
    assert!(login.contains("login attempt to") && login.contains("incorrect username"), "{login}");
    for text in [push, pull, login, format!("{:?}", jane())] {
        assert!(!text.contains("sesame"), "{text}");
    }
}

#[test]
fn a_proxy_is_asked_for_what_is_far_and_never_for_loopback() {
    let proxy = Peer::start(|_, _| Answer::status("502 Bad Gateway"));
    let Honest { layer, config, manifest } = Honest::new(10);
    let near = registry(manifest.to_string().into(), vec![layer, config], |_, answer| answer);
    let place = Place::new();
    let pull = |name: &str, no_proxy: &str| {
        let mut command = place.command(support::player::built("stepbox"), "store");
        command.args(["pull", "-q", name]).env("NO_PROXY", no_proxy);
        support::player::said(command.env("HTTPS_PROXY", format!("http://{}", proxy.host)))
    };
    assert_eq!(pull(&format!("{}/x/y", near.host), "").code, 0);
    assert_eq!(proxy.asked().len(), 0);
    assert!(pull("registry.invalid/x", "").err.contains("cannot reach registry.invalid"));
    let asked = proxy.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("CONNECT", "registry.invalid:443"));
    assert!(pull("registry.invalid/x", "registry.invalid").err.contains("cannot reach registry.invalid"));
    assert_eq!(proxy.asked().len(), asked.len());
}
