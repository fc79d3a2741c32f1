//! `stepbox run` and what belongs to it, from outside: child processes only, as root in namespaces of each test's
//! own, and as a user who is not root.
//!
//! Nothing here may print without end: each script has a time limit and a limit on what it writes.

#[path = "run/attacks.rs"]
mod attacks;
#[path = "run/basics.rs"]
mod basics;
#[path = "run/drivers.rs"]
mod drivers;
#[path = "run/flags.rs"]
mod flags;
#[path = "run/help.rs"]
mod help;
#[path = "run/hostile.rs"]
mod hostile;
#[path = "run/import.rs"]
mod import;
#[path = "run/mounts.rs"]
mod mounts;
#[path = "run/names.rs"]
mod names;
#[path = "run/options.rs"]
mod options;
#[path = "run/orphans.rs"]
mod orphans;
#[path = "run/policy.rs"]
mod policy;
#[path = "run/ports.rs"]
mod ports;
#[path = "run/privilege.rs"]
mod privilege;
#[path = "run/resources.rs"]
mod resources;
#[path = "run/signals.rs"]
mod signals;
#[path = "run/terminal.rs"]
mod terminal;
#[path = "run/travel.rs"]
mod travel;
