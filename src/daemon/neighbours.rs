//! Keeps this node in step with others: the driver of the machine that decides (`sync`), of the network
//! and of discovery.
//!
//! What is asked of whom, and what is believed, is not known here.

pub mod doors;
