//! What a run that writes is bound to.

use std::pin::Pin;

use super::Observer;
use super::exclusive::Turn;
use crate::apply::Stop;
use crate::iam::audit::AuditLog;
use crate::plan::saved::SavedPlan;
use crate::report::Section;

/// Whether somebody agrees, once they have said so.
pub type Agreed<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

/// Shows somebody what is about to be written, and asks.
pub type Approve<'a> = &'a dyn Fn(Vec<Section>) -> Agreed<'a>;

/// What a run that writes is bound to, and who hears of it.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// A plan that was saved: nothing else is done.
    pub saved: Option<&'a SavedPlan>,
    /// Who is asked before the first write to a role, if somebody is: nothing else than what they were
    /// shown is done.
    pub approve: Option<Approve<'a>>,
    /// Where every write is announced.
    pub log: Option<&'a AuditLog>,
    /// How it takes turns with other runs.
    pub turn: &'a Turn,
    /// Who may stop it.
    pub stop: &'a Stop,
    /// Who hears how far it is.
    pub observe: Observer<'a>,
}
