//! Requests in flight by id, and the ids of those that no longer are, for a while: so that a reply that comes late or
//! twice is known as such. Knows no socket and no clock.

use hashbrown::HashMap;
use std::net::SocketAddr;

/// So many ids are remembered after their flight, each in a place that its bits say; a later one takes the place. A reply to
/// one that is forgotten is counted as one with a wrong id.
pub(crate) const REMEMBERED: usize = 32_768;

/// Requests in flight; `F` is what is known of each.
pub(crate) struct Flights<F> {
    flying: HashMap<i32, (SocketAddr, F)>,
    past: Box<[Option<Past>]>,
}

#[derive(Clone, Copy)]
struct Past {
    id: i32,
    agent: SocketAddr,
    answered: bool,
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
        Self { flying: HashMap::new(), past: vec![None; REMEMBERED].into_boxed_slice() }
    }

    /// A request with `id` leaves for `agent`.
    pub fn depart(&mut self, id: i32, agent: SocketAddr, flight: F) {
        self.flying.insert(id, (agent, flight));
    }

    /// Nobody waits for `id` any longer.
    pub fn land(&mut self, id: i32, answered: bool) {
        if let Some((agent, _)) = self.flying.remove(&id) {
            self.past[place(id)] = Some(Past { id, agent, answered });
        }
    }

    /// Whose reply a datagram from `peer` with `id` is.
    pub fn find(&self, id: i32, peer: SocketAddr) -> Found<F> {
        if let Some((agent, flight)) = self.flying.get(&id) {
            let flight = flight.clone();
            return if *agent == peer { Found::Flying(flight) } else { Found::Elsewhere(flight) };
        }
        match self.past[place(id)] {
            Some(past) if past.id == id && past.agent == peer => {
                if past.answered {
                    Found::Answered
                } else {
                    Found::GivenUp
                }
            }
            _ => Found::Nothing,
        }
    }
}

/// Ids are spread evenly over all their bits.
fn place(id: i32) -> usize {
    id as usize % REMEMBERED
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
    fn memory_is_bounded_and_a_later_id_takes_the_place_of_an_earlier() {
        let mut flights = Flights::new();
        let many = REMEMBERED as i32;
        for id in 0..many + 10 {
            flights.depart(id, agent(1), ());
            flights.land(id, true);
        }
        assert!(flights.flying.is_empty() && flights.past.len() == REMEMBERED);
        assert_eq!(flights.find(9, agent(1)), Found::Nothing);
        assert_eq!(flights.find(10, agent(1)), Found::Answered);
        assert_eq!(flights.find(many + 9, agent(1)), Found::Answered);
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
