//! x
pub mod apex;
pub mod codec;
pub mod entry;
pub mod name;
pub mod rdata;
pub mod record;
