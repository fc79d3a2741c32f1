//! Lab 16: what goes over the wire when an image is pushed and pulled. Chapter: tutorials/16-registry.md.
//!
//! ```text
//!   this lab                                         another process
//!   ours ── push ──> client ── 127.0.0.16:5000 ──> server ──> registry/   a store, as ours is
//!   theirs <─ pull ──┘   │        127.0.0.16:5001 ──> door ────┘    (it wants to see a token)
//!                        └─> Seen: each request and its answer; at the end the server's own log must say the same
//! ```

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use stepbox::engine::reference::Reference;
use stepbox::engine::registry::credentials::{Credentials, Login, Secret};
use stepbox::engine::registry::{Client, PullOptions, Settings, Silent};
use stepbox::engine::store::Store;
use stepbox::kernel::Op;
use stepbox::lab::{self, LabError, Stage};
use stepbox::layers::Digest;
use stepbox::step::{Plan, Step};
use stepbox::trace::{Change, Fact};

#[path = "16_registry/door.rs"]
mod door;
#[path = "16_registry/images.rs"]
mod images;
#[path = "16_registry/server.rs"]
mod server;
#[path = "16_registry/wire.rs"]
mod wire;

use images::{APP, BASE, WEB};
use server::{ADDRESS, Server};
use wire::Seen;

/// The user ada with the password "secret", as htpasswd -B writes it.
const HTPASSWD: &str = "ada:$2y$05$SjDUW5vBjxaCvNB4ifdHaefRRMyk9tbmPusxnPZDFq/T/7VK4JoDy\n";
/// The same as a header: ada:secret in base64.
const PASSWORD: &str = "Authorization: Basic YWRhOnNlY3JldA==\r\n";
const JSON: &str = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    // the other side of this lab
    let mut arguments = std::env::args_os().skip(1);
    if let (Some(word), Some(dir)) = (arguments.next(), arguments.next())
        && word == "serve"
    {
        return server::main(&dir);
    }
    lab::main("16-registry", |stage| {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        stage.run(&password(&stage.dir))?;
        let mut lab = Lab::new(stage).map_err(LabError::Work)?;
        lab.door(stage)?;
        lab.push(stage)?;
        lab.share(stage)?;
        lab.pull(stage)?;
        lab.token(stage)?;
        lab.tag(stage)?;
        lab.lie(stage)?;
        lab.account(stage)
    })
}

fn password(dir: &Path) -> Plan {
    let file = Step::new("write a password file", Op::create(dir.join("htpasswd"), HTPASSWD))
        .why("ada may come in; what is kept is a hash that is slow to compute, not her password");
    Plan::default()
        .act("a registry", "Images lie in a directory. What must be added so that others can have them?")
        .then([file])
}

/// Our side, and the process on the other one.
struct Lab {
    dir: PathBuf,
    seen: Arc<Seen>,
    client: Client,
    server: Option<Server>,
}

impl Lab {
    fn new(stage: &Stage) -> Result<Lab, Box<dyn Error>> {
        let (dir, seen) = (stage.dir.clone(), Arc::new(Seen::default()));
        let credentials = Some(Credentials::open(&dir.join("docker")));
        let wire = Some(Arc::clone(&seen) as _);
        let client = Client::new(Settings { credentials, wire, ..Settings::default() })?;
        Ok(Lab { dir, seen, client, server: None })
    }

    fn store(&self, name: &str) -> Result<Store> {
        Ok(Store::open(self.dir.join(name))?)
    }

    /// What the client has asked since the last time.
    fn asked(&self) -> Change {
        Change::found("wire", &format!("{ADDRESS}"), self.seen.take())
    }

    fn say(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<Vec<Change>> {
        Ok(vec![Change::found(
            "wire",
            &format!("{ADDRESS}, by hand"),
            self.seen.by_hand(method, path, headers, body)?,
        )])
    }

    fn door(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        let why = "stepbox registry serve: an image store, as ours is, and HTTP in front of it";
        scope(stage, "start the registry", why, || {
            self.server = Some(Server::start(&self.dir)?);
            Ok(vec![Change::found("content", "registry", files(&self.dir.join("registry"))?)])
        })?;
        let why = "HTTP is text: whoever can open a connection can talk to a registry";
        scope(stage, "ask by hand: are you a registry?", why, || Ok(self.say("GET", "/v2/", "", b"")?))?;
        let why = "the answer has said how: Basic is NAME:PASSWORD in base64, which hides nothing";
        scope(stage, "the same, with a password", why, || Ok(self.say("GET", "/v2/", PASSWORD, b"")?))?;
        let why = "docker login: tried first, then kept, for each request from now on";
        scope(stage, "log in", why, || {
            let login = Login { user: "ada".into(), secret: Secret::Password("secret".into()) };
            let (host, credentials) = (ADDRESS.to_string(), Credentials::open(&self.dir.join("docker")));
            self.client.login(&host, login)?.keep(&host, &credentials)?;
            let file: serde_json::Value =
                serde_json::from_slice(&fs::read(self.dir.join("docker/config.json"))?)?;
            let auth = file["auths"][&host]["auth"].as_str().unwrap_or_default();
            Ok(vec![self.asked(), Change::found("content", "config.json", vec![Fact::new("auth", auth)])])
        })
    }

    fn push(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act("push", "Predict: in which order do config, layers and manifest go, and why in this one?");
        let mut manifest = Vec::new();
        let why = "the name says where an image may go: docker tag gives it another one";
        scope(stage, "make an image", why, || {
            let digest;
            (digest, manifest) = images::put(&self.store("ours")?, &name("base")?, &[BASE])?;
            let line = format!("manifest {}, 1 layer", short(digest));
            Ok(vec![Change::found("content", "our store", vec![Fact::new(name("base")?.to_string(), line)])])
        })?;
        let why = "an image whose layers are not there would be a name for nothing";
        scope(stage, "by hand: the manifest first", why, || {
            let headers = format!("{PASSWORD}{JSON}Content-Length: {}\r\n", manifest.len());
            Ok(self.say("PUT", "/v2/class/base/manifests/v1", &headers, &manifest)?)
        })?;
        let why = "for each blob: there? if not, begin (POST), send (PATCH), end with its name (PUT); the manifest last";
        scope(stage, "push class/base:v1", why, || self.pushed("base"))
    }

    /// Pushes, and says what was asked and what is there then.
    fn pushed(&self, image: &str) -> Result<Vec<Change>> {
        let before = files(&self.dir.join("registry"))?;
        self.client.push(&self.store("ours")?, &name(image)?, &Silent)?;
        let mut there = Change::found("content", "registry", files(&self.dir.join("registry"))?);
        there.before = before;
        Ok(vec![self.asked(), there])
    }

    fn share(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "what is there is not sent",
            "Another image, app, stands on base: 72007 bytes in all. Predict: how many go over the wire?",
        );
        let why = "HEAD asks for the head of an answer alone: 200 says that the blob need not be sent";
        scope(stage, "make class/app:v1 on base, and push it", why, || {
            images::put(&self.store("ours")?, &name("app")?, &[BASE, APP])?;
            self.pushed("app")
        })?;
        let why =
            "a cross-repository mount: a registry that keeps repositories apart takes the blob over, by name";
        scope(stage, "by hand: take base's layer over from class/base", why, || {
            let base = Digest::of(&images::layer(BASE));
            let path = format!("/v2/class/other/blobs/uploads/?mount={base}&from=class/base");
            Ok(self.say("POST", &path, &format!("{PASSWORD}Content-Length: 0\r\n"), b"")?)
        })?;
        let why = "nothing is missing, so only the tag is said again";
        scope(stage, "push class/app:v1 once more", why, || self.pushed("app"))
    }

    fn pull(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "pull",
            "On another machine, with an empty store. Predict: which is the only name that is not a digest?",
        );
        let why =
            "tag -> manifest -> config and layers; each is hashed while it comes, and named when it fits";
        scope(stage, "pull class/app:v1", why, || self.pulled("theirs", &name("app")?))?;
        let why = "does the tag still mean the same? one answer says so";
        scope(stage, "pull it again", why, || self.pulled("theirs", &name("app")?))
    }

    fn token(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "a token",
            "Large registries want no password, not even for what all may have. What do they want instead?",
        );
        let why =
            "the answer says who gives tokens; one is good for a repository and some verbs, for minutes";
        scope(stage, "pull class/base:v1 through a door", why, || {
            let name: Reference = format!("{}/class/base:v1", door::address()).parse()?;
            self.client.pull(&self.store("theirs")?, &name, &PullOptions::default(), &Silent)?;
            Ok(vec![Change::found("wire", &door::address().to_string(), self.seen.take())])
        })
    }

    fn pulled(&self, store: &str, name: &Reference) -> Result<Vec<Change>> {
        let store = self.store(store)?;
        let before = store.list()?.len();
        self.client.pull(&store, name, &PullOptions::default(), &Silent)?;
        let mut images = Change::found(
            "content",
            "their store",
            vec![Fact::new("images", store.list()?.len().to_string())],
        );
        images.before = vec![Fact::new("images", before.to_string())];
        Ok(vec![self.asked(), images])
    }

    fn tag(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "a tag is a pointer",
            "Another image gets the name class/app:v1. Predict: what becomes of the old one?",
        );
        let mut old = String::new();
        let why = "it stands on base, too; its manifest takes the tag, and only the tag moves";
        scope(stage, "make another class/app:v1, and push it", why, || {
            let (ours, name) = (self.store("ours")?, name("app")?);
            let before = ours.find(&name.to_string())?.digest;
            let (after, _) = images::put(&ours, &name, &[BASE, WEB])?;
            self.client.push(&ours, &name, &Silent)?;
            let mut tag = Change::found("content", "class/app", vec![Fact::new("v1", short(after))]);
            (tag.before, old) = (vec![Fact::new("v1", short(before))], before.to_string());
            Ok(vec![self.asked(), tag])
        })?;
        let why = "the same tag, another image: only what is new comes";
        scope(stage, "pull class/app:v1", why, || self.pulled("theirs", &name("app")?))?;
        let why = "a digest never means anything else: whoever wrote it down gets what he saw";
        scope(stage, "by hand: ask for the old manifest by its digest", why, || {
            Ok(self.say("GET", &format!("/v2/class/app/manifests/{old}"), PASSWORD, b"")?)
        })
    }

    fn lie(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        let blob = Digest::of(&images::layer(WEB));
        let path = self.dir.join("registry/blobs/sha256").join(blob.hex());
        let tamper = Step::new("change one byte of a layer", Op::write(path, "W"))
            .why("web becomes Web, where the registry keeps it; its name stays");
        stage.run(
            &Plan::default()
                .act(
                    "a blob that lies",
                    "Somebody changes a file on the registry's disk. Predict: who notices, and when?",
                )
                .then([tamper]),
        )?;
        let why = "a third machine computes the name of what it got: it need not trust whoever sent it";
        scope(stage, "pull class/app:v1 to a third store", why, || {
            let store = self.store("third")?;
            let answer = self.client.pull(&store, &name("app")?, &PullOptions::default(), &Silent);
            let error = answer.err().map_or("nothing".to_owned(), |error| wire::digests(&error.to_string()));
            let facts =
                vec![Fact::new("refused", error), Fact::new("images", store.list()?.len().to_string())];
            Ok(vec![self.asked(), Change::found("content", "third store", facts)])
        })
    }

    fn account(&mut self, stage: &mut Stage) -> Result<(), LabError> {
        stage.act(
            "the other side's account",
            "So far we have told what we asked. What has the registry heard?",
        );
        let why = "its log has one line for each request, whoever sent it";
        scope(stage, "end the registry and read its log", why, || {
            self.server.as_mut().map(Server::stop).transpose()?;
            let log = fs::read_to_string(self.dir.join("registry.log"))?;
            // method, path and status; bytes and time follow
            let line = |line: &str| line.split(' ').take(3).collect::<Vec<_>>().join(" ");
            let mut heard: Vec<String> = log.lines().map(line).collect();
            let count = heard.len();
            let mut missing = self.seen.all();
            missing.retain(|asked| match heard.iter().position(|line| line == asked) {
                Some(at) => {
                    heard.remove(at);
                    false
                }
                None => true,
            });
            let same =
                if missing.is_empty() { "all of ours, with the same answers" } else { "another story" };
            let mut facts =
                vec![Fact::new("lines in its log", count.to_string()), Fact::new("requests", same)];
            facts.extend(missing.into_iter().map(|line| Fact::new("not in its log", line)));
            // whoever used the shell of --step has asked, too
            facts.extend(heard.into_iter().map(|line| Fact::new("somebody else's", line)));
            Ok(vec![Change::found("content", "registry.log", facts)])
        })
    }
}

/// Work whose errors are of several kinds.
fn scope(
    stage: &mut Stage,
    title: &str,
    why: &str,
    work: impl FnOnce() -> Result<Vec<Change>>,
) -> Result<(), LabError> {
    stage.scope(title, why, &[], || work().map_err(io::Error::other))
}

fn name(image: &str) -> Result<Reference> {
    Ok(format!("{ADDRESS}/class/{image}:v1").parse()?)
}

/// The names that a registry begins with, and how much lies under those that follow from it.
fn files(root: &Path) -> io::Result<Vec<Fact>> {
    let mut found =
        vec![Fact::new("index.json", format!("{} bytes", root.join("index.json").metadata()?.len()))];
    for entry in fs::read_dir(root.join("blobs/sha256"))? {
        let entry = entry?;
        let digits: String = entry.file_name().to_string_lossy().chars().take(12).collect();
        found.push(Fact::new(
            format!("blobs/sha256/{digits}\u{2026}"),
            format!("{} bytes", entry.metadata()?.len()),
        ));
    }
    found.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(found)
}

fn short(digest: Digest) -> String {
    format!("sha256:{}\u{2026}", digest.short())
}
