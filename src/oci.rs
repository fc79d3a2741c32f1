//! OCI runtime: a bundle's `config.json`, taken to the one recipe. See the runtime specification, 1.2.

pub mod config;
