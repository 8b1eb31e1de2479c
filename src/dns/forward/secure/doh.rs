//! DNS over HTTPS (RFC 8484), by HTTP/2: each question a POST, many on one connection.
//!
//! POST and not GET: a GET has the question in its URL, which servers write into their logs and which
//! is a third longer, for the sake of HTTP caches that a connection to a resolver does not pass
//! through. The requests say nothing of who asks: no cookie, no user agent.

use bytes::Bytes;
use h2::client::{self, Connection, SendRequest};
use http::{HeaderMap, Request, Response, Uri, header};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Activity, Trouble};
use crate::{
    dns::forward::{
        exchange::{Question, heard},
        reply::Kept,
    },
    limits::{SECURE_HEADERS_BYTES_MAX, SECURE_WAITING_MAX},
};

/// The content type of a DNS message (RFC 8484 section 6).
const MESSAGE: &str = "application/dns-message";

/// Where questions are posted.
///
/// # Errors
/// A sentence, when that makes no URL.
pub fn url(host: &str, port: u16, path: &str) -> Result<Uri, String> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let authority = if port == 443 { host } else { format!("{host}:{port}") };
    let url = Uri::builder().scheme("https").authority(authority).path_and_query(path).build();
    url.map_err(|error| format!("its URL is none: {error}"))
}

/// Begins HTTP/2 on a stream: what sends, and what must be awaited meanwhile.
///
/// # Errors
/// [`Trouble::Http`].
pub async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
) -> Result<(SendRequest<Bytes>, Connection<S, Bytes>), Trouble> {
    let mut builder = client::Builder::new();
    builder.enable_push(false).max_header_list_size(SECURE_HEADERS_BYTES_MAX);
    builder.initial_max_send_streams(SECURE_WAITING_MAX);
    builder.handshake(stream).await.map_err(|error| lost(&error))
}

/// Asks one question.
///
/// # Errors
/// [`Trouble`].
pub async fn ask(
    send: SendRequest<Bytes>,
    url: &Uri,
    question: &Question,
    activity: &Activity,
) -> Result<Kept, Trouble> {
    // Id 0, so that equal questions are equal bytes (RFC 8484 section 4.1).
    let (message, asked) = question.padded(0);
    let request = Request::post(url.clone())
        .header(header::ACCEPT, MESSAGE)
        .header(header::CONTENT_TYPE, MESSAGE)
        .header(header::CONTENT_LENGTH, message.len())
        .body(());
    let request = request.map_err(|error| Trouble::Connect(error.to_string()))?;
    let mut send = send.ready().await.map_err(|error| lost(&error))?;
    let (response, mut body) = send.send_request(request, false).map_err(|error| lost(&error))?;
    body.send_data(message.into(), true).map_err(|error| lost(&error))?;
    let response = response.await.map_err(|error| lost(&error))?;
    activity.heard();
    check(&response)?;
    let age = age(response.headers());
    let mut content = content(response.into_body()).await?;
    let mut kept = heard(&mut content, &asked).map_err(Trouble::Fault)?;
    kept.age(age);
    Ok(kept)
}

/// Whether the response has a DNS message in it. Its status may be 200 with any rcode inside (RFC
/// 8484 section 4.2.1); others have none, and nothing is asked elsewhere because a server says so.
fn check<B>(response: &Response<B>) -> Result<(), Trouble> {
    if response.status() != http::StatusCode::OK {
        return Err(Trouble::Status(response.status().as_u16()));
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    match bare.eq_ignore_ascii_case(MESSAGE) {
        true => Ok(()),
        false => Err(Trouble::ContentType(bare.chars().take(CONTENT_TYPE_SHOWN).collect())),
    }
}

/// Characters of a wrong content type that are shown (choice).
const CONTENT_TYPE_SHOWN: usize = 40;

/// Seconds that an HTTP cache held the answer for (RFC 8484 section 5.1, RFC 9111 section 5.1).
fn age(headers: &HeaderMap) -> u32 {
    let age = headers.get(header::AGE).and_then(|value| value.to_str().ok());
    age.map_or(0, |text| text.trim().parse().unwrap_or(0))
}

/// The whole body, as long as a DNS message may be.
async fn content(mut body: h2::RecvStream) -> Result<Vec<u8>, Trouble> {
    let mut content = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.map_err(|_| Trouble::Cut)?;
        let _ = body.flow_control().release_capacity(part.len());
        if content.len() + part.len() > usize::from(u16::MAX) {
            return Err(Trouble::TooLong);
        }
        content.extend_from_slice(&part);
    }
    Ok(content)
}

fn lost(error: &h2::Error) -> Trouble {
    match error.is_io() || error.is_go_away() && error.is_remote() {
        true => Trouble::Closed,
        false => Trouble::Http(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_its_port_where_it_is_unusual_and_brackets_where_they_belong() {
        let check = |host, port, expect: &str| {
            assert_eq!(url(host, port, "/dns-query").unwrap().to_string(), expect);
        };
        check("dns.example", 443, "https://dns.example/dns-query");
        check("dns.example", 8443, "https://dns.example:8443/dns-query");
        check("2001:db8::1", 443, "https://[2001:db8::1]/dns-query");
    }

    #[test]
    fn only_a_dns_message_with_status_200_is_read() {
        let response = |status: u16, content_type: &str| {
            let response = Response::builder().status(status);
            check(&response.header("content-type", content_type).body(()).unwrap())
        };
        assert!(response(200, "application/dns-message").is_ok());
        assert!(response(200, "Application/DNS-message; charset=x").is_ok());
        assert!(matches!(response(200, "text/html"), Err(Trouble::ContentType(_))));
        assert!(matches!(response(302, MESSAGE), Err(Trouble::Status(302))));
    }
}
