//! Aligned tables. One character is one column: what pages hold is shown in ASCII.
//!
//! On a terminal that is too narrow keys are shortened, columns without a word left out, and words
//! go on below. Elsewhere a row is whole, and one line.

use super::{
    fold,
    output::{Paint, Style, clean},
};

/// A table under construction.
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// Text and how it looks.
pub struct Cell {
    text: String,
    /// What stands for it where there is little room.
    short: Option<String>,
    paint: Paint,
    right: bool,
}

/// A column as it is shown.
struct Column {
    at: usize,
    width: usize,
    is_short: bool,
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

    /// The heads, if any, and then each row: one line, unless the terminal is too narrow.
    pub fn lines(&self, style: Style) -> (Option<String>, Vec<String>) {
        let columns = self.columns(style.width);
        let rights = self.rows.first().map_or(Vec::new(), |r| r.iter().map(|c| c.right).collect());
        let heads = self.heads.iter().enumerate().map(|(column, head)| Cell {
            text: (*head).to_owned(),
            short: None,
            paint: Paint::Bold,
            right: rights.get(column).copied().unwrap_or(false),
        });
        let heads: Vec<Cell> = heads.collect();
        let shown = self.heads.iter().any(|head| !head.is_empty());
        let head = shown.then(|| line(&heads, &columns, style));
        (head, self.rows.iter().map(|row| line(row, &columns, style)).collect())
    }

    /// The whole table, a line feed after each line; nothing when there are no rows.
    pub fn render(&self, style: Style) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let (head, rows) = self.lines(style);
        head.into_iter().chain(rows).map(|line| line + "\n").collect()
    }

    /// The columns and their widths, in so much room.
    fn columns(&self, room: Option<usize>) -> Vec<Column> {
        let column =
            |at: usize, is_short: bool| Column { at, width: self.widest(at, is_short), is_short };
        let whole: Vec<Column> = (0..self.heads.len()).map(|at| column(at, false)).collect();
        let Some(room) = room.filter(|room| total(&whole) > *room) else { return whole };
        let is_told = |at: &usize| self.cells(*at).any(|cell| !cell.text.is_empty());
        let told = (0..self.heads.len()).filter(is_told);
        let mut columns: Vec<Column> = told.map(|at| column(at, true)).collect();
        // The widest gives way first, down to its longest word.
        while let over @ 1.. = total(&columns).saturating_sub(room) {
            let spare =
                |column: &Column| column.width - self.longest_word(column.at, column.is_short);
            let widest = columns.iter_mut().filter(|c| spare(c) > 0).max_by_key(|c| c.width);
            let Some(widest) = widest else { break };
            widest.width -= over.min(spare(widest));
        }
        columns
    }

    fn cells(&self, at: usize) -> impl Iterator<Item = &Cell> {
        self.rows.iter().filter_map(move |row| row.get(at))
    }

    fn widest(&self, at: usize, is_short: bool) -> usize {
        let texts = self.cells(at).map(|cell| fold::seen(cell.shown(is_short)));
        texts.max().unwrap_or(0).max(fold::seen(self.heads[at]))
    }

    fn longest_word(&self, at: usize, is_short: bool) -> usize {
        let words = self.cells(at).flat_map(|cell| cell.shown(is_short).split(' '));
        words.map(fold::seen).max().unwrap_or(0).max(fold::seen(self.heads[at]))
    }
}

fn total(columns: &[Column]) -> usize {
    let widths: usize = columns.iter().map(|column| column.width).sum();
    widths + GAP.len() * columns.len().saturating_sub(1)
}

/// A row, with as many lines as its longest cell takes.
fn line(cells: &[Cell], columns: &[Column], style: Style) -> String {
    let parts = |column: &Column| match cells.get(column.at) {
        Some(cell) if fold::seen(cell.shown(column.is_short)) > column.width => {
            fold::words(cell.shown(column.is_short), column.width)
        }
        Some(cell) => vec![cell.shown(column.is_short).to_owned()],
        None => Vec::new(),
    };
    let parts: Vec<Vec<String>> = columns.iter().map(parts).collect();
    let height = parts.iter().map(Vec::len).max().unwrap_or(0);
    let lines: Vec<String> = (0..height)
        .map(|n| {
            let mut out = String::new();
            for (i, (column, parts)) in columns.iter().zip(&parts).enumerate() {
                let part = parts.get(n).map_or("", String::as_str);
                let cell = &cells[column.at];
                let pad = " ".repeat(column.width.saturating_sub(fold::seen(part)));
                let text = style.paint(cell.paint, part);
                out.push_str(if i == 0 { "" } else { GAP });
                match cell.right {
                    true => out.extend([pad, text]),
                    false => out.extend([text, pad]),
                }
            }
            out.truncate(out.trim_end().len());
            out
        })
        .collect();
    lines.join("\n")
}

/// A cell of text.
pub fn text(text: impl ToString) -> Cell {
    let text = clean(&text.to_string()).replace('\n', " ");
    Cell { text, short: None, paint: Paint::Plain, right: false }
}

/// A cell of a key, of which a narrow terminal shows the beginning.
pub fn key(key: &str, short: &str) -> Cell {
    Cell { short: Some(clean(short)), ..text(key) }
}

/// A cell of a number, on the right.
pub fn number(number: impl ToString) -> Cell {
    Cell { right: true, ..text(number) }
}

impl Cell {
    fn shown(&self, is_short: bool) -> &str {
        self.short.as_ref().filter(|_| is_short).unwrap_or(&self.text)
    }

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
    fn a_narrow_terminal_shortens_keys_drops_empty_columns_and_wraps_at_words() {
        let mut table = Table::new(["KEY", "N", "NONE", "LENDS TO"]);
        let long = "did:key:z6MkvvpLG3zaa4ZtCX8SLnqz9A3iPPqqo9BxSZjgFNrXPgwU";
        let lends = "demo:bob 60 %, demo:carol 40 %";
        table.row([key(long, "z6MkvvpL…"), number(7), text(""), text(lends)]);
        let whole = table.render(Style::plain());
        assert!(whole.contains(long) && whole.contains("NONE") && whole.lines().count() == 2);
        assert_eq!(table.render(Style::narrow(200)), whole, "there is room");
        let expect = "\
KEY        N  LENDS TO
z6MkvvpL…  7  demo:bob 60 %,
              demo:carol 40 %
";
        assert_eq!(table.render(Style::narrow(30)), expect);
        // What has no shorter words stays as long as it is.
        assert!(table.render(Style::narrow(10)).lines().all(|line| line.chars().count() <= 26));
    }

    #[test]
    fn a_table_without_rows_is_nothing_and_heads_may_be_left_out() {
        assert_eq!(Table::new(["NAME"]).render(Style::plain()), "");
        let mut table = Table::new(["", ""]);
        table.row([text("seal"), text("…")]);
        assert_eq!(table.render(Style::plain()), "seal  …\n");
    }
}
