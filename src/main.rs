//! The program: hands over to the library. It knows no rule of the house itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    djdns::cli::main()
}
