//! The commands about the machine and the engine itself.

mod check;
mod df;
mod info;
mod prune;
mod version;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::table::table;
use crate::engine::store::Store;
use crate::engine::volumes::Volumes;
use crate::engine::{containers, network};
use crate::lab::LABS;
use crate::launch::Answer;
use crate::{doctor, journal};

/// The verbs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Verb {
    /// Say what this machine allows, lab by lab, and the remedy for what it does not
    Doctor {
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Undo what runs that were killed have left behind
    Clean,
    /// List the labs
    Lab,
    /// Say what happens to containers, images, volumes and networks, as it happens
    Events(super::events::Args),
    /// Say what this engine and this machine are
    Info(info::Args),
    /// Say which version this is
    Version(version::Args),
}

/// What is said after `system`.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(super) enum Group {
    /// Say how much of the disk is used, and how much of it could be had back
    Df(df::Args),
    /// Say what happens to containers, images, volumes and networks, as it happens
    Events(super::events::Args),
    /// Say what this engine and this machine are
    Info(info::Args),
    /// Remove containers that have ended, and images (and volumes) that nothing needs
    Prune(prune::Args),
    /// Check everything that is kept against its digests, and whether its makers live
    Check(check::Args),
}

impl Group {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Group::Df(args) => args.main(),
            Group::Events(args) => args.main(),
            Group::Info(args) => args.main(),
            Group::Prune(args) => args.main(),
            Group::Check(args) => args.main(),
        }
    }
}

impl Verb {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        match self {
            Verb::Doctor { json } => return Ok(examine(json)),
            Verb::Clean => clean()?,
            Verb::Lab => list_labs(),
            Verb::Events(args) => return args.main(),
            Verb::Info(args) => return args.main(),
            Verb::Version(args) => return args.main(),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One document by `--format`: json, or a template. As in Docker, one that is none is exit code 64.
fn formatted(
    format: &str,
    name: &str,
    kind: &'static str,
    value: &serde_json::Value,
) -> anyhow::Result<ExitCode> {
    use super::template::{Template, TemplateError, Types, json};
    let types = Types { name: Some(kind), maps: &[], lists: &[], marshals: false, headings: false };
    if format == "json" {
        println!("{}", json(value, false));
        return Ok(ExitCode::SUCCESS);
    }
    match Template::named(name, format).and_then(|template| template.run(value, types)) {
        Ok(text) => println!("{text}"),
        Err(error @ TemplateError::Parse { .. }) => {
            complain!("{error}");
            return Ok(ExitCode::from(64));
        }
        Err(error) => {
            println!();
            complain!("{}", error.to_string().trim_start_matches("template parsing error: "));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn examine(json: bool) -> ExitCode {
    let report = doctor::examine();
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = match json {
        true => serde_json::to_string_pretty(&report).expect("a report is text and lists") + "\n",
        false => report.text(colour),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(report.blocked()))
}

fn clean() -> anyhow::Result<()> {
    let state = super::state()?;
    let replay = |journals: &Path| {
        journal::clean(journals).with_context(|| format!("replay the journals in {}", journals.display()))
    };
    containers::let_die(&state);
    let mut cleaned = replay(&state.journals())?;
    // labs on the real machine are root's and keep their journals where root's engine does
    let labs = PathBuf::from(crate::lab::JOURNALS);
    if rustix::process::geteuid().is_root() && labs != state.journals() {
        cleaned.extend(replay(&labs)?);
    }
    let mut failed = 0;
    for run in &cleaned {
        println!("{}: {} undone", run.title.escape_debug(), run.undone.len());
        for (op, answer) in &run.undone {
            if let Answer::Error(_) = answer {
                failed += 1;
                complain!("stepbox: not undone: {op} = {answer}");
            }
        }
    }
    Store::open(&state.root)?.sweep()?;
    for left in Volumes::of(&state).leftovers() {
        crate::layers::remove(&left).with_context(|| format!("remove {}", left.display()))?;
    }
    let swept = containers::remove::sweep(&state)?;
    let freed = network::free_dead_leases(&state).context("free the addresses of dead containers")?;
    let removed = network::remove_unused(&state).context("remove the bridge that nobody uses")?;
    println!(
        "{} dead runs cleaned, {freed} addresses freed{}{}",
        cleaned.len(),
        if swept > 0 { ", containers half made removed" } else { "" },
        if removed { ", bridge removed" } else { "" }
    );
    anyhow::ensure!(
        failed == 0,
        "{failed} undos failed; what they say tells why, then run stepbox clean again"
    );
    Ok(())
}

fn list_labs() {
    let row = |lab: &crate::lab::Lab| [lab.name, lab.question, lab.docker].map(String::from);
    let heading = ["LAB", "QUESTION", "IN DOCKER"].map(String::from);
    print!("{}", table(&std::iter::once(heading).chain(LABS.iter().map(row)).collect::<Vec<_>>()));
    println!("\nrun one with: cargo lab 08-overlay -- --step");
}
