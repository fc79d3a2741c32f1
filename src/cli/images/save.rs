//! `stepbox save`.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;

use crate::cli::store;
use crate::engine::archives::{self, ArchiveError, Format};

// The options of `save`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Write to this file instead of standard output
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// The form of the archive
    #[arg(long, value_enum, default_value = "docker-archive")]
    format: Form,
    /// Names or ids; a name without a tag means all tags of it
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// For docker load, skopeo and OCI tools
    DockerArchive,
    /// An OCI layout and nothing more
    OciArchive,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let format = match self.format {
            Form::DockerArchive => Format::Docker,
            Form::OciArchive => Format::Oci,
        };
        let store = store()?;
        match &self.output {
            Some(path) => to_file(path, |file| archives::save(&store, &self.images, format, file))?,
            None if std::io::stdout().is_terminal() => {
                anyhow::bail!("cowardly refusing to save to a terminal. Use the -o flag or redirect")
            }
            None => archives::save(&store, &self.images, format, std::io::stdout().lock())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes beside the file and takes its place at the end, so that nobody finds half an archive there. A pipe or a
/// device is written to as it is.
fn to_file(path: &Path, write: impl FnOnce(&File) -> Result<(), ArchiveError>) -> anyhow::Result<()> {
    let shown = || format!("write {}", path.display());
    match path.metadata() {
        Ok(known) if known.is_dir() => anyhow::bail!("{} is a directory: name a file", path.display()),
        Ok(known) if !known.is_file() => {
            let file = File::options().write(true).open(path).with_context(shown)?;
            return write(&file).with_context(shown);
        }
        _ => {}
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let aside = tempfile::NamedTempFile::new_in(directory).with_context(shown)?;
    write(aside.as_file())?;
    aside.persist(path).with_context(shown)?;
    Ok(())
}
