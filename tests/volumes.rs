//! Volumes, from outside: what containers find in them, who may remove them, and what is left of them after a kill.

#[path = "volumes/copies.rs"]
mod copies;
#[path = "volumes/docker.rs"]
mod docker;
#[path = "volumes/lives.rs"]
mod lives;
#[path = "volumes/made.rs"]
mod made;
#[path = "volumes/words.rs"]
mod words;
