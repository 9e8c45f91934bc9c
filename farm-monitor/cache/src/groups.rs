//! Groups: which series share their times, and each series' rank in its group.
//!
//! A series belongs to one group for ever; groups only grow, at their end, and hold one cluster. So a rank never changes,
//! and the number of members at some time (the group's *version*) says who they were.

use crate::times::MAX_MEMBERS;
use hedgerow_model::{Name, SeriesId};
use std::collections::HashMap;

/// How far around a new series its batch is searched for a group to join.
const LOOKED_AT: usize = 64;

/// A group. Its id is its place + 1.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub cluster: Name,
    /// Ascending.
    pub members: Vec<SeriesId>,
    /// How many of them the file knows.
    pub stored: usize,
    /// Whether it has been sealed since the start.
    pub sealed: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Place in `clusters` + 1; 0: the series is not known.
    cluster: u32,
    /// 0: none yet.
    group: u32,
    rank: u16,
}

/// All groups, and the group of every series.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    slots: Vec<Slot>,
    clusters: HashMap<Name, u32>,
    names: Vec<Name>,
    list: Vec<Group>,
    /// Groups up to this id take no new members.
    settled: u32,
}

impl Groups {
    /// While the journal is read again, new series must not join groups of which something is sealed already: their older
    /// numbers would stand behind the group's newer ones.
    pub(crate) fn settle(&mut self, settled: bool) {
        self.settled = if settled { self.list.len() as u32 } else { 0 };
    }

    /// Whether the file knows `series` as a member of its group.
    pub(crate) fn is_stored(&self, series: SeriesId) -> bool {
        self.place_of(series).is_some_and(|(group, rank)| usize::from(rank) < self.get(group).stored)
    }

    /// Makes a series known.
    pub(crate) fn add_series(&mut self, series: SeriesId, cluster: &Name) {
        let cluster = match self.clusters.get(cluster) {
            Some(known) => *known,
            None => {
                self.names.push(cluster.clone());
                self.clusters.insert(cluster.clone(), self.names.len() as u32);
                self.names.len() as u32
            }
        };
        let at = series.0 as usize;
        if self.slots.len() <= at {
            self.slots.resize(at + 1, Slot::default());
        }
        self.slots[at].cluster = cluster;
    }

    pub(crate) fn knows(&self, series: SeriesId) -> bool {
        self.slots.get(series.0 as usize).is_some_and(|slot| slot.cluster > 0)
    }

    /// Puts a group from the file at its place.
    pub(crate) fn load(&mut self, id: u32, cluster: &Name, members: Vec<SeriesId>) {
        for (rank, series) in members.iter().enumerate() {
            self.add_series(*series, cluster);
            let slot = &mut self.slots[series.0 as usize];
            (slot.group, slot.rank) = (id, rank as u16);
        }
        while self.list.len() < id as usize {
            // Places that are not filled later stay full, so that nothing joins them.
            let full = vec![SeriesId(u32::MAX); MAX_MEMBERS];
            self.list.push(Group {
                cluster: cluster.clone(),
                members: full,
                stored: MAX_MEMBERS,
                sealed: false,
            });
        }
        let stored = members.len();
        self.list[id as usize - 1] = Group { cluster: cluster.clone(), members, stored, sealed: false };
    }

    pub(crate) fn get(&self, id: u32) -> &Group {
        &self.list[id as usize - 1]
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> &mut Group {
        &mut self.list[id as usize - 1]
    }

    /// (group, rank) of a series, if it has ever had a sample.
    pub(crate) fn place_of(&self, series: SeriesId) -> Option<(u32, u16)> {
        self.slots.get(series.0 as usize).filter(|slot| slot.group > 0).map(|slot| (slot.group, slot.rank))
    }

    /// Calls `run(group, from, length)` for each run of consecutive positions of one group; series without a group get one.
    pub(crate) fn split(&mut self, series: &[SeriesId], mut run: impl FnMut(u32, u32, u32)) {
        let mut start = 0;
        let mut current = 0;
        for (at, id) in series.iter().enumerate() {
            let mut group = self.slots[id.0 as usize].group;
            if group == 0 {
                group = self.assign(at, current, series);
            }
            if group != current {
                if at > start {
                    run(current, start as u32, (at - start) as u32);
                }
                (current, start) = (group, at);
            }
        }
        if series.len() > start {
            run(current, start as u32, (series.len() - start) as u32);
        }
    }

    /// The group for a new series: that of its neighbour in the batch or of others there, if it may join, else a new one.
    fn assign(&mut self, at: usize, neighbour: u32, batch: &[SeriesId]) -> u32 {
        let series = batch[at];
        let cluster = self.slots[series.0 as usize].cluster;
        let name = &self.names[cluster as usize - 1];
        let may_join = |group: u32| {
            group > self.settled && {
                let group = self.get(group);
                group.members.len() < MAX_MEMBERS
                    && group.cluster == *name
                    && group.members.last().is_none_or(|last| *last < series)
            }
        };
        let group = if may_join(neighbour) {
            neighbour
        } else {
            let others = batch[at.saturating_sub(LOOKED_AT)..(at + LOOKED_AT).min(batch.len())].iter();
            match others.map(|other| self.slots[other.0 as usize].group).find(|group| may_join(*group)) {
                Some(group) => group,
                None => {
                    let cluster = name.clone();
                    self.list.push(Group { cluster, members: Vec::new(), stored: 0, sealed: false });
                    self.list.len() as u32
                }
            }
        };
        let members = &mut self.list[group as usize - 1].members;
        let rank = members.len() as u16;
        members.push(series);
        let slot = &mut self.slots[series.0 as usize];
        (slot.group, slot.rank) = (group, rank);
        group
    }
}
