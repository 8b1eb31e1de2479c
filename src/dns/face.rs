//! The one hickory-server [`RequestHandler`]: the same answers as [`super::respond`], given as
//! hickory's records.
//!
//! hickory parses, frames and sends; what is said is decided here by [`Answer`]. Two things are
//! hickory's and cannot be otherwise in 0.26.3: it writes owner names without pointing to the
//! question, so that sizes are reckoned anew here, and messages that it cannot parse get its own
//! FORMERR without a question. This file knows no sockets.

use std::{future::Future, pin::Pin};

use hickory_proto::{
    op::{Edns, Header, HeaderCounts, Metadata, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::NULL},
    serialize::binary::{BinDecodable, BinDecoder},
};
use hickory_server::{
    net::{runtime::Time, xfer::Protocol},
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::{MessageResponseBuilder, Queries},
};

use super::{
    answer::{Answer, ExtendedError, Part},
    options::Client,
    query::Query,
    service::Service,
    wire::{EDE_OPTION, EdnsOption, Transport},
};
use crate::limits::UDP_ANSWER_BYTES_MAX;

/// Answers hickory's requests by a service, from whatever view is newest.
#[derive(Clone)]
pub struct Face {
    service: Service,
}

impl Face {
    /// A face of this service.
    pub fn new(service: Service) -> Face {
        Face { service }
    }

    async fn answer(&self, request: &Request, mut to: impl ResponseHandler) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        let nothing = ResponseInfo::from(Header { metadata, counts: HeaderCounts::default() });
        // hickory drops responses too, so this is never taken.
        let Some(query) = Query::read(request.as_slice()) else { return nothing };
        let transport = match request.protocol() {
            Protocol::Udp => Transport::Udp,
            _ => Transport::Stream,
        };
        let client = Client { address: request.src().ip(), transport };
        self.service.fetched(&query, client).await;
        let view = self.service.views().load_full();
        let answer = self.service.answer(&view, &query, request.as_slice(), client).await;
        let options = self.service.options(&query, client);
        let reply = Reply::of(&answer, &query, transport, &options);
        metadata.recursion_available = answer.recursive && query.is_question();
        metadata.authentic_data = answer.authentic;
        // Taken apart before the client is written to: a view is not held while it is slow.
        drop(answer);
        drop(view);
        metadata.recursion_desired = query.recursion_desired;
        metadata.checking_disabled = query.checking_disabled;
        metadata.authoritative = reply.authoritative;
        metadata.truncation = reply.truncated;
        metadata.response_code = reply.rcode;
        let none = Queries::read(&mut BinDecoder::new(&[]), 0).ok();
        let queries = match &none {
            Some(none) if query.question.is_none() => none,
            _ => &request.queries,
        };
        let message = MessageResponseBuilder::new(queries, reply.edns.as_ref()).build(
            metadata,
            &reply.answer,
            &reply.authority,
            [],
            &reply.additional,
        );
        to.send_response(message).await.unwrap_or_else(|error| {
            tracing::debug!(%error, to = %request.src(), "an answer could not be sent");
            nothing
        })
    }
}

// The shape that `async_trait`, which hickory declares the trait with, gives this method.
impl RequestHandler for Face {
    fn handle_request<'life0, 'life1, 'async_trait, R, T>(
        &'life0 self,
        request: &'life1 Request,
        response_handle: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'async_trait>>
    where
        R: 'async_trait + ResponseHandler,
        T: 'async_trait + Time,
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.answer(request, response_handle))
    }
}

/// An answer in hickory's terms, cut to the size that the client can take.
struct Reply {
    rcode: ResponseCode,
    authoritative: bool,
    truncated: bool,
    answer: Vec<Record>,
    authority: Vec<Record>,
    additional: Vec<Record>,
    edns: Option<Edns>,
}

impl Reply {
    fn of(
        answer: &Answer<'_>,
        query: &Query<'_>,
        transport: Transport,
        options: &[EdnsOption],
    ) -> Reply {
        let question = query.question.as_ref();
        let asked = question.map_or(&[0][..], |question| question.spelling());
        let edns = query.edns.map(|edns| opt(edns.dnssec_ok, options, &answer.errors));
        let size = |parts: &[Part<'_>]| -> usize {
            parts.iter().map(|part| octets(part, asked.len())).sum()
        };
        let errors: usize = answer.errors.iter().map(|error| 6 + error.text.len()).sum();
        let options: usize = options.iter().map(|option| 4 + option.data.len()).sum();
        let fixed = 12 + question.map_or(0, |question| question.raw.len()) + 11 + options + errors;
        let room = transport.answer_bytes_max(query).saturating_sub(fixed);
        let wanted = size(&answer.answer) + size(&answer.authority);
        let needed = wanted + size(&answer.additional[..answer.needed]);
        let convert = |parts: &[Part<'_>], fits: bool| -> Vec<Record> {
            parts.iter().filter(|_| fits).flat_map(|part| to_records(part, asked)).collect()
        };
        Reply {
            rcode: ResponseCode::from((answer.rcode.0 >> 4) as u8, (answer.rcode.0 & 15) as u8),
            authoritative: answer.authoritative,
            truncated: needed > room,
            answer: convert(&answer.answer, wanted <= room),
            authority: convert(&answer.authority, wanted <= room),
            additional: convert(&answer.additional, wanted + size(&answer.additional) <= room),
            edns,
        }
    }
}

fn octets(part: &Part<'_>, asked: usize) -> usize {
    let owner = part.owner.as_ref().map_or(asked, |owner| owner.len());
    part.iter().map(|record| owner + 10 + record.rdata.len()).sum()
}

fn to_records(part: &Part<'_>, asked: &[u8]) -> Vec<Record> {
    let owner = part.owner.as_deref().unwrap_or(asked);
    // Names of a view are valid, so they decode.
    let Ok(name) = Name::read(&mut BinDecoder::new(owner)) else { return Vec::new() };
    let code = RecordType::from(part.rtype.0);
    let data = |rdata: &[u8]| match rdata {
        [] => RData::Update0(code),
        _ => RData::Unknown { code, rdata: NULL::with(rdata.to_vec()) },
    };
    part.iter()
        .map(|record| Record::from_rdata(name.clone(), record.ttl, data(record.rdata)))
        .collect()
}

fn opt(dnssec_ok: bool, options: &[EdnsOption], errors: &[ExtendedError]) -> Edns {
    use hickory_proto::rr::rdata::opt::EdnsOption::Unknown;
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_ANSWER_BYTES_MAX).set_version(0).set_dnssec_ok(dnssec_ok);
    for option in options {
        edns.options_mut().insert(Unknown(option.code, option.data.clone()));
    }
    for error in errors {
        let data = [&error.code.to_be_bytes()[..], error.text.as_bytes()].concat();
        edns.options_mut().insert(Unknown(EDE_OPTION, data));
    }
    edns
}
