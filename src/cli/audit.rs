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
    ambient, calendar,
    control::{
        report::AuditRow,
        request::{Answer, PageSelector, Request},
    },
};

/// Print what happened to a page, oldest first, for the record.
///
/// Statements, seals and this node's own actions, with the time at which this node wrote them;
/// questions are never recorded. Every row carries the hash of itself and the row before, so that a
/// file is compared with the log: --check names the first row that was removed or altered.
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
    /// Only what was written from then on: a day, or a time in UTC
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Only what was written before then
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
            return output::print(&format!("{checked} rows are as the log has them\n"));
        }
        let bound = |text: &Option<String>| {
            text.as_deref().map(|text| calendar::when(text, ambient::now())).transpose()
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
fn rows(context: &mut Context, page: &str) -> Outcome<Vec<AuditRow>> {
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
    let time = row.time.map_or(String::new(), calendar::date);
    let AuditRow { cause, kind, id, by, what, chain, .. } = row.clone();
    [row.number.to_string(), time, cause, kind, id, by, what, chain]
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

/// Compares a written file with the rows of the log, from the first row that it has.
fn check(rows: &[AuditRow], text: &str) -> Result<usize, String> {
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
    let mut checked = 0;
    for row in &rows[first..] {
        if rest.is_empty() {
            break;
        }
        rest = rest.strip_prefix(line(row).as_str()).ok_or_else(|| {
            format!("after row {} comes another than row {} of the log", row.number - 1, row.number)
        })?;
        checked += 1;
    }
    if rest.is_empty() { Ok(checked) } else { Err("it goes on where the log ends".to_owned()) }
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
                by: "did:key:z".into(),
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
            assert_eq!(check(&rows, &text), Ok(3));
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let head = lines.len() - 3;
            let without = |n: usize| {
                let kept = lines.iter().enumerate().filter(|(at, _)| *at != head + n);
                kept.map(|(_, line)| *line).collect::<String>()
            };
            // The end of a range may be anywhere, so may its beginning; the middle may not be gone.
            assert_eq!(check(&rows, &without(2)), Ok(2));
            assert_eq!(check(&rows, &without(0)), Ok(2));
            let gap = "after row 1 comes another than row 2 of the log";
            assert_eq!(check(&rows, &without(1)).unwrap_err(), gap);
            assert_eq!(check(&rows, &text.replacen("no", "yes", 1)).unwrap_err(), gap);
            assert!(check(&rows, &(text + "x")).is_err());
        }
        assert!(check(&rows, "").is_err());
    }

    #[test]
    fn the_chain_changes_with_every_field_and_every_row_before() {
        let rows = rows();
        assert_eq!(rows[1].chained_to(Some(&rows[0])), rows[1].chain);
        assert_ne!(rows[1].chained_to(None), rows[1].chain);
        let altered = AuditRow { what: "another".into(), ..rows[1].clone() };
        assert_ne!(altered.chained_to(Some(&rows[0])), rows[1].chain);
        let moved =
            AuditRow { by: "did:key:zs".into(), what: "ay \"no\"".into(), ..rows[1].clone() };
        assert_ne!(moved.chained_to(Some(&rows[0])), rows[1].chain);
    }

    #[test]
    fn values_are_quoted_and_no_formula_is_written() {
        assert_eq!(csv(&["a".into(), "b,\"c\"".into(), "=x".into()]), "a,\"b,\"\"c\"\"\",'=x\r\n");
    }
}
