//! Nodes find each other on a local network, by each way alone (D2).

#![expect(clippy::disallowed_methods, reason = "it waits no longer than a person would")]

use std::{
    cell::RefCell,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use djdns::{
    ambient,
    beacon::Beacon,
    discovery::{Discovery, Options, Packet, Sighting, own_addresses},
    key::SecretKey,
    limits::LAN_BROADCAST_PORT,
    sync::How,
};
use hickory_proto::{
    op::{Message, MessageType, OpCode},
    rr::{
        Name, RData, Record,
        rdata::{PTR, SRV, TXT},
    },
};
use socket2::{Domain, Socket, Type};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::lan::{Lan, Machine};

const PORT: u16 = 31415;
/// How long nodes may take to find each other (choice: the machine may be busy).
const PATIENCE: Duration = Duration::from_secs(15);

/// A node that only looks for others.
struct Seeker {
    found: Receiver<Sighting>,
    /// What it found while it was asked for another.
    heard: RefCell<Vec<Sighting>>,
    /// New beacons; it stops when this is dropped.
    beacons: Option<UnboundedSender<Beacon>>,
    thread: Option<JoinHandle<()>>,
}

impl Seeker {
    fn start(machine: &Machine, n: u8, how: How) -> Seeker {
        let (found, sightings) = channel();
        let (beacons, mut changes) = unbounded_channel::<Beacon>();
        let address = SocketAddr::from((machine.address, PORT));
        let thread = machine.spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let (discovery, errors) = start(beacon(n, address), how, found);
                assert!(errors.is_empty(), "{errors:?}");
                while let Some(beacon) = changes.recv().await {
                    discovery.set_beacon(beacon);
                }
                discovery.stop();
            });
        });
        Seeker {
            found: sightings,
            heard: RefCell::default(),
            beacons: Some(beacons),
            thread: Some(thread),
        }
    }

    /// Waits until it has found the node `n` at this address.
    #[track_caller]
    fn finds(&self, n: u8, address: SocketAddr, how: How) -> Sighting {
        let is_wanted = |sighting: &Sighting| {
            assert_eq!(sighting.how, how);
            sighting.beacon.key() == secret(n).public() && sighting.beacon.addresses() == [address]
        };
        let mut heard = self.heard.borrow_mut();
        if let Some(at) = heard.iter().position(is_wanted) {
            return heard.remove(at);
        }
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let sighting = self.found.recv_timeout(left).unwrap_or_else(|error| {
                panic!("node {n} at {address} was not found by {how:?}: {error}")
            });
            if is_wanted(&sighting) {
                return sighting;
            }
            heard.push(sighting);
        }
    }
}

impl Drop for Seeker {
    fn drop(&mut self) {
        self.beacons.take();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

fn start(
    beacon: Beacon,
    how: How,
    found: Sender<Sighting>,
) -> (Discovery, Vec<djdns::discovery::DiscoveryError>) {
    let options = Options {
        seed: beacon.expires(),
        beacon,
        lan: how == How::Lan,
        broadcast: how == How::Broadcast,
        broadcast_port: LAN_BROADCAST_PORT,
        now: ambient::now,
        ticks: ambient::ticks,
    };
    Discovery::start(options, Arc::new(move |sighting| _ = found.send(sighting)))
}

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn beacon(n: u8, address: SocketAddr) -> Beacon {
    Beacon::sign(&secret(n), &[address], ambient::now() + 3600).unwrap()
}

fn at(machine: &Machine) -> SocketAddr {
    (machine.address, PORT).into()
}

/// Two nodes that meet by one way, a third that comes later, and one that moves.
fn meet(how: How) {
    let lan = Lan::new(3);
    let [one, two, three] = &lan.machines[..] else { unreachable!() };
    let first = Seeker::start(one, 1, how);
    let second = Seeker::start(two, 2, how);
    let sighting = first.finds(2, at(two), how);
    // It is heard in IPv6 as well, where the address is one of the link.
    let (hints, link) = (&sighting.hints, |hint: &SocketAddr| hint.is_ipv6());
    assert!(hints.iter().any(|hint| *hint == at(two) || link(hint)), "{hints:?}");
    second.finds(1, at(one), how);
    let third = Seeker::start(three, 3, how);
    third.finds(1, at(one), how);
    third.finds(2, at(two), how);
    first.finds(3, at(three), how);
    let moved = SocketAddr::from((two.address, 4242));
    second.beacons.as_ref().unwrap().send(beacon(2, moved)).unwrap();
    first.finds(2, moved, how);
    third.finds(2, moved, how);
}

/// D2 accepts: nodes on one network without internet, by DNS-SD alone.
#[test]
fn nodes_find_each_other_by_dns_sd_alone() {
    meet(How::Lan);
}

/// D2 accepts: the same by broadcast alone.
#[test]
fn nodes_find_each_other_by_broadcast_alone() {
    meet(How::Broadcast);
}

#[test]
fn a_node_whose_cable_was_pulled_is_found_when_it_is_back() {
    let lan = Lan::new(2);
    let [one, two] = &lan.machines[..] else { unreachable!() };
    two.unplug();
    let first = Seeker::start(one, 1, How::Broadcast);
    let second = Seeker::start(two, 2, How::Broadcast);
    let alone = first.found.recv_timeout(Duration::from_millis(500));
    assert!(matches!(alone, Err(RecvTimeoutError::Timeout)), "{alone:?}");
    two.plug();
    first.finds(2, at(two), How::Broadcast);
    second.finds(1, at(one), How::Broadcast);
}

/// D2 refuses: garbage, forged and expired beacons; whoever sends them keeps nobody from being found.
#[test]
fn whoever_floods_the_broadcast_keeps_nobody_from_being_found() {
    let lan = Lan::new(3);
    let [one, two, three] = &lan.machines[..] else { unreachable!() };
    let first = Seeker::start(one, 1, How::Broadcast);
    let target = SocketAddr::from((one.address, LAN_BROADCAST_PORT));
    let victim = at(two);
    let flood = three.spawn(move || {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
        let past = Beacon::sign(&secret(66), &[victim], ambient::now() - 1).unwrap();
        let mut forged = beacon(2, victim).bytes().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let packet = |beacon| Packet { asks: true, beacon }.write();
        let huge = vec![7; 60_000];
        let packets =
            [packet(past.bytes()), packet(&forged), b"djdns/1".to_vec(), vec![0xff; 300], huge];
        for n in 0..20_000u32 {
            let mut bytes = packets[n as usize % packets.len()].clone();
            if n % 3 == 0 {
                bytes.extend_from_slice(&n.to_be_bytes());
            }
            let _ = socket.send_to(&bytes, target);
        }
    });
    let second = Seeker::start(two, 2, How::Broadcast);
    let sighting = first.finds(2, at(two), How::Broadcast);
    assert_eq!(sighting.hints.len(), 1);
    second.finds(1, at(one), How::Broadcast);
    flood.join().unwrap();
    // Nobody else was found, and nobody twice.
    let others: Vec<Sighting> = first.found.try_iter().collect();
    assert!(others.iter().all(|other| other.beacon.key() == secret(2).public()), "{others:?}");
}

/// D2 refuses: more names of DNS-SD than any network has. They are remembered by a crate that knows no
/// limit, so that it is stopped for a while.
#[test]
fn whoever_floods_dns_sd_has_it_rest() {
    let lan = Lan::new(2);
    let [one, two] = &lan.machines[..] else { unreachable!() };
    let seeker = Seeker::start(one, 1, How::Lan);
    let runs = || {
        let sockets = one.spawn(|| std::fs::read_to_string("/proc/thread-self/net/udp").unwrap());
        // Port 5353, as the kernel writes it (proc(5)).
        sockets.join().unwrap().contains(":14E9 ")
    };
    let begun = Instant::now();
    let wait_until = |expect: bool| {
        while runs() != expect {
            assert!(begun.elapsed() < PATIENCE, "DNS-SD does not come to run: {expect}");
            ambient::pause(Duration::from_millis(50));
        }
    };
    wait_until(true);
    let from = two.address;
    let flood = two.spawn(move || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 5353)).into()).unwrap();
        socket.set_multicast_if_v4(&from).unwrap();
        let group = SocketAddr::from(([224, 0, 0, 251], 5353)).into();
        for packet in 0..600 {
            socket.send_to(&services(packet * 10..packet * 10 + 10), &group).unwrap();
            // The receiver's buffer is short.
            ambient::pause(Duration::from_millis(1));
        }
    });
    flood.join().unwrap();
    wait_until(false);
    drop(seeker);
}

/// A message of multicast DNS that tells of these services.
fn services(numbers: std::ops::Range<u32>) -> Vec<u8> {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    let name = |text: &str| Name::from_ascii(text).unwrap();
    let service = name("_djdns._udp.local.");
    for n in numbers {
        let instance = name(&format!("n{n}._djdns._udp.local."));
        let target = name(&format!("h{n}.local."));
        let pointer = RData::PTR(PTR(instance.clone()));
        let place = RData::SRV(SRV::new(0, 0, PORT, target));
        let text = RData::TXT(TXT::new(vec!["b0=".to_owned()]));
        message.add_answer(Record::from_rdata(service.clone(), 4500, pointer));
        message.add_answer(Record::from_rdata(instance.clone(), 4500, place));
        message.add_answer(Record::from_rdata(instance, 4500, text));
    }
    message.to_vec().unwrap()
}

#[test]
fn what_another_program_holds_is_said_and_the_other_way_goes_on() {
    let lan = Lan::new(1);
    let machine = &lan.machines[0];
    let address = at(machine);
    machine
        .spawn(move || {
            let taken = UdpSocket::bind(("0.0.0.0", LAN_BROADCAST_PORT)).unwrap();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (found, _) = channel();
                let (_, errors) = start(beacon(1, address), How::Broadcast, found);
                let [error] = &errors[..] else { panic!("{errors:?}") };
                assert!(error.to_string().contains("UDP port 31416"), "{error}");
            });
            drop(taken);
        })
        .join()
        .unwrap();
}

#[test]
fn a_machine_names_the_addresses_of_its_interfaces() {
    let lan = Lan::new(1);
    let machine = &lan.machines[0];
    let own = machine.spawn(|| own_addresses(&["[::]:31415".parse().unwrap()])).join().unwrap();
    assert_eq!(own, [at(machine)]);
}
