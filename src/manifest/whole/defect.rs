//! Why a file is no witness of a removal.

/// Why a file that lost a ServiceAccount is no witness of its removal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Nothing is left in it.
    #[error("it is empty")]
    Empty,
    /// It is no text.
    #[error("it is not UTF-8")]
    Encoding,
    /// The reader has an error for it.
    #[error("line {line}: {message}")]
    Unreadable {
        /// The line of the error, from 1.
        line: u32,
        /// What the reader says of it.
        message: String,
    },
    /// A ServiceAccount with our annotation has no namespace.
    #[error("line {line}: a ServiceAccount is not known by name")]
    Unplaced {
        /// The line where it starts, from 1.
        line: u32,
    },
    /// Something in it is no Kubernetes object that is there on its own.
    #[error("line {line}: {what}")]
    NoObject {
        /// The line where it starts, from 1.
        line: u32,
        /// What keeps it from being one.
        what: String,
    },
    /// An object in it has lost its namespace.
    #[error("line {line}: the {object} has no namespace")]
    NoNamespace {
        /// The line where it starts, from 1.
        line: u32,
        /// Its kind and name.
        object: String,
    },
    /// It is what the API server answered.
    #[error("line {line}: a Status is an answer of the API server")]
    Status {
        /// The line where it starts, from 1.
        line: u32,
    },
    /// It ended with a line break before.
    #[error("its last line has no line break any more")]
    NoLineBreak,
    /// It ends inside something of which there was more.
    #[error("it is cut off after line {line}")]
    Cut {
        /// How many lines are left.
        line: usize,
    },
}

impl Defect {
    /// Whether all that is wrong is that a namespace is missing, as it is wherever something else sets it.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self, Self::Unplaced { .. } | Self::NoNamespace { .. })
    }

    /// Whether nothing was rendered at all.
    pub(super) fn is_void(&self) -> bool {
        matches!(self, Self::Empty | Self::Status { .. })
    }
}
