//! Several daemons on this machine that keep pages in step: what people do with two laptops, each of
//! which names the other.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/people.rs"]
mod people;

mod nodes {
    mod stories;
}
