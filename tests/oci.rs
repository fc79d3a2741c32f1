//! `stepbox oci` from outside: real bundles, real kernels, runc's words; as root and as a user who is not.

#[path = "oci/attached.rs"]
mod attached;
#[path = "oci/handed.rs"]
mod handed;
#[path = "oci/hooks.rs"]
mod hooks;
#[path = "oci/life.rs"]
mod life;
#[path = "oci/limits.rs"]
mod limits;
#[path = "oci/narrated.rs"]
mod narrated;
#[path = "oci/wording.rs"]
mod wording;
