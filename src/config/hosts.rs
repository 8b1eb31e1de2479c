//! Reads the text of a hosts(5) file: addresses, and what they are called on this machine.
//!
//! Which file that is, and who is answered from it, is not known here.

use std::net::IpAddr;

use crate::{
    dns::Overrides,
    page::name::{self, Name},
};

/// What a hosts file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Only the first name of a line is what its address is called: the others are aliases.
    pub overrides: Overrides,
    /// Lines, counted from 1, of which something was skipped, and why.
    pub faults: Vec<(usize, String)>,
}

impl Hosts {
    /// Reads the text: an address, a name and its aliases on each line, comments from `#` on.
    pub fn parse(text: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for (number, line) in text.lines().enumerate() {
            let meant = line.split('#').next().unwrap_or_default();
            let mut words = meant.split_ascii_whitespace();
            let Some(address) = words.next() else { continue };
            let mut fault = |what: String| hosts.faults.push((number + 1, what));
            let address = match address.parse::<IpAddr>() {
                Ok(address) => address,
                Err(_) if address.contains('%') => {
                    fault(format!("`{address}` is of one link, which DNS cannot say: skipped"));
                    continue;
                }
                Err(_) => {
                    fault(format!("`{address}` is no IP address: line skipped"));
                    continue;
                }
            };
            let mut first = true;
            for word in words {
                match name::to_ascii(word).and_then(|word| Name::parse(&word)) {
                    Ok(name) => {
                        hosts.overrides.add(&name, address, first);
                        first = false;
                    }
                    Err(refusal) => fault(format!("`{word}` is no name: {refusal}; skipped")),
                }
            }
            if first {
                hosts.faults.push((number + 1, format!("`{address}` is called nothing")));
            }
        }
        hosts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_address_a_name_and_aliases() {
        let hosts = Hosts::parse(
            "# this machine\n127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n\
             192.168.1.7   NAS.lan nas # the box\n\n   10.0.0.1 bücher.lan\n",
        );
        assert!(hosts.faults.is_empty(), "{:?}", hosts.faults);
        let of = |text: &str| hosts.overrides.addresses(Name::parse(text).unwrap().wire());
        assert_eq!(of("localhost").map(<[IpAddr]>::len), Some(2));
        assert_eq!(of("nas"), Some(&["192.168.1.7".parse().unwrap()][..]));
        assert!(of("xn--bcher-kva.lan").is_some());
        let reverse = Name::parse("7.1.168.192.in-addr.arpa").unwrap();
        let names = hosts.overrides.names(reverse.wire()).unwrap();
        assert_eq!(names, [Name::parse("nas.lan").unwrap()]);
    }

    #[test]
    fn bad_lines_are_named_and_the_others_stand() {
        let hosts = Hosts::parse(
            "300.1.1.1 a\nfe80::1%lo0 b\n192.0.2.1\n192.0.2.2 a..b good\n192.0.2.3 last\n",
        );
        let lines: Vec<usize> = hosts.faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4]);
        assert_eq!(hosts.overrides.len(), 2);
        // The first name that is one is what the address is called.
        let reverse = Name::parse("2.2.0.192.in-addr.arpa").unwrap();
        assert!(hosts.overrides.names(reverse.wire()).is_some());
    }
}
