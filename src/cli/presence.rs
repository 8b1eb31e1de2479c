//! `djdns host`, `unhost` and `delegate`: which node seals for me, and who votes while I am away
//! (G6).

use std::collections::BTreeMap;

use clap::{ArgGroup, Args};
use serde::Serialize;

use super::{
    args::{self, Author},
    context::{Context, ask},
    fault::{Fault, Outcome},
    output,
    signing::{self, Acquaintances},
};
use crate::{
    ambient,
    control::{
        report::PageReport,
        request::{Answer, Draft, PageSelector, Request},
    },
    governance::{
        presence::Presence,
        statement::{Body, Statement},
    },
    key::{PublicKey, RawKey, SecretKey},
    time,
};

/// Let this node seal for a participant.
///
/// Your seat on the page is then signed for by this node, also while you are away: what was voted
/// becomes final without you. Your key stays with you; the node has one of its own. A page whose
/// seats with 70 % of the power name one node is sealed by it alone.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns host ff.ct --as alice\n  \
                        djdns host ff.ct --node did:key:z6Mk… --as alice")]
pub struct Host {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Another node: its did:key, or the beginning that tables show [else this one]
    #[arg(long, value_name = "KEY")]
    node: Option<String>,
    #[command(flatten)]
    author: Author,
}

/// Let no node seal for a participant any more.
#[derive(Args)]
#[command(after_help = "EXAMPLE\n  djdns unhost ff.ct --as alice")]
pub struct Unhost {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    #[command(flatten)]
    author: Author,
}

/// Go offline for voting and lend the power, or come back.
///
/// While you are away, your ballot power goes to these participants, each for its share; what is
/// not given away abstains. A ballot of your own always beats your lending, on whatever you cast
/// it. Power that reaches somebody who is away as well goes on, over eight hops at most.
///
/// Times are seal time: being away ends with the first seal after --until. On a page that nobody seals
/// seal time stands still, and being away ends with --back alone.
#[derive(Args)]
#[command(
    group = ArgGroup::new("way").required(true).args(["to", "back"]),
    after_help = "EXAMPLE\n  djdns delegate ff.ct --to bob=60 --to carol=40 --until 2027-01-15 --as \
                  alice\n  djdns delegate ff.ct --back --as alice"
)]
pub struct Delegate {
    /// The page: its name, or the first digits of its id
    #[arg(value_name = "P", value_parser = args::page)]
    page: PageSelector,
    /// Who gets which share of the power, in percent, with up to two decimals; repeat it for each
    #[arg(long, value_name = "KEY=PERCENT", value_parser = share)]
    to: Vec<(String, u16)>,
    /// When being away ends by itself, in the page's seal time: a day, a time in UTC, or a span as
    /// 14d [else when you come back]
    #[arg(long, value_name = "WHEN", requires = "to")]
    until: Option<String>,
    /// Come back: vote yourself again
    #[arg(long)]
    back: bool,
    #[command(flatten)]
    author: Author,
}

/// `--json` of all three.
#[derive(Serialize)]
struct Present {
    page: String,
    id: String,
    participant: String,
    node: Option<String>,
    /// Delegates with their shares in basis points.
    away: Vec<(String, u16)>,
    until: Option<u64>,
}

impl Host {
    pub fn run(self, context: &mut Context) -> Outcome {
        let named = self.node.map(|node| signing::public_key(context, &node)).transpose()?;
        let said = say_node(context, &self.page, &self.author, &mut |draft, presence| {
            let node = named.map(|node| node.raw()).or(draft.node).ok_or_else(|| {
                Fault::refused(
                    "this node has no key that it can use, so nobody can name it: see `djdns status`",
                )
            })?;
            presence.node = vec![node];
            Ok(())
        })?;
        let request = Request::Page { page: self.page.clone() };
        let report = ask!(context, request, Answer::Page(report) => report);
        let node = said.node.clone().unwrap_or_default();
        if let Some(apart) = apart(&report, &node) {
            context.note(apart);
        }
        said.print(context, |said| format!("the node {node} seals for you on {}", said.page))
    }
}

impl Unhost {
    pub fn run(self, context: &mut Context) -> Outcome {
        let said = say_node(context, &self.page, &self.author, &mut |draft, presence| {
            if presence.node.is_empty() {
                return Err(Fault::refused(format!("no node seals for you on {}", draft.name)));
            }
            presence.node.clear();
            presence.beacons.clear();
            Ok(())
        })?;
        said.print(context, |said| format!("no node seals for you on {} any more", said.page))
    }
}

impl Delegate {
    pub fn run(self, context: &mut Context) -> Outcome {
        let until = match &self.until {
            Some(text) => time::when(text, ambient::now()).map_err(Fault::usage)?,
            None => 0,
        };
        let mut away: Vec<(RawKey, u16)> = Vec::new();
        for (key, share) in &self.to {
            let delegate = signing::public_key(context, key)?.raw();
            if away.iter().any(|(other, _)| *other == delegate) {
                return Err(Fault::usage(format!("`{key}` is named twice: give it one share")));
            }
            away.push((delegate, *share));
        }
        away.sort_unstable();
        let said = say(context, &self.page, &self.author, &mut |draft, presence| {
            if self.back && presence.away.is_empty() {
                return Err(Fault::refused(format!("you are not away on {}", draft.name)));
            }
            if until != 0 {
                check_ahead(until, draft.seal_time, ambient::now()).map_err(Fault::usage)?;
            }
            presence.away.clone_from(&away);
            presence.until = until;
            Ok(())
        })?;
        if said.until.is_some()
            && let Some(which) = unsealed(context, &self.page)?
        {
            context.note(format!(
                "warning: nobody seals {0}, so this does not end by itself: use `djdns delegate {0} \
                 --back`, or have more seats name a node (`djdns host {0}{which}`)",
                said.page
            ));
        }
        said.print(context, Present::lending)
    }
}

/// Where no node was named for enough seats of a page to seal it: what names, in a command, the one that
/// was named by most.
fn unsealed(context: &mut Context, page: &str) -> Outcome<Option<String>> {
    let request = Request::Page { page: page.to_owned() };
    let report = ask!(context, request, Answer::Page(report) => report);
    Ok((report.hosted < report.quorum).then(|| which(&report)))
}

/// What names, in a command, the node that was named for most seats of a page.
pub fn which(report: &PageReport) -> String {
    let most = named(report).into_iter().max_by_key(|(node, power)| (*power, *node));
    most.map_or(String::new(), |(node, _)| format!(" --node {node}"))
}

/// The power of the seats that each node was named for.
fn named(report: &PageReport) -> BTreeMap<&str, u64> {
    let mut named = BTreeMap::new();
    for (node, seat) in report.roster.iter().filter_map(|seat| Some((seat.node.as_deref()?, seat)))
    {
        *named.entry(node).or_default() += u64::from(seat.power);
    }
    named
}

/// What is still missing for this node to seal a page; who named another one does not help.
fn apart(report: &PageReport, node: &str) -> Option<String> {
    let named = named(report);
    let own = named.get(node).copied().unwrap_or_default();
    let PageReport { summary, quorum, total_power: total, .. } = report;
    let page = &summary.name;
    if own >= *quorum {
        return None;
    }
    let others = named.iter().filter(|(other, _)| **other != node);
    let needed = format!("a seal takes {quorum} of {total} power that names one node");
    Some(match others.max_by_key(|(other, power)| (**power, **other)) {
        Some((other, power)) => format!(
            "warning: {needed}: {own} named this one, and {power} {other}; agree on one: either `djdns host \
             {page} --node {other}`, or the others run `djdns host {page} --node {node}`"
        ),
        None => {
            format!("{needed}, and {own} did: the others run `djdns host {page} --node {node}`")
        }
    })
}

/// Whether being away may end then: after the page's newest seal, whose time is what ends it (G10),
/// and after now.
fn check_ahead(until: u64, seal_time: u64, now: u64) -> Result<(), String> {
    match until {
        _ if until > seal_time.max(now) => Ok(()),
        _ if until > now => Err(format!(
            "{} is past already in the page's seal time, which is what counts: its newest seal is of \
             {}, ahead of this machine's clock",
            time::date(until),
            time::date(seal_time)
        )),
        _ => Err(format!("{} is past already", time::date(until))),
    }
}

impl Present {
    fn print(self, context: &Context, sentence: impl FnOnce(&Present) -> String) -> Outcome {
        if context.json {
            return output::print_json(&self);
        }
        output::print(&(sentence(&self) + "\n"))
    }

    fn lending(&self) -> String {
        if self.away.is_empty() {
            return format!("you vote yourself on {} again", self.page);
        }
        let end = match self.until {
            Some(until) => format!("until {}, in the page's seal time", time::date(until)),
            None => "until you come back".to_owned(),
        };
        let lent: u32 = self.away.iter().map(|(_, share)| u32::from(*share)).sum();
        let rest = match 10_000 - lent {
            0 => String::new(),
            rest => format!("; the other {} % abstain", percent(rest)),
        };
        format!("your power on {} is lent {end}{rest}", self.page)
    }
}

/// As [`say`], of who seals: whom the presence lends to stays, but for those who have left, to whom no
/// new presence may lend (G6). A page recovers by naming new nodes (S2), so that must always work.
fn say_node(
    context: &mut Context,
    page: &str,
    author: &Author,
    change: &mut dyn FnMut(&Draft, &mut Presence) -> Outcome,
) -> Outcome<Present> {
    let mut dropped = Vec::new();
    let said = say(context, page, author, &mut |draft, presence| {
        dropped.clone_from(&draft.delegates_gone);
        drop_gone(presence, &dropped);
        change(draft, presence)
    })?;
    let known = Acquaintances::of(context);
    for delegate in dropped {
        let delegate = known.short(&text(&delegate));
        context.note(format!(
            "{delegate} takes no part in {} any more: nothing is lent to them now",
            said.page
        ));
    }
    Ok(said)
}

/// Lends nothing any more to those who have left.
fn drop_gone(presence: &mut Presence, gone: &[RawKey]) {
    presence.away.retain(|(delegate, _)| !gone.contains(delegate));
    if presence.away.is_empty() {
        presence.until = 0;
    }
}

/// Signs and submits a presence that differs from the newest one as `change` says.
fn say(
    context: &mut Context,
    page: &str,
    author: &Author,
    change: &mut dyn FnMut(&Draft, &mut Presence) -> Outcome,
) -> Outcome<Present> {
    let key = signing::signer(context, author.key.as_deref())?;
    let mut made = None;
    signing::submit_made(context, &mut |context| {
        let draft = signing::draft(context, page, &key.public(), Vec::new(), 0)?;
        let (statement, presence) = sign(&draft, &key, change)?;
        made = Some((draft, statement.id(), presence));
        Ok(vec![statement])
    })?;
    let (draft, id, presence) = made.ok_or_else(Fault::other_answer)?;
    Ok(Present {
        page: draft.name.to_string(),
        id: id.to_string(),
        participant: key.public().to_string(),
        node: presence.node.first().map(text),
        away: presence.away.iter().map(|(key, share)| (text(key), *share)).collect(),
        until: (presence.until > 0).then_some(presence.until),
    })
}

fn text(key: &RawKey) -> String {
    PublicKey::admit(*key).map(|key| key.to_string()).unwrap_or_default()
}

fn sign(
    draft: &Draft,
    key: &SecretKey,
    change: &mut dyn FnMut(&Draft, &mut Presence) -> Outcome,
) -> Outcome<(Statement, Presence)> {
    let own = key.public().raw();
    let present = draft.presence.clone().unwrap_or(Presence::new(own, 0));
    let mut presence = Presence { sequence: draft.presence_sequence, ..present };
    change(draft, &mut presence)?;
    presence.check().map_err(Fault::usage)?;
    let statement = Statement::sign(&draft.page, Body::Presence(presence.clone()), key);
    Ok((statement.map_err(Fault::refused)?, presence))
}

/// Splits `KEY=PERCENT`; a percentage is told in basis points.
fn share(text: &str) -> Result<(String, u16), String> {
    let (key, share) =
        text.rsplit_once('=').ok_or_else(|| format!("`{text}` has no `=PERCENT`"))?;
    let wrong = || {
        format!(
            "`{share}` is no share: expected percents above 0, with up to two decimals, as 33.3"
        )
    };
    let digits = share.strip_suffix('%').unwrap_or(share);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 3
        || part.len() > 2
        || !is_number(whole)
        || !is_number(part)
    {
        return Err(wrong());
    }
    let part: u16 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    let whole: u16 = whole.parse().map_err(|_| wrong())?;
    match whole * 100 + part {
        0 => Err(wrong()),
        over if over > 10_000 => Err(format!("`{share}` % is more than all of it")),
        share => Ok((key.to_owned(), share)),
    }
}

/// Basis points as percents.
pub fn percent(bp: u32) -> String {
    match (bp / 100, bp % 100) {
        (whole, 0) => whole.to_string(),
        (whole, part) => format!("{whole}.{part:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::report::Participant;

    #[test]
    fn who_has_left_is_lent_nothing_and_the_rest_stays() {
        let key = |n: u8| SecretKey::from_seed(&[n; 32]).public().raw();
        let check = |away: &[u8], gone: &[u8], expect: (&[u8], u64)| {
            let mut presence = Presence { until: 9, ..Presence::new(key(1), 1) };
            presence.away = away.iter().map(|n| (key(*n), 1)).collect();
            drop_gone(&mut presence, &gone.iter().map(|n| key(*n)).collect::<Vec<_>>());
            let left: Vec<RawKey> = presence.away.iter().map(|(delegate, _)| *delegate).collect();
            assert_eq!(left, expect.0.iter().map(|n| key(*n)).collect::<Vec<_>>());
            assert_eq!(presence.until, expect.1);
        };
        check(&[2, 3], &[], (&[2, 3], 9));
        check(&[2, 3], &[2], (&[3], 9));
        check(&[2], &[2], (&[], 0));
    }

    #[test]
    fn whoever_names_a_node_reads_whether_it_is_the_others_node_too() {
        let seat = |node: Option<&str>, power: u32| Participant {
            key: String::new(),
            power,
            share_bp: 0,
            node: node.map(str::to_owned),
            away: Vec::new(),
            until: None,
            contradiction: None,
        };
        let check = |others: &[(Option<&str>, u32)], expect: Option<&[&str]>, most: &str| {
            let roster = others.iter().map(|(node, power)| seat(*node, *power)).collect();
            let report = PageReport { roster, ..signing::tests::report(0) };
            let said = apart(&report, "here");
            let is_said = |words: &&str| said.as_ref().is_some_and(|said| said.contains(words));
            assert!(expect.unwrap_or_default().iter().all(is_said), "{said:?}");
            assert_eq!(said.is_some(), expect.is_some(), "{said:?}");
            assert_eq!(which(&report), most);
        };
        check(&[(Some("here"), 4), (Some("there"), 1)], None, " --node here");
        let alone = ["4 of 5 power", "and 1 did", "`djdns host ct. --node here`"];
        check(&[(Some("here"), 1), (None, 4)], Some(&alone), " --node here");
        let apart = ["1 named this one, and 3 there", "either `djdns host ct. --node there`, or"];
        check(&[(Some("here"), 1), (Some("there"), 3)], Some(&apart), " --node there");
        // Of equals everybody is told the same one.
        check(&[(Some("here"), 2), (Some("there"), 2)], Some(&["2 there"]), " --node there");
        check(&[(None, 5)], Some(&["and 0 did"]), "");
    }

    #[test]
    fn being_away_ends_after_the_newest_seal_and_after_now() {
        let check = |until: u64, expect: Option<&str>| {
            let said = check_ahead(until, 200, 100).err();
            assert!(said.is_some() == expect.is_some(), "{until}: {said:?}");
            assert!(said.is_none_or(|said| said.contains(expect.unwrap_or_default())));
        };
        check(201, None);
        check(200, Some("in the page's seal time"));
        check(101, Some("1970-01-01T00:03:20Z, ahead of this machine's clock"));
        check(100, Some("1970-01-01T00:01:40Z is past already"));
        assert_eq!(check_ahead(101, 50, 100), Ok(()));
        assert!(!check_ahead(100, 50, 100).unwrap_err().contains("seal time"));
    }

    #[test]
    fn a_share_is_percents_with_two_decimals_at_most() {
        let check = |text: &str, expect: Option<u16>| {
            assert_eq!(
                share(&format!("bob={text}")).ok().map(|(_, share)| share),
                expect,
                "{text}"
            );
        };
        check("60", Some(6000));
        check("60%", Some(6000));
        check("33.3", Some(3330));
        check("0.01", Some(1));
        check("100", Some(10_000));
        for wrong in ["0", "100.01", "101", "-1", "1e2", "1.234", "", ".5", "1000", "9999999"] {
            check(wrong, None);
        }
        assert!(share("bob").is_err());
        assert_eq!([4000, 3330, 1].map(percent), ["40", "33.30", "0.01"]);
    }
}
