//! The daemon as a process: killed under load, started on damaged data, with a full disk, twice
//! on one directory, stopped politely. Nothing that it acknowledged is ever missing.

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/people.rs"]
mod people;

#[path = "crash/damage.rs"]
mod damage;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/load.rs"]
mod load;
#[path = "crash/service.rs"]
mod service;
