use super::*;
use hedgerow_snmp::Oid;
use hedgerow_snmp_profile::read;
use std::sync::Arc;

/// A table whose rows are named by a column of their own, else by a row of another table, else by the index.
const PROFILE: &str = r#"
description = "ports"
[table.ports]
index = "port"
item = ["{name}", "{other}"]
[table.ports.lookup]
name = "1.9.1.1"
number = "1.9.1.2"
other = { oid = "1.9.2.1", key = "{number}" }
[table.ports.column.count]
oid = "1.9.1.3"
parameter = "count"
kind = "counter"
"#;

fn plan() -> Plan {
    Plan::new(vec![Arc::new(read("ports.toml", PROFILE).unwrap())])
}

fn text(text: &str) -> Value {
    Value::OctetString(text.as_bytes().to_vec().into())
}

/// Two rows; the first has a name of its own, the second only one in the other table.
fn swept(plan: &Plan) -> Swept {
    let mut swept = Swept::default();
    for columns in &plan.wanted.tables {
        let columns = columns.iter().map(|_| Column::Whole).collect();
        swept.tables.push(SweptTable { rows: BTreeMap::new(), columns });
    }
    let mut cell = |oid: &str, index: u32, value: Value| {
        let column = Oid::parse(oid).unwrap();
        for (table, columns) in swept.tables.iter_mut().zip(&plan.wanted.tables) {
            if let Some(at) = columns.iter().position(|known| *known == column) {
                table.rows.entry(vec![index]).or_insert_with(|| vec![None; columns.len()])[at] =
                    Some(value.clone());
            }
        }
    };
    for index in [1, 2] {
        cell("1.9.1.3", index, Value::Counter32(index));
        cell("1.9.1.2", index, Value::Integer(index.cast_signed() * 10));
    }
    cell("1.9.1.1", 1, text("first"));
    cell("1.9.2.1", 20, text("second"));
    swept
}

fn items(named: &NamedRows) -> Vec<(u32, &str)> {
    named.rows.iter().map(|(index, name)| (index[0], name.labels.get("item").unwrap())).collect()
}

fn set(swept: &mut Swept, plan: &Plan, oid: &str, state: Column) {
    let column = Oid::parse(oid).unwrap();
    for (table, columns) in swept.tables.iter_mut().zip(&plan.wanted.tables) {
        for (at, _) in columns.iter().enumerate().filter(|(_, known)| **known == column) {
            table.columns[at] = state;
        }
    }
}

#[test]
fn a_row_without_a_name_has_the_next_only_where_the_first_was_read() {
    let (plan, none) = (plan(), BTreeMap::new());
    let mut swept = swept(&plan);
    assert_eq!(items(&name_rows(&plan, 0, &swept, &none)), [(1, "first"), (2, "second")]);
    set(&mut swept, &plan, "1.9.1.1", Column::Part);
    let named = name_rows(&plan, 0, &swept, &none);
    assert_eq!(
        (items(&named), named.nameless),
        (vec![(1, "first")], 1),
        "the second may have a name of its own"
    );
}

#[test]
fn a_name_from_another_table_is_known_only_where_that_was_read() {
    let (plan, none) = (plan(), BTreeMap::new());
    let mut swept = swept(&plan);
    let there = plan.tables[0].others.iter().next().copied().unwrap();
    swept.tables[there].rows.clear();
    assert_eq!(items(&name_rows(&plan, 0, &swept, &none)), [(1, "first"), (2, "2")], "it has none");
    set(&mut swept, &plan, "1.9.2.1", Column::Part);
    let named = name_rows(&plan, 0, &swept, &none);
    assert_eq!((items(&named), named.nameless), (vec![(1, "first")], 1), "it was not read");
    // Nor where the number of its row there was not read.
    set(&mut swept, &plan, "1.9.2.1", Column::Whole);
    set(&mut swept, &plan, "1.9.1.2", Column::Part);
    swept.tables[0].rows.get_mut(&vec![2]).unwrap()[2] = None;
    assert_eq!(name_rows(&plan, 0, &swept, &none).nameless, 1);
}

#[test]
fn where_names_are_missing_a_row_is_still_one_of_two_that_had_one_name() {
    let (plan, none) = (plan(), BTreeMap::new());
    let mut both = swept(&plan);
    let at =
        plan.wanted.tables[0].iter().position(|column| *column == Oid::parse("1.9.1.1").unwrap()).unwrap();
    both.tables[0].rows.get_mut(&vec![2]).unwrap()[at] = Some(text("first"));
    let before = name_rows(&plan, 0, &both, &none);
    assert_eq!(items(&before), [(1, "first#1"), (2, "first#2")]);
    let mut part = swept(&plan);
    set(&mut part, &plan, "1.9.1.1", Column::Part);
    let named = name_rows(&plan, 0, &part, &before.rows);
    assert_eq!((items(&named), named.nameless), (vec![(1, "first#1")], 1));
    // Read whole, it is alone.
    assert_eq!(items(&name_rows(&plan, 0, &swept(&plan), &before.rows)), [(1, "first"), (2, "second")]);
}

#[test]
fn two_rows_that_come_to_the_same_name_have_none() {
    let (plan, none) = (plan(), BTreeMap::new());
    let mut swept = swept(&plan);
    let at =
        plan.wanted.tables[0].iter().position(|column| *column == Oid::parse("1.9.1.1").unwrap()).unwrap();
    // The third is called what the first two are once they have their index.
    for (index, name) in [(1, "a"), (2, "a"), (3, "a#1")] {
        let columns = plan.wanted.tables[0].len();
        swept.tables[0].rows.entry(vec![index]).or_insert_with(|| vec![None; columns])[at] = Some(text(name));
    }
    let named = name_rows(&plan, 0, &swept, &none);
    assert_eq!(items(&named), [(2, "a#2")]);
    assert_eq!(named.refused, ["rows 1 and 3 have the same name"]);
}

#[test]
fn a_name_is_what_was_read_whatever_the_row_was_called_before() {
    let (plan, none) = (plan(), BTreeMap::new());
    let swept = swept(&plan);
    let read = name_rows(&plan, 0, &swept, &none);
    let mut before = read.rows.clone();
    let (first, second) = (before[&vec![1]].labels.clone(), before[&vec![2]].labels.clone());
    before.get_mut(&vec![1]).unwrap().labels = second;
    before.get_mut(&vec![2]).unwrap().labels = first;
    for before in [&read.rows, &before] {
        assert_eq!(name_rows(&plan, 0, &swept, before).rows, read.rows);
    }
}

#[test]
fn labels_are_kept_only_where_all_pairs_are_theirs() {
    let of = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
    };
    let labels = Labels::new([("a", "1"), ("b", "2")]).unwrap();
    assert!(are(&labels, &of(&[("b", "2"), ("a", "1")])));
    for other in
        [&[("a", "1")][..], &[("a", "1"), ("b", "3")], &[("a", "1"), ("a", "1")], &[("a", "2"), ("b", "1")]]
    {
        assert!(!are(&labels, &of(other)), "{other:?}");
    }
    assert!(!are(&labels, &of(&[("a", "1"), ("b", "2"), ("c", "3")])));
}
