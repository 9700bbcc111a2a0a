//! A writer that says in a file what it is about to do and what became of it.
//!
//! One JSON line before each write and one after it, each synced: whoever reads the file of a run
//! that died knows which write was under way. A write that cannot be announced is not made.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::{Error, IamWriter, Kind, Tags, TrustDocument};
use crate::model::commit::CommitId;
use crate::model::role::{NewRole, RoleId, RoleName, SessionDuration};

/// A file that takes the lines of all writers of a run.
#[derive(Debug)]
pub struct AuditLog {
    file: Mutex<File>,
    commit: Option<CommitId>,
}

/// A writer whose every write is logged.
#[derive(Debug)]
pub struct Audited<'a, W> {
    writer: W,
    log: Option<&'a AuditLog>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    event: &'a str,
    action: &'a str,
    role: &'a str,
    commit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl AuditLog {
    /// Opens a file to append to.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be opened for writing.
    pub fn open(path: &Path, commit: Option<&CommitId>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).create(true).append(true).open(path)?;
        // A line that a full disk cut short is not to swallow the next one.
        let mut last = [b'\n'];
        if file.metadata()?.is_file() && file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(Self {
            file: Mutex::new(file),
            commit: commit.cloned(),
        })
    }

    fn write(&self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        // A panic elsewhere leaves the file as it is: at most one line is cut.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text)?;
        match file.sync_data() {
            // A pipe or a device takes what it is given, and cannot be synced.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

impl<'a, W: IamWriter> Audited<'a, W> {
    /// Wraps a writer; without a log it is the writer itself.
    pub fn new(writer: W, log: Option<&'a AuditLog>) -> Self {
        Self { writer, log }
    }

    async fn logged<T>(
        &self,
        action: &'static str,
        name: &RoleName,
        document: Option<&TrustDocument>,
        write: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(log) = self.log else {
            return write.await;
        };
        let line = |event, error| Line {
            time: jiff::Timestamp::now().to_string(),
            event,
            action,
            role: name.as_str(),
            commit: log.commit.as_ref().map(CommitId::as_str),
            document: document.map(TrustDocument::as_str),
            error,
        };
        log.write(&line("begin", None)).map_err(|error| Error {
            action,
            role: Some(name.clone()),
            kind: Kind::AuditLog,
            message: format!("not sent, because the audit log cannot be written: {error}"),
            source: None,
        })?;
        let result = write.await;
        let error = result.as_ref().err().map(ToString::to_string);
        let event = match &result {
            Ok(_) => "done",
            Err(error) if error.kind == Kind::OutcomeUnknown => "unknown",
            Err(_) => "failed",
        };
        if let Err(error) = log.write(&line(event, error.as_deref())) {
            // The write is done; the next one will not be announced and so will not be made.
            tracing::error!(
                "the end of {action} on role `{name}` is missing in the audit log: {error}"
            );
        }
        result
    }
}

impl<W: IamWriter> IamWriter for Audited<'_, W> {
    type Reader = W::Reader;

    fn reader(&self) -> &W::Reader {
        self.writer.reader()
    }

    fn halt(&self) {
        self.writer.halt();
    }

    async fn create_role(&self, role: &NewRole) -> Result<RoleId, Error> {
        let (name, document) = (&role.arn.name, Some(&role.trust_policy));
        self.logged(
            "iam:CreateRole",
            name,
            document,
            self.writer.create_role(role),
        )
        .await
    }

    async fn update_trust_policy(
        &self,
        name: &RoleName,
        document: &TrustDocument,
    ) -> Result<(), Error> {
        let write = self.writer.update_trust_policy(name, document);
        self.logged("iam:UpdateAssumeRolePolicy", name, Some(document), write)
            .await
    }

    async fn tag_role(&self, name: &RoleName, tags: &Tags) -> Result<(), Error> {
        self.logged("iam:TagRole", name, None, self.writer.tag_role(name, tags))
            .await
    }

    async fn untag_role(&self, name: &RoleName, keys: &[&str]) -> Result<(), Error> {
        self.logged(
            "iam:UntagRole",
            name,
            None,
            self.writer.untag_role(name, keys),
        )
        .await
    }

    async fn update_session_duration(
        &self,
        name: &RoleName,
        duration: SessionDuration,
    ) -> Result<(), Error> {
        let write = self.writer.update_session_duration(name, duration);
        self.logged("iam:UpdateRole", name, None, write).await
    }

    async fn delete_role(&self, name: &RoleName) -> Result<(), Error> {
        self.logged("iam:DeleteRole", name, None, self.writer.delete_role(name))
            .await
    }
}
