//! stepbox: a container engine you can step through.

pub mod closure;
#[cfg(feature = "engine")]
pub mod engine;
pub mod layers;
