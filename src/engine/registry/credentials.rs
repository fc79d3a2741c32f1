//! Credentials: names and passwords for registries, where Docker keeps them.
//!
//! ```text
//!   ~/.docker/config.json
//!     credHelpers: { "my.registry": "pass" }   ──>  docker-credential-pass get     the secret goes over pipes alone
//!     credsStore:  "secretservice"             ──>  docker-credential-secretservice get
//!     auths: { "my.registry": { "auth": base64("name:password"), "identitytoken": "…" } }
//! ```
//!
//! The file is written aside with mode 0600 and renamed; what else stands in it stays. Nothing here prints a secret: no
//! type that holds one shows it.
//!
//! See the configuration file of docker(1) and the docker-credential-helpers protocol. Lab 16-registry.

mod file;
mod program;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A name and what proves it.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// who it is
    pub user: String,
    /// what proves it
    pub secret: Secret,
}

/// What proves a name.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// a password, or a token that is used like one
    Password(String),
    /// what a token service gave in exchange for the password
    Identity(String),
}

/// Secrets stay out of logs and messages.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where they were put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// in this file, readable by whoever reads the file
    File(PathBuf),
    /// with this helper
    Program(String),
}

/// Why they cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// the file
    #[error("{}: {call}: {error}", path.display())]
    File {
        /// which
        path: PathBuf,
        /// what was tried
        call: &'static str,
        /// what the kernel answered
        error: io::Error,
    },
    /// it is not what Docker writes
    #[error("{} cannot be read: {reason}", path.display())]
    Format {
        /// which
        path: PathBuf,
        /// what is wrong; never a part of its content
        reason: String,
    },
    /// a helper that is not there or fails
    #[error(
        "the credential helper docker-credential-{name} {reason}\nhint: install it, or take it out of credsStore and credHelpers in config.json"
    )]
    Program {
        /// its name
        name: String,
        /// what went wrong
        reason: String,
    },
}

/// The credentials of this user.
#[derive(Debug, Clone)]
pub struct Credentials {
    file: PathBuf,
}

impl Credentials {
    /// Those in this directory: `DOCKER_CONFIG`, or `.docker` in the home directory. It need not be there.
    pub fn open(directory: &Path) -> Credentials {
        Credentials { file: directory.join("config.json") }
    }

    /// The credentials for a registry, by its host; none where there are none.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn get(&self, registry: &str) -> Result<Option<Login>, CredentialError> {
        let (config, key) = (file::read(&self.file)?, super::credentials_key(registry));
        match config.program(key) {
            Some(name) => program::get(name, key),
            None => config.login(key, &self.file),
        }
    }

    /// The keys that leave a container's terminal, as the file has them.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn detach_keys(&self) -> Result<Option<String>, CredentialError> {
        Ok(file::read(&self.file)?.text_of("detachKeys").filter(|keys| !keys.is_empty()))
    }

    /// Keeps credentials, and says where.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn keep(&self, registry: &str, login: &Login) -> Result<Kept, CredentialError> {
        let key = super::credentials_key(registry);
        let name = file::read(&self.file)?.program(key).map(str::to_owned);
        match name {
            Some(name) => {
                program::store(&name, key, login)?;
                // Docker notes the registry in the file, so that it can list who is logged in where
                file::change(&self.file, |config| config.note(key, None))?;
                Ok(Kept::Program(name))
            }
            None => {
                file::change(&self.file, |config| config.note(key, Some(login)))?;
                Ok(Kept::File(self.file.clone()))
            }
        }
    }

    /// Forgets the credentials for a registry; false where there were none.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn forget(&self, registry: &str) -> Result<bool, CredentialError> {
        let (config, key) = (file::read(&self.file)?, super::credentials_key(registry));
        let helper = config.program(key);
        let held = match helper {
            Some(name) => {
                let held = program::get(name, key)?.is_some();
                if held {
                    program::erase(name, key)?;
                }
                held
            }
            None => false,
        };
        if !config.knows(key) {
            return Ok(held);
        }
        file::change(&self.file, |config| config.strike(key))?;
        Ok(true)
    }
}

/// `name:password` as HTTP's basic authentication and Docker's file have it.
pub(super) fn basic(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

/// The other way round.
fn unbasic(text: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // some tools pad it with NUL
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}
