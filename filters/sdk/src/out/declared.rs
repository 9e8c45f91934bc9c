//! The outputs that were declared, found again without asking the farm. A table of hashes, as plain as can be: the maps of the
//! standard library cost a filter 6 kB.

use super::Output;
use crate::host::OutputDef;

#[derive(Debug, Default)]
pub(super) struct Declared {
    outputs: Vec<(OutputDef, Output)>,
    /// One more than a place in `outputs`, or 0; at least half are 0. A hash says where to begin to look.
    slots: Vec<u32>,
}

impl Declared {
    /// What it was given, if it was declared as this.
    pub(super) fn find(&self, def: &OutputDef) -> Option<Output> {
        let place = self.slots.get(self.slot(def)?)?;
        let (known, output) = self.outputs.get((*place as usize).checked_sub(1)?)?;
        (known.kind == def.kind && known.unit == def.unit).then_some(*output)
    }

    /// Remembers it; in the place of one of the same name that was declared otherwise.
    pub(super) fn put(&mut self, def: OutputDef, output: Output) {
        if self.slots.len() <= self.outputs.len() * 2 {
            self.slots = vec![0; (self.slots.len() * 2).max(16)];
            for at in 0..self.outputs.len() {
                self.enter(at);
            }
        }
        let slot = self.slot(&def).unwrap_or_default();
        match (self.slots[slot] as usize).checked_sub(1) {
            Some(at) => self.outputs[at] = (def, output),
            None => {
                self.outputs.push((def, output));
                self.enter(self.outputs.len() - 1);
            }
        }
    }

    fn enter(&mut self, at: usize) {
        if let Some(slot) = self.slot(&self.outputs[at].0) {
            self.slots[slot] = at as u32 + 1;
        }
    }

    /// Where one of this name is, or would be.
    fn slot(&self, def: &OutputDef) -> Option<usize> {
        let mut at = hash(def) as usize;
        loop {
            at %= self.slots.len().max(1);
            let same = |(known, _): &(OutputDef, Output)| {
                known.node == def.node && known.parameter == def.parameter && known.labels == def.labels
            };
            match *self.slots.get(at)? {
                0 => return Some(at),
                place if self.outputs.get(place as usize - 1).is_some_and(same) => return Some(at),
                _ => at += 1,
            }
        }
    }
}

fn hash(def: &OutputDef) -> u32 {
    let labels = def.labels.iter().flat_map(|(key, value)| [key, value]);
    [&def.node, &def.parameter].into_iter().chain(labels).fold(0x811c_9dc5, |hash, text| {
        // What ends a text is not in it.
        text.bytes()
            .chain([0xff])
            .fold(hash, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Kind;

    fn def(node: &str, parameter: &str, labels: &[(&str, &str)]) -> OutputDef {
        OutputDef {
            node: node.into(),
            parameter: parameter.into(),
            labels: labels.iter().map(|(key, value)| (String::from(*key), String::from(*value))).collect(),
            kind: Kind::Gauge,
            unit: String::new(),
            description: String::new(),
        }
    }

    #[test]
    fn each_is_found_under_its_own_name_and_none_under_another() {
        let mut declared = Declared::default();
        assert_eq!(declared.find(&def("n", "p", &[])), None);
        let all: Vec<OutputDef> = (0..500)
            .flat_map(|n| {
                let n = n.to_string();
                [
                    def(&n, "p", &[]),
                    def("p", &n, &[]),
                    def("n", "p", &[("k", &n)]),
                    def("n", "p", &[(&n, "k")]),
                ]
            })
            .collect();
        for (handle, one) in (0..).zip(&all) {
            assert_eq!(declared.find(one), None);
            declared.put(one.clone(), Output(Some(handle)));
        }
        for (handle, one) in (0..).zip(&all) {
            assert_eq!(declared.find(one), Some(Output(Some(handle))));
        }
    }

    #[test]
    fn one_that_is_declared_otherwise_is_asked_for_again_and_takes_its_place() {
        let mut declared = Declared::default();
        declared.put(def("n", "p", &[]), Output(Some(0)));
        let other = OutputDef { unit: "s".into(), ..def("n", "p", &[]) };
        assert_eq!(declared.find(&other), None);
        declared.put(other.clone(), Output(Some(1)));
        assert_eq!(declared.find(&other), Some(Output(Some(1))));
        assert_eq!(declared.find(&def("n", "p", &[])), None);
    }
}
