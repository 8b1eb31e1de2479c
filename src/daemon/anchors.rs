//! The anchors a person trusts, as a small text: a line for each, name and page id (T2).

use std::collections::BTreeMap;

use crate::{id::Id, page::name::Name};

/// Which page is trusted for which name.
pub type Anchors = BTreeMap<Name, Id>;

/// Writes the anchors.
pub fn write(anchors: &Anchors) -> Vec<u8> {
    let lines = anchors.iter().map(|(name, page)| format!("{name} {page}\n"));
    lines.collect::<String>().into_bytes()
}

/// Reads anchors.
///
/// # Errors
/// The number of the first line that is none.
pub fn read(bytes: &[u8]) -> Result<Anchors, usize> {
    let text = str::from_utf8(bytes).map_err(|_| 1usize)?;
    let anchor = |line: &str| {
        let (name, page) = line.split_once(' ')?;
        Some((Name::parse(name).ok()?, Id::from_hex(page)?))
    };
    text.lines().enumerate().map(|(n, line)| anchor(line).ok_or(n + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_back_and_a_bad_line_is_named() {
        let anchors: Anchors = [".", "ff.ct", "a\\ b"]
            .map(|name| (Name::parse(name).unwrap(), Id::hash(&[name.as_bytes()])))
            .into();
        assert_eq!(read(&write(&anchors)), Ok(anchors));
        let good = format!(". {}\n", Id::ZERO);
        assert_eq!(read(format!("{good}x\n").as_bytes()), Err(2));
        assert_eq!(read(b". 12\n"), Err(1));
    }
}
