//! irsa-gitops
pub mod apply;
pub mod desired;
pub mod diagnostic;
pub mod exit;
pub mod iam;
pub mod manifest;
pub mod model;
pub mod plan;
pub mod report;
pub mod settings;
pub mod source;
