//! `stepbox oci`: runc's command line, for engines, suites and people who know it. Called under the name `runc`, the
//! whole command line is this one.
//!
//! ```text
//!   argv ──> spelling ──> Cli (clap) ──> crate::oci ──> exit code: 0, 1, or the program's
//!            Go's single dashes          errors: one log line (--log, --log-format)
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::oci::OciError;
use crate::oci::config::Machine;
use crate::oci::log::{Format, Log};
use crate::oci::state::Root;
use crate::rootfs::CgroupTree;

mod exec;
mod look;
mod make;
mod spelling;
mod update;

/// An OCI runtime with runc's command line: a container from a bundle (a directory with config.json and a root file
/// system).
///
/// A bundle in four commands:
///   mkdir -p bundle/rootfs/bin
///   cp /bin/busybox bundle/rootfs/bin/sh      (a static one)
///   stepbox oci spec -b bundle
///   stepbox oci run -b bundle my-container
///
/// Engines use it in steps: create makes everything and stops before the program, start lets it go, kill sends it
/// signals, delete undoes all of it.
#[derive(Debug, Parser)]
#[command(name = "stepbox", version = VERSION, verbatim_doc_comment, max_term_width = 100)]
#[command(args_override_self = true, disable_help_subcommand = true, disable_version_flag = true)]
struct Cli {
    /// Print the version
    #[arg(short, long, action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Engines read this: a name, the word `version`, and what they show.
const VERSION: &str = const_format_version();

const fn const_format_version() -> &'static str {
    concat!("version ", env!("CARGO_PKG_VERSION"), "\nspec: 1.2.0")
}

// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// Where containers are kept [default: /run/stepbox/oci, or $XDG_RUNTIME_DIR/stepbox/oci]
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Write log lines to FILE instead of standard error
    #[arg(long, global = true, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The shape of log lines
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: String,
    /// Log more
    #[arg(long, global = true)]
    debug: bool,
    /// Let systemd make the cgroups (create and run refuse this: they make cgroups themselves)
    #[arg(long, global = true)]
    systemd_cgroup: bool,
    /// Go on where cgroups cannot be made: true, false or auto (auto: where we are not root of the machine)
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    rootless: String,
}

#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    /// Make a container, up to the moment before its program
    Create(make::Create),
    /// Let the program of a created container go
    Start(Id),
    /// Make a container and start it: create, start, and in the foreground delete
    Run(make::Run),
    /// Run another program in a running container
    Exec(Box<exec::Exec>),
    /// Print a container's state as JSON
    State(Id),
    /// List the containers
    List(look::List),
    /// List the processes of a container
    Ps(look::Ps),
    /// Send a signal to a container's first process (default: TERM)
    Kill(make::Kill),
    /// Undo everything that was made for a container
    Delete(make::Delete),
    /// Stop all processes of a container where they are
    Pause(Id),
    /// Let them go on
    Resume(Id),
    /// Change the limits of a running container
    Update(Box<update::Update>),
    /// Print what a container uses, as JSON
    Events(look::Events),
    /// Print what this runtime can do, as JSON
    Features,
    /// Write a config.json to begin with
    Spec(look::Spec),
    /// (not part of this runtime)
    #[command(hide = true)]
    Checkpoint(Anything),
    /// (not part of this runtime)
    #[command(hide = true)]
    Restore(Anything),
}

// A container's name, nothing else.
#[derive(Debug, clap::Args)]
struct Id {
    /// The container
    #[arg(value_name = "CONTAINER")]
    id: String,
}

// Whatever comes.
#[derive(Debug, clap::Args)]
struct Anything {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<OsString>,
}

/// A table for people, JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    Table,
    Json,
}

/// What a command works with.
struct Site {
    root: Root,
    log: Log,
    /// nothing fails because a cgroup cannot be made
    lenient: bool,
}

/// Runs runc's command line: `args` are the words after the program's name, `name` is how help calls it.
pub(super) fn main(args: Vec<OsString>, name: &'static str) -> ExitCode {
    let mut command = Cli::command().bin_name(name);
    command.build();
    let args = spelling::go(&command, args);
    let parsed = command
        .try_get_matches_from(std::iter::once(name.into()).chain(args.iter().cloned()))
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let mut cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &args, name),
    };
    if let Command::Exec(args) = &mut cli.command {
        args.read_process();
    }
    if cli.command.runs_programs()
        && let Err(errno) = super::program::keep_out_of_reach()
    {
        Log::default().error(&format!("cannot keep the runtime's own program from the container: {errno}"));
        return ExitCode::FAILURE;
    }
    // before anything of our own is open; what is there could be reached through /proc/self/fd (CVE-2024-21626)
    if let Err(errno) =
        crate::kernel::process::close_inherited_from(cli.command.preserved().saturating_add(3))
    {
        let count = cli.command.preserved();
        Log::default().error(&format!("--preserve-fds {count}: {errno}"));
        return ExitCode::FAILURE;
    }
    let format = match cli.global.log_format.as_str() {
        "text" => Format::Text,
        "json" => Format::Json,
        other => {
            Log::default().error(&format!("invalid log-format: {other}"));
            return ExitCode::FAILURE;
        }
    };
    let log = match Log::open(cli.global.log.as_deref(), format, cli.global.debug) {
        Ok(log) => log,
        Err(error) => {
            let path = cli.global.log.unwrap_or_default();
            Log::default().error(&format!("cannot open the log {}: {error}", path.display()));
            return ExitCode::FAILURE;
        }
    };
    let mut site = Site { root: root(&cli.global), log, lenient: false };
    let (what, failure) = what(&cli.command);
    let ready = who_makes_cgroups(&cli.global, &cli.command).and_then(|()| site.begin(&cli.global));
    match ready.and_then(|()| obey(&mut site, cli.command)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            if let OciError::InReach = error {
                // all is undone, and begins again
                let _ = super::program::keep_out_of_reach();
            }
            site.log.error(&format!("{what}{error}"));
            ExitCode::from(failure)
        }
    }
}

impl Command {
    /// Whether a process of ours is to become a program of a container, which could write to ours (CVE-2019-5736). That
    /// of `run` leaves ours behind, or says that it cannot.
    fn runs_programs(&self) -> bool {
        matches!(self, Command::Create(_) | Command::Exec(_))
    }

    /// How many descriptors from 3 on are for the container.
    fn preserved(&self) -> u32 {
        match self {
            Command::Create(args) => args.preserved().saturating_add(make::listen_fds()),
            Command::Run(args) => args.preserved().saturating_add(make::listen_fds()),
            Command::Exec(args) => args.preserved(),
            _ => 0,
        }
    }
}

/// How the message begins, and the exit code: runc's.
fn what(command: &Command) -> (&'static str, u8) {
    match command {
        Command::Create(_) => ("create failed: ", 1),
        Command::Run(_) => ("run failed: ", 1),
        // 1 could be the program's own
        Command::Exec(_) => ("exec failed: ", 255),
        _ => ("", 1),
    }
}

fn root(global: &Global) -> Root {
    Root(global.root.clone().unwrap_or_else(|| match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(run) if !rustix::process::geteuid().is_root() && !run.is_empty() => {
            PathBuf::from(run).join("stepbox/oci")
        }
        _ if !rustix::process::geteuid().is_root() => {
            PathBuf::from(format!("/tmp/stepbox-oci-{}", rustix::process::geteuid().as_raw()))
        }
        _ => "/run/stepbox/oci".into(),
    }))
}

impl Site {
    /// Checks the settings that every command has.
    fn begin(&mut self, global: &Global) -> Result<(), OciError> {
        if self.root.0.is_relative() {
            let here = std::env::current_dir().map_err(OciError::file("cannot find", &self.root.0))?;
            self.root.0 = here.join(&self.root.0);
        }
        self.lenient = match global.rootless.as_str() {
            "true" | "1" => true,
            "false" | "0" => false,
            "auto" => !Machine::look("", CgroupTree::None).all_powerful(),
            other => {
                return Err(OciError::Usage(format!("--rootless {other:?}: expected true, false or auto")));
            }
        };
        Ok(())
    }
}

/// Whoever relies on systemd's slices must hear that there are none. Only what makes a container is refused, as with
/// runc: of one that is there it is known who has made its cgroup, and engines give the option to every command.
fn who_makes_cgroups(global: &Global, command: &Command) -> Result<(), OciError> {
    if !global.systemd_cgroup || !matches!(command, Command::Create(_) | Command::Run(_)) {
        return Ok(());
    }
    // where sd_booted(3) looks
    let problem = match Path::new("/run/systemd/system/").is_dir() {
        true => "not part of this runtime, which makes cgroups itself",
        false => "systemd not running on this host, cannot use systemd cgroups manager",
    };
    Err(OciError::Unsupported(format!(
        "--systemd-cgroup: {problem}; leave it out, or set the engine's cgroup driver to cgroupfs"
    )))
}

fn obey(site: &mut Site, command: Command) -> Result<u8, OciError> {
    match command {
        Command::Create(args) => args.obey(site),
        Command::Run(args) => args.obey(site),
        Command::Exec(args) => args.obey(site),
        Command::Start(Id { id }) => make::start(site, &id),
        Command::Kill(args) => args.obey(site),
        Command::Delete(args) => args.obey(site),
        Command::Pause(Id { id }) => make::pause(site, &id),
        Command::Resume(Id { id }) => make::resume(site, &id),
        Command::Update(args) => args.obey(site),
        Command::State(Id { id }) => look::state(site, &id),
        Command::List(args) => args.obey(site),
        Command::Ps(args) => args.obey(site),
        Command::Events(args) => args.obey(site),
        Command::Features => look::features(),
        Command::Spec(args) => args.obey(),
        Command::Checkpoint(_) | Command::Restore(_) => Err(OciError::Unsupported(
            "checkpoint and restore are not part of this runtime: it does not use CRIU".into(),
        )),
    }
}

/// Help goes out as it is, with code 0. A mistake becomes a log line, where and how the words before it ask for it.
fn refuse(error: &clap::Error, args: &[OsString], name: &str) -> ExitCode {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    use std::io::Write;
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = write!(std::io::stdout(), "{}", error.render());
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let what = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let what: Vec<&str> = what.lines().map(str::trim).collect();
    let mut what = what.join(" ");
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    {
        what = format!("flag provided but not defined: {}", flag.replacen("--", "-", 1));
    }
    if let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    {
        what = format!("No help topic for '{word}'");
    }
    let value = |option: &str| {
        let at = args.iter().position(|word| word == option)?;
        args.get(at + 1).cloned()
    };
    let format = if value("--log-format").is_some_and(|f| f == "json") { Format::Json } else { Format::Text };
    let path = value("--log").map(PathBuf::from);
    let mut log = Log::open(path.as_deref(), format, false).unwrap_or_default();
    log.error(&format!("{what} (see {name} --help)"));
    ExitCode::from(if error.kind() == ErrorKind::InvalidSubcommand { 3 } else { 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::OCI_VERSION;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        assert!(VERSION.ends_with(OCI_VERSION));
    }
}
