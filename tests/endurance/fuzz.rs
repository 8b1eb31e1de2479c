//! Millions of random packets to a real daemon over UDP and TCP: it answers what is to be answered,
//! says the right thing of page names in between, and grows no larger for it.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use super::{
    packets::{Packets, is_past_header},
    process::{is_full, memory, start},
};
use crate::support::{daemon::Home, random::Random};

const PACKETS: u64 = 50_000;
const PACKETS_FULL: u64 = 10_000_000;
/// Datagrams sent before their answers are awaited: what fits the buffers of sockets on both sides.
const DATAGRAMS: usize = 64;
/// Messages on one connection.
const MESSAGES: usize = 200;
/// Of so many batches of datagrams one is followed by a connection, which makes a fifth of all packets.
const TCP_EVERY: u64 = 13;
/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much larger the daemon may be at the end than after a tenth of the packets: 5 %, and while it
/// had few packets and is small, so many KiB.
const GROWTH_SLACK_KIB: u64 = 2048;

/// A question for a name of a page, sent behind the others to see that it is answered as ever.
const WITNESS: &[u8] = b"\xbe\xef\0\0\0\x01\0\0\0\0\0\0\x0cBrickWindows\x02ff\x02ct\0\0\x01\0\x01";

/// What became of packets.
#[derive(Default)]
struct Outcomes {
    sent: u64,
    past_header: u64,
    answers: BTreeMap<u8, u64>,
    /// Answers to the witness.
    witnessed: u64,
    connections: u64,
    /// Connections that the server ended before it had answered the witness.
    closed: u64,
}

impl Outcomes {
    fn send(&mut self, packet: &[u8]) {
        self.sent += 1;
        self.past_header += u64::from(is_past_header(packet));
    }

    /// Counts an answer; true if it is the witness'.
    fn answer(&mut self, answer: &[u8], witness: &[u8]) -> bool {
        if answer == witness {
            self.witnessed += 1;
            return true;
        }
        assert!(answer.len() >= 12 && answer[2] & 0x80 != 0, "no response: {answer:02x?}");
        *self.answers.entry(answer[3] & 15).or_default() += 1;
        false
    }

    fn silent(&self) -> u64 {
        self.sent.saturating_sub(self.answers.values().sum())
    }

    fn show(&self) -> String {
        let name = |rcode: &u8| {
            let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
            names.get(usize::from(*rcode)).map_or(format!("rcode {rcode}"), |name| (*name).into())
        };
        let answers = self.answers.iter().map(|(rcode, count)| format!("{} {count}", name(rcode)));
        format!(
            "{} packets ({} % past the header): {}; without an answer {}; {} connections, {} of them \
             closed early; {} answers for a page's name in between",
            self.sent,
            self.past_header * 100 / self.sent,
            answers.collect::<Vec<_>>().join(", "),
            self.silent(),
            self.connections,
            self.closed,
            self.witnessed,
        )
    }
}

struct Fuzzer {
    address: SocketAddr,
    udp: UdpSocket,
    packets: Packets,
    outcomes: Outcomes,
    witness: Vec<u8>,
}

impl Fuzzer {
    fn new(address: SocketAddr, seed: u64) -> Fuzzer {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        udp.connect(address).expect("loopback");
        udp.set_read_timeout(Some(PATIENCE)).expect("a time");
        let (packets, outcomes) = (Packets::new(seed), Outcomes::default());
        let mut fuzzer = Fuzzer { address, udp, packets, outcomes, witness: Vec::new() };
        fuzzer.udp.send(WITNESS).expect("loopback");
        let mut answer = [0; 1500];
        let len = fuzzer.udp.recv(&mut answer).expect("an answer");
        assert_eq!(answer[6..8], [0, 2], "two addresses");
        fuzzer.witness = answer[..len].to_vec();
        fuzzer
    }

    /// A batch of datagrams, and a page's name at its end.
    fn over_udp(&mut self) {
        for _ in 0..DATAGRAMS {
            let packet = self.packets.draw();
            self.outcomes.send(&packet);
            let _ = self.udp.send(&packet);
        }
        self.udp.send(WITNESS).expect("loopback");
        let mut answer = [0; 65535];
        loop {
            let len = self.udp.recv(&mut answer).expect("a page's name is answered");
            if self.outcomes.answer(&answer[..len], &self.witness) {
                return;
            }
        }
    }

    /// A connection with many messages and a page's name at their end; in every fourth one the lengths
    /// before the messages are damaged, so that anything may follow.
    fn over_tcp(&mut self) {
        let is_damaged = self.packets.random().percent(25);
        let mut bytes = Vec::new();
        for _ in 0..MESSAGES {
            let packet = self.packets.draw();
            self.outcomes.send(&packet);
            bytes.extend_from_slice(&(packet.len() as u16).to_be_bytes());
            bytes.extend_from_slice(&packet);
        }
        bytes.extend_from_slice(&(WITNESS.len() as u16).to_be_bytes());
        bytes.extend_from_slice(WITNESS);
        if is_damaged {
            let random = self.packets.random();
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] = random.bits() as u8;
            }
        }
        self.outcomes.connections += 1;
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        // What it does not want to read any more is its business.
        let _ = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answers = Vec::new();
        match stream.read_to_end(&mut answers) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("a connection is neither answered nor closed: {error}"),
        }
        let mut witnessed = false;
        while let Some((len, rest)) = answers.split_first_chunk::<2>() {
            let len = usize::from(u16::from_be_bytes(*len));
            let Some((answer, rest)) = rest.split_at_checked(len) else { break };
            witnessed |= self.outcomes.answer(answer, &self.witness);
            answers = rest.to_vec();
        }
        assert!(witnessed || is_damaged, "a page's name is answered on a sound connection");
        self.outcomes.closed += u64::from(!witnessed);
    }
}

#[test]
fn random_packets_do_not_stop_it_confuse_it_or_make_it_grow() {
    let home = Home::new();
    let daemon = start(&home);
    let mut fuzzer = Fuzzer::new(daemon.dns(), Random::seed(1));
    let all = if is_full() { PACKETS_FULL } else { PACKETS };
    let mut early = None;
    for batch in 0.. {
        fuzzer.over_udp();
        if batch % TCP_EVERY == 0 {
            fuzzer.over_tcp();
        }
        if fuzzer.outcomes.sent >= all / 10 && early.is_none() {
            early = Some(memory(&daemon));
            println!("after {}: {early:?} KiB", fuzzer.outcomes.sent);
        }
        if fuzzer.outcomes.sent >= all {
            break;
        }
    }
    let late = memory(&daemon);
    println!("at the end: {late:?} KiB\n{}", fuzzer.outcomes.show());
    let early = early.expect("a tenth was sent");
    let slack = if is_full() { 0 } else { GROWTH_SLACK_KIB };
    for (early, late) in [(early.now, late.now), (early.peak, late.peak)] {
        assert!(late <= early * 105 / 100 + slack, "it grew from {early} to {late} KiB");
    }
    let outcomes = &fuzzer.outcomes;
    assert!(outcomes.past_header * 2 >= outcomes.sent, "most packets end at their header");
}
