//! What a pull or push shows: a bar for each layer in a terminal, else Docker's lines.
//!
//! ```text
//!   9758c28807f2: Downloading [=========>          ] 12.1 MiB/25.8 MiB
//!   5f70bf18a086: Already exists
//! ```

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::registry::{Report, Stage};

/// Where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// as the command's result
    Stdout,
    /// beside it: what is on standard output is the container's
    Stderr,
    /// nowhere
    Nowhere,
}

/// Who shows it.
pub(super) struct Progress {
    output: Output,
    bars: Option<Bars>,
}

struct Bars {
    all: MultiProgress,
    layers: Mutex<HashMap<String, ProgressBar>>,
    /// lines that come after the bars
    after: Mutex<Vec<String>>,
}

impl Progress {
    /// Shows it there; bars where that is a terminal.
    pub(super) fn new(output: Output) -> Progress {
        let target = match output {
            Output::Stdout if std::io::stdout().is_terminal() => Some(ProgressDrawTarget::stdout()),
            Output::Stderr if std::io::stderr().is_terminal() => Some(ProgressDrawTarget::stderr()),
            _ => None,
        };
        let bars = target.map(|target| Bars {
            all: MultiProgress::with_draw_target(target),
            layers: Mutex::default(),
            after: Mutex::default(),
        });
        Progress { output, bars }
    }

    fn print(&self, line: &str) {
        // a reader that is gone is no reason to stop
        let _ = match self.output {
            Output::Stdout => writeln!(std::io::stdout(), "{line}"),
            Output::Stderr => writeln!(std::io::stderr(), "{line}"),
            Output::Nowhere => Ok(()),
        };
    }
}

impl Report for Progress {
    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) if !locked(&bars.layers).is_empty() => locked(&bars.after).push(line.to_owned()),
            _ => self.print(line),
        }
    }

    fn layer(&self, id: &str, stage: Stage<'_>) {
        match &self.bars {
            Some(bars) => bars.show(id, stage),
            // how far it is interests nobody who reads it later
            None if matches!(stage, Stage::Downloading { .. } | Stage::Pushing { .. }) => {}
            None => self.print(&format!("{id}: {stage}")),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some(bars) = &self.bars else { return };
        for bar in locked(&bars.layers).values().filter(|bar| !bar.is_finished()) {
            bar.abandon();
        }
        for line in locked(&bars.after).iter() {
            self.print(line);
        }
    }
}

impl Bars {
    fn show(&self, id: &str, stage: Stage<'_>) {
        let mut layers = locked(&self.layers);
        let bar = layers.entry(id.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(0).with_prefix(id.to_owned()));
            bar.set_style(style("{prefix}: {msg}"));
            bar
        });
        match stage {
            Stage::Downloading { done, total } | Stage::Pushing { done, total } => {
                if bar.length() != Some(total) {
                    bar.set_length(total);
                    bar.set_style(style("{prefix}: {msg} [{bar:40.=> }] {bytes}/{total_bytes}"));
                    bar.set_message(stage.to_string());
                }
                bar.set_position(done);
            }
            other => {
                bar.set_style(style("{prefix}: {msg}"));
                bar.set_length(0);
                bar.set_message(other.to_string());
                if matches!(
                    other,
                    Stage::Pulled | Stage::Present | Stage::Pushed | Stage::Mounted(_) | Stage::Known
                ) {
                    bar.finish();
                }
            }
        }
    }
}

/// A way to draw a bar.
pub(super) fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("a template of our own");
    style.progress_chars("=> ")
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
