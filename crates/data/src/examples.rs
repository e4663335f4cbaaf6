//! Examples in memory: equally shaped rows of values, with labels where there are any.
//!
//! Bytes stay bytes (MNIST takes 55 MB, not 220) and are scaled to [0, 1] when a batch is gathered.

use jensen_rng::Stream;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What one example is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// An image, stored by channel, row, column.
    Image {
        /// 1 for grey, 3 for red, green, blue.
        channels: usize,
        /// Rows, pixels.
        height: usize,
        /// Columns, pixels.
        width: usize,
    },
    /// A row of numbers without spatial meaning.
    Vector {
        /// How many.
        len: usize,
    },
}

impl Layout {
    /// Values in one example.
    pub fn n_values(&self) -> usize {
        match *self {
            Self::Image {
                channels,
                height,
                width,
            } => channels * height * width,
            Self::Vector { len } => len,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image {
                channels,
                height,
                width,
            } => write!(f, "images {channels} x {height} x {width}"),
            Self::Vector { len } => write!(f, "vectors of {len}"),
        }
    }
}

/// The stored values of all examples, one after the other, `[n, n_values]`.
#[derive(Debug, Clone)]
pub enum Values {
    /// Grey levels.
    U8 {
        /// The levels, 0 to `max`.
        bytes: Arc<[u8]>,
        /// The level that stands for 1.0: 255 for usual images, 16 for the embedded digits.
        max: u8,
    },
    /// Numbers as they are.
    F32(Arc<[f32]>),
}

impl Values {
    /// Number of stored values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8 { bytes, .. } => bytes.len(),
            Self::F32(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A sentence for each of n examples, all with the same number of words.
#[derive(Debug, Clone)]
pub struct Captions {
    /// The words that there are; an empty one fills up short sentences.
    pub vocabulary: Arc<[String]>,
    /// Words of a sentence.
    pub len: usize,
    /// Places in the vocabulary, `[n, len]`.
    pub words: Arc<[u32]>,
}

impl Captions {
    /// The words of the examples `indices`, one after the other.
    pub fn gather(&self, indices: &[usize]) -> Vec<u32> {
        let row = |&index: &usize| &self.words[index * self.len..(index + 1) * self.len];
        indices.iter().flat_map(row).copied().collect()
    }
}

/// Examples of one layout.
#[derive(Debug, Clone)]
pub struct Examples {
    /// What one example is.
    pub layout: Layout,
    /// The values, `[n, n_values]`.
    pub values: Values,
    /// The classes, `[n]`, counted from 0.
    pub labels: Option<Arc<[u32]>>,
    /// What is said of each example, where something is.
    pub captions: Option<Captions>,
}

/// What values the examples take after scaling: facts to choose or refuse a likelihood by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// Whether every value is 0 or 1.
    pub binary: bool,
}

impl ValueRange {
    /// Whether all values lie in [0, 1], as a Bernoulli likelihood needs them.
    pub fn is_unit(&self) -> bool {
        self.min >= 0.0 && self.max <= 1.0
    }
}

impl Examples {
    /// Puts values and labels together.
    ///
    /// Panics if the lengths do not fit: readers check files before they come here.
    pub fn new(layout: Layout, values: Values, labels: Option<Arc<[u32]>>) -> Self {
        let p = layout.n_values();
        assert!(
            p > 0 && values.len().is_multiple_of(p),
            "internal error: {} values do not divide into {layout}",
            values.len()
        );
        if let Some(labels) = &labels {
            assert_eq!(
                labels.len(),
                values.len() / p,
                "internal error: labels and examples"
            );
        }
        Self {
            layout,
            values,
            labels,
            captions: None,
        }
    }

    /// The same examples with captions, one each.
    pub fn with_captions(self, captions: Option<Captions>) -> Self {
        if let Some(captions) = &captions {
            assert_eq!(
                captions.words.len(),
                self.len() * captions.len,
                "internal error: captions and examples"
            );
        }
        Self { captions, ..self }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.values.len() / self.layout.n_values()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of grey levels, where the values are levels: 256, or 17 for the embedded digits.
    pub fn n_levels(&self) -> Option<u32> {
        match self.values {
            Values::U8 { max, .. } => Some(u32::from(max) + 1),
            Values::F32(_) => None,
        }
    }

    /// Writes the examples `indices` to `out`, `[indices.len(), n_values]`: bytes scaled to [0, 1], numbers as they are.
    ///
    /// Panics if an index is out of range or `out` has another length.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        let p = self.layout.n_values();
        assert_eq!(
            out.len(),
            indices.len() * p,
            "internal error: length of a gathered batch"
        );
        for (&index, row) in indices.iter().zip(out.chunks_exact_mut(p)) {
            match &self.values {
                Values::U8 { bytes, max } => {
                    let max = f32::from(*max);
                    for (slot, &byte) in row.iter_mut().zip(&bytes[index * p..(index + 1) * p]) {
                        *slot = f32::from(byte) / max;
                    }
                }
                Values::F32(numbers) => row.copy_from_slice(&numbers[index * p..(index + 1) * p]),
            }
        }
    }

    /// The labels of the examples `indices`, where there are labels.
    pub fn gather_labels(&self, indices: &[usize]) -> Option<Vec<u32>> {
        let labels = self.labels.as_ref()?;
        Some(indices.iter().map(|&index| labels[index]).collect())
    }

    /// The range of the values as [`Examples::gather`] gives them; zeros if there are no examples.
    pub fn range(&self) -> ValueRange {
        match &self.values {
            Values::U8 { bytes, max } => {
                let scale = f32::from(*max);
                ValueRange {
                    min: bytes.iter().min().map_or(0.0, |&b| f32::from(b) / scale),
                    max: bytes.iter().max().map_or(0.0, |&b| f32::from(b) / scale),
                    binary: bytes.iter().all(|b| *b == 0 || b == max),
                }
            }
            Values::F32(numbers) => {
                let ends = |best: Option<(f32, f32)>, &x: &f32| {
                    Some(best.map_or((x, x), |(low, high)| (low.min(x), high.max(x))))
                };
                let (min, max) = numbers.iter().fold(None, ends).unwrap_or((0.0, 0.0));
                ValueRange {
                    min,
                    max,
                    binary: numbers.iter().all(|&x| x == 0.0 || x == 1.0),
                }
            }
        }
    }

    /// Whether all examples are the same.
    pub fn is_constant(&self) -> bool {
        fn repeats<T: PartialEq>(values: &[T], p: usize) -> bool {
            values
                .iter()
                .zip(values.iter().skip(p))
                .all(|(a, b)| a == b)
        }
        let p = self.layout.n_values();
        match &self.values {
            Values::U8 { bytes, .. } => repeats(bytes, p),
            Values::F32(numbers) => repeats(numbers, p),
        }
    }

    /// How many of these examples have the values of one of `others`, stored alike.
    pub fn n_repeated_from(&self, others: &Self) -> usize {
        fn count<R: Eq + Hash>(
            rows: impl Iterator<Item = R>,
            others: impl Iterator<Item = R>,
        ) -> usize {
            let known: HashSet<R> = others.collect();
            rows.filter(|row| known.contains(row)).count()
        }
        let p = self.layout.n_values();
        match (&self.values, &others.values) {
            (Values::U8 { bytes, .. }, Values::U8 { bytes: others, .. }) => {
                count(bytes.chunks_exact(p), others.chunks_exact(p))
            }
            (Values::F32(numbers), Values::F32(others)) => count(
                numbers.chunks_exact(p).map(Bits),
                others.chunks_exact(p).map(Bits),
            ),
            _ => 0,
        }
    }

    /// The mean example, `[n_values]`, in the units of [`Examples::gather`]; zeros if there are no examples.
    pub fn mean(&self) -> Vec<f32> {
        let p = self.layout.n_values();
        let mut sums = vec![0f64; p];
        match &self.values {
            Values::U8 { bytes, max } => {
                for row in bytes.chunks_exact(p) {
                    for (sum, &byte) in sums.iter_mut().zip(row) {
                        *sum += f64::from(byte);
                    }
                }
                sums.iter_mut().for_each(|sum| *sum /= f64::from(*max));
            }
            Values::F32(numbers) => {
                for row in numbers.chunks_exact(p) {
                    for (sum, &number) in sums.iter_mut().zip(row) {
                        *sum += f64::from(number);
                    }
                }
            }
        }
        let n = self.len().max(1) as f64;
        sums.iter().map(|sum| (sum / n) as f32).collect()
    }

    /// The examples `indices`, in that order.
    ///
    /// Panics if an index is out of range.
    pub fn select(&self, indices: &[usize]) -> Self {
        let p = self.layout.n_values();
        let values = match &self.values {
            Values::U8 { bytes, max } => Values::U8 {
                bytes: rows(bytes, p, indices),
                max: *max,
            },
            Values::F32(numbers) => Values::F32(rows(numbers, p, indices)),
        };
        let captions = self.captions.as_ref().map(|captions| Captions {
            words: captions.gather(indices).into(),
            ..captions.clone()
        });
        let labels = self.gather_labels(indices).map(Arc::from);
        Self::new(self.layout, values, labels).with_captions(captions)
    }

    /// Takes a random `fraction` of the examples away: `(the others, the fraction)`, each in the old order.
    ///
    /// The fraction is rounded to whole examples, with at least one on each side where there are two.
    /// Panics if `fraction` is outside [0, 1].
    pub fn split(&self, fraction: f64, stream: &mut Stream) -> (Self, Self) {
        assert!(
            (0.0..=1.0).contains(&fraction),
            "internal error: fraction {fraction}"
        );
        let n = self.len();
        let mut n_taken = (fraction * n as f64).round() as usize;
        if n >= 2 {
            n_taken = n_taken.clamp(1, n - 1);
        }
        let mut order = stream.permutation(n);
        order[..n_taken].sort_unstable();
        order[n_taken..].sort_unstable();
        (
            self.select(&order[n_taken..]),
            self.select(&order[..n_taken]),
        )
    }
}

/// Numbers that are equal where their bits are, compared where they lie.
struct Bits<'a>(&'a [f32]);

impl Bits<'_> {
    fn each(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|x| x.to_bits())
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.each().eq(other.each())
    }
}

impl Eq for Bits<'_> {}

impl Hash for Bits<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.each().for_each(|bits| bits.hash(state));
    }
}

fn rows<T: Copy>(values: &[T], p: usize, indices: &[usize]) -> Arc<[T]> {
    indices
        .iter()
        .flat_map(|&index| &values[index * p..(index + 1) * p])
        .copied()
        .collect::<Vec<T>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels() -> Examples {
        Examples::new(
            Layout::Vector { len: 2 },
            Values::U8 {
                bytes: Arc::from([0, 16, 4, 8, 12, 2]),
                max: 16,
            },
            Some(Arc::from([7, 8, 9])),
        )
    }

    #[test]
    fn bytes_are_scaled_and_numbers_are_not() {
        let mut out = [0.0; 4];
        levels().gather(&[2, 0], &mut out);
        assert_eq!(out, [0.75, 0.125, 0.0, 1.0]);
        let numbers = Values::F32(Arc::from([-3.0, 5.0, 0.5, 1.5]));
        let examples = Examples::new(Layout::Vector { len: 2 }, numbers, None);
        examples.gather(&[1, 0], &mut out);
        assert_eq!(out, [0.5, 1.5, -3.0, 5.0]);
        assert_eq!(examples.mean(), [-1.25, 3.25]);
        assert_eq!(examples.n_levels(), None);
        assert_eq!(examples.gather_labels(&[0]), None);
        assert!(!examples.is_constant() && examples.select(&[1, 1, 1]).is_constant());
    }

    #[test]
    fn repeated_examples_are_counted() {
        let numbers = |values: &[f32]| {
            Examples::new(
                Layout::Vector { len: 2 },
                Values::F32(Arc::from(values)),
                None,
            )
        };
        let known = numbers(&[1.0, 2.0, 3.0, 4.0]);
        // The second of them stands across two rows of the known ones.
        let new = numbers(&[3.0, 4.0, 2.0, 3.0, 3.0, 4.0]);
        assert_eq!(
            (new.n_repeated_from(&known), known.n_repeated_from(&new)),
            (2, 1)
        );
        assert_eq!(levels().n_repeated_from(&levels().select(&[0, 2])), 2);
        assert_eq!(levels().n_repeated_from(&known), 0);
    }

    #[test]
    fn facts_about_levels() {
        let examples = levels();
        assert_eq!(examples.n_levels(), Some(17));
        assert_eq!(
            examples.mean(),
            [16.0 / 3.0 / 16.0, 26.0 / 3.0 / 16.0].map(|x: f64| x as f32)
        );
        assert_eq!(
            examples.range(),
            ValueRange {
                min: 0.0,
                max: 1.0,
                binary: false
            }
        );
    }

    #[test]
    fn ranges_tell_unit_and_binary_data_apart() {
        let range = |numbers: &[f32]| {
            Examples::new(
                Layout::Vector { len: 1 },
                Values::F32(Arc::from(numbers)),
                None,
            )
            .range()
        };
        assert!(range(&[0.0, 0.3, 1.0]).is_unit());
        assert!(!range(&[-1.0, 0.3, 1.0]).is_unit());
        assert!(range(&[0.0, 1.0]).binary);
        assert!(!range(&[0.0, 0.5]).binary);
    }

    #[test]
    fn splits_are_disjoint_complete_and_repeatable() {
        let n = 50;
        let examples = Examples::new(
            Layout::Vector { len: 1 },
            Values::F32((0..n).map(|i| i as f32).collect()),
            Some((0..n).collect()),
        );
        let (rest, part) = examples.split(0.2, &mut Stream::from_seed(1));
        assert_eq!((rest.len(), part.len()), (40, 10));
        let (_, again) = examples.split(0.2, &mut Stream::from_seed(1));
        assert_eq!(part.labels, again.labels);
        let mut all: Vec<u32> = rest.labels.as_ref().unwrap().to_vec();
        all.extend(part.labels.as_ref().unwrap().iter());
        all.sort_unstable();
        assert_eq!(all, (0..n).collect::<Vec<_>>());
        let mut value = [0.0];
        part.gather(&[3], &mut value);
        assert_eq!(value[0] as u32, part.labels.as_ref().unwrap()[3]);
        assert_eq!(examples.split(0.0, &mut Stream::from_seed(1)).1.len(), 1);
    }
}
