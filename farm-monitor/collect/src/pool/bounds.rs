//! The three bounds a run must fit into, from the narrowest to the widest: its address's, its module's, the global one.
//! Only looks them up; what a bound admits it decides itself.

use super::Facts;
use super::bound::Bound;
use crate::spec::PoolSpec;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Bounds {
    spec: PoolSpec,
    pub global: Bound,
    modules: BTreeMap<Arc<str>, Bound>,
    /// With the number of targets there: a bound remembers, so it stays while there are any.
    addresses: HashMap<Arc<str>, (usize, Bound)>,
}

impl Bounds {
    pub fn new(spec: PoolSpec) -> Self {
        let global = Bound::new(spec.global);
        Self { spec, global, modules: BTreeMap::new(), addresses: HashMap::new() }
    }

    pub fn set(&mut self, spec: PoolSpec) {
        self.global.set_limit(spec.global);
        for (name, bound) in &mut self.modules {
            bound.set_limit(module_limit(&spec, name));
        }
        self.addresses.values_mut().for_each(|(_, bound)| bound.set_limit(spec.per_target));
        self.spec = spec;
    }

    /// A target with these facts is there.
    pub fn join(&mut self, facts: &Facts) {
        let limit = module_limit(&self.spec, &facts.module);
        self.modules.entry(facts.module.clone()).or_insert_with(|| Bound::new(limit));
        if let Some(name) = &facts.address {
            let limit = self.spec.per_target;
            self.addresses.entry(name.clone()).or_insert_with(|| (0, Bound::new(limit))).0 += 1;
        }
    }

    /// A target that had joined is gone.
    pub fn leave(&mut self, facts: &Facts) {
        let Some(name) = &facts.address else { return };
        if let Some((targets, _)) = self.addresses.get_mut(name) {
            *targets -= 1;
            if *targets == 0 {
                self.addresses.remove(name);
            }
        }
    }

    pub fn address(&self, facts: &Facts) -> Option<&Bound> {
        facts.address.as_ref().and_then(|name| self.addresses.get(name)).map(|(_, bound)| bound)
    }

    pub fn module(&self, name: &str) -> Option<&Bound> {
        self.modules.get(name)
    }

    /// The bounds of a target, the narrowest first.
    pub fn of(&self, facts: &Facts) -> impl Iterator<Item = &Bound> {
        [self.address(facts), self.module(&facts.module), Some(&self.global)].into_iter().flatten()
    }

    /// Changes each bound of a target.
    pub fn each(&mut self, facts: &Facts, change: impl FnMut(&mut Bound)) {
        let address = facts.address.as_ref().and_then(|name| self.addresses.get_mut(name));
        let bounds =
            [address.map(|(_, bound)| bound), self.modules.get_mut(&facts.module), Some(&mut self.global)];
        bounds.into_iter().flatten().for_each(change);
    }
}

fn module_limit(spec: &PoolSpec, name: &str) -> usize {
    spec.per_module.get(name).copied().unwrap_or(usize::MAX)
}
