//! Nodes beside each other on networks that the tests make: namespaces of this machine.

#[path = "support/lan.rs"]
mod lan;

mod neighbours {
    mod discovery;
}
