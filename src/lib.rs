//! djdns
pub mod dns;
pub mod id;
pub mod key;
pub mod limits;
pub mod page;
