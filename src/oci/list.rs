//! List: every container there is, as a table, as JSON or as names.

use super::state::{Container, Root, Shown};

/// Every container whose state can be read, in the order of their names; for the others, their name and the reason.
pub fn containers(root: &Root) -> (Vec<Container>, Vec<(String, super::OciError)>) {
    let (mut found, mut broken) = (Vec::new(), Vec::new());
    for id in root.ids() {
        match root.find(&id) {
            Ok(container) => found.push(container),
            Err(error) => broken.push((id, error)),
        }
    }
    (found, broken)
}

/// The table, runc's columns.
pub fn table(containers: &[Container], owner: impl Fn(u32) -> String) -> String {
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(String::from)];
    rows.extend(containers.iter().map(|container| {
        let record = &container.record;
        let pid = container.init().map_or(0, |init| init.pid);
        [
            record.id.clone(),
            pid.to_string(),
            container.status().to_string(),
            record.bundle.display().to_string(),
            record.created.clone(),
            owner(record.owner),
        ]
    }));
    columns(&rows)
}

/// The same as JSON: an array, `null` where there is nothing.
pub fn json(containers: &[Container], owner: impl Fn(u32) -> String) -> String {
    let shown: Vec<Shown> =
        containers.iter().map(|container| Shown::new(container, owner(container.record.owner))).collect();
    match shown.is_empty() {
        true => "null".into(),
        false => serde_json::to_string(&shown).expect("strings and numbers serialise"),
    }
}

/// Cells at least 12 wide, three blanks apart, as Go's tabwriter makes them for runc.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    const LEAST: usize = 12;
    const APART: usize = 3;
    let width = |column: usize| {
        let widest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        (widest + APART).max(LEAST)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().enumerate();
        let padded = cells.map(|(at, cell)| match at + 1 == N {
            true => cell.clone(),
            false => format!("{cell:width$}", width = widths[at]),
        });
        padded.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}
