//! Stories of a few nodes that keep a page in step, over a network that delays and loses.

mod bounds;
mod early;
mod liars;
mod people;
mod reaching;
mod shelf;
mod stories;
mod town;
