//! Docker's `config.json`: read, changed, and put back with all that we do not know.

use super::{CredentialError, Login, Secret, basic, unbasic};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a helper that has no name for the user calls it: then the secret is an identity token.
pub(super) const TOKEN_USER: &str = "<token>";

/// The file's content.
#[derive(Debug, Default)]
pub(super) struct Config(Map<String, Value>);

/// Reads it; a file that is not there is an empty one.
pub(super) fn read(path: &Path) -> Result<Config, CredentialError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Config::default()),
        other => other.map_err(|source| fail(path, "read", source))?,
    };
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Config::default());
    }
    match serde_json::from_slice(&text) {
        Ok(Value::Object(content)) => Ok(Config(content)),
        Ok(_) => Err(CredentialError::Format { path: path.into(), reason: "it is no JSON object".into() }),
        // serde's words may quote what it found
        Err(error) => {
            let reason = format!("it is no JSON at line {} column {}", error.line(), error.column());
            Err(CredentialError::Format { path: path.into(), reason })
        }
    }
}

/// Changes it, for one process at a time.
pub(super) fn change(path: &Path, change: impl FnOnce(&mut Config)) -> Result<(), CredentialError> {
    // a link leads to the file that is meant: it must not be replaced by a copy
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory: PathBuf = path.parent().unwrap_or(Path::new("/")).to_owned();
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
    made.map_err(|source| fail(&directory, "mkdir", source))?;
    let lock = File::open(&directory).and_then(|held| held.lock().map(|()| held));
    let _lock = lock.map_err(|source| fail(&directory, "lock", source))?;
    let mut config = read(path)?;
    change(&mut config);
    let text = config.text();
    let written = || -> io::Result<()> {
        // made with mode 0600, so that nobody else ever sees it
        let mut aside = tempfile::NamedTempFile::new_in(&directory)?;
        aside.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        aside.write_all(&text)?;
        aside.as_file().sync_all()?;
        aside.persist(path)?;
        File::open(&directory)?.sync_all()
    };
    written().map_err(|source| fail(path, "replace", source))
}

impl Config {
    /// As Docker writes it, with tabs.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        let mut writer = serde_json::Serializer::with_formatter(&mut text, tabs);
        self.0.serialize(&mut writer).expect("it came from JSON, and memory takes it");
        text
    }

    /// What it says under this name, where that is a text.
    pub(super) fn text_of(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    /// The helper for a registry, if there is one.
    pub(super) fn program(&self, key: &str) -> Option<&str> {
        let own = self.0.get("credHelpers").and_then(|helpers| helpers.get(host(key)).or(helpers.get(key)));
        let name = own.or(self.0.get("credsStore"))?.as_str()?;
        (!name.is_empty()).then_some(name)
    }

    /// What stands in the file itself.
    pub(super) fn login(&self, key: &str, path: &Path) -> Result<Option<Login>, CredentialError> {
        let Some((_, entry)) = self.entry(key) else { return Ok(None) };
        let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let pair = match text("auth") {
            Some(auth) => Some(unbasic(auth).ok_or_else(|| CredentialError::Format {
                path: path.into(),
                reason: format!("auths of {} holds no base64 of name:password", host(key)),
            })?),
            None => text("username")
                .map(|user| (user.to_owned(), text("password").unwrap_or_default().to_owned())),
        };
        let (user, password) = pair.unwrap_or_default();
        Ok(match text("identitytoken") {
            Some(token) => Some(Login { user, secret: Secret::Identity(token.to_owned()) }),
            None if user.is_empty() && password.is_empty() => None,
            None => Some(Login { user, secret: Secret::Password(password) }),
        })
    }

    /// Whether the registry is named.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Names a registry, with credentials or without.
    pub(super) fn note(&mut self, key: &str, login: Option<&Login>) {
        let entry = match login {
            None => json!({}),
            Some(Login { user, secret: Secret::Password(password) }) => {
                json!({ "auth": basic(user, password) })
            }
            Some(Login { user, secret: Secret::Identity(token) }) => {
                json!({ "auth": basic(user, ""), "identitytoken": token })
            }
        };
        let auths = self.0.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths[key] = entry;
    }

    /// Takes a registry out, in each way that its name can be written.
    pub(super) fn strike(&mut self, key: &str) {
        while let Some(name) = self.entry(key).map(|(name, _)| name.clone()) {
            if let Some(auths) = self.0.get_mut("auths").and_then(Value::as_object_mut) {
                auths.shift_remove(&name);
            }
        }
    }

    /// Its entry: under its own name, or as older tools wrote it, `https://HOST/v1/`.
    fn entry(&self, key: &str) -> Option<(&String, &Value)> {
        let auths = self.0.get("auths")?.as_object()?;
        let same = |name: &&String| host(name) == host(key);
        auths
            .get_key_value(key)
            .or_else(|| auths.keys().find(same).and_then(|name| auths.get_key_value(name)))
    }
}

/// The host in a key.
fn host(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
    bare.split('/').next().unwrap_or_default()
}

fn fail(path: &Path, call: &'static str, error: io::Error) -> CredentialError {
    CredentialError::File { path: path.to_owned(), call, error }
}
