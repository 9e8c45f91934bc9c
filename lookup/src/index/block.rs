//! A block of a dictionary: texts in ascending order, each without what it shares with the one before, each with a
//! number. A text is found without spelling out the others, and put in by writing its neighbour anew.

/// Where a text stands in a block, or would.
#[derive(Debug, Clone, Copy)]
pub struct Spot {
    start: usize,
    end: usize,
    /// How much it shares with the text before.
    shared: usize,
    /// Its number, where it is there.
    pub number: Option<u64>,
}

/// An entry as it is written.
struct Entry<'a> {
    shared: usize,
    own: &'a [u8],
    number: u64,
    end: usize,
}

/// Reads a block, spelling out the texts.
#[derive(Debug)]
pub struct Reader<'a> {
    block: &'a [u8],
    at: usize,
    text: Vec<u8>,
}

/// Writes a block.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

/// Finds a text.
pub fn find(block: &[u8], text: &[u8]) -> Spot {
    let mut start = 0;
    // How much the text before, which is less, shares with the text.
    let mut shared = 0;
    while start < block.len() {
        let entry = entry(block, start);
        if entry.shared < shared {
            break;
        }
        // One that shares more with the one before is less for the same reason.
        if entry.shared == shared {
            let wanted = &text[shared..];
            let same = common(entry.own, wanted);
            match (entry.own.get(same), wanted.get(same)) {
                (None, None) => return Spot { start, end: entry.end, shared, number: Some(entry.number) },
                (Some(own), wanted) if wanted.is_none_or(|wanted| own > wanted) => break,
                _ => shared += same,
            }
        }
        start = entry.end;
    }
    Spot { start, end: start, shared, number: None }
}

/// Writes a block anew into `out`, with another number for a text, or without it. `spot` is where the text is.
pub fn replace(block: &[u8], text: &[u8], spot: Spot, number: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(&block[..spot.start]);
    if let Some(number) = number {
        write(out, spot.shared, &[&text[spot.shared..]], number);
    }
    if spot.end == block.len() {
        return;
    }
    let next = entry(block, spot.end);
    match (spot.number, number) {
        // It shared with the text, and now with the one before that.
        (Some(_), None) => {
            let shared = next.shared.min(spot.shared);
            write(out, shared, &[&text[shared..next.shared], next.own], next.number);
        }
        // The other way round; what shares less with the one before shares as little with the text.
        (None, Some(_)) if next.shared == spot.shared => {
            let same = common(next.own, &text[spot.shared..]);
            write(out, next.shared + same, &[&next.own[same..]], next.number);
        }
        _ => out.extend_from_slice(&block[spot.end..next.end]),
    }
    out.extend_from_slice(&block[next.end..]);
}

impl<'a> Reader<'a> {
    /// Before the first entry.
    pub const fn new(block: &'a [u8]) -> Self {
        Self { block, at: 0, text: Vec::new() }
    }

    /// The next text and its number.
    pub fn next(&mut self) -> Option<(&[u8], u64)> {
        if self.at == self.block.len() {
            return None;
        }
        let entry = entry(self.block, self.at);
        self.at = entry.end;
        self.text.truncate(entry.shared);
        self.text.extend_from_slice(entry.own);
        Some((&self.text, entry.number))
    }
}

impl Writer {
    /// Adds a text greater than all before.
    pub fn push(&mut self, text: &[u8], number: u64) {
        let shared = common(&self.last, text);
        write(&mut self.bytes, shared, &[&text[shared..]], number);
        self.last.truncate(shared);
        self.last.extend_from_slice(&text[shared..]);
    }

    /// The block.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// How many bytes two texts share from the start.
pub fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn entry(block: &[u8], start: usize) -> Entry<'_> {
    let mut at = start;
    let shared = length(varint(block, &mut at));
    let own = length(varint(block, &mut at));
    let own = &block[at..at + own];
    at += own.len();
    let number = varint(block, &mut at);
    Entry { shared, own, number, end: at }
}

fn length(number: u64) -> usize {
    usize::try_from(number).expect("invariant: a text has fewer bytes than there are")
}

fn write(out: &mut Vec<u8>, shared: usize, own: &[&[u8]], number: u64) {
    write_varint(out, shared as u64);
    write_varint(out, own.iter().map(|part| part.len() as u64).sum());
    own.iter().for_each(|part| out.extend_from_slice(part));
    write_varint(out, number);
}

#[inline]
fn varint(block: &[u8], at: &mut usize) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = block[*at];
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[allow(clippy::cast_possible_truncation)]
fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
