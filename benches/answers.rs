//! A load generator for DNS over UDP that is not itself the limit, and the barest server there can be.
//!
//! `benches/answers.sh` starts all of it; by hand:
//!
//! ```text
//! answers bare ADDRESS                        answers every question with one fixed address, on each core
//! answers peak ADDRESS NAMES SECONDS          as many answers as come, 10 % of the names absent
//! answers latency ADDRESS NAMES SECONDS RATE  so many questions a second, evenly; how long answers take
//! answers flood ADDRESS NAMES SECONDS RATE    so many a second in bursts, whatever comes back
//! answers same ADDRESS OTHER NAMES            whether two servers say the same
//! answers local NAMES ROUNDS                  answers without any socket; to count instructions
//! ```
//!
//! Names are `n0000001.bench.` and on, as the script makes them. Half of the questions have EDNS, and the
//! letters are upper or lower case at random. dnsperf sends and receives one datagram a call: beyond a
//! quarter of a million questions a second it measures itself.

#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(unsafe_code, reason = "sendmmsg and recvmmsg take lists of pointers")]

use std::{
    error::Error,
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, AsRawFd},
    ptr, thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use djdns::{
    dns::{PageMeta, View, batch::Batch, fast, path::Path},
    id::Id,
    page::{
        entry::RecordSets,
        name::{Name, Owner},
        record::{PageLink, RecordType},
    },
};

/// Questions and answers that one call takes.
const BATCH: usize = 64;
/// Questions under way at a time: less than the kernel's buffer of a socket holds.
const WINDOW: usize = 512;
/// Sockets, so that a server with several workers has something for each.
const SOCKETS: usize = 16;
/// Different questions; more than any cache of a processor remembers the order of.
const QUESTIONS: usize = 65_536;
/// Answers that take longer are lost.
const PATIENCE: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["bare", address] => bare(address.parse()?)?,
        ["peak", address, names, seconds] => {
            let load = Load::new(address.parse()?, names.parse()?)?;
            load.peak(Duration::from_secs_f64(seconds.parse()?))?;
        }
        ["latency", address, names, seconds, rate] => {
            let load = Load::new(address.parse()?, names.parse()?)?;
            load.latency(Duration::from_secs_f64(seconds.parse()?), rate.parse()?)?;
        }
        ["flood", address, names, seconds, rate] => {
            let load = Load::new(address.parse()?, names.parse()?)?;
            load.flood(Duration::from_secs_f64(seconds.parse()?), rate.parse()?)?;
        }
        ["same", one, other, names] => same(one.parse()?, other.parse()?, names.parse()?)?,
        ["local", names, rounds] => local(names.parse()?, rounds.parse()?)?,
        // `cargo bench` by itself: the script says what is needed besides.
        _ => println!("benches/answers.sh measures this"),
    }
    Ok(())
}

/// Answers every question with the address 192.0.2.1, reading nothing of it but where it ends: on every
/// processor that it may use, with a socket for each.
fn bare(address: SocketAddr) -> io::Result<()> {
    let processors = thread::available_parallelism()?.get();
    let sockets = (0..processors).map(|_| bare_socket(address)).collect::<io::Result<Vec<_>>>()?;
    let all = sockets.into_iter().map(|socket| thread::spawn(move || bare_loop(&socket)));
    let all: Vec<_> = all.collect();
    for one in all {
        one.join().map_err(|_| io::Error::other("it panicked"))??;
    }
    Ok(())
}

fn bare_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_reuse_port(true)?;
    let _ = socket.set_recv_buffer_size(1 << 20);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn bare_loop(socket: &UdpSocket) -> io::Result<()> {
    let mut batch = Batch::new();
    loop {
        let mut polled = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut polled, None)?;
        while let Ok(received) = batch.receive(socket.as_fd()) {
            for n in 0..received {
                let (query, room, _) = batch.slot(n);
                let len = bare_answer(query, room).unwrap_or(0);
                batch.answer(n, len);
            }
            batch.send(socket.as_fd());
            if received < djdns::limits::DNS_UDP_BATCH {
                break;
            }
        }
    }
}

fn bare_answer(query: &[u8], room: &mut [u8]) -> Option<usize> {
    const RECORD: [u8; 16] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1];
    let end = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)? + 5;
    let (question, opt) = query.split_at_checked(end)?;
    let all = [question, &RECORD, opt];
    let mut at = 0;
    for part in all {
        room.get_mut(at..at + part.len())?.copy_from_slice(part);
        at += part.len();
    }
    (room[2], room[3], room[7]) = (0x84 | query[2] & 1, 0, 1);
    Some(at)
}

/// A small random number generator: xorshift64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// The `n`th question: a name out of so many, one in ten absent.
fn question(n: usize, names: u64, dice: &mut Dice) -> Vec<u8> {
    let name = 1 + dice.roll() % names;
    let letter = if dice.roll().is_multiple_of(10) { 'x' } else { 'n' };
    let mut label = format!("{letter}{name:07}").into_bytes();
    let mut zone = b"bench".to_vec();
    for byte in label.iter_mut().chain(&mut zone) {
        if dice.roll().is_multiple_of(2) {
            byte.make_ascii_uppercase();
        }
    }
    let has_edns = n.is_multiple_of(2);
    let mut query = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(has_edns)];
    for label in [&label, &zone] {
        query.push(label.len() as u8);
        query.extend_from_slice(label);
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    if has_edns {
        query.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    }
    query
}

/// Who asks.
struct Load {
    sockets: Vec<UdpSocket>,
    questions: Vec<Vec<u8>>,
    /// The next question.
    at: usize,
    sent: u64,
}

/// What came back from one call.
struct Heard {
    /// The ids.
    ids: Vec<u16>,
    /// Answers that are neither an address nor a denial with an SOA.
    wrong: u64,
}

impl Load {
    fn new(server: SocketAddr, names: u64) -> io::Result<Load> {
        let local: SocketAddr = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }
            .parse()
            .map_err(io::Error::other)?;
        let socket = || {
            let socket = UdpSocket::bind(local)?;
            socket.connect(server)?;
            let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(1 << 20);
            Ok(socket)
        };
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        Ok(Load {
            sockets: (0..SOCKETS).map(|_| socket()).collect::<io::Result<_>>()?,
            questions: (0..QUESTIONS).map(|n| question(n, names, &mut dice)).collect(),
            at: 0,
            sent: 0,
        })
    }

    /// Sends the next so many questions by one call; returns how many the system took.
    fn send(&mut self, socket: usize, count: usize) -> io::Result<usize> {
        let mut parts = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        // SAFETY: all zeros is a value of it: numbers and null pointers.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        let count = count.min(BATCH);
        for n in 0..count {
            let at = (self.at + n) % QUESTIONS;
            let question = &mut self.questions[at];
            question[..2].copy_from_slice(&(at as u16).to_be_bytes());
            parts[n] =
                libc::iovec { iov_base: question.as_mut_ptr().cast(), iov_len: question.len() };
            headers[n].msg_hdr.msg_iov = &raw mut parts[n];
            headers[n].msg_hdr.msg_iovlen = 1;
        }
        let fd = self.sockets[socket].as_raw_fd();
        // SAFETY: each header leads to one part, and that to a question, which all outlive the call.
        let sent = unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), count as u32, 0) };
        let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        self.at = (self.at + sent) % QUESTIONS;
        self.sent += sent as u64;
        Ok(sent)
    }

    /// Receives what is there.
    fn receive(&self, socket: usize, room: &mut [[u8; 512]; BATCH]) -> io::Result<Heard> {
        let mut parts = [libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        // SAFETY: all zeros is a value of it: numbers and null pointers.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        for (n, buffer) in room.iter_mut().enumerate() {
            parts[n] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            headers[n].msg_hdr.msg_iov = &raw mut parts[n];
            headers[n].msg_hdr.msg_iovlen = 1;
        }
        let fd = self.sockets[socket].as_raw_fd();
        let (list, count, flags) = (headers.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT);
        // SAFETY: each header leads to one part, and that to a buffer of `room`, which outlive the call.
        let received = unsafe { libc::recvmmsg(fd, list, count, flags, ptr::null_mut()) };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            let is_empty = error.kind() == io::ErrorKind::WouldBlock;
            return if is_empty { Ok(Heard { ids: vec![], wrong: 0 }) } else { Err(error) };
        };
        let mut heard = Heard { ids: Vec::with_capacity(received), wrong: 0 };
        for (buffer, header) in room.iter().zip(&headers).take(received) {
            let is_right = header.msg_len >= 30
                && match buffer[3] & 15 {
                    0 => buffer[7] == 1,
                    3 => buffer[9] == 1,
                    _ => false,
                };
            heard.wrong += u64::from(!is_right);
            heard.ids.push(u16::from_be_bytes([buffer[0], buffer[1]]));
        }
        Ok(heard)
    }

    /// Keeps so many questions under way, and counts what comes back.
    fn peak(mut self, span: Duration) -> io::Result<()> {
        let mut room = [[0; 512]; BATCH];
        let (mut answers, mut wrong, mut lost) = (0u64, 0u64, 0u64);
        let mut under_way = [0usize; SOCKETS];
        let begun = Instant::now();
        let mut last = begun;
        while begun.elapsed() < span {
            for (socket, open) in under_way.iter_mut().enumerate() {
                while *open + BATCH <= WINDOW / 4 {
                    *open += self.send(socket, BATCH)?;
                }
                loop {
                    let heard = self.receive(socket, &mut room)?;
                    if heard.ids.is_empty() {
                        break;
                    }
                    answers += heard.ids.len() as u64;
                    wrong += heard.wrong;
                    *open = open.saturating_sub(heard.ids.len());
                    last = Instant::now();
                    if heard.ids.len() < BATCH {
                        break;
                    }
                }
            }
            if last.elapsed() > PATIENCE {
                lost += under_way.iter().sum::<usize>() as u64;
                under_way = [0; SOCKETS];
                last = Instant::now();
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!("{:.0} {lost} {wrong} {}", answers as f64 / seconds, self.sent);
        Ok(())
    }

    /// Sends at an even rate, and times each answer from when its question was due.
    fn latency(mut self, span: Duration, rate: f64) -> io::Result<()> {
        let mut room = [[0; 512]; BATCH];
        let mut due: Vec<Option<Instant>> = vec![None; QUESTIONS];
        let mut took: Vec<u64> = Vec::new();
        let begun = Instant::now();
        let interval = Duration::from_secs_f64(1.0 / rate);
        let (mut next, mut socket) = (begun, 0);
        while begun.elapsed() < span {
            if Instant::now() >= next {
                due[self.at] = Some(next);
                self.send(socket, 1)?;
                next += interval;
                socket = (socket + 1) % SOCKETS;
            }
            for socket in 0..SOCKETS {
                let heard = self.receive(socket, &mut room)?;
                let now = Instant::now();
                for id in heard.ids {
                    if let Some(due) = due[usize::from(id)].take() {
                        took.push(now.duration_since(due).as_nanos() as u64);
                    }
                }
            }
        }
        took.sort_unstable();
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
        let lost = self.sent.saturating_sub(took.len() as u64);
        println!("{:.1} {:.1} {:.1} {lost} {}", at(0.5), at(0.99), at(0.999), self.sent);
        Ok(())
    }

    /// Sends in bursts of a millisecond whatever comes back; counts answers.
    fn flood(mut self, span: Duration, rate: f64) -> io::Result<()> {
        let mut room = [[0; 512]; BATCH];
        let mut answers = 0u64;
        let begun = Instant::now();
        let mut socket = 0;
        while begun.elapsed() < span {
            let due = begun.elapsed().as_millis() as f64 * rate / 1000.0;
            // What is late by more than a burst is not made up for: answers have to be counted, too.
            for _ in 0..(rate / 1000.0) as usize / BATCH + 1 {
                if (self.sent as f64) < due {
                    self.send(socket, BATCH)?;
                    socket = (socket + 1) % SOCKETS;
                }
            }
            for socket in 0..SOCKETS {
                answers += self.receive(socket, &mut room)?.ids.len() as u64;
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!("{:.0} {:.0}", answers as f64 / seconds, self.sent as f64 / seconds);
        Ok(())
    }
}

/// Asks both servers a thousand questions, and compares what they say in every octet but RA, which only
/// one of them may have a reason to set.
fn same(one: SocketAddr, other: SocketAddr, names: u64) -> Result<(), Box<dyn Error>> {
    let sockets = [one, other].map(|server| -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok(socket)
    });
    let [one, other] = [sockets[0].as_ref(), sockets[1].as_ref()];
    let (one, other) = (one.map_err(ToString::to_string)?, other.map_err(ToString::to_string)?);
    let mut dice = Dice(7);
    for n in 0..1000 {
        let query = question(n, names, &mut dice);
        let ask = |socket: &UdpSocket| -> io::Result<Vec<u8>> {
            socket.send(&query)?;
            let mut answer = [0; 1500];
            let len = socket.recv(&mut answer)?;
            answer[3] &= 0x7f;
            Ok(answer[..len].to_vec())
        };
        let (said, expect) = (ask(one)?, ask(other)?);
        if said != expect {
            return Err(format!("to {query:02x?}\n{said:02x?}\n{expect:02x?}").into());
        }
    }
    println!("1000 answers are the same");
    Ok(())
}

/// Answers 65,536 questions so often, from a page below the root of so many names.
fn local(names: u64, rounds: usize) -> Result<(), Box<dyn Error>> {
    let (root, bench) = (Name::root(), Name::parse("bench")?);
    let [above, page] = [&root, &bench].map(|name| Id::hash(&[name.wire()]));
    let meta = |name: &Name, id| PageMeta {
        name: name.clone(),
        id,
        serial: 1,
        fresh: true,
        absence_ttl: u32::MAX,
    };
    let entry = |owner: &str, name: &Name, rtype, data: Vec<u8>| -> Result<_, Box<dyn Error>> {
        let owner = Owner::parse(owner, name)?;
        let sets = RecordSets::gather([(rtype, 3600, data)], &owner, name)?;
        Ok((owner, sets))
    };
    let link = entry(
        "bench",
        &root,
        RecordType::PAGE,
        PageLink { page, beacons: vec![] }.to_rdata().ok_or("a link")?,
    )?;
    let all = (1..=names).map(|n| {
        let [_, a, b, c] = (n as u32).to_be_bytes();
        entry(&format!("n{n:07}"), &bench, RecordType::A, vec![10, a, b, c])
    });
    let view = View::new()
        .with_anchor(&root, above)
        .with_page(meta(&root, above), [link])
        .with_page(meta(&bench, page), all.collect::<Result<Vec<_>, _>>()?);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let questions: Vec<Vec<u8>> = (0..QUESTIONS).map(|n| question(n, names, &mut dice)).collect();
    let (mut path, mut room) = (Path::ROOT, [0; 1232]);
    let begun = Instant::now();
    let mut octets = 0;
    for _ in 0..rounds {
        for question in &questions {
            let written = fast::answer(&view, question, true, &mut path, &mut room);
            octets += written.ok_or("a usual question was not answered")?.len;
        }
    }
    let each = begun.elapsed().as_nanos() as f64 / (rounds.max(1) * QUESTIONS) as f64;
    println!("{each:.0} ns each, {octets} octets");
    Ok(())
}
