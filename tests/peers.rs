//! djdns beside other people's servers, with the same data and the same random questions.
//!
//! Ten thousand questions each, from a seed that is printed; `DJDNS_SEED` gives another. Where answers
//! differ, `differential/exceptions.txt` must say why that may be.

mod support {
    pub mod daemon;
    pub mod message;
    pub mod random;
    pub mod tools;
}
mod differential {
    pub mod authoritative;
    pub mod compare;
    pub mod questions;
}
