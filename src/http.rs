//! The HTTP face: a page for people, metrics for a monitoring program, health for a probe.
//!
//! What it shows is handed to it, made anew for each request; it knows no node. It has a thread and a
//! runtime of its own, so that no request delays an answer of DNS, and takes so many connections, of
//! which each is answered once, within [`HTTP_CONNECTION_TIME`].
//!
//! A page of some web site could make a browser on this machine ask here, by a name of its own that
//! leads to 127.0.0.1 (DNS rebinding). So only requests that name this very machine are answered.
//! Of hyper no more is used than its HTTP/1: a framework would bring nothing for three pages.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

pub mod metrics;

use crate::limits::{
    HTTP_CONNECTION_TIME, HTTP_CONNECTIONS_MAX, HTTP_HEAD_TIME, HTTP_HEADERS_MAX,
    HTTP_REQUEST_BYTES_MAX, HTTP_RETRY,
};
use metrics::Family;

/// What there is to show, made when it is asked for.
pub trait Shown: Send + Sync {
    /// Everything that is counted and measured.
    fn metrics(&self) -> Vec<Family>;
    /// How the node is.
    fn health(&self) -> Health;
    /// What stands below that on the page for people.
    fn lists(&self) -> Vec<List>;
}

/// A table for people. Who brings it bounds its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// A line above it.
    pub title: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// How the node is, in words that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it does what it is for: a probe that hears no may start it again.
    pub serves: bool,
    /// The first says how it is, and what comes then what needs attention.
    pub words: Vec<String>,
}

/// Whether a client may ask.
pub type Admits = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// A socket that waits to be served.
pub struct Http {
    listener: TcpListener,
}

/// A face that is being served; it closes when this is dropped.
pub struct Serving {
    address: SocketAddr,
    _stop: watch::Sender<()>,
}

impl Http {
    /// Listens.
    ///
    /// # Errors
    /// When the address is not to be had.
    pub fn bind(address: SocketAddr) -> io::Result<Http> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Http { listener })
    }

    /// Answers those whom `admits` admits, on a thread of its own.
    ///
    /// # Errors
    /// When there is no thread or no runtime to be had.
    pub fn serve(self, shown: Arc<dyn Shown>, admits: Admits) -> io::Result<Serving> {
        let address = self.listener.local_addr()?;
        let (stop, mut stopped) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(self.listener) else { return };
                tokio::select! {
                    () = accept(listener, &shown, &admits) => {}
                    _ = stopped.changed() => {}
                }
            });
        })?;
        Ok(Serving { address, _stop: stop })
    }
}

impl Serving {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Connections whose client has not sent the head of its request yet, by age. Cloning it costs nothing.
#[derive(Clone, Default)]
struct Silent(Arc<Mutex<BTreeMap<u64, AbortHandle>>>);

impl Silent {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the oldest of them, if there is one.
    fn dismiss(&self) {
        if let Some((_, connection)) = self.lock().pop_first() {
            connection.abort();
        }
    }
}

/// Takes one connection after the other. Where there is no room, the one that is silent longest makes it;
/// while all have asked something, others wait in the kernel.
async fn accept(listener: tokio::net::TcpListener, shown: &Arc<dyn Shown>, admits: &Admits) {
    let room = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    let silent = Silent::default();
    for number in 0.. {
        match listener.accept().await {
            Ok((stream, from)) if admits(from.ip().to_canonical()) => {
                if room.available_permits() == 0 {
                    silent.dismiss();
                }
                // It is never closed.
                let Ok(seat) = room.clone().acquire_owned().await else { return };
                let (shown, heard) = (shown.clone(), silent.clone());
                let connection = tokio::spawn(async move {
                    let heard = || drop(heard.lock().remove(&number));
                    converse(stream, shown, seat, &heard).await;
                    heard();
                });
                // It runs when this waits, and so is in the list before it has heard anything.
                silent.lock().insert(number, connection.abort_handle());
            }
            Ok((_, from)) => tracing::debug!(%from, "a client of the HTTP face was turned away"),
            Err(error) => {
                // No file descriptor is free, for example, and no event tells when one is.
                tracing::warn!(%error, "a client of the HTTP face was not taken");
                sleep(HTTP_RETRY).await;
            }
        }
    }
}

/// One request, whose head is `heard`, and its answer.
async fn converse(
    stream: TcpStream,
    shown: Arc<dyn Shown>,
    _seat: OwnedSemaphorePermit,
    heard: &(dyn Fn() + Sync),
) {
    let Ok(here) = stream.local_addr() else { return };
    let service = service_fn(|request: Request<Incoming>| {
        heard();
        let response = answer(&request, here.ip().to_canonical(), &*shown);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_HEAD_TIME)
        .max_headers(HTTP_HEADERS_MAX)
        .max_buf_size(HTTP_REQUEST_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(HTTP_CONNECTION_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client of the HTTP face left"),
        Err(_) => tracing::debug!("a client of the HTTP face took too long"),
    }
}

fn answer<B>(request: &Request<B>, here: IpAddr, shown: &dyn Shown) -> Response<Full<Bytes>> {
    if request.headers().get_all(header::HOST).iter().nth(1).is_some() {
        // Who reads the first of them and who reads the last would disagree (RFC 9112 section 3.2).
        return plain(StatusCode::BAD_REQUEST, "More than one Host is none.\n".to_owned());
    }
    if !is_meant(request, here) {
        let words = "This is djdns on localhost, and answers nobody who calls it anything else.\n";
        return plain(StatusCode::MISDIRECTED_REQUEST, words.to_owned());
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Only GET is.\n".to_owned());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => page(&shown.health(), &shown.lists()),
        "/metrics" => {
            let text = metrics::text(&shown.metrics());
            response(StatusCode::OK, metrics::CONTENT_TYPE, text)
        }
        "/health" => {
            let Health { serves, words } = shown.health();
            let status = if serves { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            plain(status, words.join("\n") + "\n")
        }
        _ => plain(StatusCode::NOT_FOUND, "There are /, /metrics and /health.\n".to_owned()),
    }
}

/// Whether the request names this machine: localhost, or the address that it came to. Which port it
/// says does not matter: it may come through a tunnel.
fn is_meant<B>(request: &Request<B>, here: IpAddr) -> bool {
    let named = match request.uri().host() {
        Some(host) => Some(host),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    let Some(named) = named else { return false };
    let host = match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => named,
    };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match inside.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address == here || here.is_loopback() && address.is_loopback()
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text)
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The page for people.
fn page(health: &Health, lists: &[List]) -> Response<Full<Bytes>> {
    let mut words = health.words.iter();
    let first = words.next().map_or(String::new(), |word| phrase(word));
    let rest: String = words.map(|word| item(word)).collect();
    let lists: String = lists.iter().map(list).collect();
    // What fills one place may not be searched for the next.
    let (head, below) = PAGE.split_once("{health}").unwrap_or((PAGE, ""));
    let (middle, foot) = below.split_once("{words}").unwrap_or((below, ""));
    let (between, end) = foot.split_once("{lists}").unwrap_or((foot, ""));
    let rest = if rest.is_empty() { rest } else { format!("<ul>\n{rest}</ul>\n") };
    let text = [head, &first, middle, &rest, between, &lists, end].concat();
    response(StatusCode::OK, "text/html; charset=utf-8", text)
}

/// A sentence; what comes in it as lines that begin with a dash becomes a list of its own.
fn item(words: &str) -> String {
    let mut lines = words.lines();
    let first = lines.next().unwrap_or_default();
    let ways: String = lines
        .map(|line| line.trim_start().strip_prefix("- ").unwrap_or(line))
        .map(|line| format!("<li>{}</li>\n", phrase(line)))
        .collect();
    let ways = if ways.is_empty() { ways } else { format!("\n<ul>\n{ways}</ul>\n") };
    format!("<li>{}{ways}</li>\n", phrase(first))
}

fn list(list: &List) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = String>| -> String {
        cells.map(|cell| format!("<{tag}>{cell}</{tag}>")).collect()
    };
    let head = cells("th", &mut list.head.iter().map(|cell| escaped(cell)));
    let row = |row: &Vec<String>| {
        format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(|cell| escaped(cell))))
    };
    let rows: String = list.rows.iter().map(row).collect();
    let table = match list.rows.is_empty() {
        true => String::new(),
        false => format!("<table>\n<tr>{head}</tr>\n{rows}</table>\n"),
    };
    format!("<h2>{}</h2>\n{table}", phrase(&list.title))
}

/// Text as HTML shows it, with what stands between backquotes as code.
fn phrase(text: &str) -> String {
    let parts = escaped(text);
    let count = parts.split('`').count();
    let part = |(n, part): (usize, &str)| match n % 2 {
        1 if n + 1 < count => format!("<code>{part}</code>"),
        // Without its other half it is a backquote.
        1 => format!("`{part}"),
        _ => part.to_owned(),
    };
    parts.split('`').enumerate().map(part).collect()
}

const PAGE: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>djdns</title>
<style>
body { font: 1rem/1.5 sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; color-scheme: light dark; }
h2 { font-size: 1rem; }
table { display: block; overflow-x: auto; border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .1rem .8rem .1rem 0;
  overflow-wrap: break-word; }
</style>
</head>
<body>
<h1>djdns</h1>
<p>The name server of this machine: <strong>{health}</strong></p>
{words}{lists}<p><a href=\"/health\">/health</a> says the same to a probe, <a href=\"/metrics\">/metrics</a> has the
numbers for Prometheus. On the command line: <code>djdns status</code>, <code>djdns stats</code>.</p>
</body>
</html>
";

/// Text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample(bool);

    impl Shown for Sample {
        fn metrics(&self) -> Vec<Family> {
            vec![Family::counter("x_total", "X.").is(1.0)]
        }

        fn health(&self) -> Health {
            let words = vec!["all is <well>".to_owned(), "note".to_owned()];
            Health { serves: self.0, words }
        }

        fn lists(&self) -> Vec<List> {
            Vec::new()
        }
    }

    fn asked(method: &str, path: &str, host: Option<&str>, serves: bool) -> u16 {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let here = "127.0.0.1".parse().unwrap();
        answer(&request.body(()).unwrap(), here, &Sample(serves)).status().as_u16()
    }

    #[test]
    fn each_path_has_its_answer_and_nothing_else_is_done() {
        let check = |method: &str, path: &str, serves: bool, expect: u16| {
            let found = asked(method, path, Some("localhost:8053"), serves);
            assert_eq!(found, expect, "{method} {path}");
        };
        check("GET", "/", true, 200);
        check("GET", "/", false, 200);
        check("HEAD", "/metrics?x=y", true, 200);
        check("GET", "/health", true, 200);
        check("GET", "/health", false, 503);
        check("GET", "/metrics/", true, 404);
        check("GET", "/../etc/passwd", true, 404);
        check("POST", "/metrics", true, 405);
        check("DELETE", "/nothing", true, 405);
    }

    #[test]
    fn words_and_lists_become_html_whatever_is_in_them() {
        let check = |found: String, expect: &str| assert_eq!(found, expect);
        check(phrase("run `a <b>` or `c`"), "run <code>a &lt;b&gt;</code> or <code>c</code>");
        check(phrase("a ` alone"), "a ` alone");
        check(phrase(""), "");
        check(item("one"), "<li>one</li>\n");
        let ways = "Ways out:\n  - stop `x`\n- wait";
        let expect =
            "<li>Ways out:\n<ul>\n<li>stop <code>x</code></li>\n<li>wait</li>\n</ul>\n</li>\n";
        check(item(ways), expect);
        let of =
            |rows: Vec<Vec<String>>| list(&List { title: "1 page".into(), head: vec!["A"], rows });
        check(of(Vec::new()), "<h2>1 page</h2>\n");
        let table =
            "<h2>1 page</h2>\n<table>\n<tr><th>A</th></tr>\n<tr><td>&amp;</td></tr>\n</table>\n";
        check(of(vec![vec!["&".into()]]), table);
    }

    #[test]
    fn only_who_names_this_machine_is_answered() {
        let check = |host: Option<&str>, expect: u16| {
            assert_eq!(asked("GET", "/health", host, true), expect, "{host:?}");
        };
        for host in ["localhost", "LocalHost:8053", "127.0.0.1", "127.0.0.1:9", "[::1]:8053"] {
            check(Some(host), 200);
        }
        for host in ["evil.example", "localhost.evil.example", "192.0.2.1:8053", "", "[::2]", "::x"]
        {
            check(Some(host), 421);
        }
        check(None, 421);
        let absolute = Request::builder().uri("http://evil.example/health");
        let request = absolute.header("host", "localhost").body(()).unwrap();
        let here = "127.0.0.1".parse().unwrap();
        assert_eq!(answer(&request, here, &Sample(true)).status().as_u16(), 421);
    }

    #[test]
    fn more_than_one_host_is_a_bad_request() {
        let request = |hosts: &[&str]| {
            let request = Request::builder().uri("/health");
            let request = hosts.iter().fold(request, |request, host| request.header("host", *host));
            let here = "127.0.0.1".parse().unwrap();
            answer(&request.body(()).unwrap(), here, &Sample(true)).status().as_u16()
        };
        assert_eq!(request(&["localhost"]), 200);
        assert_eq!(request(&["localhost", "localhost"]), 400);
        assert_eq!(request(&["localhost", "evil.example"]), 400);
    }

    #[test]
    fn who_is_silent_makes_room_for_who_asks() {
        use std::io::{Read, Write};
        let http = Http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let serving = http.serve(Arc::new(Sample(true)), Arc::new(|_| true)).unwrap();
        let connect = || {
            let stream = std::net::TcpStream::connect(serving.address()).unwrap();
            stream.set_read_timeout(Some(HTTP_HEAD_TIME / 2)).unwrap();
            stream
        };
        let mut silent: Vec<_> = (0..2 * HTTP_CONNECTIONS_MAX).map(|_| connect()).collect();
        let ask = |mut stream: std::net::TcpStream| {
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).expect("it does not wait for who is silent");
            assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        };
        ask(connect());
        // The newest of them had not to leave, and is answered when it asks.
        silent.pop().into_iter().for_each(ask);
    }

    #[test]
    fn text_on_the_page_is_no_markup() {
        assert_eq!(escaped("<a b=\"c\">&"), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
