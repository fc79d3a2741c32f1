//! A place for a test: stores, a home with credentials, and images to send around.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use stepbox::engine::images::{Change, import};
use stepbox::engine::reference::Reference;
use stepbox::engine::registry::credentials::Credentials;
use stepbox::engine::registry::{Client, PullOptions, Pulled, RegistryError, Settings, Silent};
use stepbox::engine::store::Store;
use stepbox::layers::Digest;

use support::archive::{Raw, gzip};
use support::player::{Said, built, said};

/// A directory of one test's own.
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        let directory = tempfile::Builder::new().prefix("stepbox-registry-").tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("bin")).expect("made");
        Place { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A store; the same name is the same store.
    pub fn store(&self, name: &str) -> Store {
        Store::open(self.path().join(name)).expect("a store can be made")
    }

    /// Where Docker's credentials lie.
    pub fn docker(&self) -> PathBuf {
        self.path().join("docker")
    }

    /// A client without settings, with this place's credentials.
    pub fn client(&self) -> Client {
        let credentials = Some(Credentials::open(&self.docker()));
        Client::new(Settings { credentials, ..Settings::default() }).expect("a client")
    }

    /// A program in the path of [`Place::command`].
    pub fn program(&self, name: &str, script: &str) {
        let path = self.path().join("bin").join(name);
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("ours");
    }

    /// A command that sees this place's home, and no proxy.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, store: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path().join("bin").display()));
        command.env("STEPBOX_ROOT", self.path().join(store)).env("DOCKER_CONFIG", self.docker());
        command.env("HOME", self.path()).current_dir(self.path()).stdin(std::process::Stdio::null());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name);
        }
        for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "STEPBOX_INSECURE_REGISTRIES"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs `stepbox` with this store.
    pub fn stepbox(&self, store: &str, arguments: &[&str]) -> Said {
        said(self.command(built("stepbox"), store).args(arguments))
    }

    /// What a `stepbox` prints that must succeed.
    pub fn says(&self, store: &str, arguments: &[&str]) -> String {
        let said = self.stepbox(store, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.out, said.err);
        said.out
    }

    /// A `stepbox` that must fail so.
    pub fn refused(&self, store: &str, arguments: &[&str], words: &str) -> String {
        let said = self.stepbox(store, arguments);
        assert_eq!(said.code, 1, "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(words), "{arguments:?}: no {words:?} in {}", said.err);
        said.err
    }

    /// What another program prints that must succeed.
    pub fn runs(&self, program: &str, arguments: &[&str]) -> String {
        let said = said(self.command(program, "unused").args(arguments));
        assert_eq!(said.code, 0, "{program} {arguments:?}: {}{}", said.out, said.err);
        said.out
    }
}

/// Makes an image of one layer, which holds this and so much of what compresses badly; returns its id.
pub fn image(store: &Store, name: &str, text: &str, filler: usize) -> Digest {
    let raw = Raw::default().directory("etc/", 0o755).file("etc/text", text).file("filler", &noise(filler));
    let change = Change { created: Some("2026-01-01T00:00:00Z".into()), ..Change::default() };
    import(store, gzip(&raw.end()).as_slice(), &reference(name), change).expect("imported")
}

/// Characters without a pattern, always the same.
pub fn noise(length: usize) -> String {
    let mut state: u64 = 88_172_645_463_325_252;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..length).map(|_| next()).collect()
}

pub fn reference(name: &str) -> Reference {
    name.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Pulls with nobody watching.
pub fn pull(client: &Client, store: &Store, name: &str) -> Result<Pulled, RegistryError> {
    client.pull(store, &reference(name), &PullOptions::default(), &Silent)
}

/// Nothing but the store's own files is in it: no image, no leftover.
pub fn assert_untouched(store: &Store) {
    assert_eq!(store.list().expect("a list").len(), 0, "no name");
    for name in ["tmp", "fetching"] {
        let left = std::fs::read_dir(store.root().join(name)).expect("readable").count();
        assert_eq!(left, 0, "left in {name}");
    }
}
