//! Messages: every one of them both ways, and what is refused at its limit.

use super::*;

fn id(n: u32) -> Id {
    Id::hash(&[&n.to_be_bytes()])
}

fn ids(count: usize) -> Vec<Id> {
    let mut ids: Vec<Id> = (0..count as u32).map(id).collect();
    ids.sort_unstable();
    ids
}

fn standing(page: Id) -> Standing {
    Standing { page, height: u64::MAX, seal: id(1), open: id(2) }
}

fn standings(count: usize) -> Vec<Standing> {
    ids(count).into_iter().map(standing).collect()
}

fn hello() -> Hello {
    Hello {
        version: VERSION,
        program: "djdns/0.1.0".to_owned(),
        time: 1_800_000_000,
        beacon: vec![Rdata([7; 150].into())],
        seen_as: Address::of("[2001:db8::1]:31415".parse().unwrap()),
    }
}

fn parts(count: usize) -> Parts {
    let part = |key: Id| Part { path: Path::of(&key, 8), hash: id(1), bytes_max: u32::MAX };
    Parts { page: id(0), parts: ids(count).into_iter().map(part).collect() }
}

fn named(count: usize) -> Request {
    Request::Statements(Named { page: id(0), ids: ids(count) })
}

#[track_caller]
fn check_notice(notice: Notice, expect: Result<(), MessageRefusal>) {
    let bytes = notice.encode();
    assert_eq!(Notice::decode(&bytes), expect.map(|()| notice));
}

#[track_caller]
fn check_request(request: Request, expect: Result<(), MessageRefusal>) {
    let bytes = request.encode();
    assert_eq!(Request::decode(&bytes), expect.map(|()| request));
}

fn too_many(rows: usize, max: usize) -> Result<(), MessageRefusal> {
    Err(MessageRefusal::TooManyRows { rows, max })
}

/// N6 accepts: every notice with as many rows as one may have, and it is no longer than a notice.
/// N6 refuses: one row more.
#[test]
fn a_notice_has_a_limit_of_rows() {
    let follow = |count| Notice::Follow(Follow { live: true, standings: standings(count) });
    let news = |count| Notice::News(News { standing: standing(id(9)), ids: ids(count) });
    check_notice(Notice::Hello(hello()), Ok(()));
    for max in [FOLLOW_ROWS_MAX - 1, FOLLOW_ROWS_MAX] {
        check_notice(follow(max), Ok(()));
        check_notice(Notice::Leave(ids(max)), Ok(()));
    }
    let more = FOLLOW_ROWS_MAX + 1;
    check_notice(follow(more), too_many(more, FOLLOW_ROWS_MAX));
    check_notice(Notice::Leave(ids(more)), too_many(more, FOLLOW_ROWS_MAX));
    for max in [0, NEWS_IDS_MAX - 1, NEWS_IDS_MAX] {
        check_notice(news(max), Ok(()));
    }
    check_notice(news(NEWS_IDS_MAX + 1), too_many(NEWS_IDS_MAX + 1, NEWS_IDS_MAX));
}

/// N6 accepts: every request with as many rows as one may have.
/// N6 refuses: one row more, and one that names nothing.
#[test]
fn a_request_has_a_limit_of_rows() {
    for max in [STATEMENTS_IDS_MAX - 1, STATEMENTS_IDS_MAX] {
        check_request(named(max), Ok(()));
    }
    let more = STATEMENTS_IDS_MAX + 1;
    check_request(named(more), too_many(more, STATEMENTS_IDS_MAX));
    check_request(named(0), Err(MessageRefusal::NoRows));
    for max in [SUBTREES_ROWS_MAX - 1, SUBTREES_ROWS_MAX] {
        check_request(Request::Subtrees(parts(max)), Ok(()));
        check_request(Request::Open(parts(max)), Ok(()));
    }
    let more = SUBTREES_ROWS_MAX + 1;
    check_request(Request::Subtrees(parts(more)), too_many(more, SUBTREES_ROWS_MAX));
    check_request(Request::Open(parts(more)), too_many(more, SUBTREES_ROWS_MAX));
    check_request(Request::Standings(ids(FOLLOW_ROWS_MAX)), Ok(()));
    let more = FOLLOW_ROWS_MAX + 1;
    check_request(Request::Standings(ids(more)), too_many(more, FOLLOW_ROWS_MAX));
}

#[test]
fn the_other_requests_travel_as_they_are() {
    let (page, height) = (id(0), 7);
    check_request(Request::Genesis(page), Ok(()));
    check_request(Request::Chain(Above { page, height }), Ok(()));
    check_request(Request::Window(At { page, seal: id(1) }), Ok(()));
    check_request(Request::Seals(Above { page, height }.into()), Ok(()));
    let seals = |count| Request::Seals(Next { page, height, whole: true, batches: ids(count) });
    check_request(seals(SEALS_BATCHES_MAX), Ok(()));
    let more = SEALS_BATCHES_MAX + 1;
    check_request(
        seals(more),
        Err(MessageRefusal::TooManyRows { rows: more, max: SEALS_BATCHES_MAX }),
    );
    check_request(Request::Peers(page), Ok(()));
    check_request(Request::Forks(page), Ok(()));
    check_request(Request::Petition(Rdata([0; PETITION_BYTES_MAX].into())), Ok(()));
    check_request(Request::Fate(Fate { page, petition: id(1) }), Ok(()));
}

/// N6 refuses: bytes past the limit of a message, whatever they are.
#[test]
fn a_message_has_a_limit_of_bytes() {
    let oversize = |len, max| MessageRefusal::Codec(CodecRefusal::Oversize { len, max });
    let long = NOTICE_BYTES_MAX + 1;
    assert_eq!(Notice::decode(&vec![0; long]), Err(oversize(long, NOTICE_BYTES_MAX)));
    let long = REQUEST_BYTES_MAX + 1;
    assert_eq!(Request::decode(&vec![0; long]), Err(oversize(long, REQUEST_BYTES_MAX)));
    let asked = Request::Forks(id(0));
    let long = asked.answer_bytes_max() + 1;
    assert_eq!(asked.read_items(&vec![0; long]), Err(oversize(long, SEAL_BYTES_MAX + 1024)));
}

#[test]
fn rows_in_another_order_are_refused() {
    let mut rows = standings(2);
    rows.reverse();
    let follow = |standings| Notice::Follow(Follow { live: false, standings });
    check_notice(follow(rows), Err(MessageRefusal::NotSorted));
    check_notice(follow(vec![standing(id(1)); 2]), Err(MessageRefusal::NotSorted));
    let mut reversed = ids(2);
    reversed.reverse();
    check_notice(Notice::Leave(reversed.clone()), Err(MessageRefusal::NotSorted));
    check_request(
        Request::Statements(Named { page: id(0), ids: reversed }),
        Err(MessageRefusal::NotSorted),
    );
    let mut parts = parts(2);
    parts.parts.reverse();
    check_request(Request::Open(parts), Err(MessageRefusal::NotSorted));
}

#[test]
fn a_hello_with_odd_fields_is_refused() {
    let check = |change: &dyn Fn(&mut Hello), expect: MessageRefusal| {
        let mut hello = hello();
        change(&mut hello);
        check_notice(Notice::Hello(hello), Err(expect));
    };
    check(&|hello| hello.program = "x".repeat(65), MessageRefusal::Program(65));
    check(
        &|hello| hello.beacon = vec![Rdata([].into()); 2],
        MessageRefusal::TooManyRows { rows: 2, max: 1 },
    );
    check(&|hello| hello.seen_as.ip = Rdata([1; 5].into()), MessageRefusal::Address(5));
}

#[test]
fn an_address_travels_in_its_shortest_form() {
    let check = |text: &str, octets: usize, back: &str| {
        let address = Address::of(text.parse().unwrap());
        assert_eq!(address.ip.0.len(), octets, "{text}");
        assert_eq!(address.read(), Some(back.parse().unwrap()));
    };
    check("192.0.2.1:53", 4, "192.0.2.1:53");
    check("[::ffff:192.0.2.1]:53", 4, "192.0.2.1:53");
    check("[2001:db8::1]:31415", 16, "[2001:db8::1]:31415");
}

/// N6 accepts: as many items as were asked for.
/// N6 refuses: more than were asked for.
#[test]
fn an_answer_has_no_more_items_than_were_asked_for() {
    let asked = Request::Genesis(id(0));
    let items = |count: usize| write_items((0..count).map(|n| vec![n as u8; 9]), 1000);
    let count = |items: Vec<u8>| asked.read_items(&items).map(|items| items.len());
    assert_eq!([0, 1].map(|n| count(items(n))), [Ok(0), Ok(1)]);
    assert_eq!(count(items(2)), Err(MessageRefusal::TooManyItems { found: 2, asked: 1 }));
    let asked = Request::Standings(ids(1));
    let bytes = codec::encode(&standings(2));
    assert!(asked.read_standings(&bytes).is_err());
    assert_eq!(asked.read_standings(&codec::encode(&standings(1))), Ok(standings(1)));
}

#[test]
fn an_answer_takes_as_many_items_as_there_is_room_for_and_one_at_least() {
    let check = |bytes_max: usize, expect: usize| {
        let bytes = write_items((0..4).map(|_| vec![0; 100]), bytes_max);
        let items: Vec<Rdata> = codec::decode(&bytes, 1000).unwrap();
        assert_eq!(items.len(), expect, "{bytes_max}");
        assert!(expect == 1 || bytes.len() <= bytes_max);
    };
    check(0, 1);
    check(109, 1);
    check(5 + 2 * 105 - 1, 1);
    check(5 + 2 * 105, 2);
    check(10_000, 4);
}

#[test]
fn the_largest_answers_fit_their_limits() {
    let asked = Request::Standings(ids(FOLLOW_ROWS_MAX));
    let bytes = codec::encode(&standings(FOLLOW_ROWS_MAX));
    assert!(asked.read_standings(&bytes).is_ok());
    let asked = Request::Open(parts(SUBTREES_ROWS_MAX));
    let part = Rdata([1; OPEN_PIECE_BYTES].into());
    let answer = OpenAnswer { root: id(1), parts: vec![part; SUBTREES_ROWS_MAX] };
    assert_eq!(asked.read_open(&codec::encode(&answer)), Ok(answer));
    let asked = Request::Fate(Fate { page: id(0), petition: id(1) });
    let answer = PetitionAnswer::Refused(Rdata([1; REFUSAL_BYTES_MAX + 200].into()));
    assert_eq!(asked.read_petition(&codec::encode(&answer)), Ok(answer));
}
