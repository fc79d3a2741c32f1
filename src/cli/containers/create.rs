//! `stepbox create`.

use std::process::ExitCode;

use crate::cli::run::Asked;

// The options of `create`: those of `run` that say what the container is. As in Docker, -h is the host name's.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    asked: Asked,
    /// Print this
    #[arg(long, action = clap::ArgAction::Help, help_heading = "Watching")]
    help: Option<bool>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let (_, created) = self.asked.create(false)?;
        println!("{}", created.record.id);
        Ok(ExitCode::SUCCESS)
    }
}
