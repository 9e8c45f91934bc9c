//! A notification as one line for people: `linkDown ifIndex=3 ifName=Gi0/3 ifOperStatus=down(2)`.

use hedgerow_model::value::MAX_TEXT_BYTES;
use hedgerow_snmp::notify::{Notification, Version};
use hedgerow_snmp_profile::Names;
use std::net::IpAddr;

/// The line. `from` is who sent it: of v1 the agent is named where it is another.
pub fn line(name: &str, notification: &Notification, names: &Names, from: IpAddr) -> String {
    let mut line = name.to_owned();
    let shown: Vec<(String, String)> = notification
        .varbinds
        .iter()
        .map(|varbind| (names.show(&varbind.oid), names.show_value(&varbind.oid, &varbind.value)))
        .collect();
    // Where the row names itself (ifIndex.3 = 3), its index stands there and not behind each name.
    let row = shown.iter().find_map(|(name, value)| {
        let (_, index) = indexed(name)?;
        (index == value).then(|| index.to_owned())
    });
    for (name, value) in &shown {
        let name = match indexed(name) {
            Some((name, index)) if index == "0" || Some(index) == row.as_deref() => name,
            _ => name,
        };
        line.push(' ');
        line.push_str(name);
        line.push('=');
        line.push_str(&quoted(value));
        // The hub cuts and counts what is longer.
        if line.len() > MAX_TEXT_BYTES {
            break;
        }
    }
    let agent = notification.agent.map(IpAddr::from).filter(|agent| *agent != from.to_canonical());
    if let (Version::V1, Some(agent)) = (notification.version, agent) {
        line.push_str(&format!(" agent-addr={agent}"));
    }
    line
}

/// A name and the index behind it; an OID without a name has none.
fn indexed(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(name, _)| !name.bytes().all(|b| b.is_ascii_digit()))
}

/// In quotes where it would not be seen where it begins and ends.
fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
    if plain { value.to_owned() } else { format!("\"{}\"", value.replace('"', "'")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow_snmp::{Oid, Value, VarBind};

    fn said(varbinds: &[(&str, Value)], version: Version) -> String {
        let oid = |text: &str| Oid::parse(text).unwrap();
        let notification = Notification {
            version,
            oid: oid("1.3.6.1.6.3.1.1.5.3"),
            uptime: 1,
            varbinds: varbinds.iter().map(|(name, value)| VarBind::new(oid(name), value.clone())).collect(),
            agent: Some([10, 0, 0, 9].into()),
        };
        line("linkDown", &notification, Names::standard(), [10, 0, 0, 7].into())
    }

    fn text(text: &'static str) -> Value {
        Value::OctetString(bytes::Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_row_that_names_itself_is_named_once() {
        let row = [
            ("1.3.6.1.2.1.2.2.1.1.3", Value::Integer(3)),
            ("1.3.6.1.2.1.31.1.1.1.1.3", text("Gi0/3")),
            ("1.3.6.1.2.1.2.2.1.8.3", Value::Integer(2)),
        ];
        assert_eq!(said(&row, Version::V2c), "linkDown ifIndex=3 ifName=Gi0/3 ifOperStatus=down(2)");
        assert_eq!(
            said(&row[1..], Version::V1),
            "linkDown ifName.3=Gi0/3 ifOperStatus.3=down(2) agent-addr=10.0.0.9"
        );
    }

    #[test]
    fn values_show_where_they_end_and_what_has_no_name_is_a_number() {
        let other = [
            ("1.3.6.1.2.1.1.5.0", text("a \"b\"\n\u{7}")),
            ("1.3.6.1.2.1.1.6.0", text("")),
            ("2.5.4.3", Value::OctetString(bytes::Bytes::from_static(&[0xff, 0]))),
        ];
        assert_eq!(said(&other, Version::V2c), "linkDown sysName=\"a 'b'\" sysLocation=\"\" 2.5.4.3=ff");
    }

    #[test]
    fn a_line_is_not_much_longer_than_a_text_may_be() {
        let long = Value::OctetString(vec![b'x'; 1000].into());
        let line = said(&vec![("1.3.6.1.2.1.1.5.0", long); 50], Version::V2c);
        assert!((MAX_TEXT_BYTES..MAX_TEXT_BYTES + 1100).contains(&line.len()));
    }
}
