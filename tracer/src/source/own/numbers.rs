//! Numbers of variable length: seven bits a byte, the lowest first (LEB128). Most of what is
//! counted is small, and tallies come with every frame.

/// Appends a number.
pub(super) fn write(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Appends a number that may be negative: the sign in the lowest bit.
pub(super) fn write_signed(to: &mut Vec<u8>, number: i64) {
    write(to, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Takes numbers from the front of bytes; `None` where they end or make none.
pub(super) struct Numbers<'a>(pub(super) &'a [u8]);

impl Numbers<'_> {
    pub(super) fn next(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn next_signed(&mut self) -> Option<i64> {
        let number = self.next()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives() {
        for number in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            let mut numbers = Numbers(&bytes);
            assert_eq!((numbers.next(), numbers.0), (Some(number), &[][..]));
        }
        for number in [0, -1, 1, 63, -64, 64, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            write_signed(&mut bytes, number);
            assert_eq!(Numbers(&bytes).next_signed(), Some(number));
        }
        let mut bytes = Vec::new();
        write_signed(&mut bytes, -64);
        assert_eq!(bytes.len(), 1, "small ones are short, whichever sign");
    }

    #[test]
    fn what_is_no_number_is_none() {
        let beyond = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0,
        ];
        let endless = [0x80; 11];
        for bytes in [&[][..], &[0x80], &beyond, &endless] {
            assert_eq!(Numbers(bytes).next(), None, "{bytes:?}");
        }
    }
}
