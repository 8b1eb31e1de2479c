//! Domain names: absolute page names and owner names relative to a page (P6, P7, P8).
//!
//! Both are kept in lower-case wire form (RFC 1035 section 3.1, RFC 4343), because that is what
//! is hashed and compared. The case that a person typed survives only where DNS says so: in the
//! question. Nothing here knows about records.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{LABEL_BYTES_MAX, NAME_BYTES_MAX};

/// Why a text or bytes are no domain name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    #[error("a label is empty")]
    EmptyLabel,
    #[error("a label of {0} octets is longer than {LABEL_BYTES_MAX}")]
    LabelTooLong(usize),
    #[error("the name is longer than {NAME_BYTES_MAX} octets")]
    NameTooLong,
    #[error("`\\` needs a character or three digits up to 255 after it")]
    BadEscape,
    #[error("`{0}` is not ASCII: write its A-label (`{1}`)")]
    NotAscii(String, String),
    #[error("the name ends in the middle of a label")]
    Truncated,
    #[error("compression pointers are not used here")]
    Pointer,
    #[error("an upper-case letter stands where only lower case is kept")]
    UpperCase,
    #[error("`{0}` is not below `{1}`")]
    NotBelow(String, String),
}

/// An absolute domain name in lower-case wire form, the root's zero octet included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

/// An owner name relative to its page: labels in lower-case wire form, no final zero octet.
/// The page's apex is the empty owner.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Owner(Box<[u8]>);

impl Name {
    /// The root, `.`.
    pub fn root() -> Name {
        Name(Box::new([0]))
    }

    /// Reads presentation form (RFC 1035 section 5.1); a missing final dot is understood.
    ///
    /// # Errors
    /// Any [`NameRefusal`].
    pub fn parse(text: &str) -> Result<Name, NameRefusal> {
        if text.is_empty() {
            return Err(NameRefusal::EmptyLabel);
        }
        let mut wire = parse_labels(text.strip_suffix('.').unwrap_or(text))?;
        wire.push(0);
        Name::from_wire(&wire)
    }

    /// Takes an uncompressed wire form of any case, lowering it.
    ///
    /// # Errors
    /// Any [`NameRefusal`]; exactly the whole of `wire` must be the name.
    pub fn from_wire(wire: &[u8]) -> Result<Name, NameRefusal> {
        let (0, labels) = wire.split_last().ok_or(NameRefusal::Truncated)? else {
            return Err(NameRefusal::Truncated);
        };
        check_labels(labels, NAME_BYTES_MAX - 1)?;
        Ok(Name(lower_labels(wire)))
    }

    /// The wire form, with the final zero octet.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The labels, leftmost first, without the root's.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        label_offsets(&self.0[..self.0.len() - 1]).into_iter().map(|at| label_at(&self.0, at))
    }

    /// The name without its leftmost label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        (!self.is_root()).then(|| Name(self.0[1 + usize::from(self.0[0])..].into()))
    }

    /// Whether `self` is `other` or below it.
    pub fn is_at_or_below(&self, other: &Name) -> bool {
        self.relative_to(other).is_ok()
    }

    /// The owner name that `self` has in the page `page`.
    ///
    /// # Errors
    /// [`NameRefusal::NotBelow`].
    pub fn relative_to(&self, page: &Name) -> Result<Owner, NameRefusal> {
        let cut = self.0.len().checked_sub(page.0.len()).filter(|cut| {
            self.0.ends_with(&page.0)
                && (*cut == self.0.len() - 1
                    || *cut == 0
                    || label_offsets(&self.0[..self.0.len() - 1]).contains(cut))
        });
        match cut {
            Some(cut) => Ok(Owner(self.0[..cut].into())),
            None => Err(NameRefusal::NotBelow(self.to_string(), page.to_string())),
        }
    }
}

impl Owner {
    /// The page itself.
    pub fn apex() -> Owner {
        Owner::default()
    }

    /// Reads an owner as people type it for the page `page`: `@` is the apex, a final dot makes it
    /// absolute, anything else is relative.
    ///
    /// # Errors
    /// Any [`NameRefusal`].
    pub fn parse(text: &str, page: &Name) -> Result<Owner, NameRefusal> {
        if text == "@" {
            return Ok(Owner::apex());
        }
        if text == "." || (text.ends_with('.') && !ends_escaped(text)) {
            return Name::parse(text)?.relative_to(page);
        }
        Owner::from_wire(&parse_labels(text)?).and_then(|owner| owner.at(page).map(|_| owner))
    }

    /// Takes labels in wire form without the final zero octet, of any case, lowering them.
    ///
    /// # Errors
    /// Any [`NameRefusal`].
    pub fn from_wire(labels: &[u8]) -> Result<Owner, NameRefusal> {
        check_labels(labels, NAME_BYTES_MAX - 1)?;
        Ok(Owner(lower_labels(labels)))
    }

    /// The labels in wire form, no final zero octet.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the page itself.
    pub fn is_apex(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the leftmost label is `*` (RFC 4592 section 2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// The labels, leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        label_offsets(&self.0).into_iter().map(|at| label_at(&self.0, at))
    }

    /// How many labels there are.
    pub fn label_count(&self) -> usize {
        label_offsets(&self.0).len()
    }

    /// The owner without its leftmost label; `None` for the apex.
    pub fn parent(&self) -> Option<Owner> {
        (!self.is_apex()).then(|| Owner(self.0[1 + usize::from(self.0[0])..].into()))
    }

    /// The absolute name of this owner in the page `page`.
    ///
    /// # Errors
    /// [`NameRefusal::NameTooLong`].
    pub fn at(&self, page: &Name) -> Result<Name, NameRefusal> {
        if self.0.len() + page.0.len() > NAME_BYTES_MAX {
            return Err(NameRefusal::NameTooLong);
        }
        Ok(Name([self.wire(), page.wire()].concat().into()))
    }
}

/// Turns the labels that people type in their own script into A-labels (RFC 5890).
///
/// # Errors
/// [`NameRefusal::NotAscii`] when a label has no A-label.
pub fn to_ascii(text: &str) -> Result<String, NameRefusal> {
    if text.is_ascii() {
        return Ok(text.to_owned());
    }
    idna::domain_to_ascii(text)
        .map_err(|_| NameRefusal::NotAscii(text.to_owned(), "none exists".to_owned()))
}

/// Reads dotted labels in presentation form (no final dot) into wire form, case kept.
///
/// # Errors
/// Any [`NameRefusal`] but those about a page.
pub fn parse_labels(text: &str) -> Result<Vec<u8>, NameRefusal> {
    if !text.is_ascii() {
        let a_label = idna::domain_to_ascii(text).unwrap_or_else(|_| "none exists".to_owned());
        return Err(NameRefusal::NotAscii(text.to_owned(), a_label));
    }
    let mut wire = Vec::with_capacity(text.len() + 1);
    if text.is_empty() {
        return Ok(wire);
    }
    let mut bytes = text.bytes();
    let mut start = 0;
    wire.push(0);
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => {
                close_label(&mut wire, start)?;
                start = wire.len();
                wire.push(0);
            }
            b'\\' => wire.push(unescape(&mut bytes)?),
            _ => wire.push(byte),
        }
    }
    close_label(&mut wire, start)?;
    Ok(wire)
}

/// Writes the length octet of the label that started at `start`.
fn close_label(wire: &mut [u8], start: usize) -> Result<(), NameRefusal> {
    match wire.len() - start - 1 {
        0 => Err(NameRefusal::EmptyLabel),
        len if len > LABEL_BYTES_MAX => Err(NameRefusal::LabelTooLong(len)),
        len => {
            wire[start] = len as u8;
            Ok(())
        }
    }
}

/// Reads what follows a backslash: `DDD` or one character (RFC 1035 section 5.1).
fn unescape(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, NameRefusal> {
    let first = bytes.next().ok_or(NameRefusal::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameRefusal::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameRefusal::BadEscape)
}

/// Whether the final dot of `text` is escaped, so that it belongs to a label.
fn ends_escaped(text: &str) -> bool {
    let before = &text.as_bytes()[..text.len() - 1];
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

fn check_labels(labels: &[u8], max: usize) -> Result<(), NameRefusal> {
    let mut rest = labels;
    while let Some((&len, after)) = rest.split_first() {
        match usize::from(len) {
            0 => return Err(NameRefusal::EmptyLabel),
            len if len >= 0xc0 => return Err(NameRefusal::Pointer),
            len if len > LABEL_BYTES_MAX => return Err(NameRefusal::LabelTooLong(len)),
            len => rest = after.get(len..).ok_or(NameRefusal::Truncated)?,
        }
    }
    if labels.len() > max { Err(NameRefusal::NameTooLong) } else { Ok(()) }
}

/// Lowers ASCII letters. Length octets are at most 63 and so are never letters.
fn lower_labels(wire: &[u8]) -> Box<[u8]> {
    wire.to_ascii_lowercase().into()
}

fn label_offsets(labels: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut at = 0;
    while at < labels.len() {
        offsets.push(at);
        at += 1 + usize::from(labels[at]);
    }
    offsets
}

fn label_at(wire: &[u8], at: usize) -> &[u8] {
    &wire[at + 1..at + 1 + usize::from(wire[at])]
}

/// Writes one label in presentation form, escaping what a zone file would misread.
pub fn write_label(out: &mut impl fmt::Write, label: &[u8]) -> fmt::Result {
    for byte in label {
        match byte {
            b'.' | b'\\' | b'"' | b';' | b'@' | b'$' | b'(' | b')' => {
                out.write_char('\\')?;
                out.write_char(char::from(*byte))?;
            }
            0x21..=0x7e => out.write_char(char::from(*byte))?,
            _ => write!(out, "\\{byte:03}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        self.labels().try_for_each(|label| {
            write_label(f, label)?;
            f.write_str(".")
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_apex() {
            return f.write_str("@");
        }
        self.labels().enumerate().try_for_each(|(i, label)| {
            f.write_str(if i == 0 { "" } else { "." })?;
            write_label(f, label)
        })
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Serialize for Owner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(LowerCase(Name::from_wire, Name::wire))
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(LowerCase(Owner::from_wire, Owner::wire))
    }
}

/// Reads a name from `bin` and refuses one that was not in lower case already (P1).
struct LowerCase<T>(fn(&[u8]) -> Result<T, NameRefusal>, fn(&T) -> &[u8]);

impl<T> de::Visitor<'_> for LowerCase<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a lower-case domain name in wire form")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        let name = (self.0)(bytes).map_err(E::custom)?;
        if (self.1)(&name) != bytes {
            return Err(E::custom(NameRefusal::UpperCase));
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn names_are_lowered_and_shown_absolute() {
        assert_eq!(name("BrickWindows.FF.ct").to_string(), "brickwindows.ff.ct.");
        assert_eq!(name("."), Name::root());
        assert_eq!(name("a\\.b.c\\032d").to_string(), "a\\.b.c\\032d.");
    }

    #[test]
    fn bad_names_are_refused_by_name() {
        let check = |text: &str, expect| assert_eq!(Name::parse(text), Err(expect), "{text}");
        check("", NameRefusal::EmptyLabel);
        check("a..b", NameRefusal::EmptyLabel);
        check(".a", NameRefusal::EmptyLabel);
        check("a\\", NameRefusal::BadEscape);
        check("a\\25", NameRefusal::BadEscape);
        check("a\\256", NameRefusal::BadEscape);
        check(&"x".repeat(64), NameRefusal::LabelTooLong(64));
        check("bücher", NameRefusal::NotAscii("bücher".into(), "xn--bcher-kva".into()));
    }

    #[test]
    fn a_name_has_at_most_255_octets() {
        let long = |last: usize| format!("{0}.{0}.{0}.{1}", "x".repeat(63), "y".repeat(last));
        assert_eq!(name(&long(60)).wire().len(), 254);
        assert_eq!(name(&long(61)).wire().len(), 255);
        assert_eq!(Name::parse(&long(62)), Err(NameRefusal::NameTooLong));
    }

    #[test]
    fn an_owner_is_relative_to_its_page() {
        let page = name("ff.ct");
        assert_eq!(Owner::parse("@", &page).unwrap(), Owner::apex());
        assert_eq!(Owner::parse("A.b", &page).unwrap().to_string(), "a.b");
        assert_eq!(Owner::parse("a.ff.ct.", &page).unwrap().to_string(), "a");
        assert!(matches!(Owner::parse("a.ct.", &page), Err(NameRefusal::NotBelow(..))));
        // `xff.ct.` ends in the letters of `ff.ct.`, and is not below it.
        assert!(name("xff.ct").relative_to(&page).is_err());
        assert_eq!(Owner::parse("a", &page).unwrap().at(&page).unwrap(), name("a.ff.ct"));
        assert_eq!(name("ct.").relative_to(&Name::root()).unwrap().to_string(), "ct");
    }

    #[test]
    fn a_name_is_below_another_by_whole_labels() {
        let page = name("ff.ct");
        let below = |text: &str| name(text).is_at_or_below(&page);
        assert!(below("ff.ct") && below("a.ff.ct"));
        // The first ends in the octets of `ff.ct.` by accident, the second is only as long.
        assert!(!below("a\\002ff.ct") && !below("gg.ct") && !below("ct"));
        assert!(name("ct").is_at_or_below(&Name::root()) && !Name::root().is_at_or_below(&page));
    }

    #[test]
    fn the_parent_lacks_the_leftmost_label() {
        let parent = |text: &str| name(text).parent();
        assert_eq!(parent("brick.ff.ct"), Some(name("ff.ct")));
        assert_eq!(parent("ct"), Some(Name::root()));
        assert_eq!(parent("."), None);
        let owner = |text: &str| Owner::parse(text, &name("ct")).unwrap();
        assert_eq!(owner("a.bcd").parent(), Some(owner("bcd")));
        assert_eq!(owner("bcd").parent(), Some(Owner::apex()));
        assert_eq!(Owner::apex().parent(), None);
        assert_eq!(format!("{:?} {:?}", name("ct"), owner("a.b")), "Name(ct.) Owner(a.b)");
    }

    #[test]
    fn a_final_dot_may_belong_to_a_label() {
        let owner = |text: &str| Owner::parse(text, &name("ct")).map(|owner| owner.to_string());
        assert_eq!(owner("a\\."), Ok("a\\.".to_owned()));
        assert!(matches!(owner("a\\\\."), Err(NameRefusal::NotBelow(..))));
        assert_eq!(owner("a\\\\\\."), Ok("a\\\\\\.".to_owned()));
        assert_eq!(owner("a\\\\.ct."), Ok("a\\\\".to_owned()));
    }

    #[test]
    fn labels_on_the_wire_are_within_limits() {
        let long = |last: u8| {
            let mut wire = [[63; 64]; 3].concat();
            wire.push(last);
            wire.extend(vec![b'x'; last.into()]);
            Owner::from_wire(&wire).map(|owner| owner.wire().len())
        };
        assert_eq!([60, 61].map(long), [Ok(253), Ok(254)]);
        assert_eq!(long(62), Err(NameRefusal::NameTooLong));
        assert_eq!(Owner::from_wire(&[64; 65]), Err(NameRefusal::LabelTooLong(64)));
        assert_eq!(Owner::from_wire(&[0xc0, 0]), Err(NameRefusal::Pointer));
        assert_eq!(Name::parse(&"x".repeat(257)), Err(NameRefusal::LabelTooLong(257)));
    }

    #[test]
    fn labels_in_other_scripts_become_a_labels() {
        assert_eq!(to_ascii("Brick.ct"), Ok("Brick.ct".to_owned()));
        assert_eq!(to_ascii("b\u{fc}cher.ct"), Ok("xn--bcher-kva.ct".to_owned()));
        let none = "\u{fffd}.ct";
        assert_eq!(to_ascii(none), Err(NameRefusal::NotAscii(none.into(), "none exists".into())));
    }
}
