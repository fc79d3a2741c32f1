//! `stepbox inspect`: containers, images and volumes as JSON, or what a template makes of them.
//!
//! ```text
//!   NAME ──> a container? ──> an image? ──> a volume? ──> [ {…}, … ]     or --format over each
//!                                                 └─ no: Error: No such object, exit code 1, the others all the same
//! ```

use std::process::ExitCode;

use serde_json::Value;

use super::template::{Template, Types};
use super::{state, store};
use crate::engine::containers::{self, ContainerError};
use crate::engine::images::catalog::{Catalog, ImageError};
use crate::engine::images::inspect as image;
use crate::engine::state::State;
use crate::engine::store::Store;
use crate::engine::volumes::Volumes;

// The options of `inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How to print them: json, or a Go template
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Also how much containers have written
    #[arg(short, long)]
    size: bool,
    /// Look among these only
    #[arg(long = "type", value_name = "container|image|volume")]
    kind: Option<String>,
    /// Names, ids, or beginnings of ids
    #[arg(required = true, value_name = "NAME|ID")]
    names: Vec<String>,
}

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// a container
    Container,
    /// an image
    Image,
    /// a volume
    Volume,
}

impl Args {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        let kind = match self.kind.as_deref() {
            None | Some("") => None,
            Some("container") => Some(Kind::Container),
            Some("image") => Some(Kind::Image),
            Some("volume") => Some(Kind::Volume),
            Some(other) => anyhow::bail!("{other:?} is not a valid value for --type"),
        };
        inspect(&self.names, kind, self.format.as_deref(), self.size)
    }
}

/// What Go's types would say of what is inspected.
const TYPES: Types = Types {
    name: None,
    maps: &[
        "Annotations",
        "Data",
        "DriverOpts",
        "ExposedPorts",
        "Labels",
        "Networks",
        "Options",
        "OnBuild",
        "PortBindings",
        "Ports",
        "Sysctls",
        "Tmpfs",
        "Volumes",
    ],
    lists: &[
        "Aliases",
        "Args",
        "Binds",
        "CapAdd",
        "CapDrop",
        "Cmd",
        "Devices",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "Entrypoint",
        "Env",
        "ExecIDs",
        "ExtraHosts",
        "GroupAdd",
        "Layers",
        "Links",
        "MaskedPaths",
        "Mounts",
        "ReadonlyPaths",
        "RepoDigests",
        "RepoTags",
        "SecurityOpt",
        "Shell",
        "Ulimits",
        "VolumesFrom",
    ],
    marshals: false,
    headings: false,
};

/// Prints what these names stand for. Errors come behind what could be found, as Docker does it.
pub(super) fn inspect(
    names: &[String],
    kind: Option<Kind>,
    format: Option<&str>,
    sizes: bool,
) -> anyhow::Result<ExitCode> {
    let template = match format {
        None | Some("" | "json") => None,
        Some(text) => match Template::parse(text) {
            Ok(template) => Some(template),
            Err(error) => {
                complain!("{error}");
                return Ok(ExitCode::from(64));
            }
        },
    };
    let place = Place::open(sizes)?;
    let (mut found, mut text, mut errors) = (Vec::new(), String::new(), Vec::new());
    for name in names {
        match place.find(name, kind) {
            Err(error) => errors.push(error),
            Ok(mut value) => match template
                .as_ref()
                .map(|template| template.run(typed(&mut value, format.unwrap_or_default()), TYPES))
            {
                None => found.push(value),
                Some(Ok(line)) => text += &(line + "\n"),
                Some(Err(error)) => errors.push(error.to_string()),
            },
        }
    }
    match &template {
        Some(_) if text.is_empty() => println!(),
        Some(_) => print!("{text}"),
        None if format == Some("json") => println!("{}", super::template::json(&Value::Array(found), false)),
        None => println!("{}", indented(&found)),
    }
    errors.iter().for_each(|error| complain!("{error}"));
    Ok(ExitCode::from(u8::from(!errors.is_empty())))
}

/// For a template that names them: fields that JSON leaves out where there is nothing, and Go's types have all the same.
fn typed<'a>(value: &'a mut Value, template: &str) -> &'a Value {
    for (holder, name) in [("State", "Health"), ("Config", "Healthcheck")] {
        if let Some(Value::Object(fields)) = value.get_mut(holder)
            && template.contains(&format!(".{holder}.{name}"))
        {
            fields.entry(name).or_insert(Value::Null);
        }
    }
    value
}

/// As Docker indents: by four.
fn indented(values: &[Value]) -> String {
    let mut text = Vec::new();
    let four = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, four);
    serde::Serialize::serialize(values, &mut writer).expect("JSON goes into memory");
    String::from_utf8(text).expect("JSON is text")
}

/// Where things are looked for.
struct Place {
    state: State,
    store: Store,
    catalog: Catalog,
    sizes: bool,
}

impl Place {
    fn open(sizes: bool) -> anyhow::Result<Place> {
        let (state, store) = (state()?, store()?);
        let catalog = Catalog::read(&store)?;
        Ok(Place { state, store, catalog, sizes })
    }

    fn find(&self, name: &str, kind: Option<Kind>) -> Result<Value, String> {
        if kind == Some(Kind::Volume) {
            let found = Volumes::of(&self.state).find(name).map(|known| known.inspect());
            return found.ok_or_else(|| format!("Error: No such volume: {name}"));
        }
        if kind != Some(Kind::Image) {
            match containers::find(&self.state, name) {
                Ok(record) => {
                    let (state, store, catalog) = (&self.state, &self.store, &self.catalog);
                    return Ok(containers::inspect::inspect(state, store, catalog, &record, self.sizes));
                }
                Err(ContainerError::NoSuch(_)) if kind.is_none() => {}
                Err(ContainerError::NoSuch(_)) => return Err(format!("Error: No such container: {name}")),
                Err(error) => return Err(format!("stepbox: {error}")),
            }
        }
        match self.catalog.find(name) {
            Ok(known) => {
                if self.sizes {
                    complain!("WARNING: --size ignored for image");
                }
                image::inspect(&self.store, known).map_err(|error| format!("stepbox: {name}: {error}"))
            }
            // no image could have such a name
            Err(ImageError::NoSuch(_) | ImageError::Reference(_)) => {
                if let Some(known) = Volumes::of(&self.state).find(name).filter(|_| kind.is_none()) {
                    return Ok(known.inspect());
                }
                let what = if kind.is_some() { "image" } else { "object" };
                Err(format!("Error: No such {what}: {name}"))
            }
            Err(error) => Err(format!("stepbox: {error}")),
        }
    }
}
