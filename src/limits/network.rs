//! Limits of connections between nodes (N1, N6).

use std::time::Duration;

use super::{CHAIN_PROOF_BYTES_MAX, KIB, MIB};

/// Bytes of one request to a peer (N6, choice: two thousand ids).
pub const NETWORK_REQUEST_BYTES_MAX: usize = 64 * KIB;
/// Bytes of one notice to a peer (N6, choice: as a request).
pub const NETWORK_NOTICE_BYTES_MAX: usize = 64 * KIB;
/// Bytes of one answer, whatever who asks would take (N6): what shows a seal of the largest page.
pub const NETWORK_ANSWER_BYTES_MAX: usize = CHAIN_PROOF_BYTES_MAX + MIB;
/// Bytes up to which an answer is nothing special (choice: the longest statement, 3 MiB, and more).
pub const NETWORK_ANSWER_BYTES_USUAL: usize = 8 * MIB;
/// Longer answers that wait to be sent, at a time, to all peers (N6, choice: 260 MB, and only where
/// there are pages so large).
pub const NETWORK_LONG_ANSWERS_MAX: usize = 2;
/// Bytes that are read or written at once on a stream (choice).
pub const NETWORK_BUFFER_BYTES: usize = 64 * KIB;
/// Connections that others opened, at a time (N6, choice: with [`NETWORK_WINDOW_BYTES`] at most 400
/// MB of what was sent and not yet read, if every single peer tries).
pub const NETWORK_INBOUND_MAX: usize = 192;
/// Connections that this node opened itself, at a time: a share that nobody else can fill (N7).
pub const NETWORK_OUTBOUND_MAX: usize = 64;
/// Connections with one address (of IPv6: one /64, which is what a customer gets) at a time (N6,
/// choice: nodes of a household behind one address). Those of this machine are counted in all only.
pub const NETWORK_PER_ADDRESS_MAX: usize = 16;
/// Handshakes under way that others began, at a time (N6, choice: with [`NETWORK_HANDSHAKE_RATE`] two
/// seconds each).
pub const NETWORK_HALF_OPEN_MAX: usize = 64;
/// Handshakes under way from which on whoever comes must first show that it has the address it sends
/// from (RFC 9000 section 8.1.2; choice: a quarter of [`NETWORK_HALF_OPEN_MAX`]).
pub const NETWORK_HALF_OPEN_EASY: usize = 16;
/// Handshakes a second that others may begin: of all together, and of one address (choice: one takes
/// about half a millisecond of a processor).
pub const NETWORK_HANDSHAKE_RATE: u32 = 32;
pub const NETWORK_HANDSHAKE_BURST: u32 = 128;
pub const NETWORK_ADDRESS_HANDSHAKE_RATE: u32 = 2;
pub const NETWORK_ADDRESS_HANDSHAKE_BURST: u32 = 32;
/// Addresses whose handshakes are counted (choice: those not seen for longest are forgotten).
pub const NETWORK_ADDRESSES_COUNTED_MAX: usize = 4096;
/// First packets that wait to be judged, and bytes of what their senders sent meanwhile, of each and
/// of all (choice: they are judged at once).
pub const NETWORK_WAITING_MAX: usize = 256;
pub const NETWORK_WAITING_BYTES: u64 = 16 * KIB as u64;
pub const NETWORK_WAITING_BYTES_ALL: u64 = MIB as u64;
/// How long a handshake may take, with the first words after it (choice: three losses of a packet,
/// RFC 9002 section 6.2).
pub const NETWORK_HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long one of several addresses of a peer is tried before the next is tried as well (RFC 8305
/// section 5).
pub const NETWORK_NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// Addresses of one peer that are tried (as in a beacon).
pub const NETWORK_ADDRESSES_TRIED_MAX: usize = 8;
/// How often a quiet connection is kept alive (choice: routers forget a way after 30 s and more, RFC
/// 9308 section 3.2; so often, because a node that was killed says no goodbye. 12 bytes a second).
pub const NETWORK_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Silence after which a connection counts as lost (choice: three signs of life missed).
pub const NETWORK_IDLE: Duration = Duration::from_secs(15);
/// How often it is looked whether anything was heard on a connection (choice).
pub const NETWORK_HEARD_EVERY: Duration = Duration::from_secs(2);
/// Silence from which on a peer is shown as silent (choice: a sign of life and one look missed).
pub const NETWORK_SILENT: Duration = Duration::from_secs(8);
/// How old a connection is at least when a second one, opened by the other side, means that the other
/// side lost it, and not that both called at once (choice: as long as a handshake takes).
pub const NETWORK_CROSSING: Duration = NETWORK_HANDSHAKE_TIME;
/// Requests of one peer that are under way at a time (N6; RFC 9000 section 4.6).
pub const NETWORK_STREAMS_MAX: u32 = 64;
/// Bytes that a peer may have under way to this node, on one stream and in all (choice: 40 MB/s with
/// somebody 50 ms away).
pub const NETWORK_STREAM_WINDOW_BYTES: u32 = MIB as u32;
pub const NETWORK_WINDOW_BYTES: u32 = 2 * MIB as u32;
/// Bytes sent to a peer that it has not yet acknowledged (choice: as [`NETWORK_WINDOW_BYTES`]).
pub const NETWORK_UNACKNOWLEDGED_BYTES: u64 = 2 * MIB as u64;
/// Requests a second that a peer is answered, and at once (N6, choice: 256 MiB/s in parts of 1 MiB).
pub const NETWORK_REQUEST_RATE: u32 = 256;
pub const NETWORK_REQUEST_BURST: u32 = 512;
/// Requests past those, told "busy", after which the peer is let go (choice: who is told so waits).
pub const NETWORK_REQUESTS_OVERDRAWN_MAX: u64 = 512;
/// Requests a second that a peer is asked, and at once: less than it answers.
pub const NETWORK_ASK_RATE: u32 = 192;
pub const NETWORK_ASK_BURST: u32 = 384;
/// Requests of a peer that mean nothing to this node, after which it is let go (choice: a newer
/// program may know more requests than this one, and finds out).
pub const NETWORK_NOT_UNDERSTOOD_MAX: u32 = 16;
/// Requests that are worked on at a time: of one peer and of all (choice: they read the disk).
pub const NETWORK_WORKED_ON_PER_PEER_MAX: usize = 4;
pub const NETWORK_WORKED_ON_MAX: usize = 16;
/// Bytes of answers to one peer, and to all, that wait to be sent (N6, choice: two of the
/// longest usual answers, and fifteen peers that do not read them).
pub const NETWORK_ANSWERS_BYTES_PER_PEER: usize = 2 * NETWORK_ANSWER_BYTES_USUAL;
pub const NETWORK_ANSWERS_BYTES: usize = 256 * MIB;
/// How long a request may take to arrive, all of it (choice: 64 KiB at 30 kbit/s).
pub const NETWORK_REQUEST_TIME: Duration = Duration::from_secs(20);
/// How long a request waits for its turn before it is told "busy" (choice).
pub const NETWORK_TURN_TIME: Duration = Duration::from_secs(5);
/// How long [`NETWORK_BUFFER_BYTES`] may take to be taken by the peer (choice: 17 kbit/s).
pub const NETWORK_UNREAD_TIME: Duration = Duration::from_secs(30);
/// How long somebody may have read nothing when others wait for room for their answers, and how often one is
/// let go for that (N6, choice: who reads at all does so within a second, and of those who wait
/// [`NETWORK_TURN_TIME`] nobody does so in vain).
pub const NETWORK_UNREAD_PRESSED: Duration = Duration::from_secs(1);
pub const NETWORK_UNREAD_LOOK: Duration = Duration::from_millis(100);
/// Notices to a peer that wait to be sent, and their bytes (N6, choice).
pub const NETWORK_NOTICES_QUEUED_MAX: usize = 256;
pub const NETWORK_NOTICES_QUEUED_BYTES: usize = 512 * KIB;
/// Bytes of notices of one peer that wait for this node to take them in (N6, choice).
pub const NETWORK_NOTICES_TAKEN_BYTES: usize = 256 * KIB;
/// Bytes of the words with which a connection is closed (choice: a sentence).
pub const NETWORK_REASON_BYTES_MAX: usize = 200;
/// How long the last words may take to be sent when the program ends (choice).
pub const NETWORK_FAREWELL: Duration = Duration::from_secs(1);
/// Receive and send buffers of a socket for nodes, bytes (choice: 20 ms at 1 Gbit/s).
pub const NETWORK_UDP_BUFFER_BYTES: usize = 2 * MIB;

/// How long a router keeps a way in open (choice: an hour, so that one not given back is soon gone).
pub const MAPPING_LEASE: Duration = Duration::from_secs(3600);
/// How often it is asked for anew (RFC 6886 section 3.3: half of the lease).
pub const MAPPING_RENEWED_AFTER: Duration = Duration::from_secs(1800);
/// How long after a failure it is asked for again (choice: routers are started anew, and exchanged).
pub const MAPPING_RETRY: Duration = Duration::from_secs(900);
/// How long each step with a router may take (choice: it may answer a search after 3 s).
pub const MAPPING_STEP_TIME: Duration = Duration::from_secs(10);
/// How long giving it back may take when the program ends (choice).
pub const MAPPING_FAREWELL: Duration = Duration::from_secs(1);

/// How often a page with few or no peers is seen to: after one has come, then, and at last (choice).
pub const MEET_FIRST: Duration = Duration::from_secs(4);
pub const MEET_INTERVAL_MAX: Duration = Duration::from_secs(3600);
