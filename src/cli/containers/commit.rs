//! `stepbox commit`.

use std::process::ExitCode;

use crate::cli::moment::epoch;
use crate::cli::{state, store};
use crate::engine::commit::{self, Wish};
use crate::engine::containers;
use crate::engine::reference::Reference;

// The options of `commit`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Who made the image, as "John Hannibal Smith <hannibal@a-team.com>"
    #[arg(short, long)]
    author: Option<String>,
    /// Change what the image says of its program by an instruction of a Dockerfile (may be given several times)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Why it was made
    #[arg(short, long)]
    message: Option<String>,
    /// Keep the container still meanwhile; --pause=false lets it go on
    #[arg(
        short,
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true",
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new()
    )]
    pause: bool,
    /// A name, an id, or the beginning of an id
    container: String,
    /// The image's name (REPOSITORY[:TAG])
    name: Option<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let reference: Option<Reference> = self.name.as_deref().map(str::parse).transpose()?;
        if reference.as_ref().is_some_and(|reference| reference.digest().is_some()) {
            anyhow::bail!("refusing to create a tag with a digest reference");
        }
        let epoch = epoch()?;
        let (state, store) = (state()?, store()?);
        let record = containers::find(&state, &self.container)?;
        let wish = Wish {
            reference,
            author: self.author,
            message: self.message,
            changes: self.change,
            pause: self.pause,
            epoch,
        };
        let note = |text: &str| complain!("stepbox: {text}");
        println!("{}", commit::commit(&state, &store, &record, &wish, note)?);
        Ok(ExitCode::SUCCESS)
    }
}
