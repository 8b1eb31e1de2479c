//! The demonstration: five moderators whose secret keys are public, and the pages they founded.
//!
//! Whoever reads this file can sign as any of them; a key made here is worth nothing. The pages
//! are embedded as bundles and pass the same checks as any other; their sources are the zone
//! files beside them, and a test founds them anew and compares.

use anyhow::Context;

use crate::{
    id::{Id, Kind},
    key::SecretKey,
    page::{
        Page, RawPage, bundle,
        entry::{Rdata, RecordSets},
        genesis::{Parameters, RawGenesis},
        name::{Name, Owner},
        record::{PageLink, RecordType},
        roster_rows, zonefile,
    },
};

/// Who they are.
pub const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// When the pages were founded: 2026-11-20, seconds since 1970 (UTC).
const FOUNDED: u64 = 1_795_132_800;
/// Seconds that the links between the pages may be cached.
const LINK_TTL: u32 = 3600;

/// The pages with their sources and bundles, each before the one that links it.
const PAGES: [(&str, &str, &[u8]); 4] = [
    (
        "music.ct.",
        include_str!("../pages/music.ct.zone"),
        include_bytes!("../pages/music.ct.bundle"),
    ),
    ("ff.ct.", include_str!("../pages/ff.ct.zone"), include_bytes!("../pages/ff.ct.bundle")),
    ("ct.", include_str!("../pages/ct.zone"), include_bytes!("../pages/ct.bundle")),
    (".", include_str!("../pages/root.zone"), include_bytes!("../pages/root.bundle")),
];

/// The key of one of [`NAMES`]: its seed is SHA-256 of `djdns/demo/` and the name.
pub fn key(name: &str) -> Option<SecretKey> {
    let seed = |name: &&str| *Id::hash(&[b"djdns/demo/", name.as_bytes()]).as_bytes();
    NAMES.iter().find(|known| **known == name).map(seed).map(|seed| SecretKey::from_seed(&seed))
}

/// The embedded bundles, each page before the one that links it; the root is last.
pub fn bundles() -> impl Iterator<Item = &'static [u8]> {
    PAGES.iter().map(|(_, _, bundle)| *bundle)
}

/// Founds the pages from their sources: the name, and the bundle.
///
/// # Errors
/// When a source is no zone file of its page.
pub fn found_from_sources() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut founded: Vec<(Name, Id)> = Vec::new();
    let mut bundles = Vec::new();
    for (name, source, _) in PAGES {
        let name = Name::parse(name)?;
        let mut contents = zonefile::read(source.as_bytes(), &name, &mut |_| {})?.entries;
        contents.extend(links(&name, &founded)?);
        let (page, raw) = Page::found(genesis(&name), contents)?;
        founded.push((name.clone(), page.id()));
        bundles.push((name.to_string(), pack(raw)?));
    }
    Ok(bundles)
}

/// The PAGE entries of `name` for the pages directly below it.
fn links(name: &Name, founded: &[(Name, Id)]) -> anyhow::Result<Vec<(Owner, RecordSets)>> {
    let below = founded.iter().filter(|(page, _)| page.parent().as_ref() == Some(name));
    below
        .map(|(page, id)| {
            let owner = page.relative_to(name)?;
            let link = PageLink { page: *id, beacons: Vec::new() };
            let rdata = link.to_rdata().context("a link without beacons fits")?;
            let sets = RecordSets::gather([(RecordType::PAGE, LINK_TTL, rdata)], &owner, name)?;
            Ok((owner, sets))
        })
        .collect()
}

fn genesis(name: &Name) -> RawGenesis {
    let keys = NAMES.iter().filter_map(|name| key(name));
    let roster = roster_rows(keys.map(|key| (key.public(), 1)));
    let salt = Id::hash(&[b"djdns/demo/salt/", name.wire()]);
    let raw = RawGenesis::new(name.clone(), roster, Parameters::default(), FOUNDED, salt);
    RawGenesis { demonstration: true, ..raw }
}

fn pack(raw: RawPage) -> anyhow::Result<Vec<u8>> {
    let mut entries: Vec<Rdata> = raw.entries.into_iter().map(Rdata).collect();
    entries.sort_unstable();
    let entries = bundle::write_entries(&entries);
    let genesis = (Kind::Genesis as u8, raw.genesis.as_slice());
    Ok(bundle::write([genesis, (bundle::ENTRIES, &entries)])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_can_make_the_five_keys_and_no_others() {
        // printf %s djdns/demo/alice | sha256sum
        let seed = "6d73b575795c981624e0cff47186b79b4099b9e3da64c07ae6d324cb6fa3ce23";
        let alice = key("alice").map(|key| Id::from_bytes(key.seed()).to_string());
        assert_eq!(alice.as_deref(), Some(seed));
        assert!(NAMES.iter().all(|name| key(name).is_some()));
        assert!(key("mallory").is_none());
    }

    /// With `DJDNS_BLESS=1` in the environment the bundles are written anew instead.
    #[test]
    fn the_bundles_are_what_the_sources_found() {
        for ((name, bundle), (_, _, embedded)) in found_from_sources().unwrap().iter().zip(PAGES) {
            let stem = if name == "." { "root" } else { name.trim_end_matches('.') };
            if std::env::var_os("DJDNS_BLESS").is_some() {
                let path = format!("{}/pages/{stem}.bundle", env!("CARGO_MANIFEST_DIR"));
                std::fs::write(path, bundle).unwrap();
            } else {
                let is_same = bundle == embedded;
                assert!(
                    is_same,
                    "pages/{stem}.bundle is not what its source founds: run this \
                     test with DJDNS_BLESS=1 and commit the bundles"
                );
            }
        }
    }
}
