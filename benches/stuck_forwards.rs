//! How long answers from a page take while nothing happens, and while 500 questions wait for an
//! upstream that is silent.
//!
//! ```sh
//! cargo bench --bench stuck_forwards
//! ```
//! The server has a thread of its own, as in the daemon, and this program the rest: on a machine with
//! other work both wait for a core, which is noise of milliseconds; the rounds alternate for that
//! reason, and the median of their ratios is what counts. Queries leave at a fixed rate whatever comes
//! back, and an answer is timed from when its query was due.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use djdns::{
    ambient,
    dns::{
        Forward, Listeners, PageMeta, Service, Upstream, Upstreams, View,
        forward::{Ambient, Rules},
    },
    id::Id,
    page::{name::Name, zonefile},
};

const INTERVAL: Duration = Duration::from_micros(500);
const SPAN: Duration = Duration::from_secs(3);
/// A question is given up after 3.6 s: one every 7.2 ms makes 500 that wait.
const STUCK_INTERVAL: Duration = Duration::from_micros(7200);
const UNTIL_STUCK: Duration = Duration::from_millis(3800);
const ROUNDS: usize = 7;

fn main() {
    let server = serve();
    println!("p99 of answers from a page, us: idle, with 500 stuck forwards, ratio");
    let mut ratios: Vec<f64> = (1..=ROUNDS)
        .map(|round| {
            let idle = p99(server);
            let stop = AtomicBool::new(false);
            let busy = thread::scope(|scope| {
                scope.spawn(|| stick(server, round, &stop));
                thread::sleep(UNTIL_STUCK);
                let busy = p99(server);
                stop.store(true, Ordering::Relaxed);
                busy
            });
            // Until the last of them was given up.
            thread::sleep(UNTIL_STUCK);
            let ratio = busy.as_secs_f64() / idle.as_secs_f64();
            println!("round {round}: {} {} {ratio:.2}", idle.as_micros(), busy.as_micros());
            ratio
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!("median ratio: {:.2} (wanted: at most 2)", ratios[ROUNDS / 2]);
}

/// A server with one page, and an upstream that never says anything.
fn serve() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let upstream = silent.local_addr().expect("it is bound").to_string();
        let upstream: Upstream = upstream.parse().expect("an upstream");
        let upstreams = Upstreams::new(vec![upstream], Vec::new());
        let ambient = Ambient { now: ambient::ticks, random: ambient::random_words };
        let forward = Forward::new(Rules { upstreams, ..Rules::default() }, ambient);
        let views = Arc::new(ArcSwap::from_pointee(view()));
        let service = Service::new(views, Some(Arc::new(forward)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let address = "127.0.0.1:0".parse().expect("an address");
            let listeners = Listeners::bind(&[address]).expect("a port");
            tell.send(listeners.addresses()[0]).expect("somebody listens");
            let _serving = listeners.serve(&service).expect("it serves");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("it starts")
}

fn view() -> View {
    let name = Name::parse("ct").expect("a name");
    let zone = b"www 300 A 192.0.2.1\n";
    let entries = zonefile::read(zone, &name, &mut |_| {}).expect("a zone").entries;
    let id = Id::hash(&[b"ct."]);
    let anchored = View::new().with_anchor(&name, id);
    let meta = PageMeta { name, id, serial: 1, fresh: true, absence_ttl: u32::MAX };
    anchored.with_page(meta, entries)
}

fn query(id: u16, labels: &[u8]) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    [&[high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], labels, &[0, 0, 1, 0, 1]].concat()
}

fn client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(server).expect("it is local");
    socket
}

/// Asks for ever new names that no page knows.
fn stick(server: SocketAddr, round: usize, stop: &AtomicBool) {
    let socket = client(server);
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let label = format!("n{round}x{count}");
        let labels = [&[label.len() as u8], label.as_bytes(), b"\x07example"].concat();
        socket.send(&query(count as u16, &labels)).expect("it is sent");
        count += 1;
        thread::sleep(STUCK_INTERVAL);
    }
}

/// The time that 99 of 100 answers from the page take at most. What is lost took the whole span.
fn p99(server: SocketAddr) -> Duration {
    let socket = client(server);
    let count = (SPAN.as_micros() / INTERVAL.as_micros()) as usize;
    let begun = Instant::now();
    let due = |n: usize| begun + INTERVAL * n as u32;
    let receiver = socket.try_clone().expect("a socket");
    receiver.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let mut took = vec![SPAN; count];
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..count {
                thread::sleep(due(n).saturating_duration_since(Instant::now()));
                socket.send(&query(n as u16, b"\x03www\x02ct")).expect("it is sent");
            }
        });
        let mut buffer = [0; 512];
        for _ in 0..count {
            let Ok(len) = receiver.recv(&mut buffer) else { break };
            assert!(len > 12 && buffer[7] == 1, "one answer");
            let n = usize::from(u16::from_be_bytes([buffer[0], buffer[1]]));
            took[n] = Instant::now().saturating_duration_since(due(n));
        }
    });
    took.sort();
    took[count * 99 / 100]
}
