//! Sealed states, requests for them, and a server that has them, without a node.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use djdns::{
    ambient,
    dns::{
        Listeners, Service, Serving, View,
        transfer::{Algorithm, Key, Rules, Sealed, Transfers, tsig},
    },
    id::Id,
    page::{
        entry::{Entry, RecordSets},
        entry_key,
        name::{Name, Owner},
        record::RecordType,
        trie::Trie,
    },
};

pub const SECRET: [u8; 32] = [5; 32];
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn key() -> Key {
    let name = Name::parse("mirror").expect("a name");
    Key::new(name, Algorithm::Sha256, &SECRET).expect("long enough")
}

/// A page's entries, each an owner and its records.
pub type Rows = BTreeMap<String, Vec<(RecordType, u32, Vec<u8>)>>;

/// The state with these entries.
pub fn state(page: &Name, rows: &Rows) -> Trie {
    Trie::from_pairs(rows.iter().map(|(label, records)| {
        let owner = Owner::parse(label, page).expect("an owner");
        let sets = RecordSets::gather(records.iter().cloned(), &owner, page).expect("records");
        let entry = Entry::initial(owner.clone(), sets);
        let leaf: Box<[u8]> = [&[0][..], &entry].concat().into();
        (entry_key(&owner), leaf)
    }))
}

/// Answers DNS on a port of loopback, with transfers.
pub struct Primary {
    pub transfers: Transfers,
    pub address: SocketAddr,
    _serving: Serving,
}

impl Primary {
    /// To be called in a runtime.
    pub fn start() -> Primary {
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().expect("an address")]);
        let listeners = listeners.expect("a port is free");
        let address = listeners.addresses()[0];
        let transfers = Transfers::new(ambient::now);
        transfers.set_rules(Some(Rules::new(key(), Vec::new())));
        let views = Arc::new(ArcSwap::from_pointee(View::new()));
        let service = Service::new(views, None).with_transfers(transfers.clone());
        let serving = listeners.serve(&service).expect("sockets");
        Primary { transfers, address, _serving: serving }
    }

    pub fn seal(&self, page: &Name, serial: u32, rows: &Rows) {
        let sealed = Sealed { serial, state: state(page, rows) };
        assert!(self.transfers.put(Id::hash(&[page.wire()]), page, sealed, None));
    }
}

/// A request for a whole page, before it is signed.
pub fn axfr(page: &Name) -> Vec<u8> {
    let head = [0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    [&head[..], page.wire(), &RecordType::AXFR.0.to_be_bytes(), &[0, 1]].concat()
}

/// Signs a request; also with a wrong key, or at another time.
pub fn signed(mut request: Vec<u8>, key: Key, now: u64) -> Vec<u8> {
    tsig::Signer::of_request(Arc::new(key)).sign(&mut request, now);
    request
}

/// Asks over TCP, and reads messages until so many SOA records came, or one that is an error.
pub fn messages(server: SocketAddr, request: &[u8], soas: usize) -> Vec<Vec<u8>> {
    let mut stream = TcpStream::connect(server).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    let framed = [&(request.len() as u16).to_be_bytes()[..], request].concat();
    stream.write_all(&framed).expect("it reads");
    let (mut messages, mut found) = (Vec::new(), 0);
    while found < soas {
        let mut len = [0; 2];
        stream.read_exact(&mut len).expect("a message in time");
        let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut message).expect("the rest");
        let read = hickory_proto::op::Message::from_vec(&message).expect("well formed");
        let is_soa = |record: &&hickory_proto::rr::Record| {
            u16::from(record.record_type()) == RecordType::SOA.0
        };
        found += read.answers.iter().filter(is_soa).count();
        let is_error = message[3] & 15 != 0;
        messages.push(message);
        if is_error {
            break;
        }
    }
    messages
}

/// How many records of answers are in messages.
pub fn count(messages: &[Vec<u8>]) -> usize {
    messages.iter().map(|message| usize::from(u16::from_be_bytes([message[6], message[7]]))).sum()
}
