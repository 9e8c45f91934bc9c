//! Resume tokens: where a subscription goes on. Opaque to clients; everything they say is in them, nothing on the server.
//!
//! Layout, version 1: `'h' 't'`, version (1 byte), farm id (16), 64-bit FNV-1a of the canonical predicate (8, LE),
//! position: epoch start, epoch random, number; watermark: epoch start, epoch random, number (8 each, LE); flags (1: since,
//! 2: until, 4: bins, 8: last sent); since, until, bins: Unix milliseconds (8 each, LE); then the FNV-1a of all before (8).

use hedgerow_model::registration::Id;
use hedgerow_model::{Epoch, Position, UnixMillis};

const MAGIC: [u8; 3] = *b"ht\x01";
/// Length of a token in bytes.
pub const TOKEN_BYTES: usize = 3 + 16 + 8 + 24 + 24 + 1 + 24 + 8;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The farm that made it.
    pub farm: Id,
    /// [`predicate_hash`] of the subscription's predicate.
    pub predicate: u64,
    /// All up to here was sent.
    pub position: Position,
    /// What separates history from live in this subscription.
    pub watermark: Position,
    /// The window's start, made absolute at the first admission.
    pub since: Option<UnixMillis>,
    /// The window's end, made absolute at the first admission.
    pub until: Option<UnixMillis>,
    /// Bins up to here (their end) were given.
    pub bins: Option<UnixMillis>,
    /// The newest values (`last`) were given.
    pub last_sent: bool,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token, or damaged.
    #[error("not a resume token of this version: expected the bytes of a progress item, unchanged")]
    Form,
    /// Made by another farm.
    #[error("this token was made by farm {0}, not by this one")]
    OtherFarm(Id),
    /// Made for another predicate.
    #[error("this token was made for another predicate")]
    OtherPredicate,
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The hash by which a token knows its predicate: of the predicate's canonical text.
pub fn predicate_hash(canonical: &str) -> u64 {
    fnv1a(canonical.as_bytes())
}

impl Token {
    /// The token's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.extend(MAGIC);
        bytes.extend(self.farm.0);
        bytes.extend(self.predicate.to_le_bytes());
        for position in [self.position, self.watermark] {
            bytes.extend(position.epoch.start.to_le_bytes());
            bytes.extend(position.epoch.random.to_le_bytes());
            bytes.extend(position.number.to_le_bytes());
        }
        let times = [self.since, self.until, self.bins];
        let present = times.iter().enumerate().map(|(bit, time)| u8::from(time.is_some()) << bit).sum::<u8>();
        bytes.push(present | u8::from(self.last_sent) << 3);
        times.iter().for_each(|time| bytes.extend(time.unwrap_or_default().to_le_bytes()));
        bytes.extend(fnv1a(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a token and checks that this farm made it for this predicate.
    ///
    /// # Errors
    /// What it is instead.
    pub fn decode(bytes: &[u8], farm: Id, predicate: u64) -> Result<Self, TokenError> {
        let token = Self::parse(bytes).ok_or(TokenError::Form)?;
        if token.farm != farm {
            return Err(TokenError::OtherFarm(token.farm));
        }
        if token.predicate != predicate {
            return Err(TokenError::OtherPredicate);
        }
        Ok(token)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(TOKEN_BYTES - 8)?;
        if sum != fnv1a(body).to_le_bytes() {
            return None;
        }
        let rest = body.strip_prefix(&MAGIC)?;
        let (farm, mut rest) = rest.split_first_chunk::<16>()?;
        let mut next = || {
            let (number, tail) = rest.split_first_chunk::<8>()?;
            rest = tail;
            Some(u64::from_le_bytes(*number))
        };
        let predicate = next()?;
        let mut position =
            || Some(Position { epoch: Epoch { start: next()?, random: next()? }, number: next()? });
        let (position, watermark) = (position()?, position()?);
        let (flags, mut rest) = rest.split_first()?;
        let mut time = |bit: u8| {
            let (number, tail) = rest.split_first_chunk::<8>()?;
            rest = tail;
            Some((flags & bit != 0).then(|| i64::from_le_bytes(*number)))
        };
        let (since, until, bins) = (time(1)?, time(2)?, time(4)?);
        let last_sent = flags & 8 != 0;
        Some(Self { farm: Id(*farm), predicate, position, watermark, since, until, bins, last_sent })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn token() -> Token {
        let epoch = Epoch { start: 3, random: u64::MAX };
        Token {
            farm: Id([7; 16]),
            predicate: predicate_hash("*/*/*/cpu*"),
            position: Position { epoch: Epoch { start: 2, random: 9 }, number: 1 << 40 },
            watermark: Position { epoch, number: 12 },
            since: Some(-5),
            until: None,
            bins: Some(1),
            last_sent: true,
        }
    }

    #[test]
    fn tokens_come_back_and_are_bound_to_farm_and_predicate() {
        let (token, bytes) = (token(), token().encode());
        assert_eq!(bytes.len(), TOKEN_BYTES);
        assert_eq!(Token::decode(&bytes, token.farm, token.predicate), Ok(token));
        assert_eq!(
            Token::decode(&bytes, Id([8; 16]), token.predicate),
            Err(TokenError::OtherFarm(token.farm))
        );
        assert_eq!(Token::decode(&bytes, token.farm, 1), Err(TokenError::OtherPredicate));
    }

    #[test]
    fn a_damaged_token_is_refused() {
        let bytes = token().encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(
                Token::decode(&damaged, Id([7; 16]), token().predicate),
                Err(TokenError::Form),
                "byte {at}"
            );
        }
        assert_eq!(Token::decode(&bytes[..20], Id([7; 16]), 0), Err(TokenError::Form));
        assert_eq!(Token::decode(b"", Id([7; 16]), 0), Err(TokenError::Form));
    }
}
