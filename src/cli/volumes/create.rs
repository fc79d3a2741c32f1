//! `stepbox volume create`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::cli::state;
use crate::engine::names;
use crate::engine::volumes::{Kept, Volumes, asked};

// The options of `volume create`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The driver; there is one
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// A label
    #[arg(long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// An option of the driver: type=none, o=bind and device=DIRECTORY together
    #[arg(short, long = "opt", value_name = "NAME=VALUE")]
    opt: Vec<String>,
    /// The volume's name; one is made up where there is none
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let pairs = |list: &[String]| -> BTreeMap<String, String> {
            let pair = |text: &String| {
                text.split_once('=').map_or((text.clone(), String::new()), |(a, b)| (a.into(), b.into()))
            };
            list.iter().map(pair).collect()
        };
        let name = self.name.filter(|name| !name.is_empty()).unwrap_or_else(names::new_id);
        asked::check_driver(&name, &self.driver)?;
        let created = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let (labels, options) = (Some(pairs(&self.label)), Some(pairs(&self.opt)));
        let state = state()?;
        let made = Volumes::of(&state).create(&name, Kept { created, labels, options, goes_with: None })?;
        println!("{}", made.name);
        Ok(ExitCode::SUCCESS)
    }
}
