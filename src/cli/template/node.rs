//! What a template is made of, and how Go writes it in messages. See text/template/parse/node.go.

use std::fmt;

use serde_json::Number;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    Range(Branch),
    With(Branch),
    Break,
    Continue,
}

/// A part that is carried out or not.
#[derive(Debug)]
pub(super) struct Branch {
    pub pipe: Pipe,
    pub list: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// Commands, each of which gets what the one before it made.
#[derive(Debug)]
pub(super) struct Pipe {
    pub pos: usize,
    /// variables that get the value
    pub variables: Vec<String>,
    /// they were there before
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// A value, or a function and its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub pos: usize,
    pub args: Vec<Arg>,
}

/// A value in a command.
#[derive(Debug)]
pub(super) struct Arg {
    pub pos: usize,
    pub kind: Kind,
}

/// What kind of value.
#[derive(Debug)]
pub(super) enum Kind {
    Dot,
    Nil,
    Bool(bool),
    /// as it was written, and what it is
    Number(String, Number),
    /// as it was written, and what it is
    Text(String, String),
    Field(Vec<String>),
    /// the variable, and fields of it
    Variable(Vec<String>),
    Function(String),
    Pipe(Pipe),
    /// fields of what stands in parentheses
    Chain(Box<Arg>, Vec<String>),
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(f, "{} {} ", self.variables.join(", "), if self.assigns { "=" } else { ":=" })?;
        }
        for (at, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if at > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if at > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Dot => f.write_str("."),
            Kind::Nil => f.write_str("nil"),
            Kind::Bool(value) => write!(f, "{value}"),
            Kind::Number(written, _) | Kind::Text(written, _) => f.write_str(written),
            Kind::Field(names) => write!(f, ".{}", names.join(".")),
            Kind::Variable(names) => f.write_str(&names.join(".")),
            Kind::Function(name) => f.write_str(name),
            Kind::Pipe(pipe) => write!(f, "({pipe})"),
            Kind::Chain(arg, names) => write!(f, "{arg}.{}", names.join(".")),
        }
    }
}
