//! The daemon as a process: killed under load, started on damaged data, with a full disk, twice
//! on one directory, stopped politely. Nothing that it acknowledged is ever missing. And commands,
//! where only a process shows what they do.

mod process {
    pub mod bounds;
    pub mod commands;
    pub mod damage;
    pub mod encrypted;
    pub mod examples;
    pub mod images;
    pub mod kills;
    pub mod load;
    pub mod operations;
    pub mod service;
}
mod support {
    pub mod daemon;
    pub mod people;
}
