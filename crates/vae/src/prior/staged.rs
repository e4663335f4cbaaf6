//! Priors that are trained by gradients when everything else is done, on codes that no longer move.
//!
//! Until then such a prior is N(0, I), or uniform over codes. The trainer goes on with the same batches, checkpoints and moving average; only
//! the loss is another one, and only the prior has gradients. Codes are drawn anew from q(z|x) each time.

use super::{Prior, PriorContext};
use burn::tensor::Tensor;
use jensen_nets::{Builder, Handle, Init, Params};
use jensen_rng::Stream;

/// What the trainer asks of such a prior.
pub trait Staged: Prior {
    /// Its steps; nothing for a prior that is trained with the network.
    fn stage(&self) -> Option<&Stage>;

    /// Takes from codes `[n, d]` of the aggregated posterior what it must know before the first step.
    fn measure(&self, _params: &mut Params, _codes: &[f64]) {}

    /// What the steps make small: per code `[R]`, for z `[R, d]`; `stream` draws what there is to draw.
    fn loss(&self, context: &PriorContext<'_>, z: Tensor<2>, stream: &mut Stream) -> Tensor<1>;

    /// Steps of training.
    fn n_steps(&self) -> u64 {
        self.stage().map_or(0, |stage| stage.n_steps)
    }

    /// Begins its steps with codes `[n, d]` of the aggregated posterior.
    fn begin(&self, params: &mut Params, codes: &[f64]) {
        self.measure(params, codes);
        if let Some(stage) = self.stage() {
            stage.begin(params);
        }
    }
}

/// The steps of a prior that has some, and whether they have begun, as a stored number.
pub struct Stage {
    flag: Handle<1>,
    /// Steps of training.
    n_steps: u64,
}

impl Stage {
    /// Nothing for no steps: then the prior is trained with the network.
    pub(super) fn new(builder: &mut Builder, n_steps: u64) -> Option<Self> {
        (n_steps > 0).then(|| Self {
            flag: builder.register_fixed("begun", [1], Init::Constant(0.0)),
            n_steps,
        })
    }

    fn begin(&self, params: &mut Params) {
        params.set(self.flag, vec![1.0]);
    }

    /// Whether there are steps that have not begun, so that the prior is the usual one still.
    pub(super) fn is_waiting(stage: &Option<Self>, params: &Params) -> bool {
        let value = |stage: &Self| params.get(stage.flag).into_scalar::<f32>();
        stage.as_ref().is_some_and(|stage| value(stage) == 0.0)
    }
}
