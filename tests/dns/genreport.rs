//! The EDNS, flag and opcode cases of ISC's genreport, over real sockets: `genreport.txt`, whose head
//! says how it reads.
//!
//! Whoever asks for names that are forwarded gives [`Server::forwarding`] and such a name: as with
//! `genreport -R` every question then has RD, and no answer AA (RFC 8906 section 8).

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use djdns::{
    dns::{Listeners, Outside, Seeking, Service, View, Wanted},
    page::record::RecordType,
};
use hickory_proto::op::Message;
use tokio::net::TcpStream;

use super::{
    sockets::{over_tcp, over_udp, udp_client},
    support,
};

const CASES: &str = include_str!("genreport.txt");

/// What is tested.
pub struct Server<'a> {
    pub address: SocketAddr,
    /// A name with a SOA and no DNSKEY.
    pub zone: &'a str,
    /// The name is in no page.
    pub forwarded: bool,
    /// It resolves names outside the pages.
    pub recursion: bool,
    /// TCP is asked as well.
    pub tcp: bool,
}

struct Case {
    name: &'static str,
    group: &'static str,
    asks: Vec<&'static str>,
    expect: Vec<&'static str>,
}

fn cases() -> Vec<Case> {
    let lines = CASES.lines().filter(|line| !line.is_empty() && !line.starts_with(';'));
    let case = |line: &'static str| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, group, asks, expect] = columns[..] else { panic!("four columns: {line}") };
        let words = |text: &'static str| text.split_whitespace().collect();
        Case { name, group, asks: words(asks), expect: words(expect) }
    };
    lines.map(case).collect()
}

impl Server<'_> {
    /// Asks every case over both transports, and compares what comes with what must.
    pub async fn check(&self) {
        let mut failed = Vec::new();
        for case in cases() {
            let query = self.query(&case);
            let expect = self.expect(&case);
            let by_tcp_alone = case.asks.contains(&"tcp");
            if !by_tcp_alone {
                let udp = over_udp(&udp_client(self.address).await, &query).await;
                failed.extend(verdict(&case, "udp", &udp, &expect));
            }
            if self.tcp {
                let mut tcp = TcpStream::connect(self.address).await.unwrap();
                let tcp = over_tcp(&mut tcp, &query).await;
                failed.extend(verdict(&case, "tcp", &tcp, &expect));
            }
        }
        assert!(failed.is_empty(), "{}:\n{}", self.zone, failed.join("\n"));
    }

    fn query(&self, case: &Case) -> Vec<u8> {
        let has = |word: &str| case.asks.contains(&word);
        let value = |key: &str| case.asks.iter().find_map(|word| word.strip_prefix(key));
        let opcode = value("opcode=").map_or(0, |number| number.parse::<u8>().unwrap());
        let flag = |word: &str, bit: u8| if has(word) { bit } else { 0 };
        let rd = u8::from(has("rd") || self.forwarded);
        let high = opcode << 3 | flag("aa", 4) | flag("tc", 2) | rd;
        let low = flag("ra", 0x80) | flag("z", 0x40) | flag("ad", 0x20) | flag("cd", 0x10);
        let mut bytes = match has("header") {
            true => vec![0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            false => {
                let rtype = case.asks.iter().find_map(|word| word.parse::<RecordType>().ok());
                support::query(self.zone, rtype.expect("a type").0, None)
            }
        };
        (bytes[2], bytes[3]) = (high, low);
        if let Some(edns) = value("edns=") {
            let fields: Vec<&str> = edns.split(',').collect();
            let size: u16 = fields[0].parse().unwrap();
            let version: u8 = fields.get(1).map_or(0, |number| number.parse().unwrap());
            let flags = fields.get(2).map_or(0, |hex| u16::from_str_radix(hex, 16).unwrap());
            let options = case.asks.iter().filter_map(|word| word.strip_prefix("opt="));
            let hex: String = options.collect();
            let options = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            bytes[11] = 1;
            bytes.extend([&[0, 0, 41][..], &size.to_be_bytes(), &[0, version]].concat());
            bytes.extend([flags.to_be_bytes(), (options.len() as u16).to_be_bytes()].concat());
            bytes.extend(options);
        }
        bytes
    }

    /// What must come, in the order in which it is rendered.
    fn expect(&self, case: &Case) -> Vec<&'static str> {
        let is_question = case.expect[0] != "NOTIMP";
        let wants = |word: &str| match word {
            "aa" if self.forwarded => false,
            "rd" if self.forwarded => is_question,
            "ra" => self.recursion && is_question,
            word => case.expect.contains(&word),
        };
        let rest = WORDS.into_iter().filter(|word| wants(word));
        std::iter::once(case.expect[0]).chain(rest).collect()
    }
}

const WORDS: [&str; 11] =
    ["aa", "tc", "rd", "ra", "z", "ad", "cd", "edns", "do", "soa", "something that must be zero"];

fn verdict(case: &Case, by: &str, answer: &[u8], expect: &[&str]) -> Option<String> {
    let found = render(answer);
    let opcode = case.asks.iter().find_map(|word| word.strip_prefix("opcode="));
    let opcode: u8 = opcode.map_or(0, |number| number.parse().unwrap());
    let is_same = answer[..2] == [0x12, 0x34] && answer[2] >> 3 == 0x10 | opcode;
    let is_ok = is_same && found == expect;
    (!is_ok).then(|| format!("{} by {by}: {found:?} instead of {expect:?}", case.name))
}

/// An answer in the words of the file.
fn render(bytes: &[u8]) -> Vec<&'static str> {
    let message = Message::from_vec(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    let edns = message.edns.as_ref();
    let code = message.metadata.response_code;
    let rcode = match u16::from(code.low()) | u16::from(code.high()) << 4 {
        0 => "NOERROR",
        4 => "NOTIMP",
        16 => "BADVERS",
        _ => "another response code",
    };
    let header = |byte: usize, bit: u8| bytes[byte] & bit != 0;
    let soa = |record: &hickory_proto::rr::Record| {
        RecordType(record.record_type().into()) == RecordType::SOA
    };
    let has = [
        header(2, 4),
        header(2, 2),
        header(2, 1),
        header(3, 0x80),
        header(3, 0x40),
        header(3, 0x20),
        header(3, 0x10),
        edns.is_some(),
        edns.is_some_and(|edns| edns.flags().dnssec_ok),
        message.answers.iter().any(soa),
        edns.is_some_and(|edns| edns.version() != 0 || edns.flags().z != 0),
    ];
    let words = has.into_iter().zip(WORDS).filter(|(has, _)| *has).map(|(_, word)| word);
    std::iter::once(rcode).chain(words).collect()
}

/// Nobody may ask it in these stories.
pub struct NeverAsked;

impl Outside for NeverAsked {
    fn resolve(&self, wanted: Wanted) -> Seeking<'_> {
        panic!("a name of a page leaves this machine: {}", wanted.name.to_name())
    }
}

fn pages() -> View {
    let root = support::name(".");
    let view = View::new().with_anchor(&root, support::page_id("."));
    let view = support::with_page(&view, ".", "ct 300 PAGE ct.");
    support::with_page(&view, "ct.", "www 300 A 192.0.2.1")
}

async fn check_pages(outside: Option<Arc<dyn Outside>>, tcp: bool) {
    let recursion = outside.is_some();
    let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = listeners.addresses()[0];
    let views = Arc::new(ArcSwap::from_pointee(pages()));
    let serving = listeners.serve(&Service::new(views, outside)).unwrap();
    for zone in ["ct.", ".", "ct.djdns.alt."] {
        Server { address, zone, forwarded: false, recursion, tcp }.check().await;
    }
    serving.shutdown().await;
}

#[test]
fn all_cases_are_there() {
    let of = |group: &str| cases().iter().filter(|case| case.group == group).count();
    assert_eq!(of("EDNS") + of("FULL") + of("COMM"), 33);
    assert_eq!(of("EDNS") + of("FULL") + of("COMM") + of("more"), cases().len());
}

#[tokio::test]
async fn every_case_of_genreport_is_ok_for_a_page() {
    check_pages(None, true).await;
}

/// RA says that there is somebody to ask; the rest of the answer is no other for it.
#[tokio::test]
async fn every_case_of_genreport_is_ok_for_a_page_where_other_names_are_forwarded() {
    check_pages(Some(Arc::new(NeverAsked)), true).await;
}
