//! The options of `run` that say how this terminal is attached to the container.

use crate::cli::containers::attach::code;
use crate::engine::attach::keys::DetachKeys;
use crate::engine::attach::{AttachError, Attachment, Wishes, start_new};
use crate::engine::containers::create::Created;
use crate::engine::state::State;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Container")]
#[group(skip)]
pub(super) struct Args {
    /// The keys that leave its terminal, as ctrl-a,d (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    detach_keys: DetachKeys,
    /// Pass signals on, where it has no terminal (default: true)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true,
          default_missing_value = "true", hide_default_value = true, hide_possible_values = true,
          action = clap::ArgAction::Set)]
    pub(super) sig_proxy: bool,
}

impl Args {
    /// Runs a container that was made, in the foreground of this command.
    pub(super) fn run(&self, state: &State, created: Created) -> anyhow::Result<u8> {
        let request = &created.record.request;
        let wishes = Wishes {
            stdin: request.stdin,
            terminal: request.terminal,
            proxy: self.sig_proxy,
            keys: self.detach_keys.clone(),
        };
        match start_new(state, created, Attachment::new(wishes)?) {
            Ok(end) => Ok(code(end)),
            // its exit code is Docker's
            Err(AttachError::Start(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }
    }
}
