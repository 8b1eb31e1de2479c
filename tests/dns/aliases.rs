//! Stories of aliases that lead from the world into a page: an upstream may say where they lead, and
//! never what is there.

use std::sync::{Arc, atomic::Ordering};

use djdns::{dns::View, page::name::parse_labels};
use hickory_proto::op::{Message, ResponseCode};

use super::{
    forward::{Resolver, Script, query, question, resolver_beside, upstream},
    replay,
};

const PAGES: &str = "
page ct.
  blog 300 A 192.0.2.9
  text 300 TXT here
  around 300 CNAME www.example.org.
  circle 300 CNAME circle.example.org.
  out 300 CNAME end.example.org.
anchor ct.
ask ct. A
";

fn wire(name: &str) -> Vec<u8> {
    [&parse_labels(name).unwrap()[..], &[0]].concat()
}

fn record(owner: &str, rtype: u8, rdata: &[u8]) -> Vec<u8> {
    let len = rdata.len() as u8;
    [&wire(owner)[..], &[0, rtype, 0, 1, 0, 0, 0, 60, 0, len], rdata].concat()
}

fn alias(owner: &str, target: &str) -> Vec<u8> {
    record(owner, 5, &wire(target))
}

/// An address that nobody may ever see.
fn bait(owner: &str) -> Vec<u8> {
    record(owner, 1, &[203, 0, 113, 66])
}

/// A liar: whatever leads into a page it has records for. All is validated, it says.
fn liar() -> Script {
    Arc::new(|query: &[u8], _| {
        let asked = question(query).to_ascii_lowercase();
        let is = |name: &str| asked[..asked.len() - 4] == wire(name);
        let (rcode, records) = if is("www.example.org") {
            (0, vec![alias("www.example.org", "blog.ct"), bait("blog.ct")])
        } else if is("long.example.org") {
            let aliases = [("long.example.org", "a.example.net"), ("a.example.net", "blog.ct")];
            let aliases = aliases.map(|(from, to)| alias(from, to));
            let more = [alias("blog.ct", "bank.example"), bait("bank.example")];
            (0, [aliases, more].concat())
        } else if is("none.example.org") {
            (0, vec![alias("none.example.org", "none.ct"), bait("none.ct")])
        } else if is("text.example.org") {
            (0, vec![alias("text.example.org", "text.ct"), bait("text.ct")])
        } else if is("denied.example.org") {
            (3, vec![alias("denied.example.org", "blog.ct")])
        } else if is("local.example.org") {
            (0, vec![alias("local.example.org", "localhost"), bait("localhost")])
        } else if is("dname.example.org") {
            let redirect = record("ct", 39, &wire("evil.example"));
            let to = alias("x.ct", "x.evil.example");
            (0, vec![alias("dname.example.org", "x.ct"), redirect, to, bait("x.evil.example")])
        } else if is("circle.example.org") {
            (0, vec![alias("circle.example.org", "circle.ct"), bait("circle.ct")])
        } else if is("again.example.org") {
            (0, vec![alias("again.example.org", "out.ct"), bait("out.ct")])
        } else {
            (0, vec![record("end.example.org", 1, &[192, 0, 2, 77])])
        };
        let head = [query[0], query[1], 0x81, 0xa0 | rcode, 0, 1, 0, records.len() as u8];
        vec![[&head[..], &[0; 4], question(query), &records.concat()].concat()]
    })
}

/// The code, the rows as they are written, and AD.
async fn ask(resolver: &Resolver, name: &str) -> (ResponseCode, Vec<String>, bool) {
    let socket = resolver.client().await;
    socket.send(&query(name, 7)).await.unwrap();
    let mut buffer = [0; 2048];
    let len = socket.recv(&mut buffer).await.unwrap();
    let message = Message::from_vec(&buffer[..len]).unwrap();
    let rows = message.answers.iter().map(|row| format!("{} {}", row.name, row.data)).collect();
    (message.metadata.response_code, rows, message.metadata.authentic_data)
}

#[tokio::test]
async fn what_a_page_says_is_never_taken_from_an_upstream() {
    let upstream = upstream(liar()).await;
    let view: View = replay::read(PAGES).view;
    let resolver = resolver_beside(&[&upstream], view);
    // Twice: from the upstream, and from the cache.
    for _ in 0..2 {
        let check = async |name: &str, code, expect: &[&str]| {
            let (said, rows, authentic) = ask(&resolver, name).await;
            assert_eq!(
                (said, &rows[..]),
                (code, &expect.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>()[..]),
                "{name}"
            );
            assert!(!authentic || name == "end.example.org", "{name}: nobody validated a page");
        };
        let (found, absent) = (ResponseCode::NoError, ResponseCode::NXDomain);
        let www = "www.example.org. blog.ct.";
        check("www.example.org", found, &[www, "blog.ct. 192.0.2.9"]).await;
        let rows =
            ["long.example.org. a.example.net.", "a.example.net. blog.ct.", "blog.ct. 192.0.2.9"];
        check("long.example.org", found, &rows).await;
        check("none.example.org", absent, &["none.example.org. none.ct."]).await;
        check("text.example.org", found, &["text.example.org. text.ct."]).await;
        check("denied.example.org", found, &["denied.example.org. blog.ct.", "blog.ct. 192.0.2.9"])
            .await;
        check(
            "local.example.org",
            found,
            &["local.example.org. localhost.", "localhost. 127.0.0.1"],
        )
        .await;
        check("dname.example.org", absent, &["dname.example.org. x.ct."]).await;
        let rows = ["around.ct. www.example.org.", www, "blog.ct. 192.0.2.9"];
        check("around.ct", found, &rows).await;
        let rows = [
            "again.example.org. out.ct.",
            "out.ct. end.example.org.",
            "end.example.org. 192.0.2.77",
        ];
        check("again.example.org", found, &rows).await;
        let circle = ["circle.ct. circle.example.org.", "circle.example.org. circle.ct."];
        check("circle.ct", found, &circle).await;
        check("end.example.org", found, &["end.example.org. 192.0.2.77"]).await;
    }
    // Each name that is outside once, and a denial without a SOA twice.
    assert_eq!(upstream.asked.load(Ordering::SeqCst), 11);
}
