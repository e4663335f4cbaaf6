//! What is said of examples: a few words each, out of a vocabulary. A class is one word, a caption several.
//!
//! Conditions stay on the host, where words are counted from 0. A row may be unsaid: all its words are then V, the
//! number of words of the vocabulary, for which priors have vectors too; that is how one network learns to do with and
//! without a condition ([ho-2022], section 3.2).

use burn::tensor::{Device, Int, Tensor, TensorData};
use jensen_data::Examples;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Conditions of the training part that a model keeps, to draw from where none is given.
const N_KEPT: usize = 512;

/// The words that conditions are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// The words; those of classes are their numbers.
    pub words: Vec<String>,
    /// Words of a condition.
    pub len: usize,
    /// Some conditions of the training part, `[n, len]`.
    pub examples: Vec<u32>,
}

impl Vocabulary {
    /// Captions if the examples have some, else classes, else nothing.
    pub fn of(examples: &Examples) -> Option<Self> {
        let n = examples.len();
        let step = n.div_ceil(N_KEPT).max(1);
        let kept: Vec<usize> = (0..n).step_by(step).collect();
        let condition = Condition::of(examples, &kept)?;
        let words = match &examples.captions {
            Some(captions) => captions.vocabulary.to_vec(),
            None => {
                let labels = examples.labels.as_ref()?.iter();
                let n_classes = labels.max().map_or(0, |label| label + 1);
                (0..n_classes).map(|class| class.to_string()).collect()
            }
        };
        Some(Self {
            words,
            len: condition.len,
            examples: condition.words,
        })
    }

    /// The number of words V.
    pub fn n_words(&self) -> usize {
        self.words.len()
    }

    /// The numbers of these words; the first that is not known otherwise.
    pub fn numbers<'a>(&self, words: &[&'a str]) -> Result<Vec<u32>, &'a str> {
        let number = |&word: &&'a str| {
            let found = self.words.iter().position(|known| known == word);
            found.map(|number| number as u32).ok_or(word)
        };
        words.iter().map(number).collect()
    }

    /// n conditions, each one of the training part.
    pub fn draw(&self, n: usize, stream: &mut Stream) -> Condition {
        let n_kept = self.examples.len() / self.len;
        let words = (0..n).flat_map(|_| {
            let at = stream.below(n_kept) * self.len;
            self.examples[at..at + self.len].to_vec()
        });
        Condition {
            words: words.collect(),
            len: self.len,
        }
    }
}

/// Conditions of R rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    words: Vec<u32>,
    len: usize,
}

impl Condition {
    /// Those of the examples `indices`: captions if there are some, else classes, else nothing.
    pub fn of(examples: &Examples, indices: &[usize]) -> Option<Self> {
        match &examples.captions {
            Some(captions) => Some(Self {
                words: captions.gather(indices),
                len: captions.len,
            }),
            None => Some(Self {
                words: examples.gather_labels(indices)?,
                len: 1,
            }),
        }
    }

    /// The same words for each of n rows.
    pub fn repeated(words: &[u32], n: usize) -> Self {
        Self {
            words: words.repeat(n),
            len: words.len(),
        }
    }

    /// Nothing said, n times.
    pub fn unsaid(n: usize, [len, n_words]: [usize; 2]) -> Self {
        Self {
            words: vec![n_words as u32; n * len],
            len,
        }
    }

    /// What a model with this vocabulary can be told of it: words that it does not know are unsaid, and conditions of
    /// another length are none.
    pub fn known_to(&self, vocabulary: &Vocabulary) -> Option<Self> {
        let n_words = vocabulary.n_words() as u32;
        let words = self.words.iter().map(|&word| word.min(n_words));
        (self.len == vocabulary.len).then(|| Self {
            words: words.collect(),
            len: self.len,
        })
    }

    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.words.len() / self.len
    }

    /// The rows from `start` on, `n` of them.
    pub fn rows(&self, start: usize, n: usize) -> Self {
        Self {
            words: self.words[start * self.len..(start + n) * self.len].to_vec(),
            len: self.len,
        }
    }

    /// These rows and then the others, of as many words.
    pub fn followed_by(&self, others: &Self) -> Self {
        Self {
            words: [self.words.as_slice(), &others.words].concat(),
            len: self.len,
        }
    }

    /// Each row k times, one after the other.
    pub fn for_samples(&self, k: usize) -> Self {
        let rows = self.words.chunks_exact(self.len);
        Self {
            words: rows.flat_map(|row| row.repeat(k)).collect(),
            len: self.len,
        }
    }

    /// Each row unsaid with this probability.
    pub fn dropped(&self, share: f64, n_words: usize, stream: &mut Stream) -> Self {
        let mut dropped = self.clone();
        for row in dropped.words.chunks_exact_mut(self.len) {
            if stream.uniform() < share {
                row.fill(n_words as u32);
            }
        }
        dropped
    }

    /// `[R, len]`, with `offset(position)` added to each word.
    pub(crate) fn upload(
        &self,
        offset: impl Fn(usize) -> usize,
        device: &Device,
    ) -> Tensor<2, Int> {
        let shape = [self.n_rows(), self.len];
        let words = self.words.iter().enumerate();
        let words = words.map(|(i, &word)| i64::from(word) + offset(i % self.len) as i64);
        Tensor::from_data(TensorData::new(words.collect::<Vec<i64>>(), shape), device)
    }
}

/// Examples as a model takes them.
#[derive(Clone)]
pub struct Batch {
    /// Values `[B, P]`.
    pub x: Tensor<2>,
    /// What is said of each, where something is.
    pub condition: Option<Condition>,
}

impl From<Tensor<2>> for Batch {
    /// Of which nothing is said.
    fn from(x: Tensor<2>) -> Self {
        Self { x, condition: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary {
            words: ["x", "y", ""].map(str::to_owned).to_vec(),
            len: 2,
            examples: vec![0, 1, 1, 2],
        }
    }

    #[test]
    fn words_have_numbers_and_draws_are_those_of_the_examples() {
        let vocabulary = vocabulary();
        assert_eq!(vocabulary.numbers(&["y", ""]), Ok(vec![1, 2]));
        assert_eq!(vocabulary.numbers(&["y", "z"]), Err("z"));
        let drawn = vocabulary.draw(200, &mut Stream::from_seed(1));
        let first = drawn.words.chunks(2).filter(|row| **row == [0, 1]).count();
        assert_eq!(
            first + drawn.words.chunks(2).filter(|row| **row == [1, 2]).count(),
            200
        );
        assert!((60..140).contains(&first), "{first}");
    }

    #[test]
    fn rows_are_repeated_cut_and_dropped_as_wholes() {
        let rows = Condition::repeated(&[0, 1], 1).followed_by(&Condition::repeated(&[1, 2], 2));
        assert_eq!(rows.n_rows(), 3);
        assert_eq!(
            rows.for_samples(2).words,
            [0, 1, 0, 1, 1, 2, 1, 2, 1, 2, 1, 2]
        );
        assert_eq!(rows.rows(1, 2), Condition::repeated(&[1, 2], 2));
        let mut stream = Stream::from_seed(2);
        assert_eq!(rows.dropped(0.0, 3, &mut stream), rows);
        assert_eq!(
            rows.dropped(1.0, 3, &mut stream),
            Condition::unsaid(3, [2, 3])
        );
    }

    #[test]
    fn what_is_not_known_is_unsaid() {
        let far = Condition::repeated(&[1, 9], 1);
        assert_eq!(far.known_to(&vocabulary()).unwrap().words, [1, 3]);
        assert_eq!(Condition::repeated(&[1], 1).known_to(&vocabulary()), None);
    }
}
