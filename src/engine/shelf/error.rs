//! What the shelf refuses, with what it was about.
//!
//! See the OCI distribution specification, error codes. Lab 16-registry.

use crate::engine::store::StoreError;
use crate::layers::Digest;

/// Why the shelf did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Not the name of a repository.
    #[error(
        "invalid repository name {0:?}: lower-case letters and digits, with '.', '_', '__' or '-' between them"
    )]
    NameInvalid(
        /// the text
        String,
    ),
    /// No image has this name.
    #[error("no repository {0} is here")]
    NameUnknown(
        /// the name
        String,
    ),
    /// Not a tag.
    #[error(
        "invalid tag {0:?}: up to 128 letters, digits, '_', '.' and '-', beginning with none of the last two"
    )]
    TagInvalid(
        /// the text
        String,
    ),
    /// Not a digest that is used here.
    #[error("{0:?} is not a digest: sha256: and 64 lower-case hexadecimal digits are")]
    DigestInvalid(
        /// the text
        String,
    ),
    /// Something arrived that is not what its digest says.
    #[error("the content is {found}, not {expected}")]
    Mismatch {
        /// what was said
        expected: Digest,
        /// what it is
        found: Digest,
    },
    /// No such manifest in this repository.
    #[error("{repository} has no manifest {selector}")]
    ManifestUnknown {
        /// where it was looked for
        repository: String,
        /// tag or digest
        selector: String,
    },
    /// No such blob.
    #[error("blob {0} is not here")]
    BlobUnknown(
        /// its digest
        Digest,
    ),
    /// No such upload in this repository, or no more.
    #[error("no upload {0} is under way: begin again")]
    UploadUnknown(
        /// its name
        String,
    ),
    /// Two requests at once for one upload.
    #[error("another request is writing to upload {0}")]
    UploadBusy(
        /// its name
        String,
    ),
    /// Too many uploads at once.
    #[error("{0} uploads are under way, which is as many as may be: finish or cancel some")]
    UploadsFull(
        /// how many
        usize,
    ),
    /// A manifest of a kind that is not kept here.
    #[error("media type {0:?} is no manifest or index of OCI, or of Docker's schema 2")]
    MediaType(
        /// what it is said to be
        String,
    ),
    /// A manifest that says another media type than the request.
    #[error("the manifest says mediaType {body:?}, the request Content-Type {header:?}")]
    MediaTypes {
        /// in the manifest
        body: String,
        /// in the request
        header: String,
    },
    /// A manifest that is not the JSON it should be.
    #[error("the manifest cannot be read: {0}")]
    Json(
        /// where it goes wrong
        #[source]
        serde_json::Error,
    ),
    /// A manifest of another schema.
    #[error("the manifest says schemaVersion {0}, and only 2 is kept here")]
    Schema(
        /// which
        u32,
    ),
    /// A descriptor whose size is not that of its blob.
    #[error("the manifest says that {blob} has {said} bytes, it has {found}")]
    Size {
        /// the blob
        blob: Digest,
        /// in the manifest
        said: u64,
        /// here
        found: u64,
    },
    /// Indexes within indexes, or more blobs than any image has.
    #[error("the manifest leads to more than {0}")]
    TooMuch(
        /// what there is too much of
        &'static str,
    ),
    /// A manifest was put before what it names.
    #[error("the manifest names {} blobs that are not here: upload them first", .0.len())]
    Absent(
        /// which
        Vec<Digest>,
    ),
    /// The name that the image would get is no name.
    #[error("an image cannot be named {0:?}: push to a shorter name, or by another address")]
    Unnameable(
        /// the name
        String,
    ),
    /// Nobody may push here.
    #[error("this registry is read-only")]
    ReadOnly,
    /// Nobody may delete here.
    #[error("deleting is off: it needs registry serve --allow-delete")]
    NoDelete,
    /// It belongs to an image.
    #[error("{0} belongs to an image: delete its manifest")]
    InUse(
        /// blob or manifest
        Digest,
    ),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An upload could not be written.
    #[error("write upload {id}: {source}")]
    Write {
        /// its name
        id: String,
        /// what the kernel answered
        source: std::io::Error,
    },
}
