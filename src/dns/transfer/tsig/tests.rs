//! Signatures: those of another program, each fault by its number, and answers of many messages.

use super::*;

/// Requests that `dig` 9.18 made, for the SOA of `ct.`, by the key [`key`] at [`THEN`].
const DIG: [(Algorithm, &str); 3] = [
    (
        Algorithm::Sha256,
        "ff8401200001000000000002026374000006000100002904d0000000000000066d6972726f720000fa00ff00000000\
         003d0b686d61632d7368613235360000006b07beb0012c0020b2789d4af5372e56dbd572ec42552bdf3fc3d92aef81\
         b44f66ae276b6d3980d5ff8400000000",
    ),
    (
        Algorithm::Sha384,
        "8c6e01200001000000000002026374000006000100002904d0000000000000066d6972726f720000fa00ff00000000\
         004d0b686d61632d7368613338340000006b07beb0012c0030ec33d14b3d7d035f9786373448ca37e782dd914130f3\
         51e97c4aceff862a7adb94b2b2c6812ddd5b006e62cbe53d559c8c6e00000000",
    ),
    (
        Algorithm::Sha512,
        "d02a01200001000000000002026374000006000100002904d0000000000000066d6972726f720000fa00ff00000000\
         005d0b686d61632d7368613531320000006b07beb0012c00404bd8773f09e7d848861ffe95c775e295ee8d27bc0732\
         b042239e9ee5ad24d7d7f958c14de335675744c0bb78e9638b69a25f167815edea4e8cc1974b8080bbf9d02a000000\
         00",
    ),
];
const THEN: u64 = 1_795_669_680;

fn key(algorithm: Algorithm) -> Key {
    let secret: Vec<u8> = (0..32).collect();
    Key::new(Name::parse("mirror").unwrap(), algorithm, &secret).unwrap()
}

fn dig(n: usize) -> (Key, Vec<u8>) {
    let (algorithm, hex) = DIG[n];
    (key(algorithm), data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap())
}

fn signed(message: &[u8]) -> Signed {
    take(message).unwrap().unwrap()
}

#[test]
fn what_another_program_signed_is_checked_and_signed_again_the_same() {
    for n in 0..DIG.len() {
        let (key, bytes) = dig(n);
        let read = signed(&bytes);
        assert_eq!(read.check(&key, &[], THEN), Ok(()));
        let mut again = read.message.clone();
        Signer::of_request(Arc::new(key)).sign(&mut again, THEN);
        assert_eq!(again, bytes);
    }
}

#[test]
fn each_fault_has_its_number() {
    let (good, bytes) = dig(0);
    let named = |name: &str| Key { name: Name::parse(name).unwrap(), ..good.clone() };
    let check = |key: &Key, now: u64, change: &dyn Fn(&mut Signed), expect: Result<(), Fault>| {
        let mut signed = signed(&bytes);
        change(&mut signed);
        assert_eq!(signed.check(key, &[], now), expect);
    };
    let same = |_: &mut Signed| {};
    check(&good, THEN, &same, Ok(()));
    check(&named("MIRROR"), THEN, &same, Ok(()));
    check(&named("other"), THEN, &same, Err(Fault::BadKey));
    check(&key(Algorithm::Sha512), THEN, &same, Err(Fault::BadKey));
    check(
        &Key { secret: vec![9; 32].into(), ..good.clone() },
        THEN,
        &same,
        Err(Fault::BadSignature),
    );
    check(&good, THEN + 300, &same, Ok(()));
    check(&good, THEN - 300, &same, Ok(()));
    check(&good, THEN + 301, &same, Err(Fault::BadTime));
    check(&good, THEN - 301, &same, Err(Fault::BadTime));
    check(&good, 0, &|signed| signed.record.time += 1, Err(Fault::BadSignature));
    check(&good, THEN, &|signed| signed.message[20] ^= 1, Err(Fault::BadSignature));
    check(&good, THEN, &|signed| signed.record.error = 1, Err(Fault::BadSignature));
    check(&good, THEN, &|signed| signed.record.other.push(1), Err(Fault::BadSignature));
    // A server in between gave it another id.
    check(&good, THEN, &|signed| signed.message[0] ^= 1, Ok(()));
    check(&good, THEN, &|signed| signed.record.mac[31] ^= 1, Err(Fault::BadSignature));
    check(&good, THEN, &|signed| signed.record.mac.truncate(31), Err(Fault::BadTruncation));
    check(&good, THEN, &|signed| signed.record.mac.truncate(16), Err(Fault::BadTruncation));
    check(&good, THEN, &|signed| signed.record.mac.truncate(15), Err(Fault::Form));
    check(&good, THEN, &|signed| signed.record.mac.push(0), Err(Fault::Form));
    check(&good, THEN, &|signed| signed.record.mac.clear(), Err(Fault::Form));
}

#[test]
fn a_signature_is_the_last_record_and_whole() {
    let (_, bytes) = dig(0);
    let check = |message: &[u8], expect: Result<bool, Malformed>| {
        assert_eq!(take(message).map(|signed| signed.is_some()), expect, "{message:02x?}");
    };
    check(&bytes, Ok(true));
    check(&signed(&bytes).message, Ok(false));
    for len in 0..bytes.len() {
        check(&bytes[..len], Err(Malformed));
    }
    check(&[&bytes[..], &[0]].concat(), Err(Malformed));
    let mut other = bytes.clone();
    // The class of the signature, and a length in it.
    let class = bytes.len() - 61 - 10 + 3;
    other[class] ^= 1;
    check(&other, Err(Malformed));
    let mut twice = [&bytes[..], &bytes[bytes.len() - 79..]].concat();
    twice[ARCOUNT + 1] += 1;
    check(&twice, Err(Malformed));
    // In another section than the last.
    let mut early = bytes.clone();
    (early[7], early[ARCOUNT + 1]) = (2, 0);
    check(&early, Err(Malformed));
}

#[test]
fn the_name_of_a_key_may_be_a_pointer_and_no_circle() {
    let (_, bytes) = dig(0);
    let begin = bytes.len() - 79;
    let with_owner = |owner: &[u8]| [&bytes[..begin], owner, &bytes[begin + 8..]].concat();
    assert_eq!(signed(&with_owner(&[0xc0, 12])).record.key, b"\x02ct\0");
    assert_eq!(signed(&with_owner(b"\x01X\xc0\x0c")).record.key, b"\x01x\x02ct\0");
    let here = begin as u8;
    for owner in [&[0xc0, here][..], &[0xc0, here + 2], &[1, b'x', 0xc0, here], &[0xff, 0xff]] {
        assert_eq!(take(&with_owner(owner)), Err(Malformed), "{owner:02x?}");
    }
}

/// The checks of a client: that of the first message by the request's MAC, and those of the others by the
/// MAC before, and by the time alone (RFC 8945 section 5.3.1).
#[test]
fn each_message_of_an_answer_is_signed_with_the_one_before() {
    let (key, request) = dig(0);
    let (key, request) = (Arc::new(key), signed(&request));
    let mut signer = request.signer(key.clone());
    let mut answers = [vec![1; 12], vec![2; 12], vec![3; 12]];
    answers.iter_mut().for_each(|answer| answer[4..].fill(0));
    let octets = signer.octets();
    for answer in &mut answers {
        let before = answer.len();
        signer.sign(answer, THEN);
        assert_eq!(answer.len(), before + octets);
    }
    let first = signed(&answers[0]);
    assert_eq!(first.check(&key, &request.record.mac, THEN), Ok(()));
    let mut before = first.record.mac;
    for answer in &answers[1..] {
        let Signed { message, record } = signed(answer);
        let len = (before.len() as u16).to_be_bytes();
        assert_eq!(record.mac, key.mac(&[&len, &before, &message, &record.timers()]));
        before = record.mac;
    }
}

#[test]
fn an_answer_says_what_was_wrong_with_the_signature_of_the_request() {
    let (key, request) = dig(0);
    let request = signed(&request);
    let check = |fault: Fault, error: u16, mac: usize, other: &[u8]| {
        let mut answer = vec![0; 12];
        request.refuse(fault, &key, THEN + 1000, &mut answer);
        let record = signed(&answer).record;
        assert_eq!((record.error, record.mac.len(), &record.other[..]), (error, mac, other));
        assert!(answer.len() <= 12 + request.octets());
        if mac > 0 {
            // By the clock of who asked where that is wrong.
            let now = if fault == Fault::BadTime { THEN } else { THEN + 1000 };
            let read = signed(&answer);
            assert_eq!(read.check(&key, &request.record.mac, now), Ok(()));
        }
    };
    check(Fault::BadSignature, 16, 0, &[]);
    check(Fault::BadKey, 17, 0, &[]);
    check(Fault::BadTime, 18, 32, &(THEN + 1000).to_be_bytes()[2..]);
    check(Fault::BadTruncation, 22, 32, &[]);
    let mut answer = vec![0; 12];
    request.refuse(Fault::Form, &key, THEN, &mut answer);
    assert_eq!(answer.len(), 12);
}

#[test]
fn a_secret_is_long_enough_and_not_endless() {
    let check = |len: usize, expect: bool| {
        let key = Key::new(Name::root(), Algorithm::Sha256, &vec![1; len]);
        assert_eq!(key.is_ok(), expect, "{len}");
    };
    check(TSIG_SECRET_BYTES_MIN - 1, false);
    check(TSIG_SECRET_BYTES_MIN, true);
    check(TSIG_SECRET_BYTES_MAX, true);
    check(TSIG_SECRET_BYTES_MAX + 1, false);
    let key = Key::new(Name::parse("k").unwrap(), Algorithm::Sha384, &[1; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "Key(k., hmac-sha384)");
}
