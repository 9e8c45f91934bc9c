//! A mesh's name in metadata, which carries printable ASCII only.

use std::fmt::Write as _;

/// Text as metadata can carry it: what is not printable ASCII, and `%`, as `%XX`.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// Reads what [`percent_encoded`] wrote; anything else is taken as it stands.
pub fn percent_decoded(encoded: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind
            .first_chunk()
            .filter(|_| *first == b'%')
            .and_then(|digits: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    // No name holds control characters: what does goes into messages that people read.
    String::from_utf8_lossy(&bytes).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesh_names_travel_as_ascii_and_come_back() {
        for name in ["home", "Küche & Flur", "100%", "%zz", "שלום"] {
            let encoded = percent_encoded(name);
            assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()), "{encoded}");
            assert_eq!(percent_decoded(encoded.as_bytes()), name);
        }
        assert_eq!(percent_decoded(b"evil%0aX"), "evil\u{fffd}X");
        assert_eq!(percent_decoded(b"%"), "%");
        assert_eq!(percent_decoded(b"%4"), "%4");
    }
}
