//! The OPT of a usual question and of its answer (RFC 6891): without options or with a cookie (RFC 7873)
//! and nothing else.
//!
//! Who makes cookies, and for whom, is not known here.

use super::{EDE_STALE, EDE_STALE_NXDOMAIN, STALE, Writer};
use crate::{
    dns::{
        Rcode,
        cookie::{self, Cookie},
        wire::EDE_OPTION,
    },
    limits::UDP_ANSWER_BYTES_MAX,
};

/// Octets of an OPT without options.
pub(in crate::dns) const OPT: usize = 11;
/// Octets of an extended error before its words.
const EDE_HEAD: usize = 6;
/// Octets of an option before its data.
const OPTION_HEAD: usize = 4;
const DO: u8 = 0x80;

/// A COOKIE option as it is answered with.
pub(in crate::dns) type CookieOption = [u8; OPTION_HEAD + cookie::ANSWER];

/// What the OPT of a question says, and what it is answered with.
#[derive(Clone, Copy)]
pub(in crate::dns) struct Opt {
    pub(super) payload: u16,
    pub(in crate::dns) dnssec_ok: bool,
    /// What was sent.
    pub(in crate::dns) cookie: Option<Cookie>,
    given: Option<CookieOption>,
}

impl Opt {
    /// Reads one that is usual: of version 0 (RFC 6891 section 6.1.3), and nothing comes after it.
    pub(super) fn read(record: &[u8]) -> Option<Opt> {
        let (head, options) = record.split_first_chunk::<OPT>()?;
        let [0, 0, 41, high, low, _, 0, flags, _, len_high, len_low] = *head else { return None };
        if usize::from(u16::from_be_bytes([len_high, len_low])) != options.len() {
            return None;
        }
        let cookie = match options {
            [] => None,
            _ => Some(read_cookie(options)?),
        };
        let payload = u16::from_be_bytes([high, low]);
        Some(Opt { payload, dnssec_ok: flags & DO != 0, cookie, given: None })
    }

    /// Answers with this cookie.
    pub(in crate::dns) fn give(&mut self, data: &[u8; cookie::ANSWER]) {
        let mut option = [0; size_of::<CookieOption>()];
        option[..OPTION_HEAD].copy_from_slice(&COOKIE_HEAD);
        option[OPTION_HEAD..].copy_from_slice(data);
        self.given = Some(option);
    }

    /// The cookie that it is answered with.
    pub(in crate::dns) fn given(&self) -> Option<&CookieOption> {
        self.given.as_ref()
    }

    /// Octets of the OPT in the answer, with this extended error.
    pub(super) fn answer_len(&self, stale: Option<u16>) -> usize {
        OPT + self.options_len(stale)
    }

    fn options_len(&self, stale: Option<u16>) -> usize {
        self.given.map_or(0, |given| given.len()) + stale.map_or(0, |_| EDE_HEAD + STALE.len())
    }
}

/// The one option of an OPT.
fn read_cookie(option: &[u8]) -> Option<Cookie> {
    let (head, data) = option.split_first_chunk::<OPTION_HEAD>()?;
    let len = u16::try_from(data.len()).ok()?;
    (*head == option_head(cookie::OPTION, len)).then(|| Cookie::read(data))?
}

/// What a cookie of an answer begins with.
const COOKIE_HEAD: [u8; OPTION_HEAD] = option_head(cookie::OPTION, cookie::ANSWER as u16);

const fn option_head(code: u16, len: u16) -> [u8; OPTION_HEAD] {
    let ([code_high, code_low], [len_high, len_low]) = (code.to_be_bytes(), len.to_be_bytes());
    [code_high, code_low, len_high, len_low]
}

/// Whether these options of an answer begin with a cookie.
pub(in crate::dns) fn begins_with_cookie(options: &[u8]) -> bool {
    options.len() >= size_of::<CookieOption>() && options.starts_with(&COOKIE_HEAD)
}

/// The extended error of an answer that may be old (RFC 8914).
pub(super) fn stale_code(is_fresh: bool, rcode: Rcode) -> Option<u16> {
    match rcode {
        _ if is_fresh => None,
        Rcode::NXDOMAIN => Some(EDE_STALE_NXDOMAIN),
        _ => Some(EDE_STALE),
    }
}

impl Writer<'_> {
    /// The OPT of the answer: the cookie before the extended error, as elsewhere.
    pub(super) fn opt(&mut self, opt: &Opt, stale: Option<u16>) -> Option<()> {
        let [high, low] = UDP_ANSWER_BYTES_MAX.to_be_bytes();
        self.push(&[0, 0, 41, high, low, 0, 0, u8::from(opt.dnssec_ok) << 7, 0])?;
        self.push(&(opt.options_len(stale) as u16).to_be_bytes())?;
        if let Some(cookie) = &opt.given {
            self.push(cookie)?;
        }
        let Some(code) = stale else { return Some(()) };
        let words = STALE.as_bytes();
        self.push(&option_head(EDE_OPTION, (2 + words.len()) as u16))?;
        self.push(&code.to_be_bytes())?;
        self.push(words)
    }
}
