//! How well the coordinates of a code stand for the known factors that made an example.
//!
//! All metrics look at means of q(z|x) and at the factors as whole numbers, and lie in [0, 1]; more is better. Numbers of
//! different papers differ by which of both is taken and by the factors that count, so compare with care
//! ([locatello-2019], section 4 and appendix C).

mod boosted;
pub mod dci;
pub mod factor_vae;
pub mod mig;
pub mod sap;

use super::aggregate::Codes;
use jensen_data::Factors;
use jensen_rng::Stream;

/// Names of what is measured of codes whose factors are known.
pub const NAMES: [&str; 6] = [
    "mig",
    "sap",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "factor_vae",
];

/// All metrics of the means of the continuous latents.
pub(super) fn measure(codes: &[Codes], factors: &Factors, stream: &Stream) -> [f64; 6] {
    let latents: Vec<&Codes> = codes.iter().filter(|codes| !codes.is_discrete()).collect();
    let n = latents.first().map_or(0, |codes| codes.len());
    let row = |i: usize| {
        let parts = latents.iter();
        parts.flat_map(move |codes| &codes.mean[i * codes.dim..(i + 1) * codes.dim])
    };
    let joined: Vec<f64> = (0..n).flat_map(row).copied().collect();
    let factored = Factored {
        codes: &joined,
        dim: latents.iter().map(|codes| codes.dim).sum(),
        factors: &factors.values,
        n_values: &factors.n_values,
    };
    let dci = dci::dci(&factored, &stream.child("dci", 0));
    [
        mig::mig(&factored),
        sap::sap(&factored),
        dci.disentanglement,
        dci.completeness,
        dci.informativeness,
        factor_vae::factor_vae(&factored, &stream.child("factor vae", 0)),
    ]
}

/// Codes and the factors behind them, of n examples.
pub struct Factored<'a> {
    /// Row-major `[n, d]`.
    pub codes: &'a [f64],
    /// Coordinates d.
    pub dim: usize,
    /// Row-major `[n, F]`, factor f counted from 0 to below `n_values[f]`.
    pub factors: &'a [u16],
    /// Values of each factor, `[F]`.
    pub n_values: &'a [usize],
}

impl Factored<'_> {
    /// Number of examples.
    fn len(&self) -> usize {
        self.codes.len() / self.dim
    }

    /// Coordinate j of all codes.
    fn code(&self, j: usize) -> impl Iterator<Item = f64> + Clone {
        self.codes.iter().skip(j).step_by(self.dim).copied()
    }

    /// Factor f of all examples.
    fn factor(&self, f: usize) -> impl Iterator<Item = usize> + Clone {
        let values = self.factors.iter().skip(f).step_by(self.n_values.len());
        values.map(|&value| usize::from(value))
    }

    /// The same examples without the factors that never vary, which nothing can stand for.
    fn varying(&self) -> Vec<usize> {
        let varies = |&f: &usize| {
            let mut values = self.factor(f);
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        (0..self.n_values.len()).filter(varies).collect()
    }
}

/// The largest number less the second largest; of one number that number.
fn gap(values: impl Iterator<Item = f64>) -> f64 {
    let (mut first, mut second) = (0.0, 0.0);
    for value in values {
        if value > first {
            (first, second) = (value, first);
        } else if value > second {
            second = value;
        }
    }
    first - second
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count();
    values.sum::<f64>() / n.max(1) as f64
}

/// The entropy of shares proportional to these counts, nats.
fn entropy(counts: impl Iterator<Item = f64> + Clone) -> f64 {
    let total: f64 = counts.clone().sum();
    let shares = counts
        .filter(|&count| count > 0.0)
        .map(|count| count / total);
    -shares.map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_rng::Stream;

    /// Factors of 3, 4 and 5 values, and codes made of them by `code`.
    pub(super) fn made(
        n: usize,
        dim: usize,
        code: impl Fn(&[f64], &mut Stream) -> Vec<f64>,
    ) -> (Vec<f64>, Vec<u16>) {
        let mut stream = Stream::from_seed(11);
        let (mut codes, mut factors) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let row = N_VALUES.map(|n| stream.below(n));
            let numbers = row.map(|value| value as f64);
            let z = code(&numbers, &mut stream);
            assert_eq!(z.len(), dim);
            codes.extend(z);
            factors.extend(row.map(|value| value as u16));
        }
        (codes, factors)
    }

    pub(super) const N_VALUES: [usize; 3] = [3, 4, 5];

    /// All metrics of codes, in the order MIG, SAP, disentanglement, completeness, informativeness, FactorVAE.
    fn all(dim: usize, (codes, factors): &(Vec<f64>, Vec<u16>)) -> [f64; 6] {
        let factored = Factored {
            codes,
            dim,
            factors,
            n_values: &N_VALUES,
        };
        let dci = dci::dci(&factored, &Stream::from_seed(1));
        [
            mig::mig(&factored),
            sap::sap(&factored),
            dci.disentanglement,
            dci.completeness,
            dci.informativeness,
            factor_vae::factor_vae(&factored, &Stream::from_seed(1)),
        ]
    }

    #[test]
    fn a_coordinate_a_factor_is_perfect() {
        // Scales and order do not matter; a coordinate of noise is no harm.
        let data = made(3000, 4, |f, stream| {
            vec![-3.0 * f[2], 0.3 * f[0] + 7.0, stream.normal(), f[1]]
        });
        let found = all(4, &data);
        // Chance finds a little in noise.
        assert!(found.iter().all(|&score| score > 0.97), "{found:?}");
    }

    #[test]
    fn noise_knows_nothing() {
        let data = made(3000, 4, |_, stream| {
            (0..4).map(|_| stream.normal()).collect()
        });
        let [mig, sap, d, c, i, factor_vae] = all(4, &data);
        assert!(
            mig < 0.02 && sap < 0.02 && d < 0.2 && c < 0.2 && i < 0.1,
            "{mig} {sap} {d} {c} {i}"
        );
        // A third is what guessing one of three factors gives.
        assert!(factor_vae < 0.5, "{factor_vae}");
    }

    #[test]
    fn turned_codes_say_all_and_separate_nothing() {
        let straight = made(3000, 2, |f, _| vec![f[1] - 1.5, f[2] - 2.0]);
        let turned = made(3000, 2, |f, _| {
            let (a, b) = (f[1] - 1.5, f[2] - 2.0);
            vec![a + b, a - b]
        });
        let (straight, turned) = (all(2, &straight), all(2, &turned));
        for k in 0..4 {
            assert!(turned[k] < 0.6 * straight[k], "{straight:?}, {turned:?}");
        }
        assert!(turned[4] > 0.9 * straight[4], "{straight:?}, {turned:?}");
    }

    #[test]
    fn a_factor_in_two_coordinates_is_separated_and_not_complete() {
        let data = made(3000, 4, |f, stream| {
            let noisy = |x: f64, stream: &mut Stream| x + 0.3 * stream.normal();
            vec![noisy(f[0], stream), noisy(f[0], stream), f[1], f[2]]
        });
        let [mig, sap, d, c, ..] = all(4, &data);
        assert!(mig < 0.75 && sap < 0.75, "{mig}, {sap}");
        // Trees take the one or the other of two that say the same, so that the factor is spread over both a little.
        assert!(d > 0.98 && c < 0.95, "{d}, {c}");
    }
}
