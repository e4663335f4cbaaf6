//! The list of methods: names, options with their defaults, and the families of stochastic-gradient VI.

use crate::InferError;
use crate::dadvi::Dadvi;
use crate::family::{CouplingFlow, Family, FullRank, LowRank, MeanField, StudentT};
use crate::ladder::Ladder;
use crate::mcmc::{AdaptiveMetropolis, Hmc, Metropolis, Nuts, Slice};
use crate::pathfinder::Pathfinder;
use crate::svgd::Svgd;
use crate::vi::{Advi, Bam};

/// A method with its options.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// The ladder: what to take where there is no reason for another.
    Ladder(Ladder),
    /// A Gaussian with the curvature at the mode.
    Laplace,
    /// The best Gaussian along a quasi-Newton path.
    Pathfinder(Pathfinder),
    /// Paths from several starts, pooled, weighted and resampled; twice this many, in two restarts.
    MultiPath {
        /// Paths of a restart, at least 1.
        n_paths: usize,
        /// Draws of a restart, at least 100.
        n_draws: usize,
    },
    /// Mean-field VI with fixed draws, covariances by linear response.
    Dadvi(Dadvi),
    /// ADVI as published, for comparison.
    Advi(Advi),
    /// Stochastic-gradient VI in a family.
    Sgvi(FamilyKind),
    /// Gaussians by matching scores.
    Bam(Bam),
    /// Stein particles.
    Svgd(Svgd),
    /// The No-U-turn sampler.
    Nuts(Nuts),
    /// Hamiltonian Monte Carlo.
    Hmc(Hmc),
    /// Random-walk Metropolis.
    Metropolis(Metropolis),
    /// Adaptive Metropolis.
    AdaptiveMetropolis(AdaptiveMetropolis),
    /// Slice sampling.
    Slice(Slice),
}

/// A variational family without its dimension, which the density has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FamilyKind {
    /// Independent Gaussians.
    MeanField,
    /// Gaussians with any covariance.
    FullRank,
    /// Gaussians with a diagonal and some directions.
    LowRank {
        /// Directions, at most d of them are used.
        rank: usize,
    },
    /// Student-t laws with any scale matrix.
    StudentT {
        /// Degrees of freedom, above 0.
        dof: f64,
    },
    /// Coupling flows.
    Flow {
        /// Layers; two change every coordinate once.
        n_layers: usize,
        /// Hidden units of each layer.
        width: usize,
    },
}

/// A method with its defaults.
type Make = fn() -> Method;

/// Names and defaults, in the order in which they are shown.
const CATALOGUE: [(&str, Make); 19] = [
    ("ladder", || Method::Ladder(Ladder::default())),
    ("laplace", || Method::Laplace),
    ("pathfinder", || Method::Pathfinder(Pathfinder::default())),
    ("multi-path", || Method::MultiPath {
        n_paths: 4,
        n_draws: 1000,
    }),
    ("dadvi", || Method::Dadvi(Dadvi::default())),
    ("advi", || Method::Advi(Advi::default())),
    ("advi-full-rank", || {
        Method::Advi(Advi {
            full_rank: true,
            ..Advi::default()
        })
    }),
    ("sgvi-mean-field", || Method::Sgvi(FamilyKind::MeanField)),
    ("sgvi-full-rank", || Method::Sgvi(FamilyKind::FullRank)),
    ("sgvi-low-rank", || {
        Method::Sgvi(FamilyKind::LowRank { rank: 5 })
    }),
    ("sgvi-student-t", || {
        Method::Sgvi(FamilyKind::StudentT { dof: 5.0 })
    }),
    ("sgvi-flow", || {
        Method::Sgvi(FamilyKind::Flow {
            n_layers: 4,
            width: 16,
        })
    }),
    ("bam", || Method::Bam(Bam::default())),
    ("svgd", || Method::Svgd(Svgd::default())),
    ("nuts", || Method::Nuts(Nuts::default())),
    ("hmc", || Method::Hmc(Hmc::default())),
    ("metropolis", || Method::Metropolis(Metropolis::default())),
    ("adaptive-metropolis", || {
        Method::AdaptiveMetropolis(AdaptiveMetropolis::default())
    }),
    ("slice", || Method::Slice(Slice::default())),
];

impl Method {
    /// The names of all methods.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        CATALOGUE.iter().map(|(name, _)| *name)
    }

    /// The method of a name, with its defaults.
    ///
    /// # Errors
    /// [`InferError::UnknownMethod`] with the nearest name.
    pub fn from_name(name: &str) -> Result<Self, InferError> {
        if let Some((_, make)) = CATALOGUE.iter().find(|(known, _)| *known == name) {
            return Ok(make());
        }
        let likeness = |known: &&str| strsim::jaro_winkler(&name.to_lowercase(), known);
        let nearest = Self::names()
            .filter(|known| likeness(known) >= SIMILAR)
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        Err(InferError::UnknownMethod {
            name: name.to_owned(),
            nearest,
            known: Self::names().collect(),
        })
    }

    /// Whether it begins where it is told to, and not at several places of its own.
    pub(super) fn takes_start(&self) -> bool {
        !matches!(self, Self::Ladder(_) | Self::MultiPath { .. })
    }

    /// Whether it takes steps whose number can be limited.
    pub(super) fn takes_steps(&self) -> bool {
        matches!(
            self,
            Self::Advi(_) | Self::Sgvi(_) | Self::Bam(_) | Self::Svgd(_)
        )
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ladder(_) => "ladder",
            Self::Laplace => "laplace",
            Self::Pathfinder(_) => "pathfinder",
            Self::MultiPath { .. } => "multi-path",
            Self::Dadvi(_) => "dadvi",
            Self::Advi(advi) if advi.full_rank => "advi-full-rank",
            Self::Advi(_) => "advi",
            Self::Sgvi(FamilyKind::MeanField) => "sgvi-mean-field",
            Self::Sgvi(FamilyKind::FullRank) => "sgvi-full-rank",
            Self::Sgvi(FamilyKind::LowRank { .. }) => "sgvi-low-rank",
            Self::Sgvi(FamilyKind::StudentT { .. }) => "sgvi-student-t",
            Self::Sgvi(FamilyKind::Flow { .. }) => "sgvi-flow",
            Self::Bam(_) => "bam",
            Self::Svgd(_) => "svgd",
            Self::Nuts(_) => "nuts",
            Self::Hmc(_) => "hmc",
            Self::Metropolis(_) => "metropolis",
            Self::AdaptiveMetropolis(_) => "adaptive-metropolis",
            Self::Slice(_) => "slice",
        }
    }
}

/// The ladder: what to take where there is no reason for another.
impl Default for Method {
    fn default() -> Self {
        Self::Ladder(Ladder::default())
    }
}

/// Similarity from which a name is offered as a correction, Jaro-Winkler in [0, 1].
const SIMILAR: f64 = 0.75;

impl FamilyKind {
    /// The family on R^d.
    pub(super) fn family(self, dim: usize) -> Result<Box<dyn Family>, InferError> {
        let refuse = |option, expected: &str, found: String| {
            Err(InferError::Option {
                option,
                expected: expected.to_owned(),
                found,
            })
        };
        Ok(match self {
            Self::MeanField => Box::new(MeanField { dim }),
            Self::FullRank => Box::new(FullRank { dim }),
            Self::LowRank { rank: 0 } => return refuse("rank", "at least 1", "0".to_owned()),
            Self::LowRank { rank } => Box::new(LowRank {
                dim,
                rank: rank.min(dim),
            }),
            Self::StudentT { dof } if !(dof > 0.0 && dof.is_finite()) => {
                return refuse("dof", "a positive number", dof.to_string());
            }
            Self::StudentT { dof } => Box::new(StudentT::full(dim, dof)),
            Self::Flow { n_layers, width } if n_layers == 0 || width == 0 => {
                let found = format!("{n_layers} layers of {width} units");
                return refuse("flow", "at least one layer and one unit", found);
            }
            Self::Flow { n_layers, width } => Box::new(CouplingFlow {
                dim,
                n_layers,
                width,
            }),
        })
    }
}
