//! Walks over the octets of record data, field by field, refusing what does not fit its kind.

use super::{Fault, apl, loc, params, schema::Kind, track};
use crate::{
    key::PublicKey,
    limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX},
    page::name::NameRefusal,
};

/// Reads one record's data from its first octet to its last.
pub(super) struct Reader<'a> {
    rdata: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(rdata: &'a [u8]) -> Reader<'a> {
        Reader { rdata, at: 0 }
    }

    /// Octets not yet taken.
    pub fn rest(&self) -> usize {
        self.rdata.len() - self.at
    }

    /// Takes one field, checked.
    pub fn take(&mut self, kind: &Kind) -> Result<&'a [u8], Fault> {
        match kind {
            Kind::U8 => self.octets(1),
            Kind::U16 | Kind::Type => self.octets(2),
            Kind::U32 | Kind::Span | Kind::Time | Kind::Ipv4 => self.octets(4),
            Kind::Ipv6 => self.octets(16),
            Kind::Word(width, _) => self.octets(*width),
            Kind::Eui(len) | Kind::Fixed(len) => self.octets(*len),
            Kind::Name => self.name(),
            Kind::Names => self.names(),
            Kind::Text => self.text(),
            Kind::Texts(least, most) => self.texts(*least, *most),
            Kind::Utf8Texts(least, most) => self.utf8_texts(*least, *most),
            Kind::DidKey => self.did_key(),
            Kind::Substitution => {
                let counted = self.text()?;
                check_substitution(&counted[1..]).map(|()| counted)
            }
            Kind::LongText | Kind::Opaque => Ok(self.all()),
            Kind::Tag => self.tag(),
            Kind::Hex => self.at_least(1),
            Kind::Base64(least) => self.at_least(*least),
            Kind::Digest(least, lengths) => self.digest(*least, lengths),
            Kind::Salt => self.counted(),
            Kind::Base32 => self.counted().and_then(|hash| match hash {
                [] | [_] => Err(Fault::Empty),
                hash => Ok(hash),
            }),
            Kind::Types => self.whole(check_types),
            Kind::Location => loc::check(self.octets(16)?),
            Kind::Prefixes => self.whole(apl::check),
            Kind::Params => self.whole(params::check),
            Kind::Gateway => self.gateway(),
            Kind::Relay => self.relay(),
            Kind::Hip => self.host_identity(),
            Kind::Track => self.whole(track::check),
        }
    }

    /// All that is left.
    fn all(&mut self) -> &'a [u8] {
        let rest = &self.rdata[self.at..];
        self.at = self.rdata.len();
        rest
    }

    /// All that is left, which `check` must accept.
    fn whole(&mut self, check: impl Fn(&[u8]) -> Result<(), Fault>) -> Result<&'a [u8], Fault> {
        let rest = self.all();
        check(rest).map(|()| rest)
    }

    fn at_least(&mut self, least: usize) -> Result<&'a [u8], Fault> {
        if self.rest() < least { Err(Fault::Empty) } else { Ok(self.all()) }
    }

    fn octets(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.rdata[self.at..];
        let taken = rest.get(..len).ok_or(match rest {
            [] => Fault::Missing,
            _ => Fault::Truncated,
        })?;
        self.at += len;
        Ok(taken)
    }

    /// A length octet and that many octets, the length included in what is returned.
    fn counted(&mut self) -> Result<&'a [u8], Fault> {
        let len = *self.rdata.get(self.at).ok_or(Fault::Missing)?;
        self.octets(1 + usize::from(len))
    }

    fn text(&mut self) -> Result<&'a [u8], Fault> {
        self.counted()
    }

    fn texts(&mut self, least: usize, most: usize) -> Result<&'a [u8], Fault> {
        let start = self.at;
        let mut have = 0;
        while self.rest() > 0 {
            self.text()?;
            have += 1;
        }
        if have < least {
            return Err(Fault::TooFewStrings { have, least });
        }
        if have > most {
            return Err(Fault::TooManyStrings);
        }
        Ok(&self.rdata[start..])
    }

    fn utf8_texts(&mut self, least: usize, most: usize) -> Result<&'a [u8], Fault> {
        let all = self.texts(least, most)?;
        let valid = strings(all).all(|text| str::from_utf8(text).is_ok());
        if valid { Ok(all) } else { Err(Fault::NotUtf8) }
    }

    fn did_key(&mut self) -> Result<&'a [u8], Fault> {
        let counted = self.text()?;
        let text = str::from_utf8(&counted[1..]).map_err(|_| Fault::NotUtf8)?;
        PublicKey::parse(text)?;
        Ok(counted)
    }

    fn tag(&mut self) -> Result<&'a [u8], Fault> {
        let counted = self.counted()?;
        let tag = &counted[1..];
        let valid = !tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric);
        if valid { Ok(counted) } else { Err(Fault::Tag) }
    }

    fn digest(&mut self, least: usize, lengths: &[(u8, usize)]) -> Result<&'a [u8], Fault> {
        let which = self.at.checked_sub(1).map(|at| self.rdata[at]);
        let octets = self.at_least(1)?;
        let have = octets.len();
        match lengths.iter().find(|(number, _)| Some(*number) == which) {
            Some((_, expect)) if have != *expect => {
                Err(Fault::DigestLength { have, expect: *expect })
            }
            None if have < least => Err(Fault::DigestTooShort { have, least }),
            _ => Ok(octets),
        }
    }

    fn name(&mut self) -> Result<&'a [u8], Fault> {
        let rest = &self.rdata[self.at..];
        if rest.is_empty() {
            return Err(Fault::Missing);
        }
        let len = name_len(rest)?;
        self.at += len;
        Ok(&rest[..len])
    }

    fn names(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        while self.rest() > 0 {
            self.name()?;
        }
        Ok(&self.rdata[start..])
    }

    /// A key of no octets means that there is none, and so says algorithm 0 (RFC 4025 2.4).
    fn gateway(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        let head = self.octets(2)?;
        self.address(head[0])?;
        if self.all().is_empty() && head[1] != 0 {
            return Err(Fault::Truncated);
        }
        Ok(&self.rdata[start..])
    }

    /// The uppermost bit says "discovery may be skipped"; the others are the kind.
    fn relay(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        let head = self.octets(1)?;
        self.address(head[0] & 0x7f)?;
        Ok(&self.rdata[start..self.at])
    }

    /// Nothing, an IPv4 address, an IPv6 address or a name, as the number before says.
    fn address(&mut self, kind: u8) -> Result<(), Fault> {
        match kind {
            0 => Ok(()),
            1 => self.octets(4).map(drop),
            2 => self.octets(16).map(drop),
            3 => self.name().map(drop),
            _ => Err(Fault::Gateway(kind)),
        }
    }

    fn host_identity(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        let head = self.octets(4)?;
        let key = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[0] == 0 || key == 0 {
            return Err(Fault::InnerLength);
        }
        self.octets(usize::from(head[0]) + key)?;
        Ok(&self.rdata[start..self.at])
    }
}

/// The character-strings in octets that were checked to consist of them.
pub(super) fn strings(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&len, rest) = octets.split_first()?;
        let (text, rest) = rest.split_at_checked(usize::from(len))?;
        octets = rest;
        Some(text)
    })
}

/// How many octets the uncompressed name at the start of `octets` has.
pub(super) fn name_len(octets: &[u8]) -> Result<usize, NameRefusal> {
    let mut at = 0;
    loop {
        match usize::from(*octets.get(at).ok_or(NameRefusal::Truncated)?) {
            0 if at >= NAME_BYTES_MAX => return Err(NameRefusal::NameTooLong),
            0 => return Ok(at + 1),
            len if len >= 0xc0 => return Err(NameRefusal::Pointer),
            len if len > LABEL_BYTES_MAX => return Err(NameRefusal::LabelTooLong(len)),
            len => at += 1 + len,
        }
    }
}

/// Blocks in ascending order, each without octets that say nothing (RFC 4034 section 4.1.2).
fn check_types(mut octets: &[u8]) -> Result<(), Fault> {
    let mut next = 0u16;
    while let [window, len, rest @ ..] = octets {
        let bitmap = rest.get(..usize::from(*len)).ok_or(Fault::TypeBitmap)?;
        let ends = matches!(bitmap, [.., last] if *last != 0 && bitmap.len() <= 32);
        if u16::from(*window) < next || !ends {
            return Err(Fault::TypeBitmap);
        }
        next = u16::from(*window) + 1;
        octets = &rest[bitmap.len()..];
    }
    if octets.is_empty() { Ok(()) } else { Err(Fault::TypeBitmap) }
}

/// `delimiter expression delimiter replacement delimiter flags` (RFC 3402 section 3.2). Whether
/// the expression in the middle is a good POSIX one is for those who apply it.
fn check_substitution(text: &[u8]) -> Result<(), Fault> {
    let Some((&delimiter, rest)) = text.split_first() else {
        return Ok(());
    };
    if delimiter.is_ascii_digit() || matches!(delimiter, 0 | b'\\' | b'i') {
        return Err(Fault::Substitution);
    }
    let (mut delimiters, mut groups, mut escaped) = (0, 0, false);
    for (i, byte) in rest.iter().enumerate() {
        match byte {
            0 => return Err(Fault::Substitution),
            b'0'..=b'9' if escaped && delimiters == 1 && !(1..=groups).contains(&(byte - b'0')) => {
                return Err(Fault::Substitution);
            }
            _ if escaped => {}
            b'(' if delimiters == 0 => groups = (groups + 1).min(9),
            byte if *byte == delimiter => delimiters += 1,
            _ => {}
        }
        escaped = !escaped && *byte == b'\\';
        if delimiters == 2 {
            let flags = &rest[i + 1..];
            let sound = rest[0] != delimiter && flags.iter().all(|flag| *flag == b'i');
            return if sound { Ok(()) } else { Err(Fault::Substitution) };
        }
    }
    Err(Fault::Substitution)
}
