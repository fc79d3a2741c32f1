//! Restart: whether, and after how long, a container is started again.
//!
//! ```text
//!   ended ── policy? ── 100 ms, 200 ms, 400 ms … 1 minute ──> again
//!                        └ from the beginning after a run of 10 s
//! ```
//!
//! See docs.docker.com, "Start containers automatically".

use std::time::Duration;

use crate::engine::request::Restart;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// A run of that length has worked.
const WORKED: Duration = Duration::from_secs(10);

/// How long the pauses have become.
#[derive(Debug, Default)]
pub struct BackOff {
    last: Duration,
}

impl BackOff {
    /// The pause before the next start; none where there is none. `restarts` were made before this one, and it ran for
    /// `ran`.
    pub fn next(
        &mut self,
        policy: Restart,
        exit: i32,
        stopped: bool,
        restarts: u32,
        ran: Duration,
    ) -> Option<Duration> {
        let again = match policy {
            _ if stopped => false,
            Restart::No => false,
            Restart::Always | Restart::UnlessStopped => true,
            Restart::OnFailure(most) => exit != 0 && (most == 0 || restarts < most),
        };
        if ran >= WORKED {
            self.last = Duration::ZERO;
        }
        self.last = if self.last.is_zero() { FIRST } else { (self.last * 2).min(LONGEST) };
        again.then_some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_a_run_has_worked() {
        let mut back_off = BackOff::default();
        let short = Duration::from_secs(1);
        let pauses: Vec<u128> = (0..12)
            .filter_map(|round| back_off.next(Restart::Always, 0, false, round, short))
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
        assert_eq!(back_off.next(Restart::Always, 0, false, 12, WORKED), Some(FIRST));
    }

    #[test]
    fn each_policy_has_its_own_mind() {
        let next = |policy, exit, stopped, restarts| {
            BackOff::default().next(policy, exit, stopped, restarts, Duration::ZERO).is_some()
        };
        assert!(!next(Restart::No, 1, false, 0));
        assert!(next(Restart::Always, 0, false, 99) && !next(Restart::Always, 0, true, 0));
        assert!(next(Restart::UnlessStopped, 0, false, 0) && !next(Restart::UnlessStopped, 1, true, 0));
        assert!(next(Restart::OnFailure(0), 1, false, 99) && !next(Restart::OnFailure(0), 0, false, 0));
        assert!(next(Restart::OnFailure(2), 1, false, 1) && !next(Restart::OnFailure(2), 1, false, 2));
    }
}
