//! CRC-32 (the one of zip and Ethernet), eight bytes a step. It finds every flipped bit of a row and any burst up to 32
//! bits; it is no defence against someone who means to forge one.

const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// Fed piece by piece; the same bytes in other pieces give the same sum.
#[derive(Clone, Copy)]
pub struct Checksum(u32);

impl Checksum {
    pub fn new() -> Self {
        Self(!0)
    }

    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut crc = self.0;
        let mut eights = bytes.chunks_exact(8);
        for eight in &mut eights {
            let low = u32::from_le_bytes([eight[0], eight[1], eight[2], eight[3]]) ^ crc;
            crc = TABLES[7][(low & 0xFF) as usize]
                ^ TABLES[6][(low >> 8 & 0xFF) as usize]
                ^ TABLES[5][(low >> 16 & 0xFF) as usize]
                ^ TABLES[4][(low >> 24) as usize]
                ^ TABLES[3][eight[4] as usize]
                ^ TABLES[2][eight[5] as usize]
                ^ TABLES[1][eight[6] as usize]
                ^ TABLES[0][eight[7] as usize];
        }
        for byte in eights.remainder() {
            crc = crc >> 8 ^ TABLES[0][((crc ^ u32::from(*byte)) & 0xFF) as usize];
        }
        Self(crc)
    }

    pub fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    pub fn sum(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_crc_everyone_knows() {
        let check = |bytes: &[u8], expected: u32| assert_eq!(Checksum::new().bytes(bytes).sum(), expected, "{bytes:?}");
        check(b"", 0);
        check(b"a", 0xE8B7_BE43);
        check(b"123456789", 0xCBF4_3926);
        check(b"The quick brown fox jumps over the lazy dog", 0x414F_A339);
    }

    #[test]
    fn pieces_make_the_same_sum() {
        let bytes: Vec<u8> = (0..200u8).collect();
        for cut in 0..bytes.len() {
            let pieces = Checksum::new().bytes(&bytes[..cut]).bytes(&bytes[cut..]).sum();
            assert_eq!(pieces, Checksum::new().bytes(&bytes).sum(), "cut at {cut}");
        }
    }
}
