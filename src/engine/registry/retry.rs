//! Retries: how long to wait before a request is sent again, and when to give up.
//!
//! ```text
//!   0.25 s, 0.5, 1, 2, 4     five times without progress, then it is over; what moved on begins anew
//! ```
//!
//! A part of each pause is left to chance, so that a class of thirty does not come back in one moment. A registry that
//! says how long (`Retry-After`) is heeded, up to ten
//! seconds. Lab 16-registry.

use super::transport::Answer;
use std::time::{Duration, SystemTime};

/// How often in a row it may fail.
const TRIES: u32 = 5;
/// The first pause.
const FIRST: Duration = Duration::from_millis(250);
/// The longest that a registry may ask for.
const LONGEST: Duration = Duration::from_secs(10);

/// What is left of our patience.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failed: u32,
}

impl Patience {
    /// Waits before the next try; false when there is to be none.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> bool {
        self.failed += 1;
        if self.failed > TRIES {
            return false;
        }
        let pause = FIRST * 2u32.pow(self.failed - 1);
        // the clock's last digits are chance enough for this
        let chance =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
        let pause = pause / 2 + pause / 2 * (chance % 1000) / 1000;
        std::thread::sleep(asked.unwrap_or(pause).min(LONGEST));
        true
    }

    /// It went on.
    pub(super) fn restore(&mut self) {
        self.failed = 0;
    }
}

/// Whether an answer may be another one in a moment, and if so how long it asks us to wait.
pub(super) fn passing(answer: &Answer) -> Option<Option<Duration>> {
    let passes = matches!(answer.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
    let seconds = answer.header("retry-after").and_then(|text| text.trim().parse().ok());
    passes.then(|| seconds.map(Duration::from_secs))
}
