//! Limits of nodes among each other: what they say, how they find each other, what they keep (N2 to N8, D1, D2).

use std::time::Duration;

use super::{CHAIN_PROOF_BYTES_MAX, ENTRY_BYTES_MAX, KIB, MIB, SEAL_BYTES_MAX};

// The driver that keeps this node in step with others (daemon/neighbours).

/// The UDP port at which other nodes reach this one (N1).
pub const PEERS_PORT: u16 = 31415;
/// How long a question waits for pages that are not here (choice: a stub resolver waits 5 s,
/// resolv.conf(5), and an alias may lead on from there).
pub const MISS_PATIENCE: Duration = Duration::from_secs(3);
/// Pages that one question waits for, each of which the one before links to (choice: deeper than names
/// are; one that leads on for ever ends with [`MISS_PATIENCE`] anyway).
pub const MISS_PAGES_ON_THE_WAY_MAX: usize = 16;
/// Questions that wait for pages at a time, and for one page (choice: less than
/// `FORWARD_WAITING_MAX`, so that names outside the pages always find room).
pub const MISS_WAITING_MAX: usize = 256;
pub const MISS_WAITING_PER_PAGE_MAX: usize = 64;
/// How long after a page was asked for somebody may still wait for it (choice: who comes later is
/// answered at once, until the page is there).
pub const MISS_HOPE: Duration = Duration::from_secs(10);
/// How long a page is sought that a question asked for, when nobody has it (choice).
pub const MISS_SOUGHT: Duration = Duration::from_secs(60);
/// After how long a question makes a page be sought again that nobody had, first and at most (choice:
/// doubled each time).
pub const MISS_RETRY_FIRST: Duration = Duration::from_secs(15);
pub const MISS_RETRY_MAX: Duration = Duration::from_secs(15 * 60);
/// Bytes of notices that wait for the machine (N6, choice): four full ones of each of many peers.
pub const JOBS_NOTICES_BYTES_MAX: usize = 8 * MIB;
/// Questions about the machine's state that wait (choice: as many as commands at a time, and more).
pub const JOBS_LOOKS_MAX: usize = 128;
/// How long somebody waits who looks at the machine (choice: a person is there).
pub const PEERS_LOOK_PATIENCE: Duration = Duration::from_secs(2);
/// How long the machine rests when nothing happens (choice: it looks at what is overdue then).
pub const MACHINE_REST: Duration = Duration::from_secs(5);
/// Nodes heard of lately, for short beacons (choice: those of a large office).
pub const SIGHTINGS_MAX: usize = 256;
/// Pages of which it is remembered why they do not come, or are not in step (choice).
pub const PEERS_FACTS_MAX: usize = 256;
/// How often whom this node knows is written down, if that changed (choice: who is killed remembers whom it
/// met ten seconds before).
pub const BOOK_SAVED_EVERY: Duration = Duration::from_secs(10);
/// How long the machine may take to end (choice: a second or two of work on a large page).
pub const PEERS_FAREWELL: Duration = Duration::from_secs(3);
/// How often this node's addresses are looked at (choice: a new network is told of within a minute).
pub const BEACON_LOOKED_EVERY: Duration = Duration::from_secs(30);
/// How long a short beacon is looked for on the network (choice: both ways of D2 answer within a second
/// or two).
pub const CONNECT_LOOKED_FOR: Duration = Duration::from_secs(6);
/// How often names of nodes are looked up again (choice).
pub const CONTACTS_NAMED_EVERY: Duration = Duration::from_secs(300);
/// How long `djdns page join` waits for a page, and how often it looks how far that is (choice: a person
/// waits).
pub const JOIN_PATIENCE: Duration = Duration::from_secs(10);
pub const JOIN_LOOKED_EVERY: Duration = Duration::from_millis(200);
/// Pages that questions asked for and that are not here, sought and remembered (choice).
pub const MISS_SOUGHT_MAX: usize = 64;
pub const MISS_REMEMBERED_MAX: usize = 1024;

// Pages that are here only because of questions (N2).
/// How many (choice: more than a person visits in a month; each is followed, which costs a line of a notice to
/// every peer, and the memory of a small page).
pub const ASKED_PAGES_MAX: usize = 1000;
/// Bytes of their logs together (choice: what a laptop does not miss).
pub const ASKED_BYTES_MAX: u64 = 1024 * MIB as u64;
/// Bytes of the state of one, as it is fetched (choice: a million names have less, and four that large have room).
pub const ASKED_PAGE_BYTES_MAX: u64 = 256 * MIB as u64;
/// How long one stays that nobody asks for (choice: a month, for what is looked at with each bill; a page that is asked
/// for again comes back within seconds where anybody has it).
pub const ASKED_IDLE: Duration = Duration::from_secs(30 * 86_400);
/// How long the node has to run before one goes for that (choice: a machine that was off for a month is asked first,
/// and its clock set).
pub const ASKED_IDLE_REST: Duration = Duration::from_secs(3600);
/// How often it is looked whether some have to go, beside whenever one came (choice).
pub const EVICTION_LOOKED_EVERY: Duration = Duration::from_secs(60);
/// How often it is written when they were asked for, at most (choice: of a month an hour is nothing).
pub const EVICTION_SAVED_EVERY: Duration = Duration::from_secs(3600);

// Snapshots (N5, T1).

/// Bytes of one piece of a page's state (choice): two thousand hashes, or an entry of the largest size
/// with room.
pub const PIECE_BYTES_MAX: u32 = 80 * 1024;
/// Rungs of a ladder of certificates (choice): a page whose participants are replaced once a week is shown
/// from its genesis for eighty years.
pub const LADDER_RUNGS_MAX: usize = 4096;
/// The uppermost rungs, which can still be left out for a newer one (choice): people rarely come back.
pub const LADDER_OPEN_RUNGS: usize = 4;
/// Orders of participants between two rungs that are told apart (choice): more are taken as the least of
/// them.
pub const LADDER_ORDERS_MAX: usize = 8;
/// Seals in the window of a snapshot: as many as operations may name, one a minute for 30 days.
pub const WINDOW_SEALS_MAX: usize = 43_201;
/// Bytes of a window, seals and orders together (choice): half a million operations in 30 days.
pub const WINDOW_BYTES_MAX: usize = 64 * MIB;
/// Changes of a page's participants and parameters in a window: every one of 30 days, and as many as it
/// takes to find the last change of the parameters (choice).
pub const WINDOW_ORDERS_MAX: usize = 65_536;
/// Bytes of the way to a snapshot, proofs and window together (choice): each at its largest.
pub const PASSAGE_BYTES_MAX: usize = CHAIN_PROOF_BYTES_MAX + WINDOW_BYTES_MAX + SEAL_BYTES_MAX;

// Sync: what nodes say to each other, and how much of it (N3 to N6).

/// Bytes of one notice (choice: the ids of a busy second, 34 bytes each, and the standing).
pub const NOTICE_BYTES_MAX: usize = 32 * KIB;
/// Bytes of one request: 1024 ids of 34 bytes, or a petition, and the rest.
pub const REQUEST_BYTES_MAX: usize = 64 * KIB;
/// Bytes of the name of a peer's program (choice).
pub const PROGRAM_BYTES_MAX: usize = 64;
/// Bytes of one standing: three ids of 34 bytes, a height of 9 and the array.
pub const STANDING_BYTES_MAX: usize = 3 * 34 + 9 + 1;
/// Pages in one notice (choice: 14 kB).
pub const FOLLOW_ROWS_MAX: usize = 128;
/// Ids of new statements in one notice (choice: 9 kB; what is more is found by comparing sets).
pub const NEWS_IDS_MAX: usize = 256;
/// Ids of new statements that are looked at for a notice (choice: those of a few full batches); what is more
/// is found by comparing sets.
pub const NEWS_LOOKED_AT: usize = 4096;
/// Batches that are named with a request for seals (N4: a bit each in an octet).
pub const SEALS_BATCHES_MAX: usize = 8;
/// Bytes that a piece of a state shows, restored: what its giver chose by [`PIECE_BYTES_MAX`] with what
/// that does not count, and an entry.
pub const PIECE_SHOWN_BYTES_MAX: usize = 2 * PIECE_BYTES_MAX as usize + ENTRY_BYTES_MAX;
/// Statements asked for at one time (choice: 35 kB of ids).
pub const STATEMENTS_IDS_MAX: usize = 1024;
/// Parts of a trie asked for at one time (choice: with long paths 7 kB).
pub const SUBTREES_ROWS_MAX: usize = 64;
/// Bytes of an answer that is made of many items (choice: the largest statement, 3 MiB, and more).
pub const ANSWER_BYTES_MAX: usize = 4 * MIB;
/// Bytes of one part of an open set (choice: 400 ids, or three levels of hashes).
pub const OPEN_PIECE_BYTES: usize = 16 * KIB;
/// Bytes of an answer about an open set: 64 parts.
pub const OPEN_ANSWER_BYTES_MAX: usize = SUBTREES_ROWS_MAX * (OPEN_PIECE_BYTES + KIB) + 64;
/// Seals that are replayed one by one; of a page that is further behind the state is taken (choice:
/// an hour of a busy page).
pub const SEALS_REPLAYED_MAX: usize = 64;
/// Beacons of a page's peers in one answer (choice).
pub const PEERS_ANSWER_MAX: usize = 16;
/// Peers that came here by themselves (choice: many that came). Those that this node calls are besides:
/// at most [`NETWORK_OUTBOUND_MAX`](super::NETWORK_OUTBOUND_MAX).
pub const PEERS_MAX: usize = 128;
/// Connections that a node opens by itself (choice: as other networks of the kind).
pub const OUTBOUND_WANTED: usize = 8;
/// Connections tried at one time, and begun at one time (choice).
pub const CONNECTING_MAX: usize = 16;
pub const CONNECTS_AT_ONCE: usize = 4;
/// How long a connection is tried before it is forgotten that it was (choice: longer than QUIC tries).
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(30);
/// Between two rounds of connecting, while there are too few, and else (choice).
pub const CONNECT_PAUSE: Duration = Duration::from_secs(2);
pub const CONNECT_REST: Duration = Duration::from_secs(60);
/// Peers that a page should have; with fewer, more are asked for (choice).
pub const PAGE_SOURCES_WANTED: usize = 4;
/// How often a page with few or no peers is seen to (choice).
pub const MEET_INTERVAL: Duration = Duration::from_secs(120);
/// Nodes tried at one time of those that a page names (choice).
pub const KNOWN_TRIED_MAX: usize = 4;
/// Requests to one peer at one time, and to one that was silent again and again (choice).
pub const ASKS_PER_PEER_MAX: usize = 8;
pub const ASKS_PER_PEER_MIN: usize = 2;
/// How often in a row a peer may be silent before its place is for others, if there are any (choice: more than
/// a minute and a half of nothing).
pub const SILENCES_MAX: u32 = 8;
/// How long an answer may take, and how fast a long one must come at least (choice).
pub const ASK_PATIENCE: Duration = Duration::from_secs(10);
pub const ASK_BYTES_PER_SECOND_MIN: usize = MIB;
/// How much later a request is given up that nobody says is over (choice).
pub const ASK_GRACE: Duration = Duration::from_secs(5);
/// After so many of a peer's usual times for an answer it is late, and what it was asked is asked of another
/// as well (choice); at least and at most so long, and so long of one that has not answered anything yet.
pub const LATE_USUAL_TIMES: u64 = 4;
pub const LATE_MIN: Duration = Duration::from_millis(500);
pub const LATE_MAX: Duration = Duration::from_secs(3);
pub const LATE_FIRST: Duration = Duration::from_secs(1);
/// Open sets of one page that are compared at one time, of which all but the newest are late (choice).
pub const COMPARES_MAX: usize = 3;
/// Requests for parts of one page's state at one time (choice: four peers, two each).
pub const FAR_ASKS_MAX: usize = 8;
/// Requests for parts of one page's state at one time that were asked of another before, who is late (choice: on
/// a line that is slow, and not silent, half as much is asked for twice).
pub const FAR_HEDGES_MAX: usize = 4;
/// Parts of a state in one request (choice: with the largest pieces 4 MiB; each answer is made durable by
/// itself, so that few are better).
pub const PARTS_ASKED_MAX: usize = 48;
/// Bytes that answers are counted with before they come, of a page whose rate is limited (N8): a level of a
/// trie with 16 hashes, a statement (a ballot, mostly), and anything else of which nothing is known (choice).
pub const PART_BYTES_LEAST: u32 = 600;
pub const STATEMENT_BYTES_LIKELY: u64 = 400;
pub const OTHER_BYTES_LIKELY: u64 = 1024;
/// In how many steps what a page may take in a second is asked for (choice: within any two seconds no more than a
/// tenth too much comes).
pub const RATE_STEPS: u64 = 10;
/// Bytes of a packet that are no headers, about (RFC 9000, 14.1: every path carries datagrams of 1200 bytes), and what
/// each takes beside them, in both directions: IP and UDP (28), the header, frame and tag of QUIC (some 30), and
/// its acknowledgement, or a part of one (choice, as measured).
pub const PACKET_BYTES: u64 = 1200;
pub const PACKET_BESIDE_BYTES: u64 = 100;
/// Bytes by which a request names a row: an id, or a hash and a path.
pub const ROW_NAMED_BYTES: u64 = 48;
/// Bytes of a part of a state that a page with a limited rate asks for at least (choice: with less, more goes to
/// hashes than to leaves).
pub const PART_BYTES_SLOW_MIN: u32 = 4 * 1024;
/// Peers that are asked at one time where they stand on a page (choice).
pub const STANDINGS_ASKED_MAX: usize = 16;
/// What a peer's credit is at first, and at most (choice; what faults cost stands beside them).
pub const CREDIT_FIRST: u32 = 50;
pub const CREDIT_MAX: u32 = 100;
/// How long a peer without credit is not let in again, and a fault against a rule is held against whoever
/// comes again; how many such are remembered (choice).
pub const SHUNNED_TIME: Duration = Duration::from_secs(3600);
pub const SHUNNED_MAX: usize = 1024;
/// Bytes of notices that are listened to at once, and in a second on the average (choice: a thousand
/// pages at the beginning, and a hundred statements a second after it).
pub const NOTICE_BUDGET_BYTES: u64 = 512 * 1024;
pub const NOTICE_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Pages of which one peer is told, of each pace (choice: 110 kB).
pub const PAGES_TOLD_MAX: usize = 1024;
/// How often a peer is told again where one stands (choice: 7 bytes a minute for each page).
pub const TELL_AGAIN: Duration = Duration::from_secs(900);
/// How often a peer is told again what one's clock shows (choice: 7 bytes a minute).
pub const GREET_AGAIN: Duration = Duration::from_secs(300);
/// By how much a clock has to have changed to be compared again, or to be told of again (choice).
pub const CLOCK_STEP: Duration = Duration::from_secs(60);
/// How often this machine's clock is compared with its ticks while anybody is connected (choice: a clock
/// that was set is noticed before the next round of seals, [`SEAL_LOOK_INTERVAL`](super::SEAL_LOOK_INTERVAL)).
pub const CLOCK_LOOK: Duration = Duration::from_secs(10);
/// How soon a peer that had no room for a notice is told where one stands (choice).
pub const UNTOLD_AGAIN: Duration = Duration::from_secs(5);
/// How often a page is verified that is changed meanwhile (choice).
pub const VERIFY_TRIES: usize = 3;
/// How long two open sets may differ before they are compared: what is under way arrives (choice).
pub const SETTLE_TIME: Duration = Duration::from_secs(2);
/// How often pages are looked at within one event (choice: more than anything needs).
pub const SETTLE_ROUNDS_MAX: usize = 16;
/// Statements of one participant that did not count and wait for what they contradict (choice: 512 KiB of
/// operations).
pub const UNCOUNTED_MAX: usize = 8;
/// Operations and batches with ballots among which it is looked what else a ballot contradicts that is not
/// its voter's newest (choice: a tenth of a millisecond; where there are more, what it says itself and its
/// voter's newest are looked at).
pub const EVIDENCE_ROWS_MAX: usize = 1024;
/// Statements of one page that are known of and lacking: in all, and of one peer (choice).
pub const DUE_MAX: usize = 4096;
pub const DUE_PER_PEER_MAX: usize = 1024;
/// Statements at one seal that a peer may say it has and not give, each once, before that costs it credit (choice:
/// what nodes attest is replaced while it is asked for; more than that at one time is no accident).
pub const DENIED_MAX: usize = 64;
/// Peers remembered for one statement that is lacking (choice).
pub const ANNOUNCERS_MAX: usize = 4;
/// Statements of a page that are put off until its next seal (choice).
pub const LATER_MAX: usize = 4096;
/// How long what was refused is put off without a new seal, at first and at most (choice).
pub const LATER_FIRST: Duration = Duration::from_secs(60);
pub const LATER_RETRY_MAX: Duration = Duration::from_secs(3600);
/// How long a peer is left alone that was of no use for a page, at first and at most (choice).
pub const PAUSE_FIRST: Duration = Duration::from_secs(2);
pub const PAUSE_MAX: Duration = Duration::from_secs(600);
/// How long at most after it did not answer at all (choice: a request a minute costs next to nothing).
pub const PAUSE_SILENT_MAX: Duration = Duration::from_secs(60);
/// How long a peer stays behind until statements pass with it all the same (choice: who can follow a seal
/// has done so by then).
pub const BEHIND_TIME: Duration = Duration::from_secs(10);
/// How often a peer is asked at most what its seals list that are not due (choice).
pub const EARLY_AGAIN: Duration = Duration::from_secs(2);
/// How long a page for which there is no room here waits before it is fetched again, at first and at most
/// (choice: somebody makes room, and what is here needs it meanwhile).
pub const ROOM_WAIT: Duration = Duration::from_secs(60);
pub const ROOM_WAIT_MAX: Duration = Duration::from_secs(3600);
/// Pages that are wanted at one time (choice).
pub const WANTS_MAX: usize = 256;
/// How long a page is sought that was only asked about (choice: nobody waits longer for an answer).
pub const WANT_RESOLVE_TIME: Duration = Duration::from_secs(60);
/// When all peers are asked again for a page that is wanted, at first (choice).
pub const WANT_ASK_FIRST: Duration = Duration::from_secs(5);
/// How long a page that is followed every so often is pulled each time (choice).
pub const PULL_TIME: Duration = Duration::from_secs(300);
/// By how much a clock may differ from those of most peers before that is said (choice: as much as
/// attestations may be ahead, T7).
pub const CLOCK_OFF_MAX: Duration = Duration::from_secs(3600);
/// Bytes of a host's answer about a petition: the signed refusal of one and its envelope.
pub const PETITION_ANSWER_BYTES_MAX: usize = 4 * KIB;

// Discovery on the local network, the address book, wishes.

/// UDP port of the broadcast on the local network (D2; choice: the one after the nodes' own, 31415).
pub const LAN_BROADCAST_PORT: u16 = 31_416;
/// Pauses after each of the first times that a node speaks on it, when it comes and asks (choice: three
/// in two seconds, since a datagram may be lost).
pub const LAN_ASKS: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1600)];
/// How often a node speaks after that, about (choice: 20 bytes in a second).
pub const LAN_TELL_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between two times that a node speaks at least (choice: whoever asks without end gets no more).
pub const LAN_SPEAK_GAP: Duration = Duration::from_millis(400);
/// What an answer waits longer, at most, for each node that is known, so that they do not all answer at
/// one moment (choice).
pub const LAN_ANSWER_SPREAD: Duration = Duration::from_millis(5);
/// The longest that an answer waits for that (choice: two nodes meet within two seconds).
pub const LAN_ANSWER_SPREAD_MAX: Duration = Duration::from_millis(500);
/// How often a node looks whether it is in another network (choice).
pub const LAN_LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Pause after an error of a socket (choice: one that stays keeps no processor busy).
pub const LAN_ERROR_PAUSE: Duration = Duration::from_millis(100);
/// Nodes of the local network that are remembered, for each way of finding them (choice: a large office).
pub const LAN_NEIGHBOURS_MAX: usize = 256;
/// Signatures of beacons from the local network that are checked in a second, for each way (choice: about
/// one hundredth of a processor).
pub const LAN_CHECKED_PER_SECOND_MAX: u64 = 100;
/// Those of one address (choice: a machine has one node, seldom two).
pub const LAN_CHECKED_PER_SOURCE_MAX: u64 = 10;
/// Addresses that are counted by (choice: as many as there are neighbours).
pub const LAN_SOURCES_MAX: usize = 256;
/// How long after it was told of a node is told of again when it is heard (choice: it may have been
/// unreachable for a moment).
pub const LAN_TOLD_AGAIN: Duration = Duration::from_secs(20);
/// Bytes of a beacon in one string of a TXT record: 255 with its name (RFC 6763 section 6.1).
pub const LAN_TXT_PART_BYTES: usize = 250;
/// Records that multicast DNS may remember (choice: six for each of several hundred nodes, and other
/// services).
pub const LAN_CACHED_RECORDS_MAX: i64 = 8192;
/// How long multicast DNS may take to say how many these are (choice).
pub const LAN_ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// How long DNS-SD rests after a flood (choice).
pub const LAN_FLOOD_REST: Duration = Duration::from_secs(60);
/// Nodes that were reached at least once and are remembered (choice: 150 KiB).
pub const BOOK_MET_MAX: usize = 512;
/// Nodes that were only heard of, for each way of finding them (choice).
pub const BOOK_HEARD_MAX: usize = 128;
/// Those that one peer may have told of (choice: a quarter of these).
pub const BOOK_HEARD_PER_TELLER_MAX: usize = 32;
/// Addresses without a key that a person named (choice).
pub const BOOK_PLACES_MAX: usize = 64;
/// Nodes that proved to lie and are remembered (choice: keys cost nothing, addresses do).
pub const BOOK_LIARS_MAX: usize = 1024;
/// Characters of what one of them was caught at (choice: a sentence).
pub const BOOK_LIE_CHARACTERS_MAX: usize = 200;
/// Addresses at which a node was seen, beside those that it signs (choice: two networks of each family).
pub const BOOK_HINTS_MAX: usize = 4;
/// Failures in a row after which a node that was never reached is forgotten (choice: half a minute, and all
/// of its addresses were tried twice; whoever is there is heard of again).
pub const BOOK_FAILURES_MAX: u32 = 4;
/// Addresses at which a node that was never reached is tried at a time (choice: two of each family).
pub const BOOK_ADDRESSES_TRIED_MAX: usize = 4;
/// Nodes that were never reached are tried so many at once, and then one in so long (choice). Anybody can
/// sign beacons with the addresses of somebody who is no node: this bounds what they are sent.
pub const TRIALS_AT_ONCE: u64 = 16;
pub const TRIAL_EVERY: Duration = Duration::from_secs(5);
/// How long a node that could not be reached is left alone, the first time; then twice as long (choice).
pub const BOOK_RETRY_FIRST: Duration = Duration::from_secs(2);
/// A connection that ended sooner was refused, and counts as one that failed (choice).
pub const BOOK_LASTED: Duration = Duration::from_secs(10);
/// The longest that it is left alone (choice: a laptop that wakes up is found within minutes anyway, since
/// it calls).
pub const BOOK_RETRY_MAX: Duration = Duration::from_secs(900);
/// Bytes of the address book as it is kept (choice: all of the above, each with the largest beacon).
pub const BOOK_BYTES_MAX: usize = 2 * MIB;
/// Pages for which somebody wishes to be followed otherwise than usual (choice).
pub const WISHES_MAX: usize = 10_000;
/// How often a page is followed at most, if not live (choice: less is as good as live).
pub const FOLLOW_EVERY_MIN: Duration = Duration::from_secs(10);
/// How often at least, if at all (choice: a year).
pub const FOLLOW_EVERY_MAX: Duration = Duration::from_secs(365 * 86_400);
/// Bytes of a file of this kind (choice: the address book, and room).
pub const NOTE_BYTES_MAX: usize = 4 * MIB;

// Petitions to pages that other nodes host (G13).
/// Hosts of a page that a petition is handed to (choice: those with the most seats).
pub const PETITION_HOSTS_MAX: usize = 8;
/// Petitions to one page that this node keeps to hand them on, decided and expired ones included
/// (choice).
pub const PETITIONS_SENT_MAX: usize = 256;
/// How long after a host did not answer it is tried again, at first and at most (choice): the pause
/// doubles.
pub const PETITION_RETRY: Duration = Duration::from_secs(60);
pub const PETITION_RETRY_MAX: Duration = Duration::from_secs(3600);
/// How often a host that has a petition is asked what became of it (choice: moderators are people).
pub const PETITION_FATE_INTERVAL: Duration = Duration::from_secs(600);
/// How long a host may take for an answer about one (choice: it writes a file).
pub const PETITION_ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether something is to be asked of a host at least, and at most (choice:
/// pages and their hosts change; whoever is woken without end has the rest of the machine to leave
/// room for).
pub const PETITIONS_LOOKED_EVERY: Duration = Duration::from_secs(60);
pub const PETITIONS_REST: Duration = Duration::from_millis(200);
/// The same while a host is being asked, which is due until it answered (choice).
pub const PETITIONS_ASKING_REST: Duration = Duration::from_secs(1);
/// How long a beacon holds that a person asks for, to hand it on or to propose it (choice: so long
/// that paper is of use, and so short that a proposal a month is enough).
pub const BEACON_LIFE: Duration = Duration::from_secs(60 * 24 * 3600);
/// How long before its end a beacon in a page is told of (choice: people vote meanwhile).
pub const BEACON_REMINDED: Duration = Duration::from_secs(14 * 24 * 3600);
/// Letters of a code that fits a character-string of DNS (RFC 1035 section 3.3).
pub const BEACON_RECORD_LETTERS: usize = 255;

/// Complaints about other nodes that the log has one by one, of each kind (choice: whoever reads it sees how
/// it began); then those whose number is a power of two. And kinds that are told apart.
pub const COMPLAINTS_SAID: u64 = 20;
pub const COMPLAINTS_KINDS_MAX: usize = 64;

// Two nodes with one key.
/// For how long what shows it counts, and is told of (choice: they push each other off twice a minute).
pub const DOUBLE_REMEMBERED: Duration = Duration::from_secs(600);
/// How often a node comes back to a place by replacing a connection from another one before it is taken for two
/// (choice: whoever moves comes back once).
pub const DOUBLE_RETURNS: usize = 3;
/// How often peers let go of this node for another with its key before it is taken for two (choice: one may
/// lie).
pub const DOUBLE_PUSHES: usize = 2;
/// Places of one node that are remembered (choice: two nodes, each in IPv4 and IPv6).
pub const DOUBLE_PLACES_MAX: usize = 4;
/// Nodes whose places are remembered (choice: more than are connected mostly).
pub const DOUBLES_WATCHED_MAX: usize = 64;
/// Of them those that are told of (choice: a few lines).
pub const DOUBLES_TOLD: usize = 3;
/// Addresses that this node said that it has, as they are remembered (choice: eight beacons, each another).
pub const DOUBLE_ADDRESSES_MAX: usize = 64;
