//! `stepbox stats`.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::cli::format::{Listing, row};
use crate::cli::{human, state};
use crate::engine::containers::stats::{Sample, sample};
use crate::engine::containers::{self, Record, find};
use crate::engine::state::State;

/// The columns where none are asked for.
const USUAL: &str =
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

const HEADINGS: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

/// What is not known.
const UNKNOWN: &str = "--";

/// Between two looks: cpu time is counted in between.
const SECOND: Duration = Duration::from_secs(1);

// the options of `stats`
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Also those that do not run
    #[arg(short, long)]
    all: bool,
    /// Once, and not again each second
    #[arg(long)]
    no_stream: bool,
    /// Shorten nothing
    #[arg(long)]
    no_trunc: bool,
    /// How to print them: table [TEMPLATE], json, or a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names, ids, or beginnings of ids; all that run, if none
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let mut code = ExitCode::SUCCESS;
        for error in self.containers.iter().filter_map(|name| find(&state, name).err()) {
            complain!("stepbox: {error}");
            code = ExitCode::FAILURE;
        }
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
        let mut before = self.look(&state)?.samples();
        loop {
            sleep(SECOND);
            let seen = self.look(&state)?;
            let rows = seen.rows.iter().map(|seen| seen.row(&before, self.no_trunc)).collect();
            let listing = Listing { usual: USUAL, headings: HEADINGS, kind: "*container.statsContext", rows };
            let text = listing.text(self.format.as_deref())?;
            if self.no_stream {
                print!("{text}");
                return Ok(code);
            }
            paint(&text)?;
            before = seen.samples();
        }
    }

    /// Everybody who is to be shown, as it is now.
    fn look(&self, state: &State) -> anyhow::Result<Look> {
        let mut rows = Vec::new();
        if self.containers.is_empty() {
            let shown = containers::list(state).into_iter().filter(|record| self.all || record.running());
            for record in shown {
                let (name, sample) = (record.id[..12].to_owned(), sample(state, &record)?);
                rows.push(Seen { name, record: Some((record, sample)) });
            }
        }
        for name in &self.containers {
            // one that was removed meanwhile keeps its row
            let record = find(state, name).ok();
            let record = record.map(|record| sample(state, &record).map(|sample| (record, sample)));
            rows.push(Seen { name: name.clone(), record: record.transpose()? });
        }
        Ok(Look { rows })
    }
}

/// In a terminal over what was there before, line by line, so that nothing flickers; else one after the other.
fn paint(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let painted = match out.is_terminal() {
        // home; erase the rest of each line, and the rest of the screen: console_codes(4)
        true => format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")),
        false => text.to_owned(),
    };
    out.write_all(painted.as_bytes())?;
    out.flush()
}

/// All that was seen at one moment.
struct Look {
    rows: Vec<Seen>,
}

/// One container at that moment.
struct Seen {
    /// as it was asked for
    name: String,
    /// none for one that was removed
    record: Option<(Record, Sample)>,
}

impl Look {
    fn samples(&self) -> HashMap<String, Sample> {
        let known = self.rows.iter().filter_map(|seen| seen.record.as_ref());
        known.map(|(record, sample)| (record.id.clone(), *sample)).collect()
    }
}

impl Seen {
    fn row(&self, before: &HashMap<String, Sample>, whole: bool) -> Value {
        let (id, name, sample, percent) = match &self.record {
            None => (String::new(), UNKNOWN.into(), Sample::default(), None),
            Some((record, sample)) => {
                let id = if whole { record.id.clone() } else { record.id[..12].into() };
                let percent = before.get(&record.id).and_then(|before| sample.percent(before));
                (id, record.name.clone(), *sample, percent)
            }
        };
        let part = |part: f64| format!("{part:.2}%");
        let pair = |pair: Option<(u64, u64)>| match pair {
            Some((one, two)) => format!("{} / {}", human::size(one, 3), human::size(two, 3)),
            None => UNKNOWN.into(),
        };
        let memory = sample.memory.map_or(format!("{UNKNOWN} / {UNKNOWN}"), |(used, limit)| {
            format!("{} / {}", human::binary_size(used), human::binary_size(limit))
        });
        let of_limit = sample.memory.map(|(used, limit)| match limit {
            0 => part(0.0),
            limit => part(used as f64 / limit as f64 * 100.0),
        });
        row([
            ("BlockIO", pair(sample.disks)),
            ("CPUPerc", percent.map_or(UNKNOWN.into(), part)),
            ("Container", self.name.clone()),
            ("ID", id),
            ("MemPerc", of_limit.unwrap_or(UNKNOWN.into())),
            ("MemUsage", memory),
            ("Name", name),
            ("NetIO", pair(sample.network)),
            ("PIDs", sample.pids.map_or(UNKNOWN.into(), |pids| pids.to_string())),
        ])
    }
}
