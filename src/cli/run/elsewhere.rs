//! Options of Docker's for which there is nothing here. Each is refused by its name, with what to do instead; the one value
//! that asks for nothing is taken.

use clap::{Arg, ArgMatches, Command};

/// An option, the value that asks for nothing, and what to say of all others.
const OPTIONS: [(&str, Option<&str>, &str); 5] = [
    ("gpus", None, "GPUs are not handed out by name: lend the nodes of one with --device"),
    ("runtime", None, "there is one runtime, which is stepbox itself: leave it out"),
    ("storage-opt", None, "no storage driver here has options for one container: leave it out"),
    ("isolation", Some("default"), "on Linux there is one kind: leave it out"),
    ("disable-content-trust", Some("true"), "signatures of images are not looked at: leave it out"),
];

/// Nothing is kept of them.
#[derive(Debug)]
pub(super) struct Args;

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        OPTIONS.iter().fold(command, |command, (name, nothing, why)| {
            let refuse = |value: &str| match Some(value) == *nothing || value.is_empty() {
                true => Ok(value.to_owned()),
                false => Err((*why).to_owned()),
            };
            let option = Arg::new(*name).long(*name).hide(true).value_parser(refuse);
            command.arg(match *nothing {
                Some(flag @ "true") => {
                    option.num_args(0..=1).require_equals(true).default_missing_value(flag)
                }
                _ => option,
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Args::augment_args(command)
    }
}

impl clap::FromArgMatches for Args {
    fn from_arg_matches(_: &ArgMatches) -> Result<Args, clap::Error> {
        Ok(Args)
    }

    fn update_from_arg_matches(&mut self, _: &ArgMatches) -> Result<(), clap::Error> {
        Ok(())
    }
}
