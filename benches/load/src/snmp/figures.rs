//! What a side says of itself, and how two are compared.

use std::time::Duration;

/// What a side delivered and what it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    pub values: u64,
    /// Order does not matter to it; agent, column, row and value do.
    pub checksum: u64,
    /// 0: the side does not know.
    pub requests: u64,
    pub cpu: Duration,
    pub wall: Duration,
}

impl Figures {
    /// CPU-seconds for each million values.
    pub fn cost(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.values.max(1) as f64
    }

    /// As a line that [`Figures::read`] reads.
    pub fn line(&self) -> String {
        let Self { values, checksum, requests, .. } = self;
        format!("{values} {checksum} {requests} {:.6} {:.6}", self.cpu.as_secs_f64(), self.wall.as_secs_f64())
    }

    /// Reads the last line of what a side printed.
    pub fn read(printed: &str) -> Result<Self, String> {
        let line = printed.lines().last().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let wrong = || format!("`{line}` are no figures");
        let [values, checksum, requests, cpu, wall] = words[..] else { return Err(wrong()) };
        let whole = |word: &str| word.parse::<u64>().map_err(|_| wrong());
        let seconds = |word: &str| word.parse().map(Duration::from_secs_f64).map_err(|_| wrong());
        Ok(Self {
            values: whole(values)?,
            checksum: whole(checksum)?,
            requests: whole(requests)?,
            cpu: seconds(cpu)?,
            wall: seconds(wall)?,
        })
    }
}

/// What one value adds to the checksum. The C program has the same function.
pub fn check(agent: usize, column: usize, row: u32, value: u64) -> u64 {
    mix(mix((agent as u64) << 40 | (column as u64) << 32 | u64::from(row)) ^ value)
}

fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
