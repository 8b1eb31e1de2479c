//! `djdns field`: what other nodes say is the newest seal of a page.

use clap::Args;

use super::{
    args,
    context::{Context, ask},
    fault::Outcome,
    output::{self, Paint, Style, clean},
    resolve::short,
    signing::Acquaintances,
    table::{Table, number, text},
};
use crate::{
    control::{
        report::{CandidateReport, Contradiction, FieldReport, VoiceReport},
        request::{Answer, PageSelector, Request},
    },
    time::date,
};

/// Show who says which seal of a page is the newest.
///
/// The nodes that participants named with `djdns host` say it four times a day, each for the seats that
/// name it. STRENGTH is the power of the seats whose nodes name a seal, or one known to follow it, of all
/// there is; coherence is the same of those that say anything. A page is fresh when enough power, as much
/// as a change of names takes, says that what is held here is the newest; a stale one is answered all the
/// same, for a short time only and with a remark (EDE 3).
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns field ff.ct")]
pub struct Field {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
}

impl Field {
    pub fn run(self, context: &mut Context) -> Outcome {
        let request = Request::Field { page: self.page };
        let report = ask!(context, request, Answer::Field(report) => report);
        if context.json {
            return output::print_json(&report);
        }
        let known = Acquaintances::of(context);
        let text = render(&report, &known, context.style);
        context.print_paged(&text)
    }
}

fn render(report: &FieldReport, known: &Acquaintances, style: Style) -> String {
    let (paint, word) =
        if report.fresh { (Paint::Good, "fresh") } else { (Paint::Notice, "stale") };
    let mut out = format!(
        "{} is {}: {}\n{} strength, {} coherence\n",
        clean(&report.page),
        style.paint(paint, word),
        clean(&report.freshness),
        percent(report.strength_bp),
        percent(report.coherence_bp)
    );
    let mut table = Table::new(["HEIGHT", "SEAL", "SUPPORT", "STRENGTH", "REMARKS"]);
    for candidate in &report.candidates {
        table.row([
            number(candidate.height),
            text(short(&candidate.seal)).painted(Paint::Bold),
            number(format!("{} of {}", candidate.support, report.total_power)),
            number(percent(candidate.share_bp)),
            text(remark(candidate, report)),
        ]);
    }
    let (head, rows) = table.lines(style);
    out.extend(head.into_iter().map(|head| head + "\n"));
    for (row, candidate) in rows.into_iter().zip(&report.candidates) {
        out += &(row + "\n");
        out.extend(candidate.voices.iter().map(|voice| said(voice, known)));
    }
    out.extend(report.contradictions.iter().map(contradicted));
    out
}

/// A share as people read it.
pub fn percent(bp: u16) -> String {
    format!("{}.{:02} %", bp / 100, bp % 100)
}

fn remark(candidate: &CandidateReport, report: &FieldReport) -> &'static str {
    match candidate.held {
        true if candidate.seal == report.seal => "held here",
        true => "led to the one held here",
        false => "not here",
    }
}

/// A node's word, below the seal that it names.
fn said(voice: &VoiceReport, known: &Acquaintances) -> String {
    let mut seats: Vec<String> = voice.seats.iter().map(|key| known.short(key)).collect();
    if voice.seats_count > seats.len() {
        seats.push(format!("{} more", voice.seats_count - seats.len()));
    }
    let how = if voice.commit { "sealed it" } else { "said so" };
    let line = format!(
        "    {} for {} (power {}): {how} {}\n",
        voice.node,
        seats.join(", "),
        voice.power,
        date(voice.time)
    );
    clean(line.trim_end()) + "\n"
}

fn contradicted(contradiction: &Contradiction) -> String {
    let seal = |(height, seal): &(u64, String)| format!("{} at height {height}", short(seal));
    let seals: Vec<String> = contradiction.seals.iter().map(seal).collect();
    format!(
        "- {} contradicted itself at {}: it named {}; a copy of its key may be in use\n",
        contradiction.node,
        date(contradiction.time),
        seals.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_shows_who_says_what_and_who_contradicted_itself() {
        let voice = |node: &str, commit| VoiceReport {
            node: node.to_owned(),
            power: 3,
            seats: vec!["did:key:a".to_owned()],
            seats_count: 3,
            time: 0,
            commit,
        };
        let candidate = |height, seal: &str, held, voices| CandidateReport {
            height,
            seal: seal.repeat(64),
            support: 3,
            share_bp: 3750,
            held,
            voices,
        };
        let report = FieldReport {
            page: "ct.".to_owned(),
            page_id: "0".repeat(64),
            height: 2,
            seal: "b".repeat(64),
            total_power: 8,
            attested: 6,
            strength_bp: 3750,
            coherence_bp: 5000,
            fresh: false,
            freshness: "the best supported seal, at height 3, is not here".to_owned(),
            candidates: vec![
                candidate(3, "a", false, vec![voice("did:key:x", false)]),
                candidate(2, "b", true, vec![voice("did:key:y", true)]),
                candidate(1, "c", true, vec![]),
            ],
            contradictions: vec![Contradiction {
                node: "did:key:x".to_owned(),
                time: 60,
                seals: vec![(3, "a".repeat(64)), (3, "d".repeat(64))],
            }],
        };
        let known = Acquaintances::just(crate::key::SecretKey::from_seed(&[1; 32]).public(), "me");
        assert_eq!(
            render(&report, &known, Style::plain()),
            "\
ct. is stale: the best supported seal, at height 3, is not here
37.50 % strength, 50.00 % coherence
HEIGHT  SEAL      SUPPORT  STRENGTH  REMARKS
     3  aaaaaaaa   3 of 8   37.50 %  not here
    did:key:x for did:key:a, 2 more (power 3): said so 1970-01-01T00:00:00Z
     2  bbbbbbbb   3 of 8   37.50 %  held here
    did:key:y for did:key:a, 2 more (power 3): sealed it 1970-01-01T00:00:00Z
     1  cccccccc   3 of 8   37.50 %  led to the one held here
- did:key:x contradicted itself at 1970-01-01T00:01:00Z: it named aaaaaaaa at height 3 and dddddddd at \
height 3; a copy of its key may be in use
"
        );
    }
}
