//! Columns that line up in any script: widths are measured in terminal columns, not in bytes.

use unicode_width::UnicodeWidthStr;

use super::{Paint, TextStyle};

/// One cell: its (already escaped) text and its colour.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    /// Creates a cell in a colour.
    pub fn painted(paint: Paint, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            paint,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(Paint::Plain, text)
    }
}

/// Builds a row of cells from mixed values.
macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$($crate::cli::render::table::Cell::from($cell)),*] };
}
pub(crate) use row;

/// Renders lines of aligned cells, two spaces between columns, no trailing spaces.
pub fn lines(style: TextStyle, rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        rows.iter()
            .filter_map(|row| row.get(at))
            .map(|cell| cell.text.width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<Cell>| {
        let mut line = String::new();
        let mut gap = 0;
        for (cell, column) in row.iter().zip(&widths) {
            if !cell.text.is_empty() {
                line.extend(std::iter::repeat_n(' ', gap));
                line.push_str(&style.paint(cell.paint, &cell.text));
                gap = 0;
            }
            gap += column - cell.text.width() + if *column > 0 { 2 } else { 0 };
        }
        line
    };
    rows.iter().map(line).collect()
}

/// Renders a table: a faint header, then the rows; each line ends in a newline.
pub fn table(style: TextStyle, head: &[&str], rows: Vec<Vec<Cell>>) -> String {
    let head = head
        .iter()
        .map(|word| Cell::painted(Paint::Faint, *word))
        .collect();
    let all: Vec<_> = std::iter::once(head).chain(rows).collect();
    lines(style, &all).join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_and_empty_cells_line_up() {
        let rows = vec![
            row!["T01", "动量", "1.2.0"],
            row!["T010", "", "0.1.0"],
            row!["x", "carry"],
        ];
        insta::assert_snapshot!(table(TextStyle::default(), &["TASK", "TITLE", "VERSION"], rows), @r"
        TASK  TITLE  VERSION
        T01   动量   1.2.0
        T010         0.1.0
        x     carry
        ");
    }

    #[test]
    fn colour_does_not_move_columns() {
        let rows = vec![
            vec![Cell::painted(Paint::Good, "a"), "b".into()],
            row!["aa", "b"],
        ];
        let lines = lines(
            TextStyle {
                colour: true,
                unicode: false,
            },
            &rows,
        );
        assert_eq!(lines, ["\u{1b}[32ma\u{1b}[0m   b", "aa  b"]);
    }
}
