//! The rate KL(q(z|x) || p(z)) and its weight: beta, annealing, capacity, free bits.
//!
//! - `weight` (beta, [higgins-2017]), constant or a schedule (annealing, [bowman-2016]).
//! - `capacity` C > 0: the loss has weight |mean KL - C| instead ([burgess-2018], equation 8).
//! - `free_bits` lambda > 0: each group's mean KL counts as at least lambda nats, so it is not pushed
//!   to zero ([kingma-2016], appendix C.8); groups are single dimensions or the whole latent.
//!
//! The unweighted rate is always in the ledger as `kl.<latent>`.

use super::{ObjectiveTerm, TermContext, spread};
use crate::draw::LatentDraw;
use crate::ledger::{Ledger, Role};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// Options of the rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Factor of the rate in the loss (it multiplies nats); 1 gives the ELBO.
    pub weight: Schedule,
    /// Target C of the rate in nats; 0 turns it off.
    pub capacity: Schedule,
    /// Nats per group that cost the same as none; 0 turns it off.
    pub free_bits: f64,
    /// Groups of the free bits: `"dimension"` or `"latent"`.
    pub free_bits_group: Group,
}

/// What free bits are granted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Each dimension of the latent.
    Dimension,
    /// The latent as a whole.
    Latent,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight: Schedule::Constant(1.0),
            capacity: Schedule::Constant(0.0),
            free_bits: 0.0,
            free_bits_group: Group::Dimension,
        }
    }
}

struct Rate {
    options: Options,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "rate",
    about: "the KL term: weight and schedule, capacity, free bits for each \"dimension\" or for the \"latent\"",
    defaults: part::defaults::<Options>,
    build: |table, place| {
        let options: Options = part::options(table, place)?;
        let refuse = |message: String| Err(RecipeError::value(place, message));
        for (key, schedule) in [("weight", options.weight), ("capacity", options.capacity)] {
            if let Some(fault) = schedule.fault() {
                return refuse(format!("{key}: {fault}"));
            }
        }
        if options.free_bits < 0.0 {
            return refuse(format!(
                "free_bits = {}: expected nats of at least 0",
                options.free_bits
            ));
        }
        if options.free_bits > 0.0 && options.capacity != Schedule::Constant(0.0) {
            return refuse("capacity and free_bits exclude each other".to_owned());
        }
        Ok(Box::new(Rate { options }))
    },
};

impl ObjectiveTerm for Rate {
    fn needs_rate(&self) -> Option<&'static str> {
        Some("a separate weight has no meaning")
    }

    fn check(&self, draw: &LatentDraw, latent: &str) -> Result<(), RecipeError> {
        let splits = draw.rate_per_dim.dims()[1] == draw.z.dims()[1];
        let wants =
            self.options.free_bits > 0.0 && self.options.free_bits_group == Group::Dimension;
        if wants && !splits {
            return Err(RecipeError::value(
                &format!("objective.rate.{latent}"),
                "the rate of this latent under this prior does not split over dimensions, so they \
                 cannot have free bits each; use free_bits_group = \"latent\"",
            ));
        }
        Ok(())
    }

    fn add(&self, context: &TermContext<'_>, latent: &str, ledger: &mut Ledger) {
        let weight = self.options.weight.at(context.progress);
        let capacity = self.options.capacity.at(context.progress);
        let rate = context.draw.rate();
        let batch = rate.dims()[0];
        let has_capacity = self.options.capacity != Schedule::Constant(0.0);
        let is_plain = !has_capacity && self.options.free_bits == 0.0;
        let counted = if is_plain { weight } else { 0.0 };
        ledger.push(format!("kl.{latent}"), rate.clone(), Role::Rate, counted);
        if has_capacity {
            let distance = (rate.mean() - capacity).abs();
            let name = format!("capacity.{latent}");
            ledger.push(name, spread(distance, batch), Role::Penalty, weight);
        } else if self.options.free_bits > 0.0 {
            let per_group = match self.options.free_bits_group {
                Group::Dimension => context.draw.rate_per_dim.clone().mean_dim(0),
                Group::Latent => rate.mean().reshape([1, 1]),
            };
            let paid = per_group.clamp_min(self.options.free_bits).sum();
            let name = format!("free_bits.{latent}");
            ledger.push(name, spread(paid, batch), Role::Penalty, weight);
        }
    }
}
