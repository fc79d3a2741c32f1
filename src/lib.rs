//! stepbox: a container engine you can step through.
pub mod journal;
pub mod kernel;
pub mod launch;
pub mod probe;
pub mod step;
pub mod trace;
