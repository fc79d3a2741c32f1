//! Tokens: what a registry's token service gives for a name and a password, for one purpose and some minutes.
//!
//! ```text
//!   GET realm?service=S&scope=repository:x:pull     Authorization: Basic …     ──>  {"token": …, "expires_in": 300}
//!   POST realm   grant_type=refresh_token&…         (with an identity token)   ──>  {"access_token": …}
//! ```
//!
//! Without a name it is asked all the same: what is public may be pulled with a token for nobody.
//! See the distribution project's token and OAuth2 specifications. Lab 16-registry.

use super::credentials::{Login, Secret, basic};
use super::endpoint;
use super::error::RegistryError;
use super::refusal::Refusal;
use super::transport::{Answer, Ask, Payload, Transport, Unread, address};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::time::{Duration, Instant};
use ureq::http::header::{CONTENT_TYPE, HeaderValue};
use ureq::http::{Method, Uri};

/// How long an answer may be.
const LONGEST: u64 = 1 << 20;
/// How long a token is good where nothing is said of it.
const SHORTEST: u64 = 60;
/// Who we are to a token service.
const CLIENT: &str = "stepbox";

/// A token.
#[derive(Clone)]
pub(super) struct Token {
    /// what goes into the header
    pub(super) header: HeaderValue,
    /// from when on it is not used any more
    pub(super) until: Instant,
    /// for logging in without the password from now on
    pub(super) identity: Option<String>,
}

/// Where tokens come from.
pub(super) struct Service<'a> {
    /// the registry that named it
    pub(super) registry: &'a str,
    /// where that answers, `https://host:port`
    pub(super) origin: &'a str,
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
}

#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Service<'_> {
    /// Asks for a token for these scopes. With `offline` it is also asked for an identity token.
    pub(super) fn token(
        &self,
        transport: &Transport,
        scopes: &[String],
        login: Option<&Login>,
        offline: bool,
    ) -> Result<Token, RegistryError> {
        let realm = self.realm(transport)?;
        let answer = match login {
            Some(Login { secret: Secret::Identity(token), .. }) => {
                let mut form =
                    vec![("grant_type", "refresh_token"), ("client_id", CLIENT), ("refresh_token", token)];
                form.extend(self.service.map(|service| ("service", service)));
                let scope = scopes.join(" ");
                form.push(("scope", &scope));
                let form = query(&form);
                let form_type = (CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned());
                let payload = Payload::Bytes(form.as_bytes());
                transport.send(&Ask {
                    headers: vec![form_type],
                    payload,
                    ..Ask::new(Method::POST, realm.clone())
                })?
            }
            _ => {
                let mut asked: Vec<(&str, &str)> = Vec::new();
                asked.extend(self.service.map(|service| ("service", service)));
                asked.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
                if let Some(login) = login {
                    asked.push(("account", &login.user));
                }
                if offline {
                    asked.extend([("client_id", CLIENT), ("offline_token", "true")]);
                }
                let url = self.with_query(&realm, &query(&asked))?;
                let authorization = login.and_then(authorization);
                transport.send(&Ask { authorization, ..Ask::new(Method::GET, url) })?
            }
        };
        if !answer.status.is_success() {
            return Err(RegistryError::Token { realm: address(&realm), refusal: Refusal::of(answer) });
        }
        self.granted(answer)
    }

    /// Its address. A name and a password must not go over the network for all to see.
    fn realm(&self, transport: &Transport) -> Result<Uri, RegistryError> {
        let realm: Uri = self.realm.parse().map_err(|_| self.bad("is no address"))?;
        // where the registry itself is spoken to without TLS, its own host is no worse at another port
        let beside = || {
            let home: Option<Uri> = self.origin.parse().ok();
            home.is_some_and(|home| home.scheme_str() == Some("http") && home.host() == realm.host())
        };
        match realm.scheme_str() {
            Some("https") => Ok(realm),
            Some("http") if transport.policy.plain(endpoint::host_and_port(&realm)) || beside() => Ok(realm),
            Some("http") => {
                Err(self.bad("is without TLS: refused, unless --insecure-registry names its host"))
            }
            _ => Err(self.bad("is no address")),
        }
    }

    fn with_query(&self, realm: &Uri, query: &str) -> Result<Uri, RegistryError> {
        let joint = if realm.query().is_some() { '&' } else { '?' };
        format!("{realm}{joint}{query}").parse().map_err(|_| self.bad("is no address"))
    }

    fn granted(&self, answer: Answer) -> Result<Token, RegistryError> {
        let text = answer.whole(LONGEST).map_err(|unread| match unread {
            Unread::Long => self.bad("answers more than 1 MiB"),
            Unread::Slow(_) => self.bad("does not come to an end with its answer"),
            Unread::Broken(_) => self.bad("broke off its answer"),
        })?;
        // what is wrong with it is not shown: it may hold a token
        let granted: Granted = serde_json::from_slice(&text).map_err(|_| self.bad("answers no JSON"))?;
        let token = granted.token.or(granted.access_token).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| self.bad("answers without a token"))?;
        let header = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut header = header.map_err(|_| self.bad("gives a token that is no text"))?;
        header.set_sensitive(true);
        // asked for anew before it is refused
        let good = granted.expires_in.unwrap_or(SHORTEST).clamp(SHORTEST, 86_400) * 9 / 10;
        let until = Instant::now() + Duration::from_secs(good);
        Ok(Token { header, until, identity: granted.refresh_token.filter(|token| !token.is_empty()) })
    }

    fn bad(&self, reason: &'static str) -> RegistryError {
        RegistryError::Realm { registry: self.registry.to_owned(), realm: self.realm.to_owned(), reason }
    }
}

/// The header of basic authentication; none for one who has no password.
pub(super) fn authorization(login: &Login) -> Option<HeaderValue> {
    let Secret::Password(password) = &login.secret else { return None };
    let mut header = HeaderValue::from_str(&format!("Basic {}", basic(&login.user, password))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// `a=1&b=2`, encoded.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}
