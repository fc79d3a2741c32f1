//! Passwords: who may come in, by a file as `htpasswd -B` writes it.
//!
//! ```text
//!   ada:$2y$05$…        a name and the bcrypt of a password; other kinds are refused, they are weak
//! ```
//!
//! bcrypt is slow on purpose. A client says its password with each request, so those that were right are remembered,
//! as digests with a salt that never leaves this process; a name that is not known costs as much time as one that is.
//!
//! See htpasswd(1) and RFC 7617. Lab 16-registry.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::layers::Digest;

/// How many right passwords are remembered; there are seldom more users.
const REMEMBERED: usize = 1000;

/// Why a password file cannot be used. Its content is never shown.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// the file
        path: PathBuf,
        /// what the kernel answered
        source: std::io::Error,
    },
    /// A line that is no name with a bcrypt.
    #[error("{}, line {line}: no name with a bcrypt password: write it with htpasswd -B", path.display())]
    Line {
        /// the file
        path: PathBuf,
        /// its number, from 1
        line: usize,
    },
    /// There is nobody in it.
    #[error("{} has no user in it: add one with htpasswd -B", .0.display())]
    Empty(
        /// the file
        PathBuf,
    ),
}

/// Users and their passwords.
pub(super) struct Passwords {
    users: BTreeMap<String, String>,
    salt: [u8; 16],
    right: Mutex<BTreeSet<Digest>>,
}

impl Passwords {
    pub(super) fn load(path: &Path) -> Result<Passwords, PasswordError> {
        let read = |source| PasswordError::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        let mut users = BTreeMap::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let bcrypt = |hash: &&str| {
                hash.len() == 60 && ["$2a$", "$2b$", "$2y$"].iter().any(|kind| hash.starts_with(kind))
            };
            match line.trim_end().split_once(':').filter(|(name, hash)| !name.is_empty() && bcrypt(hash)) {
                Some((name, hash)) => users.insert(name.to_owned(), hash.to_owned()),
                None if line.starts_with('#') => continue,
                None => return Err(PasswordError::Line { path: path.to_owned(), line: at + 1 }),
            };
        }
        if users.is_empty() {
            return Err(PasswordError::Empty(path.to_owned()));
        }
        let mut salt = [0; 16];
        let filled = rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty());
        filled.map_err(|errno| read(errno.into()))?;
        Ok(Passwords { users, salt, right: Mutex::default() })
    }

    /// Whether these credentials were right before.
    pub(super) fn knows(&self, credentials: &str) -> bool {
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.contains(&self.digest(credentials))
    }

    /// Whether these credentials (`Basic …`, the header's value) are right. Slow.
    pub(super) fn admit(&self, credentials: &str) -> bool {
        let Some((name, password)) = basic(credentials) else { return false };
        let hash = self.users.get(&name);
        // somebody's stands for that of a name that is not known: it costs what this file's cost
        let Some(compared) = hash.or_else(|| self.users.values().next()) else { return false };
        let verified = bcrypt::verify(password, compared).unwrap_or(false);
        let admitted = verified && hash.is_some();
        if admitted {
            let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
            if right.len() >= REMEMBERED {
                right.clear();
            }
            right.insert(self.digest(credentials));
        }
        admitted
    }

    fn digest(&self, credentials: &str) -> Digest {
        Digest::of(&[&self.salt, credentials.as_bytes()].concat())
    }
}

fn basic(credentials: &str) -> Option<(String, String)> {
    let (scheme, encoded) = credentials.split_once(' ')?;
    let decoded =
        BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Passwords, PasswordError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        Passwords::load(file.path())
    }

    #[test]
    fn who_is_in_the_file_comes_in() {
        let hash = bcrypt::hash("secret", 4).expect("hashed");
        let passwords = load(&format!("# class\n\nada:{hash}\n")).expect("a file as htpasswd writes it");
        let said = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for (credentials, right) in [
            (said("ada:secret"), true),
            (said("ada:secret").replace("Basic", "basic"), true),
            (said("ada:Secret"), false),
            (said("ada:"), false),
            (said("bob:secret"), false),
            (said("ada"), false),
            (said("ada:secret").replace("Basic", "Bearer"), false),
            ("Basic ???".to_owned(), false),
            (String::new(), false),
        ] {
            assert!(!passwords.knows(&credentials), "{credentials}");
            assert_eq!(passwords.admit(&credentials), right, "{credentials}");
            assert_eq!(passwords.knows(&credentials), right, "{credentials}");
        }
    }

    #[test]
    fn a_name_that_is_not_known_costs_as_much_as_one_that_is() {
        let hash = bcrypt::hash("secret", 8).expect("hashed");
        let passwords = load(&format!("ada:{hash}\n")).expect("a file as htpasswd writes it");
        let clock = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let cost = |credentials: &str| {
            let began = clock();
            assert!(!passwords.admit(&format!("Basic {}", BASE64_STANDARD.encode(credentials))));
            let ended = clock();
            (ended.tv_sec - began.tv_sec) * 1_000_000 + (ended.tv_nsec - began.tv_nsec) / 1000
        };
        let (known, unknown) = (cost("ada:x"), cost("bob:x"));
        assert!(unknown * 2 > known && known * 2 > unknown, "{known} and {unknown} microseconds");
        assert!(
            !passwords.admit(&format!("Basic {}", BASE64_STANDARD.encode("bob:secret"))),
            "ada's password"
        );
    }

    #[test]
    fn weak_and_broken_lines_are_named_and_never_shown() {
        for (text, words) in [
            ("ada:$apr1$abc$def\n", "line 1"),
            ("ada:{SHA}xyz\n", "line 1"),
            ("\nada:secret\n", "line 2"),
            ("", "no user"),
        ] {
            let Err(error) = load(text) else { panic!("{text:?} is no password file") };
            let error = error.to_string();
            assert!(error.contains(words) && !error.contains("secret") && !error.contains("apr1"), "{error}");
        }
    }
}
