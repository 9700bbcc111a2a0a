//! The same run over other roles, or with other declarations. What is large is shared.

use std::cell::OnceCell;

use super::Facts;
use crate::desired::{self, Resolved};
use crate::model::role::CurrentRoles;
use crate::plan::{Plan, fence};

impl Facts {
    /// The same of other roles: what is declared is shared, and nothing is planned yet.
    pub(in crate::plan) fn over(&self, current: CurrentRoles) -> Self {
        Self {
            cluster: self.cluster.clone(),
            run: self.run.clone(),
            resolved: self.resolved.clone(),
            desired: self.desired.clone(),
            current,
            history: self.history.clone(),
            allowed: self.allowed.clone(),
            existing: self.existing.clone(),
            providers: self.providers.clone(),
            quotas: self.quotas,
            named: self.named.clone(),
            purpose: self.purpose,
            stage: self.stage,
            plan: OnceCell::new(),
        }
    }

    /// The plan for other declarations over the same roles: what the base of a change would get.
    pub fn plan_for(&self, resolved: Resolved) -> Plan {
        let other = Self {
            desired: desired::for_cluster(&resolved, &self.cluster, &self.run.repository).into(),
            resolved: resolved.into(),
            ..self.over(self.current.clone())
        };
        let mut plan = other.plan().clone();
        // What stands in the way of the base's plan is not asked; what becomes of single roles is.
        let _ = fence::check(&mut plan, &other);
        let _ = other.check_providers(&mut plan);
        plan
    }
}
