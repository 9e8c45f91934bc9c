//! The Basic Encoding Rules, as much of them as SNMP uses: definite lengths, tags of one byte.
//!
//! Reads what anybody may send: gives `None` where it is not well-formed, and never panics.

/// Appends a tag, the length of `content`, and `content`.
pub fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    put_length(out, content.len());
    out.extend_from_slice(content);
}

/// Size of a value whose content has so many bytes.
pub fn size(content: usize) -> usize {
    1 + length_size(content) + content
}

fn length_size(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let bytes = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    match length_size(length) {
        1 => out.push(bytes[3]),
        size => {
            let many = size - 1;
            out.push(0x80 | u8::try_from(many).unwrap_or_default());
            out.extend_from_slice(&bytes[4 - many..]);
        }
    }
}

/// Appends a signed integer, as short as it can be.
pub fn put_signed(out: &mut Vec<u8>, tag: u8, number: i64) {
    let bytes = number.to_be_bytes();
    let spare = |pair: &[u8]| (pair[0] == 0 && pair[1] < 0x80) || (pair[0] == 0xff && pair[1] >= 0x80);
    let skip = bytes.windows(2).take_while(|pair| spare(pair)).count();
    put(out, tag, &bytes[skip..]);
}

/// Appends an unsigned integer, as short as it can be.
pub fn put_unsigned(out: &mut Vec<u8>, tag: u8, number: u64) {
    let mut bytes = [0; 9];
    bytes[1..].copy_from_slice(&number.to_be_bytes());
    let skip = bytes.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
    put(out, tag, &bytes[skip..]);
}

/// Appends an object identifier.
pub fn put_oid(out: &mut Vec<u8>, tag: u8, arcs: &[u32]) {
    let mut content = Vec::with_capacity(arcs.len() + 8);
    let (first, rest) = match arcs {
        [] => (0, &[][..]),
        [only] => (u64::from(*only) * 40, &[][..]),
        [first, second, rest @ ..] => (u64::from(*first) * 40 + u64::from(*second), rest),
    };
    for arc in std::iter::once(first).chain(rest.iter().map(|arc| u64::from(*arc))) {
        let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
        for group in (0..groups).rev() {
            let more = if group == 0 { 0 } else { 0x80 };
            content.push(more | u8::try_from((arc >> (7 * group)) & 0x7f).unwrap_or_default());
        }
    }
    put(out, tag, &content);
}

/// Reads one value after another.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value: its tag and content.
    pub fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let many = usize::from(first & 0x7f);
            if !(1..=4).contains(&many) {
                return None;
            }
            let (bytes, rest) = rest.split_at_checked(many)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which must have this tag.
    pub fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next value, a signed integer.
    pub fn integer(&mut self) -> Option<i64> {
        let content = self.content(0x02)?;
        let first = *content.first()?;
        if content.len() > 8 {
            return None;
        }
        let sign = if first < 0x80 { 0 } else { -1 };
        Some(content.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte)))
    }

    /// The next value, an object identifier.
    pub fn oid(&mut self) -> Option<Vec<u32>> {
        let mut arcs = Vec::new();
        let mut arc = 0u64;
        let content = self.content(0x06)?;
        for (at, byte) in content.iter().enumerate() {
            arc = arc << 7 | u64::from(byte & 0x7f);
            if arc > u64::from(u32::MAX) + 80 {
                return None;
            }
            if byte & 0x80 != 0 {
                if at + 1 == content.len() {
                    return None;
                }
                continue;
            }
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(u32::try_from(first).ok()?);
                arc -= first * 40;
            }
            arcs.push(u32::try_from(arc).ok()?);
            arc = 0;
        }
        Some(arcs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(number: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put_signed(&mut out, 2, number);
        out
    }

    #[test]
    fn integers_are_as_short_as_they_can_be_and_come_back() {
        assert_eq!(signed(0), [2, 1, 0]);
        assert_eq!(signed(127), [2, 1, 127]);
        assert_eq!(signed(128), [2, 2, 0, 128]);
        assert_eq!(signed(-128), [2, 1, 128]);
        assert_eq!(signed(-129), [2, 2, 0xff, 0x7f]);
        for number in [0, 1, -1, 127, 128, -128, -129, 65_535, i64::MAX, i64::MIN] {
            assert_eq!(Reader(&signed(number)).integer(), Some(number));
        }
        let mut out = Vec::new();
        put_unsigned(&mut out, 0x46, u64::MAX);
        assert_eq!(out, [0x46, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn object_identifiers_come_back() {
        for arcs in [&[1, 3][..], &[1, 3, 6, 1, 2, 1, 1, 3, 0], &[0, 0], &[2, 999, 4_294_967_295, 128]] {
            let mut out = Vec::new();
            put_oid(&mut out, 6, arcs);
            assert_eq!(Reader(&out).oid().as_deref(), Some(arcs));
        }
        assert_eq!(Reader(&[6, 2, 0x2b, 0x86]).oid(), None, "ends within an arc");
    }

    #[test]
    fn lengths_come_back_and_wrong_ones_are_refused() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let mut out = Vec::new();
            put(&mut out, 4, &vec![7; length]);
            assert_eq!(out.len(), size(length));
            assert_eq!(Reader(&out).content(4).map(<[u8]>::len), Some(length));
            out.pop();
            assert_eq!(Reader(&out).any().is_some(), length == 0 && out.len() > 1);
        }
        assert!(Reader(&[4, 0x80, 0, 0]).any().is_none(), "indefinite");
        assert!(Reader(&[4, 0x85, 0, 0, 0, 0, 0]).any().is_none(), "too long a length");
    }
}
