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
    assert_eq!(nsec(&[1, 1, 1, 1, 1, 2]), wrong);
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

/// Data of a type in hexadecimal, which is sound.
fn sound(rtype: u16, hex: &str) {
    let rdata = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    assert_eq!(super::check(RecordType(rtype), &rdata), Ok(()), "TYPE{rtype} {hex}");
}

/// Data of a type in hexadecimal, which is refused with this fault.
fn unsound(rtype: u16, hex: &str, expect: &Fault) {
    let rdata = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    match super::check(RecordType(rtype), &rdata) {
        Err(RdataRefusal::Field { fault, .. }) => assert_eq!(fault, *expect, "TYPE{rtype} {hex}"),
        other => panic!("TYPE{rtype} {hex}: {other:?}"),
    }
}

#[test]
fn address_prefixes_are_within_their_family_and_spare_no_bits() {
    let apl = RecordType::APL.0;
    sound(apl, "00012004c0000201");
    sound(apl, "00010080");
    sound(apl, &format!("00028010{}", "11".repeat(16)));
    sound(apl, &format!("0003ff7f{}", "11".repeat(127)));
    unsound(apl, "00012100", &Fault::AddressPrefix);
    unsound(apl, "000120050101010101", &Fault::AddressPrefix);
    unsound(apl, "0001180401020300", &Fault::AddressPrefix);
    unsound(apl, "00028100", &Fault::AddressPrefix);
    unsound(apl, &format!("00028011{}", "11".repeat(17)), &Fault::AddressPrefix);
    unsound(apl, "0001", &Fault::AddressPrefix);
}

#[test]
fn a_location_is_on_the_globe_and_its_sizes_are_one_digit_times_a_power_of_ten() {
    let at = |latitude: u32, longitude: u32| {
        let angles = [latitude, longitude].map(|angle| angle.wrapping_add(1 << 31));
        format!("00000000{:08x}{:08x}00989680", angles[0], angles[1])
    };
    let (pole, date_line) = (90 * 3_600_000, 180 * 3_600_000);
    let loc = RecordType::LOC.0;
    sound(loc, &at(pole, date_line));
    unsound(loc, &at(pole + 1, 0), &Fault::LocationRange);
    unsound(loc, &at(0, date_line + 1), &Fault::LocationRange);
    unsound(loc, &format!("01{}", &at(0, 0)[2..]), &Fault::LocationVersion(1));
    same("LOC", "0 0 0.000 N 0 0 0.000 E 0.00m 0.00m 90000000.00m 10.00m");
    check("LOC", "1 N 1 E 0000000007 9m", {
        "1 0 0.000 N 1 0 0.000 E 7.00m 9.00m 10000.00m 10.00m"
    });
    let location = format!("the location: {}", Fault::Location);
    for wrong in ["00000000007", ".5", "+5", "--5", "1.234", "5x", ""] {
        refused("LOC", &format!("1 N 1 E \"{wrong}\""), &location);
    }
    refused("LOC", "1 2 3 X 1 E 0", &location);
    for wrong in ["-1m", "100000000m"] {
        refused("LOC", &format!("1 N 1 E 0 {wrong}"), {
            "the location: a size or precision is 0, or a digit times a power of ten up to 9 (RFC 1876)"
        });
    }
}

#[test]
fn each_service_parameter_is_well_formed_by_its_own_rule() {
    let svcb = |params: &str| format!("000100{params}");
    let good = [
        "0000000200030003000200350004000401020304",
        "000100030268320002000000080000",
        "0005000101",
        "00060010000102030405060708090a0b0c0d0e0f",
        "000700072f7b3f646e737d",
        "00070006787b646e737d",
    ];
    let (path, relative) = good.split_at(5);
    path.iter().for_each(|params| sound(RecordType::SVCB.0, &svcb(params)));
    let wrong = |params: &str, name: &str| {
        unsound(RecordType::SVCB.0, &svcb(params), &Fault::ParamValue(name.to_owned()));
    };
    wrong("00000000", "mandatory");
    wrong("0000000300030000030002003500", "mandatory");
    wrong("00010003026832000200010100", "no-default-alpn");
    wrong("000300030035ff", "port");
    wrong("00040000", "ipv4hint");
    wrong("00040003010203", "ipv4hint");
    wrong("00050000", "ech");
    wrong("00060000", "ipv6hint");
    wrong("0006000400000000", "ipv6hint");
    wrong(relative[0], "dohpath");
    wrong("000700022f78", "dohpath");
    wrong("0008000101", "ohttp");
    wrong("ffff0000", "key65535");
    unsound(RecordType::SVCB.0, &svcb("000300020035000300020035"), &Fault::ParamOrder);
    check("SVCB", "1 . key0=\\000\\003 port=1", "1 . mandatory=port port=1");
    refused("SVCB", "1 . key01=x", {
        "the parameters: `key01` is no parameter name (RFC 9460 section 14.3.2) and not `key` with a number"
    });
}

#[test]
fn other_software_reads_text_of_what_it_knows_and_octets_of_the_rest() {
    let generic = |rtype, text| {
        let shown = show(rtype, &parse(rtype, text).unwrap(), Style::GenericPrivate);
        assert!(shown.starts_with("\\# "), "{rtype} {shown}");
    };
    let plain = |rtype, text| {
        let shown = show(rtype, &parse(rtype, text).unwrap(), Style::GenericPrivate);
        assert_eq!(shown, text, "{rtype}");
    };
    plain("A", "192.0.2.1");
    plain("SVCB", "1 svc.example. alpn=\"h2\" ipv6hint=2001:db8::1");
    generic("SVCB", "1 svc.example. alpn=\"h2\" dohpath=\"/dns-query{?dns}\"");
    generic("HTTPS", "1 svc.example. port=1 key9=x");
    generic("HIP", "2 200100107b1a74df365639cc39f1d578 AwEAAbdx rvs.example.");
    generic("PAGE", HEX32);
}

#[test]
fn types_without_a_mnemonic_that_others_parse_have_the_shape_that_they_parse() {
    let name = "0161026262 00".replace(' ', "");
    for rtype in [3, 4, 7, 8, 9, 23] {
        sound(rtype, &name);
        unsound(rtype, "0161", &Fault::Name(NameRefusal::Truncated));
    }
    for rtype in [14, 58] {
        sound(rtype, &format!("{name}00"));
        unsound(rtype, &name, &Fault::Missing);
    }
    for rtype in [21, 107] {
        sound(rtype, &format!("0001{name}"));
        unsound(rtype, "0001", &Fault::Missing);
    }
    sound(26, &format!("0001{name}00"));
    unsound(26, &format!("0001{name}"), &Fault::Missing);
    sound(11, "c000020106ff");
    unsound(11, "c0000201", &Fault::Missing);
    sound(19, "0161");
    unsound(19, "0261", &Fault::Truncated);
    sound(20, "01610162");
    unsound(20, "016101620163", &Fault::TooManyStrings);
    for rtype in [22, 31, 32, 34, 67, 68] {
        sound(rtype, "00");
        unsound(rtype, "", &Fault::Empty);
    }
    sound(27, "013101320133");
    unsound(27, "01310132", &Fault::Missing);
    sound(40, "0102");
    unsound(40, "01", &Fault::Missing);
    for rtype in [56, 258, 261, 262] {
        sound(rtype, "0161");
        unsound(rtype, "", &Fault::TooFewStrings { have: 0, least: 1 });
    }
    sound(57, "0000030801");
    unsound(57, "00000308", &Fault::Empty);
    sound(66, &format!("000f01{}{name}", "0035"));
    unsound(66, "000f010035", &Fault::Missing);
    for rtype in [104, 106] {
        sound(rtype, "00010102030405060708");
        unsound(rtype, "0001010203040506", &Fault::Truncated);
    }
    sound(105, "0001c0000201");
    unsound(105, "0001c00002", &Fault::Truncated);
    sound(259, "0000000100000002030161ff");
    unsound(259, "000000010000000203", &Fault::Missing);
    for rtype in [32_768, 32_769] {
        sound(rtype, &format!("00010801{}", "11".repeat(20)));
        unsound(rtype, "0001080111", &Fault::DigestLength { have: 1, expect: 20 });
    }
}

#[test]
fn a_relay_and_a_gateway_are_what_the_number_before_them_says() {
    sound(260, "0a00");
    sound(260, "0a80");
    sound(260, "0a81c0000201");
    sound(260, &format!("0a02{}", "11".repeat(16)));
    sound(260, "0a03016100");
    unsound(260, "0a81c00002", &Fault::Truncated);
    unsound(260, "0a", &Fault::Missing);
    unsound(260, "0a04", &Fault::Gateway(4));
    unsound(260, "0a84", &Fault::Gateway(4));
    unsound(RecordType::IPSECKEY.0, "0a0102c00002", &Fault::Truncated);
    unsound(RecordType::IPSECKEY.0, "0a0402", &Fault::Gateway(4));
    unsound(RecordType::HIP.0, "00020001aa", &Fault::InnerLength);
    unsound(RecordType::HIP.0, "01020000aa", &Fault::InnerLength);
}

#[test]
fn a_substitution_refers_to_groups_of_its_expression_alone() {
    let expression = |text: &str| parse("NAPTR", &format!("1 2 \"u\" \"s\" \"{text}\" .")).is_ok();
    for good in ["!a!5!", "!\\\\1!b!", "!(a)!\\\\1(!"] {
        assert!(expression(good), "{good}");
    }
    for wrong in ["!a!(\\\\1!", "!(a)!\\\\2!", "!(a)!\\\\0!", "!a!b\\000!", "\\000a\\000b\\000"] {
        assert!(!expression(wrong), "{wrong}");
    }
}

#[test]
fn spans_and_times_are_read_to_their_ends() {
    let cases: [(&[u8], Option<u32>); 9] = [
        (b"1w2d3h4m5s", Some(788_645)),
        (b"7S", Some(7)),
        (b"1h30", Some(3630)),
        (b"4294967295", Some(u32::MAX)),
        (b"4294967296", None),
        (b"99999999999999999999999999", None),
        (b"7102w", None),
        (b"s", None),
        (b"", None),
    ];
    for (text, expect) in cases {
        assert_eq!(seconds(text), expect, "{}", String::from_utf8_lossy(text));
    }
    let signed = |time: &str| parse("RRSIG", &format!("A 5 3 1 {time} 0 1 . AQID")).is_ok();
    assert!(signed("20991231235959"));
    for wrong in [
        "19691231235959",
        "21070101000000",
        "20001301000000",
        "20000001000000",
        "20000100000000",
        "20010229000000",
        "20000101240000",
        "20000101006000",
        "20000101000060",
        "2000010100000",
    ] {
        assert!(!signed(wrong), "{wrong}");
    }
}

#[test]
fn labels_and_names_in_data_may_be_as_long_as_their_limits() {
    let label = |len: usize| "x".repeat(len);
    assert!(parse("NS", &label(63)).is_ok());
    refused("NS", &label(257), "the name server: a label of 257 octets is longer than 63");
    // `example.` takes 9 octets, and the three long labels 192.
    let long = |last: usize| format!("{0}.{0}.{0}.{1}", label(63), label(last));
    assert!(parse("NS", &long(53)).is_ok());
    refused("NS", &long(54), "the name server: the name is longer than 255 octets");
}

#[test]
fn numbers_and_words_fit_the_width_of_their_field() {
    same("CERT", "300 1 8 AQID");
    refused("CERT", "65536 1 8 AQID", "the type: `65536` is no number from 0 to 65535");
    refused("CERT", "1 1 256 AQID", "the algorithm: `256` is no number from 0 to 255");
    let tokens = token::one_line("10 mail x y").unwrap();
    let fault = parse_into(RecordType::MX, &tokens, &origin(), &mut Vec::new());
    assert_eq!(fault, Err((2, RdataRefusal::TrailingText("x".to_owned()))));
}

#[test]
fn quotes_and_lines_end_where_they_should() {
    assert_eq!(parse("A", "192.0.2.1 \n \n"), parse("A", "192.0.2.1"));
    let open = RdataRefusal::OpenQuote.to_string();
    refused("TXT", "\"a\nb\"", &open);
    refused("TXT", "\"a\\\n\"", &open);
    refused("TXT", "a\\", "the text: `\\` needs a character or three digits up to 255 after it");
    refused("TXT", "a\"b\"", {
        "the text: a quote stands inside a string: put the whole string in quotes, or write `\\\"`"
    });
    let words = parse_words(RecordType::MX, &["10 mail", "x"], &origin());
    assert!(words.is_err(), "{words:?}");
}
