//! Running a daemon: whom it asks, what it counts and says, and what a monitoring program sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::{Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use djdns::limits::{HTTP_CONNECTIONS_MAX, HTTP_REQUEST_BYTES_MAX};

use crate::support::daemon::{Daemon, Home, PATIENCE};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);

/// Somebody on loopback who answers every question with one address, until it is dropped.
struct Upstream {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    is_gone: Arc<AtomicBool>,
    serving: Option<thread::JoinHandle<()>>,
}

impl Upstream {
    fn new() -> Upstream {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a time");
        let address = socket.local_addr().expect("it is bound");
        let (asked, is_gone) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (told, gone) = (asked.clone(), is_gone.clone());
        let serving = thread::spawn(move || {
            let mut query = [0; 1500];
            while !gone.load(Ordering::SeqCst) {
                let Ok((len, from)) = socket.recv_from(&mut query) else { continue };
                let query = &query[..len];
                told.lock().expect("nobody panicked").push(name(query).to_ascii_lowercase());
                socket.send_to(&response(query), from).expect("loopback");
            }
        });
        Upstream { address, asked, is_gone, serving: Some(serving) }
    }

    fn was_asked(&self, name: &str) -> bool {
        self.asked.lock().expect("nobody panicked").iter().any(|asked| asked == name)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::SeqCst);
        self.serving.take().expect("it serves").join().expect("it ends");
    }
}

/// The name in the question, as `www.example.`.
fn name(query: &[u8]) -> String {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        name += &String::from_utf8_lossy(&query[at + 1..end]);
        name.push('.');
        at = end;
    }
    name
}

/// One address for a minute.
fn response(query: &[u8]) -> Vec<u8> {
    let head = [query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4];
    // Behind the question there is an OPT of 11 octets.
    [&head[..], &query[12..query.len() - 11], &record, &ADDRESS.octets()].concat()
}

fn run(home: &Home, arguments: &[&str]) -> Output {
    let mut command = home.program(std::path::Path::new(env!("CARGO_BIN_EXE_djdns")));
    command.args(arguments).arg("--data-dir").arg(home.data_dir()).stderr(Stdio::piped());
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shown(home: &Home, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn start(home: &Home, upstream: &Upstream) -> Daemon {
    home.start_as(home.serve().args(["--upstream", &upstream.address.to_string()]))
}

/// A name of these labels, whatever octets they have.
fn named(labels: &[&[u8]]) -> hickory_proto::rr::Name {
    let mut name = hickory_proto::rr::Name::from_labels(labels.iter().copied()).expect("a name");
    name.set_fqdn(true);
    name
}

fn web(home: &Home) -> SocketAddr {
    let shown = shown(home, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    status["http"].as_str().expect("it answers HTTP").parse().expect("an address")
}

/// Code, head and body of the answer to a request.
fn fetched(address: SocketAddr, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.write_all(request.as_bytes()).expect("loopback");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers and ends");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a code");
    (code, head.to_ascii_lowercase(), body.to_owned())
}

fn got(address: SocketAddr, path: &str) -> (u16, String, String) {
    fetched(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

#[test]
fn other_names_are_asked_kept_counted_and_told_of_when_nobody_answers() {
    let (home, upstream) = (Home::new(), Upstream::new());
    let daemon = start(&home, &upstream);
    let resolver = daemon.resolver();
    assert_eq!(resolver.addresses("www.example."), [ADDRESS]);
    assert_eq!(daemon.addresses_over_tcp(named(&[b"www", b"example"])), [ADDRESS]);
    assert_eq!(resolver.addresses("brickwindows.ff.ct.").len(), 2);
    assert!(upstream.was_asked("www.example.") && !upstream.was_asked("brickwindows.ff.ct."));
    let traced = shown(&home, &["resolve", "new.example", "--trace"]);
    assert!(traced.contains(&format!("asked: {} says it now", upstream.address)), "{traced}");
    assert!(traced.ends_with("new.example. 60 IN A 192.0.2.99\n"), "{traced}");
    let health = shown(&home, &["status"]);
    assert!(health.starts_with("all is well\n"), "{health}");
    let address = upstream.address;
    assert!(health.contains(&format!("asked of {address} (from the command line)")), "{health}");

    drop(upstream);
    assert_eq!(resolver.addresses("www.example."), [ADDRESS], "it is kept");
    assert_eq!(resolver.addresses("other.example."), [] as [Ipv4Addr; 0]);
    let health = shown(&home, &["status"]);
    assert!(health.starts_with("names resolve; something needs attention"), "{health}");
    let silence = format!("{address} does not answer since ");
    assert!(health.contains(&format!("a question was not answered: {silence}")), "{health}");
    // One name may have no servers left; of several that are not answered, whoever is asked is gone.
    for name in ["a.example", "b.example"] {
        assert_eq!(run(&home, &["resolve", name]).status.code(), Some(4));
    }
    let health = shown(&home, &["status"]);
    assert!(health.starts_with("names of pages resolve; other names do not"), "{health}");
    let words = format!("names outside the pages do not resolve: {silence}");
    assert!(health.contains(&words), "{health}");
    let traced = shown(&home, &["resolve", "www.example", "--trace"]);
    assert!(traced.contains(&format!("from the cache: {address} said it")), "{traced}");
    let failed = run(&home, &["resolve", "other.example"]);
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(4), "{said}");
    let words = format!("no upstream resolver answers: {address}: ");
    assert!(said.contains(&words) && said.contains("; `djdns status` says more"), "{said}");
    let offline = run(&home, &["resolve", "www.example", "--offline"]);
    assert_eq!(offline.status.code(), Some(1), "{}", text(&offline.stdout));

    let stats: serde_json::Value =
        serde_json::from_str(&shown(&home, &["stats", "--json"])).expect("JSON");
    let forwarding = &stats["forwarding"];
    assert!(forwarding["cache_hits"].as_u64() >= Some(2), "{stats}");
    assert!(forwarding["failures"].as_u64() >= Some(1), "{stats}");
    assert_eq!(forwarding["cache_entries"], 2);
    assert!(stats["upstreams"][0]["failures"].as_u64() >= Some(1), "{stats}");
    let told = shown(&home, &["stats"]);
    let queries = &stats["queries"];
    assert!(queries["sources"]["page"].as_u64() >= Some(1), "{stats}");
    assert!(queries["sources"]["cache"].as_u64() >= Some(2), "{stats}");
    assert_eq!(
        (&queries["transports"]["tcp"], &queries["rcodes"]["SERVFAIL"]),
        (&1.into(), &1.into())
    );
    assert!(told.contains("names outside the pages\n") && told.contains("ff.ct."), "{told}");
    assert!(!told.contains("example"), "no name that was asked for: {told}");
}

#[test]
fn what_only_a_daemon_knows_is_not_to_be_had_without_one() {
    let home = Home::new();
    for command in [&["stats"][..], &["logs"], &["logs", "--follow"]] {
        let output = run(&home, command);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{command:?}: {said}");
        assert!(said.contains("`djdns serve` starts one") && said.lines().count() == 1, "{said}");
    }
    assert!(!home.data_dir().exists(), "whoever only asks makes nothing");
    home.start().terminate();
    let output = run(&home, &["resolve", "www.example"]);
    assert!(text(&output.stderr).contains("djdns serve"), "{}", text(&output.stderr));
}

#[test]
fn the_log_is_remembered_and_can_be_followed() {
    let home = Home::new();
    let daemon = home.start();
    let lines = shown(&home, &["logs"]);
    assert!(lines.contains(" info  ready dns=127.0.0.1:"), "{lines}");
    assert_eq!(shown(&home, &["logs", "-n", "1"]).lines().count(), 1);
    let part: serde_json::Value =
        serde_json::from_str(&shown(&home, &["logs", "--json"])).expect("JSON");
    assert!(part["lines"].as_array().is_some_and(|lines| !lines.is_empty()), "{part}");
    let mut follow = home.program(std::path::Path::new(env!("CARGO_BIN_EXE_djdns")));
    follow.args(["logs", "--follow", "--data-dir"]).arg(home.data_dir());
    let mut follow = follow.stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut first = [0; 20];
    follow.stdout.as_mut().expect("it is piped").read_exact(&mut first).expect("it says something");
    assert!(first.starts_with(b"20"), "{first:?}");
    daemon.kill();
    assert_eq!(follow.wait().expect("it ends").code(), Some(4));
}

#[test]
fn questions_are_logged_only_if_somebody_says_so_and_each_on_one_line() {
    let (home, upstream) = (Home::new(), Upstream::new());
    let ask = |daemon: &Daemon| {
        let resolver = daemon.resolver();
        assert_eq!(resolver.addresses("www.example."), [ADDRESS]);
        assert_eq!(resolver.addresses("brickwindows.ff.ct.").len(), 2);
        assert_eq!(daemon.addresses_over_tcp(named(&[b"a\nb\x1b[2J", b"example"])), [ADDRESS]);
    };
    let daemon = start(&home, &upstream);
    ask(&daemon);
    let lines = shown(&home, &["logs"]);
    assert!(!lines.contains("example") && !lines.contains("brickwindows"), "{lines}");
    assert!(!shown(&home, &["status"]).contains("query log"));
    daemon.kill();

    let file = home.data_dir().with_file_name("djdns.toml");
    std::fs::write(&file, "query-log = true\n").expect("it is written");
    let mut serve = home.serve();
    serve.args(["--upstream", &upstream.address.to_string(), "--config"]).arg(&file);
    let daemon = home.start_as(&mut serve);
    ask(&daemon);
    // Before another program begins the file anew.
    let written = std::fs::read_to_string(home.data_dir().with_file_name("stderr"));
    let status = shown(&home, &["status"]);
    let attention = "names resolve; something needs attention, see below\n";
    assert!(status.starts_with(attention), "{status}");
    assert!(status.contains("- the query log is on: every question is written"), "{status}");
    let remembered = shown(&home, &["logs"]);
    for lines in [remembered, written.expect("it was written to")] {
        for expect in [
            "127.0.0.1 udp www.example. A NOERROR forwarded ",
            "127.0.0.1 udp brickwindows.ff.ct. A NOERROR page ",
            r"127.0.0.1 tcp a\010b\027[2j.example. A NOERROR forwarded ",
        ] {
            let line = lines.lines().find(|line| line.contains(expect));
            assert!(line.is_some_and(|line| line.ends_with(" ms")), "{expect} in {lines}");
        }
        assert!(!lines.contains('\x1b'), "{lines:?}");
    }
}

#[test]
fn http_shows_metrics_and_health_to_this_machine_alone() {
    let (home, upstream) = (Home::new(), Upstream::new());
    let daemon = start(&home, &upstream);
    let address = web(&home);
    let (code, head, body) = got(address, "/");
    assert_eq!(code, 200);
    assert!(head.contains("text/html") && body.contains("all is well"), "{body}");
    assert_eq!(
        (got(address, "/health").0, got(address, "/health").2),
        (200, "all is well\n".into())
    );
    assert_eq!(got(address, "/x").0, 404);
    let posted = fetched(address, "POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(posted.0 == 405 && posted.1.contains("allow: get"), "{posted:?}");
    let rebound = fetched(address, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert!(rebound.0 == 421 && !rebound.2.contains("djdns_"), "{rebound:?}");

    let (code, head, before) = got(address, "/metrics");
    assert_eq!(code, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let before = series(&before);
    assert_eq!(daemon.resolver().addresses("secret.example."), [ADDRESS]);
    let (_, _, after) = got(address, "/metrics");
    assert!(!after.contains("secret"), "no name that was asked for: {after}");
    let after = series(&after);
    for (name, (kind, value)) in &before {
        let now = after.get(name).unwrap_or_else(|| panic!("{name} is gone"));
        assert!(kind == "gauge" || now.1 >= *value, "{name} fell from {value} to {}", now.1);
    }
    for name in [
        "djdns_cache_misses_total",
        "djdns_queries_total{transport=\"udp\"}",
        "djdns_responses_total{rcode=\"NOERROR\"}",
        "djdns_answers_total{source=\"forwarded\"}",
        "djdns_answer_duration_seconds_count{from=\"upstream\"}",
    ] {
        assert_eq!(after[name].1, before[name].1 + 1.0, "{name}");
    }
    assert_eq!(after["djdns_pages"].1, 4.0);
}

/// Every series of a text in Prometheus' format 0.0.4, with its type: nothing else is in it, nothing
/// twice, and each comes behind its HELP and TYPE.
fn series(metrics: &str) -> BTreeMap<String, (String, f64)> {
    let is_name = |name: &str| {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let (mut found, mut families) = (BTreeMap::new(), BTreeSet::new());
    let mut lines = metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("no HELP: {line}"));
        let (family, words) = help.split_once(' ').expect("a text");
        assert!(is_name(family) && !words.is_empty(), "{line}");
        assert!(families.insert(family.to_owned()), "{family} stands there twice");
        let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {family} ")));
        let kind = kind.unwrap_or_else(|| panic!("{family} has no TYPE")).to_owned();
        assert!(["counter", "gauge", "histogram"].contains(&kind.as_str()), "{kind}");
        assert_eq!(kind == "counter", family.ends_with("_total"), "{family}");
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect("a brace")),
                None => (series, ""),
            };
            let endings: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(endings.iter().any(|end| name == format!("{family}{end}")), "{line}");
            for label in labels.split_terminator("\",") {
                let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
                let value = value.strip_suffix('"').unwrap_or(value);
                assert!(is_name(label) && !value.contains(['"', '\\', '\n']), "{line}");
            }
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(value.is_finite() && value >= 0.0, "{line}");
            let kind = kind.clone();
            assert!(found.insert(series.to_owned(), (kind, value)).is_none(), "twice: {series}");
        }
    }
    found
}

#[test]
fn clients_of_http_that_say_nothing_keep_nobody_from_dns() {
    let home = Home::new();
    let daemon = home.start();
    let address = web(&home);
    let silent: Vec<TcpStream> =
        (0..HTTP_CONNECTIONS_MAX + 10).filter_map(|_| TcpStream::connect(address).ok()).collect();
    assert!(silent.len() > HTTP_CONNECTIONS_MAX);
    assert_eq!(daemon.resolver().addresses("brickwindows.ff.ct.").len(), 2);
    let long = "x".repeat(HTTP_REQUEST_BYTES_MAX);
    drop(silent);
    let answer = fetched(address, &format!("GET /{long} HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    assert!([414, 431].contains(&answer.0), "{answer:?}");
    assert_eq!(got(address, "/health").0, 200);
}

#[test]
fn a_taken_http_port_is_told_of_and_dns_goes_on() {
    let home = Home::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = holder.local_addr().expect("it is bound").to_string();
    let mut serve = home.program(std::path::Path::new(env!("CARGO_BIN_EXE_djdns")));
    serve.args(["serve", "--dns", "127.0.0.1:0", "--listen", "off"]);
    serve.args(["--http", &taken, "--data-dir"]);
    let daemon = home.start_as(serve.arg(home.data_dir()));
    assert_eq!(daemon.resolver().addresses("localhost."), [Ipv4Addr::LOCALHOST]);
    let status = shown(&home, &["status"]);
    let words = format!("no HTTP is answered, and so no metrics: {taken} is taken by ");
    assert!(status.contains(&words) && status.contains("--http"), "{status}");
    let elsewhere = run(
        &Home::new(),
        &["serve", "--listen", "off", "--dns", "127.0.0.1:0", "--http", "0.0.0.0:0"],
    );
    let said = text(&elsewhere.stderr);
    assert_eq!(elsewhere.status.code(), Some(1), "{said}");
    assert!(said.contains("allow = ["), "{said}");
}
