//! DNS cookies, the server's side (RFC 7873), in the form that all servers share (RFC 9018).
//!
//! Nobody is refused for want of a cookie: who asks from this machine needs none, and others pass the
//! access list. A cookie protects the client, which sees that an answer comes from whom it asked. Only
//! who asks for nothing but whether a server cookie is good hears that it is not (RFC 7873 section 5.4).
//! Pure: the secret, the time and the client's address are handed in.

use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::limits::{COOKIE_AHEAD_MAX, COOKIE_LIFE, COOKIE_RENEWED_AFTER, COOKIE_SECRET_LIFE};

/// The COOKIE option's code (RFC 7873 section 8).
pub const OPTION: u16 = 10;
/// Bytes of the client's part, and of the server's as it is made here (RFC 9018 section 4).
const CLIENT: usize = 8;
const SERVER: usize = 16;
/// Bytes of the option's data in a response.
pub const ANSWER: usize = CLIENT + SERVER;
/// Bytes of any server's part (RFC 7873 section 4).
const SERVER_BYTES: std::ops::RangeInclusive<usize> = 8..=32;
/// Version of the server's part (RFC 9018 section 4.1).
const VERSION: u8 = 1;

/// What a COOKIE option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    client: [u8; CLIENT],
    server: ServerPart,
}

/// What a client believes that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerPart {
    Absent,
    /// Of the size of those made here.
    Known([u8; SERVER]),
    /// Of another size, and so not from here.
    Foreign,
}

impl Cookie {
    /// Reads the option's data. `None` when its length is wrong, which is a FORMERR (RFC 7873
    /// section 5.2.2).
    pub fn read(data: &[u8]) -> Option<Cookie> {
        let (client, server) = data.split_first_chunk::<CLIENT>()?;
        let server = match server.len() {
            0 => ServerPart::Absent,
            SERVER => ServerPart::Known(server.try_into().ok()?),
            len if SERVER_BYTES.contains(&len) => ServerPart::Foreign,
            _ => return None,
        };
        Some(Cookie { client: *client, server })
    }

    /// Whether the client sent more than its own part.
    pub fn has_server_part(&self) -> bool {
        self.server != ServerPart::Absent
    }
}

/// Makes and recognises the server's part.
#[derive(Clone)]
pub struct Cookies {
    seed: [u8; 16],
    clock: fn() -> u64,
}

impl Cookies {
    /// Cookies by a secret of this process, and a clock that says seconds since 1970.
    pub fn new(seed: [u8; 16], clock: fn() -> u64) -> Cookies {
        Cookies { seed, clock }
    }

    /// The option's data for the response.
    pub fn answer(&self, cookie: &Cookie, client: IpAddr) -> [u8; ANSWER] {
        self.moment().answer(cookie, client)
    }

    /// Whether the server's part was given to this client, not too long ago.
    pub fn knows(&self, cookie: &Cookie, client: IpAddr) -> bool {
        let moment = self.moment();
        age(&|time| moment.secret(time), cookie, client, moment.now).is_some()
    }

    /// Cookies as they are now.
    pub fn moment(&self) -> Moment<'_> {
        // The seconds that a cookie has begin anew in 2106 (RFC 9018 section 4.3).
        let now = (self.clock)() as u32;
        Moment { cookies: self, now, secret: self.secret(now) }
    }

    /// The secret of the day in which a cookie was made: none is used for longer (RFC 7873 section
    /// 7.1), and no two have to be kept.
    fn secret(&self, time: u32) -> [u8; 16] {
        let day = day(time);
        let seed = SipHasher24::new_with_key(&self.seed);
        let half = |which: u8| {
            let mut input = [which; 9];
            input[..8].copy_from_slice(&day.to_be_bytes());
            seed.hash(&input)
        };
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&half(0).to_le_bytes());
        secret[8..].copy_from_slice(&half(1).to_le_bytes());
        secret
    }
}

/// Cookies at one moment, for whoever asks in it: the clock is read and the day's secret made once, and
/// each answer costs a hash or two.
pub struct Moment<'c> {
    cookies: &'c Cookies,
    now: u32,
    /// Of today.
    secret: [u8; 16],
}

impl Moment<'_> {
    /// The option's data for the response.
    pub fn answer(&self, cookie: &Cookie, client: IpAddr) -> [u8; ANSWER] {
        answer(&|time| self.secret(time), cookie, client, self.now)
    }

    /// The secret of the day in which a cookie was made.
    fn secret(&self, time: u32) -> [u8; 16] {
        match day(time) == day(self.now) {
            true => self.secret,
            false => self.cookies.secret(time),
        }
    }
}

fn day(time: u32) -> u64 {
    u64::from(time) / COOKIE_SECRET_LIFE.as_secs()
}

/// The secret of the time at which a cookie was made.
type Secret<'s> = &'s dyn Fn(u32) -> [u8; 16];

/// Seconds since the server's part was made; less than none where clocks differ. `None` when it is not
/// good.
fn age(secret: Secret<'_>, cookie: &Cookie, client: IpAddr, now: u32) -> Option<i64> {
    let ServerPart::Known(server) = &cookie.server else { return None };
    let (head, mac) = server.split_first_chunk::<8>()?;
    let made = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    // Serial arithmetic (RFC 1982).
    let age = i64::from(now.wrapping_sub(made) as i32);
    let good = -(COOKIE_AHEAD_MAX.as_secs() as i64)..=COOKIE_LIFE.as_secs() as i64;
    let expect = || hash(&secret(made), &cookie.client, head, client);
    (head[0] == VERSION && good.contains(&age) && same(&expect(), mac)).then_some(age)
}

/// The client's own cookie while it is good and young, else a new one.
fn answer(secret: Secret<'_>, cookie: &Cookie, client: IpAddr, now: u32) -> [u8; ANSWER] {
    let young = COOKIE_RENEWED_AFTER.as_secs() as i64;
    let server = match cookie.server {
        ServerPart::Known(server)
            if age(secret, cookie, client, now).is_some_and(|age| age <= young) =>
        {
            server
        }
        _ => made(&secret(now), &cookie.client, client, now),
    };
    let mut data = [0; ANSWER];
    data[..CLIENT].copy_from_slice(&cookie.client);
    data[CLIENT..].copy_from_slice(&server);
    data
}

/// A new server's part (RFC 9018 section 4).
fn made(secret: &[u8; 16], cookie: &[u8; CLIENT], client: IpAddr, now: u32) -> [u8; SERVER] {
    let mut head = [VERSION, 0, 0, 0, 0, 0, 0, 0];
    head[4..].copy_from_slice(&now.to_be_bytes());
    let mut server = [0; SERVER];
    server[..8].copy_from_slice(&head);
    server[8..].copy_from_slice(&hash(secret, cookie, &head, client));
    server
}

/// RFC 9018 section 4.4.
fn hash(secret: &[u8; 16], client: &[u8; CLIENT], head: &[u8; 8], address: IpAddr) -> [u8; 8] {
    let mut input = [0; CLIENT + 8 + 16];
    input[..CLIENT].copy_from_slice(client);
    input[CLIENT..16].copy_from_slice(head);
    let len = match address.to_canonical() {
        IpAddr::V4(address) => {
            input[16..20].copy_from_slice(&address.octets());
            20
        }
        IpAddr::V6(address) => {
            input[16..].copy_from_slice(&address.octets());
            32
        }
    };
    SipHasher24::new_with_key(secret).hash(&input[..len]).to_le_bytes()
}

/// Compares in a time that does not tell how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |wrong, (a, b)| wrong | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        HEXLOWER.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    fn ask(secret: &str, sent: &str, client: &str, now: u32) -> String {
        let cookie = Cookie::read(&HEXLOWER.decode(sent.as_bytes()).unwrap()).unwrap();
        let secret = hex(secret);
        HEXLOWER.encode(&answer(&|_| secret, &cookie, client.parse().unwrap(), now))
    }

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const FIRST: &str = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";

    /// RFC 9018 appendix A.
    #[test]
    fn the_vectors_of_the_rfc() {
        let check = |secret: &str, sent: &str, client: &str, now: u32, expect: &str| {
            assert_eq!(ask(secret, sent, client, now), expect, "{sent} from {client}");
        };
        check(SECRET, "2464c4abcf10c957", "198.51.100.100", 1_559_731_985, FIRST);
        check(
            SECRET,
            FIRST,
            "198.51.100.100",
            1_559_734_385,
            "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
        );
        check(
            SECRET,
            "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
            "203.0.113.203",
            1_559_734_700,
            "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
        );
        check(
            "445536bcd2513298075a5d379663c962",
            "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
            "2001:db8:220:1:59de:d0f4:8769:82b8",
            1_559_741_961,
            "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
        );
    }

    #[test]
    fn a_cookie_is_kept_for_half_an_hour_and_only_by_whom_it_was_given_to() {
        let made = 1_559_731_985;
        let kept = |client: &str, now: u32| ask(SECRET, FIRST, client, now) == FIRST;
        assert!(kept("198.51.100.100", made + 1800));
        assert!(!kept("198.51.100.100", made + 1801));
        assert!(kept("198.51.100.100", made - 300));
        assert!(!kept("198.51.100.100", made - 301));
        assert!(!kept("198.51.100.101", made + 1));
        let other = FIRST.replace("1f81", "1f82");
        assert_ne!(ask(SECRET, &other, "198.51.100.100", made + 1), other);
        // Bits that are reserved are hashed as they came (RFC 9018 section 4.2).
        let reserved = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
        assert_eq!(ask(SECRET, reserved, "203.0.113.203", 0x5cf7_8f71), reserved);
    }

    #[test]
    fn lengths_are_the_rfcs() {
        for len in 0..60 {
            let expect = len == 8 || (16..=40).contains(&len);
            assert_eq!(Cookie::read(&vec![7; len]).is_some(), expect, "{len}");
        }
    }

    #[test]
    fn a_day_has_a_secret_and_what_was_made_before_midnight_is_known_after_it() {
        let midnight = 86_400 * 20_000;
        let cookies = Cookies::new([7; 16], || 86_400 * 20_000 + 60);
        assert_ne!(cookies.secret(midnight - 1), cookies.secret(midnight));
        assert_eq!(cookies.secret(midnight), cookies.secret(midnight + 86_399));
        let client = "192.0.2.1".parse().unwrap();
        let before = Cookies::new([7; 16], || 86_400 * 20_000 - 60);
        let fresh = before.answer(&Cookie::read(&[1; 8]).unwrap(), client);
        assert_eq!(cookies.answer(&Cookie::read(&fresh).unwrap(), client), fresh);
        // A moment has the secrets of both days.
        let moment = cookies.moment();
        assert_eq!(moment.answer(&Cookie::read(&fresh).unwrap(), client), fresh);
        assert_eq!(moment.secret(midnight - 1), before.secret(midnight - 1));
        assert_eq!(moment.secret(midnight + 9), cookies.secret(midnight));
    }
}
