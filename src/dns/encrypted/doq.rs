//! DNS over QUIC (RFC 9250): each stream a question, many at a time on one connection.
//!
//! Whoever breaks the rules of the RFC loses the connection, by its code. QUIC itself keeps what nobody
//! acknowledged within a window, and answers an address that has not shown itself with no more than
//! three times what it sent; when many handshakes are under way, one has to show itself first.

use std::{io, net::UdpSocket, sync::Arc};

use quinn::{
    Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, RecvStream, SendStream,
    ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Answered, Guard, Streams, Visit};
use crate::{
    dns::{
        Service, Transport,
        crowd::Crowd,
        farewell::Farewell,
        options::Client,
        query::{Keepalive, Query},
    },
    limits::{
        DNS_FAREWELL, DNS_FAREWELL_SENDING, DNS_QUIC_IDLE, DNS_QUIC_TURNS, DNS_QUIC_UNREAD_BYTES,
        DNS_STREAM_QUERY_BYTES_MAX, DNS_STREAMS_MAX, DNS_TCP_IDLE, DNS_TCP_MESSAGE,
        DNS_TLS_HANDSHAKE, DNS_TLS_HANDSHAKES_MAX,
    },
};

/// The codes of RFC 9250 section 4.3.
const NO_ERROR: VarInt = VarInt::from_u32(0);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// Bytes of the length before a message.
const LENGTH: usize = 2;

/// A UDP socket that is answered on by QUIC.
pub(in crate::dns) struct QuicDoor {
    endpoint: Endpoint,
    guard: Guard,
    service: Service,
    crowd: Crowd,
    waiting: Arc<Semaphore>,
}

impl QuicDoor {
    /// Gives the socket to the runtime that this is called in.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub(in crate::dns) fn open(
        socket: UdpSocket,
        guard: Guard,
        service: Service,
        crowd: Crowd,
        waiting: Arc<Semaphore>,
    ) -> io::Result<QuicDoor> {
        let config = server_config(&guard);
        let (options, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        let endpoint = Endpoint::new(options, Some(config), socket, runtime)?;
        Ok(QuicDoor { endpoint, guard, service, crowd, waiting })
    }

    /// Accepts until told to stop; then ends what is in flight.
    pub(in crate::dns) async fn answer(self, mut farewell: Farewell) {
        let mut connections = JoinSet::new();
        let told = farewell.clone();
        loop {
            let incoming = tokio::select! {
                incoming = self.endpoint.accept() => incoming,
                Some(_) = connections.join_next() => continue,
                () = farewell.told() => break,
            };
            let Some(incoming) = incoming else { break };
            // Retry costs an honest client one round trip more, and whoever lies about where it is all.
            let is_busy = connections.len() > DNS_TLS_HANDSHAKES_MAX / 4;
            if is_busy && incoming.may_retry() && !incoming.remote_address_validated() {
                let _ = incoming.retry();
                continue;
            }
            let client = Client {
                address: incoming.remote_address().ip().to_canonical(),
                transport: Transport::Quic,
            };
            let visit = Visit {
                service: self.service.clone(),
                client,
                seat: self.crowd.enter(),
                waiting: self.waiting.clone(),
                farewell: told.clone(),
            };
            connections.spawn(serve(visit, incoming, self.guard.clone()));
        }
        self.endpoint.set_server_config(None);
        let ended = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(DNS_FAREWELL + DNS_FAREWELL_SENDING, ended).await;
        connections.shutdown().await;
        self.endpoint.close(NO_ERROR, b"");
        // So that the last word is sent.
        let _ = timeout(DNS_FAREWELL_SENDING, self.endpoint.wait_idle()).await;
    }
}

/// What holds for a connection that begins now.
fn server_config(guard: &Guard) -> ServerConfig {
    let mut transport = TransportConfig::default();
    let idle = VarInt::from_u32(DNS_QUIC_IDLE.as_millis() as u32);
    transport
        .max_concurrent_bidi_streams(DNS_STREAMS_MAX.into())
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32((LENGTH + DNS_STREAM_QUERY_BYTES_MAX) as u32))
        .receive_window(VarInt::from_u32(QUERIES_BYTES))
        .send_window(DNS_QUIC_UNREAD_BYTES)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(IdleTimeout::from(idle)));
    let mut config = ServerConfig::with_crypto(guard.tls.now().doq.clone());
    config.transport_config(Arc::new(transport)).max_incoming(DNS_TLS_HANDSHAKES_MAX);
    config
}

/// Bytes of all questions of one connection that were not looked at yet.
const QUERIES_BYTES: u32 = DNS_STREAMS_MAX * (LENGTH + DNS_STREAM_QUERY_BYTES_MAX) as u32;

/// What a client did that the RFC forbids, in words for whoever looks for the fault.
struct Violation(&'static str);

/// Answers until the client leaves, or has to.
async fn serve(mut visit: Visit, incoming: Incoming, guard: Guard) {
    let Ok(connecting) = incoming.accept_with(Arc::new(server_config(&guard))) else { return };
    let handshake = timeout(DNS_TLS_HANDSHAKE, connecting);
    let Some(Ok(Ok(line))) = guard.while_there_is_room(handshake, &visit).await else { return };
    let streams = Streams::of(&visit, DNS_QUIC_TURNS);
    let mut in_flight = JoinSet::new();
    let mut farewell = visit.farewell.clone();
    let (stop, idle) = (farewell.told(), sleep(DNS_TCP_IDLE));
    tokio::pin!(stop, idle);
    let mut is_last = false;
    while !(is_last && in_flight.is_empty()) {
        tokio::select! {
            opened = line.accept_bi(), if !is_last => {
                let Ok((send, receive)) = opened else { return };
                in_flight.spawn(exchange(streams.clone(), send, receive));
                visit.seat.active(true);
            }
            Some(done) = in_flight.join_next() => {
                if let Ok(Err(Violation(words))) = done {
                    return close(&line, PROTOCOL_ERROR, words);
                }
                visit.seat.active(!in_flight.is_empty());
                idle.set(sleep(DNS_TCP_IDLE));
            }
            () = &mut idle, if in_flight.is_empty() => return close(&line, NO_ERROR, ""),
            () = visit.seat.dismissed() => return close(&line, EXCESSIVE_LOAD, "others came"),
            () = &mut stop, if !is_last => is_last = true,
        }
    }
    close(&line, NO_ERROR, "");
}

fn close(line: &Connection, code: VarInt, words: &str) {
    line.close(code, words.as_bytes());
}

/// One question and its answer. Whoever leaves, or takes no more, is not missed.
async fn exchange(
    streams: Streams,
    mut send: SendStream,
    mut receive: RecvStream,
) -> Result<(), Violation> {
    let reading = receive.read_to_end(LENGTH + DNS_STREAM_QUERY_BYTES_MAX);
    let Ok(Ok(content)) = timeout(DNS_TCP_MESSAGE, reading).await else {
        // It is too long, too slow, or taken back.
        let _ = send.reset(EXCESSIVE_LOAD);
        return Ok(());
    };
    let answered = match message(&content) {
        Ok(message) => streams.answer(message).await.ok_or(Violation("this is no question")),
        Err(violation) => Err(violation),
    };
    let answered = match answered {
        Ok(answered) => answered,
        Err(violation) => {
            // Else it ends as if there were an answer without a byte.
            let _ = send.reset(PROTOCOL_ERROR);
            return Err(violation);
        }
    };
    if timeout(DNS_TCP_MESSAGE, write(&mut send, answered)).await.is_err() {
        let _ = send.reset(EXCESSIVE_LOAD);
        return Ok(());
    }
    // What is not acknowledged yet would be lost if the connection ended now.
    let _ = timeout(DNS_TCP_MESSAGE, send.stopped()).await;
    Ok(())
}

async fn write(send: &mut SendStream, Answered { bytes, turn }: Answered) {
    let Ok(length) = u16::try_from(bytes.len()) else { return };
    let framed = [&length.to_be_bytes()[..], &bytes].concat();
    let _ = send.write_all(&framed).await;
    let _ = send.finish();
    drop(turn);
}

/// The one message of a stream (RFC 9250 section 4.2), without what QUIC has its own ways for.
fn message(content: &[u8]) -> Result<&[u8], Violation> {
    let Some((length, message)) = content.split_first_chunk::<LENGTH>() else {
        return Err(Violation("a stream without a message"));
    };
    if usize::from(u16::from_be_bytes(*length)) != message.len() {
        return Err(Violation("a stream has one whole message"));
    }
    if message.first_chunk::<2>().is_none_or(|id| *id != [0, 0]) {
        return Err(Violation("the id of a message is 0"));
    }
    let asks_to_stay =
        |query: Query<'_>| query.edns.is_some_and(|edns| edns.keepalive != Keepalive::NotAsked);
    match Query::read(message).is_some_and(asks_to_stay) {
        true => Err(Violation("edns-tcp-keepalive is for TCP")),
        false => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_whole_message_whose_id_is_0() {
        let query = [&[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &[0, 0, 1, 0, 1]].concat();
        let framed = |query: &[u8]| [&(query.len() as u16).to_be_bytes()[..], query].concat();
        let check = |content: &[u8], expect: &str| {
            let found = message(content).map_or_else(|violation| violation.0, |_| "");
            assert_eq!(found, expect, "{content:02x?}");
        };
        let good = framed(&query);
        check(&good, "");
        check(&[&good[..], &[0]].concat(), "a stream has one whole message");
        check(&[&good[..], &good].concat(), "a stream has one whole message");
        check(&good[..good.len() - 1], "a stream has one whole message");
        check(&[], "a stream without a message");
        check(&[0], "a stream without a message");
        check(&[0, 0], "the id of a message is 0");
        let mut other = query.clone();
        other[1] = 7;
        check(&framed(&other), "the id of a message is 0");
        let mut staying = query;
        staying[11] = 1;
        staying.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4, 0, 11, 0, 0]);
        check(&framed(&staying), "edns-tcp-keepalive is for TCP");
    }
}
