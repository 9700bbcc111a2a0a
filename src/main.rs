//! The irsa-gitops command.

fn main() {}
