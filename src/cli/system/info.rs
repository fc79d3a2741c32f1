//! `stepbox info`.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::Value;

use crate::cli::{human, state, store};
use crate::engine::containers;
use crate::engine::images::catalog::Catalog;
use crate::engine::info::{VERSION, info};

// The options of `info`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How to print it: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Args {
    pub(in crate::cli) fn main(self) -> anyhow::Result<ExitCode> {
        let (state, store) = (state()?, store()?);
        let catalog = Catalog::read(&store)?;
        let images = catalog.images.len() + catalog.broken.len();
        let info = info(&state, &store, &containers::list(&state), images);
        match self.format.as_deref() {
            None | Some("") => print!("{}", text(&info)),
            Some(format) => return super::formatted(format, "", "system.info", &info),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// As Docker lays it out.
fn text(info: &Value) -> String {
    let shown = |name: &str| match &info[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let list = |value: &Value| {
        let items = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        items.collect::<Vec<_>>().join(" ")
    };
    let mut text = format!("Client:\n Version: {VERSION}\n\nServer:\n");
    let mut line = |blanks: &str, name: &str, value: &str| _ = writeln!(text, "{blanks}{name}: {value}");
    line(" ", "Containers", &shown("Containers"));
    line("  ", "Running", &shown("ContainersRunning"));
    line("  ", "Paused", &shown("ContainersPaused"));
    line("  ", "Stopped", &shown("ContainersStopped"));
    for (name, field) in [
        ("Images", "Images"),
        ("Server Version", "ServerVersion"),
        ("Storage Driver", "Driver"),
        ("Cgroup Driver", "CgroupDriver"),
        ("Cgroup Version", "CgroupVersion"),
    ] {
        line(" ", name, &shown(field));
    }
    let _ = writeln!(text, " Plugins:\n  Network: {}", list(&info["Plugins"]["Network"]));
    let _ = writeln!(
        text,
        " Runtimes: stepbox\n Default Runtime: {}\n Security Options:",
        shown("DefaultRuntime")
    );
    for option in list(&info["SecurityOptions"]).split(' ') {
        let mut parts = option.split(',').filter_map(|part| part.split_once('='));
        for (name, value) in parts.by_ref() {
            let _ = match name {
                "name" => writeln!(text, "  {value}"),
                _ => writeln!(text, "   Profile: {value}"),
            };
        }
    }
    let memory = human::binary_size(info["MemTotal"].as_u64().unwrap_or(0));
    for (name, value) in [
        ("Kernel Version", shown("KernelVersion")),
        ("Operating System", shown("OperatingSystem")),
        ("OSType", shown("OSType")),
        ("Architecture", shown("Architecture")),
        ("CPUs", shown("NCPU")),
        ("Total Memory", memory),
        ("Name", shown("Name")),
        ("Docker Root Dir", shown("DockerRootDir")),
        ("Exec Root Dir", shown("ExecRootDir")),
    ] {
        let _ = writeln!(text, " {name}: {value}");
    }
    text
}
