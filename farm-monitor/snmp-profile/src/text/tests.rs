//! Bytes as text.

use super::*;
use bytes::Bytes;

fn shown(bytes: &[u8], form: TextForm) -> String {
    text(&Value::OctetString(Bytes::copy_from_slice(bytes)), form).unwrap()
}

#[test]
fn text_is_utf8_or_hex_and_never_holds_a_control_character() {
    for (bytes, expected) in [
        (&b"Gi0/1"[..], "Gi0/1"),
        (b"Z\xc3\xbcrich", "Zürich"),
        (b"Z\xfcrich", "5a fc 72 69 63 68"),
        (b"Cisco IOS\r\nVersion 15\tx", "Cisco IOS Version 15 x"),
        (b"eth0\0\0", "eth0"),
        (b"\0\x1a\x2b", "00 1a 2b"),
        (b"a\x1b[31mb", "a[31mb"),
        (b" padded  ", "padded"),
        (b"", ""),
        (b"\0\0", ""),
    ] {
        assert_eq!(shown(bytes, TextForm::Text), expected, "{bytes:?}");
    }
}

#[test]
fn forms_that_do_not_fit_are_shown_in_hex() {
    use TextForm::*;
    let date = [7, 0xea, 11, 21, 13, 5, 9, 7];
    let zoned = [&date[..], &[b'-', 1, 30]].concat();
    for (bytes, form, expected) in [
        (&[0, 26, 43, 60, 77, 94][..], Mac, "00:1a:2b:3c:4d:5e"),
        (b"0:1a:2b", Mac, "0:1a:2b"),
        (&[0xfe, 1], Mac, "fe 01"),
        (&[192, 0, 2, 1], Address, "192.0.2.1"),
        (&[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Address, "fe80::1"),
        (&[1, 2, 3], Address, "01 02 03"),
        (&[10, 255], Hex, "0a ff"),
        (&date, DateAndTime, "2026-11-21T13:05:09.7"),
        (&zoned, DateAndTime, "2026-11-21T13:05:09.7-01:30"),
        (&[7, 0xea, 13, 21, 13, 5, 9, 7], DateAndTime, "07 ea 0d 15 0d 05 09 07"),
        (&[7, 0xea], DateAndTime, "07 ea"),
    ] {
        assert_eq!(shown(bytes, form), expected, "{form:?}");
    }
}

#[test]
fn other_types_are_shown_too() {
    let oid = hedgerow_snmp::Oid::from([1, 3, 6, 1, 2, 1, 25, 2, 1, 4]);
    assert_eq!(text(&Value::ObjectIdentifier(oid.clone()), TextForm::Text).unwrap(), "1.3.6.1.2.1.25.2.1.4");
    assert_eq!(text(&Value::ObjectIdentifier(oid), TextForm::Oid).unwrap(), "hrStorageFixedDisk");
    assert_eq!(text(&Value::IpAddress([192, 0, 2, 7]), TextForm::Text).unwrap(), "192.0.2.7");
    assert_eq!(text(&Value::Counter64(u64::MAX), TextForm::Text).unwrap(), u64::MAX.to_string());
    assert_eq!(text(&Value::Integer(-1), TextForm::Text).unwrap(), "-1");
    assert_eq!(text(&Value::NoSuchInstance, TextForm::Text), None);
    assert_eq!(text(&Value::Null, TextForm::Text), None);
}
