//! The daemon as a process: killed under load, started on damaged data, with a full disk, twice
//! on one directory, stopped politely. Nothing that it acknowledged is ever missing.

mod process {
    pub mod damage;
    pub mod kills;
    pub mod load;
    pub mod service;
}
mod support {
    pub mod daemon;
    pub mod people;
}
