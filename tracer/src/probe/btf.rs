//! The kernel's own description of its types (BTF): where a field of a structure is, what the values
//! of an enumeration are called.
//!
//! rustc writes no relocations for fields (CO-RE), so their places are looked up here when the probe
//! is loaded. Only what that needs is read; a description that contradicts itself yields nothing.
//! Format: <https://docs.kernel.org/bpf/btf.html>.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

/// Where the kernel shows it, from 5.4 on with CONFIG_DEBUG_INFO_BTF.
const PATH: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;

/// Structures within structures are followed this deep.
const DEPTH: usize = 8;

/// Kinds of types.
mod kind {
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
    pub(super) const INT: u32 = 1;
}

/// A kernel's types.
#[derive(Debug)]
pub(super) struct Types {
    bytes: Vec<u8>,
    strings: usize,
    /// Where each type begins, by its number; the first is `void`.
    places: Vec<usize>,
    /// Structures, unions and enumerations by name.
    named: HashMap<String, Vec<u32>>,
}

/// A type's head.
struct Head {
    name: u32,
    kind: u32,
    /// Members, values or parameters.
    count: usize,
    /// Members have bit sizes.
    with_bits: bool,
    /// Size, or the type that it stands for.
    target: u32,
}

impl Types {
    /// Those of the running kernel.
    ///
    /// # Errors
    ///
    /// Where it does not tell.
    pub(super) fn of_kernel() -> io::Result<Self> {
        let bytes = fs::read(Path::new(PATH)).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot read {PATH}: {error}"))
        })?;
        Self::new(bytes).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{PATH} is no type description that is understood"),
            )
        })
    }

    fn new(bytes: Vec<u8>) -> Option<Self> {
        if u16_at(&bytes, 0)? != MAGIC {
            return None;
        }
        let header = u32_at(&bytes, 4)? as usize;
        let types = header + u32_at(&bytes, 8)? as usize;
        let end = types + u32_at(&bytes, 12)? as usize;
        let strings = header + u32_at(&bytes, 16)? as usize;
        let mut all = Self {
            bytes,
            strings,
            places: vec![0],
            named: HashMap::new(),
        };
        let mut place = types;
        while place < end {
            let head = all.head_at(place)?;
            let number = u32::try_from(all.places.len()).ok()?;
            if matches!(
                head.kind,
                kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64
            ) && let Some(name) = all.text(head.name)
                && !name.is_empty()
            {
                let name = name.to_owned();
                all.named.entry(name).or_default().push(number);
            }
            all.places.push(place);
            place += 12 + extra(&head);
        }
        Some(all)
    }

    /// Where a field is in a structure, in bytes from its start: `("sock", "sk_err")`. Members of
    /// members are named with dots; anonymous ones are looked through.
    #[must_use]
    pub(super) fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        self.bits(structure, path).map(|bits| bits / 8)
    }

    /// Which bit of the byte at its [`Self::offset`] a bit field begins with.
    #[must_use]
    pub(super) fn bit(&self, structure: &str, path: &str) -> Option<u32> {
        self.bits(structure, path).map(|bits| bits % 8)
    }

    fn bits(&self, structure: &str, path: &str) -> Option<u32> {
        let numbers = self.named.get(structure)?;
        numbers.iter().find_map(|number| {
            let mut at = (*number, 0);
            for name in path.split('.') {
                let (target, bits) = self.member(self.resolve(at.0)?, name, DEPTH)?;
                at = (target, at.1 + bits);
            }
            Some(at.1)
        })
    }

    /// The names of an enumeration's values.
    #[must_use]
    pub(super) fn values(&self, enumeration: &str) -> HashMap<i64, String> {
        let mut values = HashMap::new();
        let numbers = self.named.get(enumeration).into_iter().flatten();
        for place in numbers.filter_map(|number| self.places.get(*number as usize)) {
            let Some(head) = self.head_at(*place) else {
                continue;
            };
            let wide = head.kind == kind::ENUM64;
            for index in 0..head.count {
                let at = place + 12 + index * if wide { 12 } else { 8 };
                let (Some(name), Some(low)) = (
                    u32_at(&self.bytes, at).and_then(|name| self.text(name)),
                    u32_at(&self.bytes, at + 4),
                ) else {
                    continue;
                };
                let value = if wide {
                    let high = u32_at(&self.bytes, at + 8).unwrap_or_default();
                    (u64::from(high) << 32 | u64::from(low)).cast_signed()
                } else {
                    i64::from(low.cast_signed())
                };
                values.insert(value, name.to_owned());
            }
        }
        values
    }

    /// The type of a member and its distance in bits.
    fn member(&self, number: u32, name: &str, depth: usize) -> Option<(u32, u32)> {
        let place = *self.places.get(number as usize)?;
        let head = self.head_at(place)?;
        if !matches!(head.kind, kind::STRUCT | kind::UNION) {
            return None;
        }
        for index in 0..head.count {
            let at = place + 12 + index * 12;
            let own = self.text(u32_at(&self.bytes, at)?)?;
            let target = u32_at(&self.bytes, at + 4)?;
            let raw = u32_at(&self.bytes, at + 8)?;
            // The upper byte is the size of a bit field then.
            let bits = if head.with_bits {
                raw & 0x00ff_ffff
            } else {
                raw
            };
            if own == name {
                return Some((target, bits));
            }
            if own.is_empty()
                && depth > 0
                && let Some((found, inner)) = self.member(self.resolve(target)?, name, depth - 1)
            {
                return Some((found, bits + inner));
            }
        }
        None
    }

    /// What a type stands for, without names and qualifiers.
    fn resolve(&self, mut number: u32) -> Option<u32> {
        for _ in 0..32 {
            let head = self.head_at(*self.places.get(number as usize)?)?;
            match head.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    number = head.target;
                }
                _ => return Some(number),
            }
        }
        None
    }

    fn head_at(&self, place: usize) -> Option<Head> {
        let info = u32_at(&self.bytes, place + 4)?;
        Some(Head {
            name: u32_at(&self.bytes, place)?,
            kind: info >> 24 & 0x1f,
            count: (info & 0xffff) as usize,
            with_bits: info >> 31 == 1,
            target: u32_at(&self.bytes, place + 8)?,
        })
    }

    fn text(&self, offset: u32) -> Option<&str> {
        let bytes = self.bytes.get(self.strings + offset as usize..)?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&bytes[..end]).ok()
    }
}

/// Bytes that follow a type's head.
const fn extra(head: &Head) -> usize {
    match head.kind {
        kind::INT | kind::VAR | kind::DECL_TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::ENUM64 | kind::DATASEC => head.count * 12,
        kind::ENUM | kind::FUNC_PROTO => head.count * 8,
        _ => 0,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_describes_its_sockets() {
        let Ok(types) = Types::of_kernel() else {
            println!("skipped: this kernel has no BTF ({PATH})");
            return;
        };
        // Fixed by the layout of `struct sock_common` since 3.12.
        assert_eq!(types.offset("sock", "__sk_common.skc_daddr"), Some(0));
        assert_eq!(types.offset("sock", "__sk_common.skc_rcv_saddr"), Some(4));
        assert_eq!(types.offset("sock", "no_such_field"), None);
        assert!(types.offset("tcp_sock", "keepalive_time").is_some());
        let states = types.values("sock_flags");
        assert!(states.values().any(|name| name == "SOCK_KEEPOPEN"));
    }

    #[test]
    fn damage_yields_nothing() {
        assert!(Types::new(Vec::new()).is_none());
        assert!(Types::new(vec![0x9f, 0xeb, 1, 0]).is_none());
        let mut cut = vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
        cut.extend([0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
        assert!(Types::new(cut).is_none());
    }
}
