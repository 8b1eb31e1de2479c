//! The fixed suffix below which pages answer as well: `www.ff.ct.djdns.alt.` is `www.ff.ct.`.
//!
//! The public DNS never has anything below `alt.` (RFC 9476), so a page stays within reach there even
//! when its own name is one of the public DNS, too. What an alias leads to keeps its real name, and is
//! then a name as any other. Which names are served at all is not known here.

use super::path::Path;

/// The suffix in wire form, the root's zero octet included.
pub const SUFFIX: &[u8] = b"\x05djdns\x03alt\x00";
/// How many labels it has.
const LABELS: usize = 2;

/// The name without the suffix, whose labels are counted from the same end. `None` where there is no
/// suffix.
pub fn strip(name: &Path) -> Option<Path> {
    let end = name.labels().checked_sub(LABELS)?;
    (name.suffix(end) == SUFFIX).then(|| name.graft(end, &[0]))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::name::Name;

    #[test]
    fn a_name_below_the_suffix_is_the_name_without_it() {
        let check = |name: &str, expect: Option<&str>| {
            let path = Path::from(&Name::parse(name).unwrap());
            let real = strip(&path).map(|real| real.to_name().to_string());
            assert_eq!(real.as_deref(), expect, "{name}");
        };
        check("www.FF.ct.djdns.alt.", Some("www.ff.ct."));
        check("djdns.alt.", Some("."));
        check("djdns.alt.djdns.alt.", Some("djdns.alt."));
        check("alt.", None);
        check("xdjdns.alt.", None);
        check("djdns.alt.ct.", None);
        check(".", None);
    }
}
