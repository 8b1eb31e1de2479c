//! `djdns audit`: everything that was decided about a page and done by this node, as a chain of
//! rows that shows a removed or altered one.

use std::{fs, path::PathBuf};

use clap::{Args, ValueEnum};

use super::{
    args,
    context::{Context, ask},
    fault::{Fault, Outcome},
    output,
};
use crate::{
    ambient,
    control::{
        history::AuditRow,
        request::{Answer, PageSelector, Request},
    },
    time,
};

/// Print what happened to a page, oldest first, for the record.
///
/// Statements, seals and this node's own actions, with the time at which this node wrote them;
/// questions are never recorded. Every row carries the hash of itself and the row before, so that a
/// file is compared with the log: --check names the first row that was removed or altered, and says
/// which rows of the log the file has, since it may be a part. As JSON a time is seconds since 1970
/// (UTC), as CSV a date in UTC; who signed a seal is a list, in CSV with blanks between.
#[derive(Args)]
#[command(
    after_help = "EXAMPLE\n  djdns audit ff.ct --format csv --from 2026-11-01 > november.csv\n  \
                  djdns audit ff.ct --check november.csv"
)]
pub struct Audit {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// One JSON object a line, or comma-separated values with a head (RFC 4180)
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// Only what was written from then on: a day, a time in UTC, or so long ago: 14d, 36h, 90m
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Only what was written before then, said in the same way
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// Compare a file that this command wrote with the log
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "from", "to"])]
    check: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Csv,
}

const HEAD: [&str; 8] = ["number", "time", "cause", "kind", "id", "by", "what", "chain"];

impl Audit {
    pub fn run(self, context: &mut Context) -> Outcome {
        let rows = rows(context, &self.page)?;
        if let Some(file) = &self.check {
            let text = fs::read_to_string(file).map_err(|e| Fault::file("read", file, &e))?;
            let checked = check(&rows, &text).map_err(|fault| {
                Fault::refused(format!("{} is not what the log says: {fault}", file.display()))
            })?;
            return output::print(&(covered(checked, rows.len()) + "\n"));
        }
        let bound = |text: &Option<String>| {
            text.as_deref().map(|text| time::past(text, ambient::now())).transpose()
        };
        let from = bound(&self.from).map_err(Fault::usage)?;
        let to = bound(&self.to).map_err(Fault::usage)?;
        let is_within = |row: &&AuditRow| {
            let time = row.time.unwrap_or(0);
            from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to)
        };
        let rows: Vec<&AuditRow> = rows.iter().filter(is_within).collect();
        if context.json {
            return output::print_json(&rows);
        }
        output::print(&write(&rows, self.format)?)
    }
}

/// All rows, part by part.
///
/// # Errors
/// What the node says.
pub fn rows(context: &mut Context, page: &str) -> Outcome<Vec<AuditRow>> {
    let mut rows: Vec<AuditRow> = Vec::new();
    loop {
        let after = rows.last().map_or(0, |row| row.number);
        let request = Request::Audit { page: page.to_owned(), after };
        let (part, more) = ask!(context, request, Answer::Audit { rows, more } => (rows, more));
        rows.extend(part);
        if !more {
            return Ok(rows);
        }
    }
}

fn write(rows: &[&AuditRow], format: Format) -> Outcome<String> {
    let mut text = String::new();
    if let Format::Csv = format {
        text += &csv(&HEAD.map(str::to_owned));
    }
    for row in rows {
        match format {
            Format::Csv => text += &csv(&fields(row)),
            Format::Json => {
                let line = serde_json::to_string(row).map_err(Fault::refused)?;
                text += &(line + "\n");
            }
        }
    }
    Ok(text)
}

fn fields(row: &AuditRow) -> [String; 8] {
    let time = row.time.map_or(String::new(), time::date);
    let AuditRow { cause, kind, id, by, what, chain, .. } = row.clone();
    [row.number.to_string(), time, cause, kind, id, by.join(" "), what, chain]
}

/// One line of comma-separated values (RFC 4180). A value that a spreadsheet would take for a
/// formula gets an apostrophe in front.
fn csv(fields: &[String]) -> String {
    let field = |text: &String| {
        let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
        match text.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{guard}{}\"", text.replace('"', "\"\"")),
            false => format!("{guard}{text}"),
        }
    };
    fields.iter().map(field).collect::<Vec<_>>().join(",") + "\r\n"
}

/// Which rows of the log a file has, in words.
fn covered((first, last): (u64, u64), all: usize) -> String {
    if (first, last) == (1, all as u64) {
        return format!("all {all} rows are as the log has them");
    }
    let rows =
        if first == last { format!("row {first}") } else { format!("rows {first}–{last}") };
    let is = if first == last { "is" } else { "are" };
    format!("{rows} of {all} {is} as the log has them; the others are not in this file")
}

/// Compares a written file with the rows of the log, from the first row that it has. Returns the
/// numbers of the first and the last.
fn check(rows: &[AuditRow], text: &str) -> Result<(u64, u64), String> {
    let expect = |format, row: &AuditRow| write(&[row], format).unwrap_or_default();
    let head = csv(&HEAD.map(str::to_owned));
    let (format, body, head_len) = match text.strip_prefix(head.as_str()) {
        Some(body) => (Format::Csv, body, head.len()),
        None => (Format::Json, text, 0),
    };
    let line = |row: &AuditRow| match format {
        Format::Csv => expect(format, row)[head_len..].to_owned(),
        Format::Json => expect(format, row),
    };
    let first = rows.iter().position(|row| body.starts_with(&line(row)));
    let (Some(first), false) = (first, body.is_empty()) else {
        return Err("its first row is none of the log's".to_owned());
    };
    let mut rest = body;
    let mut last = rows[first].number;
    for (at, row) in rows.iter().enumerate().skip(first) {
        if rest.is_empty() {
            break;
        }
        match rest.strip_prefix(line(row).as_str()) {
            Some(after) => rest = after,
            None => return Err(difference(&rows[at..], rest, &line)),
        }
        last = row.number;
    }
    if !rest.is_empty() {
        return Err("it goes on where the log ends".to_owned());
    }
    Ok((rows[first].number, last))
}

/// What became of the first of these rows of the log in a file that goes on with `rest`.
fn difference(rows: &[AuditRow], rest: &str, line: &dyn Fn(&AuditRow) -> String) -> String {
    let row = rows[0].number;
    // Of what stands in its place: is that a later row, or another text before a row of the log?
    if let Some(next) = rows[1..].iter().find(|next| rest.starts_with(&line(next))) {
        return match next.number - row {
            1 => format!("row {row} is missing"),
            _ => format!("the rows {row}–{} are missing", next.number - 1),
        };
    }
    let after = rest.split_once('\n').map_or("", |(_, after)| after);
    if after.starts_with(&line(&rows[0])) {
        return format!("a row that the log does not have stands before row {row}");
    }
    match rows.get(1) {
        Some(next) if after.starts_with(&line(next)) => format!("row {row} is altered"),
        None if after.is_empty() => format!("row {row} is altered"),
        _ => format!("from row {row} on it differs from the log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<AuditRow> {
        let mut rows: Vec<AuditRow> = Vec::new();
        for (number, what) in (1..).zip(["set a, b", "say \"no\"", "=1+1"]) {
            let mut row = AuditRow {
                number,
                time: Some(1_700_000_000 + number),
                cause: "submitted".into(),
                kind: "ballot".into(),
                id: number.to_string().repeat(64),
                by: vec!["did:key:z".into()],
                what: what.into(),
                chain: String::new(),
            };
            row.chain = row.chained_to(rows.last());
            rows.push(row);
        }
        rows
    }

    #[test]
    fn a_removed_or_altered_row_is_named() {
        let rows = rows();
        let all: Vec<&AuditRow> = rows.iter().collect();
        for format in [Format::Json, Format::Csv] {
            let text = write(&all, format).unwrap();
            assert_eq!(check(&rows, &text), Ok((1, 3)));
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let head = lines.len() - 3;
            let without = |n: usize| {
                let kept = lines.iter().enumerate().filter(|(at, _)| *at != head + n);
                kept.map(|(_, line)| *line).collect::<String>()
            };
            // The end of a range may be anywhere, so may its beginning; the middle may not be gone.
            assert_eq!(check(&rows, &without(2)), Ok((1, 2)));
            assert_eq!(check(&rows, &without(0)), Ok((2, 3)));
            assert_eq!(check(&rows, &without(1)).unwrap_err(), "row 2 is missing");
            let altered = text.replacen("no", "yes", 1);
            assert_eq!(check(&rows, &altered).unwrap_err(), "row 2 is altered");
            let altered = text.replacen("1+1", "1+2", 1);
            assert_eq!(check(&rows, &altered).unwrap_err(), "row 3 is altered");
            let added = [&lines[..=head], &["and this\n"], &lines[head + 1..]].concat().concat();
            let stranger = "a row that the log does not have stands before row 2";
            assert_eq!(check(&rows, &added).unwrap_err(), stranger);
            assert!(check(&rows, &(text + "x")).is_err());
        }
        assert!(check(&rows, "").is_err());
    }

    #[test]
    fn a_part_of_the_log_is_called_one() {
        assert_eq!(covered((1, 21), 21), "all 21 rows are as the log has them");
        let part = "rows 13–20 of 21 are as the log has them; the others are not in this file";
        assert_eq!(covered((13, 20), 21), part);
        assert!(covered((2, 2), 3).starts_with("row 2 of 3 is"));
    }

    #[test]
    fn the_chain_changes_with_every_field_and_every_row_before() {
        let rows = rows();
        assert_eq!(rows[1].chained_to(Some(&rows[0])), rows[1].chain);
        assert_ne!(rows[1].chained_to(None), rows[1].chain);
        let altered = AuditRow { what: "another".into(), ..rows[1].clone() };
        assert_ne!(altered.chained_to(Some(&rows[0])), rows[1].chain);
        let moved =
            AuditRow { by: vec!["did:key:zs".into()], what: "ay \"no\"".into(), ..rows[1].clone() };
        assert_ne!(moved.chained_to(Some(&rows[0])), rows[1].chain);
    }

    #[test]
    fn values_are_quoted_and_no_formula_is_written() {
        assert_eq!(csv(&["a".into(), "b,\"c\"".into(), "=x".into()]), "a,\"b,\"\"c\"\"\",'=x\r\n");
    }
}
