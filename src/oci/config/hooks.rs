//! Hooks: programs of the bundle's author, run by us at six points with the container's state on standard input.
//!
//! ```text
//!   create   prestart  createRuntime     host, before the root is exchanged       creating
//!            createContainer             the container's namespaces, the same     creating
//!   start    startContainer              the container, before its program        created
//!            poststart                   host, the program runs                   running
//!   delete   poststop                    host, everything is gone                 stopped
//! ```
//!
//! See config.md, "POSIX-platform Hooks", and runtime.md, "State".

use std::ffi::OsString;

use serde_json::{Value, json};

use super::Place;
use super::document::{self, Config};
use super::error::{ConfigError, Problem};
use crate::kernel::ctext::BOX;
use crate::kernel::op::{Exec, Hook};
use crate::spec::Hooks;

/// What the state says of the specification's version.
pub const VERSION: &str = "1.2.0";

/// The state of a container that is being made, but for its process.
pub(super) fn members(config: &Config, place: &Place, status: &str) -> Value {
    let mut state =
        json!({ "ociVersion": VERSION, "id": place.id, "status": status, "bundle": place.bundle });
    if !config.annotations.is_empty() {
        state["annotations"] = json!(config.annotations);
    }
    state
}

/// The same as hooks read it: the mark that the launch replaces stands for the process id, and nowhere else.
fn state(config: &Config, place: &Place, status: &str) -> String {
    let members = members(config, place, status).to_string();
    let rest = members.replace(BOX, &BOX.replace('[', "\\u005b"));
    format!("{{\"pid\":{BOX},{}", &rest[1..])
}

/// The hooks that run until the program does.
pub(super) fn hooks(config: &Config, place: &Place) -> Result<Hooks, ConfigError> {
    let (creating, created) = (state(config, place, "creating"), state(config, place, "created"));
    check(config)?;
    let on_host =
        |list: &[document::Hook]| list.iter().map(|hook| command(hook, &creating, &ours())).collect();
    let theirs: &[String] = config.process.as_ref().map_or(&[], |process| &process.env);
    let in_box =
        |list: &[document::Hook], stdin: &str| list.iter().map(|hook| command(hook, stdin, theirs)).collect();
    Ok(Hooks {
        prestart: on_host(&config.hooks.prestart),
        create_runtime: on_host(&config.hooks.create_runtime),
        create_container: in_box(&config.hooks.create_container, &creating),
        start_container: in_box(&config.hooks.start_container, &created),
        directory: Some(place.bundle.clone()),
    })
}

/// The hooks that `start` runs when the program runs, each with this state on standard input.
pub fn poststart(config: &Config, state: &str) -> Vec<Hook> {
    config.hooks.poststart.iter().map(|hook| command(hook, state, &ours())).collect()
}

/// The hooks that `delete` runs when everything is gone, each with this state on standard input.
pub fn poststop(config: &Config, state: &str) -> Vec<Hook> {
    config.hooks.poststop.iter().map(|hook| command(hook, state, &ours())).collect()
}

/// The environment of this process, as far as it is text.
fn ours() -> Vec<String> {
    let text = |(name, value): (OsString, OsString)| Some(format!("{}={}", name.to_str()?, value.to_str()?));
    std::env::vars_os().filter_map(text).collect()
}

/// A hook that names no environment has that of whoever runs it, as with runc: the engine, or the container.
fn command(hook: &document::Hook, stdin: &str, inherited: &[String]) -> Hook {
    let path = hook.path.as_path().into();
    let argv = if hook.args.is_empty() { vec![path] } else { hook.args.iter().map(Into::into).collect() };
    let exec = Exec {
        paths: vec![hook.path.as_path().into()],
        argv,
        env: hook.env.as_deref().unwrap_or(inherited).iter().map(Into::into).collect(),
    };
    Hook { exec, stdin: stdin.into(), timeout: hook.timeout.and_then(|seconds| seconds.try_into().ok()) }
}

/// All six lists are checked, also those that are run later.
fn check(config: &Config) -> Result<(), ConfigError> {
    for (name, list) in config.hooks.lists() {
        for (index, hook) in list.iter().enumerate() {
            let place = |member| format!("hooks.{name}[{index}].{member}");
            let path = format!("{:?}", hook.path);
            if hook.path.as_os_str().is_empty() {
                return Err(ConfigError::at(place("path"), path, Problem::Missing("the program to run")));
            }
            if !hook.path.is_absolute() {
                return Err(ConfigError::at(place("path"), path, Problem::NotAbsolute));
            }
            if super::has_nul(&hook.path) {
                return Err(ConfigError::at(place("path"), path, Problem::Nul));
            }
            super::process::texts(&place("args"), &hook.args)?;
            super::process::environment(&place("env"), hook.env.as_deref().unwrap_or_default())?;
            if let Some(seconds) = hook.timeout.filter(|seconds| !(1..=i64::from(u32::MAX)).contains(seconds))
            {
                return Err(ConfigError::at(place("timeout"), seconds, Problem::Range("at least 1 second")));
            }
        }
    }
    Ok(())
}
