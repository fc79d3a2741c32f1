//! What becomes of a container's files: `commit`, `diff`, `cp`, `export`, from outside, as root and as a user who is not.
//!
//! ```text
//!   cargo test --test container_files                      with stepbox
//!   STEPBOX_SLOW=1 cargo test --test container_files docker     the same commands given to Docker: the same answers
//! ```

#[path = "container_files/attacks.rs"]
mod attacks;
#[path = "container_files/committing.rs"]
mod committing;
#[path = "container_files/copying.rs"]
mod copying;
#[path = "container_files/corpus.rs"]
mod corpus;
#[path = "container_files/docker.rs"]
mod docker;
#[path = "container_files/place.rs"]
mod place;
#[path = "container_files/reading.rs"]
mod reading;
#[path = "container_files/snapshots.rs"]
mod snapshots;
