//! djdns
pub mod id;
pub mod key;
pub mod limits;
pub mod page;
pub mod store;
