//! Mirrors: pages in other people's name servers, by transfers that are signed.

mod support {
    pub mod daemon;
    pub mod message;
    pub mod tools;
}
mod mirrors {
    mod configured;
    mod peers;
    mod sealed;
    mod slow;
}
