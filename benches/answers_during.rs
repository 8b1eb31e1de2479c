//! How long answers take while nothing happens, and while a page of a million names is imported or
//! a page is changed a hundred times a second.
//!
//! ```sh
//! benches/answers_during.sh import
//! benches/answers_during.sh changes
//! ```
//! The script pins the daemon to one core and this program to another. Queries leave at a fixed
//! rate whatever comes back, and an answer is timed from when its query was due, so that a stall
//! counts for every query that it holds up. Idle and busy alternate, in rounds, each with a new daemon
//! that holds a page of 10,000 names, which the queries are about.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    io::{self, BufRead, BufReader},
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use djdns::{
    control::{client::Client, request::Request},
    demo,
    limits::CONTROL_PART_BYTES,
    page::{
        Page, RawPage,
        entry::Rdata,
        name::{Name, Owner},
        origin_version,
    },
};

#[path = "../tests/support/people.rs"]
mod people;

const ASKED_NAMES: usize = 10_000;
const INTERVAL: Duration = Duration::from_micros(200);
/// A hundred changes a second, for as long as the daemon is idle before.
const CHANGE_INTERVAL: Duration = Duration::from_millis(10);
const CHANGES: usize = 400;
const IDLE: Duration = Duration::from_secs(4);
/// Answers that take longer are counted as lost.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |name: &str, usual: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let names = number("NAMES", 1_000_000);
    match arguments[..] {
        ["do", "import", data_dir, name, names] => {
            let (_, page) = page(name, names.parse().expect("a number"));
            begin_when_told();
            import(Path::new(data_dir), page);
        }
        ["do", "changes", data_dir, name, count] => {
            let changes = changes(name, count.parse().expect("a number"));
            begin_when_told();
            change(Path::new(data_dir), &changes);
        }
        ["import"] => {
            measure(number("ROUNDS", 5), "an import", &["import", "imported.", &names.to_string()]);
        }
        ["changes"] => {
            measure(number("ROUNDS", 5), "changes", &["changes", "asked.", &CHANGES.to_string()]);
        }
        // `cargo bench` by itself: the script says what is needed besides.
        _ => println!("benches/answers_during.sh measures this"),
    }
}

/// Compares idle with busy, and with those p99 and p99.9 as ratios.
fn measure(rounds: usize, what: &str, deed: &[&str]) {
    let djdns = std::env::var("DJDNS").unwrap_or_else(|_| "target/release/djdns".to_owned());
    let core = std::env::var("SERVER_CORE").unwrap_or_else(|_| "0".to_owned());
    println!("{}, {rounds} rounds; us: p50 / p99 / p99.9 / longest", deed.join(" "));
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        let daemon = Daemon::start(&djdns, &core);
        Worker::start(&daemon, &core, &["import", "asked.", &ASKED_NAMES.to_string()]).finish();
        let worker = Worker::start(&daemon, &core, deed);
        let idle = Latencies::during(daemon.dns, || thread::sleep(IDLE));
        let mut took = Duration::ZERO;
        let busy = Latencies::during(daemon.dns, || {
            let start = Instant::now();
            worker.finish();
            took = start.elapsed();
        });
        let both = [0.99, 0.999].map(|share| busy.at(share) / idle.at(share));
        let took = took.as_secs_f64();
        println!(
            "round {round}: idle {idle}   busy ({took:.1} s) {busy}   {:.2} {:.2}",
            both[0], both[1]
        );
        ratios.iter_mut().zip(both).for_each(|(all, one)| all.push(one));
    }
    for (name, mut ratios) in ["p99", "p99.9"].into_iter().zip(ratios) {
        ratios.sort_by(f64::total_cmp);
        println!("{name} during {what} / idle, median: {:.2}", ratios[ratios.len() / 2]);
    }
}

/// A program that has something ready to be sent to the daemon. It shares the daemon's core, and is nice:
/// what is measured is how the daemon's own work gets in the way.
struct Worker(Child);

impl Worker {
    fn start(daemon: &Daemon, core: &str, deed: &[&str]) -> Worker {
        let this = std::env::current_exe().expect("a program knows its file");
        let mut child = Command::new("nice")
            .args(["-n", "19", "taskset", "-c", core])
            .arg(this)
            .args(["do", deed[0]])
            .arg(daemon.data_dir())
            .args(&deed[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nice and taskset are there");
        let said = child.stdout.take().expect("it is piped");
        BufReader::new(said).read_line(&mut String::new()).expect("it gets ready");
        Worker(child)
    }

    fn finish(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it runs").success());
    }
}

/// Says that everything is ready, and waits for the word.
fn begin_when_told() {
    println!("ready");
    io::stdin().read_line(&mut String::new()).expect("somebody says when");
}

/// A page with this many addresses.
fn page(name: &str, names: usize) -> (Page, RawPage) {
    let parent = Name::parse(name).expect("a name");
    let contents = (0..names).map(|n| {
        let owner = Owner::parse(&format!("n{n:07}"), &parent).expect("a name");
        (owner, people::address(n as u32))
    });
    people::found(name, contents)
}

/// Hands a page to the daemon, as `djdns page import` does, and trusts it.
fn import(data_dir: &Path, raw: RawPage) {
    let connected = Client::connect(data_dir).expect("the socket is there");
    let mut client = connected.expect("the daemon listens");
    let mut ask = |request: Request| {
        client.ask(&request, &mut |_, _, _| {}).expect("the daemon takes it");
    };
    let genesis = djdns::page::genesis::Genesis::decode(&raw.genesis).expect("it was founded");
    let RawPage { genesis: bytes, entries } = raw;
    let stage = |genesis, entries| Request::Stage { genesis, entries, said: Vec::new() };
    ask(stage(Some(Rdata(bytes.into())), Vec::new()));
    let mut part = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.len() + 5;
        part.push(Rdata(entry));
        if bytes > CONTROL_PART_BYTES - 65_536 {
            ask(stage(None, std::mem::take(&mut part)));
            bytes = 0;
        }
    }
    ask(stage(None, part));
    ask(Request::Commit);
    ask(Request::Join { name: genesis.raw().name.clone(), page: genesis.id() });
}

/// Submissions that each change the address of one of the first names of [`page`], and are ratified at
/// once: an operation and two ballots.
fn changes(name: &str, count: usize) -> Vec<Request> {
    let (page, _) = page(name, ASKED_NAMES);
    let change = |n: usize| {
        let author = demo::NAMES[n % demo::NAMES.len()];
        let owner = Owner::parse(&format!("n{n:07}"), page.name()).expect("a name");
        let parent = origin_version(&page.id(), &owner);
        let slot = (n / demo::NAMES.len()) as u32;
        let address = people::address(1_000_000 + n as u32);
        let statement = people::proposal(&page.id(), author, slot, &owner, parent, address);
        let ballot = |voter| people::approval(&page.id(), voter, n as u64 + 1, &statement.id());
        people::submission(&[&statement, &ballot("alice"), &ballot("bob")])
    };
    (0..count).map(change).collect()
}

/// Submits one change after another, each when it is due.
fn change(data_dir: &Path, changes: &[Request]) {
    let connected = Client::connect(data_dir).expect("the socket is there");
    let mut client = connected.expect("the daemon listens");
    let start = Instant::now();
    for (n, change) in changes.iter().enumerate() {
        thread::sleep((CHANGE_INTERVAL * n as u32).saturating_sub(start.elapsed()));
        client.ask(change, &mut |_, _, _| {}).expect("the daemon takes it");
    }
}

/// A daemon on one core, in a directory of its own; both end with it.
struct Daemon {
    child: Child,
    home: tempfile::TempDir,
    dns: SocketAddr,
}

impl Daemon {
    fn start(djdns: &str, core: &str) -> Daemon {
        let home = tempfile::tempdir().expect("a directory");
        let mut child = Command::new("taskset")
            .args(["-c", core, djdns, "serve", "--dns", "127.0.0.1:0"])
            .args(["--listen", "off", "--http", "off", "--data-dir"])
            .arg(home.path().join("data"))
            .env("HOME", home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("taskset is there");
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        let line = said.lines().next().expect("it starts").expect("text");
        let dns = line.rsplit(' ').next().and_then(|address| address.parse().ok());
        Daemon { child, home, dns: dns.expect("the daemon says where it answers") }
    }

    fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Times of answers in microseconds, sorted; a lost one has the time of [`PATIENCE`].
struct Latencies(Vec<f64>);

impl Latencies {
    /// Asks at a fixed rate while `deed` is done.
    fn during(dns: SocketAddr, deed: impl FnOnce()) -> Latencies {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.connect(dns).expect("loopback");
        socket.set_nonblocking(true).expect("a socket");
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let asking = scope.spawn(|| ask_until(&socket, &done));
            deed();
            done.store(true, Ordering::Relaxed);
            let mut all = asking.join().expect("it asks");
            all.sort_by(f64::total_cmp);
            Latencies(all)
        })
    }

    /// The value that this share of the answers does not exceed.
    fn at(&self, share: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * share) as usize]
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = [0.5, 0.99, 0.999, 1.0].map(|share| self.at(share));
        write!(f, "{a:.0} / {b:.0} / {c:.0} / {d:.0} (of {})", self.0.len())
    }
}

/// Sends without waiting and reads what has come, spinning: sleeping would add its own delays.
fn ask_until(socket: &UdpSocket, done: &AtomicBool) -> Vec<f64> {
    let mut times: Vec<f64> = Vec::new();
    let mut open = 0;
    let start = Instant::now();
    let mut sent = 0u32;
    let mut buffer = [0; 1500];
    loop {
        let due = INTERVAL * sent;
        let is_over = done.load(Ordering::Relaxed);
        if !is_over && start.elapsed() >= due {
            if socket.send(&query(sent)).is_ok() {
                open += 1;
            }
            times.push(PATIENCE.as_secs_f64() * 1e6);
            sent += 1;
        }
        while let Ok(len) = socket.recv(&mut buffer) {
            assert!(len > 12 && buffer[7] == 1, "one answer");
            let id = u32::from(u16::from_be_bytes([buffer[0], buffer[1]]));
            // The newest query with this id: ids come around once in 13 s.
            let number = sent - 1 - (sent - 1).wrapping_sub(id) % 65_536;
            let late = start.elapsed().saturating_sub(INTERVAL * number);
            times[number as usize] = late.as_secs_f64() * 1e6;
            open -= 1;
        }
        if is_over && (open == 0 || start.elapsed() > due + PATIENCE) {
            return times;
        }
    }
}

/// A question for one of the names: A, class IN.
fn query(number: u32) -> Vec<u8> {
    let mut bytes = (number as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8]);
    let name = u64::from(number) * 7919 % ASKED_NAMES as u64;
    bytes.extend_from_slice(format!("n{name:07}").as_bytes());
    bytes.extend_from_slice(b"\x05asked\x00\x00\x01\x00\x01");
    bytes
}
