//! Every limit and interval of djdns, with its unit and where the number comes from (P5).
//!
//! Nothing here decides anything. Relations that must hold between numbers are checked when the
//! crate is compiled.

use std::time::Duration;

mod network;
mod nodes;

pub use network::*;
pub use nodes::*;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Open arrays that an encoded value may nest. The deepest statement nests 6; guess with room.
pub const CODEC_DEPTH_MAX: usize = 12;

/// Octets of a domain name in wire form, the root's zero included (RFC 1035 section 2.3.4).
pub const NAME_BYTES_MAX: usize = 255;
/// Octets of one label (RFC 1035 section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Seconds a record set may be cached: one week (P8).
pub const TTL_SECONDS_MAX: u32 = 604_800;
/// Bytes of one record's data: a 16 bit length (RFC 1035 section 3.2.1).
pub const RDATA_BYTES_MAX: usize = 65_535;

/// Bytes of one encoded entry (P5).
pub const ENTRY_BYTES_MAX: usize = 64 * KIB;
/// Bytes of one operation, without its envelope (P5). An entry that fills it cannot be proposed,
/// only founded.
pub const OPERATION_BYTES_MAX: usize = 64 * KIB;
/// Operations and batches one ballot may name (P5).
pub const BALLOT_ROWS_MAX: usize = 256;
/// Bytes of one ballot, without its envelope: 256 rows of 36 bytes and a reason.
pub const BALLOT_BYTES_MAX: usize = 16 * KIB;
/// Bytes of the words a voter may add to a ballot (choice: a short paragraph).
pub const REASON_BYTES_MAX: usize = 1000;
/// Keys of participants that are kept ready to verify with (choice): 0.25 kB each, 16 MB.
pub const KNOWN_KEYS_MAX: usize = 65_536;
/// Operations one batch may name (G5b).
pub const BATCH_ROWS_MAX: usize = 65_536;
/// Bytes of one signed batch, and so of any statement: 65536 ids of 34 bytes and the envelope.
pub const BATCH_BYTES_MAX: usize = 3 * MIB;
/// Batches of one author on a page at a time (choice: a year of weekly ones).
pub const BATCH_SLOTS: u32 = 64;
/// Ballots of one voter that wait for operations not seen yet (choice).
pub const WAITING_BALLOTS_PER_VOTER_MAX: usize = 256;
/// All of somebody's power, in basis points.
pub const BASIS_POINTS: u16 = 10_000;
/// Bytes of one presence, without its envelope: 16 rows of 38 bytes, 8 beacons and the rest.
pub const PRESENCE_BYTES_MAX: usize = 4 * KIB;
/// Beacons in one presence (choice: as in a PAGE record).
pub const PRESENCE_BEACONS_MAX: usize = 8;
/// Bytes of one beacon in a presence (choice: a long beacon with a few addresses).
pub const PRESENCE_BEACON_BYTES_MAX: usize = 400;
/// Soft changes of one entry, each on top of the other, that wait for a seal (P5).
pub const SOFT_CHAIN_MAX: usize = 64;
/// Slots of an author, unless the page's parameters say otherwise (P5).
pub const OPEN_OPERATIONS_DEFAULT: u32 = 256;
/// The most slots a page may give an author (P5): a registrar's hundred thousand names at once, in
/// two batches.
pub const OPEN_OPERATIONS_MAX: u32 = 131_072;

/// Bytes of the statements that one seal applies (P5, choice).
pub const SEAL_STATEMENTS_BYTES_MAX: usize = 64 * MIB;
/// Bytes of one stored seal: the ids it applies, and its certificate with up to a million seats of 34
/// bytes.
pub const SEAL_BYTES_MAX: usize = 56 * MIB;
/// Bytes of what shows one seal to whoever knows an earlier one: the certificate of a hundred
/// thousand seats, and each of them twice, with a presence (T1).
pub const CHAIN_PROOF_BYTES_MAX: usize = 128 * MIB;
/// Seals that are checked from the same one, while a page is replayed, before its newest is checked
/// and they are let go (choice: few enough to keep in memory).
pub const CHAIN_WINDOW_SEALS: usize = 256;
/// Seals of one page that contradict those held and on which nobody has decided, kept as evidence; and as many
/// of each height on which somebody has (choice: one is enough to see).
pub const FORKS_KEPT_MAX: usize = 8;
/// A decision between two seals, encoded: two heights and two ids with room to spare.
pub const DECISION_BYTES_MAX: usize = 128;
/// Keys of this node of which the vote journal of a page knows what they signed last (choice: a new key is made by
/// hand, by removing the old one, so that nobody comes to so many).
pub const JOURNAL_KEYS_MAX: usize = 64;
/// How often a host looks whether a page has something to seal, when nobody said anything (choice:
/// windows close at most this late).
pub const SEAL_LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How far a seal's time may be ahead of the clock of who votes for it (S4).
pub const SEAL_AHEAD: Duration = Duration::from_secs(600);
/// How far a clock may leap from the newest seal before a seal that ends something waits (choice).
pub const SEAL_LEAP: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a node must have run before it seals after such a leap (choice): time enough for the clock
/// to be set over the network.
pub const SEAL_LEAP_WAIT: Duration = Duration::from_secs(600);
/// By how much a clock moves at once for that to be a leap (choice: none that is kept by the network does).
pub const SEAL_CLOCK_LEAP: Duration = Duration::from_secs(3600);
/// How long a node seals nothing whose clock is ahead of those of most others (choice): a seal that is dated
/// ahead keeps its page from going on elsewhere until then (T7). Others may be wrong, or lie: after that
/// it seals all the same.
pub const SEAL_CLOCK_WAIT: Duration = Duration::from_secs(3600);

/// How long a node that knows others waits after its start for one that is in step with it before it seals
/// (choice: all that can be called are connected by then, and a person still waits for it).
pub const SEAL_HEARING: Duration = Duration::from_secs(30);

// Attestations and freshness.
/// Bytes of one attestation, without its envelope: two ids of 34 bytes and two numbers of 9.
pub const ATTESTATION_BYTES_MAX: usize = 128;
/// How long an attestation is valid (T6, choice: a node that attests four times a day may miss two).
pub const ATTESTATION_LIFE: Duration = Duration::from_secs(24 * 3600);
/// When a node says anew which seal is the newest (T6, choice).
pub const ATTESTATION_RENEWED_AFTER: Duration = Duration::from_secs(6 * 3600);
/// How far ahead of this machine's clock an attestation may be: until then it is held (T7).
pub const ATTESTATION_AHEAD_MAX: Duration = Duration::from_secs(3600);
/// How often a node looks whether pages are still fresh, and whether it should attest (choice: what is
/// measured in hours is told a minute late at most).
pub const FRESHNESS_LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// Candidates, and voices for each, that `djdns field` tells of (choice: a page of a hundred thousand
/// seats is sealed by a few dozen nodes).
pub const FIELD_ROWS_MAX: usize = 1000;
/// Seats that are named for one voice (choice: a line).
pub const FIELD_SEATS_NAMED_MAX: usize = 5;

/// Bytes of a signed envelope beside its body: kind, page id, signature and the heads of each.
pub const ENVELOPE_BYTES: usize = 128;
/// Bytes of one petition, without its envelope (G13, choice: what a stranger asks for is a few
/// records; an inbox that is full then holds 16 MiB).
pub const PETITION_BYTES_MAX: usize = 16 * KIB;
/// Bytes of one refusal of a petition, without its envelope: two ids and a reason.
pub const REFUSAL_BYTES_MAX: usize = 2 * KIB;
/// Petitions of one key that wait on one page at a time (G13, choice: who asks for more is
/// answered first).
pub const PETITIONS_PER_KEY_MAX: usize = 4;
/// Petitions from one address (of IPv6: one /64, which is what a customer gets) that wait on one
/// page at a time (G13, choice: a household, and a registrar's first users, behind one address).
pub const PETITIONS_PER_ADDRESS_MAX: usize = 16;
/// Petitions that the inbox of one page holds, decided and expired ones included (G13, choice: more
/// than people read in 14 days).
pub const PETITIONS_MAX: usize = 1000;
/// How long a petition waits after it was received, in the node's own clock (G13).
pub const PETITION_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);
/// How far ahead of the node's clock a petition may be dated: one hour, as attestations (T7).
pub const PETITION_AHEAD_MAX: Duration = Duration::from_secs(3600);
/// Open operations of one page that one answer to `djdns inbox` lists (choice).
pub const INBOX_OPERATIONS_MAX: usize = 1000;
/// For how long authors are told that something was sealed in place of their operation (choice: who looks
/// once a week sees it).
pub const SUPERSEDED_TOLD: Duration = Duration::from_secs(8 * 24 * 3600);
/// Of how many of an author's operations on one page that is told at once, the newest first (choice: some lines).
pub const SUPERSEDED_TOLD_MAX: usize = 20;

// Beacons (D1, D6).
/// Addresses that one beacon names (choice: IPv4 and IPv6, in the house and outside it, twice).
pub const BEACON_ADDRESSES_MAX: usize = 8;
/// Letters of a long code before what is signed: `DMCT:0.5428:65535:a3f2c8b9/`.
pub const BEACON_HEAD_BYTES: usize = 27;
/// Bytes of one signed beacon: so many that its code, five bits a letter (RFC 4648 section 6), fits
/// a presence.
pub const BEACON_BYTES_MAX: usize = (PRESENCE_BEACON_BYTES_MAX - BEACON_HEAD_BYTES) * 5 / 8;
/// Phases that a day's slots have, as a short code writes them: four decimals (D1).
pub const BEACON_PHASES: u32 = 10_000;
/// How far ahead a beacon may say that it holds (choice: 90 days; addresses change hands).
pub const BEACON_LIFE_MAX: Duration = Duration::from_secs(90 * 24 * 3600);
/// Beacons of one page that are made use of (choice: more than anybody asks).
pub const BEACONS_OF_PAGE_MAX: usize = 256;
/// Texts of one page that are read as beacons (choice: each costs a signature, 50 ms in all).
pub const BEACON_TEXTS_READ_MAX: usize = 1024;
/// Texts of which it is remembered which beacons they are (choice: of four pages with as many as are read;
/// 2 MB).
pub const BEACON_TEXTS_KEPT_MAX: usize = 4 * BEACON_TEXTS_READ_MAX;
/// Entries of one page that are looked through for beacons (choice: 10 ms).
pub const BEACON_ENTRIES_READ_MAX: usize = 10_000;

/// Participants of one page (choice: ten times the hundred thousand that it is meant for).
pub const PARTICIPANTS_MAX: usize = 1_000_000;
/// The largest total of power, T < 2^31, so that a consensus engine's 64 bit products hold (S3).
pub const TOTAL_POWER_MAX: u64 = (1 << 31) - 1;
/// Bytes of a genesis: a million participants of 44 bytes.
pub const GENESIS_BYTES_MAX: usize = 64 * MIB;
/// Entries one page may be founded with (choice: ten times the largest measured).
pub const FOUNDING_ENTRIES_MAX: usize = 10_000_000;
/// Seconds that a link to a subpage may be cached, where nobody said otherwise (choice: an hour).
pub const PAGE_LINK_TTL: u32 = 3600;
/// Beacons in one PAGE record (choice: enough to survive most of them gone).
pub const PAGE_BEACONS_MAX: usize = 8;

/// Track 1 threshold, basis points: "a little over 30 %" (G1).
pub const TRACK1_BP_DEFAULT: u16 = 3001;
/// Track 2 threshold, basis points: 70 % (G1).
pub const TRACK2_BP_DEFAULT: u16 = 7000;
/// The lowest Track 2 threshold, basis points: two thirds (G1).
pub const TRACK2_BP_MIN: u16 = 6666;
/// Ballots of distinct keys that an operation needs at least (G1).
pub const MIN_VOTERS_DEFAULT: u32 = 2;
/// Time between two seals of a page (G1, choice).
pub const SEAL_INTERVAL_DEFAULT: Duration = Duration::from_secs(60);
/// The longest time between two seals (G1, choice: whoever needs more than a day to see a mistake in
/// it could not take it back either, since a seal is what takes it back).
pub const SEAL_INTERVAL_MAX: Duration = Duration::from_secs(86_400);
/// The longest a soft answer may be cached (G1).
pub const SOFT_TTL_MAX_DEFAULT: Duration = Duration::from_secs(300);
/// How long after its base an operation stays open, in seal time: 30 days (G10, choice).
pub const OPERATION_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Ended operations of a page whose end is remembered in memory (choice: a registrar's largest
/// change); older ones are in the log.
pub const CLOSED_KEPT_MAX: usize = 131_072;
/// Slots that were used under older seals and are remembered, of one page (choice: a day's changes while a
/// seal that is dated ahead is held; 0.5 MB).
pub const USED_SLOTS_KEPT_MAX: usize = 4096;
/// Units that one power is counted in, so that small powers split fairly (G7).
pub const POWER_UNITS: u128 = 1_000_000;
/// Rows by which one participant lends its power (P5, G6).
pub const LENDING_ROWS_MAX: usize = 16;
/// Hops that lent power travels, cycles included, before it abstains (G7).
pub const LENDING_HOPS_MAX: usize = 8;

/// Bytes of a UDP answer over which TC is set (DNS flag day 2020; fits any IPv6 path).
pub const UDP_ANSWER_BYTES_MAX: u16 = 1232;
/// Bytes of a UDP answer to a query without EDNS (RFC 1035 section 4.2.1).
pub const UDP_ANSWER_BYTES_PLAIN: u16 = 512;
/// CNAMEs that one answer follows (as Unbound's max-query-restarts, 11; guess in between).
pub const CNAME_CHAIN_MAX: usize = 10;
/// SOA MINIMUM of every page: how long "there is none" may be cached (RFC 2308 section 5).
pub const NEGATIVE_TTL: Duration = Duration::from_secs(60);
/// The longest an answer from a page that is not fresh may be cached (RFC 8767 section 5).
pub const STALE_TTL: Duration = Duration::from_secs(30);
/// Bytes of the words in one extended DNS error (choice: a sentence and a name).
pub const EDE_TEXT_BYTES_MAX: usize = 200;
/// Record sets added to one answer unasked, as addresses of its targets (choice).
pub const ADDITIONAL_SETS_MAX: usize = 32;
/// How long a forwarded question may take, from its arrival to its answer: a stub resolver waits 5 s
/// (resolv.conf(5)).
pub const FORWARD_DEADLINE: Duration = Duration::from_secs(4);
/// What of that is kept for writing and sending the answer (choice).
pub const FORWARD_FAREWELL: Duration = Duration::from_millis(200);
/// How long a client waits for a new answer while a stale one is at hand (RFC 8767 section 5).
pub const FORWARD_STALE_AFTER: Duration = Duration::from_millis(1800);
/// How long past its time an answer may still be given when nobody answers (RFC 8767 section 5: one to
/// three days).
pub const FORWARD_STALE_MAX: Duration = Duration::from_secs(3 * 24 * 3600);
/// Seconds that a stale answer may be cached (RFC 8767 section 4).
pub const FORWARD_STALE_TTL: u32 = 30;
/// The longest an answer is cached (RFC 8767 section 4: a week at most; choice: a day).
pub const FORWARD_TTL_MAX: Duration = Duration::from_secs(24 * 3600);
/// The longest a negative answer is cached (RFC 2308 section 5: one to three hours).
pub const FORWARD_NEGATIVE_TTL_MAX: Duration = Duration::from_secs(3 * 3600);
/// How long a question that nobody could answer is not asked again (RFC 9520 section 3.2: one second
/// to five minutes).
pub const FORWARD_FAILURE_TTL: Duration = Duration::from_secs(5);
/// Questions whose failure is remembered (choice).
pub const FORWARD_FAILURES_MAX: usize = 10_000;
/// Bytes that cached answers take, about (choice).
pub const FORWARD_CACHE_BYTES: usize = 64 * MIB;
/// The shortest and longest wait for one upstream before another is asked as well (choice).
pub const FORWARD_HEDGE_MIN: Duration = Duration::from_millis(50);
pub const FORWARD_HEDGE_MAX: Duration = Duration::from_millis(400);
/// How long an upstream may take for one attempt before it counts as failing and another is asked in
/// any case (choice: resolvers answer what they must look up within a second). It is listened to for
/// longer: an answer that comes in the end is one.
pub const FORWARD_ATTEMPT: Duration = Duration::from_millis(1500);
/// Answers of others after which an upstream is asked first for once, to find out how long it takes now
/// (choice: one question in fifty waits a little longer, if it is still slow).
pub const FORWARD_UNMEASURED_MAX: u32 = 50;
/// Failures of an upstream in a row after which people are told (choice: each question is asked twice,
/// and a datagram may be lost).
pub const FORWARD_FAILURES_TOLD: u32 = 2;
/// Failures in a row of every upstream after which names outside the pages count as not to be had
/// (choice: three questions that are asked twice; one alone may be for a name whose own servers are
/// gone).
pub const FORWARD_FAILURES_OUTAGE: u32 = 6;
/// How long an upstream that failed rests, times its failures in a row (choice).
pub const FORWARD_REST: Duration = Duration::from_secs(2);
/// Datagrams that do not fit a question before it is asked over TCP instead (choice): whoever sends
/// so many is guessing.
pub const FORWARD_MISMATCHES_MAX: usize = 8;
/// Questions that wait on one connection to an upstream by TLS or HTTPS (RFC 9113 section 6.5.2: at
/// least 100 streams).
pub const SECURE_WAITING_MAX: usize = 100;
/// Questions without an answer that are remembered on one connection by TLS, so that a late answer is
/// known for one (choice: the last ten times as many as can wait).
pub const SECURE_GIVEN_UP_MAX: usize = 1000;
/// How long a connection to such an upstream may take to be made (choice: less than
/// [`FORWARD_DEADLINE`], so that who waits for it can still be answered).
pub const SECURE_CONNECT: Duration = Duration::from_secs(3);
/// How long after a failure no such connection is tried (choice).
pub const SECURE_REST: Duration = Duration::from_secs(1);
/// How long such a connection is kept unused (choice: public resolvers close after 10 s to 60 s).
pub const SECURE_IDLE: Duration = Duration::from_secs(30);
/// Octets of which a query over TLS or HTTPS has a multiple (RFC 8467 section 4.1).
pub const SECURE_PADDING_BYTES: usize = 128;
/// Bytes of the headers of one HTTP response (choice: a dozen short lines).
pub const SECURE_HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// Forwarded questions of clients that wait at a time, over all doors of UDP, and as many over all of
/// TCP, so that neither keeps the other waiting (choice).
pub const FORWARD_WAITING_MAX: usize = 1024;
/// Bytes of the configuration, and of each file of this machine that names servers (choice: ten thousand
/// lines).
pub const CONFIG_BYTES_MAX: u64 = MIB as u64;
/// Bytes of the hosts file (choice: some have a few hundred thousand names in it that they block).
pub const HOSTS_BYTES_MAX: u64 = 16 * MIB as u64;
/// Files that the process may open at a time, if the hard limit allows as many (choice: thirty times
/// what all doors together hold).
pub const OPEN_FILES_MAX: u64 = 65_536;
/// How long a TCP client may say nothing (RFC 7766 section 6.2.3: in the order of seconds).
pub const DNS_TCP_IDLE: Duration = Duration::from_secs(10);
/// How long a message over TCP may take from its first byte to its last, and an answer that waits for
/// its reader until it is read (choice: a second, and slow lines).
pub const DNS_TCP_MESSAGE: Duration = Duration::from_secs(5);
/// TCP connections at a time, over all doors (choice: about ten per program of a busy machine); half
/// of the files that the process may open, if that is less.
pub const DNS_TCP_CONNECTIONS_MAX: usize = 1024;
/// Forwarded questions in flight on one TCP connection, past which the next is answered SERVFAIL (choice:
/// a whole house behind one forwarder).
pub const DNS_TCP_IN_FLIGHT_MAX: usize = 128;
/// Bytes of answers that wait for the reader of a TCP connection, past which no more of its questions
/// are read (choice: one of the longest answers; the system holds more of them).
pub const DNS_TCP_UNREAD_BYTES: usize = 64 * KIB;
/// How long the handshake of TLS or QUIC may take (choice: as long as a message).
pub const DNS_TLS_HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes at a time, over all encrypted doors; with one more the oldest ends (choice: on a slow
/// processor some 50 ms of work).
pub const DNS_TLS_HANDSHAKES_MAX: usize = 64;
/// Questions in flight on one connection of DoH or DoQ; who asks more waits (RFC 9113 section 6.5.2: no
/// fewer than 100).
pub const DNS_STREAMS_MAX: u32 = 100;
/// Bytes of a question by DoH or DoQ (choice: as over UDP).
pub const DNS_STREAM_QUERY_BYTES_MAX: usize = DNS_UDP_QUERY_BYTES_MAX;
/// Bytes of a refused request by DoH that are taken and thrown away, so that its client reads why (choice: what
/// clients send by mistake).
pub const DNS_HTTP_REFUSED_BYTES_MAX: usize = MIB;
/// Answers of one connection of DoQ that wait to be sent; the others are not made yet (choice: with the
/// longest 256 KiB).
pub const DNS_QUIC_TURNS: usize = 4;
/// The same of DoH: one, so that each is sent whole before the next (choice: h2 sends a frame of each in
/// turn otherwise, which some clients cannot put together, dnsperf 2.10 among them).
pub const DNS_HTTP_TURNS: usize = 1;
/// Bytes of answers by DoQ that the client has not acknowledged (choice: as many).
pub const DNS_QUIC_UNREAD_BYTES: u64 = 256 * KIB as u64;
/// After which silence a connection of QUIC is forgotten (choice: twice as long as a client may say
/// nothing, which ends it in words).
pub const DNS_QUIC_IDLE: Duration = Duration::from_secs(20);
/// Octets of which answers have a multiple by DoT, DoH and DoQ, if the query is padded (RFC 8467
/// section 4.1).
pub const DNS_PADDING_BLOCK: usize = 468;
/// How long our own certificate for them is valid, from its beginning (choice: the longest that the systems
/// of Apple take).
pub const DNS_CERTIFICATE_LIFE: Duration = Duration::from_secs(825 * 86_400);
/// How long before its end it is made anew (choice: a machine may sleep for weeks).
pub const DNS_CERTIFICATE_AHEAD: Duration = Duration::from_secs(60 * 86_400);
/// How long before its end a certificate of the owner is told of (choice: what renews it has tried for weeks).
pub const DNS_CERTIFICATE_TOLD: Duration = Duration::from_secs(14 * 86_400);
/// How often that is looked at (choice).
pub const DNS_CERTIFICATE_LOOK: Duration = Duration::from_secs(86_400);
/// How long ago it begins, for clients whose clocks are behind (choice).
pub const DNS_CERTIFICATE_BEFORE: Duration = Duration::from_secs(86_400);
/// Bytes of a file with certificates or a key (choice: some thirty long certificates).
pub const DNS_CERTIFICATE_FILE_BYTES_MAX: usize = 64 * KIB;
/// How long what is in flight may take to end when the program does (choice: most upstreams answer
/// within it, and a restart waits for it).
pub const DNS_FAREWELL: Duration = Duration::from_secs(1);
/// How long the last answers may take to be sent then (choice: a client that reads takes none).
pub const DNS_FAREWELL_SENDING: Duration = Duration::from_millis(200);
/// Pause before connections are accepted again after the system could not (choice: short for who
/// waits, long for a processor).
pub const DNS_TCP_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a server cookie is good (RFC 9018 section 4.3).
pub const COOKIE_LIFE: Duration = Duration::from_secs(3600);
/// Age from which a server cookie is replaced (RFC 9018 section 4.3).
pub const COOKIE_RENEWED_AFTER: Duration = Duration::from_secs(1800);
/// How far in the future a server cookie may have been made (RFC 9018 section 4.3).
pub const COOKIE_AHEAD_MAX: Duration = Duration::from_secs(300);
/// How long one secret makes cookies (RFC 7873 section 7.1: at most 36 days; choice).
pub const COOKIE_SECRET_LIFE: Duration = Duration::from_secs(86_400);
/// Receive buffer of a UDP socket, bytes: answered 1.8 times as much under overload (measured).
pub const DNS_UDP_BUFFER_BYTES: usize = MIB;
/// Send buffer of a UDP socket, bytes: answers to addresses that nobody has wait in it for seconds, and those
/// to others are lost when it is full (choice: as other servers have it).
pub const DNS_UDP_SEND_BYTES: usize = 4 * MIB;
/// Datagrams that are received and answered together (choice: more save nothing that can be measured,
/// and the first waits for the last).
pub const DNS_UDP_BATCH: usize = 64;
/// Bytes of a UDP query; what is longer is cut off, and malformed (choice: three times the longest with
/// a name, a cookie and room for what is to come).
pub const DNS_UDP_QUERY_BYTES_MAX: usize = 2048;
/// How long a worker gives the same answer from the forwarder's cache again before it looks there anew
/// (choice: the unit of TTLs).
pub const DNS_REPLIES_HELD: Duration = Duration::from_secs(1);
/// Such answers that a worker holds (choice: three times what a busy house asks for in a second; at most
/// 16 MB).
pub const DNS_REPLIES_PER_WORKER: usize = 32 * 1024;
/// Bytes of such an answer; longer ones are written anew (choice: most have under 200).
pub const DNS_REPLY_BYTES_MAX: usize = 512;
/// Threads that answer over UDP; as many as there are processors, if that is less (choice).
pub const DNS_WORKERS_MAX: usize = 64;
/// How long such a thread wants to work at a time (choice: the least that Linux takes; hundreds of answers,
/// shorter than any change of a page).
pub const DNS_WORKER_TURN: Duration = Duration::from_micros(100);

// Transfers to mirrors.
/// Transfers at a time; the next is told to try again (choice: each may hold a state that is served no
/// more, and a message).
pub const TRANSFERS_MAX: usize = 16;
/// Places of the state that a transfer reads at a time (choice: some messages need two such batches).
pub const TRANSFER_BATCH: usize = 256;
/// Sealed states of a page that are kept for who lacks what came after them (choice: an hour of a page
/// that changes every minute).
pub const TRANSFER_PAST_MAX: usize = 64;
/// Bytes that those hold in all, beside the newest, about (choice: 65,000 changed names).
pub const TRANSFER_PAST_BYTES_MAX: usize = 64 * MIB;
/// Bytes of the inner nodes of a state that one change makes anew (measured on paper: five levels of up to
/// sixteen children, and a hash each).
pub const TRANSFER_PATH_BYTES: usize = KIB;
/// How far two clocks may be apart for a signed message (RFC 8945 section 10).
pub const TSIG_FUDGE: Duration = Duration::from_secs(300);
/// Octets of the secret that signs them, at least and at most (choice: half of what the algorithms make,
/// RFC 2104 section 3 advises all of it; and four times the longest block).
pub const TSIG_SECRET_BYTES_MIN: usize = 16;
pub const TSIG_SECRET_BYTES_MAX: usize = 512;
/// Bytes of the file that has it (choice: the longest in base64, and a few words).
pub const TSIG_FILE_BYTES_MAX: u64 = 4 * KIB as u64;
/// Mirrors that are told of new seals (choice).
pub const NOTIFY_MIRRORS_MAX: usize = 64;
/// How long the answer to a NOTIFY is waited for, first; twice as long each time (choice: loopback answers
/// in a millisecond; RFC 1996 section 3.6 has a minute, for the Internet).
pub const NOTIFY_FIRST_WAIT: Duration = Duration::from_secs(1);
/// How often a mirror is told at most (RFC 1996 section 3.6: five, after the first).
pub const NOTIFY_TRIES_MAX: u32 = 6;
/// Pages and mirrors to be told of at a time (choice: a thousand pages, and some mirrors of each).
pub const NOTIFY_PENDING_MAX: usize = 4096;
/// How often a mirror says without a signature that it does not have a page until that is believed (choice: who
/// has it has signed its answer by then).
pub const NOTIFY_UNSIGNED_TAKEN: u32 = 2;
/// How long a mirror answers nothing until that is said (choice: it was told four times by then).
pub const NOTIFY_SILENCE: Duration = Duration::from_secs(15);
/// How long it has answered all until it is said how it takes that (choice: the pages of a start come one
/// after the other).
pub const NOTIFY_CALM: Duration = Duration::from_secs(1);
/// How often a refusal is said again, of one reason and one address (choice: as a log can be read).
pub const REFUSAL_SAID_EVERY: Duration = Duration::from_secs(60);
/// Refusals that are said in that time (choice: the newest thousand lines of the log last for half an hour).
pub const REFUSALS_SAID_MAX: usize = 32;
/// How long it is told that a mirror was refused something (choice: it asks again each hour, by the SOA).
pub const MIRROR_REFUSED_TOLD: Duration = Duration::from_secs(3600);

/// Bytes of one frame of a page's log: the largest genesis and room for the heads of records.
/// Larger changes are refused before they are written.
pub const LOG_FRAME_BYTES_MAX: usize = 64 * MIB + 64 * KIB;
/// Bytes of payload in a frame of a page that is being founded (choice: few enough to hold in
/// memory, enough that the disk writes in sequence).
pub const LOG_FOUNDING_FRAME_BYTES: usize = 2 * MIB;

/// Bytes of one record of a bundle file: the largest genesis.
pub const BUNDLE_RECORD_BYTES_MAX: usize = GENESIS_BYTES_MAX;

/// Bytes of one record with a part of a page's initial entries (choice).
pub const LOG_ENTRIES_CHUNK_BYTES: usize = MIB;
/// Bytes of one request or answer on the control socket.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 64 * MIB;
/// Silence after which a client of the control socket is let go (choice).
pub const CONTROL_IDLE: Duration = Duration::from_secs(60);
/// How often a node says on the control socket that it still works on a request (choice: often enough
/// that [`CONTROL_SILENCE`] is no accident of a busy machine).
pub const CONTROL_ALIVE: Duration = Duration::from_secs(2);
/// Silence after which a command gives a node up: it is stopped, or hangs (choice: seven times its
/// sign of life was missed).
pub const CONTROL_SILENCE: Duration = Duration::from_secs(15);
/// Bytes of one part of a long answer on the control socket (choice).
pub const CONTROL_PART_BYTES: usize = 8 * MIB;
/// Nice value of a thread that imports a page (choice: half way; one that gets almost nothing on a
/// busy machine would keep its person waiting).
pub const NICE_OF_IMPORTS: i32 = 10;
/// Clients of the control socket at one time (choice).
pub const CONTROL_CLIENTS_MAX: usize = 64;

/// Lines of its log that a daemon remembers (choice: a day of one that has nothing to complain of).
pub const LOG_LINES_MAX: usize = 1000;
/// Characters of one such line (choice): with [`LOG_LINES_MAX`] at most a few megabytes.
pub const LOG_LINE_CHARACTERS_MAX: usize = 1000;
/// How long a node waits for a line of the log that somebody follows, before it says that there is none
/// (choice: one who left is noticed then).
pub const LOG_WAIT: Duration = Duration::from_secs(5);
/// Pages that metrics tell of, each by itself (choice): what reads them holds a series for each.
pub const METRICS_PAGES_MAX: usize = 1000;
/// Connections of the HTTP face at one time (choice: a monitoring program, a probe and a few people).
pub const HTTP_CONNECTIONS_MAX: usize = 32;
/// How long a client may take to send the head of its request (choice).
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last in all, its answer read (choice).
pub const HTTP_CONNECTION_TIME: Duration = Duration::from_secs(15);
/// Headers of one request (choice: browsers send about fifteen).
pub const HTTP_HEADERS_MAX: usize = 64;
/// Bytes of a request that are held (the least that hyper takes).
pub const HTTP_REQUEST_BYTES_MAX: usize = 8 * KIB;
/// How long no connection is taken after one could not be (choice).
pub const HTTP_RETRY: Duration = Duration::from_millis(100);

// The image of a page.
/// Names that a page has at least for an image of it to be kept (choice: reading fewer from the log takes
/// no longer than a person notices).
pub const IMAGE_NAMES_MIN: usize = 10_000;
/// Bytes of an image (choice: a million names have 60 MB).
pub const IMAGE_BYTES_MAX: usize = 1024 * MIB;
/// Bytes of an image that are written at once (choice: system calls do not count).
pub const IMAGE_WRITE_BYTES: usize = MIB;
/// Bytes of the disk that no image takes, so that a change finds room while one is written (choice).
pub const IMAGE_SPARES: u64 = 64 * MIB as u64;

const _: () = {
    assert!(BATCH_BYTES_MAX + MIB <= NETWORK_ANSWER_BYTES_MAX);
    assert!(MISS_SOUGHT_MAX < MISS_REMEMBERED_MAX);
    assert!(MISS_PATIENCE.as_secs() < FORWARD_DEADLINE.as_secs());
    assert!(MISS_WAITING_PER_PAGE_MAX < MISS_WAITING_MAX);
    assert!(MISS_WAITING_MAX * 2 <= FORWARD_WAITING_MAX);
    assert!(BEACON_LIFE.as_secs() < BEACON_LIFE_MAX.as_secs());
    assert!(BEACON_REMINDED.as_secs() < BEACON_LIFE.as_secs());
    assert!(HTTP_HEAD_TIME.as_secs() < HTTP_CONNECTION_TIME.as_secs());
    assert!(TRACK1_BP_DEFAULT <= TRACK2_BP_DEFAULT);
    assert!(TRACK2_BP_DEFAULT >= TRACK2_BP_MIN);
    assert!(TRACK1_BP_DEFAULT as u32 + TRACK2_BP_DEFAULT as u32 > 10_000);
    assert!(OPEN_OPERATIONS_DEFAULT <= OPEN_OPERATIONS_MAX);
    assert!(BALLOT_ROWS_MAX * 36 + REASON_BYTES_MAX + 512 <= BALLOT_BYTES_MAX);
    assert!(
        LENDING_ROWS_MAX * 38 + PRESENCE_BEACONS_MAX * (PRESENCE_BEACON_BYTES_MAX + 3) + 128
            <= PRESENCE_BYTES_MAX
    );
    assert!(BEACON_HEAD_BYTES + (BEACON_BYTES_MAX * 8).div_ceil(5) <= PRESENCE_BEACON_BYTES_MAX);
    assert!(REASON_BYTES_MAX + 512 <= REFUSAL_BYTES_MAX);
    assert!(PETITION_BYTES_MAX <= OPERATION_BYTES_MAX - 1024);
    assert!(PETITIONS_PER_KEY_MAX <= PETITIONS_PER_ADDRESS_MAX);
    assert!(PETITIONS_PER_ADDRESS_MAX < PETITIONS_MAX);
    assert!(BATCH_ROWS_MAX * 34 + 512 <= BATCH_BYTES_MAX);
    assert!(PARTICIPANTS_MAX * 44 + 4096 <= GENESIS_BYTES_MAX);
    assert!(PARTICIPANTS_MAX * 34 + MIB <= SEAL_BYTES_MAX);
    assert!(SEAL_BYTES_MAX < LOG_FRAME_BYTES_MAX);
    assert!(GENESIS_BYTES_MAX < LOG_FRAME_BYTES_MAX);
    assert!(ENTRY_BYTES_MAX < PIECE_BYTES_MAX as usize);
    assert!(CONTROL_ALIVE.as_secs() * 2 < CONTROL_SILENCE.as_secs());
    assert!(LOG_FOUNDING_FRAME_BYTES <= LOG_FRAME_BYTES_MAX);
    assert!(FORWARD_FAILURES_TOLD < FORWARD_FAILURES_OUTAGE);
    assert!(DNS_TCP_IN_FLIGHT_MAX <= FORWARD_WAITING_MAX);
    assert!(JOIN_PATIENCE.as_secs() < CONTROL_SILENCE.as_secs());
    assert!(COOKIE_RENEWED_AFTER.as_secs() < COOKIE_LIFE.as_secs());
    assert!(ANSWER_BYTES_MAX <= NETWORK_ANSWER_BYTES_USUAL);
    assert!(GENESIS_BYTES_MAX + 16 <= NETWORK_ANSWER_BYTES_MAX);
    assert!(CHAIN_PROOF_BYTES_MAX + 16 <= NETWORK_ANSWER_BYTES_MAX);
    assert!(WINDOW_BYTES_MAX + SEAL_BYTES_MAX + 16 <= NETWORK_ANSWER_BYTES_MAX);
    assert!(SEAL_BYTES_MAX + 1024 <= NETWORK_ANSWER_BYTES_MAX);
    assert!(NETWORK_HALF_OPEN_EASY < NETWORK_HALF_OPEN_MAX);
    assert!(NETWORK_PER_ADDRESS_MAX < NETWORK_INBOUND_MAX);
    assert!(NETWORK_KEEP_ALIVE.as_secs() * 3 <= NETWORK_IDLE.as_secs());
    assert!(NETWORK_ASK_RATE < NETWORK_REQUEST_RATE && NETWORK_ASK_BURST < NETWORK_REQUEST_BURST);
    assert!(NETWORK_NOTICE_BYTES_MAX <= NETWORK_NOTICES_TAKEN_BYTES);
    assert!(NETWORK_NOTICE_BYTES_MAX <= NETWORK_NOTICES_QUEUED_BYTES);
    assert!(NETWORK_ANSWER_BYTES_USUAL <= NETWORK_ANSWERS_BYTES_PER_PEER);
    assert!(MAPPING_RENEWED_AFTER.as_secs() * 2 <= MAPPING_LEASE.as_secs());
    assert!(NETWORK_ANSWERS_BYTES_PER_PEER * 2 <= NETWORK_ANSWERS_BYTES);

    assert!(FOLLOW_ROWS_MAX * STANDING_BYTES_MAX + 64 <= NOTICE_BYTES_MAX);
    assert!(NEWS_IDS_MAX * 34 + STANDING_BYTES_MAX + 64 <= NOTICE_BYTES_MAX);
    assert!(STATEMENTS_IDS_MAX * 34 + 64 <= REQUEST_BYTES_MAX);
    assert!(PETITION_BYTES_MAX + 512 <= REQUEST_BYTES_MAX);
    assert!(SUBTREES_ROWS_MAX * (66 + 34 + 6) + 64 <= REQUEST_BYTES_MAX);
    assert!(PARTS_ASKED_MAX * (PIECE_BYTES_MAX as usize + KIB) + 64 <= ANSWER_BYTES_MAX);
    assert!(PARTS_ASKED_MAX <= SUBTREES_ROWS_MAX);
    assert!(BATCH_BYTES_MAX + 64 <= ANSWER_BYTES_MAX);
    assert!(REFUSAL_BYTES_MAX + 512 <= PETITION_ANSWER_BYTES_MAX);
};
