//! Mind: what a monitor in a process of its own does about what it hears.
//!
//! ```text
//!   SIGTERM ───────────────────────> the program: the machine goes down
//!   attached: window size, signal ─> the terminal, the program ──> told
//!   health check ──────────────────> state.json ─────────────────> told where it is another now
//! ```
//!
//! See [`super::serve`], [`super::probe`].

use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::termios::{Winsize, tcsetwinsize};

use super::carrier::{Asked, Carrier};
use super::look_again;
use super::probe::{Prober, Turned};
use super::serve::{Heard, Mind};
use crate::engine::containers::end::ends_for_good;
use crate::engine::containers::{Record, life};
use crate::engine::events::of;
use crate::engine::state::State;
use crate::kernel::process;
use crate::launch::Running;
use crate::spec::WindowSize;

/// That of a monitor.
pub(super) struct OfItsOwn<'m> {
    state: &'m State,
    directory: &'m Path,
    record: &'m mut Record,
    window: &'m mut Option<WindowSize>,
    prober: Option<Prober>,
}

impl<'m> OfItsOwn<'m> {
    pub(super) fn new(
        (state, directory): (&'m State, &'m Path),
        record: &'m mut Record,
        window: &'m mut Option<WindowSize>,
    ) -> OfItsOwn<'m> {
        OfItsOwn { state, directory, record, window, prober: None }
    }

    /// Begins to check whether it is well, where it has a check; its first process has this number.
    pub(super) fn probe(&mut self, pid: i32) {
        self.prober = Prober::begin(self.directory, self.record, pid);
    }

    /// What somebody who is attached asks for.
    pub(super) fn obey(&mut self, asked: Asked, running: &Running<'_>, carrier: &Carrier) {
        // what is told of it is told under the name that it has now
        look_again(self.directory, self.record);
        match (asked, carrier.terminal()) {
            (Asked::Resize { rows, columns }, Some(ptmx)) => {
                *self.window = Some(WindowSize { rows, columns });
                let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                let _ = tcsetwinsize(ptmx, size);
                self.state.events().tell(&[of::resized(self.record, rows, columns)]);
            }
            (Asked::Resize { .. }, None) => {}
            (Asked::Signal(signal), _) => {
                // as `kill`: whoever sends it does not want it back
                if ends_for_good(self.record, signal) {
                    let _ = std::fs::write(life::stopped(self.directory), "");
                }
                if let Some(pidfd) = running.pidfd() {
                    let _ = process::signal(pidfd, signal);
                    self.state.events().tell(&[of::kill(self.record, signal)]);
                }
            }
        }
    }
}

impl Mind for OfItsOwn<'_> {
    fn heed(&mut self, heard: Heard, running: &Running<'_>, carrier: &Carrier) {
        match heard {
            // the machine goes down
            Heard::Signal(libc::SIGTERM) => {
                running.pidfd().map(|pidfd| process::signal(pidfd, libc::SIGTERM));
            }
            Heard::Signal(_) => {}
            Heard::Asked(asked) => self.obey(asked, running, carrier),
        }
    }

    fn wait_for(&self) -> Vec<PollFd<'_>> {
        self.prober.iter().flat_map(Prober::wait_for).collect()
    }

    fn patience(&self) -> Option<Duration> {
        self.prober.as_ref().and_then(Prober::patience)
    }

    fn turn(&mut self, found: &[PollFlags]) {
        let Some(prober) = &mut self.prober else { return };
        let turned = prober.turn(found, self.state, self.record);
        if turned == Turned::Nothing {
            return;
        }
        // on a full disk it is written down with the next one: nothing is worth the container's end
        let _ = self.record.life.save(self.directory);
        if let Turned::Changed(condition) = turned {
            look_again(self.directory, self.record);
            let action = format!("health_status: {}", condition.word());
            self.state.events().tell(&[of::container(self.record, &action)]);
        }
    }
}
