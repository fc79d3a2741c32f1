//! `stepbox images`.

use std::process::ExitCode;

use crate::cli::store;
use crate::cli::table::table;

/// The options of `images`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Print ids only
    #[arg(short, long)]
    quiet: bool,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let mut rows = vec![["REPOSITORY".to_string(), "TAG".into(), "IMAGE ID".into()]];
        for image in store()?.list()? {
            let image = image?;
            let (name, tag) = match &image.reference {
                Some(reference) => {
                    (reference.familiar_name(), reference.tag().unwrap_or("<none>").to_string())
                }
                None => ("<none>".into(), "<none>".into()),
            };
            rows.push([name, tag, image.id.hex()[..12].into()]);
        }
        match self.quiet {
            true => rows.iter().skip(1).for_each(|row| println!("{}", row[2])),
            false => print!("{}", table(&rows)),
        }
        Ok(ExitCode::SUCCESS)
    }
}
