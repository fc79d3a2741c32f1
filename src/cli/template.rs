//! Templates: the language of `--format`, which is Go's text/template as Docker's commands speak it.
//!
//! ```text
//!   "{{range .Config.Env}}{{println .}}{{end}}"
//!        │ lex      text, {{, words, }}
//!        │ parse    Node: Text, Action, If, Range, With
//!        └ run      over a JSON value ──> text, or where it failed: template: :1:2: executing "" at <.Id>: …
//! ```
//!
//! Left out, and refused by name: `define`, `template`, `block` and `call`, for which Docker's commands have no use.
//!
//! See <https://pkg.go.dev/text/template> and <https://docs.docker.com/config/formatting/>.

mod compare;
mod constant;
mod exec;
mod functions;
mod lex;
mod node;
mod parse;
mod printf;
mod value;

use std::collections::BTreeMap;

use serde_json::Value;

pub(super) use value::json;

/// A template, parsed.
#[derive(Debug)]
pub(super) struct Template {
    name: String,
    text: String,
    nodes: Vec<node::Node>,
}

/// What Go's types would say of the data, which JSON does not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Types {
    /// what the data is called where it has no such field; none: it is a map
    pub name: Option<&'static str>,
    /// fields that hold maps: whoever asks for a key that is not there gets `<no value>`, not an error
    pub maps: &'static [&'static str],
    /// fields that hold lists, printed `[]` where they are null
    pub lists: &'static [&'static str],
    /// `{{json .}}` writes `<` as `\u003c`, as Go does of what marshals itself
    pub marshals: bool,
    /// the data are headings: functions leave them as they are, unknown ones are `<no value>`
    pub headings: bool,
}

/// What the method `Label` looks a name up in.
pub(super) type Labels<'a> = &'a BTreeMap<String, String>;

/// Why a template is none, or why it could not be carried out; in Go's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    /// it does not follow the grammar
    #[error("template parsing error: template: {name}:{line}: {what}")]
    Parse {
        /// the template's name, which Docker leaves empty
        name: String,
        /// counted from 1
        line: usize,
        /// what is wrong
        what: String,
    },
    /// it asks for what is not there
    #[error(
        "template parsing error: template: {name}:{line}:{column}: executing \"{name}\" at <{at}>: {what}"
    )]
    Run {
        /// the template's name
        name: String,
        /// counted from 1
        line: usize,
        /// in bytes, counted from 0
        column: usize,
        /// the words that failed
        at: String,
        /// what is wrong
        what: String,
    },
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        Template::named("", text)
    }

    /// The same with a name, for messages.
    pub fn named(name: &str, text: &str) -> Result<Template, TemplateError> {
        let nodes = parse::parse(text).map_err(|(pos, what)| TemplateError::Parse {
            name: name.into(),
            line: line(text, pos),
            what,
        })?;
        Ok(Template { name: name.into(), text: text.into(), nodes })
    }

    /// What it makes of this value.
    pub fn run(&self, data: &Value, types: Types) -> Result<String, TemplateError> {
        self.run_with(data, types, None)
    }

    /// The same for a value that has labels, which `{{.Label "name"}}` looks up.
    pub fn run_with(
        &self,
        data: &Value,
        types: Types,
        labels: Option<Labels<'_>>,
    ) -> Result<String, TemplateError> {
        exec::run(&self.nodes, data, types, labels).map_err(|failed| {
            let before = &self.text[..failed.pos.min(self.text.len())];
            TemplateError::Run {
                name: self.name.clone(),
                line: line(&self.text, failed.pos),
                column: before.rfind('\n').map_or(failed.pos, |at| failed.pos - at - 1),
                at: failed.at,
                what: failed.what,
            }
        })
    }
}

fn line(text: &str, pos: usize) -> usize {
    1 + text.as_bytes()[..pos.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests;
