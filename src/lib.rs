//! djdns
pub mod control;
pub mod governance;
pub mod dns;
pub mod id;
pub mod key;
pub mod limits;
pub mod page;
pub mod store;
