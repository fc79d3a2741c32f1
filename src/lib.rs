//! stepbox: a container engine you can step through.

pub mod layers;
