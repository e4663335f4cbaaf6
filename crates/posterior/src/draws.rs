//! Draws of several quantities from several chains.

/// Draws `[c, s, d]`: c chains of s draws of d named quantities.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    names: Vec<String>,
    n_chains: usize,
    n_draws: usize,
    values: Vec<f64>,
}

impl Draws {
    /// Draws from their values `[c, s, d]`, chain after chain, draw after draw.
    ///
    /// Panics if the numbers do not fit together.
    pub fn new(names: Vec<String>, n_chains: usize, n_draws: usize, values: Vec<f64>) -> Self {
        assert_eq!(
            values.len(),
            n_chains * n_draws * names.len(),
            "internal error: draws of {n_chains} chains of {n_draws} draws of {} quantities",
            names.len()
        );
        Self {
            names,
            n_chains,
            n_draws,
            values,
        }
    }

    /// Names of the quantities, `[d]`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of quantities d.
    pub fn dim(&self) -> usize {
        self.names.len()
    }

    /// Number of chains c.
    pub fn n_chains(&self) -> usize {
        self.n_chains
    }

    /// Draws of each chain, s.
    pub fn n_draws(&self) -> usize {
        self.n_draws
    }

    /// All draws one after the other, `[c s, d]`.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> + Clone {
        // A density without coordinates has no rows to cut.
        self.values.chunks_exact(self.dim().max(1))
    }

    /// The draws of one quantity, a vector `[s]` for each chain.
    pub fn chains_of(&self, quantity: usize) -> Vec<Vec<f64>> {
        let d = self.dim();
        (self.values.chunks_exact(self.n_draws * d))
            .map(|chain| chain.iter().skip(quantity).step_by(d).copied().collect())
            .collect()
    }

    /// The draws of one quantity from all chains, `[c s]`.
    pub fn column(&self, quantity: usize) -> Vec<f64> {
        (self.values.iter().skip(quantity))
            .step_by(self.dim())
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Draws;

    #[test]
    fn columns_and_chains_pick_the_right_values() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let draws = Draws::new(names, 2, 3, (0..12).map(f64::from).collect());
        assert_eq!(draws.column(1), [1.0, 3.0, 5.0, 7.0, 9.0, 11.0]);
        assert_eq!(draws.chains_of(0), [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]);
        assert_eq!(draws.rows().nth(4), Some([8.0, 9.0].as_slice()));
    }
}
