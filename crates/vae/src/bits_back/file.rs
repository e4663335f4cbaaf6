//! A code as bytes, little end first: magic, checksums of the parameters and of the levels, then the code.

use super::{Checks, Code, CodeError};

const MAGIC: &[u8; 8] = b"JENSENB1";

impl Code {
    /// The code as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut put = |number: u32| bytes.extend(number.to_le_bytes());
        put(self.checks.params);
        put(self.checks.levels);
        put(self.n as u32);
        put(self.bits.len() as u32);
        put(self.lanes.len() as u32);
        for lane in &self.lanes {
            put(lane.len() as u32);
        }
        self.lanes.iter().flatten().for_each(|&word| put(word));
        bytes.extend(&self.bits);
        bytes
    }

    /// The code in these bytes.
    ///
    /// # Errors
    /// [`CodeError::NoCode`], or [`CodeError::Damaged`] for another length than they say.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodeError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CodeError::NoCode)?;
        let mut rest = Numbers(rest);
        let checks = Checks {
            params: rest.number()?,
            levels: rest.number()?,
        };
        let n = rest.number()? as usize;
        let n_bits = rest.number()? as usize;
        let n_lanes = rest.number()? as usize;
        // Every length has its bytes before anything is made for it.
        if rest.0.len() < n_lanes.saturating_mul(4).saturating_add(n_bits) {
            return Err(CodeError::Damaged);
        }
        let lengths = (0..n_lanes).map(|_| rest.number());
        let lengths: Vec<u32> = lengths.collect::<Result<_, _>>()?;
        let n_words: u64 = lengths.iter().map(|&len| u64::from(len)).sum();
        if rest.0.len() as u64 != n_words * 4 + n_bits as u64 {
            return Err(CodeError::Damaged);
        }
        let lane = |len: u32| (0..len).map(|_| rest.number()).collect();
        let lanes = lengths.into_iter().map(lane);
        let lanes: Vec<Vec<u32>> = lanes.collect::<Result<_, _>>()?;
        Ok(Self {
            n,
            bits: rest.0.to_vec(),
            lanes,
            checks,
        })
    }
}

struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn number(&mut self) -> Result<u32, CodeError> {
        let (number, rest) = self.0.split_first_chunk().ok_or(CodeError::Damaged)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back_and_damage_is_noticed() {
        let code = Code {
            n: 9,
            bits: vec![4, 16, 7],
            lanes: vec![vec![1, 2, u32::MAX], vec![5, 6]],
            checks: Checks {
                params: 77,
                levels: 3,
            },
        };
        let bytes = code.to_bytes();
        assert_eq!(Code::from_bytes(&bytes), Ok(code));
        for len in 0..bytes.len() {
            assert!(Code::from_bytes(&bytes[..len]).is_err(), "{len}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(Code::from_bytes(&longer), Err(CodeError::Damaged));
        let mut huge = bytes;
        huge[24..28].fill(0xff);
        assert_eq!(Code::from_bytes(&huge), Err(CodeError::Damaged));
    }
}
