//! OCI: a container as the runtime specification has it, from a bundle.

pub mod config;
