//! Messages of protocol buffers, as far as a model in the ONNX format needs them.
//!
//! A message is a row of fields; a field is a key, (number << 3) | wire type, and a value: 0 is a whole number in
//! groups of 7 bits, the lowest first, 2 is bytes with their length in front, 5 is a number of 32 bits.
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// A message under construction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// A whole number; negative ones take ten bytes.
    pub(crate) fn whole(mut self, field: u32, value: i64) -> Self {
        self.key(field, 0);
        self.varint(value as u64);
        self
    }

    /// A number of 32 bits.
    pub(crate) fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, 5);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Bytes.
    pub(crate) fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.bytes.extend(value);
        self
    }

    /// Text.
    pub(crate) fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// A message inside.
    pub(crate) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.bytes)
    }

    /// A field for each of several values.
    pub(crate) fn each<T>(
        self,
        values: impl IntoIterator<Item = T>,
        add: impl Fn(Self, T) -> Self,
    ) -> Self {
        values.into_iter().fold(self, add)
    }

    /// The encoded message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn key(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    /// The examples of the source, and numbers of more than one group.
    #[test]
    fn fields_are_encoded_as_the_source_says() {
        assert_eq!(
            Message::default().whole(1, 150).finish(),
            [0x08, 0x96, 0x01]
        );
        let text = Message::default().text(2, "testing");
        assert_eq!(text.clone().finish(), b"\x12\x07testing");
        let inner = Message::default().whole(1, 150);
        assert_eq!(
            Message::default().message(3, &inner).finish(),
            [0x1a, 0x03, 0x08, 0x96, 0x01]
        );
        assert_eq!(
            Message::default().float(2, 1.0).finish(),
            [0x15, 0, 0, 0x80, 0x3f]
        );
        let minus = Message::default().whole(1, -2).finish();
        assert_eq!((minus.len(), minus[1], minus[10]), (11, 0xfe, 0x01));
        let many = Message::default().each([1, 2], |m, n| m.whole(20, n));
        assert_eq!(many.finish(), [0xa0, 0x01, 0x01, 0xa0, 0x01, 0x02]);
    }
}
