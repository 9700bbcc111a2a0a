//! The irsa-gitops command: everything it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    irsa_gitops::cli::run(std::env::args_os())
}
