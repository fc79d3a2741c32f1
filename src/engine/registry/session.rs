//! Sessions: requests to one registry, with whatever it wants to see first.
//!
//! ```text
//!   open   GET /v2/  ──> 200: nothing is asked for;  401: a challenge
//!   ask    request, with a token or a password ──> 401: the token is old, a new one, once more
//!                                              ──> 429, 5xx, no answer: a pause, once more
//! ```
//!
//! See the OCI distribution specification, "determining support". Lab 16-registry.

use super::challenge::Challenge;
use super::credentials::Login;
use super::endpoint;
use super::error::RegistryError;
use super::refusal::Refusal;
use super::retry::{self, Patience};
use super::token::{self, Service, Token};
use super::transport::{Answer, Ask, Payload};
use super::{Client, Report, Silent};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use ureq::http::header::{HeaderName, HeaderValue, WWW_AUTHENTICATE};
use ureq::http::{Method, StatusCode, Uri};

/// What a request is for, in a token service's words: `repository:library/busybox:pull`.
pub(super) fn scope(repository: &str, actions: &str) -> String {
    format!("repository:{repository}:{actions}")
}

/// A registry that has answered.
pub(super) struct Session<'a> {
    pub(super) client: &'a Client,
    /// as names of images have it
    pub(super) registry: String,
    /// where it answers, `https://host:port`
    pub(super) origin: String,
    challenge: Option<Challenge>,
    login: Option<Login>,
    /// tokens by their scopes
    tokens: Mutex<HashMap<Vec<String>, Token>>,
}

/// A request below `/v2/`, or at an address that the registry has given.
#[derive(Clone)]
pub(super) struct Errand<'a> {
    pub(super) method: Method,
    pub(super) place: Place<'a>,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) payload: Payload<'a>,
    /// what the token must allow
    pub(super) scopes: &'a [String],
}

/// Where a request goes.
#[derive(Clone)]
pub(super) enum Place<'a> {
    /// a path below `/v2/`
    Path(&'a str),
    /// where a `Location` led
    Url(Uri),
}

impl Client {
    /// Finds out where and how a registry answers, with the credentials that are kept for it.
    pub(super) fn open(&self, registry: &str) -> Result<Session<'_>, RegistryError> {
        let login = match &self.credentials {
            Some(credentials) => credentials.get(registry)?,
            None => None,
        };
        self.open_as(registry, login)
    }

    /// The same with other credentials.
    pub(super) fn open_as(&self, registry: &str, login: Option<Login>) -> Result<Session<'_>, RegistryError> {
        let (registry, mut failed) = (endpoint::host(registry)?, None);
        for origin in endpoint::origins(registry, &self.transport.policy) {
            let url: Uri = format!("{origin}/v2/").parse().map_err(|_| no_host(registry))?;
            let home = endpoint::origin(&url);
            match self.transport.send(&Ask::new(Method::GET, url)) {
                Ok(answer) => {
                    // who was only redirected to is not believed about whom to give a password
                    let theirs = endpoint::origin(&answer.url) != home;
                    let challenge = Challenge::of(challenges(&answer)).filter(|_| !theirs);
                    let known = answer.header("docker-distribution-api-version").is_some();
                    return match answer.status {
                        StatusCode::UNAUTHORIZED | StatusCode::OK => Ok(Session {
                            client: self,
                            registry: registry.to_owned(),
                            origin,
                            challenge,
                            login,
                            tokens: Mutex::default(),
                        }),
                        _ => {
                            let refusal = Refusal::of(answer);
                            Err(match known {
                                true => {
                                    RegistryError::Refused { what: format!("registry {registry}"), refusal }
                                }
                                false => RegistryError::NoRegistry { host: registry.to_owned(), refusal },
                            })
                        }
                    };
                }
                // whoever speaks TLS without proof is not asked to speak without TLS
                Err(error @ RegistryError::Untrusted { .. }) => return Err(error),
                // nobody speaks TLS there: without it, where that is allowed
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| no_host(registry)))
    }
}

fn no_host(registry: &str) -> RegistryError {
    RegistryError::Location { url: registry.to_owned(), found: None }
}

fn challenges(answer: &Answer) -> impl Iterator<Item = &str> {
    answer.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok())
}

impl Session<'_> {
    /// Sends a request, as often as it takes to be let in; what has no answer in a moment is sent again. The answer may
    /// have any status.
    pub(super) fn ask(&self, errand: &Errand<'_>) -> Result<Answer, RegistryError> {
        self.ask_aloud(errand, "", &Silent)
    }

    /// The same, and says when it has to be sent again on behalf of a layer.
    pub(super) fn ask_aloud(
        &self,
        errand: &Errand<'_>,
        layer: &str,
        report: &dyn Report,
    ) -> Result<Answer, RegistryError> {
        let mut patience = Patience::default();
        loop {
            let answer = self.ask_once(errand);
            let pause = match &answer {
                Ok(answer) => retry::passing(answer),
                Err(error) if error.may_pass() => Some(None),
                Err(_) => None,
            };
            match pause {
                Some(pause) => {
                    if !layer.is_empty() {
                        report.layer(layer, super::Stage::Retrying);
                    }
                    if !patience.wait(pause) {
                        return answer;
                    }
                }
                None => return answer,
            }
        }
    }

    /// The same without a second try, for what cannot simply be sent again.
    pub(super) fn ask_once(&self, errand: &Errand<'_>) -> Result<Answer, RegistryError> {
        let url = match &errand.place {
            Place::Path(path) => {
                let url = format!("{}/v2/{path}", self.origin).parse();
                url.map_err(|_| RegistryError::Location {
                    url: self.origin.clone(),
                    found: Some((*path).to_owned()),
                })?
            }
            Place::Url(url) => url.clone(),
        };
        // a place that the registry names may be another host's: that one has no claim on our credentials
        let ours = self.is_home(&url);
        let mut ask = Ask {
            method: errand.method.clone(),
            url,
            headers: errand.headers.clone(),
            authorization: if ours {
                self.authorization(errand.scopes, self.challenge.as_ref(), false)?
            } else {
                None
            },
            payload: errand.payload,
        };
        let answer = self.client.transport.send(&ask)?;
        // nor has one that a redirect led to, whatever it wants to see and from whose token service
        if answer.status != StatusCode::UNAUTHORIZED || !ours || !self.is_home(&answer.url) {
            return Ok(answer);
        }
        let challenge = Challenge::of(challenges(&answer)).or_else(|| self.challenge.clone());
        // the same password again would be refused again
        if let (Some(Challenge::Basic) | None, Some(_)) = (&challenge, &ask.authorization) {
            return Ok(answer);
        }
        ask.authorization = self.authorization(errand.scopes, challenge.as_ref(), true)?;
        match ask.authorization {
            Some(_) => self.client.transport.send(&ask),
            None => Ok(answer),
        }
    }

    fn is_home(&self, url: &Uri) -> bool {
        let home: Option<Uri> = self.origin.parse().ok();
        home.is_some_and(|home| endpoint::origin(&home) == endpoint::origin(url))
    }

    /// What lets a request in, by what the registry wants to see.
    fn authorization(
        &self,
        scopes: &[String],
        challenge: Option<&Challenge>,
        anew: bool,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        match challenge {
            None => Ok(None),
            Some(Challenge::Basic) => match self.login.as_ref().and_then(token::authorization) {
                Some(header) => Ok(Some(header)),
                None => Err(RegistryError::NoCredentials { registry: self.registry.clone() }),
            },
            Some(Challenge::Bearer { realm, service, .. }) => {
                // one at a time: the others find the token that the first one got
                let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(token) = tokens.get(scopes)
                    && !anew
                    && token.until > Instant::now()
                {
                    return Ok(Some(token.header.clone()));
                }
                let token = self.service(realm, service.as_deref()).token(
                    &self.client.transport,
                    scopes,
                    self.login.as_ref(),
                    false,
                )?;
                let header = token.header.clone();
                tokens.insert(scopes.to_vec(), token);
                Ok(Some(header))
            }
        }
    }

    fn service<'b>(&'b self, realm: &'b str, service: Option<&'b str>) -> Service<'b> {
        Service { registry: &self.registry, origin: &self.origin, realm, service }
    }

    /// Proves a login, and returns the identity token that may stand for its password from now on.
    pub(super) fn prove(&self, login: &Login) -> Result<Option<String>, RegistryError> {
        let (header, identity) = match &self.challenge {
            None => (None, None),
            Some(Challenge::Basic) => (token::authorization(login), None),
            Some(Challenge::Bearer { realm, service, .. }) => {
                let service = self.service(realm, service.as_deref());
                let token = service.token(&self.client.transport, &[], Some(login), true)?;
                (Some(token.header), token.identity)
            }
        };
        let url = format!("{}/v2/", self.origin).parse().map_err(|_| no_host(&self.registry))?;
        let answer =
            self.client.transport.send(&Ask { authorization: header, ..Ask::new(Method::GET, url) })?;
        match answer.status {
            StatusCode::OK => Ok(identity),
            _ => Err(RegistryError::Login { registry: self.registry.clone(), refusal: Refusal::of(answer) }),
        }
    }
}
