//! Where names stand in a message that is being written, so that later ones point there (RFC 1035
//! section 4.1.4). Nothing is allocated for it, and nothing is known of records.

/// Offsets up to here can be pointed to.
const POINTER_MAX: usize = 0x3fff;
/// Names kept to be pointed to: enough for every usual answer, and a bound on searching.
const POINTERS_MAX: usize = 64;

/// Offsets of labels that later names may point to.
pub(super) struct Names {
    offsets: [u16; POINTERS_MAX],
    count: usize,
}

/// The shortest way to write a name: octets of its own, then a pointer to the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compressed<'n> {
    pub(super) own: &'n [u8],
    pub(super) pointer: Option<[u8; 2]>,
}

impl Names {
    pub(super) fn new() -> Names {
        Names { offsets: [0; POINTERS_MAX], count: 0 }
    }

    /// How many there are: [`Names::forget_after`] goes back to it.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Forgets what was noted after there were so many.
    pub(super) fn forget_after(&mut self, count: usize) {
        self.count = self.count.min(count);
    }

    /// Notes the labels of the name written at `at`, until a pointer or the root.
    pub(super) fn remember(&mut self, message: &[u8], mut at: usize) {
        while let Some(&len @ 1..=63) = message.get(at) {
            if at > POINTER_MAX || self.count >= POINTERS_MAX {
                return;
            }
            self.offsets[self.count] = at as u16;
            self.count += 1;
            at += 1 + usize::from(len);
        }
    }

    /// How to write `name`, which is in lower case.
    pub(super) fn compress<'n>(&self, message: &[u8], name: &'n [u8]) -> Compressed<'n> {
        let known = &self.offsets[..self.count];
        let mut at = 0;
        while name[at] != 0 {
            let found =
                known.iter().find(|known| is_at(message, usize::from(**known), &name[at..]));
            if let Some(found) = found {
                let pointer = Some((0xc000 | found).to_be_bytes());
                return Compressed { own: &name[..at], pointer };
            }
            at += 1 + usize::from(name[at]);
        }
        Compressed { own: name, pointer: None }
    }
}

impl Compressed<'_> {
    /// How many octets are written.
    pub(super) fn len(&self) -> usize {
        self.own.len() + self.pointer().len()
    }

    pub(super) fn pointer(&self) -> &[u8] {
        self.pointer.as_ref().map_or(&[], |pointer| &pointer[..])
    }

    /// How the owners after the first record of a set are written, which begins at `at`: by a pointer to
    /// that one, where it is not a pointer itself.
    pub(super) fn again(&self, at: usize) -> Option<[u8; 2]> {
        (self.len() > 2 && at <= POINTER_MAX).then(|| (0xc000 | at as u16).to_be_bytes())
    }
}

/// Whether exactly `name` is written at `at`, in any case, through pointers.
fn is_at(message: &[u8], mut at: usize, mut name: &[u8]) -> bool {
    loop {
        match message[at] {
            0 => return name == [0],
            len if len >= 0xc0 => {
                at = usize::from(u16::from_be_bytes([len & 0x3f, message[at + 1]]));
            }
            len => {
                let len = 1 + usize::from(len);
                let written = &message[at..at + len];
                if !name.get(..len).is_some_and(|label| label.eq_ignore_ascii_case(written)) {
                    return false;
                }
                (at, name) = (at + len, &name[len..]);
            }
        }
    }
}
