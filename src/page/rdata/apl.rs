//! Address prefix lists (APL, RFC 3123): `[!]family:address/length`.

use super::{
    Fault,
    parse::{ipv4, ipv6, number},
    write,
};

/// Address families (IANA "Address Family Numbers").
const IPV4: u16 = 1;
const IPV6: u16 = 2;

/// Each item is family, prefix length, negation and length octet, and an address whose trailing
/// zero octets are left out (RFC 3123 section 4).
pub(super) fn check(mut octets: &[u8]) -> Result<(), Fault> {
    while !octets.is_empty() {
        let (item, rest) = split(octets).ok_or(Fault::AddressPrefix)?;
        let (bits, len) = match item.family {
            IPV4 => (32, 4),
            IPV6 => (128, 16),
            _ => (255, 127),
        };
        if item.prefix > bits || item.address.len() > len || item.address.last() == Some(&0) {
            return Err(Fault::AddressPrefix);
        }
        octets = rest;
    }
    Ok(())
}

struct Item<'a> {
    family: u16,
    prefix: u8,
    negated: bool,
    address: &'a [u8],
}

fn split(octets: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (head, rest) = octets.split_first_chunk::<4>()?;
    let (address, rest) = rest.split_at_checked(usize::from(head[3] & 0x7f))?;
    let family = u16::from_be_bytes([head[0], head[1]]);
    Some((Item { family, prefix: head[2], negated: head[3] & 0x80 != 0, address }, rest))
}

/// Appends one item.
pub(super) fn parse(text: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let wrong = || Fault::AddressPrefix;
    let (negated, item) = match text.strip_prefix('!') {
        Some(item) => (0x80, item),
        None => (0, text),
    };
    let (family, item) = item.split_once(':').ok_or_else(wrong)?;
    let (address, prefix) = item.split_once('/').ok_or_else(wrong)?;
    let (address, bits) = match family {
        "1" => (ipv4(address)?.octets().to_vec(), 32),
        "2" => (ipv6(address)?.octets().to_vec(), 128),
        _ => return Err(wrong()),
    };
    let prefix = number(prefix, bits)? as u8;
    let len = address.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    out.extend([0, family.as_bytes()[0] - b'0', prefix, negated | len as u8]);
    out.extend_from_slice(&address[..len]);
    Ok(())
}

/// Families other than IPv4 and IPv6 have no text.
pub(super) fn write(mut octets: &[u8], out: &mut String) -> Option<()> {
    while !octets.is_empty() {
        let (item, rest) = split(octets)?;
        let mut address = [0; 16];
        address.get_mut(..item.address.len())?.copy_from_slice(item.address);
        write::word(out, if item.negated { "!" } else { "" });
        match item.family {
            IPV4 => out.push_str(&format!("1:{}", write::ipv4(&address[..4])?)),
            IPV6 => out.push_str(&format!("2:{}", write::ipv6(&address)?)),
            _ => return None,
        }
        out.push_str(&format!("/{}", item.prefix));
        octets = rest;
    }
    Some(())
}
