//! A name on its way through the pages: lowered, and cut at its labels, without allocation.

use crate::{limits::NAME_BYTES_MAX, page::name::Name};

/// An absolute name in lower-case wire form that knows where each of its labels begins.
/// Everything below a question is a slice of it, so looking up costs no allocation.
#[derive(Clone, Copy)]
pub struct Path {
    wire: [u8; NAME_BYTES_MAX],
    len: u8,
    /// Where each label begins; after the last one, where the root's zero octet is.
    starts: [u8; LABELS_MAX + 1],
    labels: u8,
}

/// 127 labels of one octet and the root's zero: 255 octets.
const LABELS_MAX: usize = NAME_BYTES_MAX / 2;

impl Path {
    /// The root.
    pub const ROOT: Path =
        Path { wire: [0; NAME_BYTES_MAX], len: 1, starts: [0; LABELS_MAX + 1], labels: 0 };

    /// Reads an uncompressed name at the start of `bytes`, of any case.
    /// `None` when there is none: cut short, too long, or with a compression pointer.
    pub fn read(bytes: &[u8]) -> Option<Path> {
        let mut path = Path::ROOT;
        path.read_into(bytes).then_some(path)
    }

    /// [`Path::read`] in place of this one, which is of no use any more where there is no name.
    pub fn read_into(&mut self, bytes: &[u8]) -> bool {
        let (mut at, mut labels) = (0, 0);
        loop {
            let Some(&len) = bytes.get(at) else { return false };
            let end = at + 1 + usize::from(len);
            if len > 63 || end > NAME_BYTES_MAX || (len > 0 && end == NAME_BYTES_MAX) {
                return false;
            }
            let Some(label) = bytes.get(at..end) else { return false };
            self.starts[labels] = at as u8;
            // A length is no letter.
            for (place, octet) in self.wire[at..end].iter_mut().zip(label) {
                *place = octet.to_ascii_lowercase();
            }
            if len == 0 {
                (self.len, self.labels) = (end as u8, labels as u8);
                return true;
            }
            (at, labels) = (end, labels + 1);
        }
    }

    /// The wire form, the root's zero octet included.
    pub fn wire(&self) -> &[u8] {
        &self.wire[..usize::from(self.len)]
    }

    /// How many labels there are, not counting the root's.
    pub fn labels(&self) -> usize {
        usize::from(self.labels)
    }

    /// The name made of the labels from `label` on (0 is all of it).
    pub fn suffix(&self, label: usize) -> &[u8] {
        &self.wire()[usize::from(self.starts[label])..]
    }

    /// The labels from `first` up to but not including `end`: an owner of the page that is named
    /// by the labels from `end` on.
    pub fn owner(&self, first: usize, end: usize) -> &[u8] {
        &self.wire()[usize::from(self.starts[first])..usize::from(self.starts[end])]
    }

    /// At which label the name `above` begins, if this name is at or below it.
    pub fn cut_at(&self, above: &[u8]) -> Option<usize> {
        let start = self.wire().len().checked_sub(above.len())?;
        let label =
            self.starts[..=self.labels()].iter().position(|at| usize::from(*at) == start)?;
        (self.suffix(label) == above).then_some(label)
    }

    /// The name with the labels from `label` on replaced by `target` (RFC 6672 section 2.2).
    /// `None` when the result is longer than a name may be.
    pub fn graft(&self, label: usize, target: &[u8]) -> Option<Path> {
        Path::read(&[self.owner(0, label), target].concat())
    }

    /// This name as the pages' own type.
    ///
    /// # Panics
    /// Never: a path was read as a valid name.
    pub fn to_name(&self) -> Name {
        Name::from_wire(self.wire()).expect("a path is a valid name")
    }
}

impl From<&Name> for Path {
    fn from(name: &Name) -> Path {
        Path::read(name.wire()).expect("a name is a valid path")
    }
}

impl std::fmt::Debug for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Path({})", self.to_name())
    }
}

/// How many octets the uncompressed name at the start of `bytes` has.
pub fn name_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return Some(at + 1),
            len if len > 63 => return None,
            len => at += 1 + len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::from(&Name::parse(text).unwrap())
    }

    #[test]
    fn a_path_is_cut_at_its_labels() {
        let path = path("www.Example.ct");
        assert_eq!(path.labels(), 3);
        assert_eq!(path.suffix(2), b"\x02ct\x00");
        assert_eq!(path.suffix(3), b"\x00");
        assert_eq!(path.owner(0, 2), b"\x03www\x07example");
        assert_eq!(path.owner(1, 1), b"");
        assert_eq!(path.cut_at(b"\x02ct\x00"), Some(2));
        assert_eq!(path.cut_at(b"\x01t\x00"), None);
    }

    #[test]
    fn bytes_that_are_no_name_are_no_path() {
        let check = |bytes: &[u8], good: bool| assert_eq!(Path::read(bytes).is_some(), good);
        check(b"", false);
        check(b"\x01", false);
        check(b"\x01a", false);
        check(b"\xc0\x0c", false);
        check(b"\x40", false);
        check(b"\x00", true);
        check(&[b"\x01a".repeat(127), vec![0]].concat(), true);
        check(&[b"\x01a".repeat(128), vec![0]].concat(), false);
        check(&[[&[63; 64][..]; 3].concat(), vec![61; 62], vec![0]].concat(), true);
        check(&[[&[63; 64][..]; 3].concat(), vec![62; 63], vec![0]].concat(), false);
    }
}
