//! The commands that look at images, name and remove them, from outside: whole conversations, in Docker's words.
//!
//! What Docker itself says was recorded with a dockerd of Debian 12 (20.10); these snapshots say the same, but for what
//! differs by design: `stepbox:` where Docker has `Error response from daemon:`.

#[macro_use]
#[path = "images/talk.rs"]
mod talk;

#[path = "images/check.rs"]
mod check;
#[path = "images/docker.rs"]
mod docker;
#[path = "images/lists.rs"]
mod lists;
#[path = "images/look.rs"]
mod look;
#[path = "images/remove.rs"]
mod remove;
#[path = "images/system.rs"]
mod system;
