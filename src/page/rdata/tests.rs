//! What each record type accepts and refuses, as tables of text.

use super::*;

const DID: &str = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
const HEX32: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn origin() -> Name {
    Name::parse("example.").unwrap()
}

fn parse(rtype: &str, text: &str) -> Result<Vec<u8>, RdataRefusal> {
    parse_text(rtype.parse().unwrap(), text, &origin())
}

fn show(rtype: &str, rdata: &[u8], style: Style) -> String {
    let mut text = String::new();
    write_text(rtype.parse().unwrap(), rdata, style, &mut text);
    text
}

/// The text is read, and written back as `expect`, which reads as the same octets.
fn check(rtype: &str, text: &str, expect: &str) {
    let rdata = parse(rtype, text).unwrap_or_else(|refusal| panic!("{rtype} {text}: {refusal}"));
    assert_eq!(super::check(rtype.parse().unwrap(), &rdata), Ok(()), "{rtype} {text}");
    assert_eq!(show(rtype, &rdata, Style::Mnemonic), expect, "{rtype} {text}");
    assert_eq!(parse(rtype, expect), Ok(rdata), "{rtype} {expect}");
}

/// The text is written back as it was read.
fn same(rtype: &str, text: &str) {
    check(rtype, text, text);
}

fn refused(rtype: &str, text: &str, sentence: &str) {
    let refusal = parse(rtype, text).expect_err(text).to_string();
    assert_eq!(refusal, sentence, "{rtype} {text}");
}

fn refused_octets(rtype: RecordType, rdata: &[u8], sentence: &str) {
    let refusal = super::check(rtype, rdata).expect_err(sentence).to_string();
    assert_eq!(refusal, sentence, "{rtype} {rdata:02x?}");
}

#[test]
fn addresses_and_names_are_read_and_written() {
    same("A", "192.0.2.1");
    check("AAAA", "2001:DB8:0::1", "2001:db8::1");
    check("NS", "Ns1", "Ns1.example.");
    check("CNAME", "@", "example.");
    same("DNAME", ".");
    check("PTR", "a\\.b\\032c.x.", "a\\.b\\032c.x.");
    check("MX", "10 mail", "10 mail.example.");
    same("SRV", "0 5 5060 sip.example.");
    same("RP", "admin.example. txt.example.");
    same("AFSDB", "1 afs.example.");
    same("KX", "10 kx.example.");
    check("SOA", "ns admin 1 1h 15m 1w 1d", "ns.example. admin.example. 1 3600 900 604800 86400");
}

#[test]
fn strings_keep_their_octets() {
    check("TXT", "plain words", "\"plain\" \"words\"");
    check("TXT", r#""a \"b\" \\ \255;" x\;y"#, r#""a \"b\" \\ \255;" "x;y""#);
    check("TXT", "\"bücher\"", "\"b\\195\\188cher\"");
    same("TXT", "\"\"");
    same("SPF", "\"v=spf1 -all\"");
    same("HINFO", "\"PDP-11\" \"UNIX\"");
    same("NAPTR", r#"100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" ."#);
    check("CAA", "0 issue letsencrypt.org", "0 issue \"letsencrypt.org\"");
    same("CAA", "128 tbs \"\"");
    same("URI", "10 1 \"https://example.com/\"");
}

#[test]
fn an_expression_of_naptr_is_empty_or_a_substitution() {
    let expression = |text: &str| parse("NAPTR", &format!("1 2 \"u\" \"s\" \"{text}\" .")).is_ok();
    for good in ["", "!^.*$!sip:info@example.com!", "!(a)(b)!\\\\2\\\\1!i", "/a\\\\/b/c/"] {
        assert!(expression(good), "{good}");
    }
    for wrong in ["x", "!a", "!a!b", "!!b!", "!a!\\\\1!", "!a!b!x", "1a1b1", "!a!b!i!"] {
        assert!(!expression(wrong), "{wrong}");
    }
}

#[test]
fn a_shell_keeps_strings_together() {
    let words = |rtype: RecordType, words: &[&str]| parse_words(rtype, words, &origin());
    assert_eq!(words(RecordType::TXT, &["v=DKIM1; k=rsa"]), parse("TXT", "\"v=DKIM1; k=rsa\""));
    assert_eq!(words(RecordType::TXT, &["a", "b c"]), parse("TXT", "a \"b c\""));
    assert_eq!(words(RecordType::TXT, &["\"a\" \"b c\""]), parse("TXT", "a \"b c\""));
    assert_eq!(words(RecordType::TXT, &[""]), parse("TXT", "\"\""));
    assert_eq!(words(RecordType::MX, &["10 mail"]), parse("MX", "10 mail"));
    assert_eq!(words(RecordType::MX, &["10", "mail"]), parse("MX", "10 mail"));
    refused("TXT", "v=DKIM1; k=rsa", &RdataRefusal::Comment.to_string());
}

#[test]
fn keys_digests_and_signatures_are_read_and_written() {
    check("CERT", "pkix 1 rsasha256 AQID", "1 1 8 AQID");
    check("DS", "60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118", {
        "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118"
    });
    same("CDS", "0 0 0 00");
    same("CDNSKEY", "0 3 0 AA==");
    check("DNSKEY", "256 3 ED25519 AQ ID", "256 3 15 AQID");
    same("KEY", "256 3 5 AQID");
    check("SSHFP", "1 1 123456789ABCDEF67890123456789ABCDEF67890", {
        "1 1 123456789abcdef67890123456789abcdef67890"
    });
    same("TLSA", "3 1 1 0abc");
    same("SMIMEA", "3 1 1 0abc");
    same("OPENPGPKEY", "AQID");
    same("DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=");
    same("ZONEMD", &format!("2018031500 1 240 {HEX32}"));
    same("RRSIG", "A 5 3 86400 20030322173103 20030220173103 2642 example.com. AQID");
    check("RRSIG", "MX 5 3 1h 951782400 0 1 @ AQID", {
        "MX 5 3 3600 20000229000000 19700101000000 1 example. AQID"
    });
    same("RRSIG", "TYPE300 5 3 1 21060207062815 20991231235959 1 . AQID");
    same("IPSECKEY", "10 1 2 192.0.2.38 AQNR");
    same("IPSECKEY", "10 0 2 . AQNR");
    same("IPSECKEY", "10 3 0 gw.example.");
    same("IPSECKEY", "10 2 2 2001:db8::1 AQNR");
    same("HIP", "2 200100107b1a74df365639cc39f1d578 AwEAAbdx rvs.example. b.example.");
}

#[test]
fn types_and_hashes_of_nsec_are_read_and_written() {
    check("NSEC", "host MX A TYPE1234 A", "host.example. A MX TYPE1234");
    same("NSEC3", "1 1 12 aabbccdd 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR MX RRSIG");
    same("NSEC3", "1 1 12 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR");
    same("NSEC3PARAM", "1 0 0 -");
    same("CSYNC", "66 3 A NS AAAA");
}

#[test]
fn locations_prefixes_and_hardware_addresses_are_read_and_written() {
    check("LOC", "42 21 54 N 71 06 18 W -24m 30m", {
        "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m"
    });
    check("LOC", "90 S 180 E 0", "90 0 0.000 S 180 0 0.000 E 0.00m 1.00m 10000.00m 10.00m");
    check("LOC", "1 2 3.5 N 3 E 0", "1 2 3.500 N 3 0 0.000 E 0.00m 1.00m 10000.00m 10.00m");
    same("APL", "1:192.168.32.0/21 !1:192.168.38.0/28 2:ff00::/8 1:0.0.0.0/0");
    same("EUI48", "00-00-5e-00-53-2a");
    same("EUI64", "00-00-5e-ef-10-00-00-2a");
}

#[test]
fn service_parameters_are_sorted_and_escaped() {
    check("HTTPS", "1 . port=8443 alpn=h2,h3", "1 . alpn=\"h2,h3\" port=8443");
    same("SVCB", "0 svc.example.");
    same("HTTPS", "16 . mandatory=alpn,port alpn=\"h2\" no-default-alpn port=53");
    same("HTTPS", "1 . ipv4hint=192.0.2.1,192.0.2.2 ech=AQID ipv6hint=2001:db8::1");
    // RFC 9460 appendix D.2, figure 9: ids `f\oo,bar` and `h2`.
    same("SVCB", r#"16 foo.example. alpn="f\\\\oo\\,bar,h2""#);
    check("SVCB", r#"16 foo.example. alpn=f\\\092oo\092,bar,h2"#, {
        r#"16 foo.example. alpn="f\\\\oo\\,bar,h2""#
    });
    check("SVCB", r#"1 . key667="hello\210qoo""#, r#"1 . key667="hello\210qoo""#);
    same("SVCB", "1 . alpn=\"dot\" dohpath=\"/dns-query{?dns}\"");
    check("SVCB", "1 . key3=\\000\\053", "1 . port=53");
    refused("SVCB", "1 . port=1 port=2", "the parameters: parameter port appears twice");
    refused(
        "SVCB",
        "1 . key1=",
        "the parameters: parameter alpn is not well formed (RFC 9460 section 7)",
    );
    refused("SVCB", "1 . mandatory=port alpn=h2", {
        "the parameters: mandatory names port, which is not there (RFC 9460 section 8)"
    });
    refused("SVCB", "1 . mandatory=mandatory", {
        "the parameters: parameter mandatory is not well formed (RFC 9460 section 7)"
    });
    refused("SVCB", "1 . no-default-alpn", {
        "the parameters: no-default-alpn needs alpn beside it (RFC 9460 section 7.1.1)"
    });
    let unsorted = [0, 1, 0, 0, 3, 0, 2, 0, 53, 0, 1, 0, 3, 2, b'h', b'2'];
    refused_octets(RecordType::SVCB, &unsorted, {
        "the parameters: parameters are not in ascending order of their numbers (RFC 9460 section 2.2)"
    });
}

#[test]
fn private_types_have_words_for_people_and_digits_for_other_software() {
    same("PAGE", &format!("{HEX32} \"DMCT:0.5428:31415:a3f2c8b9\""));
    same("PAGE", HEX32);
    same("BEACON", "\"DMCT:0.5428:31415:a3f2c8b9\"");
    same("AGENT", &format!("\"{DID}\" \"DMCT:0.5:1:00\" \"translate\""));
    let tail = format!("215 {HEX32} 5000000000 \"audio/ogg\" 1 {HEX32}");
    same("TRACK", &format!("\"A \\195\\182 title\" \"artist\" \"\" {tail}"));
    let rdata = parse("BEACON", "abc").unwrap();
    assert_eq!(show("BEACON", &rdata, Style::GenericPrivate), "\\# 4 03616263");
    refused("AGENT", "did:key:z6x \"b\" \"c\"", {
        "the identity: `did:key:z6x` is no key: expected did:key:z6Mk… or z6Mk…"
    });
    refused("AGENT", &format!("{DID} b"), {
        "the beacon and the capabilities: 1 strings where at least 2 belong"
    });
    refused("PAGE", &format!("{HEX32}{}", " x".repeat(9)), "the beacons: more than 8 strings");
    refused("PAGE", "abcd", "the page id: `abcd` is not 32 octets in hexadecimal");
    assert!(super::check(RecordType::TRACK, &[0x90]).is_err());
}

#[test]
fn every_type_may_be_written_as_octets_and_is_then_checked_as_its_type() {
    check("A", "\\# 4 C0 00 0201", "192.0.2.1");
    check("TYPE65280", &format!("\\# 32 {HEX32}"), HEX32);
    same("TYPE731", "\\# 6 abcdef012345");
    same("TYPE731", "\\# 0");
    same("TYPE21", "\\# 3 000100");
    same("APL", "\\# 0");
    refused("A", "\\# 3 c00002", "the address: the data ends in the middle of it");
    refused("A", "\\# 5 c000020101", "1 octets follow where the data should end");
    refused("A", "\\# 4 c00002", &RdataRefusal::Generic.to_string());
    refused("TYPE731", "abc", &RdataRefusal::Generic.to_string());
    refused("LOC", "\\# 16 00021613800000008000000000989680", {
        "the location: a size or precision is 0, or a digit times a power of ten up to 9 (RFC 1876)"
    });
}

#[test]
fn wrong_text_is_refused_with_the_field_and_the_fault() {
    refused("A", "192.0.2", "the address: `192.0.2` is no IPv4 address");
    refused("A", "", "the address: it is missing");
    refused("A", "192.0.2.1 x", "`x` follows where the data should end");
    refused("MX", "65536 a", "the preference: `65536` is no number from 0 to 65535");
    refused("MX", "+1 a", "the preference: `+1` is no number from 0 to 65535");
    refused("MX", "1", "the mail server: it is missing");
    refused(
        "NS",
        "bücher",
        "the name server: `bücher` is not ASCII: write its A-label (`xn--bcher-kva`)",
    );
    refused("NS", "a..b", "the name server: a label is empty");
    refused("NS", &"x".repeat(64), "the name server: a label of 64 octets is longer than 63");
    refused("TXT", "", "the text: 0 strings where at least 1 belong");
    refused("TXT", &"x".repeat(256), {
        "the text: a string of 256 octets is longer than 255: split it into several quoted strings"
    });
    refused("TXT", "a\\256", "the text: `\\` needs a character or three digits up to 255 after it");
    refused("TXT", "\"a", "a quote is not closed");
    refused("TXT", "(a", "a parenthesis has no partner");
    refused("TXT", "a\nb", "a line ends inside the data");
    refused("DS", "1 8 2 00", "the digest: 1 octets where a digest of this kind has 32");
    refused("ZONEMD", "1 1 240 00", "the digest: a digest of 1 octets is shorter than 12");
    refused("TLSA", "3 1 1 0", "the certificate: `0` is not hexadecimal in pairs of digits");
    refused("DNSKEY", "256 3 8 A", "the key: it is no padded base64 (RFC 4648 section 4)");
    refused(
        "CAA",
        "0 is-sue x",
        "the tag: a tag is 1 to 255 letters and digits (RFC 8659 section 4.1)",
    );
    refused("LOC", "91 N 0 E 0", "the location: latitude or longitude is outside the globe");
    refused("RRSIG", "A 5 3 1 20030230000000 0 1 . AQID", {
        "the expiration: `20030230000000` is no time: expected YYYYMMDDHHmmSS in UTC, or seconds since 1970"
    });
    refused(
        "EUI48",
        "00-00-5e",
        "the address: `00-00-5e` is not 6 pairs of hexadecimal digits with `-` between them",
    );
}

#[test]
fn names_on_the_wire_are_whole_uncompressed_and_within_limits() {
    let long = |last: usize| {
        let mut wire = [[63; 64]; 3].concat();
        wire.push(last as u8);
        wire.extend(vec![b'x'; last]);
        wire.push(0);
        wire
    };
    assert_eq!(super::check(RecordType::NS, &long(60)), Ok(()));
    assert_eq!(super::check(RecordType::NS, &long(61)), Ok(()));
    refused_octets(
        RecordType::NS,
        &long(62),
        "the name server: the name is longer than 255 octets",
    );
    refused_octets(RecordType::NS, &[], "the name server: it is missing");
    refused_octets(
        RecordType::NS,
        &[1, b'a'],
        "the name server: the name ends in the middle of a label",
    );
    refused_octets(
        RecordType::NS,
        &[0xc0, 12],
        "the name server: compression pointers are not used here",
    );
    refused_octets(
        RecordType::NS,
        &[64],
        "the name server: a label of 64 octets is longer than 63",
    );
    refused_octets(RecordType::NS, &[0, 0], "1 octets follow where the data should end");
}

#[test]
fn bitmaps_have_one_form() {
    let nsec = |bitmap: &[u8]| super::check(RecordType::NSEC, &[&[0], bitmap].concat());
    let wrong = Err(RdataRefusal::Field { field: "the types", fault: Fault::TypeBitmap });
    assert_eq!(nsec(&[0, 1, 0x40, 1, 1, 1]), Ok(()));
    assert_eq!(nsec(&[0, 1, 0]), wrong);
    assert_eq!(nsec(&[0, 0]), wrong);
    assert_eq!(nsec(&[1, 1, 1, 0, 1, 1]), wrong);
    assert_eq!(nsec(&[0, 2, 1]), wrong);
    assert_eq!(nsec(&[0, 33]), wrong);
}

#[test]
fn a_record_tells_which_name_it_points_at() {
    let target_of = |rtype: &str, text: &str| {
        let rdata = parse(rtype, text).unwrap();
        let mut name = String::new();
        write_name(target(rtype.parse().unwrap(), &rdata).unwrap_or_default(), &mut name);
        name
    };
    assert_eq!(target_of("CNAME", "A.b."), "A.b.");
    assert_eq!(target_of("MX", "10 ."), ".");
    assert_eq!(target_of("SRV", "1 2 3 x"), "x.example.");
    assert_eq!(target_of("TXT", "x"), "");
    assert_eq!(names(RecordType::RP, &parse("RP", "a. b.").unwrap()).len(), 2);
    assert_eq!(target(RecordType::MX, &[0]), None);
}

#[test]
fn a_string_has_at_most_255_octets_and_a_record_65535() {
    assert!(parse("TXT", &"x".repeat(254)).is_ok());
    assert!(parse("TXT", &"x".repeat(255)).is_ok());
    assert!(parse("TXT", &"x".repeat(256)).is_err());
    assert_eq!(super::check(RecordType(731), &[0; 65_535]), Ok(()));
    assert_eq!(super::check(RecordType(731), &[0; 65_536]), Err(RdataRefusal::TooLong(65_536)));
}
