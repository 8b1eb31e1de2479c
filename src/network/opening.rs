//! From a first packet to a connection that both sides took on (N1).
//!
//! After the handshake whoever opened the connection makes sure that there is no other with the same
//! peer, and says so by opening its stream of notices; the other side takes the connection on by
//! opening its own. Until then it does not count, so nothing is lost with one that is given up.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quinn::{Connection, ConnectionError, Endpoint, Incoming, RecvStream, SendStream};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Peer, Shared, canonical,
    fault::{Code, ConnectError, Misbehaviour, close, connect_error, is_closed_for},
    live::{Live, Notices},
    places::{Place, Verdict},
    sockets,
    table::News,
    tls, wire,
};
use crate::{
    key::PublicKey,
    limits::{NETWORK_ADDRESSES_TRIED_MAX, NETWORK_NEXT_ADDRESS},
};

/// Takes in whoever knocks at a socket, until it is closed.
pub(super) async fn receive(shared: Arc<Shared>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        let from = canonical(incoming.remote_address());
        let shown = incoming.remote_address_validated();
        match shared.places.judge(from.ip(), shown, (shared.ticks)()) {
            Verdict::Ignore => incoming.ignore(),
            Verdict::Full => incoming.refuse(),
            // One that showed its address already is not asked again.
            Verdict::ShowAddress => drop(incoming.retry()),
            Verdict::Welcome => match shared.places.enter(from.ip(), false) {
                Some(place) => drop(tokio::spawn(welcome(shared.clone(), incoming, place))),
                None => incoming.refuse(),
            },
        }
    }
}

/// One connection that another node opens.
async fn welcome(shared: Arc<Shared>, incoming: Incoming, place: Place) {
    let half_open = shared.places.begin_handshake();
    let Ok(connecting) = incoming.accept() else { return };
    let time = shared.bounds.handshake_time;
    let Ok(Ok(connection)) = timeout(time, connecting).await else { return };
    // The handshake has proved the key.
    let Ok(key) = tls::peer_of(&connection) else { return };
    let from = canonical(connection.remote_address());
    if key == shared.me {
        return close(&connection, Code::NotAdmitted, "this is the node itself");
    }
    if !shared.door.admits(&key, from) {
        return close(
            &connection,
            Code::NotAdmitted,
            "this node wants no connection with that one",
        );
    }
    let receive = match timeout(time, opened(&connection)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(NotOpened::Lost(_))) => return,
        Ok(Err(NotOpened::Byte(byte))) => {
            return accuse(&shared, &connection, key, Misbehaviour::Opening(byte));
        }
        Err(_) => return accuse(&shared, &connection, key, Misbehaviour::NoOpening),
    };
    drop(half_open);
    let peer = Peer { key, address: from, outbound: false };
    let (live, queue) = Live::new(peer, connection, place, &shared);
    match shared.table.adopt(&live) {
        Ok(()) => {}
        Err(Some(_)) => return live.close(Code::Duplicate, "another connection stays"),
        Err(None) => return live.close(Code::Farewell, "the node ends"),
    }
    match open(&live.connection).await {
        Ok(send) => live.run(&shared, Notices { send, receive }, queue),
        Err(_) => shared.table.forget(&live, "the connection ended as soon as it was there"),
    }
}

fn accuse(shared: &Shared, connection: &Connection, key: PublicKey, what: Misbehaviour) {
    close(connection, Code::Misbehaved, &what.to_string());
    shared.table.news(News::Misbehaved(key, what));
}

/// Connects to a node at whichever of its addresses answers first.
pub(super) async fn connect(
    shared: &Arc<Shared>,
    addresses: &[SocketAddr],
    expected: Option<PublicKey>,
) -> Result<Peer, ConnectError> {
    let addresses = &addresses[..addresses.len().min(NETWORK_ADDRESSES_TRIED_MAX)];
    let first = *addresses.first().ok_or(ConnectError::NoAddress)?;
    if expected == Some(shared.me) {
        return Err(ConnectError::Oneself(first));
    }
    if let Some(live) = expected.and_then(|key| shared.table.get(&key)) {
        return Ok(live.peer.clone());
    }
    let full = || ConnectError::Full(shared.bounds.outbound);
    let mut place = shared.places.enter(first.ip(), true).ok_or_else(full)?;
    let (address, connection) = call(shared, addresses).await?;
    if address.ip() != first.ip() {
        place = shared.places.enter(address.ip(), true).ok_or_else(full)?;
    }
    let why = |why: tls::IdentityRefusal| ConnectError::NoNode { address, why: why.to_string() };
    let found = tls::peer_of(&connection).map_err(why)?;
    if found == shared.me {
        close(&connection, Code::NotAdmitted, "this is the node itself");
        return Err(ConnectError::Oneself(address));
    }
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        close(&connection, Code::OtherNode, "another node was looked for at this address");
        return Err(ConnectError::OtherNode { address, found, expected });
    }
    agree(shared, connection, Peer { key: found, address, outbound: true }, place).await
}

/// Agrees with the peer on a connection that this node opened.
async fn agree(
    shared: &Arc<Shared>,
    connection: Connection,
    peer: Peer,
    place: Place,
) -> Result<Peer, ConnectError> {
    let (key, address, time) = (peer.key, peer.address, shared.bounds.handshake_time);
    let _claim = match shared.table.claim(key).await {
        Ok(claim) => claim,
        Err(live) => {
            close(&connection, Code::Duplicate, "another connection stays");
            return Ok(live.peer.clone());
        }
    };
    let opening = async {
        let send = open(&connection).await?;
        Ok((send, opened(&connection).await?))
    };
    let (send, receive) = match timeout(time, opening).await {
        Ok(Ok(streams)) => streams,
        Ok(Err(NotOpened::Byte(byte))) => {
            let what = Misbehaviour::Opening(byte);
            let why = what.to_string();
            accuse(shared, &connection, key, what);
            return Err(ConnectError::NoNode { address, why });
        }
        Ok(Err(NotOpened::Lost(error))) => {
            // It called as well, and that connection is taken on here already.
            let other = shared.table.get(&key).filter(|_| is_closed_for(&error, Code::Duplicate));
            let found = other.map(|live| live.peer.clone());
            return found.ok_or_else(|| connect_error(address, &error, time));
        }
        Err(_) => {
            close(&connection, Code::Enough, "no word came after the handshake");
            return Err(ConnectError::TimedOut { address, time });
        }
    };
    let (live, queue) = Live::new(peer, connection, place, shared);
    match shared.table.adopt(&live) {
        Ok(()) => live.run(shared, Notices { send, receive }, queue),
        Err(Some(other)) => {
            live.close(Code::Duplicate, "another connection stays");
            return Ok(other.peer.clone());
        }
        Err(None) => {
            live.close(Code::Farewell, "the node ends");
            return Err(ConnectError::Closed);
        }
    }
    Ok(live.peer.clone())
}

/// Tries addresses, each a little after the one before, until one has finished the handshake.
async fn call(
    shared: &Arc<Shared>,
    addresses: &[SocketAddr],
) -> Result<(SocketAddr, Connection), ConnectError> {
    let mut calls = JoinSet::new();
    for (at, address) in addresses.iter().enumerate() {
        let (shared, address) = (shared.clone(), *address);
        let later = NETWORK_NEXT_ADDRESS * at as u32;
        calls.spawn(async move { call_one(&shared, address, later).await });
    }
    let mut most_telling = None;
    while let Some(done) = calls.join_next().await {
        match done {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => most_telling = Some(more_telling(most_telling, error)),
            // The runtime ends.
            Err(_) => {}
        }
    }
    Err(most_telling.unwrap_or(ConnectError::Closed))
}

async fn call_one(
    shared: &Shared,
    address: SocketAddr,
    later: Duration,
) -> Result<(SocketAddr, Connection), ConnectError> {
    sleep(later).await;
    let unreachable = |why: String| ConnectError::Unreachable { address, why };
    let endpoint = shared
        .endpoint_for(address)
        .ok_or_else(|| unreachable("this node listens on no address of that kind".to_owned()))?;
    sockets::has_way_to(address).map_err(|error| unreachable(error.to_string()))?;
    let connecting = endpoint
        .connect_with(shared.client.clone(), address, tls::SERVER_NAME)
        .map_err(|error| match error {
            quinn::ConnectError::EndpointStopping => ConnectError::Closed,
            error => unreachable(error.to_string()),
        })?;
    let time = shared.bounds.handshake_time;
    match timeout(time, connecting).await {
        Ok(Ok(connection)) => Ok((address, connection)),
        Ok(Err(error)) => Err(connect_error(address, &error, time)),
        Err(_) => Err(ConnectError::TimedOut { address, time }),
    }
}

/// Of two reasons the one that a person can do more about.
fn more_telling(one: Option<ConnectError>, other: ConnectError) -> ConnectError {
    let rank = |error: &ConnectError| match error {
        ConnectError::Unreachable { .. } => 0,
        ConnectError::TimedOut { .. } => 1,
        _ => 2,
    };
    match one {
        Some(one) if rank(&one) >= rank(&other) => one,
        _ => other,
    }
}

/// Why the other side did not open its notices.
enum NotOpened {
    Lost(ConnectionError),
    Byte(u8),
}

impl From<ConnectionError> for NotOpened {
    fn from(error: ConnectionError) -> NotOpened {
        NotOpened::Lost(error)
    }
}

async fn open(connection: &Connection) -> Result<SendStream, ConnectionError> {
    let mut stream = connection.open_uni().await?;
    let lost = || connection.close_reason().unwrap_or(ConnectionError::LocallyClosed);
    stream.write_all(&[wire::NOTICES]).await.map_err(|_| lost())?;
    Ok(stream)
}

async fn opened(connection: &Connection) -> Result<RecvStream, NotOpened> {
    let mut stream = connection.accept_uni().await?;
    let mut byte = [0];
    let lost = || connection.close_reason().unwrap_or(ConnectionError::LocallyClosed);
    stream.read_exact(&mut byte).await.map_err(|_| lost())?;
    match byte {
        [wire::NOTICES] => Ok(stream),
        [byte] => Err(NotOpened::Byte(byte)),
    }
}
