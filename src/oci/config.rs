//! Config: what `config.json` says, as a [`crate::spec::Spec`]. See the runtime specification's config.md.

pub mod mounts;
