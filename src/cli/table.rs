//! Aligned tables. One character is one column: what pages hold is shown in ASCII.

use super::output::{Paint, Style, clean};

/// A table under construction.
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// Text and how it looks.
pub struct Cell {
    text: String,
    paint: Paint,
    right: bool,
}

/// Characters between two columns.
const GAP: &str = "  ";

impl Table {
    /// A table with these column heads; heads that are all empty are not shown.
    pub fn new<const N: usize>(heads: [&'static str; N]) -> Table {
        Table { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// The lines: the heads, if any, and then one for each row.
    pub fn lines(&self, style: Style) -> (Option<String>, Vec<String>) {
        let widths: Vec<usize> = (0..self.heads.len()).map(|column| self.width(column)).collect();
        let rights = self.rows.first().map_or(Vec::new(), |r| r.iter().map(|c| c.right).collect());
        let heads = self.heads.iter().enumerate().map(|(column, head)| Cell {
            text: (*head).to_owned(),
            paint: Paint::Bold,
            right: rights.get(column).copied().unwrap_or(false),
        });
        let heads: Vec<Cell> = heads.collect();
        let shown = self.heads.iter().any(|head| !head.is_empty());
        let head = shown.then(|| line(&heads, &widths, style));
        (head, self.rows.iter().map(|row| line(row, &widths, style)).collect())
    }

    /// The whole table, a line feed after each line; nothing when there are no rows.
    pub fn render(&self, style: Style) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let (head, rows) = self.lines(style);
        head.into_iter().chain(rows).map(|line| line + "\n").collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let texts = cells.map(|cell| cell.text.chars().count());
        texts.max().unwrap_or(0).max(self.heads[column].chars().count())
    }
}

fn line(cells: &[Cell], widths: &[usize], style: Style) -> String {
    let mut out = String::new();
    for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let pad = " ".repeat(width - cell.text.chars().count());
        let text = style.paint(cell.paint, &cell.text);
        out.push_str(if i == 0 { "" } else { GAP });
        match cell.right {
            true => out.extend([pad, text]),
            false => out.extend([text, pad]),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// A cell of text.
pub fn text(text: impl ToString) -> Cell {
    Cell { text: clean(&text.to_string()).replace('\n', " "), paint: Paint::Plain, right: false }
}

/// A cell of a number, on the right.
pub fn number(number: impl ToString) -> Cell {
    Cell { right: true, ..text(number) }
}

impl Cell {
    /// The same in a colour.
    pub fn painted(self, paint: Paint) -> Cell {
        Cell { paint, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_nothing_hangs_over_at_the_end() {
        let mut table = Table::new(["NAME", "N", ""]);
        table.row([text("ct."), number(7), text("a\nb")]);
        table.row([text("brick\x1b.ff.ct."), number(12_345), text("")]);
        let expect = "\
NAME               N
ct.                7  a b
brick\u{fffd}.ff.ct.  12345
";
        assert_eq!(table.render(Style::plain()), expect);
    }

    #[test]
    fn a_table_without_rows_is_nothing_and_heads_may_be_left_out() {
        assert_eq!(Table::new(["NAME"]).render(Style::plain()), "");
        let mut table = Table::new(["", ""]);
        table.row([text("seal"), text("…")]);
        assert_eq!(table.render(Style::plain()), "seal  …\n");
    }
}
