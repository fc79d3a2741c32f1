//! Archives of images: what save writes and load reads, ours and others', honest and hostile.

#[path = "support/archive.rs"]
mod archive;
#[path = "archives/faults.rs"]
mod faults;
#[path = "archives/forms.rs"]
mod forms;
#[path = "archives/hostile.rs"]
mod hostile;
#[path = "archives/imports.rs"]
mod imports;
#[path = "archives/layouts.rs"]
mod layouts;
#[path = "support/leaks.rs"]
#[allow(dead_code)]
mod leaks;
#[path = "archives/peers.rs"]
mod peers;
#[path = "support/player.rs"]
#[allow(dead_code)]
mod player;
#[path = "archives/round_trips.rs"]
mod round_trips;
#[path = "run/site.rs"]
#[allow(dead_code)]
mod site;
#[path = "support/mod.rs"]
mod support;
