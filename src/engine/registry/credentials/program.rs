//! Credential helpers: programs called `docker-credential-NAME` that keep secrets somewhere safe.
//!
//! ```text
//!   get      <- the registry                              -> {"ServerURL": …, "Username": …, "Secret": …}
//!   store    <- {"ServerURL": …, "Username": …, "Secret": …}
//!   erase    <- the registry
//! ```
//!
//! What is secret goes over standard input and output: an argument could be read by every user of the machine.
//! See the docker-credential-helpers project. Lab 16-registry.

use super::file::TOKEN_USER;
use super::{CredentialError, Login, Secret};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::{Command, Stdio};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server: String,
    username: String,
    secret: String,
}

/// Asks for credentials.
pub(super) fn get(name: &str, key: &str) -> Result<Option<Login>, CredentialError> {
    let (ok, said) = call(name, "get", key.as_bytes())?;
    if !ok {
        let said = String::from_utf8_lossy(&said);
        // by this sentence helpers say that they have none
        return match said.contains("credentials not found") {
            true => Ok(None),
            false => {
                Err(failed(name, format!("fails to get: {}", super::super::refusal::printable(said.trim()))))
            }
        };
    }
    // its answer holds the secret: what is wrong with it is not shown
    let entry: Entry = serde_json::from_slice(&said).map_err(|_| failed(name, "gives no JSON".into()))?;
    let secret = match entry.username == TOKEN_USER {
        true => Secret::Identity(entry.secret),
        false => Secret::Password(entry.secret),
    };
    Ok(Some(Login { user: entry.username, secret }))
}

/// Hands credentials over.
pub(super) fn store(name: &str, key: &str, login: &Login) -> Result<(), CredentialError> {
    let (username, secret) = match &login.secret {
        Secret::Password(password) => (login.user.clone(), password.clone()),
        Secret::Identity(token) => (TOKEN_USER.to_owned(), token.clone()),
    };
    let entry = Entry { server: key.to_owned(), username, secret };
    let (ok, said) = call(name, "store", &serde_json::to_vec(&entry).expect("three texts"))?;
    told(name, "store", ok, &said)
}

/// Has credentials removed.
pub(super) fn erase(name: &str, key: &str) -> Result<(), CredentialError> {
    let (ok, said) = call(name, "erase", key.as_bytes())?;
    told(name, "erase", ok, &said)
}

fn told(name: &str, verb: &str, ok: bool, said: &[u8]) -> Result<(), CredentialError> {
    let said = String::from_utf8_lossy(said);
    match ok {
        true => Ok(()),
        false => {
            Err(failed(name, format!("fails to {verb}: {}", super::super::refusal::printable(said.trim()))))
        }
    }
}

/// Whether it succeeded, and what it printed.
fn call(name: &str, verb: &str, input: &[u8]) -> Result<(bool, Vec<u8>), CredentialError> {
    if name.contains('/') {
        return Err(failed(name, "is a path: only the end of a program's name may stand there".into()));
    }
    let program = format!("docker-credential-{name}");
    let (stdin, stdout) = (Stdio::piped(), Stdio::piped());
    let spawned = Command::new(program).arg(verb).stdin(stdin).stdout(stdout).stderr(Stdio::null()).spawn();
    let mut child = spawned.map_err(|error| failed(name, format!("cannot be run: {error}")))?;
    let mut stdin = child.stdin.take().expect("piped");
    // one that does not read, as may be on `erase`, has its reasons
    let _ = stdin.write_all(input);
    drop(stdin);
    let output =
        child.wait_with_output().map_err(|error| failed(name, format!("cannot be heard: {error}")))?;
    Ok((output.status.success(), output.stdout))
}

fn failed(name: &str, reason: String) -> CredentialError {
    CredentialError::Program { name: name.to_owned(), reason }
}
