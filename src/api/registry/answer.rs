//! Answers: heads, JSON, and refusals with the codes of the specification.
//!
//! ```text
//!   {"errors": [{"code": "BLOB_UNKNOWN", "message": "blob sha256:… is not here", "detail": {…}}]}
//! ```
//!
//! See the OCI distribution specification, error codes. Lab 16-registry.

use hyper::http::HeaderValue;
use hyper::{Response, StatusCode, header};
use serde_json::{Value, json};

use crate::api::intake::IntakeError;
use crate::api::reply::Reply;
use crate::engine::shelf::ShelfError;
use crate::engine::store::StoreError;

/// Why a request is not answered as it wishes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error(transparent)]
    Intake(#[from] IntakeError),
    #[error("there is nothing under this path")]
    Route,
    #[error("only {0} can be done here")]
    Method(&'static str),
    #[error("authentication required")]
    Password,
    #[error("{0:?} is not one of our names: serve it with --host")]
    Host(String),
    #[error("requests of web pages are not answered")]
    Origin,
    #[error("there has to be one Host, which says by what name we are called")]
    Hosts,
    #[error("there are {0} bytes")]
    Range(u64),
    #[error("Content-Range {0:?} is not FIRST-LAST")]
    Chunk(String),
    #[error("the chunk begins at {first}, {size} bytes have arrived")]
    Order { first: u64, size: u64, place: String },
    #[error("the chunk has {found} bytes, its head says {said}")]
    Length { said: u64, found: u64 },
    #[error("a digest is missing: ?digest=sha256:…")]
    NoDigest,
    #[error("Content-Type is missing: it says which kind of manifest this is")]
    NoType,
    #[error("n has to be a number")]
    Page,
    #[error("an answer could not be made")]
    Broken,
}

impl Refusal {
    fn code(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Refusal::Shelf(error) => shelf_code(error),
            Refusal::Intake(IntakeError::Slow) => (S::REQUEST_TIMEOUT, "BLOB_UPLOAD_INVALID"),
            Refusal::Intake(IntakeError::Large(_)) => (S::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            Refusal::Intake(IntakeError::Broken(_)) => (S::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Refusal::Route => (S::NOT_FOUND, "UNSUPPORTED"),
            Refusal::Method(_) => (S::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Refusal::Password => (S::UNAUTHORIZED, "UNAUTHORIZED"),
            Refusal::Host(_) => (S::MISDIRECTED_REQUEST, "DENIED"),
            Refusal::Origin => (S::FORBIDDEN, "DENIED"),
            Refusal::Hosts => (S::BAD_REQUEST, "UNSUPPORTED"),
            Refusal::Range(_) => (S::RANGE_NOT_SATISFIABLE, "RANGE_INVALID"),
            Refusal::Chunk(_) => (S::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Refusal::Order { .. } => (S::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID"),
            Refusal::Length { .. } => (S::BAD_REQUEST, "SIZE_INVALID"),
            Refusal::NoDigest => (S::BAD_REQUEST, "DIGEST_INVALID"),
            Refusal::NoType => (S::BAD_REQUEST, "MANIFEST_INVALID"),
            Refusal::Page => (S::BAD_REQUEST, "PAGINATION_NUMBER_INVALID"),
            Refusal::Broken => (S::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        }
    }

    /// What the log should say of it beyond the status: faults on our side.
    pub(super) fn fault(&self) -> Option<String> {
        self.code().0.is_server_error().then(|| self.to_string())
    }

    /// Whether the connection is of no more use.
    pub(super) fn ends(&self) -> bool {
        matches!(self, Refusal::Hosts | Refusal::Intake(IntakeError::Slow | IntakeError::Broken(_)))
    }

    fn detail(&self) -> Value {
        match self {
            Refusal::Shelf(ShelfError::Absent(digests)) => json!({ "digests": digests }),
            Refusal::Shelf(ShelfError::BlobUnknown(digest)) => json!({ "digest": digest }),
            Refusal::Shelf(ShelfError::Mismatch { expected, found }) => {
                json!({ "expected": expected, "found": found })
            }
            Refusal::Shelf(ShelfError::NameUnknown(name) | ShelfError::NameInvalid(name)) => {
                json!({ "name": name })
            }
            Refusal::Shelf(ShelfError::ManifestUnknown { repository, selector }) => {
                json!({ "name": repository, "reference": selector })
            }
            _ => json!({}),
        }
    }
}

fn shelf_code(error: &ShelfError) -> (StatusCode, &'static str) {
    use {ShelfError as E, StatusCode as S};
    match error {
        E::NameInvalid(_) | E::Unnameable(_) => (S::BAD_REQUEST, "NAME_INVALID"),
        E::NameUnknown(_) => (S::NOT_FOUND, "NAME_UNKNOWN"),
        E::TagInvalid(_) => (S::BAD_REQUEST, "TAG_INVALID"),
        E::DigestInvalid(_) | E::Mismatch { .. } => (S::BAD_REQUEST, "DIGEST_INVALID"),
        E::ManifestUnknown { .. } => (S::NOT_FOUND, "MANIFEST_UNKNOWN"),
        E::BlobUnknown(_) => (S::NOT_FOUND, "BLOB_UNKNOWN"),
        E::UploadUnknown(_) => (S::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
        E::UploadBusy(_) => (S::CONFLICT, "BLOB_UPLOAD_INVALID"),
        E::UploadsFull(_) => (S::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
        E::MediaType(_) | E::MediaTypes { .. } | E::Json(_) | E::Schema(_) | E::TooMuch(_) => {
            (S::BAD_REQUEST, "MANIFEST_INVALID")
        }
        E::Size { .. } => (S::BAD_REQUEST, "SIZE_INVALID"),
        E::Absent(_) => (S::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
        E::ReadOnly | E::NoDelete | E::InUse(_) => (S::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
        E::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            (S::INSUFFICIENT_STORAGE, "UNKNOWN")
        }
        E::Store(StoreError::File { source, .. }) if source.kind() == std::io::ErrorKind::StorageFull => {
            (S::INSUFFICIENT_STORAGE, "UNKNOWN")
        }
        E::Store(_) | E::Write { .. } => (S::INTERNAL_SERVER_ERROR, "UNKNOWN"),
    }
}

/// The answer that refuses.
pub(super) fn refused(refusal: &Refusal) -> Response<Reply> {
    let (status, code) = refusal.code();
    // paths of this machine are nobody else's affair
    let message = match refusal {
        _ if status == StatusCode::INSUFFICIENT_STORAGE => "the disk of this registry is full".to_owned(),
        Refusal::Shelf(ShelfError::Store(_) | ShelfError::Write { .. }) => "the store failed".to_owned(),
        other => other.to_string(),
    };
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": refusal.detail() }] });
    let mut head = head(status).header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    head = match refusal {
        Refusal::Method(methods) => head.header(header::ALLOW, *methods),
        Refusal::Shelf(ShelfError::ReadOnly | ShelfError::NoDelete) => {
            head.header(header::ALLOW, "GET, HEAD")
        }
        Refusal::Password => {
            head.header(header::WWW_AUTHENTICATE, "Basic realm=\"stepbox registry\", charset=\"UTF-8\"")
        }
        Refusal::Range(size) => head.header(header::CONTENT_RANGE, format!("bytes */{size}")),
        Refusal::Order { size, place, .. } => {
            head.header(header::LOCATION, place).header(header::RANGE, arrived(*size))
        }
        _ => head,
    };
    if refusal.ends() {
        head = head.header(header::CONNECTION, "close");
    }
    let reply = Reply::bytes(body.to_string());
    head.body(reply).unwrap_or_else(|_| {
        let mut response = Response::new(Reply::bytes(""));
        *response.status_mut() = status;
        response
    })
}

/// How much of an upload has arrived, as its `Range` says it: the last byte, and 0 for none.
pub(super) fn arrived(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

/// The head of an answer.
pub(super) fn head(status: StatusCode) -> hyper::http::response::Builder {
    Response::builder().status(status)
}

/// The end of an answer. What is no header's value was checked long before.
pub(super) fn done(head: hyper::http::response::Builder, reply: Reply) -> Result<Response<Reply>, Refusal> {
    head.body(reply).map_err(|_| Refusal::Broken)
}

/// JSON.
pub(super) fn json(status: StatusCode, value: &Value) -> Result<Response<Reply>, Refusal> {
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    done(head(status).header(header::CONTENT_TYPE, kind), Reply::bytes(value.to_string()))
}
