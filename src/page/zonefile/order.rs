//! The canonical order of owner names (RFC 4034 section 6.1), as keys that compare bytewise.

/// Appends the key of an owner given as labels in lower-case wire form without the final zero.
/// Keys compare as the names do: label by label from the right.
pub(super) fn push_key(labels: &[u8], key: &mut Vec<u8>) {
    // An owner has at most 127 labels: 254 octets, two each at least.
    let mut starts = [0u8; 128];
    let mut count = 0;
    let mut at = 0;
    while at < labels.len() && count < starts.len() {
        starts[count] = at as u8;
        count += 1;
        at += 1 + usize::from(labels[at]);
    }
    for start in starts[..count].iter().rev() {
        let start = usize::from(*start);
        let label = &labels[start + 1..start + 1 + usize::from(labels[start])];
        for byte in label {
            // A label ends in 0, which must sort before every octet inside one.
            match byte {
                0 | 1 => key.extend([1, 1 + byte]),
                _ => key.push(*byte),
            }
        }
        key.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_the_example_of_the_rfc() {
        // RFC 4034 section 6.1, below `example.`.
        let names: [&[u8]; 15] = [
            b"",
            b"\x01a",
            b"\x08yljkjljk\x01a",
            b"\x01z\x01a",
            b"\x04zabc\x01a",
            b"\x01z",
            // Labels that begin with, or end in, the octet that separates labels in a key.
            b"\x01\x00\x01z",
            b"\x02\x00\x00\x01z",
            b"\x02\x00\x01\x01z",
            b"\x01\x01\x01z",
            b"\x01*\x01z",
            b"\x01b\x01z",
            b"\x01c\x01b\x01z",
            b"\x03b\x00c\x01z",
            b"\x01\xc8\x01z",
        ];
        let keys = names.map(|name| {
            let mut key = Vec::new();
            push_key(name, &mut key);
            key
        });
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    }
}
