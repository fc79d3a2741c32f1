//! `stepbox update`.

use std::process::ExitCode;

use anyhow::bail;

use crate::cli::run::keeping::restart;
use crate::cli::run::limits::Changing;
use crate::cli::run::watching;
use crate::cli::{each, state};
use crate::engine::containers::find;
use crate::engine::containers::update::{Change, prepare};
use crate::engine::run::RunError;
use crate::engine::state::State;

// the options of `update`
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    limits: Changing,
    /// When to start it again: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    #[command(flatten)]
    watching: watching::Args,
    /// Names, ids, or beginnings of ids
    #[arg(help_heading = None, required = true)]
    containers: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let restart = self.restart.as_deref().filter(|policy| !policy.is_empty()).map(restart);
        let restart = restart.transpose().map_err(anyhow::Error::msg)?;
        let change = Change { limits: self.limits.asked(), restart };
        if change == Change::default() {
            bail!("you must provide one or more flags when using this command");
        }
        let watched = self.watching.anybody() || self.watching.dry_run;
        if watched && self.containers.len() > 1 {
            bail!("whoever watches each step watches one container: name it alone");
        }
        let state = state()?;
        Ok(each(&self.containers, |name| self.update(&state, name, &change)))
    }

    fn update(&self, state: &State, name: &str, change: &Change) -> anyhow::Result<()> {
        let prepared = prepare(state, &find(state, name)?, change)?;
        if self.watching.anybody() || self.watching.dry_run {
            let (title, plan) = (format!("stepbox update {name}"), prepared.plan.clone());
            let question = "How do other limits come to a program that runs?";
            let mut done = false;
            self.watching.watched((&title, question), &plan, |watcher| {
                prepared.take(state, watcher).map_err(RunError::from)?;
                done = true;
                Ok(None)
            })?;
            if !done {
                return Ok(());
            }
        } else {
            prepared.take(state, &mut ())?;
        }
        println!("{name}");
        Ok(())
    }
}
