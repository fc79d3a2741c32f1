//! Command line: the only place that reads arguments and the environment, and the one that turns errors into
//! messages and exit codes.
//!
//! ```text
//!   argv ──> Cli (clap) ──> Request ──> engine ──> exit code: Docker's 125, 126, 127, 128 + n
//! ```

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::engine::containers::start::MONITOR;
use crate::engine::state::State;
use crate::engine::store::Store;

mod confirm;
mod connection;
mod containers;
mod events;
mod format;
mod human;
mod images;
mod inspect;
mod login;
mod moment;
mod oci;
mod program;
mod progress;
mod registry;
mod run;
mod search;
mod system;
mod table;
mod template;
mod volumes;

/// A container engine you can step through.
#[derive(Debug, Parser)]
#[command(name = "stepbox", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
// here and below: options are built for the command that was given, which is a millisecond less
#[command(defer = true)]
enum Command {
    /// Run a program in a new container
    Run(Box<run::Args>),
    #[command(flatten)]
    Containers(containers::Verb),
    #[command(flatten)]
    Images(images::Verb),
    #[command(flatten)]
    Login(login::Verb),
    /// Look for images in a registry
    Search(search::Args),
    /// Work with containers
    #[command(subcommand, arg_required_else_help = true)]
    Container(containers::Group),
    /// Work with images
    #[command(subcommand, arg_required_else_help = true)]
    Image(images::Group),
    /// Work with volumes
    #[command(subcommand, arg_required_else_help = true)]
    Volume(volumes::Group),
    /// Be a registry for others
    #[command(subcommand, arg_required_else_help = true)]
    Registry(registry::Group),
    /// Show everything about containers, images and volumes
    Inspect(inspect::Args),
    /// Work with the engine itself
    #[command(name = "system", subcommand, arg_required_else_help = true)]
    SystemGroup(system::Group),
    #[command(flatten)]
    System(system::Verb),
    /// Work as an OCI runtime, with runc's command line: see stepbox oci --help
    #[command(disable_help_flag = true)]
    Oci {
        /// Words for the runtime
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    program::keep_out_of_reach_early(&words);
    let name = words.first().map(PathBuf::from).unwrap_or_default();
    if name.file_name().is_some_and(|name| name == "runc") {
        return oci::main(words.split_off(1), "runc");
    }
    // it has a command line of its own, for which all others need not be built
    if words.get(1).is_some_and(|word| word == "oci") {
        return oci::main(words.split_off(2), "stepbox oci");
    }
    // a container's monitor: the fewer pages it touches, the better
    if let [_, word, id] = words.as_slice()
        && word == MONITOR
    {
        return monitor(&id.to_string_lossy());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return refuse(&error);
        }
    };
    let result = match cli.command {
        Command::Run(args) => Ok(run::main(*args)),
        Command::Oci { words } => Ok(oci::main(words, "stepbox oci")),
        Command::Containers(verb) => verb.main(),
        Command::Images(verb) => verb.main(),
        Command::Login(verb) => verb.main(),
        Command::Search(args) => args.main(),
        Command::Container(verb) => verb.main(),
        Command::Image(verb) => verb.main(),
        Command::Volume(verb) => verb.main(),
        Command::Registry(verb) => verb.main(),
        Command::Inspect(args) => args.main(),
        Command::SystemGroup(verb) => verb.main(),
        Command::System(verb) => verb.main(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            complain!("stepbox: {}", whole(&error));
            ExitCode::FAILURE
        }
    }
}

/// What [`crate::engine::containers::start`] starts; nobody reads what it would print.
fn monitor(id: &str) -> ExitCode {
    let stay = || -> anyhow::Result<()> {
        crate::kernel::process::close_inherited()?;
        program::keep_out_of_reach()?;
        Ok(crate::engine::monitor::main(&state()?, &store()?, id)?)
    };
    match stay() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// An error and what caused it; a cause that the message has already is not said once more.
fn whole(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        match text.contains(&cause) {
            true => {}
            false if text.is_empty() => text = cause,
            false => text += &format!(": {cause}"),
        }
    }
    text
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
    complain!("stepbox: {}", what.join(" ").chars().map(printable).collect::<String>());
    let similar = rest.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
    let similar = similar.filter(|tip| tip.contains("similar")).map(|tip| format!("{tip}; "));
    let usage = rest.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
    let words = usage.into_iter().flat_map(str::split_whitespace);
    let command: Vec<&str> = words.take_while(|word| word.starts_with(char::is_alphabetic)).collect();
    let command = if command.is_empty() { given_command() } else { command.join(" ") };
    complain!("hint: {}see {command} --help", similar.collect::<String>());
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

/// The images of this user, unpacked by the storage driver that `STEPBOX_STORAGE_DRIVER` names.
fn store() -> anyhow::Result<Store> {
    let store = Store::open(&state()?.root)?;
    match std::env::var("STEPBOX_STORAGE_DRIVER") {
        Ok(name) if !name.is_empty() => {
            Ok(store.with_driver(name.parse().context("STEPBOX_STORAGE_DRIVER")?)?)
        }
        _ => Ok(store),
    }
}

/// Does the same to each of these names, as Docker does: what fails is said, and the others are done all the same.
/// Exit code 1 if one failed.
fn each<E: std::fmt::Display>(names: &[String], mut act: impl FnMut(&str) -> Result<(), E>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for name in names {
        if let Err(error) = act(name) {
            complain!("stepbox: {error:#}");
            code = ExitCode::FAILURE;
        }
    }
    code
}
