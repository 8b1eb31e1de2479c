//! DNS over HTTPS (RFC 8484), by HTTP/2: each request a question, many at a time on one connection.
//!
//! Of HTTP no more is spoken than the RFC asks for: GET (with it HEAD) and POST of one path, whose answers
//! say how long they may be kept. No browser's page can read them: nothing is said of other origins.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use h2::{
    Reason, RecvStream,
    server::{Connection, SendResponse},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;

use super::{Answered, Guard, Streams, Visit, patient::Patient};
use crate::{
    dns::wire::smallest_ttl,
    limits::{
        DNS_HTTP_REFUSED_BYTES_MAX, DNS_HTTP_TURNS, DNS_STREAM_QUERY_BYTES_MAX, DNS_STREAMS_MAX,
        DNS_TCP_IDLE, DNS_TCP_MESSAGE, SECURE_HEADERS_BYTES_MAX,
    },
};

/// Where questions are taken.
pub const PATH: &str = "/dns-query";

/// The content type of a DNS message (RFC 8484 section 6).
const MESSAGE: &str = "application/dns-message";

type Line = Connection<Patient<TlsStream<TcpStream>>, Bytes>;

/// Answers until the client leaves, or has to.
pub(in crate::dns) async fn serve(mut visit: Visit, stream: TcpStream, guard: Guard) {
    let Some(mut line) = begin(stream, &guard, &visit).await else { return };
    let streams = Streams::of(&visit, DNS_HTTP_TURNS);
    let mut in_flight = JoinSet::new();
    let mut farewell = visit.farewell.clone();
    let (stop, idle) = (farewell.told(), sleep(DNS_TCP_IDLE));
    tokio::pin!(stop, idle);
    let mut is_last = false;
    loop {
        tokio::select! {
            asked = line.accept() => {
                let Some(Ok((request, respond))) = asked else { return };
                in_flight.spawn(exchange(streams.clone(), request, respond));
                visit.seat.active(true);
            }
            Some(_) = in_flight.join_next() => {
                visit.seat.active(!in_flight.is_empty());
                idle.set(sleep(patience(is_last)));
            }
            () = &mut idle, if in_flight.is_empty() => {
                if is_last {
                    return;
                }
                is_last = true;
                line.graceful_shutdown();
                idle.set(sleep(patience(is_last)));
            }
            () = visit.seat.dismissed() => return,
            () = &mut stop, if !is_last => {
                is_last = true;
                line.graceful_shutdown();
            }
        }
    }
}

/// How long nothing may be asked; or after the end was told, how long that may take.
fn patience(is_last: bool) -> Duration {
    if is_last { DNS_TCP_MESSAGE } else { DNS_TCP_IDLE }
}

/// Both handshakes: TLS, where the client says that it speaks HTTP/2 (RFC 9113 section 3.2), and that.
async fn begin(stream: TcpStream, guard: &Guard, visit: &Visit) -> Option<Line> {
    let stream = guard.meet(stream, guard.tls.now().doh.clone(), visit).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return None;
    }
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(DNS_STREAMS_MAX)
        .max_header_list_size(SECURE_HEADERS_BYTES_MAX)
        .max_concurrent_reset_streams(DNS_STREAMS_MAX as usize);
    let handshake = timeout(DNS_TCP_MESSAGE, builder.handshake(Patient::new(stream)));
    guard.while_there_is_room(handshake, visit).await?.ok()?.ok()
}

/// One request and its response. Whoever leaves, or takes no more, is not missed.
async fn exchange(streams: Streams, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    // The same without the content (RFC 9110 section 9.3.2).
    let is_bare = head.method == Method::HEAD;
    match read(&head, &mut body).await {
        Ok(message) => match streams.answer(&message).await {
            Some(answered) => send(respond, answered, is_bare).await,
            None => refuse(respond, &Refusal::NO_QUESTION, is_bare),
        },
        Err(refusal) => {
            refuse(respond, &refusal, is_bare);
            // Who is still sending would lose the refusal with the stream.
            let _ = timeout(DNS_TCP_MESSAGE, throw_away(body)).await;
        }
    }
}

async fn throw_away(mut body: RecvStream) {
    let mut left = DNS_HTTP_REFUSED_BYTES_MAX;
    while let Some(Ok(part)) = body.data().await {
        let _ = body.flow_control().release_capacity(part.len());
        let Some(less) = left.checked_sub(part.len()) else { return };
        left = less;
    }
}

/// Why there is no DNS message in the response.
#[derive(Debug, PartialEq, Eq)]
struct Refusal(StatusCode, &'static str);

impl Refusal {
    const NO_QUESTION: Refusal = Refusal(StatusCode::BAD_REQUEST, "This is no DNS question.\n");
    const TOO_LONG: Refusal =
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, "No question to this server is so long.\n");
    const UNENDED: Refusal = Refusal(StatusCode::REQUEST_TIMEOUT, "The question did not end.\n");
}

/// The question of a request.
async fn read(head: &Parts, body: &mut RecvStream) -> Result<Vec<u8>, Refusal> {
    if !by_post(head)? {
        return of_query(head.uri.query().unwrap_or_default());
    }
    timeout(DNS_TCP_MESSAGE, content(body)).await.unwrap_or(Err(Refusal::UNENDED))
}

/// Whether a question is posted, or else in the URL.
fn by_post(head: &Parts) -> Result<bool, Refusal> {
    if head.uri.path() != PATH {
        return Err(Refusal(StatusCode::NOT_FOUND, "Questions are taken at /dns-query.\n"));
    }
    if [Method::GET, Method::HEAD].contains(&head.method) {
        return Ok(false);
    }
    if head.method != Method::POST {
        let words = "Questions are asked by GET and POST.\n";
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, words));
    }
    let header = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let kind = header(header::CONTENT_TYPE).unwrap_or_default();
    let bare = kind.split(';').next().unwrap_or_default().trim();
    if !bare.eq_ignore_ascii_case(MESSAGE) {
        let words = "A question is posted as application/dns-message.\n";
        return Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
    }
    let length = header(header::CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    match length.is_some_and(|length| length > DNS_STREAM_QUERY_BYTES_MAX) {
        true => Err(Refusal::TOO_LONG),
        false => Ok(true),
    }
}

/// The question in the query of a URL (RFC 8484 section 4.1.1).
fn of_query(query: &str) -> Result<Vec<u8>, Refusal> {
    let words = "A question is in the parameter `dns`, in base64url without padding.\n";
    let none = Refusal(StatusCode::BAD_REQUEST, words);
    let Some(text) = query.split('&').find_map(|pair| pair.strip_prefix("dns=")) else {
        return Err(none);
    };
    match BASE64URL_NOPAD.decode(text.as_bytes()) {
        Ok(message) if message.len() > DNS_STREAM_QUERY_BYTES_MAX => Err(Refusal::TOO_LONG),
        Ok(message) => Ok(message),
        Err(_) => Err(none),
    }
}

/// The whole body.
async fn content(body: &mut RecvStream) -> Result<Vec<u8>, Refusal> {
    let mut content = Vec::new();
    while let Some(part) = body.data().await {
        // The client has left, and reads no answer.
        let part = part.map_err(|_| Refusal::UNENDED)?;
        let _ = body.flow_control().release_capacity(part.len());
        if content.len() + part.len() > DNS_STREAM_QUERY_BYTES_MAX {
            return Err(Refusal::TOO_LONG);
        }
        content.extend_from_slice(&part);
    }
    Ok(content)
}

/// An answer in the buffers of HTTP/2, and the right to have it there until it is sent.
struct Held {
    bytes: Vec<u8>,
    _turn: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

async fn send(mut respond: SendResponse<Bytes>, answered: Answered, is_bare: bool) {
    let Answered { bytes, turn } = answered;
    let head = Response::builder()
        .header(header::CONTENT_TYPE, MESSAGE)
        .header(header::CONTENT_LENGTH, bytes.len())
        .header(header::CACHE_CONTROL, format!("max-age={}", smallest_ttl(&bytes)));
    let Ok(head) = head.body(()) else { return };
    let Ok(mut body) = respond.send_response(head, is_bare) else { return };
    if is_bare {
        return;
    }
    let mut rest = Bytes::from_owner(Held { bytes, _turn: turn });
    let sending = async {
        while !rest.is_empty() {
            body.reserve_capacity(rest.len());
            let Some(Ok(room)) = poll_fn(|context| body.poll_capacity(context)).await else {
                return;
            };
            let part = rest.split_to(room.min(rest.len()));
            if body.send_data(part, rest.is_empty()).is_err() {
                return;
            }
        }
    };
    if timeout(DNS_TCP_MESSAGE, sending).await.is_err() {
        respond.send_reset(Reason::CANCEL);
    }
}

fn refuse(mut respond: SendResponse<Bytes>, refusal: &Refusal, is_bare: bool) {
    let Refusal(status, words) = refusal;
    let mut head = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/plain")
        .header(header::CONTENT_LENGTH, words.len());
    if *status == StatusCode::METHOD_NOT_ALLOWED {
        head = head.header(header::ALLOW, "GET, HEAD, POST");
    }
    let Ok(head) = head.body(()) else { return };
    if let Ok(mut body) = respond.send_response(head, is_bare)
        && !is_bare
    {
        let _ = body.send_data(Bytes::from_static(words.as_bytes()), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_question_or_refused_with_its_status() {
        let check = |method: &str, path: &str, kind: &str, length: usize, expect: u16| {
            let request = Request::builder().method(method).uri(format!("https://localhost{path}"));
            let request = request.header("content-type", kind).header("content-length", length);
            let found = by_post(&request.body(()).unwrap().into_parts().0);
            let status = found.map_or_else(|refusal| refusal.0.as_u16(), |_| 200);
            assert_eq!(status, expect, "{method} {path} {kind} {length}");
        };
        let most = DNS_STREAM_QUERY_BYTES_MAX;
        check("POST", PATH, MESSAGE, most, 200);
        check("POST", PATH, "Application/DNS-message; x=y", 29, 200);
        check("POST", PATH, MESSAGE, most + 1, 413);
        check("POST", PATH, "text/plain", 29, 415);
        check("POST", PATH, "", 29, 415);
        check("POST", "/", MESSAGE, 29, 404);
        check("GET", "/dns-query?dns=AAAA", "", 0, 200);
        check("GET", "/dns-query/", "", 0, 404);
        check("PUT", PATH, MESSAGE, 29, 405);
        check("HEAD", PATH, "", 0, 200);
        check("HEAD", "/", "", 0, 404);
    }

    #[test]
    fn the_question_in_a_url_is_base64url_without_padding() {
        let check = |query: &str, expect: Result<&[u8], u16>| {
            let found = of_query(query).map_err(|refusal| refusal.0.as_u16());
            assert_eq!(found.as_deref(), expect.as_ref().copied(), "{query}");
        };
        check("dns=-_8", Ok(&[0xfb, 0xff]));
        check("x=y&dns=AAAA&dns=BBBB", Ok(&[0, 0, 0]));
        check("dns=", Ok(&[]));
        for query in ["", "dns", "dns=+/8", "dns=-_8=", "dns=A", "DNS=AAAA"] {
            check(query, Err(400));
        }
        let text = |len| format!("dns={}", BASE64URL_NOPAD.encode(&vec![0; len]));
        assert!(of_query(&text(DNS_STREAM_QUERY_BYTES_MAX)).is_ok());
        assert_eq!(of_query(&text(DNS_STREAM_QUERY_BYTES_MAX + 1)), Err(Refusal::TOO_LONG));
    }
}
