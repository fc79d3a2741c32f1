//! `stepbox volume rm`.

use std::process::ExitCode;

use crate::cli::state;
use crate::engine::volumes::Volumes;
use crate::engine::volumes::error::VolumeError;

// The options of `volume rm`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// What is not there is no failure
    #[arg(short, long)]
    force: bool,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let state = state()?;
        let volumes = Volumes::of(&state);
        let mut errors = Vec::new();
        for name in &self.volumes {
            match volumes.remove(name) {
                Ok(()) => println!("{name}"),
                Err(VolumeError::NoSuch(_)) if self.force => println!("{name}"),
                Err(error @ VolumeError::NoSuch(_)) => errors.push(format!("Error: {error}")),
                Err(error) => errors.push(format!("stepbox: {error}")),
            }
        }
        errors.iter().for_each(|error| complain!("{error}"));
        Ok(ExitCode::from(u8::from(!errors.is_empty())))
    }
}
