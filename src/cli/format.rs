//! Lists by `--format`: Docker's `table`, `json`, or a template for each row.
//!
//! ```text
//!   (nothing), table            the command's own columns
//!   table {{.ID}}\t{{.Size}}    these columns, their headings made of the fields' names
//!   json                        one object a line
//!   {{.ID}}                     one line for each row
//! ```
//!
//! See <https://docs.docker.com/config/formatting/>.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::table::columns;
use super::template::{Labels, Template, TemplateError, Types, json};

/// A list that can be printed.
pub(super) struct Listing<'a> {
    /// the columns where none are asked for, as a template with tabs
    pub usual: &'a str,
    /// the name of each field, and its heading
    pub headings: &'a [(&'a str, &'a str)],
    /// what Docker calls a row where it has no such field
    pub kind: &'static str,
    /// the rows, each an object whose values are texts
    pub rows: Vec<Value>,
}

/// A row: fields in the order of their names, as Go writes a map.
pub(super) fn row<const N: usize>(fields: [(&str, String); N]) -> Value {
    let mut fields = fields;
    fields.sort();
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value)));
    Value::Object(fields.collect::<Map<String, Value>>())
}

impl Listing<'_> {
    /// The text to print, with a line break at the end of each line.
    pub fn text(&self, format: Option<&str>) -> Result<String, TemplateError> {
        self.text_with(format, None)
    }

    /// The same for rows that have labels, these in turn.
    pub fn text_with(
        &self,
        format: Option<&str>,
        labels: Option<&[Labels<'_>]>,
    ) -> Result<String, TemplateError> {
        let types = Types { name: Some(self.kind), maps: &[], lists: &[], marshals: true, headings: false };
        let format = format.unwrap_or_default();
        let (is_table, template) = match format.strip_prefix("table") {
            _ if format.is_empty() => (true, ""),
            Some(rest) => (true, rest.trim_matches(' ')),
            None => (false, format.trim_matches(' ')),
        };
        if !is_table && template == "json" {
            return Ok(self.rows.iter().map(|row| json(row, true) + "\n").collect());
        }
        let template = if is_table && template.is_empty() { self.usual } else { template };
        let template = Template::parse(&template.replace("\\t", "\t").replace("\\n", "\n"))?;
        let labels_of = |at: usize| labels.and_then(|labels| labels.get(at).copied());
        let line = |(at, row): (usize, &Value)| template.run_with(row, types, labels_of(at));
        let lines: Result<Vec<String>, _> = self.rows.iter().enumerate().map(line).collect();
        let mut lines = lines?;
        if !is_table {
            return Ok(lines.iter().map(|line| format!("{line}\n")).collect());
        }
        let headings = self.headings.iter().map(|(name, heading)| (name.to_string(), (*heading).into()));
        let (headings, none) = (Value::Object(headings.collect()), BTreeMap::new());
        let heading =
            template.run_with(&headings, Types { headings: true, ..types }, labels.map(|_| &none))?;
        lines.insert(0, heading);
        let cells: Vec<Vec<String>> = lines
            .iter()
            .flat_map(|line| line.split('\n'))
            .map(|line| line.split('\t').map(String::from).collect())
            .collect();
        Ok(columns(&cells.iter().map(Vec::as_slice).collect::<Vec<_>>()))
    }

    /// The same for `-q`: of a table the ids alone, a template as it is.
    pub fn quiet(&self, format: Option<&str>) -> Result<String, TemplateError> {
        match format {
            None | Some("" | "table") => self.text(Some("{{.ID}}")),
            format => self.text(format),
        }
    }
}
