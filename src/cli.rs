//! Command line: the only place that reads arguments and the environment, and the one that turns errors into
//! messages and exit codes.
//!
//! ```text
//!   argv ──> Cli (clap) ──> Request ──> engine ──> exit code: Docker's 125, 126, 127, 128 + n
//! ```

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::engine::reference::Reference;
use crate::engine::state::State;
use crate::engine::store::Store;
use crate::engine::{containers, images, network};
use crate::lab::LABS;
use crate::launch::Answer;
use crate::{doctor, journal};

mod oci;
mod program;
mod run;

/// A container engine you can step through.
#[derive(Debug, Parser)]
#[command(name = "stepbox", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program in a new container, in the foreground
    Run(Box<run::Args>),
    /// Make an image of a root file system in a tar archive (plain or gzip; - is standard input)
    Import {
        /// The archive
        file: PathBuf,
        /// The image's name
        name: String,
    },
    /// List images
    Images {
        /// Print ids only
        #[arg(short, long)]
        quiet: bool,
    },
    /// List containers that run, or all
    Ps {
        /// Also those that have ended
        #[arg(short, long)]
        all: bool,
        /// Print ids only
        #[arg(short, long)]
        quiet: bool,
    },
    /// Remove containers that have ended
    Rm {
        /// Names, ids, or beginnings of ids
        #[arg(required = true)]
        containers: Vec<String>,
    },
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
    /// Work as an OCI runtime, with runc's command line: see stepbox oci --help
    #[command(disable_help_flag = true)]
    Oci {
        /// Words for the runtime
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<std::ffi::OsString>,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let name = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if name.file_name().is_some_and(|name| name == "runc") {
        return oci::main(std::env::args_os().skip(1).collect(), "runc");
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return refuse(&error);
        }
    };
    let result = match cli.command {
        Command::Run(args) => return run::main(*args),
        Command::Oci { words } => return oci::main(words, "stepbox oci"),
        Command::Import { file, name } => import(&file, &name),
        Command::Images { quiet } => list_images(quiet),
        Command::Ps { all, quiet } => ps(all, quiet),
        Command::Rm { containers } => rm(&containers),
        Command::Doctor { json } => return examine(json),
        Command::Clean => clean(),
        Command::Lab => list_labs(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stepbox: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Help goes out as it is, with code 0. A mistake becomes one line and a hint, as every error here.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = write!(std::io::stdout(), "{}", error.render());
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let (what, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let what: Vec<&str> = what.trim_start_matches("error: ").lines().map(str::trim).collect();
    let printable = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    eprintln!("stepbox: {}", what.join(" ").chars().map(printable).collect::<String>());
    let similar = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let similar = similar.filter(|tip| tip.contains("similar")).map(|tip| format!("{tip}; "));
    let usage = rest.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
    let words = usage.into_iter().flat_map(str::split_whitespace);
    let command: Vec<&str> = words.take_while(|word| word.starts_with(char::is_alphabetic)).collect();
    let command = if command.is_empty() { given_command() } else { command.join(" ") };
    eprintln!("hint: {}see {command} --help", similar.collect::<String>());
    ExitCode::from(125)
}

/// Where clap does not say which command it was: the first word, if it is one of ours.
fn given_command() -> String {
    let known = <Cli as clap::CommandFactory>::command();
    let first = std::env::args().nth(1).filter(|word| known.find_subcommand(word).is_some());
    first.map_or("stepbox".into(), |word| format!("stepbox {word}"))
}

/// The state directories of this user.
fn state() -> anyhow::Result<State> {
    Ok(State::open(|name| std::env::var_os(name).map(PathBuf::from))?)
}

fn import(file: &std::path::Path, name: &str) -> anyhow::Result<()> {
    use anyhow::Context;
    let reference: Reference = name.parse()?;
    let store = Store::open(&state()?.root)?;
    let digest = match file.to_str() {
        Some("-") => images::import(&store, std::io::stdin().lock(), &reference, images::Change::default())?,
        _ => {
            let archive =
                std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            images::import(&store, archive, &reference, images::Change::default())?
        }
    };
    println!("{digest}");
    Ok(())
}

fn list_images(quiet: bool) -> anyhow::Result<()> {
    let store = Store::open(&state()?.root)?;
    let mut rows = vec![["REPOSITORY".to_string(), "TAG".into(), "IMAGE ID".into()]];
    for image in store.list()? {
        let image = image?;
        let (name, tag) = match &image.reference {
            Some(reference) => (reference.familiar_name(), reference.tag().unwrap_or("<none>").to_string()),
            None => ("<none>".into(), "<none>".into()),
        };
        rows.push([name, tag, image.id.hex()[..12].into()]);
    }
    match quiet {
        true => rows.iter().skip(1).for_each(|row| println!("{}", row[2])),
        false => print!("{}", table(&rows)),
    }
    Ok(())
}

fn ps(all: bool, quiet: bool) -> anyhow::Result<()> {
    let state = state()?;
    let mut rows = vec![["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"].map(String::from)];
    for record in containers::list(&state).into_iter().filter(|record| all || record.running()) {
        let command = format!("\"{}\"", record.command.join(" ").escape_debug());
        let command = match command.chars().count() {
            0..=20 => command,
            _ => command.chars().take(19).chain(['…']).collect(),
        };
        let status = record.status();
        rows.push([record.id[..12].into(), record.image, command, record.created, status, record.name]);
    }
    match quiet {
        true => rows.iter().skip(1).for_each(|row| println!("{}", row[0])),
        false => print!("{}", table(&rows)),
    }
    Ok(())
}

/// Rows in columns, three blanks apart, as Docker prints them.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}   "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn rm(wanted: &[String]) -> anyhow::Result<()> {
    let state = state()?;
    let mut failed = None;
    for name in wanted {
        match containers::remove(&state, name) {
            Ok(_) => println!("{name}"),
            Err(error) => {
                if let Some(before) = failed.replace(error) {
                    eprintln!("stepbox: {before}");
                }
            }
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
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
    let state = state()?;
    let mut cleaned = journal::clean(&state.journals())?;
    // labs on the real machine are root's and keep their journals where root's engine does
    let labs = PathBuf::from(crate::lab::JOURNALS);
    if rustix::process::geteuid().is_root() && labs != state.journals() {
        cleaned.extend(journal::clean(&labs)?);
    }
    let mut failed = 0;
    for run in &cleaned {
        println!("{}: {} undone", run.title.escape_debug(), run.undone.len());
        for (op, answer) in &run.undone {
            if let Answer::Error(_) = answer {
                failed += 1;
                eprintln!("stepbox: not undone: {op} = {answer}");
            }
        }
    }
    Store::open(&state.root)?.sweep()?;
    let freed = network::free_dead_leases(&state)?;
    let removed = network::remove_unused(&state)?;
    println!(
        "{} dead runs cleaned, {freed} addresses freed{}",
        cleaned.len(),
        if removed { ", bridge removed" } else { "" }
    );
    anyhow::ensure!(
        failed == 0,
        "{failed} undos failed; what they say tells why, then run stepbox clean again"
    );
    Ok(())
}

fn list_labs() -> anyhow::Result<()> {
    let row = |lab: &crate::lab::Lab| [lab.name, lab.question, lab.docker].map(String::from);
    let heading = ["LAB", "QUESTION", "IN DOCKER"].map(String::from);
    print!("{}", table(&std::iter::once(heading).chain(LABS.iter().map(row)).collect::<Vec<_>>()));
    println!("\nrun one with: cargo lab 08-overlay -- --step");
    Ok(())
}
