//! `stepbox oci` from outside: real bundles, real kernels, runc's words; as root and as a user who is not.

#[path = "support/mod.rs"]
mod support;

#[path = "support/player.rs"]
#[allow(dead_code)]
mod player;

#[path = "run/site.rs"]
#[allow(dead_code)]
mod site;

#[path = "support/strace.rs"]
mod strace;

#[path = "oci/bundle.rs"]
mod bundle;

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
