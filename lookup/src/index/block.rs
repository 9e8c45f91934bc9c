//! A block of a dictionary: texts in ascending order, each without what it shares with the one before, each with a
//! number. A block is read from its start and never changed, only written anew.

/// Reads a block.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    text: Vec<u8>,
}

/// Writes a block.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Before the first entry.
    pub const fn new(block: &'a [u8]) -> Self {
        Self { rest: block, text: Vec::new() }
    }

    /// The next text and its number.
    pub fn next(&mut self) -> Option<(&[u8], u64)> {
        if self.rest.is_empty() {
            return None;
        }
        let shared = self.length();
        let own = self.length();
        let (suffix, rest) = self.rest.split_at(own);
        self.rest = rest;
        self.text.truncate(shared);
        self.text.extend_from_slice(suffix);
        let number = self.varint();
        Some((&self.text, number))
    }

    fn length(&mut self) -> usize {
        usize::try_from(self.varint()).expect("invariant: a text has fewer bytes than there are")
    }

    fn varint(&mut self) -> u64 {
        let mut number = 0;
        for (at, byte) in self.rest.iter().enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                break;
            }
        }
        number
    }
}

impl Writer {
    /// Adds a text greater than all before.
    pub fn push(&mut self, text: &[u8], number: u64) {
        let shared = self.last.iter().zip(text).take_while(|(a, b)| a == b).count();
        self.varint(shared as u64);
        self.varint((text.len() - shared) as u64);
        self.bytes.extend_from_slice(&text[shared..]);
        self.varint(number);
        self.last.truncate(shared);
        self.last.extend_from_slice(&text[shared..]);
    }

    /// How long the block is.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The block.
    pub fn finish(self) -> Box<[u8]> {
        self.bytes.into()
    }

    #[allow(clippy::cast_possible_truncation)]
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}
