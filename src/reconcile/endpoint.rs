//! The IAM that a run talks to: AWS or a sandbox, and which account of it is a cluster's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::iam;
use crate::iam::client::{Reader, Writer};
use crate::iam::sandbox::{Provider, Sandbox, Start};
use crate::model::arn::AwsAccountId;
use crate::model::cluster::Audience;
use crate::settings::ClusterSettings;

/// Where IAM is.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// AWS, as the environment and the settings name it.
    Aws,
    /// The embedded IAM.
    Sandbox(Accounts),
}

impl Endpoint {
    /// A client for a cluster's account that can only read.
    ///
    /// # Errors
    ///
    /// If there are no credentials, or the file holds no accounts.
    pub async fn reader(&self, cluster: &ClusterSettings) -> Result<Reader, iam::Error> {
        match self {
            Self::Aws => Reader::aws(&cluster.access).await,
            Self::Sandbox(accounts) => {
                let (account, start) = accounts.start(cluster)?;
                Ok(Reader::Sandbox(accounts.sandbox.reader(&account, start)))
            }
        }
    }

    /// A client for a cluster's account that can write as well.
    ///
    /// # Errors
    ///
    /// If there are no credentials, or the file holds no accounts.
    pub async fn writer(&self, cluster: &ClusterSettings) -> Result<Writer, iam::Error> {
        match self {
            Self::Aws => Writer::aws(&cluster.access).await,
            Self::Sandbox(accounts) => {
                let (account, start) = accounts.start(cluster)?;
                Ok(Writer::sandbox(accounts.sandbox.writer(&account, start)))
            }
        }
    }
}

/// A sandbox for the clusters of a run, and how an account begins that is not in it yet.
#[derive(Clone, Debug)]
pub struct Accounts {
    file: PathBuf,
    sandbox: Sandbox,
    starts: BTreeMap<AwsAccountId, Start>,
}

impl Accounts {
    /// Opens a sandbox.
    ///
    /// # Errors
    ///
    /// If the file is there and holds no accounts.
    pub fn open(file: &Path, clusters: &[ClusterSettings]) -> Result<Self, iam::Error> {
        let sandbox = Sandbox::open(file)?;
        let mut starts: BTreeMap<AwsAccountId, Start> = BTreeMap::new();
        for cluster in clusters {
            let account = account(&sandbox, cluster)?;
            let start = starts.entry(account).or_default();
            let partition = cluster.account().and_then(|(_, partition)| partition);
            let partition = partition.or(cluster.naming().partition.as_ref());
            start.partition = start.partition.take().or(partition.cloned());
            add_providers(start, cluster);
        }
        Ok(Self {
            file: file.to_owned(),
            sandbox,
            starts,
        })
    }

    /// Says which accounts begin in the file, if any do.
    ///
    /// # Errors
    ///
    /// If the file cannot be read any more.
    pub fn beginning(&self) -> Result<Option<String>, iam::Error> {
        let mut new = Vec::new();
        for (account, start) in &self.starts {
            if !self.sandbox.holds(account)? {
                let issuers = start.providers.iter().map(|p| format!("`{}`", p.issuer));
                let issuers = issuers.collect::<Vec<_>>().join(", ");
                new.push(format!("account {account} (OIDC providers: {issuers})"));
            }
        }
        let (file, begun) = (self.file.display(), new.join(" and "));
        let note = format!("sandbox `{file}` begins with {begun}, without roles");
        Ok((!new.is_empty()).then_some(note))
    }

    fn start(&self, cluster: &ClusterSettings) -> Result<(AwsAccountId, Start), iam::Error> {
        let account = account(&self.sandbox, cluster)?;
        let start = self.starts.get(&account).cloned().unwrap_or_default();
        Ok((account, start))
    }
}

fn account(sandbox: &Sandbox, cluster: &ClusterSettings) -> Result<AwsAccountId, iam::Error> {
    sandbox.account(cluster.account().map(|(account, _)| account))
}

/// Adds the providers that a cluster needs to those of its account.
fn add_providers(start: &mut Start, cluster: &ClusterSettings) {
    let audiences = [
        Some(Audience::DEFAULT),
        cluster.audience().map(Audience::as_str),
    ];
    for issuer in cluster.issuers() {
        let issuer = issuer.as_str();
        let known = start.providers.iter().position(|p| p.issuer == issuer);
        let index = known.unwrap_or_else(|| {
            start.providers.push(Provider {
                issuer: issuer.to_owned(),
                audiences: vec![],
            });
            start.providers.len() - 1
        });
        let audiences_there = &mut start.providers[index].audiences;
        for audience in audiences.into_iter().flatten() {
            if !audiences_there.iter().any(|there| there == audience) {
                audiences_there.push(audience.to_owned());
            }
        }
    }
}
