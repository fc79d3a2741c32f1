//! `stepbox rmi`.

use std::process::ExitCode;

use crate::cli::{state, store};
use crate::engine::containers;
use crate::engine::images::catalog::ImageError;
use crate::engine::images::remove::{Gone, Remover};

// The options of `rmi`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Also what has several names, or what a container that has ended uses; what is not there is no failure
    #[arg(short, long)]
    force: bool,
    /// Keep the nameless images that it was made of
    #[arg(long)]
    no_prune: bool,
    /// Names, ids, or beginnings of ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let store = store()?;
        let mut remover = Remover::new(&store, containers::list(&state()?))?;
        let (mut failed, mut removed, mut errors) = (false, false, Vec::new());
        let remove = |name: &String| (name.clone(), remover.remove(name, self.force, !self.no_prune));
        let answers: Vec<_> = self.images.iter().map(remove).collect();
        remover.commit()?;
        for (name, answer) in answers {
            match answer {
                Ok(gone) => {
                    removed = true;
                    for what in gone {
                        match what {
                            Gone::Untagged(name) => println!("Untagged: {name}"),
                            Gone::Deleted(digest) => println!("Deleted: {digest}"),
                        }
                    }
                }
                // as Docker: said, and with -f no failure
                Err(ImageError::NoSuch(_)) => {
                    errors.push(format!("Error: No such image: {name}"));
                    failed |= !self.force;
                }
                Err(error) => {
                    errors.push(format!("stepbox: {error}"));
                    failed = true;
                }
            }
        }
        errors.iter().for_each(|error| complain!("{error}"));
        if removed && let Err(error) = remover.finish() {
            complain!("stepbox: nothing of it is removed from the disk yet: {error}");
            failed = true;
        }
        Ok(ExitCode::from(u8::from(failed)))
    }
}
