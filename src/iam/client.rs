//! The IAM that a run talks to: AWS, or the embedded one. The one place that tells them apart.

use super::{Caller, Error, IamReader, IamWriter, OidcProvider, aws, sandbox};
use crate::model::access::Access;
use crate::model::arn::OidcProviderArn;
use crate::model::quotas::Quotas;
use crate::model::role::{
    Attachments, CurrentRole, ListedRole, NewRole, RoleId, RoleName, SessionDuration,
};
use crate::model::tags::Tags;
use crate::model::trust_policy::TrustDocument;

/// A client that can only read.
#[derive(Clone, Debug)]
pub enum Reader {
    /// Of AWS.
    Aws(aws::Reader),
    /// Of the embedded IAM.
    Sandbox(sandbox::Reader),
}

/// A client that can write as well.
#[derive(Clone, Debug)]
pub struct Writer {
    writer: Kind,
    reader: Reader,
}

#[derive(Clone, Debug)]
enum Kind {
    Aws(aws::Writer),
    Sandbox(sandbox::Writer),
}

impl Reader {
    /// A client of AWS.
    ///
    /// # Errors
    ///
    /// If there are no credentials.
    pub async fn aws(access: &Access) -> Result<Self, Error> {
        Ok(Self::Aws(aws::Reader::connect(access).await?))
    }
}

impl Writer {
    /// A client of AWS.
    ///
    /// # Errors
    ///
    /// If there are no credentials.
    pub async fn aws(access: &Access) -> Result<Self, Error> {
        let writer = aws::Writer::connect(access).await?;
        Ok(Self {
            reader: Reader::Aws(writer.reader().clone()),
            writer: Kind::Aws(writer),
        })
    }

    /// A client of the embedded IAM.
    pub fn sandbox(writer: sandbox::Writer) -> Self {
        Self {
            reader: Reader::Sandbox(writer.reader().clone()),
            writer: Kind::Sandbox(writer),
        }
    }
}

/// Hands a call on to the client that there is.
macro_rules! hand_on {
    ($client:expr, $kind:ident, $call:ident($($argument:expr),*)) => {
        match $client {
            $kind::Aws(iam) => iam.$call($($argument),*).await,
            $kind::Sandbox(iam) => iam.$call($($argument),*).await,
        }
    };
}

impl IamReader for Reader {
    async fn caller(&self) -> Result<Caller, Error> {
        hand_on!(self, Self, caller())
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, Error> {
        hand_on!(self, Self, list_roles())
    }

    async fn all_roles(&self) -> Result<Option<Vec<CurrentRole>>, Error> {
        hand_on!(self, Self, all_roles())
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, Error> {
        hand_on!(self, Self, role(name))
    }

    async fn oidc_provider(&self, arn: &OidcProviderArn) -> Result<Option<OidcProvider>, Error> {
        hand_on!(self, Self, oidc_provider(arn))
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, Error> {
        hand_on!(self, Self, attachments(name))
    }

    async fn quotas(&self) -> Result<Quotas, Error> {
        hand_on!(self, Self, quotas())
    }
}

impl IamWriter for Writer {
    type Reader = Reader;

    fn reader(&self) -> &Reader {
        &self.reader
    }

    fn halt(&self) {
        match &self.writer {
            Kind::Aws(iam) => iam.halt(),
            Kind::Sandbox(iam) => iam.halt(),
        }
    }

    async fn create_role(&self, role: &NewRole) -> Result<RoleId, Error> {
        hand_on!(&self.writer, Kind, create_role(role))
    }

    async fn update_trust_policy(
        &self,
        name: &RoleName,
        document: &TrustDocument,
    ) -> Result<(), Error> {
        hand_on!(&self.writer, Kind, update_trust_policy(name, document))
    }

    async fn tag_role(&self, name: &RoleName, tags: &Tags) -> Result<(), Error> {
        hand_on!(&self.writer, Kind, tag_role(name, tags))
    }

    async fn untag_role(&self, name: &RoleName, keys: &[&str]) -> Result<(), Error> {
        hand_on!(&self.writer, Kind, untag_role(name, keys))
    }

    async fn update_session_duration(
        &self,
        name: &RoleName,
        duration: SessionDuration,
    ) -> Result<(), Error> {
        hand_on!(&self.writer, Kind, update_session_duration(name, duration))
    }

    async fn delete_role(&self, name: &RoleName) -> Result<(), Error> {
        hand_on!(&self.writer, Kind, delete_role(name))
    }
}
