//! The program: hands over to the library. It knows no rule of the house itself.

fn main() {}
