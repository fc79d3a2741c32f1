//! Logging in: a registry is asked whether it knows the name and the password before they are kept.
//!
//! Lab 16-registry.

use super::Client;
use super::credentials::{CredentialError, Credentials, Kept, Login, Secret};
use super::error::RegistryError;

/// A login that a registry has accepted.
#[derive(Debug)]
pub struct Accepted {
    login: Login,
}

impl Accepted {
    /// Keeps it for the next command, and says where.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn keep(&self, registry: &str, credentials: &Credentials) -> Result<Kept, CredentialError> {
        credentials.keep(registry, &self.login)
    }
}

impl Client {
    /// Asks a registry whether it accepts a login. Where its token service gives an identity token, that stands for
    /// the password from then on.
    ///
    /// # Errors
    /// [`RegistryError::Login`] or [`RegistryError::Token`] for what it does not accept; those of the connection.
    pub fn login(&self, registry: &str, login: Login) -> Result<Accepted, RegistryError> {
        let session = self.open_as(registry, None)?;
        let identity = session.prove(&login).map_err(|error| match error {
            RegistryError::Token { refusal, .. } if refusal.is_denied() => {
                RegistryError::Login { registry: registry.to_owned(), refusal }
            }
            other => other,
        })?;
        let secret = match identity {
            Some(token) => Secret::Identity(token),
            None => login.secret,
        };
        Ok(Accepted { login: Login { user: login.user, secret } })
    }
}
