//! What net-snmp's account of an agent comes to by a profile: a second reading of what profiles mean, made for this test
//! from their documentation. Shares nothing with the product but the profile itself.

use hedgerow_e2e::{Oid, Said, Walk, numbers};
use hedgerow_model::Kind;
use hedgerow_snmp_profile::profile::{
    IndexForm, Object, Piece, Profile, Scale, Source, Table, Template, TextForm,
};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// What scaling may differ by: two ways to multiply.
const ROUNDING: f64 = 1e-9;

/// Parameter and labels.
pub type Key = (String, BTreeMap<String, String>);

/// What a series ought to show.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// As the agent says it.
    Whole(i128),
    /// After scaling.
    Real(f64),
    /// A code and its word.
    State(i64, Option<String>),
    /// Text.
    Text(String),
}

/// All series of a profile, with the kind of each.
pub fn expected(profile: &Profile, walk: &Walk) -> BTreeMap<Key, (Kind, Shown)> {
    let mut all = BTreeMap::new();
    for object in &profile.scalars {
        let names = [Some(&object.oid), object.instead.as_ref()].into_iter().flatten();
        let said = names.filter_map(|oid| walk.get(&[arcs(oid), vec![0]].concat())).next();
        if let Some(shown) = said.and_then(|said| shown(object, said, &Row { table: None, index: &[], walk }))
        {
            let (key, value) = ((object.parameter.to_string(), BTreeMap::new()), (object.kind, shown));
            assert!(all.insert(key.clone(), value).is_none(), "{}: twice {key:?}", profile.name);
        }
    }
    for table in &profile.tables {
        for (key, value) in rows(table, walk) {
            assert!(all.insert(key.clone(), value).is_none(), "{}: twice {key:?}", profile.name);
        }
    }
    all
}

/// What series a sample is of.
pub fn key(sample: &Json) -> Key {
    let labels = sample["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(label, value)| (label.clone(), value.as_str().unwrap().to_owned()));
    (sample["parameter"].as_str().unwrap().to_owned(), labels.collect())
}

/// Whether a sample lies between two accounts, ends included; a counter that went back has wrapped.
pub fn lies_between(sample: &Json, kind: Kind, before: &Shown, after: &Shown) -> bool {
    let value = &sample["value"];
    match (before, after) {
        (Shown::Whole(before), Shown::Whole(after)) => {
            let whole = value.as_u64().map(i128::from).or(value.as_i64().map(i128::from));
            let whole =
                whole.or_else(|| value.as_f64().filter(|real| real.fract() == 0.0).map(|real| real as i128));
            whole.is_some_and(|whole| match kind {
                Kind::Counter if after < before => whole >= *before || whole <= *after,
                _ => (*before.min(after)..=*before.max(after)).contains(&whole),
            })
        }
        (Shown::Real(before), Shown::Real(after)) => {
            let slack = ROUNDING * before.abs().max(after.abs()).max(1e-300);
            let range = before.min(*after) - slack..=before.max(*after) + slack;
            value.as_f64().is_some_and(|value| range.contains(&value))
        }
        (Shown::Text(before), Shown::Text(after)) => {
            let range = before.min(after)..=before.max(after);
            value.as_str().is_some_and(|text| range.contains(&&text.to_owned()))
        }
        (before, after) => [before, after].into_iter().any(|shown| match shown {
            Shown::State(code, word) => {
                value.as_i64() == Some(*code) && sample["text"].as_str() == word.as_deref()
            }
            _ => false,
        }),
    }
}

/// Where a source of a template is looked up.
struct Row<'a> {
    table: Option<&'a Table>,
    index: &'a [u32],
    walk: &'a Walk,
}

fn arcs(oid: &impl ToString) -> Oid {
    numbers(&oid.to_string()).unwrap()
}

/// The objects below a column: index and value.
fn below<'w>(walk: &'w Walk, column: &Oid) -> impl Iterator<Item = (&'w [u32], &'w Said)> + use<'w> {
    let len = column.len();
    let column = column.clone();
    walk.range(column.clone()..)
        .take_while(move |(name, _)| name.starts_with(&column))
        .map(move |(name, said)| (&name[len..], said))
}

fn rows(table: &Table, walk: &Walk) -> Vec<(Key, (Kind, Shown))> {
    let columns = table.columns.iter().flat_map(|column| [Some(&column.oid), column.instead.as_ref()]);
    let indexes: BTreeSet<&[u32]> =
        columns.flatten().flat_map(|oid| below(walk, &arcs(oid)).map(|(index, _)| index)).collect();
    let rows: Vec<Row<'_>> = indexes
        .into_iter()
        .map(|index| Row { table: Some(table), index, walk })
        .filter(|row| applies(&table.only, row))
        .collect();
    let mut holders: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        *holders.entry(item(table, row)).or_default() += 1;
    }
    let mut found = Vec::new();
    for row in &rows {
        let mut labels = BTreeMap::new();
        if !table.item.is_empty() {
            let item = item(table, row);
            let unique = holders[&item] == 1;
            labels
                .insert("item".to_owned(), if unique { item } else { format!("{item}#{}", dots(row.index)) });
        }
        let more =
            table.labels.iter().filter_map(|(label, template)| Some((label.clone(), text(template, row)?)));
        labels.extend(more);
        for column in &table.columns {
            let said = [Some(&column.oid), column.instead.as_ref()].into_iter().flatten();
            let said = said.filter_map(|oid| walk.get(&[&arcs(oid)[..], row.index].concat())).next();
            if let Some(shown) = said.and_then(|said| shown(column, said, row)) {
                found.push(((column.parameter.to_string(), labels.clone()), (column.kind, shown)));
            }
        }
    }
    found
}

fn item(table: &Table, row: &Row<'_>) -> String {
    table.item.iter().find_map(|template| text(template, row)).unwrap_or_else(|| dots(row.index))
}

fn dots(index: &[u32]) -> String {
    index.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

fn applies(only: &[(Template, Vec<String>)], row: &Row<'_>) -> bool {
    only.iter().all(|(template, values)| text(template, row).is_some_and(|text| values.contains(&text)))
}

fn text(template: &Template, row: &Row<'_>) -> Option<String> {
    let pieces = template.0.iter().map(|piece| match piece {
        Piece::Text(text) => Some(text.clone()),
        Piece::Of(source) => row.text(source).filter(|text| !text.is_empty()),
    });
    pieces.collect::<Option<String>>().filter(|text| !text.is_empty())
}

impl Row<'_> {
    /// What stands there, the form of its text, and words for its codes.
    fn said(&self, source: &Source) -> Option<(&Said, TextForm, &BTreeMap<i64, String>)> {
        let table = self.table?;
        if let Some(lookup) = table.lookups.get(&source.0) {
            let index = match &lookup.key {
                None => self.index.to_vec(),
                Some(key) => numbers(&text(key, self)?)?,
            };
            let said = self.walk.get(&[arcs(&lookup.column), index].concat())?;
            return Some((said, lookup.text, &lookup.words));
        }
        let column = table.columns.iter().find(|column| column.name == source.0)?;
        let oids = [Some(&column.oid), column.instead.as_ref()].into_iter().flatten();
        let said = oids.filter_map(|oid| self.walk.get(&[&arcs(oid)[..], self.index].concat())).next()?;
        Some((said, column.text, &column.words))
    }

    fn text(&self, source: &Source) -> Option<String> {
        if source.0 == "index" {
            return Some(dots(self.index));
        }
        if let Some((said, form, words)) = self.said(source) {
            let word = match said {
                Said::Integer(code) => words.get(code),
                _ => None,
            };
            return word.cloned().or_else(|| as_text(said, form));
        }
        self.index_part(source)
    }

    fn number(&self, source: &Source) -> Option<f64> {
        self.said(source)
            .map_or_else(|| self.index_part(source)?.parse().ok(), |(said, ..)| number(said).map(as_f64))
    }

    /// A part of the index by its name.
    fn index_part(&self, source: &Source) -> Option<String> {
        let mut rest = self.index;
        let bytes = |rest: &mut &[u32], len: usize| -> Option<Vec<u8>> {
            let (taken, left) = rest.split_at_checked(len)?;
            *rest = left;
            taken.iter().map(|part| u8::try_from(*part).ok()).collect()
        };
        let one = |rest: &mut &[u32]| -> Option<u32> {
            let (first, left) = rest.split_first()?;
            *rest = left;
            Some(*first)
        };
        for part in &self.table?.index {
            let shown = match part.form {
                IndexForm::Integer => {
                    let number = one(&mut rest)?;
                    part.words.get(&i64::from(number)).cloned().unwrap_or_else(|| number.to_string())
                }
                IndexForm::Text => {
                    let len = one(&mut rest)? as usize;
                    String::from_utf8(bytes(&mut rest, len)?).ok()?
                }
                IndexForm::TextToEnd => {
                    let len = rest.len();
                    String::from_utf8(bytes(&mut rest, len)?).ok()?
                }
                IndexForm::Bytes(len) => hex(&bytes(&mut rest, len)?, " "),
                IndexForm::Mac => hex(&bytes(&mut rest, 6)?, ":"),
                IndexForm::Ipv4 => address(&bytes(&mut rest, 4)?)?,
                IndexForm::InetAddress => {
                    let _kind = one(&mut rest)?;
                    let len = one(&mut rest)? as usize;
                    address(&bytes(&mut rest, len)?)?
                }
                IndexForm::Oid => {
                    let len = one(&mut rest)? as usize;
                    let (taken, left) = rest.split_at_checked(len)?;
                    rest = left;
                    dots(taken)
                }
                IndexForm::Rest => dots(std::mem::take(&mut rest)),
            };
            if part.name == source.0 {
                return Some(shown);
            }
        }
        None
    }
}

fn shown(object: &Object, said: &Said, row: &Row<'_>) -> Option<Shown> {
    let is_missing = |number| object.missing.iter().any(|missing| number == Shown::Whole((*missing).into()));
    if !applies(&object.only, row) || number(said).is_some_and(is_missing) {
        return None;
    }
    match object.kind {
        Kind::Text => as_text(said, object.text).map(Shown::Text),
        Kind::State => match said {
            Said::Integer(code) => Some(Shown::State(*code, object.words.get(code).cloned())),
            _ => None,
        },
        Kind::Gauge | Kind::Counter => {
            let number = number(said)?;
            if object.scale == Scale::default() {
                return Some(number);
            }
            let scale = &object.scale;
            let mut value = as_f64(number) * scale.factor;
            if let Some(times) = &scale.times {
                value *= row.number(times)?;
            }
            if let Some(over) = &scale.over {
                value /= Some(row.number(over)?).filter(|over| *over > 0.0)?;
            }
            for power in &scale.powers {
                let exponent = (row.number(&power.of)? as i32 - power.origin) * power.step;
                value *= 10_f64.powi(exponent);
            }
            Some(Shown::Real(value))
        }
    }
}

fn number(said: &Said) -> Option<Shown> {
    Some(match said {
        Said::Integer(number) => Shown::Whole((*number).into()),
        Said::Counter32(number) | Said::Counter64(number) | Said::Gauge(number) | Said::TimeTicks(number) => {
            Shown::Whole((*number).into())
        }
        Said::Float(number) => Shown::Real(*number),
        Said::Bytes(_) => Shown::Real(said.text()?.trim().parse().ok()?),
        Said::Oid(_) | Said::Address(_) | Said::Missing(_) => return None,
    })
}

fn as_f64(number: Shown) -> f64 {
    match number {
        Shown::Whole(whole) => whole as f64,
        Shown::Real(real) => real,
        Shown::State(..) | Shown::Text(_) => f64::NAN,
    }
}

fn as_text(said: &Said, form: TextForm) -> Option<String> {
    Some(match (said, form) {
        (Said::Bytes(bytes), TextForm::Mac) if matches!(bytes.len(), 6 | 8) => hex(bytes, ":"),
        (Said::Bytes(bytes), TextForm::Address) => address(bytes)?,
        (Said::Bytes(bytes), TextForm::Hex) => hex(bytes, " "),
        (Said::Bytes(bytes), TextForm::DateAndTime) => date_and_time(bytes)?,
        (Said::Bytes(_), _) => said.text()?.trim().to_owned(),
        (Said::Oid(oid), _) => dots(oid),
        (Said::Address(text), _) => text.clone(),
        _ => match number(said)? {
            Shown::Whole(whole) => whole.to_string(),
            Shown::Real(real) => real.to_string(),
            Shown::State(..) | Shown::Text(_) => return None,
        },
    })
}

fn hex(bytes: &[u8], between: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => Some(std::net::Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap()).to_string()),
        16 => Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()).to_string()),
        _ => None,
    }
}

fn date_and_time(bytes: &[u8]) -> Option<String> {
    let [y1, y2, month, day, hour, minute, second, tenth, sign, hours, minutes] = bytes else { return None };
    let (year, sign) = (u16::from_be_bytes([*y1, *y2]), char::from(*sign));
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{tenth}{sign}{hours:02}:{minutes:02}"
    ))
}
