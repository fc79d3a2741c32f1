//! Rows in columns, as Docker prints them.

/// The narrowest column, blanks included.
const NARROWEST: usize = 10;
/// Blanks between a column's longest cell and the next column.
const GAP: usize = 3;

/// Rows in columns; the last one is as wide as it is.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    columns(&rows.iter().map(<[String; N]>::as_slice).collect::<Vec<_>>())
}

/// The same for rows whose length is known when the program runs.
pub(super) fn columns(rows: &[&[String]]) -> String {
    let count = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let longest =
        |column: usize| rows.iter().filter_map(move |row| row.get(column)).map(|cell| cell.chars().count());
    let width = |column: usize| (longest(column).max().unwrap_or(0) + GAP).max(NARROWEST);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |row: &&[String]| {
        let (last, cells) = row.split_last().map_or(("", &[][..]), |(last, cells)| (last.as_str(), cells));
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}{last}\n", cells.collect::<String>())
    };
    rows.iter().map(line).collect()
}

/// A name of a container's, as it can be shown: a control character would speak to the terminal.
pub(super) fn shown(name: &[u8]) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        0..=0x1f | 0x7f => byte.escape_ascii().collect::<Vec<u8>>(),
        other => vec![*other],
    };
    name.iter().flat_map(escape).collect()
}
