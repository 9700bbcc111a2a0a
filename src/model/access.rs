//! With which credentials AWS is called.

use super::arn::RoleArn;

/// With which credentials AWS is called; what is left out comes from the default chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The region whose endpoints are used.
    pub region: Option<String>,
    /// A web identity: the file with the token and the role to assume with it.
    pub web_identity: Option<(String, RoleArn)>,
    /// A role to assume after that.
    pub assume_role: Option<RoleArn>,
}
