//! Nodes without the program, each with a key of its own: they shake hands as honest ones do, and do one
//! thing that no honest one does, until they are let go.
//!
//! What should come of it is the business of the stories.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use djdns::{
    governance::{
        seal::{Certificate, Contents, Seal, SealRecord},
        statement::Statement,
    },
    id::Id,
    key::SecretKey,
    network::{
        self, Bounds,
        wire::{AnswerHead, Head, NoticeHead, RequestHead, Status},
    },
    page::{codec, entry::Rdata},
    sync::{
        message::{
            Above, Follow, Named, News, Notice, OpenAnswer, Part, Parts, Request, Standing,
            write_items,
        },
        pack::{self, Common},
    },
};
use quinn::{Connection, Endpoint, RecvStream, SendStream, TransportConfig};

use djdns::{
    ambient,
    limits::{
        ANSWER_BYTES_MAX, FOLLOW_ROWS_MAX, NETWORK_STREAMS_MAX, NEWS_IDS_MAX, STATEMENTS_IDS_MAX,
    },
};

/// Whom they attack, and what they know of it.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// The page that it holds.
    pub page: Id,
    /// Parts of that page's state, each as long as any may be.
    pub parts: Vec<Part>,
    /// Well signed, and about another page.
    pub elsewhere: Statement,
}

/// A connection that the target took on.
struct Stranger {
    connection: Connection,
    notices: SendStream,
    /// What the target tells: kept, and not read.
    _told: RecvStream,
    _endpoint: Endpoint,
}

/// Different ids, sorted.
fn ids(from: usize, count: usize) -> Vec<Id> {
    let mut ids: Vec<Id> =
        (from..from + count).map(|n| Id::hash(&[b"invented", &n.to_be_bytes()])).collect();
    ids.sort_unstable();
    ids
}

impl Target {
    /// A connection with a new key, that takes so many bytes unread; none: it is not made.
    async fn connect(&self, window: u32) -> Option<(Endpoint, Connection)> {
        let mut seed = [0; 32];
        let words = ambient::random_words().map(u64::to_be_bytes).concat();
        seed.iter_mut().zip(words).for_each(|(byte, word)| *byte = word);
        let (mut client, _) =
            network::quic(&SecretKey::from_seed(&seed), &Bounds::default()).ok()?;
        let mut transport = TransportConfig::default();
        transport.stream_receive_window(window.into()).receive_window(window.into());
        client.transport_config(Arc::new(transport));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().ok()?).ok()?;
        let connection = endpoint.connect_with(client, self.address, "x").ok()?.await.ok()?;
        Some((endpoint, connection))
    }

    /// The same, and taken on.
    async fn enter(&self, window: u32) -> Option<Stranger> {
        let (endpoint, connection) = self.connect(window).await?;
        let mut notices = connection.open_uni().await.ok()?;
        notices.write_all(&[1]).await.ok()?;
        let mut told = connection.accept_uni().await.ok()?;
        told.read_exact(&mut [0]).await.ok()?;
        Some(Stranger { connection, notices, _told: told, _endpoint: endpoint })
    }

    async fn stranger(&self) -> Option<Stranger> {
        self.enter(1 << 20).await
    }
}

impl Stranger {
    async fn tell(&mut self, notice: &[u8]) -> Option<()> {
        let head = NoticeHead(notice.len() as u32).write();
        self.notices.write_all(&[&head[..], notice].concat()).await.ok()
    }

    /// Begins a request.
    async fn begin(&self, bytes: &[u8]) -> Option<(SendStream, RecvStream)> {
        let (mut send, recv) = self.connection.open_bi().await.ok()?;
        send.write_all(bytes).await.ok()?;
        Some((send, recv))
    }

    async fn ask(&self, request: &Request) -> Option<Vec<u8>> {
        let (mut send, mut recv) = self.begin(&framed(request)).await?;
        send.finish().ok()?;
        let answer = recv.read_to_end(ANSWER_BYTES_MAX + 5).await.ok()?;
        Some(answer[AnswerHead::BYTES.min(answer.len())..].to_vec())
    }

    /// Where the target stands.
    async fn standing(&self, target: &Target) -> Option<Standing> {
        let request = Request::Standings(vec![target.page]);
        let standings = request.read_standings(&self.ask(&request).await?).ok()?;
        standings.first().copied()
    }

    /// Answers what it is asked, until the connection ends. What has no answer is not understood.
    async fn answer(&self, answer: impl Fn(&Request) -> Option<Vec<u8>>) {
        while let Ok((mut send, mut recv)) = self.connection.accept_bi().await {
            let Ok(asked) = recv.read_to_end(1 << 20).await else { continue };
            let request = asked.get(RequestHead::BYTES..).unwrap_or_default();
            let answer = Request::decode(request).ok().and_then(|request| answer(&request));
            let status = if answer.is_some() { Status::Answer } else { Status::NotUnderstood };
            let answer = answer.unwrap_or_default();
            let head = AnswerHead { status, bytes: answer.len() as u32 }.write();
            let _ = send.write_all(&[&head[..], &answer].concat()).await;
            let _ = send.finish();
        }
    }

    async fn stay(&self) {
        self.connection.closed().await;
    }
}

fn framed(request: &Request) -> Vec<u8> {
    let bytes = request.encode();
    let answer_bytes_max = request.answer_bytes_max() as u32;
    let head = RequestHead { answer_bytes_max, bytes: bytes.len() as u32 };
    [&head.write()[..], &bytes].concat()
}

fn news(standing: Standing, ids: Vec<Id>) -> Vec<u8> {
    Notice::News(News { standing, ids }).encode()
}

/// That there is more than the target has at this standing.
fn differing(standing: Standing, n: usize) -> Standing {
    Standing { open: ids(n, 1)[0], ..standing }
}

// Those who break the rules of the connection.

/// Connects and says nothing.
pub async fn silent(target: &Target) {
    if let Some((_endpoint, connection)) = target.connect(1 << 20).await {
        connection.closed().await;
    }
}

/// Begins as many requests as there may be, and ends none of them.
pub async fn halves(target: &Target) {
    let Some(stranger) = target.stranger().await else { return };
    let mut streams = Vec::new();
    for _ in 0..NETWORK_STREAMS_MAX {
        let Some(begun) = stranger.begin(&[0, 0, 0, 1, 0]).await else { return };
        streams.push(begun);
    }
    stranger.stay().await;
}

/// Asks for the longest answers, as often as it may at one time, and reads none of them.
pub async fn hoarder(target: &Target) {
    let Some(stranger) = target.enter(4096).await else { return };
    let parts = Parts { page: target.page, parts: target.parts.clone() };
    let request = framed(&Request::Subtrees(parts));
    let mut streams = Vec::new();
    for _ in 0..NETWORK_STREAMS_MAX {
        let Some((mut send, recv)) = stranger.begin(&request).await else { return };
        let _ = send.finish();
        streams.push((send, recv));
    }
    stranger.stay().await;
}

/// Asks without end.
pub async fn asker(target: &Target) {
    let Some(stranger) = target.stranger().await else { return };
    let request = framed(&Request::Standings(vec![target.page]));
    while let Some((mut send, mut recv)) = stranger.begin(&request).await {
        let _ = send.finish();
        tokio::spawn(async move { recv.read_to_end(1000).await });
    }
}

/// Asks for a thousand statements that there are not, without end.
pub async fn searcher(target: &Target) {
    let Some(stranger) = target.stranger().await else { return };
    let named = Named { page: target.page, ids: ids(0, STATEMENTS_IDS_MAX) };
    let request = framed(&Request::Statements(named));
    while let Some((mut send, mut recv)) = stranger.begin(&request).await {
        let _ = send.finish();
        tokio::spawn(async move { recv.read_to_end(1000).await });
    }
}

/// Begins requests and gives them up, without end.
pub async fn quitter(target: &Target) {
    let Some(stranger) = target.stranger().await else { return };
    while let Some((mut send, mut recv)) = stranger.begin(&[0, 0, 0, 1, 0]).await {
        let _ = send.reset(6u32.into());
        let _ = recv.stop(6u32.into());
    }
}

/// Opens streams that there are not.
pub async fn opener(target: &Target) {
    let Some(stranger) = target.stranger().await else { return };
    while let Ok(mut another) = stranger.connection.open_uni().await {
        let _ = another.write_all(&[1]).await;
    }
}

// Those who say what no honest node says.

/// A notice that is none.
pub async fn babbler(target: &Target) {
    let Some(mut stranger) = target.stranger().await else { return };
    let _ = stranger.tell(&[0xc1; 9]).await;
    stranger.stay().await;
}

/// Notices at the greatest rate there is.
pub async fn talker(target: &Target) {
    let Some(mut stranger) = target.stranger().await else { return };
    for n in 0.. {
        let row = |page| Standing { page, height: 5, seal: page, open: page };
        let standings = ids(n * FOLLOW_ROWS_MAX, FOLLOW_ROWS_MAX).into_iter().map(row).collect();
        let notice = Notice::Follow(Follow { live: true, standings }).encode();
        if stranger.tell(&notice).await.is_none() {
            return;
        }
    }
}

/// Says that it has what does not exist, and gives `what` for it.
async fn announce(target: &Target, count: usize, what: impl Fn(&Request) -> Option<Vec<u8>>) {
    let Some(mut stranger) = target.stranger().await else { return };
    let Some(standing) = stranger.standing(target).await else { return };
    let from = ambient::random_words()[0] as usize >> 8;
    for n in 0..count.div_ceil(NEWS_IDS_MAX) {
        let ids = ids(from + n * NEWS_IDS_MAX, NEWS_IDS_MAX.min(count));
        let notice = news(differing(standing, from + n), ids);
        if stranger.tell(&notice).await.is_none() {
            return;
        }
    }
    stranger.answer(what).await;
}

/// What is new of an open set that it does not show.
fn nothing(request: &Request) -> Option<Vec<u8>> {
    match request {
        Request::Open(_) => {
            Some(codec::encode(&OpenAnswer { root: ids(0, 1)[0], parts: Vec::new() }))
        }
        Request::Statements(_) | Request::Seals(_) => Some(Vec::new()),
        _ => Some(write_items([], 0)),
    }
}

/// Items as they travel in answers that are packed.
fn packed(page: &Id, items: &[Vec<u8>]) -> Vec<u8> {
    pack::pack(items.iter().map(Vec::as_slice), Common::page(page))
}

/// A hundred thousand ids of what does not exist come of eight of these.
pub async fn inventor(target: &Target) {
    announce(target, 12_800, nothing).await;
}

/// As many of these as a peer may have in mind here, and never an answer.
pub async fn staller(target: &Target) {
    let Some(mut stranger) = target.stranger().await else { return };
    let Some(standing) = stranger.standing(target).await else { return };
    let from = ambient::random_words()[0] as usize >> 8;
    for n in 0..4 {
        let ids = ids(from + n * NEWS_IDS_MAX, NEWS_IDS_MAX);
        let _ = stranger.tell(&news(differing(standing, from + n), ids)).await;
    }
    stranger.stay().await;
}

/// Rubbish for an answer.
pub async fn rubbish(target: &Target) {
    announce(target, 1, |_| Some(vec![0xc1; 100])).await;
}

/// A statement of another page, for one that it named something else.
pub async fn swapper(target: &Target) {
    let bytes = target.elsewhere.bytes().to_vec();
    announce(target, 1, |request| match request {
        Request::Statements(named) => Some(packed(&named.page, std::slice::from_ref(&bytes))),
        _ => nothing(request),
    })
    .await;
}

/// A statement of another page, by its right id.
pub async fn carrier(target: &Target) {
    let Some(mut stranger) = target.stranger().await else { return };
    let Some(standing) = stranger.standing(target).await else { return };
    let (id, bytes) = (target.elsewhere.id(), target.elsewhere.bytes().to_vec());
    let _ = stranger.tell(&news(differing(standing, 0), vec![id])).await;
    let answer = |request: &Request| match request {
        Request::Statements(named) => Some(packed(&named.page, std::slice::from_ref(&bytes))),
        _ => nothing(request),
    };
    stranger.answer(answer).await;
}

/// Says that it stands higher, and shows these for the next seals.
async fn climb(target: &Target, seals: impl AsyncFn(&Stranger, Standing) -> Option<Vec<Vec<u8>>>) {
    let Some(mut stranger) = target.stranger().await else { return };
    let Some(standing) = stranger.standing(target).await else { return };
    let Some(shown) = seals(&stranger, standing).await else { return };
    let higher = Standing { height: standing.height + 1, seal: ids(0, 1)[0], ..standing };
    let follow = Notice::Follow(Follow { live: true, standings: vec![higher] });
    let _ = stranger.tell(&follow.encode()).await;
    let answer = |request: &Request| match request {
        Request::Seals(next) => Some([vec![0], packed(&next.page, &shown)].concat()),
        _ => nothing(request),
    };
    stranger.answer(answer).await;
}

/// A seal that nobody committed to.
pub async fn forger(target: &Target) {
    climb(target, async |_, standing| {
        let contents = Contents::default();
        let seal = Seal {
            page: standing.page,
            height: standing.height + 1,
            previous: standing.seal,
            time: ambient::now(),
            state_root: standing.open,
            contents: contents.root(),
        };
        let record = SealRecord { seal, contents, certificate: Certificate::default() };
        Some(vec![record.encode()])
    })
    .await;
}

/// The first seals of the page, for the next.
pub async fn repeater(target: &Target) {
    climb(target, async |stranger, standing| {
        let request = Request::Seals(Above { page: standing.page, height: 0 }.into());
        let common = Common::page(&standing.page);
        let answer = stranger.ask(&request).await?;
        let seals = request.read_packed(&answer, |_| Some(common)).ok()?;
        Some(seals.into_iter().map(|Rdata(seal)| seal.to_vec()).collect())
    })
    .await;
}

/// How long one of these waits before it comes again with another key: so that it stays below the rate
/// of handshakes.
pub const PAUSE: Duration = Duration::from_millis(50);
