//! NSD, Knot and BIND as mirrors: they take a page, hear of its next seal, take what changed, and answer the
//! same.

use std::{
    net::{SocketAddr, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};

use djdns::{
    ambient,
    dns::{
        Rcode,
        transfer::{Heard, Notifier},
    },
    id::Id,
    page::{
        name::Name,
        record::{PageLink, RecordType},
    },
};

use super::sealed::{PATIENCE, Primary, Rows, SECRET, key};
use crate::support::{
    message::{Client, read},
    tools::Server,
};

const ZONE_WIRE: &[u8] = b"\x04diff\x05peers\0";
const HOSTS: u32 = 2000;

fn secret() -> String {
    data_encoding::BASE64.encode(&SECRET)
}

/// What the README says to write for a mirror, with these words in it: of this primary, at this port, and
/// with these lines first in the section of this head.
fn of_readme(words: &str, primary: SocketAddr, port: u16, head: &str, lines: &str) -> String {
    let mut blocks = include_str!("../../README.md").split("\n\n");
    let block =
        blocks.find(|block| block.starts_with(&format!("    {head}")) && block.contains(words));
    let text = block.expect("the README has it").lines();
    let text: Vec<&str> = text.map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    (text.join("\n") + "\n")
        .replace("@5301", &format!("@{port}"))
        .replace("127.0.0.1@53 ", &format!("127.0.0.1@{} ", primary.port()))
        .replace("127.0.0.1@53\n", &format!("127.0.0.1@{}\n", primary.port()))
        .replace("port 53 ", &format!("port {} ", primary.port()))
        .replace("port 5301", &format!("port {port}"))
        .replace("what is in mirror.key", &secret())
        .replace("ff.ct", "diff.peers")
        .replacen(head, &format!("{head}\n{lines}"), 1)
}

fn nsd(primary: SocketAddr) -> Server {
    Server::start(["nsd", "nsd"], &["-d", "-c"], ZONE_WIRE, |folder, port| {
        let folder = folder.display();
        let server = format!(
            "    username: \"\"\n    database: \"\"\n    zonesdir: \"{folder}\"\n    \
             pidfile: \"{folder}/pid\"\n    xfrdir: \"{folder}\"\n    xfrdfile: \"{folder}/xfrd\"\n    \
             zonelistfile: \"{folder}/zones\"\n    server-count: 1\n    minimal-responses: yes\n    \
             rrl-ratelimit: 0\n"
        );
        of_readme("request-xfr:", primary, port, "server:", &server)
            + "remote-control:\n    control-enable: no\n"
    })
}

fn knot(primary: SocketAddr) -> Server {
    Server::start(["knotd", "knot"], &["-c"], ZONE_WIRE, |folder: &Path, port| {
        let folder = folder.display();
        let server = format!(
            "    rundir: \"{folder}\"\n    udp-workers: 1\n    tcp-workers: 1\n    \
             background-workers: 1\n"
        );
        format!(
            "log:\n  - target: \"{folder}/log\"\n    any: info\ndatabase:\n    storage: \"{folder}\"\n\
             template:\n  - id: default\n    storage: \"{folder}\"\n"
        ) + &of_readme("master: djdns", primary, port, "server:", &server)
    })
}

fn bind(primary: SocketAddr) -> Server {
    Server::start(["named", "bind9"], &["-g", "-n", "1", "-c"], ZONE_WIRE, |folder, port| {
        let folder = folder.display();
        let options = format!(
            "    directory \"{folder}\";\n    pid-file \"{folder}/pid\";\n    \
             session-keyfile \"{folder}/session\";\n    listen-on-v6 {{ none; }};\n    \
             recursion no;\n    dnssec-validation no;\n"
        );
        let text = of_readme("type secondary;", primary, port, "options {", &options);
        // A line of the README that the one above replaces.
        text.replace("    directory \"/var/cache/bind\";\n", "") + "controls { };\n"
    })
}

/// The contents before and after, of names with addresses, a page link and more.
fn contents() -> [Rows; 2] {
    let address = |n: u32| (RecordType::A, 300, n.to_be_bytes().to_vec());
    let mut rows: Rows =
        (0..HOSTS).map(|n| (format!("host-{n}"), vec![address(0x0a00_0001 + n)])).collect();
    let link = PageLink { page: Id::hash(&[b"club"]), beacons: Vec::new() };
    rows.insert("club".into(), vec![(RecordType::PAGE, 60, link.to_rdata().expect("short"))]);
    rows.insert(
        "alias".into(),
        vec![(RecordType::CNAME, 60, b"\x06host-7\x04diff\x05peers\0".to_vec())],
    );
    rows.insert("sub".into(), vec![(RecordType::NS, 60, b"\x02ns\x03org\0".to_vec())]);
    let before = rows.clone();
    rows.remove("host-1");
    rows.insert("host-2".into(), vec![address(1), address(2)]);
    rows.insert("new".into(), vec![address(3)]);
    [before, rows]
}

fn query(label: &str, rtype: u16) -> Vec<u8> {
    let mut query = vec![0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    if !label.is_empty() {
        query.push(label.len() as u8);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(ZONE_WIRE);
    query.extend_from_slice(&rtype.to_be_bytes());
    query.extend_from_slice(&[0, 1]);
    query
}

/// The rows that the mirror answers with, for a name and a type.
fn answers(mirror: &Client, label: &str, rtype: u16) -> Vec<Vec<u8>> {
    let said = read(&mirror.over_udp(&query(label, rtype))).expect("well formed");
    said.answer.into_keys().filter(|row| row.rtype == rtype).map(|row| row.rdata).collect()
}

fn serial(mirror: &Client) -> u32 {
    let soa = answers(mirror, "", RecordType::SOA.0).pop().expect("it has the zone");
    let at = soa.len() - 20;
    u32::from_be_bytes([soa[at], soa[at + 1], soa[at + 2], soa[at + 3]])
}

fn check_same(mirror: &Client, rows: &Rows) {
    for (label, records) in rows {
        let rtype = records[0].0.0;
        if label == "sub" {
            continue;
        }
        if label == "club" {
            // A subpage, which is a zone of its own.
            let said = read(&mirror.over_udp(&query(label, RecordType::A.0))).expect("well formed");
            let types: Vec<u16> = said.authority.into_keys().map(|row| row.rtype).collect();
            assert_eq!((said.rcode, types), (0, vec![RecordType::NS.0]), "it is not denied");
            continue;
        }
        let mut expect: Vec<Vec<u8>> = records.iter().map(|(.., data)| data.clone()).collect();
        expect.sort();
        let mut found = answers(mirror, label, rtype);
        found.sort();
        assert_eq!(found, expect, "{label}");
    }
    let gone = answers(mirror, "host-1", RecordType::A.0);
    assert_eq!(gone.is_empty(), !rows.contains_key("host-1"));
}

/// Tells mirrors of a seal until each has answered.
fn notify(page: &Name, serial: u32, mirrors: &[SocketAddr]) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let (key, mut notifier) = (Arc::new(key()), Notifier::default());
    for mirror in mirrors {
        assert!(notifier.begin(*mirror, page, serial, ambient::ticks()));
    }
    let mut answered = 0;
    while let Some(next) = notifier.next() {
        let messages = notifier.due(ambient::ticks(), ambient::now(), &key, || 77);
        for (mirror, message) in messages {
            socket.send_to(&message, mirror).expect("loopback");
        }
        let wait = next.saturating_sub(ambient::ticks()).clamp(20, 1000);
        socket.set_read_timeout(Some(Duration::from_millis(wait))).expect("a time");
        let mut answer = [0; 2048];
        if let Ok((len, from)) = socket.recv_from(&mut answer) {
            match notifier.heard(from, &answer[..len], ambient::now(), &key) {
                Heard::Answered(_, rcode) => {
                    assert_eq!(rcode, Rcode::NOERROR, "{from} takes it");
                    answered += 1;
                }
                Heard::Nothing | Heard::Unsigned(..) => {
                    panic!("an answer of {from} that is none: {:02x?}", &answer[..len])
                }
            }
        }
    }
    assert_eq!(answered, mirrors.len());
}

#[test]
fn nsd_knot_and_bind_mirror_a_page_and_take_what_changed_when_they_are_told() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let primary = runtime.block_on(async { Primary::start() });
    let page = Name::parse("diff.peers").expect("a name");
    let [before, after] = contents();
    primary.seal(&page, 1, &before);
    let servers = [nsd(primary.address), knot(primary.address), bind(primary.address)];
    let mirrors = servers.each_ref().map(|server| Client::new(server.address));
    for mirror in &mirrors {
        assert_eq!(serial(mirror), 1);
        check_same(mirror, &before);
    }
    primary.seal(&page, 2, &after);
    notify(&page, 2, &servers.each_ref().map(|server| server.address));
    let begun = ambient::ticks();
    for mirror in &mirrors {
        while serial(mirror) != 2 {
            assert!(ambient::ticks() - begun < PATIENCE.as_millis() as u64, "it is not taken");
            ambient::pause(Duration::from_millis(10));
        }
        check_same(mirror, &after);
    }
    let said = servers[1].said();
    assert!(said.contains("IXFR, incoming") && said.contains("serial 1 -> 2"), "{said}");
    drop(servers);
    runtime.shutdown_background();
}
