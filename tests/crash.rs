//! The daemon as a process: killed under load, started on damaged data, with a full disk, twice
//! on one directory, stopped politely. Nothing that it acknowledged is ever missing.

#[path = "crash/damage.rs"]
mod damage;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/load.rs"]
mod load;
#[path = "crash/service.rs"]
mod service;
mod support {
    pub mod daemon;
    pub mod people;
}
