//! Nodes beside each other on networks that the tests make: namespaces of this machine.

mod support {
    pub mod lan;
}
mod beside {
    mod discovery;
}
