//! Asking for a page over HTTP, with as little as a stranger needs.

use crate::patience::PATIENCE;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Status and body of what this address (`http://HOST:PORT/PATH`) answers; `None`: nobody does.
pub fn http_get(url: &str) -> Option<(u16, String)> {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Of this version, because who answers it closes at the end, and sends no chunks.
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A text as it stands in a query of an address.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
