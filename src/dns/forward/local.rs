//! Names that this machine's own files know: overrides of the configuration, and the hosts file.
//!
//! They are answered before anybody is asked. Where they were read is not known here.

use crate::{
    dns::{Answer, Overrides, Source, answer::Part, service::Wanted},
    page::record::RecordType,
};

/// Seconds that such an answer may be cached (choice: a file may be edited at any time).
const TTL: u32 = 10;

/// What the files say of a question; `None` when they do not know the name. A name without the type
/// that is asked for has nothing of it.
pub fn answer(overrides: &Overrides, wanted: &Wanted) -> Option<Answer<'static>> {
    let rdata: Vec<Vec<u8>> = match overrides.addresses(wanted.name.wire()) {
        Some(addresses) => addresses
            .iter()
            .filter_map(|address| match (address, wanted.qtype) {
                (std::net::IpAddr::V4(ip), RecordType::A) => Some(ip.octets().to_vec()),
                (std::net::IpAddr::V6(ip), RecordType::AAAA) => Some(ip.octets().to_vec()),
                _ => None,
            })
            .collect(),
        None => {
            let names = overrides.names(wanted.name.wire())?;
            let is_pointer = wanted.qtype == RecordType::PTR;
            names.iter().filter(|_| is_pointer).map(|name| name.wire().to_vec()).collect()
        }
    };
    let part = |rdata: &Vec<u8>| Part::made(None, wanted.qtype, TTL, rdata);
    let answer = rdata.iter().map(part).collect();
    Some(Answer { answer, source: Source::Override, ..Answer::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dns::path::Path, page::name::Name};

    #[test]
    fn a_name_of_the_hosts_file_is_answered_with_what_there_is_of_it() {
        let mut overrides = Overrides::default();
        let printer = Name::parse("printer.lan").unwrap();
        overrides.add(&printer, "192.168.1.9".parse().unwrap(), true);
        let check = |name: &str, qtype, expect: Option<usize>| {
            let name = Path::read(Name::parse(name).unwrap().wire()).unwrap();
            let wanted = Wanted { name, qtype, dnssec_ok: false, checking_disabled: false };
            let found = answer(&overrides, &wanted).map(|answer| answer.answer.len());
            assert_eq!(found, expect);
        };
        check("printer.lan", RecordType::A, Some(1));
        check("printer.lan", RecordType::AAAA, Some(0));
        check("9.1.168.192.in-addr.arpa", RecordType::PTR, Some(1));
        check("9.1.168.192.in-addr.arpa", RecordType::A, Some(0));
        check("scanner.lan", RecordType::A, None);
    }
}
