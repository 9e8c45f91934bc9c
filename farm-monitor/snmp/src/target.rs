//! What is kept of each agent between requests: its window, its times, and what came from it that was no answer.

use crate::question::Question;
use crate::rtt::Rtt;
use crate::usm::Engine;
use crate::wrong::Seen;
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// About so many agents are remembered per socket; the ones that were not asked for longest are forgotten, which costs
/// them a first time-out without knowledge, and with v3 a new discovery. Those being asked are never forgotten.
pub(crate) const REMEMBERED: usize = 65_536;

/// One agent.
pub(crate) struct Target {
    pub address: SocketAddr,
    /// Who may have a request in flight; waits in order.
    pub window: Semaphore,
    pub rtt: Mutex<Rtt>,
    pub seen: Seen,
    /// v3: what is known of its engine.
    pub engine: Mutex<Option<Engine>>,
    /// Who waits for it now: at most as many as the window is wide.
    pub asking: Mutex<Vec<Arc<Question>>>,
}

/// Agents by address, in two generations: who is asked moves to the young one, and when that is full the old one goes.
pub(crate) struct Targets {
    young: HashMap<SocketAddr, Arc<Target>>,
    old: HashMap<SocketAddr, Arc<Target>>,
    window: usize,
    half: usize,
}

impl Targets {
    /// None yet; each will have a window of `window`.
    pub fn new(window: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), window, half: REMEMBERED / 2 }
    }

    /// The one there, if it was asked.
    pub fn known(&self, address: SocketAddr) -> Option<&Arc<Target>> {
        self.young.get(&address).or_else(|| self.old.get(&address))
    }

    /// The one there, which is about to be asked.
    pub fn asked(&mut self, address: SocketAddr) -> Arc<Target> {
        if let Some(target) = self.young.get(&address) {
            return Arc::clone(target);
        }
        if self.young.len() >= self.half {
            let passed = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.old.extend(passed.into_iter().filter(|(_, target)| Arc::strong_count(target) > 1));
        }
        let target = self.old.remove(&address).unwrap_or_else(|| {
            Arc::new(Target {
                address,
                window: Semaphore::new(self.window),
                rtt: Mutex::default(),
                seen: Seen::default(),
                engine: Mutex::default(),
                asking: Mutex::default(),
            })
        });
        self.young.insert(address, Arc::clone(&target));
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> SocketAddr {
        ([10, 0, 0, 1], number).into()
    }

    #[test]
    fn the_ones_not_asked_for_longest_are_forgotten_but_never_one_in_use() {
        let mut targets = Targets { half: 10, ..Targets::new(4) };
        let used = targets.asked(address(1));
        let regular = Arc::downgrade(&targets.asked(address(2)));
        for number in 100..1_000 {
            targets.asked(address(number));
            targets.asked(address(2));
            assert!(targets.young.len() + targets.old.len() <= 21);
        }
        assert!(Arc::ptr_eq(&used, targets.known(address(1)).unwrap()));
        assert!(regular.upgrade().is_some());
        assert!(targets.known(address(100)).is_none());
        assert!(targets.known(address(999)).is_some());
    }
}
