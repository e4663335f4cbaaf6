//! Text in columns.

use crate::console::dim;

/// Rows whose cells stand below each other.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row that names the columns.
    pub(super) fn head(&mut self, cells: &[&str]) {
        let cells: Vec<String> = cells.iter().map(|cell| dim(cell)).collect();
        self.rows.push(cells);
    }

    /// Adds a row; columns that are missing at its end stay empty.
    pub(super) fn row(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().map(|&c| c.to_owned()).collect());
    }

    /// The rows as lines.
    pub(super) fn text(&self) -> String {
        let n_columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| visible_width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..n_columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let room = width - visible_width(cell) + 2;
                line += cell;
                line += &" ".repeat(room);
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// Characters that take room: those outside of color codes.
fn visible_width(cell: &str) -> usize {
    let mut width = 0;
    let mut in_code = false;
    for character in cell.chars() {
        match character {
            '\x1b' => in_code = true,
            'm' if in_code => in_code = false,
            _ if in_code => {}
            _ => width += 1,
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::default();
        table.row(&["\x1b[1ma\x1b[0m", "1"]);
        table.row(&["long", "2", "x"]);
        table.row(&["m"]);
        assert_eq!(table.text(), "\x1b[1ma\x1b[0m     1\nlong  2  x\nm\n");
    }
}
