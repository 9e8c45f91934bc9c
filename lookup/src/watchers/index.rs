//! Which watchers a registration may concern: each hangs under what its template requires, the most telling of it, so
//! that a change costs what those cost that may match it. It never leaves one out that does match.

use super::WatcherId;
use hashbrown::{HashMap, HashSet};
use hedgerow_model::registration::Registration;
use hedgerow_model::template::{Field, Matcher, Reach};
use std::collections::BTreeMap;

type Ids = HashSet<WatcherId>;

/// Which of a registration's values are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'a> {
    Id,
    Kind,
    Group,
    Name,
    Version,
    Api,
    Attribute(&'a str),
}

/// All watchers, under what their templates require.
#[derive(Debug, Default)]
pub struct Index {
    own: HashMap<Key<'static>, Hooks>,
    attributes: HashMap<String, Hooks>,
    /// Those whose template requires nothing that can be looked up.
    always: Ids,
}

/// Watchers who require something of one kind of value.
#[derive(Debug, Default)]
struct Hooks {
    exactly: HashMap<String, Ids>,
    prefixes: HashMap<String, Ids>,
    /// How many prefixes of each length there are.
    lengths: BTreeMap<usize, usize>,
    present: Ids,
}

impl Index {
    /// Adds a watcher with this template.
    pub fn add(&mut self, id: WatcherId, template: &Matcher) {
        let Some((key, required)) = most_telling(template) else {
            self.always.insert(id);
            return;
        };
        let hooks = match fixed(key) {
            Ok(own) => self.own.entry(own).or_default(),
            Err(attribute) => self.attributes.entry_ref(attribute).or_default(),
        };
        required.into_iter().for_each(|required| hooks.add(id, required));
    }

    /// Takes out a watcher that was added with this template.
    pub fn remove(&mut self, id: WatcherId, template: &Matcher) {
        let Some((key, required)) = most_telling(template) else {
            self.always.remove(&id);
            return;
        };
        let remove = |hooks: &mut Hooks| {
            required.iter().for_each(|required| hooks.remove(id, *required));
            hooks.is_empty()
        };
        match fixed(key) {
            Ok(own) => {
                if self.own.get_mut(&own).is_some_and(remove) {
                    self.own.remove(&own);
                }
            }
            Err(attribute) => {
                if self.attributes.get_mut(attribute).is_some_and(remove) {
                    self.attributes.remove(attribute);
                }
            }
        }
    }

    /// Names the watchers that this registration may concern: some several times, and some that it does not.
    pub fn candidates(&self, registration: &Registration, mut ask: impl FnMut(WatcherId)) {
        self.always.iter().copied().for_each(&mut ask);
        if let Some(hooks) = self.own.get(&Key::Id) {
            hooks.candidates(&registration.id.to_string(), &mut ask);
        }
        for (key, value) in values(registration) {
            let hooks = match fixed(key) {
                Ok(own) => self.own.get(&own),
                Err(attribute) => self.attributes.get(attribute),
            };
            if let Some(hooks) = hooks {
                hooks.candidates(value, &mut ask);
            }
        }
    }
}

impl Hooks {
    fn add(&mut self, id: WatcherId, reach: Reach<'_>) {
        match reach {
            Reach::Exact(text) => {
                self.exactly.entry_ref(text).or_default().insert(id);
            }
            Reach::Any | Reach::Prefix("") => {
                self.present.insert(id);
            }
            Reach::Prefix(text) => {
                if !self.prefixes.contains_key(text) {
                    *self.lengths.entry(text.len()).or_default() += 1;
                }
                self.prefixes.entry_ref(text).or_default().insert(id);
            }
        }
    }

    fn remove(&mut self, id: WatcherId, reach: Reach<'_>) {
        let remove = |from: &mut HashMap<String, Ids>, text: &str| {
            let emptied = from.get_mut(text).is_some_and(|ids| ids.remove(&id) && ids.is_empty());
            if emptied {
                from.remove(text);
            }
            emptied
        };
        match reach {
            Reach::Exact(text) => {
                remove(&mut self.exactly, text);
            }
            Reach::Any | Reach::Prefix("") => {
                self.present.remove(&id);
            }
            Reach::Prefix(text) => {
                if remove(&mut self.prefixes, text)
                    && let Some(count) = self.lengths.get_mut(&text.len())
                {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&text.len());
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.exactly.is_empty() && self.prefixes.is_empty() && self.present.is_empty()
    }

    fn candidates(&self, value: &str, ask: &mut impl FnMut(WatcherId)) {
        self.present.iter().copied().for_each(&mut *ask);
        if let Some(ids) = self.exactly.get(value) {
            ids.iter().copied().for_each(&mut *ask);
        }
        for length in self.lengths.range(..=value.len()).map(|(length, _)| *length) {
            if let Some(ids) = value.get(..length).and_then(|prefix| self.prefixes.get(prefix)) {
                ids.iter().copied().for_each(&mut *ask);
            }
        }
    }
}

/// An own field, or the attribute's name.
fn fixed(key: Key<'_>) -> Result<Key<'static>, &str> {
    Ok(match key {
        Key::Attribute(attribute) => return Err(attribute),
        Key::Id => Key::Id,
        Key::Kind => Key::Kind,
        Key::Group => Key::Group,
        Key::Name => Key::Name,
        Key::Version => Key::Version,
        Key::Api => Key::Api,
    })
}

/// Of what a template requires, what the fewest registrations are likely to have.
fn most_telling(template: &Matcher) -> Option<(Key<'_>, Vec<Reach<'_>>)> {
    let vague = |reach: &Reach<'_>| match reach {
        Reach::Exact(_) => 0,
        Reach::Any | Reach::Prefix("") => 2,
        Reach::Prefix(_) => 1,
    };
    let common = |key: &Key<'_>| match key {
        Key::Id => 0,
        Key::Name => 1,
        Key::Attribute(_) => 2,
        Key::Group | Key::Api | Key::Version => 3,
        Key::Kind => 4,
    };
    let required = template.conditions().filter(|condition| !condition.is_negative());
    let required = required.map(|condition| (Key::of(condition.field()), condition.reaches()));
    required.min_by_key(|(key, reaches)| {
        let vaguest = match (key, reaches.iter().map(vague).max().unwrap_or_default()) {
            // All have an id and a name, and most are of one kind.
            (Key::Id | Key::Name, 2) => 4,
            (Key::Kind, _) => 3,
            (_, vaguest) => vaguest,
        };
        (vaguest, common(key))
    })
}

impl<'a> Key<'a> {
    fn of(field: &'a Field) -> Self {
        match field {
            Field::Id => Self::Id,
            Field::Kind => Self::Kind,
            Field::Group => Self::Group,
            Field::Name => Self::Name,
            Field::Version => Self::Version,
            Field::Api => Self::Api,
            Field::Attribute(key) => Self::Attribute(key),
        }
    }
}

/// All values but the id. Of its own fields an empty one is none; an attribute may be the empty text.
fn values(of: &Registration) -> impl Iterator<Item = (Key<'_>, &str)> {
    let one = [(Key::Kind, &of.kind), (Key::Name, &of.name), (Key::Version, &of.version)];
    let groups = of.groups.iter().map(|group| (Key::Group, group));
    let apis = of.apis.iter().map(|api| (Key::Api, api));
    let own = one.into_iter().chain(groups).chain(apis).filter(|(_, value)| !value.is_empty());
    let attributes = of.attributes.iter().map(|(key, value)| (Key::Attribute(key), value));
    own.chain(attributes).map(|(key, value)| (key, value.as_str()))
}

#[cfg(test)]
mod tests;
