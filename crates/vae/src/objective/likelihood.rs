//! The weight of the likelihood in the loss: 1 gives the bound; 0 leaves the comparison of data and reconstructions to
//! other terms, as [larsen-2016] does. It is measured all the same, so that bounds stay what they are.

use super::output::{Kind, OutputContext, OutputTerm};
use crate::bound::LOG_LIKELIHOOD;
use crate::ledger::Ledger;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// Options of the likelihood's weight.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Factor of -log p(x|z) in the loss (it multiplies nats).
    pub weight: Schedule,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight: Schedule::Constant(1.0),
        }
    }
}

struct Weight(Schedule);

pub(super) const ENTRY: Entry<Kind> = Entry {
    kind: "likelihood",
    about: "the weight of log p(x|z), which is measured even where it is 0",
    defaults: part::defaults::<Options>,
    build: Kind {
        optimizer: None,
        build: |table, place, _, _| {
            let options: Options = part::options(table, place)?;
            match options.weight.fault() {
                Some(fault) => Err(RecipeError::value(place, format!("weight: {fault}"))),
                None => Ok(Box::new(Weight(options.weight))),
            }
        },
    },
};

impl OutputTerm for Weight {
    fn add(&self, context: &OutputContext<'_>, ledger: &mut Ledger) {
        ledger.set_weight(LOG_LIKELIHOOD, -self.0.at(context.progress));
    }
}
