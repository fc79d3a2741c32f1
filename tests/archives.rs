//! Archives of images: what save writes and load reads, ours and others', honest and hostile.

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
#[path = "archives/peers.rs"]
mod peers;
#[path = "archives/round_trips.rs"]
mod round_trips;
