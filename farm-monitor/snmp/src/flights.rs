//! Requests in flight by id, and the ids of those that no longer are, for a while: so that a reply that comes late or
//! twice is known as such. Knows no socket and no clock.

use hashbrown::HashMap;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// So many ids are remembered after their flight; the oldest make room. A reply to one that is forgotten is counted as
/// one with a wrong id.
pub(crate) const REMEMBERED: usize = 32_768;

/// Requests in flight; `F` is what is known of each.
pub(crate) struct Flights<F> {
    by_id: HashMap<i32, (SocketAddr, Entry<F>)>,
    past: VecDeque<i32>,
}

enum Entry<F> {
    Flying(F),
    Past { answered: bool },
}

/// Whose reply it is that carries an id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<F> {
    /// To this request, from the agent that was asked.
    Flying(F),
    /// To this request, but from another address.
    Elsewhere(F),
    /// To a request that was answered.
    Answered,
    /// To a request that was given up.
    GivenUp,
    /// To none.
    Nothing,
}

impl<F: Clone> Flights<F> {
    /// None.
    pub fn new() -> Self {
        Self { by_id: HashMap::new(), past: VecDeque::new() }
    }

    /// A request with `id` leaves for `agent`.
    pub fn depart(&mut self, id: i32, agent: SocketAddr, flight: F) {
        self.by_id.insert(id, (agent, Entry::Flying(flight)));
    }

    /// Nobody waits for `id` any longer.
    pub fn land(&mut self, id: i32, answered: bool) {
        let Some((_, entry)) = self.by_id.get_mut(&id) else { return };
        if matches!(entry, Entry::Past { .. }) {
            return;
        }
        *entry = Entry::Past { answered };
        self.past.push_back(id);
        if self.past.len() > REMEMBERED
            && let Some(oldest) = self.past.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    /// Whose reply a datagram from `peer` with `id` is.
    pub fn find(&self, id: i32, peer: SocketAddr) -> Found<F> {
        match self.by_id.get(&id) {
            Some((agent, Entry::Flying(flight))) if *agent == peer => Found::Flying(flight.clone()),
            Some((_, Entry::Flying(flight))) => Found::Elsewhere(flight.clone()),
            Some((agent, Entry::Past { answered: true })) if *agent == peer => Found::Answered,
            Some((agent, Entry::Past { answered: false })) if *agent == peer => Found::GivenUp,
            _ => Found::Nothing,
        }
    }

    /// How many ids are known.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agent(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 161).into()
    }

    #[test]
    fn a_reply_is_found_by_id_and_address_together() {
        let mut flights = Flights::new();
        flights.depart(7, agent(1), "one");
        flights.depart(8, agent(2), "two");
        assert_eq!(flights.find(7, agent(1)), Found::Flying("one"));
        assert_eq!(flights.find(7, agent(2)), Found::Elsewhere("one"));
        assert_eq!(flights.find(7, ([10, 0, 0, 1], 162).into()), Found::Elsewhere("one"));
        assert_eq!(flights.find(9, agent(1)), Found::Nothing);
    }

    #[test]
    fn landed_requests_are_remembered_for_what_became_of_them() {
        let mut flights = Flights::new();
        flights.depart(7, agent(1), ());
        flights.depart(8, agent(1), ());
        flights.land(7, true);
        flights.land(8, false);
        flights.land(8, true);
        assert_eq!(flights.find(7, agent(1)), Found::Answered);
        assert_eq!(flights.find(8, agent(1)), Found::GivenUp);
        assert_eq!(flights.find(8, agent(2)), Found::Nothing);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut flights = Flights::new();
        for id in 0..REMEMBERED as i32 + 10 {
            flights.depart(id, agent(1), ());
            flights.land(id, true);
        }
        assert_eq!(flights.len(), REMEMBERED);
        assert_eq!(flights.find(9, agent(1)), Found::Nothing);
        assert_eq!(flights.find(10, agent(1)), Found::Answered);
    }

    proptest! {
        /// Against a plain list of what was done.
        #[test]
        fn it_agrees_with_a_list(steps in prop::collection::vec((0_i32..20, 0_u8..3, 0_u8..3), 0..200)) {
            let mut flights = Flights::new();
            let mut list: Vec<(i32, u8, Option<bool>)> = Vec::new();
            for (id, who, what) in steps {
                let known = list.iter().position(|(known, ..)| *known == id);
                match (what, known) {
                    (0, None) => {
                        flights.depart(id, agent(who), id);
                        list.push((id, who, None));
                    }
                    (1 | 2, Some(at)) => {
                        flights.land(id, what == 1);
                        list[at].2.get_or_insert(what == 1);
                    }
                    _ => {}
                }
                let expected = match list.iter().find(|(known, ..)| *known == id) {
                    Some((_, from, None)) if *from == who => Found::Flying(id),
                    Some((_, _, None)) => Found::Elsewhere(id),
                    Some((_, from, Some(true))) if *from == who => Found::Answered,
                    Some((_, from, Some(false))) if *from == who => Found::GivenUp,
                    _ => Found::Nothing,
                };
                prop_assert_eq!(flights.find(id, agent(who)), expected);
            }
        }
    }
}
