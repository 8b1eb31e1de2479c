//! What the doors themselves add to a response, whoever gives the answer: the cookie (RFC 7873) and
//! how long an idle connection is kept (RFC 7828).
//!
//! What is answered is not known here.

use std::net::IpAddr;

use super::{
    cookie::{self, Cookies},
    query::{KEEPALIVE_OPTION, Query, read_record, skip_name},
    wire::Transport,
};
use crate::{
    limits::{DNS_TCP_IDLE, UDP_ANSWER_BYTES_MAX, UDP_ANSWER_BYTES_PLAIN},
    page::record::RecordType,
};

/// Who asks, and how the answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    pub transport: Transport,
}

/// The options that this client's query asks a door for, in wire form.
pub fn for_client(query: &Query<'_>, client: Client, cookies: Option<&Cookies>) -> Vec<u8> {
    let mut options = Vec::new();
    let Some(edns) = query.edns else { return options };
    if let (Some(cookies), Some(cookie)) = (cookies, &edns.cookie) {
        push(&mut options, cookie::OPTION, &cookies.answer(cookie, client.address));
    }
    if edns.keepalive && client.transport == Transport::Stream {
        // Units of 100 ms (RFC 7828 section 3.1).
        let timeout = (DNS_TCP_IDLE.as_millis() / 100) as u16;
        push(&mut options, KEEPALIVE_OPTION, &timeout.to_be_bytes());
    }
    options
}

fn push(options: &mut Vec<u8>, code: u16, data: &[u8]) {
    options.extend_from_slice(&code.to_be_bytes());
    options.extend_from_slice(&(data.len() as u16).to_be_bytes());
    options.extend_from_slice(data);
}

/// Where the data of a message's OPT begins, if it is the last record of a well formed message.
fn last_opt(message: &[u8]) -> Option<usize> {
    let header = message.first_chunk::<12>()?;
    let count = |at: usize| u32::from(u16::from_be_bytes([header[at], header[at + 1]]));
    let mut rest = &message[12..];
    for _ in 0..count(4) {
        rest = rest.get(skip_name(rest)? + 4..)?;
    }
    let mut last = None;
    for _ in 0..count(6) + count(8) + count(10) {
        let (record, after) = read_record(rest)?;
        rest = after;
        last = (record.rtype == RecordType::OPT)
            .then(|| message.len() - after.len() - record.rdata.len());
    }
    last.filter(|_| rest.is_empty())
}

/// The query with as much less room for its answer as the options take that are added to it later.
pub fn with_room(query: &[u8], transport: Transport, options: &[u8]) -> Vec<u8> {
    let mut query = query.to_vec();
    if transport == Transport::Udp
        && let Some(data) = last_opt(&query)
    {
        let at = data - 8;
        let payload = u16::from_be_bytes([query[at], query[at + 1]]);
        let less = payload.min(UDP_ANSWER_BYTES_MAX).saturating_sub(options.len() as u16);
        query[at..at + 2].copy_from_slice(&less.max(UDP_ANSWER_BYTES_PLAIN).to_be_bytes());
    }
    query
}

/// The response with these options too, if it has an OPT, and room for them.
pub fn added(mut response: Vec<u8>, options: &[u8], bytes_max: usize) -> Vec<u8> {
    if let Some(data) = last_opt(&response)
        && response.len() + options.len() <= bytes_max
        && let Ok(len) = u16::try_from(response.len() - data + options.len())
    {
        response[data - 2..data].copy_from_slice(&len.to_be_bytes());
        response.extend_from_slice(options);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for the root's addresses with this OPT data.
    fn query(payload: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 41];
        bytes.extend_from_slice(&payload.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, data.len() as u8]);
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn a_client_gets_the_options_it_asks_for_and_no_others() {
        let cookies = Cookies::new([1; 16], || 1_700_000_000);
        let address = "127.0.0.1".parse().unwrap();
        let check = |data: &[u8], transport: Transport, codes: &[(u16, usize)]| {
            let bytes = query(1232, data);
            let query = Query::read(&bytes).unwrap();
            let client = Client { address, transport };
            let options = for_client(&query, client, Some(&cookies));
            let mut rest = &options[..];
            for (code, len) in codes {
                assert_eq!(rest[..2], code.to_be_bytes());
                assert_eq!(usize::from(rest[3]), *len);
                rest = &rest[4 + len..];
            }
            assert!(rest.is_empty(), "{data:?} over {transport:?}");
        };
        let cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        let keepalive = [0, 11, 0, 0];
        check(&[], Transport::Stream, &[]);
        check(&cookie, Transport::Udp, &[(10, 24)]);
        check(&keepalive, Transport::Udp, &[]);
        check(&[&keepalive[..], &cookie].concat(), Transport::Stream, &[(10, 24), (11, 2)]);
        check(&[cookie, cookie].concat(), Transport::Stream, &[(10, 24)]);
    }

    #[test]
    fn options_are_added_to_the_last_record_while_there_is_room() {
        let bytes = query(1232, &[0, 15, 0, 2, 0, 0]);
        let more = [0, 11, 0, 2, 0, 100];
        let both = added(bytes.clone(), &more, 512);
        assert_eq!(both, query(1232, &[0, 15, 0, 2, 0, 0, 0, 11, 0, 2, 0, 100]));
        assert_eq!(added(bytes.clone(), &more, bytes.len() + 5), bytes);
        let mut followed = bytes.clone();
        followed[11] = 2;
        followed.extend_from_slice(&[0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0]);
        for message in [&followed[..], &bytes[..20], &[0; 12], &[]] {
            assert_eq!(added(message.to_vec(), &more, 512), message);
        }
    }

    #[test]
    fn room_is_kept_for_what_is_added_later() {
        let check = |payload: u16, expect: u16| {
            let less = with_room(&query(payload, &[]), Transport::Udp, &[0; 28]);
            assert_eq!(less, query(expect, &[]));
        };
        check(4096, 1204);
        check(1232, 1204);
        check(600, 572);
        check(530, 512);
        let bytes = query(4096, &[]);
        assert_eq!(with_room(&bytes, Transport::Stream, &[0; 28]), bytes);
    }
}
