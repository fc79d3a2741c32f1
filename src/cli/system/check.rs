//! `stepbox system check`.

use std::process::ExitCode;

use crate::cli::{state, store};
use crate::engine::check::{Finding, Looked, Remedy, check, repair};
use crate::engine::state::State;
use crate::engine::store::Store;

// The options of `system check`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Remove what is left over, and move what is damaged to quarantine/
    #[arg(long)]
    repair: bool,
}

/// How often what a repair has uncovered is repaired as well.
const ROUNDS: usize = 3;

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let (state, store) = (state()?, store()?);
        let (findings, looked) = check(&state, &store);
        for Finding { place, what, remedy } in &findings {
            println!("{place}: {what}");
            match remedy {
                _ if self.repair => {}
                Remedy::Nothing(what) => println!("    {what}"),
                other => println!("    --repair {}", other.words()),
            }
        }
        if !self.repair {
            println!("{}", checked(looked, findings.len()));
            return Ok(ExitCode::from(u8::from(!findings.is_empty())));
        }
        let failed = repair_all(&state, &store, findings);
        let (left, looked) = check(&state, &store);
        println!("{}", checked(looked, left.len()));
        Ok(ExitCode::from(u8::from(failed || !left.is_empty())))
    }
}

/// Repairs, and repairs what that uncovers: what nothing reaches is known only when everything can be read.
fn repair_all(state: &State, store: &Store, mut findings: Vec<Finding>) -> bool {
    let mut failed = false;
    for round in 0..ROUNDS {
        for finding in &mut findings {
            if round > 0 {
                println!("{}: {}", finding.place, finding.what);
            }
            // what is left of a damaged image may still be of use to somebody
            if round > 0 && finding.remedy == Remedy::Collect {
                finding.remedy = Remedy::Aside(finding.place.clone().into());
            }
            match repair(state, store, finding) {
                Ok(done) => println!("    {}: {done}", finding.place),
                Err(why) => {
                    complain!("stepbox: {}: not repaired: {why}", finding.place);
                    failed = true;
                }
            }
        }
        findings = check(state, store).0;
        if failed || findings.is_empty() {
            break;
        }
    }
    failed
}

fn checked(looked: Looked, findings: usize) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let found = match findings {
        0 => "nothing wrong".into(),
        number => count(number, "finding"),
    };
    format!(
        "{}, {}, {}, {} checked: {found}",
        count(looked.images, "image"),
        count(looked.blobs, "blob"),
        count(looked.layers, "layer"),
        count(looked.containers, "container"),
    )
}
