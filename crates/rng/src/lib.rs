//! Seeded, labelled, splittable streams of randomness: the only source of randomness in jensen.
//!
//! A [`Stream`] is a counter-based generator: ChaCha with 8 rounds, keyed by a hash of the seed and
//! of the path of labels that leads to it. A child is named by a label and an index, never by the
//! order of calls, so results do not depend on scheduling, thread count or on who drew before.
//!
//! ```
//! use jensen_rng::Stream;
//! let root = Stream::from_seed(7);
//! let mut noise = root.child("latent", 3);
//! let z = noise.normal();
//! assert_eq!(z, Stream::from_seed(7).child("latent", 3).normal());
//! ```
//!
//! Sources: [bernstein-2008] (ChaCha); [marsaglia-2000] (ziggurat); [marsagliatsang-2000] (gamma); [lemire-2019] (bounded integers).

mod gamma;
mod normal;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// A stream of random numbers with a name: the same seed and labels give the same bits everywhere.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u8; 32],
    words: ChaCha8Rng,
}

/// Where a [`Stream`] stands, as plain data for checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// The key in hexadecimal, 64 digits.
    pub key: String,
    /// How many 32-bit words have been drawn.
    pub position: u128,
}

impl Stream {
    /// The root stream of a seed.
    pub fn from_seed(seed: u64) -> Self {
        Self::from_key(
            Sha256::new()
                .chain_update(b"jensen stream v1")
                .chain_update(seed.to_le_bytes())
                .finalize()
                .into(),
        )
    }

    fn from_key(key: [u8; 32]) -> Self {
        Self {
            key,
            words: ChaCha8Rng::from_seed(key),
        }
    }

    /// The child of this stream with this label and index.
    ///
    /// It depends on the labels only, not on what has been drawn from `self`.
    pub fn child(&self, label: &str, index: u64) -> Self {
        Self::from_key(
            Sha256::new()
                .chain_update(self.key)
                .chain_update((label.len() as u64).to_le_bytes())
                .chain_update(label.as_bytes())
                .chain_update(index.to_le_bytes())
                .finalize()
                .into(),
        )
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.words.next_u64()
    }

    /// Uniform on [0, 1), 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / (1u64 << 53) as f64;
        (self.next_u64() >> 11) as f64 * UNIT
    }

    /// Uniform on the open interval (0, 1): safe to take the logarithm of.
    #[inline]
    pub fn uniform_open(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / (1u64 << 53) as f64;
        ((self.next_u64() >> 12) as f64 + 0.5) * (2.0 * UNIT)
    }

    /// Uniform on 0..n without bias ([lemire-2019]). Panics if `n` is zero.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "internal error: below(0)");
        let n = n as u64;
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if (wide as u64) >= threshold {
                return (wide >> 64) as usize;
            }
        }
    }

    /// Standard normal (ziggurat).
    #[inline]
    pub fn normal(&mut self) -> f64 {
        normal::standard(self)
    }

    /// Exponential with rate 1, by inversion.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        -self.uniform_open().ln()
    }

    /// Gamma with this shape and rate 1; infinite or NaN where the shape is.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        gamma::standard(shape, self)
    }

    /// The logarithm of a gamma draw, for shapes so small that the draw itself is zero: the same random
    /// numbers as [`Stream::gamma`].
    pub fn gamma_ln(&mut self, shape: f64) -> f64 {
        gamma::logarithm(shape, self)
    }

    /// Fills `out` with standard normals, rounded to f32.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        for slot in out {
            *slot = self.normal() as f32;
        }
    }

    /// Fills `out` with uniforms on [0, 1), 24 bits each.
    pub fn fill_uniform(&mut self, out: &mut [f32]) {
        const UNIT: f32 = 1.0 / (1u32 << 24) as f32;
        let mut pairs = out.chunks_exact_mut(2);
        for pair in &mut pairs {
            let bits = self.next_u64();
            pair[0] = ((bits as u32) >> 8) as f32 * UNIT;
            pair[1] = ((bits >> 32) as u32 >> 8) as f32 * UNIT;
        }
        for slot in pairs.into_remainder() {
            *slot = ((self.next_u64() as u32) >> 8) as f32 * UNIT;
        }
    }

    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A random order of 0..n.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }

    /// The state for a checkpoint; [`Stream::from_state`] continues with the same bits.
    pub fn state(&self) -> StreamState {
        StreamState {
            key: self.key.iter().map(|byte| format!("{byte:02x}")).collect(),
            position: self.words.get_word_pos(),
        }
    }

    /// The stream at a stored state; `None` if the key is not 64 hexadecimal digits.
    pub fn from_state(state: &StreamState) -> Option<Self> {
        if state.key.len() != 64 || !state.key.is_ascii() {
            return None;
        }
        let mut key = [0u8; 32];
        for (byte, pair) in key.iter_mut().zip(state.key.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        let mut stream = Self::from_key(key);
        stream.words.set_word_pos(state.position);
        Some(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_depend_on_labels_only() {
        let root = Stream::from_seed(1);
        let mut drained = root.clone();
        for _ in 0..1000 {
            drained.next_u64();
        }
        assert_eq!(
            root.child("chain", 3).next_u64(),
            drained.child("chain", 3).next_u64()
        );
        let first = |label, index| root.child(label, index).next_u64();
        let all = [
            first("chain", 3),
            first("chain", 4),
            first("warmup", 3),
            root.child("chain", 3).child("warmup", 0).next_u64(),
            Stream::from_seed(2).child("chain", 3).next_u64(),
        ];
        for i in 0..all.len() {
            for j in 0..i {
                assert_ne!(all[i], all[j]);
            }
        }
    }

    #[test]
    fn state_continues_with_the_same_bits() {
        let mut stream = Stream::from_seed(5).child("noise", 0);
        for _ in 0..37 {
            stream.normal();
        }
        let mut copy = Stream::from_state(&stream.state()).unwrap();
        for _ in 0..100 {
            assert_eq!(stream.next_u64(), copy.next_u64());
        }
        let bad = StreamState {
            key: "zz".into(),
            position: 0,
        };
        assert!(Stream::from_state(&bad).is_none());
    }

    /// The first values of every sampler: a change here changes every result for a given seed.
    #[test]
    fn golden_first_values() {
        let root = Stream::from_seed(42);
        assert_eq!(root.clone().next_u64(), GOLDEN_WORD);
        assert_eq!(root.child("u", 0).uniform(), GOLDEN_UNIFORM);
        assert_eq!(root.child("n", 0).normal(), GOLDEN_NORMAL);
        assert_eq!(root.child("p", 0).permutation(8), GOLDEN_PERMUTATION);
    }

    const GOLDEN_WORD: u64 = 15_676_716_171_457_657_345;
    const GOLDEN_UNIFORM: f64 = 0.766_093_991_817_781_8;
    const GOLDEN_NORMAL: f64 = -1.949_883_491_497_888_9;
    const GOLDEN_PERMUTATION: [usize; 8] = [7, 1, 3, 2, 5, 4, 0, 6];

    #[test]
    fn bounded_integers_are_uniform() {
        let mut stream = Stream::from_seed(9);
        let n_draws = 70_000;
        let mut counts = [0f64; 7];
        for _ in 0..n_draws {
            counts[stream.below(7)] += 1.0;
        }
        let expected = n_draws as f64 / 7.0;
        let chi2: f64 = counts
            .iter()
            .map(|c| (c - expected).powi(2) / expected)
            .sum();
        assert!(
            chi2 < 22.5,
            "chi-square with 6 degrees of freedom, p = 0.001: {chi2}"
        );
    }

    #[test]
    fn uniforms_fill_the_unit_interval() {
        let mut out = vec![0f32; 10_001];
        Stream::from_seed(3).fill_uniform(&mut out);
        let mean = out.iter().map(|&u| f64::from(u)).sum::<f64>() / out.len() as f64;
        assert!(out.iter().all(|u| (0.0..1.0).contains(u)));
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0f64 / out.len() as f64).sqrt());
    }
}
