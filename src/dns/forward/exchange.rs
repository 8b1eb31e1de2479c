//! One question to one upstream: a datagram from a port of its own, and TCP where that is not enough.
//!
//! A response is believed when it comes from the address that was asked, to the port that asked, with
//! the id, and with the question in the very letters that were sent (0x20): whoever guesses must guess
//! all of it. What does not fit is passed over; whoever sends much of that is guessing, and TCP ends it.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::io::Errno;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use super::{
    reply::{self, Asked, Fault, Kept, Response},
    secure::Trouble,
};
use crate::{
    dns::Rcode,
    limits::{FORWARD_MISMATCHES_MAX, SECURE_PADDING_BYTES, UDP_ANSWER_BYTES_MAX},
};

/// Why an upstream gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    #[error("it did not answer in time")]
    Timeout,
    #[error("it cannot be reached: {0}")]
    Io(#[from] io::Error),
    #[error("what it sent: {0}")]
    Fault(#[from] Fault),
    #[error(transparent)]
    Secure(#[from] Trouble),
    /// It says that it cannot or will not.
    #[error("it answers {0}")]
    Refusal(Rcode),
}

impl ExchangeError {
    /// Whether this machine is the trouble, and says nothing about the upstream.
    pub fn is_own(&self) -> bool {
        match self {
            ExchangeError::Io(error) => is_own(error),
            ExchangeError::Secure(trouble) => matches!(trouble, Trouble::Machine(_)),
            _ => false,
        }
    }
}

/// Whether the system has no file, no memory or no address left to connect with.
pub fn is_own(error: &io::Error) -> bool {
    const LACKS: [Errno; 5] =
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
    LACKS.iter().any(|lack| error.raw_os_error() == Some(lack.raw_os_error()))
}

/// What is asked of an upstream, but for the id and the letters' case, which each attempt draws anew.
#[derive(Clone, Debug)]
pub struct Question {
    /// Lower-case wire form of the name, type and class.
    pub raw: Box<[u8]>,
    pub dnssec_ok: bool,
    pub checking_disabled: bool,
}

impl Question {
    /// The message, and what its response must show. `random` are bits that nobody can foresee.
    pub fn ask(&self, random: [u64; 5]) -> (Vec<u8>, Asked) {
        let id = random[0] as u16;
        let mut question = self.raw.to_vec();
        let name = question.len() - 4;
        for (n, letter) in question[..name].iter_mut().enumerate() {
            // Lengths are at most 63, and so no letters.
            if letter.is_ascii_lowercase() && random[1 + n / 64] >> (n % 64) & 1 == 1 {
                letter.make_ascii_uppercase();
            }
        }
        (self.message(id, &question, &[]), Asked { id, question })
    }

    /// The same without OPT, for a server that knows no EDNS (RFC 6891 section 7).
    fn ask_bare(&self, random: [u64; 5]) -> (Vec<u8>, Asked) {
        let (mut message, asked) = self.ask(random);
        message.truncate(HEADER + asked.question.len());
        message[ADDITIONAL_COUNT] = 0;
        (message, asked)
    }

    /// The message and what its response must show, for a connection that nobody else can write into
    /// or read: in plain letters, and as long as others (RFC 8467 section 4.1).
    pub fn padded(&self, id: u16) -> (Vec<u8>, Asked) {
        let question = self.raw.to_vec();
        let bare = HEADER + question.len() + OPT + PADDING_HEAD;
        let padding = bare.next_multiple_of(SECURE_PADDING_BYTES) - bare;
        let [high, low] = (padding as u16).to_be_bytes();
        // Option 12 (RFC 7830 section 3).
        let option = [&[0, 12, high, low][..], &vec![0; padding]].concat();
        (self.message(id, &question, &option), Asked { id, question })
    }

    fn message(&self, id: u16, question: &[u8], options: &[u8]) -> Vec<u8> {
        // RD; AD asks to be told whether it was validated (RFC 6840 section 5.7).
        let flags = [0x01, 0x20 | u8::from(self.checking_disabled) << 4];
        let mut message = id.to_be_bytes().to_vec();
        message.extend_from_slice(&flags);
        message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        message.extend_from_slice(question);
        // OPT: how much fits a datagram, and DO.
        message.extend_from_slice(&[0, 0, 41]);
        message.extend_from_slice(&UDP_ANSWER_BYTES_MAX.to_be_bytes());
        message.extend_from_slice(&[0, 0, u8::from(self.dnssec_ok) << 7, 0]);
        message.extend_from_slice(&(options.len() as u16).to_be_bytes());
        message.extend_from_slice(options);
        message
    }
}

/// Octets of a message's header, of an OPT without options, and of an option without content.
const HEADER: usize = 12;
/// Where the header says how many records are additional: the lower octet.
const ADDITIONAL_COUNT: usize = 11;
const OPT: usize = 11;
const PADDING_HEAD: usize = 4;

/// Reads a response that came over a connection. Who answers there heard the question: it may write
/// it in its own letters, and has no reason to cut it short.
///
/// # Errors
/// [`Fault`].
pub fn heard(response: &mut [u8], asked: &Asked) -> Result<Kept, Fault> {
    if let Some(question) = response.get_mut(HEADER..HEADER + asked.question.len())
        && question.eq_ignore_ascii_case(&asked.question)
    {
        question.copy_from_slice(&asked.question);
    }
    match reply::read(response, asked)? {
        Response::Whole(kept) => Ok(kept),
        Response::Truncated => Err(Fault::Malformed),
    }
}

/// An upstream that is asked plainly.
#[derive(Debug)]
pub struct Plain {
    server: SocketAddr,
    /// It was found to answer only what is asked without EDNS: remembered, so that not every question
    /// is asked twice.
    is_bare: AtomicBool,
}

impl Plain {
    /// One of which nothing is known yet.
    pub fn new(server: SocketAddr) -> Plain {
        Plain { server, is_bare: AtomicBool::new(false) }
    }

    /// Asks, by datagram first; `draw` gives bits that nobody can foresee. A server that takes EDNS for
    /// a fault is asked once more without (RFC 6891 section 7): DO and AD then are not to be had.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn ask(&self, question: &Question, draw: Draw<'_>) -> Result<Kept, ExchangeError> {
        if self.is_bare.load(Ordering::Relaxed) {
            return self.exchange(|| question.ask_bare(draw())).await;
        }
        let kept = self.exchange(|| question.ask(draw())).await?;
        if !NO_EDNS.contains(&kept.rcode) {
            return Ok(kept);
        }
        let bare = self.exchange(|| question.ask_bare(draw())).await?;
        self.is_bare.fetch_or(bare.is_answer(), Ordering::Relaxed);
        Ok(bare)
    }

    async fn exchange(&self, ask: impl Fn() -> (Vec<u8>, Asked)) -> Result<Kept, ExchangeError> {
        let (message, asked) = ask();
        if let Some(kept) = over_udp(self.server, &message, &asked).await? {
            return Ok(kept);
        }
        let (message, asked) = ask();
        over_tcp(self.server, &message, &asked).await
    }
}

/// Gives bits that nobody can foresee.
type Draw<'a> = &'a (dyn Fn() -> [u64; 5] + Send + Sync);

/// How servers answer that do not know EDNS, or not this version of it.
const NO_EDNS: [Rcode; 3] = [Rcode::FORMERR, Rcode::NOTIMP, Rcode::BADVERS];

/// The answer of a server that understood so little of the message that it repeats no question: no
/// more than its code, which is believed only where another message is asked for it.
fn bare_refusal(response: &[u8], asked: &Asked) -> Option<Kept> {
    let header = response.first_chunk::<HEADER>()?;
    let is_response = header[2] & 0x80 != 0 && header[..2] == asked.id.to_be_bytes();
    let has_no_question = header[4..6] == [0, 0];
    let rcode = Rcode(u16::from(header[3] & 0x0f));
    let is_it = is_response && has_no_question && NO_EDNS.contains(&rcode);
    is_it.then(|| Kept { rcode, ..Kept::default() })
}

/// Bytes of a datagram that are read: more than upstreams are told to send ([`UDP_ANSWER_BYTES_MAX`]).
/// What fills them may have been cut, and is asked for over TCP.
const DATAGRAM_BYTES: usize = 4096;

/// `None` when TCP is to be used.
async fn over_udp(
    server: SocketAddr,
    message: &[u8],
    asked: &Asked,
) -> Result<Option<Kept>, ExchangeError> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    // The system chooses a port at random. Connected, it takes nothing from anybody else.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    for _ in 0..FORWARD_MISMATCHES_MAX {
        let len = socket.recv(&mut buffer).await?;
        if len == buffer.len() {
            return Ok(None);
        }
        if let Some(refusal) = bare_refusal(&buffer[..len], asked) {
            return Ok(Some(refusal));
        }
        match reply::read(&mut buffer[..len], asked) {
            Ok(Response::Whole(kept)) => return Ok(Some(kept)),
            Ok(Response::Truncated) => return Ok(None),
            // Over TCP letters need not tell a response from a guess.
            Err(Fault::OtherCase) => return Ok(None),
            Err(fault @ Fault::Referral) => return Err(fault.into()),
            // The true one may still come.
            Err(_) => {}
        }
    }
    Ok(None)
}

async fn over_tcp(
    server: SocketAddr,
    message: &[u8],
    asked: &Asked,
) -> Result<Kept, ExchangeError> {
    let mut stream = TcpStream::connect(server).await?;
    let framed = [&(message.len() as u16).to_be_bytes()[..], message].concat();
    stream.write_all(&framed).await?;
    let len = stream.read_u16().await?;
    let mut response = vec![0; usize::from(len)];
    stream.read_exact(&mut response).await?;
    if let Some(refusal) = bare_refusal(&response, asked) {
        return Ok(refusal);
    }
    Ok(heard(&mut response, asked)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_random_letters_and_id_and_says_what_it_wants() {
        let raw = Box::from(*b"\x03www\x07example\0\0\x01\0\x01");
        let question = Question { raw, dnssec_ok: true, checking_disabled: true };
        let (message, asked) = question.ask([0xabcd, 0b1010, 0, 0, 0]);
        assert_eq!(asked.id, 0xabcd);
        assert_eq!(asked.question, b"\x03WwW\x07example\0\0\x01\0\x01");
        assert_eq!(&message[..4], [0xab, 0xcd, 0x01, 0x30]);
        assert_eq!(&message[12..29], asked.question);
        assert_eq!(&message[29..], [0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
        let plain = Question { dnssec_ok: false, checking_disabled: false, ..question };
        let (message, _) = plain.ask([0; 5]);
        assert_eq!((message[3], message[36]), (0x20, 0));
    }

    #[test]
    fn what_this_machine_lacks_is_not_the_fault_of_an_upstream() {
        let check = |errno: Errno, expect: bool| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(ExchangeError::Io(error).is_own(), expect, "{errno}");
        };
        check(Errno::MFILE, true);
        check(Errno::NFILE, true);
        check(Errno::NOBUFS, true);
        check(Errno::NOMEM, true);
        check(Errno::ADDRNOTAVAIL, true);
        check(Errno::CONNREFUSED, false);
        check(Errno::NETUNREACH, false);
        assert!(ExchangeError::Secure(Trouble::Machine(String::new())).is_own());
        assert!(!ExchangeError::Secure(Trouble::Silence).is_own());
    }

    #[test]
    fn a_bare_question_ends_with_itself_and_a_bare_refusal_is_one_of_its_id() {
        let raw = Box::from(*b"\x03www\x07example\0\0\x01\0\x01");
        let question = Question { raw, dnssec_ok: true, checking_disabled: false };
        let (message, asked) = question.ask_bare([7; 5]);
        assert_eq!(message[4..12], [0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(message[12..], asked.question);
        let check = |header: [u8; 6], expect: Option<Rcode>| {
            let response = [&header[..], &[0; 6]].concat();
            assert_eq!(bare_refusal(&response, &asked).map(|kept| kept.rcode), expect);
        };
        check([0, 7, 0x81, 1, 0, 0], Some(Rcode::FORMERR));
        check([0, 7, 0x81, 4, 0, 0], Some(Rcode::NOTIMP));
        check([0, 7, 0x81, 2, 0, 0], None);
        check([0, 8, 0x81, 1, 0, 0], None);
        check([0, 7, 0x01, 1, 0, 0], None);
        check([0, 7, 0x81, 1, 0, 1], None);
    }

    #[test]
    fn padded_questions_are_as_long_as_each_other() {
        let check = |name: &[u8], expect: usize| {
            let raw = [name, &[0, 0, 1, 0, 1]].concat().into();
            let question = Question { raw, dnssec_ok: false, checking_disabled: false };
            let (message, asked) = question.padded(7);
            assert_eq!((message.len(), asked.id), (expect, 7));
            let opt = &message[12 + question.raw.len()..];
            let option = usize::from(u16::from_be_bytes([opt[9], opt[10]]));
            assert_eq!((opt.len() - 11, opt[11..13].to_vec()), (option, vec![0, 12]));
            assert_eq!(option - 4, usize::from(u16::from_be_bytes([opt[13], opt[14]])));
        };
        check(b"\x01a", 128);
        check(b"\x03www\x07example", 128);
        check(&[&[50; 51][..], &[43; 44]].concat(), 128);
        check(&[&[50; 51][..], &[44; 45]].concat(), 128);
        check(&[&[50; 51][..], &[45; 46]].concat(), 256);
    }
}
