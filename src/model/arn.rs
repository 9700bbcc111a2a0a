//! Amazon Resource Names of roles and OIDC providers, and their parts.
//!
//! No partition is ever assumed: `aws`, `aws-cn`, `aws-us-gov` and those to come are all data.
//! See <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>.

use std::fmt;

use super::identifier::{InvalidRole, Issuer, RoleName, RolePath};
use super::newtype::newtype;

newtype! {
    /// The partition of an ARN: `aws`, `aws-cn`, `aws-us-gov`, `aws-iso`, `aws-eusc` and so on.
    Partition
}

newtype! {
    /// The twelve digits of an AWS account.
    AwsAccountId
}

/// Why a text is not an ARN of the kind that it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidArn {
    /// Whoever wrote the partition: it is not `aws` or `aws-…`.
    #[error("`{0}` is not an AWS partition")]
    Partition(String),
    /// Whoever wrote the account: it is not twelve digits.
    #[error("`{0}` is not an AWS account id (twelve digits)")]
    Account(String),
    /// Whoever wrote the ARN: it does not have the form of a role's.
    #[error("`{0}` is not the ARN of a role (`arn:PARTITION:iam::ACCOUNT:role/NAME`)")]
    NotARole(String),
    /// Whoever wrote the ARN: it does not have the form of a policy's.
    #[error("`{0}` is not the ARN of an IAM policy (`arn:PARTITION:iam::ACCOUNT:policy/NAME`)")]
    NotAPolicy(String),
    /// Whoever wrote the ARN: the role's name or path is not one IAM allows.
    #[error(transparent)]
    Role(#[from] InvalidRole),
}

/// The prefix of a partition's regions, its name, and the region where its IAM is; all other regions
/// belong to `aws`.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "cn-north-1"),
    ("us-gov-", "aws-us-gov", "us-gov-west-1"),
    ("us-iso-", "aws-iso", "us-iso-east-1"),
    ("us-isob-", "aws-iso-b", "us-isob-east-1"),
    ("us-isof-", "aws-iso-f", "us-isof-south-1"),
    ("eu-isoe-", "aws-iso-e", "eu-isoe-west-1"),
    ("eusc-", "aws-eusc", "eusc-de-east-1"),
];

impl Partition {
    /// Checks the form; the list of partitions itself is open.
    pub fn new(text: &str) -> Result<Self, InvalidArn> {
        let suffix_ok = |s: &str| {
            s.is_empty()
                || s.strip_prefix('-').is_some_and(|rest| {
                    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
                })
        };
        match text.strip_prefix("aws") {
            Some(suffix) if suffix_ok(suffix) => Ok(Self(text.to_owned())),
            _ => Err(InvalidArn::Partition(text.to_owned())),
        }
    }

    /// The partition a region belongs to, by the prefixes AWS has published.
    ///
    /// See <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>.
    pub fn of_region(region: &str) -> Self {
        let mut others = PARTITIONS.iter();
        let partition = others
            .find(|(prefix, ..)| region.starts_with(prefix))
            .map_or("aws", |(_, partition, _)| partition);
        Self(partition.to_owned())
    }

    /// The region whose endpoints serve the partition where no region is named: IAM is one for all
    /// regions of a partition, and each partition has its own.
    pub fn default_region(&self) -> &'static str {
        let mut others = PARTITIONS.iter();
        others
            .find(|(_, partition, _)| *partition == self.0)
            .map_or("us-east-1", |(.., region)| region)
    }
}

impl AwsAccountId {
    /// Checks for twelve digits.
    pub fn new(text: &str) -> Result<Self, InvalidArn> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidArn::Account(text.to_owned()))
        }
    }
}

/// The ARN of a role: `arn:PARTITION:iam::ACCOUNT:rolePATHNAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleArn {
    /// The partition of the account, such as `aws`.
    pub partition: Partition,
    /// The account that the role is in.
    pub account: AwsAccountId,
    /// The path, `/` for most roles.
    pub path: RolePath,
    /// The name, without the path.
    pub name: RoleName,
}

impl RoleArn {
    /// Takes an ARN apart. Strict: no white space, no other service, no region.
    pub fn parse(text: &str) -> Result<Self, InvalidArn> {
        let not_a_role = || InvalidArn::NotARole(text.to_owned());
        let mut fields = text.splitn(6, ':');
        let mut field = || fields.next().ok_or_else(not_a_role);
        let (arn, partition, service, region) = (field()?, field()?, field()?, field()?);
        let (account, resource) = (field()?, field()?);
        if arn != "arn" || service != "iam" || !region.is_empty() {
            return Err(not_a_role());
        }
        let full_path = resource.strip_prefix("role").ok_or_else(not_a_role)?;
        let (path, name) = full_path
            .rfind('/')
            .map(|slash| full_path.split_at(slash + 1))
            .ok_or_else(not_a_role)?;
        Ok(Self {
            partition: Partition::new(partition)?,
            account: AwsAccountId::new(account)?,
            path: RolePath::new(path)?,
            name: RoleName::new(name)?,
        })
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            account,
            path,
            name,
        } = self;
        write!(f, "arn:{partition}:iam::{account}:role{path}{name}")
    }
}

/// Checks that a text is the ARN of an IAM policy, a customer's or one of AWS's own.
pub fn policy(text: &str) -> Result<String, InvalidArn> {
    let not_a_policy = || InvalidArn::NotAPolicy(text.to_owned());
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = fields[..] else {
        return Err(not_a_policy());
    };
    Partition::new(partition)?;
    if account != "aws" {
        AwsAccountId::new(account)?;
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b);
    let name = resource
        .strip_prefix("policy/")
        .filter(|name| !name.is_empty() && !name.ends_with('/') && name.bytes().all(legal));
    name.map(|_| text.to_owned()).ok_or_else(not_a_policy)
}

/// The ARN of an IAM OIDC provider: `arn:PARTITION:iam::ACCOUNT:oidc-provider/ISSUER`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OidcProviderArn {
    /// The partition of the account, such as `aws`.
    pub partition: Partition,
    /// The account that the provider is registered in.
    pub account: AwsAccountId,
    /// The cluster's issuer, without `https://`.
    pub issuer: Issuer,
}

impl fmt::Display for OidcProviderArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            account,
            issuer,
        } = self;
        write!(f, "arn:{partition}:iam::{account}:oidc-provider/{issuer}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_arn_reads_back_as_it_was_written() {
        for arn in [
            "arn:aws:iam::123456789012:role/k8s-sa_bar_foo",
            "arn:aws-cn:iam::123456789012:role/k8s-sa_bar_foo",
            "arn:aws-us-gov:iam::123456789012:role/team/a/k8s-sa_bar_foo.v2",
        ] {
            assert_eq!(
                RoleArn::parse(arn).map(|a| a.to_string()),
                Ok(arn.to_owned())
            );
        }
    }

    #[test]
    fn what_is_not_a_role_arn_is_refused() {
        for bad in [
            "",
            "role/k8s-sa_bar_foo",
            "arn:aws:iam::123456789012:user/foo",
            "arn:aws:sts::123456789012:role/foo",
            "arn:aws:iam:eu-west-1:123456789012:role/foo",
            "arn:aws:iam::12345678901:role/foo",
            "arn:amazon:iam::123456789012:role/foo",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/foo bar",
            "arn:aws:iam::123456789012:role/foo\n",
            " arn:aws:iam::123456789012:role/foo",
            "arn:aws:iam::123456789012:rolefoo/bar",
        ] {
            assert!(RoleArn::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn m8_a_policy_arn_is_told_from_others() {
        for good in [
            "arn:aws:iam::123456789012:policy/limit",
            "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
        ] {
            assert_eq!(policy(good), Ok(good.to_owned()));
        }
        for bad in [
            "limit",
            "arn:aws:iam::123456789012:role/limit",
            "arn:aws:iam::123456789012:policy/",
            "arn:aws:iam::12:policy/limit",
            "arn:aws:iam::123456789012:policy/*",
        ] {
            assert!(policy(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn regions_know_their_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of_region(region).as_str(), partition);
        }
    }

    #[test]
    fn a38_the_default_region_of_a_partition_belongs_to_it() {
        let others = PARTITIONS.map(|(_, partition, _)| partition);
        for partition in [&["aws"][..], &others].concat() {
            let partition = Partition::new(partition).expect("a partition");
            assert_eq!(Partition::of_region(partition.default_region()), partition);
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_an_arn_is_written_as_it_was_read(text in "(arn:aws[a-z-]{0,4}:iam::[0-9]{11,13}:role/[ -~]{0,20}|\\PC{0,60})") {
            if let Ok(arn) = RoleArn::parse(&text) {
                proptest::prop_assert_eq!(arn.to_string(), text);
            }
        }
    }
}
