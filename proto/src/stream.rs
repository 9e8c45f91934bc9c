//! Stream messages as sequences of items that are encoded once and shared.
//!
//! An item that goes to a thousand subscribers is encoded for the first and counted up for the others; a message is what
//! is pending, put one behind the other. So this message is written by hand, bit for bit what the `.proto` file says.

use crate::farm::Item;
use bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType, encode_key, encode_varint, encoded_len_varint, skip_field};
use prost::{DecodeError, Message};

/// The number of the field `items`.
const ITEMS: u32 = 1;

/// `hedgerow.farm.v1.StreamMessage`: encoded items.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamMessage {
    /// Each an encoded [`Item`].
    pub items: Vec<Bytes>,
}

impl StreamMessage {
    /// A message of one item.
    pub fn of(item: &Item) -> Self {
        Self { items: vec![encode(item)] }
    }

    /// The items, decoded one after the other.
    pub fn decode_items(&self) -> impl Iterator<Item = Result<Item, DecodeError>> + '_ {
        self.items.iter().map(|bytes| Item::decode(bytes.clone()))
    }
}

/// Encodes an item, to be shared by all who want it.
pub fn encode(item: &Item) -> Bytes {
    item.encode_to_vec().into()
}

impl Message for StreamMessage {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        for item in &self.items {
            encode_key(ITEMS, WireType::LengthDelimited, buf);
            encode_varint(item.len() as u64, buf);
            buf.put_slice(item);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != ITEMS {
            return skip_field(wire_type, tag, buf, ctx);
        }
        let mut item = Bytes::new();
        prost::encoding::bytes::merge(wire_type, &mut item, buf, ctx)?;
        self.items.push(item);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.items.iter().map(|item| 1 + encoded_len_varint(item.len() as u64) + item.len()).sum()
    }

    fn clear(&mut self) {
        self.items.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::farm::{End, Progress, item};

    #[test]
    fn messages_put_together_are_one_message() {
        let first = Item {
            item: Some(item::Item::Progress(Progress { after: 1, through: 300, ..Progress::default() })),
        };
        let second = Item { item: Some(item::Item::End(End { samples: 3, ..End::default() })) };
        let mut bytes = StreamMessage::of(&first).encode_to_vec();
        bytes.extend(StreamMessage::of(&second).encode_to_vec());
        let message = StreamMessage::decode(&bytes[..]).unwrap();
        let items: Vec<Item> = message.decode_items().map(Result::unwrap).collect();
        assert_eq!(items, [first, second]);
        assert_eq!(message.encode_to_vec(), bytes);
        assert_eq!(message.encoded_len(), bytes.len());
    }
}
