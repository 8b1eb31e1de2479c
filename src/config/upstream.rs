//! How the settings of forwarding are written in the configuration file.
//!
//! Each piece refuses what it is not while it is read, so that the fault has a line. What is made of
//! them is [`super::settings`]'s business.

use std::net::IpAddr;

use serde::Deserialize;

use crate::{
    dns::Upstream,
    page::name::{self, Name},
};

/// A domain name as people write it, in any script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Domain(pub Name);

impl TryFrom<String> for Domain {
    type Error = String;

    fn try_from(text: String) -> Result<Domain, String> {
        // DNS has such names (RFC 2181 section 11); who writes one here slipped.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "`{}` is no domain name: it has a blank in it",
                text.escape_debug()
            ));
        }
        name::to_ascii(&text)
            .and_then(|ascii| Name::parse(&ascii))
            .map(Domain)
            .map_err(|refusal| format!("`{text}` is no domain name: {refusal}"))
    }
}

/// A name that is not all names below another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct OneName(pub Name);

impl TryFrom<String> for OneName {
    type Error = String;

    fn try_from(text: String) -> Result<OneName, String> {
        if text == "*" || text.starts_with("*.") {
            return Err(format!(
                "`{text}`: an override is for one name; to send a whole domain elsewhere use [rules]"
            ));
        }
        Domain::try_from(text).map(|Domain(name)| OneName(name))
    }
}

/// A top-level domain: one label.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TopLevel(pub Name);

impl TryFrom<String> for TopLevel {
    type Error = String;

    fn try_from(text: String) -> Result<TopLevel, String> {
        let Domain(name) = Domain::try_from(text.trim_start_matches('.').to_owned())?;
        match name.labels().count() {
            1 => Ok(TopLevel(name)),
            _ => Err(format!("`{text}` is no top-level domain, which is one label, as \"dev\"")),
        }
    }
}

/// At least one of something: an empty list would mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub struct AtLeastOne<T>(pub Vec<T>);

impl<T> TryFrom<Vec<T>> for AtLeastOne<T> {
    type Error = &'static str;

    fn try_from(list: Vec<T>) -> Result<AtLeastOne<T>, &'static str> {
        match list.is_empty() {
            true => Err("an empty list: name at least one, or leave the line out"),
            false => Ok(AtLeastOne(list)),
        }
    }
}

/// Whom one rule asks.
pub type Servers = AtLeastOne<Upstream>;

/// What one name is overridden with.
pub type Addresses = AtLeastOne<Address>;

/// An IP address, whose refusal says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub IpAddr);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Address, String> {
        text.parse().map(Address).map_err(|_| {
            format!("`{text}` is no IP address; accepted are \"192.168.1.9\" and \"2001:db8::9\"")
        })
    }
}
