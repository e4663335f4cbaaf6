//! From stored examples to the tensors of a batch: range, binarization.

use crate::condition::{Batch, Condition, Vocabulary};
use crate::likelihood::DataFacts;
use crate::model::DataSite;
use crate::noise;
use crate::recipe::{Binarize, DataOptions, Range, RecipeError};
use burn::tensor::Device;
use jensen_data::Examples;
use jensen_rng::Stream;

/// Makes batches of examples as a recipe wants them.
#[derive(Clone)]
pub struct Feed {
    examples: Examples,
    binarize: Binarize,
    range: Range,
    device: Device,
}

impl Feed {
    /// A feed of these examples onto a device. Only grey values in [0, 1] can be binarized.
    pub fn new(
        examples: Examples,
        options: &DataOptions,
        device: &Device,
    ) -> Result<Self, RecipeError> {
        let range = examples.range();
        if options.binarize != Binarize::None && !range.is_unit() {
            return Err(RecipeError::value(
                "data",
                format!(
                    "binarize needs values in [0, 1], and these are in [{}, {}]",
                    range.min, range.max
                ),
            ));
        }
        Ok(Self {
            examples,
            binarize: options.binarize,
            range: options.range,
            device: device.clone(),
        })
    }

    /// The same examples with each grey value drawn as Bernoulli when it is used.
    pub fn binarized(&self) -> Self {
        Self {
            binarize: Binarize::Dynamic,
            ..self.clone()
        }
    }

    /// The same examples with their values as stored, not binarized.
    pub fn plain(&self) -> Self {
        Self {
            binarize: Binarize::None,
            ..self.clone()
        }
    }

    /// A feed of other examples, treated the same way.
    pub fn with_examples(&self, examples: Examples) -> Self {
        Self {
            examples,
            ..self.clone()
        }
    }

    /// At most n of the examples, drawn from all of them, in their order: data may be sorted.
    pub fn sample(&self, n: usize, stream: &Stream) -> Self {
        if self.len() <= n {
            return self.clone();
        }
        let mut indices = stream.child("sample", 0).permutation(self.len());
        indices.truncate(n);
        indices.sort_unstable();
        self.with_examples(self.examples.select(&indices))
    }

    /// The examples.
    pub fn examples(&self) -> &Examples {
        &self.examples
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.examples.len() == 0
    }

    /// Whether the stored values are grey levels, which can be binarized and mapped.
    fn is_grey(&self) -> bool {
        self.examples.n_levels().is_some()
    }

    /// The examples with these indices and what is said of them; `stream` draws the binarization.
    pub fn batch(&self, indices: &[usize], stream: &Stream) -> Batch {
        let n_values = self.examples.layout.n_values();
        let values = self.host(indices, stream);
        Batch {
            x: noise::upload(values, indices.len(), n_values, &self.device),
            condition: Condition::of(&self.examples, indices),
        }
    }

    /// The same on the host, row-major.
    pub fn host(&self, indices: &[usize], stream: &Stream) -> Vec<f32> {
        let mut values = vec![0.0; indices.len() * self.examples.layout.n_values()];
        self.examples.gather(indices, &mut values);
        match self.binarize {
            Binarize::None => {}
            Binarize::Threshold => {
                for value in &mut values {
                    *value = f32::from(u8::from(*value > 0.5));
                }
            }
            Binarize::Dynamic => {
                let mut uniform = vec![0.0; values.len()];
                stream.child("binarize", 0).fill_uniform(&mut uniform);
                for (value, u) in values.iter_mut().zip(&uniform) {
                    *value = f32::from(u8::from(u < value));
                }
            }
        }
        if self.range == Range::Symmetric && self.is_grey() {
            for value in &mut values {
                *value = 2.0 * *value - 1.0;
            }
        }
        values
    }

    /// Values back in [0, 1] for pictures.
    pub fn to_unit(&self, values: &mut [f32]) {
        if self.range == Range::Symmetric && self.is_grey() {
            for value in values {
                *value = (*value + 1.0) / 2.0;
            }
        }
    }

    /// What a model must know of these data.
    pub fn site(&self) -> DataSite {
        let range = self.examples.range();
        let symmetric = self.range == Range::Symmetric && self.is_grey();
        let map = |value: f32| if symmetric { 2.0 * value - 1.0 } else { value };
        let levels = self.examples.n_levels();
        let facts = match (levels, self.binarize) {
            (Some(levels), Binarize::None) => DataFacts {
                min: map(0.0),
                max: map(1.0),
                levels: Some(levels),
            },
            (_, Binarize::Dynamic | Binarize::Threshold) => DataFacts {
                min: map(0.0),
                max: map(1.0),
                levels: Some(2),
            },
            (None, Binarize::None) => DataFacts {
                min: range.min,
                max: range.max,
                levels: None,
            },
        };
        DataSite {
            layout: self.examples.layout,
            facts,
            mean: self.examples.mean().into_iter().map(map).collect(),
            n_train: self.examples.len(),
            vocabulary: Vocabulary::of(&self.examples),
        }
    }
}
