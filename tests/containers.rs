//! Containers that outlive the command that made them: `create`, `start`, `run -d`, `attach`, `ps`, `logs`, `stop`, `kill`,
//! `wait`, `restart`, `rm`, `exec`, `pause`, `rename`, `top`, `stats`, `update`, `inspect`, `events`, from outside: child
//! processes only, as root in namespaces of each test's own, and as a user who is not root.

#[path = "containers/attach.rs"]
mod attach;
#[path = "containers/changes.rs"]
mod changes;
#[path = "containers/docker.rs"]
mod docker;
#[path = "containers/events.rs"]
mod events;
#[path = "containers/exec.rs"]
mod exec;
#[path = "containers/front.rs"]
mod front;
#[path = "containers/health.rs"]
mod health;
#[path = "containers/inspects.rs"]
mod inspects;
#[path = "containers/killed.rs"]
mod killed;
#[path = "containers/life.rs"]
mod life;
#[path = "containers/lists.rs"]
mod lists;
#[path = "containers/logs.rs"]
mod logs;
#[path = "containers/names.rs"]
mod names;
#[path = "containers/restarts.rs"]
mod restarts;
#[path = "containers/stats.rs"]
mod stats;
#[path = "containers/verbs.rs"]
mod verbs;

/// `sees FILE…`: until whoever is attached to red with these outputs has seen a word of his: `ping`, which red prints until
/// all of them have it.
const SEES: &str = "sees() { for seen; do until grep -qs ping $seen; do \
    $S exec red sh -c 'echo ping >/proc/1/fd/1'; sleep 0.05; done; done; };";
