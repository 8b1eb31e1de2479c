//! What the doors themselves add to a response, whoever gives the answer: the cookie (RFC 7873) and
//! how long an idle connection is kept (RFC 7828).
//!
//! What is answered is not known here.

use std::net::IpAddr;

use super::{
    cookie::{self, Cookies},
    query::{KEEPALIVE_OPTION, Keepalive, Query},
    wire::{EdnsOption, Transport},
};
use crate::limits::DNS_TCP_IDLE;

/// Who asks, and how the answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    pub transport: Transport,
}

/// The options that this client's query asks a door for.
pub fn for_client(query: &Query<'_>, client: Client, cookies: Option<&Cookies>) -> Vec<EdnsOption> {
    let mut options = Vec::new();
    let Some(edns) = query.edns else { return options };
    if let (Some(cookies), Some(cookie)) = (cookies, &edns.cookie) {
        let data = cookies.answer(cookie, client.address).to_vec();
        options.push(EdnsOption { code: cookie::OPTION, data });
    }
    // Elsewhere it means nothing (RFC 7828 section 3.2.1).
    if edns.keepalive == Keepalive::Asked && client.transport.has_keepalive() {
        let data = KEEPALIVE_UNITS.to_be_bytes().to_vec();
        options.push(EdnsOption { code: KEEPALIVE_OPTION, data });
    }
    options
}

/// Our patience in units of 100 ms (RFC 7828 section 3.1).
const KEEPALIVE_UNITS: u16 = (DNS_TCP_IDLE.as_millis() / 100) as u16;
const _: () = assert!(DNS_TCP_IDLE.as_millis() / 100 <= u16::MAX as u128);

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for the root's addresses with this OPT data.
    fn query(data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 41];
        bytes.extend_from_slice(&[4, 208, 0, 0, 0, 0, 0, data.len() as u8]);
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn a_client_gets_the_options_it_asks_for_and_no_others() {
        let cookies = Cookies::new([1; 16], || 1_700_000_000);
        let address = "127.0.0.1".parse().unwrap();
        let check = |data: &[u8], transport: Transport, expect: &[(u16, usize)]| {
            let bytes = query(data);
            let query = Query::read(&bytes).unwrap();
            let options = for_client(&query, Client { address, transport }, Some(&cookies));
            let found: Vec<(u16, usize)> =
                options.iter().map(|option| (option.code, option.data.len())).collect();
            assert_eq!(found, expect, "{data:?} over {transport:?}");
        };
        let cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        let keepalive = [0, 11, 0, 0];
        check(&[], Transport::Stream, &[]);
        check(&cookie, Transport::Udp, &[(10, 24)]);
        check(&keepalive, Transport::Udp, &[]);
        check(&[0, 11, 0, 2, 0, 9], Transport::Stream, &[]);
        check(&keepalive, Transport::Tls, &[(11, 2)]);
        check(&keepalive, Transport::Https, &[]);
        check(&[&keepalive[..], &cookie].concat(), Transport::Stream, &[(10, 24), (11, 2)]);
        check(&[cookie, cookie].concat(), Transport::Stream, &[(10, 24)]);
    }
}
