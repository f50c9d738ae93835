//! The partition that a key belongs to.

/// How many virtual partitions an outbox has. Fixed: rows keep the number they were written with.
pub const PARTITIONS: i16 = 64;

/// The partition of `key`, from 0 to 63: FNV-1a of 64 bits over its UTF-8 bytes, modulo 64.
///
/// The rule is part of the table's contract, so that a writer in any language computes the same.
pub fn partition_of(key: &str) -> i16 {
    // The remainder is below 64, so the conversion cannot fail.
    i16::try_from(fnv1a(key.as_bytes()) % u64::from(PARTITIONS.unsigned_abs())).unwrap_or_default()
}

/// 64-bit FNV-1a.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET_BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_partition_that_any_other_writer_computes() {
        // 64-bit FNV-1a: "" is the offset basis, "a" is af63dc4c8601ec8c, "foobar" is 85944171f73967e8.
        assert_eq!(partition_of(""), 0x25);
        assert_eq!(partition_of("a"), 0x8c % 64);
        assert_eq!(partition_of("foobar"), 0xe8 % 64);
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut seen = [0_u32; PARTITIONS as usize];
        for id in 0..6400 {
            seen[usize::try_from(partition_of(&id.to_string())).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (40..200).contains(&count)), "{seen:?}");
    }
}
