//! irsa-gitops
pub mod diagnostic;
pub mod iam;
pub mod manifest;
pub mod model;
pub mod source;
