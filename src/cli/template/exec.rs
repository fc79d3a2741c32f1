//! Carrying a template out. See text/template/exec.go.

use std::borrow::Cow;
use std::fmt::Display;

use serde_json::Value;

use super::functions::{self, Wrong};
use super::node::{Arg, Branch, Command, Kind, Node, Pipe};
use super::value::{Shape, Val, plain};
use super::{Labels, Types};

/// Where a template failed, and why.
pub(super) struct Failed {
    pub pos: usize,
    pub at: String,
    pub what: String,
}

/// The text that the nodes make of the data.
pub(super) fn run(
    nodes: &[Node],
    data: &Value,
    types: Types,
    labels: Option<Labels<'_>>,
) -> Result<String, Failed> {
    let root = Val::borrowed(data);
    let variables = vec![("$", root.clone())];
    let mut state = State { out: String::new(), variables, types, labels, place: (0, &"") };
    match state.walk(&root, nodes) {
        Ok(_) => Ok(state.out),
        Err(what) => Err(Failed { pos: state.place.0, at: state.place.1.to_string(), what }),
    }
}

/// Whether a range goes on.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct State<'d, 't> {
    out: String,
    variables: Vec<(&'t str, Val<'d>)>,
    types: Types,
    /// those of the row, where it can have any
    labels: Option<Labels<'d>>,
    /// what is being carried out, for messages
    place: (usize, &'t dyn Display),
}

impl<'d, 't> State<'d, 't> {
    fn walk(&mut self, dot: &Val<'d>, nodes: &'t [Node]) -> Result<Flow, String> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.out.push_str(text);
                    Flow::On
                }
                Node::Action(pipe) => {
                    let value = self.pipe(dot, pipe)?;
                    if pipe.variables.is_empty() {
                        self.out.push_str(&value.print());
                    }
                    Flow::On
                }
                Node::If(branch) => self.branch(dot, branch, false)?,
                Node::With(branch) => self.branch(dot, branch, true)?,
                Node::Range(branch) => self.range(dot, branch)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn branch(&mut self, dot: &Val<'d>, branch: &'t Branch, with: bool) -> Result<Flow, String> {
        let known = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = match value.truth() {
            true => self.walk(if with { &value } else { dot }, &branch.list),
            false => self.walk(dot, &branch.otherwise),
        };
        self.variables.truncate(known);
        flow
    }

    fn range(&mut self, dot: &Val<'d>, branch: &'t Branch) -> Result<Flow, String> {
        let known = self.variables.len();
        let over = self.pipe(dot, &branch.pipe)?;
        let items: Vec<(Val<'d>, Val<'d>)> = match over.value() {
            Value::Null => Vec::new(),
            Value::Array(items) => {
                (0..items.len()).filter_map(|at| Some((Val::owned(at), over.at(at)?))).collect()
            }
            Value::Object(map) => {
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort();
                keys.iter().filter_map(|key| Some((Val::owned(key.as_str()), over.get(key)?))).collect()
            }
            other => return Err(format!("range can't iterate over {}", plain(other))),
        };
        if items.is_empty() {
            self.variables.truncate(known);
            return self.walk(dot, &branch.otherwise);
        }
        let pipe = &branch.pipe;
        for (key, value) in items {
            let inner = self.variables.len();
            let values =
                if pipe.variables.len() == 2 { vec![key, value.clone()] } else { vec![value.clone()] };
            for (name, value) in pipe.variables.iter().zip(values) {
                self.set(name, value, pipe.assigns)?;
            }
            let flow = self.walk(&value, &branch.list)?;
            self.variables.truncate(inner);
            if flow == Flow::Break {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(Flow::On)
    }

    fn set(&mut self, name: &'t str, value: Val<'d>, assigns: bool) -> Result<(), String> {
        if !assigns {
            self.variables.push((name, value));
            return Ok(());
        }
        let known = self.variables.iter_mut().rev().find(|(known, _)| *known == name);
        known.map(|(_, old)| *old = value).ok_or_else(|| format!("undefined variable: {name}"))
    }

    fn pipe(&mut self, dot: &Val<'d>, pipe: &'t Pipe) -> Result<Val<'d>, String> {
        self.place = (pipe.pos, pipe);
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(dot, command, value)?);
        }
        let value = value.unwrap_or_else(Val::missing);
        // a range sets its variables itself, to each item in turn
        if let [name] = pipe.variables.as_slice() {
            self.set(name, value.clone(), pipe.assigns)?;
        }
        Ok(value)
    }

    fn command(
        &mut self,
        dot: &Val<'d>,
        command: &'t Command,
        last: Option<Val<'d>>,
    ) -> Result<Val<'d>, String> {
        let first = &command.args[0];
        if let Kind::Function(name) = &first.kind {
            self.place = (first.pos, first);
            return self.function(dot, name, command, last);
        }
        if let (Kind::Field(names), Some(labels)) = (&first.kind, self.labels)
            && names.as_slice() == ["Label"]
        {
            self.place = (first.pos, first);
            return self.label(dot, labels, command, last);
        }
        if command.args.len() > 1 || last.is_some() {
            self.place = (first.pos, first);
            let named = match &first.kind {
                Kind::Field(names) | Kind::Chain(_, names) => names.last(),
                Kind::Variable(names) if names.len() > 1 => names.last(),
                _ => None,
            };
            return Err(match named {
                Some(name) => format!("{name} is not a method but has arguments"),
                None => format!("can't give argument to non-function {first}"),
            });
        }
        if matches!(first.kind, Kind::Nil) {
            self.place = (first.pos, first);
            return Err("nil is not a command".into());
        }
        self.arg(dot, first)
    }

    fn function(
        &mut self,
        dot: &Val<'d>,
        name: &'t str,
        command: &'t Command,
        last: Option<Val<'d>>,
    ) -> Result<Val<'d>, String> {
        // and, or: no more is looked at than is needed
        if matches!(name, "and" | "or") {
            let mut value = None;
            for arg in &command.args[1..] {
                let next = self.arg(dot, arg)?;
                let decided = next.truth() == (name == "or");
                value = Some(next);
                if decided {
                    return Ok(value.unwrap_or_else(Val::missing));
                }
            }
            return last
                .or(value)
                .ok_or_else(|| format!("wrong number of args for {name}: want at least 1 got 0"));
        }
        let mut args = Vec::with_capacity(command.args.len());
        for arg in &command.args[1..] {
            args.push(self.arg(dot, arg)?);
        }
        args.extend(last);
        functions::call(name, &args, &self.types).map_err(|error| self.blame(error, name, command))
    }

    /// The one method that Docker's rows have. Of a heading it makes the last word of the label's name.
    fn label(
        &mut self,
        dot: &Val<'d>,
        labels: Labels<'d>,
        command: &'t Command,
        last: Option<Val<'d>>,
    ) -> Result<Val<'d>, String> {
        let mut args = Vec::with_capacity(1);
        for arg in &command.args[1..] {
            args.push(self.arg(dot, arg)?);
        }
        args.extend(last);
        self.place = (command.pos, &command.args[0]);
        match args.iter().map(Val::value).collect::<Vec<_>>().as_slice() {
            [Value::String(name)] if self.types.headings => {
                Ok(Val::owned(name.rsplit('.').next().unwrap_or_default().replace(['-', '_'], " ")))
            }
            [Value::String(name)] => Ok(Val::owned(labels.get(name).map_or("", String::as_str))),
            [other] => Err(format!("expected string; found {}", plain(other))),
            other => Err(format!("wrong number of args for Label: want 1 got {}", other.len())),
        }
    }

    /// The words for a call that failed, and the place that they are about.
    fn blame(&mut self, error: Wrong, name: &str, command: &'t Command) -> String {
        match error {
            Wrong::Call(what) => {
                self.place = (command.pos, command);
                format!("error calling {name}: {what}")
            }
            Wrong::Count(what) => {
                self.place = (command.pos, &command.args[0]);
                what
            }
            Wrong::Type { at, wanted, given } => {
                let Some(arg) = command.args.get(at + 1) else {
                    return format!("wrong type for value; expected {wanted}; got {given}");
                };
                self.place = (arg.pos, arg);
                let constant = if wanted == "int" { "integer" } else { wanted };
                match arg.kind {
                    Kind::Nil => format!("cannot assign nil to {wanted}"),
                    Kind::Number(..) | Kind::Text(..) | Kind::Bool(_) => {
                        format!("expected {constant}; found {arg}")
                    }
                    _ => format!("wrong type for value; expected {wanted}; got {given}"),
                }
            }
        }
    }

    fn arg(&mut self, dot: &Val<'d>, arg: &'t Arg) -> Result<Val<'d>, String> {
        self.place = (arg.pos, arg);
        match &arg.kind {
            Kind::Dot => Ok(dot.clone()),
            Kind::Nil => Ok(Val::missing()),
            Kind::Bool(value) => Ok(Val::owned(*value)),
            Kind::Number(_, number) => Ok(Val::owned(number.clone())),
            Kind::Text(_, text) => Ok(Val::owned(text.as_str())),
            Kind::Field(names) => self.fields(dot.clone(), names),
            Kind::Variable(names) => {
                let found = self.variables.iter().rev().find(|(name, _)| *name == names[0]);
                let value = found.map_or_else(Val::missing, |(_, value)| value.clone());
                self.fields(value, &names[1..])
            }
            Kind::Function(name) => functions::call(name, &[], &self.types).map_err(|error| match error {
                Wrong::Call(what) => format!("error calling {name}: {what}"),
                Wrong::Count(what) => what,
                Wrong::Type { wanted, given, .. } => format!("expected {wanted}; found {given}"),
            }),
            Kind::Pipe(pipe) => self.pipe(dot, pipe),
            Kind::Chain(inner, names) => {
                let value = self.arg(dot, inner)?;
                self.place = (arg.pos, arg);
                self.fields(value, names)
            }
        }
    }

    fn fields(&self, mut value: Val<'d>, names: &[String]) -> Result<Val<'d>, String> {
        for name in names {
            value = self.field(&value, name)?;
        }
        Ok(value)
    }

    fn field(&self, value: &Val<'d>, name: &str) -> Result<Val<'d>, String> {
        let shape = |name: &str| match () {
            _ if self.types.maps.contains(&name) => Shape::Map,
            _ if self.types.lists.contains(&name) => Shape::List,
            _ => Shape::Plain,
        };
        if value.json.is_none() {
            return Ok(Val::missing());
        }
        match value.value() {
            Value::Object(_) => match value.get(name) {
                Some(found) if value.shape == Shape::Map => Ok(found),
                Some(found) => Ok(Val { shape: shape(name), ..found }),
                None if value.shape == Shape::Map || self.types.headings => Ok(Val::missing()),
                None => Err(match self.types.name {
                    Some(kind) => format!("can't evaluate field {name} in type {kind}"),
                    None => format!("map has no entry for key {name:?}"),
                }),
            },
            Value::Null if value.shape == Shape::Map || self.types.headings => Ok(Val::missing()),
            Value::Null => Err(format!("nil pointer evaluating interface {{}}.{name}")),
            _ => Err(format!("can't evaluate field {name} in type interface {{}}")),
        }
    }
}

impl From<&Val<'_>> for Value {
    fn from(val: &Val<'_>) -> Value {
        val.json.clone().map_or(Value::Null, Cow::into_owned)
    }
}
