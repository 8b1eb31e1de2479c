//! `djdns beacon`: where this node is, as a code to hand on (D1).

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    args,
    context::{Context, ask},
    fault::{Fault, Outcome},
    output::{self, Paint},
    propose::{self, Casting, entry},
    qr,
    table::{Table, text},
};
use crate::{
    ambient,
    beacon::{Code, Short},
    control::{
        report::BeaconReport,
        request::{Answer, PageSelector, Request},
    },
    key::PublicKey,
    limits::{BEACON_RECORD_LETTERS, PEERS_PORT, PRESENCE_BEACON_BYTES_MAX},
    page::{entry::RecordSet, record::RecordType},
    time,
};

/// Show this node's beacon, read one, or propose it for a page.
///
/// A beacon says where a node is. The short form is for reading out: it is resolved on the local
/// network, and proves nothing. The long form (`--long`) holds the addresses, signed by the node, for 60
/// days, and another node connects with it alone: hand it on by mail, on paper, or as a QR code
/// (`--qr`). A running daemon knows its addresses; without one there is only the short form.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "EXAMPLE\n  djdns beacon\n  djdns beacon --qr"
)]
pub struct Beacon {
    /// The long form, which connects by itself
    #[arg(long)]
    long: bool,
    /// Draw it as a QR code: the long form, where there is one
    #[arg(long)]
    qr: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Read a beacon: which node, where, and until when.
    ///
    /// Exit code 1 if it is none, was changed or has expired. That somebody answers there is not
    /// checked.
    #[command(after_help = "EXAMPLE\n  djdns beacon decode DMCT:0.5428:31415:a3f2c8b9")]
    Decode {
        /// The beacon, in either form
        code: String,
    },
    /// Propose this node's beacon as a BEACON record, so that others find it by name.
    ///
    /// It replaces this node's older one at that name, and stays beside those of other nodes. It holds
    /// for 60 days. The daemon has no identity key and cannot renew it: from 14 days before its end
    /// `djdns status` reminds you to publish it anew.
    #[command(after_help = "EXAMPLE\n  djdns beacon publish ff.ct --owner home --as alice")]
    Publish {
        /// The page: its name, or the first digits of its id
        #[arg(value_name = "P", value_parser = args::page)]
        page: PageSelector,
        /// The name relative to the page; `@` is the page itself
        #[arg(long, value_name = "NAME", default_value = "@")]
        owner: String,
        #[command(flatten)]
        casting: Casting,
    },
}

/// A beacon that was read, as `--json` shows it.
#[derive(Serialize)]
struct Decoded {
    /// `short` or `long`.
    form: &'static str,
    short: String,
    port: u16,
    /// None in the short form, which does not hold it.
    key: Option<String>,
    addresses: Vec<String>,
    expires: Option<u64>,
    /// Why it cannot be used now.
    refusal: Option<String>,
}

impl Beacon {
    pub fn run(self, context: &mut Context) -> Outcome {
        match self.what {
            Some(What::Decode { code }) => decode(context, &code),
            Some(What::Publish { page, owner, casting }) => {
                publish(context, page, &owner, &casting)
            }
            None => self.show(context),
        }
    }

    fn show(self, context: &mut Context) -> Outcome {
        let report = own(context, PRESENCE_BEACON_BYTES_MAX)?;
        if self.long && report.long.is_none() {
            return Err(no_address(&report));
        }
        if context.json {
            return output::print_json(&report);
        }
        let long = report.long.as_ref().filter(|_| self.long || self.qr);
        let code = long.unwrap_or(&report.short);
        if self.qr {
            if report.long.is_none() {
                context.note("note: no address is known, so this is the short form");
            }
            output::print(&qr::draw(code, context.style)?)?;
        }
        output::print(&format!("{code}\n"))
    }
}

/// This node's beacon.
fn own(context: &mut Context, letters: usize) -> Outcome<BeaconReport> {
    let listen = context.config()?.peers.listen.unwrap_or_default();
    let port = listen.addresses().first().map_or(PEERS_PORT, SocketAddr::port);
    let request = Request::Beacon { port, letters };
    ask!(context, request, Answer::Beacon(report) => Ok(report))
}

fn no_address(report: &BeaconReport) -> Fault {
    Fault::refused(match report.daemon {
        true => {
            "no address is known at which other nodes reach this one, so there is only the short form: \
             see `djdns status`"
        }
        false => {
            "no daemon runs, and only a daemon knows the addresses of the long form: `djdns serve` \
             starts one"
        }
    })
}

fn decode(context: &Context, text: &str) -> Outcome {
    let code: Code = text.parse().map_err(Fault::refused)?;
    let decoded = match &code {
        Code::Short(short) => Decoded {
            form: "short",
            short: short.to_string(),
            port: short.port(),
            key: None,
            addresses: Vec::new(),
            expires: None,
            refusal: None,
        },
        Code::Long(beacon) => Decoded {
            form: "long",
            short: beacon.short().to_string(),
            port: beacon.short().port(),
            key: Some(beacon.key().to_string()),
            addresses: beacon.addresses().iter().map(ToString::to_string).collect(),
            expires: Some(beacon.expires()),
            refusal: beacon.check_time(ambient::now()).err().map(|refusal| refusal.to_string()),
        },
    };
    match context.json {
        true => output::print_json(&decoded)?,
        false => output::print(&table(&decoded).render(context.style))?,
    }
    decoded.refusal.map_or(Ok(()), |refusal| Err(Fault::refused(refusal)))
}

fn table(decoded: &Decoded) -> Table {
    let mut table = Table::new(["", ""]);
    let mut row = |what: &str, value: &str| {
        table.row([text(what).painted(Paint::Dim), text(value)]);
    };
    row("form", decoded.form);
    row("short", &decoded.short);
    decoded.key.iter().for_each(|key| row("node", key));
    decoded.addresses.iter().for_each(|address| row("address", address));
    decoded.expires.iter().for_each(|expires| row("expires", &time::date(*expires)));
    table
}

/// Proposes this node's beacon at a name of a page.
fn publish(context: &mut Context, page: PageSelector, owner: &str, casting: &Casting) -> Outcome {
    let report = own(context, BEACON_RECORD_LETTERS)?;
    let code = report.long.as_ref().ok_or_else(|| no_address(&report))?;
    let key = PublicKey::parse(&report.key).map_err(Fault::refused)?;
    for address in report.addresses.iter().filter(|address| is_loopback(address)) {
        context.note(format!("warning: only this machine reaches {address}"));
    }
    let quoted = vec![format!("\"{code}\"")];
    propose::edit(context, page, owner, casting, &|sets, name| {
        let data = entry::data(RecordType::BEACON, &quoted, name)?;
        forget(sets, &key);
        entry::add(sets, RecordType::BEACON, None, data)
    })
}

fn is_loopback(address: &str) -> bool {
    address.parse().is_ok_and(|address: std::net::SocketAddr| address.ip().is_loopback())
}

/// Takes the records out that are beacons of this node.
fn forget(sets: &mut Vec<RecordSet>, key: &PublicKey) {
    for set in sets.iter_mut().filter(|set| set.rtype == RecordType::BEACON) {
        set.rdata.retain(|rdata| {
            let codes = crate::beacon::texts_of_record(&rdata.0);
            codes.is_empty() || !codes.iter().all(|code| is_of(code, key))
        });
    }
    sets.retain(|set| !set.rdata.is_empty());
}

/// Whether a text is a beacon of this node, in either form.
fn is_of(code: &str, key: &PublicKey) -> bool {
    let short: Option<Short> = code.split('/').next().and_then(|short| short.parse().ok());
    short.is_some_and(|short| short.matches(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{beacon, key::SecretKey, page::entry::Rdata};

    fn record(texts: &[&str]) -> Rdata {
        let strings = texts.iter().map(|text| [&[text.len() as u8][..], text.as_bytes()].concat());
        Rdata(strings.collect::<Vec<_>>().concat().into())
    }

    #[test]
    fn a_new_beacon_takes_the_place_of_the_same_nodes_older_one() {
        let code = |n: u8| {
            let key = SecretKey::from_seed(&[n; 32]);
            let addresses = ["192.0.2.1:31415".parse().unwrap()];
            beacon::Beacon::sign(&key, &addresses, 9).unwrap().to_string()
        };
        let (mine, other) = (code(1), code(2));
        let short = mine.split('/').next().unwrap();
        let key = SecretKey::from_seed(&[1; 32]).public();
        let check = |records: &[Rdata], expect: &[Rdata]| {
            let set = |rdata: &[Rdata]| RecordSet {
                rtype: RecordType::BEACON,
                ttl: 60,
                rdata: rdata.to_vec(),
            };
            let mut sets = vec![set(records)];
            forget(&mut sets, &key);
            let left: Vec<RecordSet> = if expect.is_empty() { vec![] } else { vec![set(expect)] };
            assert_eq!(sets, left);
        };
        check(&[record(&[&mine])], &[]);
        check(&[record(&[short, &mine])], &[]);
        check(&[record(&[&mine]), record(&[&other])], &[record(&[&other])]);
        check(&[record(&[&mine, &other])], &[record(&[&mine, &other])]);
        check(&[record(&["abc"])], &[record(&["abc"])]);
    }
}
