//! Files of environment variables, as Docker reads them: one `NAME=value` a line, the value as it stands, without quotes or
//! expansion; `NAME` alone passes ours on; `#` begins a line that says nothing.

use std::path::{Path, PathBuf};

// The options that set variables.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(in crate::cli) struct Args {
    /// An environment variable (NAME alone passes ours on)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// A file of environment variables, one a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
}

impl Args {
    /// The environment: files first, so that -e has the last word.
    pub(in crate::cli) fn env(&self) -> anyhow::Result<Vec<String>> {
        let ours = |name: &str| std::env::var(name).ok();
        let mut env = Vec::new();
        for path in &self.env_file {
            env.extend(read(path, ours)?);
        }
        for pair in &self.env {
            match pair.split_once('=') {
                Some(("", _)) => anyhow::bail!("invalid environment variable {pair:?}: it has no name"),
                Some(_) => env.push(pair.clone()),
                None => env.extend(ours(pair).map(|value| format!("{pair}={value}"))),
            }
        }
        Ok(env)
    }
}

/// The variables that a file sets; `ours` are those of this process.
pub(super) fn read(path: &Path, ours: impl Fn(&str) -> Option<String>) -> anyhow::Result<Vec<String>> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        let error = error.to_string();
        anyhow::anyhow!(
            "open {name}: {}",
            error.split(" (os error").next().unwrap_or_default().to_lowercase()
        )
    })?;
    let mut found = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = number + 1;
        let Ok(line) = std::str::from_utf8(line) else {
            anyhow::bail!("env file {name} contains invalid utf8 bytes at line {number}");
        };
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if number == 1 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (variable, value) =
            line.split_once('=').map_or((line, None), |(variable, value)| (variable, Some(value)));
        match value {
            _ if variable.is_empty() => {
                anyhow::bail!(
                    "poorly formatted environment: no variable name on line '{line}' ({name}, line {number})"
                )
            }
            _ if variable.contains([' ', '\t']) => anyhow::bail!(
                "poorly formatted environment: variable '{variable}' contains whitespaces ({name}, line {number})"
            ),
            Some(value) => found.push(format!("{variable}={value}")),
            None => found.extend(ours(variable).map(|value| format!("{variable}={value}"))),
        }
    }
    Ok(found)
}
