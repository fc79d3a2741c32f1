//! Bars: how far each layer of an archive is, for who looks at a terminal.
//!
//! ```text
//!   5f70bf18a086: Loading layer [=======================>                ] 2.1 MB/4.5 MB
//! ```

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use crate::cli::progress::style;
use crate::engine::archives::Watch;
use crate::engine::store::Arrival;
use crate::layers::Digest;

/// Progress bars on standard output.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
    layers: Mutex<HashMap<Digest, ProgressBar>>,
}

impl Bars {
    pub(super) fn new() -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        Bars { all, layers: Mutex::default() }
    }
}

impl Watch for Bars {
    fn layer(&self, diff_id: Digest, size: u64, what: Arrival) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            Arrival::Fetching => {
                let bar = self.all.add(ProgressBar::new(size).with_prefix(diff_id.short()));
                bar.set_style(style(
                    "{prefix}: Loading layer [{bar:40.=> }] {decimal_bytes}/{decimal_total_bytes}",
                ));
                layers.insert(diff_id, bar);
            }
            Arrival::Complete => {
                if let Some(bar) = layers.get(&diff_id) {
                    bar.finish();
                }
            }
            Arrival::Waiting | Arrival::Present => {}
        }
    }

    fn read(&self, diff_id: Digest, bytes: u64) {
        let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = layers.get(&diff_id) {
            bar.inc(bytes);
        }
    }
}
