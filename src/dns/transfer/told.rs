//! What mirrors make of what they are told: who is told of which page, how that goes, and what of it is
//! said to people.
//!
//! A mirror is told of every page, until it says that it does not have it; then no more of that one, unless
//! its address asks for it with the key. NSD and Knot do not sign that: it counts when they say it again.
//! Whoever else says so for a mirror that is there comes too late. How it stands is said when it has
//! answered all, once, and again when that changes. Pure: messages and the time are handed in; what is to
//! be sent and said comes out.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::{
    notify::{Heard, Messages, Notifier, Unsigned},
    tsig::{Fault, Key},
};
use crate::{
    dns::Rcode,
    limits::{MIRROR_REFUSED_TOLD, NOTIFY_CALM, NOTIFY_SILENCE, NOTIFY_UNSIGNED_TAKEN},
    page::name::Name,
    time::since,
};

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds, of a clock that only goes forward.
    pub ticks: u64,
    /// Seconds since 1970 (UTC).
    pub seconds: u64,
}

impl Moment {
    /// When that was, for people.
    fn since(self, ticks: u64) -> String {
        let ago = self.ticks.saturating_sub(ticks) / 1000;
        since(self.seconds.saturating_sub(ago), self.seconds)
    }
}

/// The mirrors that are told of new seals.
#[derive(Default)]
pub struct Told {
    notifier: Notifier,
    mirrors: BTreeMap<SocketAddr, Mirror>,
}

/// What is known of a mirror.
#[derive(Default)]
struct Mirror {
    /// Of pages that are here.
    pages: BTreeMap<Name, Word>,
    /// When it was told something or said something last.
    moved: u64,
    /// Since when it answers nothing.
    silent_since: Option<u64>,
    /// What was answered meanwhile without the right signature: by it, or by anybody.
    unsigned: Option<(Rcode, Option<u16>)>,
    /// What its address was refused last: since when, until when, which page, and why.
    refused: Option<Refused>,
    said: Standing,
    /// Since when what was said is so.
    so_since: u64,
}

/// What a mirror said of a page.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    answered: Option<Rcode>,
    /// Its address asked for it since.
    wanted: bool,
}

struct Refused {
    since: u64,
    last: u64,
    page: Name,
    /// Which of the reasons it is, whatever stands in the sentence besides.
    reason: usize,
    why: String,
}

/// How a mirror stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It was told of nothing, or did not answer yet.
    #[default]
    Unknown,
    /// It takes so many of the pages that it was told of.
    Takes { pages: usize, told: usize },
    /// It does not have any of so many.
    TakesNone { told: usize, rcode: Rcode },
    /// It fails at this page, and at so many more.
    Fails { page: Name, more: usize, rcode: Rcode },
    /// It does not answer; what came instead.
    Silent { unsigned: Option<(Rcode, Option<u16>)> },
}

/// What is to be said of a mirror now.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    pub is_trouble: bool,
    pub sentence: String,
}

/// How a mirror stands, for people.
#[derive(Debug, PartialEq, Eq)]
pub struct MirrorState {
    pub mirror: SocketAddr,
    /// Pages that it takes.
    pub pages: usize,
    /// What is wrong, since when, and what to do.
    pub troubles: Vec<String>,
}

impl Word {
    fn is_declined(self) -> bool {
        self.answered.is_some_and(declines)
    }
}

/// Whether that says that the mirror does not have a page, or does not want to hear of it. NSD says NXDOMAIN.
fn declines(rcode: Rcode) -> bool {
    [Rcode::NOTAUTH, Rcode::REFUSED, Rcode::NXDOMAIN].contains(&rcode)
}

/// Whether an answer without a signature is one that declines, and was given so often that it is taken for
/// the mirror's. Where a signature is and is wrong, the keys differ.
fn is_taken(unsigned: Unsigned) -> bool {
    unsigned.error.is_none() && declines(unsigned.rcode) && unsigned.times >= NOTIFY_UNSIGNED_TAKEN
}

impl Told {
    /// These are told, and nothing is known of them yet.
    pub fn new(mirrors: impl IntoIterator<Item = SocketAddr>) -> Told {
        let mirrors = mirrors.into_iter().map(|mirror| (mirror, Mirror::default()));
        Told { notifier: Notifier::default(), mirrors: mirrors.collect() }
    }

    /// A page has a new seal.
    pub fn begin(&mut self, page: &Name, serial: u32, now: u64) {
        for (address, mirror) in &mut self.mirrors {
            let word = mirror.pages.get(page);
            if word.is_none_or(|word| !word.is_declined() || word.wanted)
                && self.notifier.begin(*address, page, serial, now)
            {
                mirror.tell(now);
            }
        }
    }

    /// A page is here no more.
    pub fn forget(&mut self, page: &Name) {
        self.notifier.forget(page);
        for (address, mirror) in &mut self.mirrors {
            mirror.pages.remove(page);
            let is_said = matches!(mirror.said, Standing::Silent { .. });
            // Nothing is to be answered any more.
            if !is_said && !self.notifier.waits_for(*address) {
                mirror.silent_since = None;
            }
        }
    }

    /// Nobody is to be told of anything any more.
    pub fn clear(&mut self) {
        self.notifier.clear();
    }

    /// Somebody asked for a page with the key. A mirror at that address that was silent is there again, and
    /// is told of it.
    pub fn asked(&mut self, from: IpAddr, page: &Name, serial: u32, now: u64) {
        for (address, mirror) in self.mirrors.iter_mut().filter(|(one, _)| one.ip() == from) {
            mirror.pages.entry(page.clone()).or_default().wanted = true;
            mirror.refused = mirror.refused.take().filter(|refused| refused.page != *page);
            let is_silent = mirror.silent_since.is_some() && !self.notifier.waits_for(*address);
            if is_silent && self.notifier.begin(*address, page, serial, now) {
                mirror.tell(now);
            }
        }
    }

    /// Somebody was refused a page, for one of the reasons.
    pub fn refused(&mut self, from: IpAddr, page: &Name, (reason, why): (usize, &str), now: u64) {
        for mirror in self.mirrors.iter_mut().filter(|(one, _)| one.ip() == from) {
            let before = mirror.1.refused.take().filter(|before| before.reason == reason);
            let since = before.map_or(now, |before| before.since);
            let (page, why) = (page.clone(), why.to_owned());
            mirror.1.refused = Some(Refused { since, last: now, page, reason, why });
        }
    }

    /// A message came from there.
    pub fn heard(&mut self, from: SocketAddr, message: &[u8], now: Moment, key: &Key) {
        let heard = self.notifier.heard(from, message, now.seconds, key);
        let Some(mirror) = self.mirrors.get_mut(&from) else { return };
        let (page, rcode, is_signed) = match heard {
            Heard::Nothing => return,
            Heard::Unsigned(page, said) if is_taken(said) => {
                self.notifier.end(from, &page);
                (page, said.rcode, false)
            }
            Heard::Unsigned(_, said) => {
                mirror.unsigned = Some((said.rcode, said.error));
                return;
            }
            Heard::Answered(page, rcode) => (page, rcode, true),
        };
        let word = Word { answered: Some(rcode), wanted: false };
        mirror.pages.insert(page, word);
        mirror.moved = now.ticks;
        let is_busy = self.notifier.waits_for(from);
        let since = if is_signed { Some(now.ticks) } else { mirror.silent_since };
        mirror.silent_since = since.filter(|_| is_busy);
        if is_signed || !is_busy {
            mirror.unsigned = None;
        }
    }

    /// What is to be sent now.
    pub fn due(&mut self, now: Moment, key: &Arc<Key>, id: fn() -> u16) -> Messages {
        self.notifier.due(now.ticks, now.seconds, key, id)
    }

    /// What is to be said now of mirrors that stand otherwise than was said last.
    pub fn lines(&mut self, now: Moment, key: &Key) -> Vec<Line> {
        let mut lines = Vec::new();
        for (address, mirror) in &mut self.mirrors {
            let is_busy = self.notifier.waits_for(*address);
            let due = mirror.due(is_busy);
            if due.is_none_or(|due| due > now.ticks) {
                continue;
            }
            mirror.said = mirror.standing(now.ticks);
            mirror.so_since = mirror.silent_since.unwrap_or(now.ticks);
            if let Some(sentence) = mirror.sentence(*address, now, key) {
                lines.push(Line { is_trouble: mirror.said.is_trouble(), sentence });
            }
        }
        lines
    }

    /// When there is something to send or to say; none: nothing is.
    pub fn next(&self) -> Option<u64> {
        let is_busy = |address: &SocketAddr| self.notifier.waits_for(*address);
        let lines = self.mirrors.iter().filter_map(|(one, mirror)| mirror.due(is_busy(one)));
        lines.chain(self.notifier.next()).min()
    }

    /// How they stand.
    pub fn states(&self, now: Moment, key: &Key) -> Vec<MirrorState> {
        let state = |(address, mirror): (&SocketAddr, &Mirror)| {
            let trouble = mirror.trouble(*address, now, key);
            let took = |word: &&Word| word.answered == Some(Rcode::NOERROR);
            MirrorState {
                mirror: *address,
                pages: mirror.pages.values().filter(took).count(),
                troubles: trouble.into_iter().chain(mirror.refusal(now)).collect(),
            }
        };
        self.mirrors.iter().map(state).collect()
    }
}

impl Mirror {
    /// It is told something.
    fn tell(&mut self, now: u64) {
        self.moved = now;
        self.silent_since.get_or_insert(now);
    }

    fn standing(&self, now: u64) -> Standing {
        let silence = NOTIFY_SILENCE.as_millis() as u64;
        if self.silent_since.is_some_and(|since| now >= since + silence) {
            return Standing::Silent { unsigned: self.unsigned };
        }
        let answered = || self.pages.iter().filter_map(|(page, word)| Some((page, word.answered?)));
        let told = answered().count();
        let pages = answered().filter(|(_, rcode)| *rcode == Rcode::NOERROR).count();
        let mut failed =
            answered().filter(|(_, rcode)| *rcode != Rcode::NOERROR && !declines(*rcode));
        if let Some((page, rcode)) = failed.next() {
            return Standing::Fails { page: page.clone(), more: failed.count(), rcode };
        }
        match answered().next() {
            None => Standing::Unknown,
            Some((_, rcode)) if pages == 0 => Standing::TakesNone { told, rcode },
            Some(_) => Standing::Takes { pages, told },
        }
    }

    /// When something is to be said of it: soon after it has answered all, or when it is silent for long.
    fn due(&self, is_busy: bool) -> Option<u64> {
        let (calm, silence) = (NOTIFY_CALM.as_millis() as u64, NOTIFY_SILENCE.as_millis() as u64);
        let due = match self.silent_since {
            Some(since) => since + silence,
            None if is_busy => return None,
            None => self.moved + calm,
        };
        (self.standing(due) != self.said).then_some(due)
    }

    /// How it stands, as it was said last.
    fn sentence(&self, mirror: SocketAddr, now: Moment, key: &Key) -> Option<String> {
        let says = match &self.said {
            Standing::Unknown => return None,
            Standing::Takes { pages, told } if pages == told => match told {
                1 => "takes the page that it was told of".to_owned(),
                told => format!("takes all {told} pages that it was told of"),
            },
            Standing::Takes { pages, told } => format!(
                "takes {pages} of {told} pages; of the others, which it does not have, it is not told any \
                 more"
            ),
            Standing::TakesNone { told, rcode } => format!(
                "takes none of the pages that it was told of, {told} of them ({rcode}): have zones for some \
                 there, and let this machine notify it"
            ),
            Standing::Fails { page, more, rcode } => {
                let more = if *more == 0 { String::new() } else { format!(" and {more} more") };
                format!("fails when it is told of {page}{more} ({rcode}): its own log says why")
            }
            Standing::Silent { unsigned } => silent(&now.since(self.so_since), *unsigned, key),
        };
        Some(format!("the mirror {mirror} {says}"))
    }

    /// What is wrong with it, and since when.
    fn trouble(&self, mirror: SocketAddr, now: Moment, key: &Key) -> Option<String> {
        let sentence = self.sentence(mirror, now, key).filter(|_| self.said.is_trouble())?;
        Some(match self.said {
            Standing::Silent { .. } => sentence,
            _ => format!("{sentence} (since {})", now.since(self.so_since)),
        })
    }

    /// Why its address was refused, as long as that is worth a word.
    fn refusal(&self, now: Moment) -> Option<String> {
        let told = MIRROR_REFUSED_TOLD.as_millis() as u64;
        let refused = self.refused.as_ref().filter(|one| now.ticks < one.last + told)?;
        Some(format!("{} (since {})", refused.why, now.since(refused.since)))
    }
}

/// What a mirror does that does not answer, or not with the right signature.
fn silent(since: &str, unsigned: Option<(Rcode, Option<u16>)>, key: &Key) -> String {
    let called = key.called();
    let Some((rcode, error)) = unsigned else {
        return format!(
            "does not answer since {since}: is it there? If it is gone, take it out of `notify` in [transfer]"
        );
    };
    let is = |fault: Fault| error == Some(fault as u16);
    let why = if is(Fault::BadSignature) {
        format!("it has another secret for the key {called} (BADSIG)")
    } else if is(Fault::BadKey) {
        format!("it has no key {called} of {} (BADKEY)", key.algorithm())
    } else if is(Fault::BadTime) {
        "one of the two clocks is wrong (BADTIME)".into()
    } else {
        format!("does it have the key {called} with the same secret?")
    };
    format!("answers {rcode} since {since}, without the right signature: {why}")
}

impl Standing {
    fn is_trouble(&self) -> bool {
        !matches!(self, Standing::Unknown | Standing::Takes { .. })
    }
}

#[cfg(test)]
mod tests;
