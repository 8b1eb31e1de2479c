//! Nodes beside each other on networks that the tests make: namespaces of this machine.

mod support {
    pub mod clock;
    pub mod daemon;
    pub mod lan;
    pub mod relay;
}
mod beside {
    mod discovery;
    mod node;
    mod stories;
}
