//! A model assembled from its parts: encoder, latents at ports, priors, decoder, likelihood, bound,
//! objective.
//!
//! The model is structure only; values live in [`Params`] and are passed in, so that training weights,
//! their moving average and a snapshot all run through the same model.

use crate::bound::{self, Bound};
use crate::condition::{Batch, Condition, Vocabulary};
use crate::decoder::{self, Decoder, DecoderSite, Input};
use crate::draw::{Draw, LatentDraw};
use crate::encoder::{self, BOTTOM, Encoder, Port};
use crate::features::Classifier;
use crate::latent::{self, CodeBook, Latent, Posterior, Seen};
use crate::ledger::{Ledger, Readout, Role};
use crate::likelihood::{self, DataFacts, Likelihood};
use crate::metric::aggregate::Codes;
use crate::objective::network::{self, NetworkContext, NetworkTerm};
use crate::objective::output::{self, OutputContext, OutputSite, OutputTerm};
use crate::objective::{self, ObjectiveTerm, TermContext};
use crate::prior::staged::Staged;
use crate::prior::{self, Prior, PriorContext, PriorSite};
use crate::recipe::{Recipe, RecipeError};
use crate::{noise, part, rows};
use burn::tensor::{Device, Tensor};
use jensen_data::Layout;
use jensen_kernels::{self as kernels, RowFactors};
use jensen_nets::{Builder, Graph, Params};
use jensen_rng::Stream;

/// What a model must know of its data.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSite {
    /// Shape of an example.
    pub layout: Layout,
    /// Range and levels after the recipe's transformation.
    pub facts: DataFacts,
    /// Mean of the training part, `[P]`.
    pub mean: Vec<f32>,
    /// Number of training examples.
    pub n_train: usize,
    /// What is said of examples, where something is.
    pub vocabulary: Option<Vocabulary>,
}

/// An assembled model.
pub struct Model {
    site: DataSite,
    encoder: Box<dyn Encoder>,
    latents: Vec<Slot>,
    decoder: Box<dyn Decoder>,
    /// For each input of the decoder, the latents that are joined there; one each where it goes top-down.
    decoder_inputs: Vec<Vec<usize>>,
    likelihood: Box<dyn Likelihood>,
    bound: Box<dyn Bound>,
    /// Terms with the index of their latent.
    terms: Vec<(usize, Box<dyn ObjectiveTerm>)>,
    /// Terms of the decoder's outputs.
    output_terms: Vec<Box<dyn OutputTerm>>,
    network_terms: Vec<Box<dyn NetworkTerm>>,
}

struct Slot {
    name: String,
    /// Index of the encoder's port.
    port: usize,
    latent: Box<dyn Latent>,
    prior: Box<dyn Prior>,
}

/// How a pass is drawn.
#[derive(Clone)]
pub struct DrawOptions {
    /// Samples per example.
    pub n_samples: usize,
    /// Whether log q passes no gradient to the parameters of q.
    pub detach_posterior: bool,
    /// Factors of the gradient through each sample, B K of them, which the caller sets after the pass.
    pub gradient_scale: Option<RowFactors>,
}

impl Model {
    /// Assembles the parts of a recipe for some data and draws the first parameters from the recipe's
    /// seed. Errors name the part that does not fit.
    pub fn assemble(
        recipe: &Recipe,
        site: &DataSite,
        device: &Device,
    ) -> Result<(Self, Params), RecipeError> {
        let mut b = Builder::new(
            Stream::from_seed(recipe.train.seed).child("init", 0),
            device,
        );
        let model = Self::build(recipe, site, &mut b)?;
        let params = b.finish();
        model.check_terms(recipe, &params)?;
        Ok((model, params))
    }

    /// How many numbers the parameters of a recipe hold for some data, without making them.
    pub fn count_parameters(
        recipe: &Recipe,
        site: &DataSite,
        device: &Device,
    ) -> Result<u64, RecipeError> {
        let mut b = Builder::counting(device);
        Self::build(recipe, site, &mut b)?;
        Ok(b.n_counted())
    }

    /// Names and shapes of the parameters of a recipe for some data, without making them.
    pub fn outline(
        recipe: &Recipe,
        site: &DataSite,
        device: &Device,
    ) -> Result<Vec<(String, Vec<usize>)>, RecipeError> {
        let mut b = Builder::counting(device);
        Self::build(recipe, site, &mut b)?;
        Ok(b.outline().to_vec())
    }

    fn build(recipe: &Recipe, site: &DataSite, b: &mut Builder) -> Result<Self, RecipeError> {
        let build = part::find(encoder::CATALOGUE, part::kind(&recipe.encoder), "encoder")?.build;
        let encoder = b
            .within("encoder", |b| build(&recipe.encoder, site.layout, b))
            .1?;

        let kind = &part::find(decoder::CATALOGUE, part::kind(&recipe.decoder), "decoder")?.build;
        let contexts = (kind.contexts)(&recipe.decoder, site.layout)?;
        let hosts = Hosts {
            encoder: encoder.as_ref(),
            contexts: &contexts,
        };
        let mut latents = Vec::new();
        for (name, table) in &recipe.latent {
            latents.push(slot(recipe, name, table, &hosts, site, b)?);
        }

        let build = part::find(
            likelihood::CATALOGUE,
            part::kind(&recipe.likelihood),
            "likelihood",
        )?
        .build;
        let likelihood = b
            .within(likelihood::PATH, |b| {
                build(&recipe.likelihood, &site.facts, b)
            })
            .1?;
        likelihood.accepts(&site.facts)?;

        // The bottom port first, then the others in the encoder's order.
        let mut inputs = Vec::new();
        let mut decoder_inputs = Vec::new();
        for (port_idx, port) in encoder.ports().iter().enumerate() {
            let here: Vec<usize> = (0..latents.len())
                .filter(|&i| latents[i].port == port_idx)
                .collect();
            if port.name == BOTTOM && here.is_empty() {
                return Err(RecipeError::value(
                    "latent",
                    format!("no latent sits at the port `{BOTTOM}`, where the decoder starts"),
                ));
            }
            let here: Vec<Vec<usize>> = match contexts.is_empty() {
                true => Some(here)
                    .filter(|here| !here.is_empty())
                    .into_iter()
                    .collect(),
                false => here.into_iter().map(|i| vec![i]).collect(),
            };
            for here in here {
                let latents: Vec<&dyn Latent> =
                    here.iter().map(|&i| latents[i].latent.as_ref()).collect();
                inputs.push(Input {
                    port: port.name.clone(),
                    dim: latents.iter().map(|latent| latent.dim()).sum(),
                    map: joined_map(&latents),
                });
                decoder_inputs.push(here);
            }
        }
        let decoder_site = DecoderSite {
            layout: site.layout,
            n_params: likelihood.n_params(),
            inputs,
        };
        let decoder = b
            .within("decoder", |b| {
                (kind.build)(&recipe.decoder, &decoder_site, b)
            })
            .1?;

        let mut terms = Vec::new();
        for (kind, name, table) in objective::of_latents(&recipe.objective) {
            let build = part::find(objective::CATALOGUE, kind, "objective")?.build;
            let place = format!("objective.{kind}.{name}");
            let idx = latents
                .iter()
                .position(|slot| slot.name == name)
                .ok_or_else(|| RecipeError::unknown_key("objective", name, recipe.latent.keys()))?;
            terms.push((idx, build(table, &place)?));
        }
        let output_site = OutputSite {
            layout: site.layout,
            facts: &site.facts,
        };
        let mut output_terms = Vec::new();
        for entry in output::CATALOGUE {
            if let Some(table) = recipe.objective.get(entry.kind) {
                let place = format!("objective.{}", entry.kind);
                let build = entry.build.build;
                let term = b
                    .within(&place, |b| build(table, &place, &output_site, b))
                    .1?;
                output_terms.push(term);
            }
        }
        let mut network_terms = Vec::new();
        for entry in network::CATALOGUE {
            if let Some(table) = recipe.objective.get(entry.kind) {
                let place = format!("objective.{}", entry.kind);
                network_terms.push((entry.build)(table, &place)?);
            }
        }
        let bound = bound::build(&recipe.bound)?;
        if let Some(slot) = latents.iter().find(|slot| slot.prior.is_bound())
            && bound.includes_rate()
        {
            return Err(RecipeError::value(
                "bound",
                format!(
                    "kind = \"{}\" weighs samples by their density, and prior.{} gives a bound of it only; take kind = \"elbo\"",
                    part::kind(&recipe.bound),
                    slot.name
                ),
            ));
        }
        if bound.detaches_posterior() && decoder.top_down().is_some() {
            return Err(RecipeError::value(
                "bound",
                "this gradient holds q(z|x) fixed, which depends on other latents where a decoder goes top-down; take \
                 gradient = \"plain\"",
            ));
        }
        Ok(Self {
            site: site.clone(),
            encoder,
            latents,
            decoder,
            decoder_inputs,
            likelihood,
            bound,
            terms,
            output_terms,
            network_terms,
        })
    }

    /// A dry pass on one example: whether every term can work on what its latent gives.
    fn check_terms(&self, recipe: &Recipe, params: &Params) -> Result<(), RecipeError> {
        let x = Tensor::zeros([1, self.site.layout.n_values()], params.device());
        let draw = self.draw(
            params,
            x,
            1,
            &Stream::from_seed(recipe.train.seed).child("dry", 0),
        );
        for (idx, term) in &self.terms {
            term.check(&draw.latents[*idx], &self.latents[*idx].name)?;
        }
        Ok(())
    }

    /// What this model can be told of a condition of data that may be others than its own.
    fn known(&self, condition: Option<Condition>) -> Option<Condition> {
        condition?.known_to(self.site.vocabulary.as_ref()?)
    }

    /// What the model knows of its data.
    pub fn site(&self) -> &DataSite {
        &self.site
    }

    /// The likelihood.
    pub fn likelihood(&self) -> &dyn Likelihood {
        self.likelihood.as_ref()
    }

    /// Names of the latents in the model's order.
    pub fn latent_names(&self) -> impl Iterator<Item = &str> {
        self.latents.iter().map(|slot| slot.name.as_str())
    }

    /// Dimensions of the latents in the model's order.
    pub fn latent_dims(&self) -> Vec<usize> {
        self.latents.iter().map(|slot| slot.latent.dim()).collect()
    }

    /// What can be moved in each latent: dimensions, or positions of codes.
    pub fn n_units(&self) -> Vec<usize> {
        let units = |slot: &Slot| {
            slot.latent
                .code_book()
                .map_or(slot.latent.dim(), CodeBook::n_positions)
        };
        self.latents.iter().map(units).collect()
    }

    /// The codes of every latent that is discrete.
    pub fn code_books(&self) -> Vec<Option<&dyn CodeBook>> {
        self.latents
            .iter()
            .map(|slot| slot.latent.code_book())
            .collect()
    }

    /// Whether all latents have codes, so that q(z|x) has all its mass on one z.
    pub fn is_discrete(&self) -> bool {
        self.code_books().iter().all(Option::is_some)
    }

    /// Whether all latents have the prior N(0, I), which no latent of codes has.
    pub fn has_standard_normal_priors(&self) -> bool {
        let mut slots = self.latents.iter();
        slots.all(|slot| slot.prior.is_standard_normal())
    }

    /// Changes what no gradient trains, after a step that saw this, latent by latent, and read these terms.
    pub fn adapt(
        &self,
        params: &mut Params,
        seen: &[Option<Seen>],
        read: &Readout,
        stream: &Stream,
    ) {
        for term in &self.output_terms {
            term.adapt(params, read);
        }
        for (i, (slot, seen)) in self.latents.iter().zip(seen).enumerate() {
            if let Some(seen) = seen {
                slot.latent
                    .adapt(params, seen, &mut stream.child("adapt", i as u64));
            }
        }
    }

    /// What is worth watching beside the ledger, by name.
    pub fn measures(&self, params: &Params, steps_per_epoch: u64) -> Vec<(String, f64)> {
        let books = self
            .latents
            .iter()
            .filter_map(|slot| Some((&slot.name, slot.latent.code_book()?)));
        books
            .flat_map(|(latent, book)| {
                let measures = book.measures(params, steps_per_epoch).into_iter();
                measures.map(move |(name, value)| (format!("{name}.{latent}"), value))
            })
            .collect()
    }

    /// Whether posteriors and priors of latents may depend on the latents before them.
    pub fn is_top_down(&self) -> bool {
        self.decoder.top_down().is_some()
    }

    /// q(z|x) of every latent for x `[B, P]`; where latents see those before them, given the means of these.
    pub fn posteriors(&self, params: &Params, x: Tensor<2>) -> Vec<Box<dyn Posterior>> {
        let n_rows = x.dims()[0];
        let features = self.encoder.forward(params, x);
        let mut found: Vec<Option<Box<dyn Posterior>>> = Vec::new();
        found.resize_with(self.latents.len(), || None);
        self.walk(params, n_rows, &mut |i, context| {
            let features = self.features(&features, i, context.as_ref());
            let prior = context.and_then(|context| {
                let given = Given {
                    condition: None,
                    context: Some(context),
                };
                self.with_prior(params, i, given, |prior, at| prior.gaussian(at))
            });
            let posterior =
                (self.latents[i].latent).posterior_from(params, features, prior.as_ref());
            let mean = posterior.mean();
            found[i] = Some(posterior);
            mean
        });
        found.into_iter().flatten().collect()
    }

    /// What the posterior of a latent reads: the features of its port, and the context beside them.
    fn features(
        &self,
        features: &[Tensor<2>],
        latent: usize,
        context: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        let features = features[self.latents[latent].port].clone();
        match context {
            None => features,
            Some(context) => {
                let k = context.dims()[0] / features.dims()[0];
                Tensor::cat(vec![rows::repeat(features, k), context.clone()], 1)
            }
        }
    }

    /// Asks for the z `[R, d]` of every latent, from the top down; each comes with the context that it has.
    fn walk(
        &self,
        params: &Params,
        n_rows: usize,
        z_of: &mut dyn FnMut(usize, Option<Tensor<2>>) -> Tensor<2>,
    ) -> Walk {
        let Some(decoder) = self.decoder.top_down() else {
            return Walk {
                codes: (0..self.latents.len()).map(|i| z_of(i, None)).collect(),
                state: None,
            };
        };
        let mut state = decoder.start(params, n_rows);
        for (input, latents) in self.decoder_inputs.iter().enumerate() {
            let z = z_of(latents[0], Some(state.clone()));
            state = decoder.enter(params, input, state, z);
        }
        Walk {
            codes: Vec::new(),
            state: Some(state),
        }
    }

    /// The likelihood's parameters at the end of a walk.
    fn outputs(&self, params: &Params, walk: Walk) -> Tensor<2> {
        if let (Some(decoder), Some(state)) = (self.decoder.top_down(), walk.state) {
            return decoder.finish(params, state);
        }
        let join = |latents: &Vec<usize>| match latents.as_slice() {
            [only] => walk.codes[*only].clone(),
            several => {
                let several = several.iter().map(|&i| walk.codes[i].clone());
                Tensor::cat(several.collect(), 1)
            }
        };
        let inputs: Vec<Tensor<2>> = self.decoder_inputs.iter().map(join).collect();
        self.decoder.forward(params, &inputs)
    }

    /// The likelihood's parameters `[R, n P]` for one z `[R, d]` per latent.
    pub fn decode(&self, params: &Params, z: &[Tensor<2>]) -> Tensor<2> {
        let walk = self.walk(params, z[0].dims()[0], &mut |i, _| z[i].clone());
        self.outputs(params, walk)
    }

    /// Two graphs of the ONNX format, or the section of the recipe that has no form there.
    ///
    /// The encoder takes `x` `[N, P]` and gives what q(z|x) is, such as `z_mean` and `z_log_var` `[N, d]`; the decoder
    /// takes `z` and gives the likelihood's parameters `outputs` `[N, n P]`.
    pub fn graphs(&self, params: &Params) -> Result<[Graph; 2], String> {
        let n_values = self.site.layout.n_values();
        let mut encoder = Graph::default();
        let x = encoder.input("x", n_values);
        let ports = (self.encoder.emit(params, &mut encoder, &x)).ok_or("encoder")?;
        for Slot {
            name, port, latent, ..
        } in &self.latents
        {
            let found = latent.emit(params, &mut encoder, &ports[*port]);
            for (what, value) in found.ok_or_else(|| format!("latent.{name}"))? {
                encoder.output(&format!("{name}_{what}"), &value, latent.dim());
            }
        }
        let mut decoder = Graph::default();
        let z: Vec<_> = (self.latents.iter())
            .map(|slot| decoder.input(&slot.name, slot.latent.dim()))
            .collect();
        let mut inputs = Vec::new();
        for latents in &self.decoder_inputs {
            let more: Vec<_> = latents[1..].iter().map(|&i| z[i].clone()).collect();
            inputs.push(decoder.join(&z[latents[0]], &more));
        }
        let outputs = (self.decoder.emit(params, &mut decoder, &inputs)).ok_or("decoder")?;
        decoder.output("outputs", &outputs, self.likelihood.n_params() * n_values);
        Ok([encoder, decoder])
    }

    /// Where the priors have their middle, `[1, d]` a latent: the mean of a Gaussian that depends on latents before,
    /// else zero.
    pub fn prior_middle(&self, params: &Params) -> Vec<Tensor<2>> {
        self.by_priors(
            params,
            1,
            None,
            &mut |i, prior, at| match prior.gaussian(at) {
                Some(gaussian) => gaussian.mean,
                None => Tensor::zeros([1, self.latents[i].latent.dim()], params.device()),
            },
        )
    }

    /// A z `[n, d]` of every latent, each found from its prior given those before.
    fn by_priors(
        &self,
        params: &Params,
        n: usize,
        condition: Option<&Condition>,
        find: &mut dyn FnMut(usize, &dyn Prior, &PriorContext<'_>) -> Tensor<2>,
    ) -> Vec<Tensor<2>> {
        let mut found = vec![None; self.latents.len()];
        self.walk(params, n, &mut |i, context| {
            let given = Given { condition, context };
            let z = self.with_prior(params, i, given, |prior, at| find(i, prior, at));
            found[i] = Some(z.clone());
            z
        });
        found.into_iter().flatten().collect()
    }

    /// n draws of every latent from its prior, each `[n, d]`, given conditions like those of the training part.
    pub fn prior_sample(&self, params: &Params, n: usize, stream: &Stream) -> Vec<Tensor<2>> {
        let vocabulary = self.site.vocabulary.as_ref();
        let condition = vocabulary.map(|v| v.draw(n, &mut stream.child("condition", 0)));
        self.prior_sample_given(params, n, condition.as_ref(), stream)
    }

    /// n draws of every latent from its prior, each `[n, d]`, given a condition of n rows or none.
    pub fn prior_sample_given(
        &self,
        params: &Params,
        n: usize,
        condition: Option<&Condition>,
        stream: &Stream,
    ) -> Vec<Tensor<2>> {
        self.by_priors(params, n, condition, &mut |i, prior, at| {
            prior.sample(at, n, &mut stream.child("prior", i as u64))
        })
    }

    /// n draws `[n, d]` of one latent from its prior, given a condition of n rows or none.
    fn prior_sample_of(
        &self,
        params: &Params,
        latent: usize,
        n: usize,
        condition: Option<&Condition>,
        stream: &mut Stream,
    ) -> Tensor<2> {
        if self.is_top_down() {
            let mut all = self.prior_sample_given(params, n, condition, stream);
            return all.swap_remove(latent);
        }
        let given = Given {
            condition,
            context: None,
        };
        self.with_prior(params, latent, given, |prior, at| {
            prior.sample(at, n, stream)
        })
    }

    /// log p(z) `[R]` in nats of one z `[R, d]` per latent, of which nothing is said.
    pub fn prior_log_prob(&self, params: &Params, z: &[Tensor<2>]) -> Tensor<1> {
        let mut found = vec![None; self.latents.len()];
        self.walk(params, z[0].dims()[0], &mut |i, context| {
            let given = Given {
                condition: None,
                context,
            };
            let log_p = self.with_prior(params, i, given, |prior, at| {
                prior.log_prob(at, z[i].clone())
            });
            found[i] = Some(log_p);
            z[i].clone()
        });
        (found.into_iter().flatten())
            .reduce(|sum, next| sum + next)
            .expect("internal error: a model without latents")
    }

    fn with_prior<T>(
        &self,
        params: &Params,
        latent: usize,
        given: Given<'_>,
        use_it: impl FnOnce(&dyn Prior, &PriorContext<'_>) -> T,
    ) -> T {
        let slot = &self.latents[latent];
        let posterior = |inputs: Tensor<2>| {
            let features = self.encoder.forward(params, inputs);
            slot.latent.posterior(params, features[slot.port].clone())
        };
        let context = PriorContext {
            params,
            posterior: &posterior,
            code_book: slot.latent.code_book(),
            condition: given.condition,
            context: given.context,
        };
        use_it(slot.prior.as_ref(), &context)
    }

    /// Fits post-hoc priors to codes drawn from the aggregated posterior, one row-major `[n, d]` list a
    /// latent. Returns the names of the latents whose prior was fitted; `go_on` may cut the fits short.
    pub fn fit_priors(
        &self,
        params: &mut Params,
        codes: &[Vec<f64>],
        stream: &Stream,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Vec<String> {
        let mut fitted = Vec::new();
        for (i, slot) in self.latents.iter().enumerate() {
            if slot
                .prior
                .fit(params, &codes[i], &mut stream.child("fit", i as u64), go_on)
            {
                fitted.push(slot.name.clone());
            }
        }
        fitted
    }

    /// Steps that train priors when everything else is done.
    pub fn n_fit_steps(&self) -> u64 {
        let staged = self.latents.iter().filter_map(|slot| slot.prior.staged());
        staged.map(Staged::n_steps).max().unwrap_or(0)
    }

    /// Whether anything is trained before those steps.
    pub fn has_first_stage(&self, params: &Params) -> bool {
        let staged = self
            .latents
            .iter()
            .filter(|slot| slot.prior.staged().is_some());
        let prefixes: Vec<String> = staged.map(|slot| format!("prior.{}.", slot.name)).collect();
        let is_late = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let mut entries = params.entries().iter();
        entries.any(|entry| entry.trainable && !is_late(&entry.name))
    }

    /// Begins those steps with codes drawn from the aggregated posterior, one row-major `[n, d]` list a latent.
    pub fn begin_fit(&self, params: &mut Params, codes: &[Codes]) {
        for (slot, codes) in self.latents.iter().zip(codes) {
            if let Some(staged) = slot.prior.staged() {
                staged.begin(params, &codes.sample);
            }
        }
    }

    /// The loss of such a step: what each prior makes small for codes of a batch. Only the priors of `tracked` have
    /// gradients; the codes are those of `params`.
    pub fn fit_ledger(
        &self,
        params: &Params,
        tracked: &Params,
        batch: impl Into<Batch>,
        stream: &Stream,
    ) -> Ledger {
        let Batch { x, condition } = batch.into();
        let condition = self.known(condition);
        let [n_rows, _] = x.dims();
        let device = x.device().inner();
        let mut ledger = Ledger::default();
        let features = self.encoder.forward(params, x);
        self.walk(params, n_rows, &mut |i, context| {
            let slot = &self.latents[i];
            let features = self.features(&features, i, context.as_ref());
            let given = Given {
                condition: condition.as_ref(),
                context,
            };
            let gaussian =
                self.with_prior(params, i, given.clone(), |prior, at| prior.gaussian(at));
            let posterior = (slot.latent).posterior_from(params, features, gaussian.as_ref());
            let mut noise = stream.child("latent", i as u64);
            let noise = noise::normal(&mut noise, n_rows, slot.latent.dim(), &device);
            let z = posterior.sample(noise);
            if let Some(staged) = slot.prior.staged() {
                let loss = self.with_prior(tracked, i, given, |_, at| {
                    staged.loss(at, z.clone(), &mut stream.child("fit", i as u64))
                });
                ledger.push(format!("fit.{}", slot.name), loss, Role::Penalty, 1.0);
            }
            z
        });
        ledger
    }

    /// Whether what is said of examples changes anything.
    pub fn is_conditional(&self) -> bool {
        self.latents.iter().any(|slot| slot.prior.is_conditional())
    }

    /// Whether -ELBO holds estimates of a bound of a prior, which no importance weight may be made of.
    pub fn has_bounded_prior(&self) -> bool {
        self.latents.iter().any(|slot| slot.prior.is_bound())
    }

    /// A pass with K samples per example.
    pub fn draw(
        &self,
        params: &Params,
        batch: impl Into<Batch>,
        k: usize,
        stream: &Stream,
    ) -> Draw {
        let options = DrawOptions {
            n_samples: k,
            detach_posterior: false,
            gradient_scale: None,
        };
        self.pass(params, batch.into(), &options, stream, true).0
    }

    /// A pass with the log importance weights log p(x, z) - log q(z|x) `[B K]` of its samples.
    pub fn draw_weighted(
        &self,
        params: &Params,
        batch: impl Into<Batch>,
        options: &DrawOptions,
        stream: &Stream,
    ) -> (Draw, Tensor<1>) {
        let (draw, log_ratio) = self.pass(params, batch.into(), options, stream, false);
        let log_ratio = log_ratio.expect("internal error: a model without latents");
        let log_weights = draw.log_likelihood.clone() - log_ratio;
        (draw, log_weights)
    }

    /// The pass and, unless every rate is in closed form, the sum over latents of log q - log p `[B K]`.
    fn pass(
        &self,
        params: &Params,
        Batch { x, condition }: Batch,
        options: &DrawOptions,
        stream: &Stream,
        closed: bool,
    ) -> (Draw, Option<Tensor<1>>) {
        let [batch, _] = x.dims();
        let k = options.n_samples;
        let condition = self.known(condition);
        let of_samples = condition.as_ref().map(|condition| condition.for_samples(k));
        let device = x.device().inner();
        let features = self.encoder.forward(params, x.clone());
        let mut draws: Vec<Option<LatentDraw>> = Vec::new();
        draws.resize_with(self.latents.len(), || None);
        let mut log_ratio: Option<Tensor<1>> = None;
        let walk = self.walk(params, batch * k, &mut |i, context| {
            let latent = &self.latents[i].latent;
            let features = self.features(&features, i, context.as_ref());
            let given = Given {
                condition: of_samples.as_ref(),
                context,
            };
            self.with_prior(params, i, given, |prior, at| {
                let gaussian = prior.gaussian(at);
                let posterior = latent.posterior_from(params, features, gaussian.as_ref());
                let mut noise = stream.child("latent", i as u64);
                let noise = noise::normal(&mut noise, batch * k, latent.dim(), &device);
                let plain = posterior.sample(noise);
                // Same value, scaled gradient: for the bound only, not for the terms of the objective.
                let z = match &options.gradient_scale {
                    None => plain.clone(),
                    Some(factors) => kernels::scale_gradient(plain.clone(), factors),
                };
                let kl = match (&gaussian, closed) {
                    (_, false) => None,
                    (Some(gaussian), true) => gaussian.kl_from(posterior.as_ref()),
                    (None, true) => prior.kl(at, posterior.as_ref()),
                };
                let rate_per_dim = match kl {
                    Some(kl) => rows::mean_of_rows(kl, batch),
                    None => {
                        let log_q = match options.detach_posterior {
                            true => posterior.detached().log_prob(z.clone()),
                            false => posterior.log_prob(z.clone()),
                        };
                        let log_p = match &gaussian {
                            Some(gaussian) => gaussian.log_prob(z.clone()),
                            None => prior.log_prob(at, z.clone()),
                        };
                        let ratio = log_q - log_p;
                        log_ratio = Some(match log_ratio.take() {
                            Some(sum) => sum + ratio.clone(),
                            None => ratio.clone(),
                        });
                        rows::mean_of_samples(ratio, k).reshape([batch, 1])
                    }
                };
                draws[i] = Some(LatentDraw {
                    posterior,
                    is_dependent: at.context.is_some(),
                    z: plain,
                    rate_per_dim,
                });
                z
            })
        });
        let latents = draws.into_iter().flatten().collect();
        let outputs = self.outputs(params, walk);
        let draw = Draw {
            latents,
            log_likelihood: self.likelihood.log_prob(params, outputs.clone(), x),
            outputs,
            n_samples: k,
        };
        (draw, log_ratio)
    }

    /// All terms of the objective for a batch at a point of training, with the pass.
    pub fn ledger(
        &self,
        params: &Params,
        batch: impl Into<Batch>,
        progress: f64,
        stream: &Stream,
    ) -> (Ledger, Draw) {
        let mut ledger = Ledger::default();
        let batch = batch.into();
        let (x, condition) = (batch.x.clone(), self.known(batch.condition.clone()));
        let draw = self.bound.add(self, params, batch, stream, &mut ledger);
        for (idx, term) in &self.terms {
            let prior_sample = |n: usize, stream: &mut Stream| {
                // As many as examples, given what is said of them.
                let given = condition.as_ref().filter(|given| given.n_rows() == n);
                self.prior_sample_of(params, *idx, n, given, stream)
            };
            let context = TermContext {
                draw: &draw.latents[*idx],
                prior_sample: &prior_sample,
                progress,
                n_train: self.site.n_train,
                stream,
            };
            term.add(&context, &self.latents[*idx].name, &mut ledger);
        }
        for (slot, latent) in self.latents.iter().zip(&draw.latents) {
            for penalty in latent.posterior.penalties() {
                let name = format!("{}.{}", penalty.name, slot.name);
                let k = penalty.value.dims()[0] / x.dims()[0];
                let value = rows::mean_of_samples(penalty.value, k);
                ledger.push(name, value, Role::Penalty, penalty.weight);
            }
        }
        let context = NetworkContext {
            params,
            n_examples: x.dims()[0],
            progress,
            stream,
        };
        for term in &self.network_terms {
            term.add(&context, &mut ledger);
        }
        self.judge_outputs(params, x, &draw, progress, stream, &mut ledger);
        (ledger, draw)
    }

    /// Adds the terms of the decoder's outputs.
    fn judge_outputs(
        &self,
        params: &Params,
        x: Tensor<2>,
        draw: &Draw,
        progress: f64,
        stream: &Stream,
        ledger: &mut Ledger,
    ) {
        let n = x.dims()[0];
        let again = || {
            let codes = draw.latents.iter().map(|latent| latent.z.clone().detach());
            self.decode(params, &codes.collect::<Vec<_>>())
        };
        let from_prior = || {
            let codes = self.prior_sample(&params.untracked(), n, &stream.child("samples", 0));
            self.decode(params, &codes)
        };
        let context = OutputContext {
            params,
            likelihood: self.likelihood.as_ref(),
            x,
            outputs: draw.outputs.clone(),
            again: &again,
            from_prior: &from_prior,
            progress,
            pull: Default::default(),
        };
        for term in &self.output_terms {
            term.add(&context, ledger);
        }
    }

    /// Whether some term looks through a classifier of the data.
    pub fn wants_classifier(&self) -> bool {
        self.output_terms.iter().any(|term| term.space().is_some())
    }

    /// Gives such terms the layers of a classifier; training begins with this.
    pub fn adopt(&self, params: &mut Params, classifier: &Classifier) {
        let values = classifier.values();
        for path in self.output_terms.iter().filter_map(|term| term.space()) {
            let is_whole = params.adopt(path, &values);
            assert!(
                is_whole,
                "internal error: the layers of a classifier of other images"
            );
        }
    }
}

/// What the prior of a latent depends on.
#[derive(Clone)]
struct Given<'a> {
    /// What is said of each row, where something is.
    condition: Option<&'a Condition>,
    /// What a top-down decoder makes of the latents before, `[R, F]`.
    context: Option<Tensor<2>>,
}

/// Where a walk through the latents has come to.
struct Walk {
    /// One z `[R, d]` a latent, for a plain decoder.
    codes: Vec<Tensor<2>>,
    /// The state after the last, where a decoder goes top-down.
    state: Option<Tensor<2>>,
}

/// Where latents may sit.
struct Hosts<'a> {
    encoder: &'a dyn Encoder,
    /// What the decoder offers at ports of the encoder.
    contexts: &'a [Port],
}

impl Hosts<'_> {
    /// What a latent at this port reads, with what its prior reads of it.
    fn at(&self, port: &Port) -> Result<(Port, Option<Port>), RecipeError> {
        if self.contexts.is_empty() {
            return Ok((port.clone(), None));
        }
        let mut contexts = self.contexts.iter();
        let Some(context) = contexts.find(|context| context.name == port.name) else {
            return Err(RecipeError::Port {
                place: "decoder".to_owned(),
                port: port.name.clone(),
                offered: self.contexts.iter().map(|port| port.name.clone()).collect(),
            });
        };
        let map = match (port.map, context.map) {
            (Some([a, h, w]), Some([b, ..])) if context.map == Some([b, h, w]) => {
                Some([a + b, h, w])
            }
            _ => None,
        };
        let joined = Port {
            name: port.name.clone(),
            width: port.width + context.width,
            map,
        };
        Ok((joined, Some(context.clone())))
    }
}

/// The map that latents make together, if each is one and all have the same places.
fn joined_map(latents: &[&dyn Latent]) -> Option<[usize; 3]> {
    let maps: Option<Vec<[usize; 3]>> = latents.iter().map(|latent| latent.map()).collect();
    let maps = maps?;
    let [_, height, width] = *maps.first()?;
    let fits = maps.iter().all(|map| map[1..] == [height, width]);
    fits.then(|| [maps.iter().map(|map| map[0]).sum(), height, width])
}

fn slot(
    recipe: &Recipe,
    name: &str,
    table: &toml::Table,
    hosts: &Hosts<'_>,
    site: &DataSite,
    b: &mut Builder,
) -> Result<Slot, RecipeError> {
    let place = format!("latent.{name}");
    let encoder = hosts.encoder;
    let port_name = table
        .get("port")
        .and_then(toml::Value::as_str)
        .unwrap_or(BOTTOM);
    let Some(port) = encoder
        .ports()
        .iter()
        .position(|port| port.name == port_name)
    else {
        return Err(RecipeError::Port {
            place: "encoder".to_owned(),
            port: port_name.to_owned(),
            offered: encoder
                .ports()
                .iter()
                .map(|port| port.name.clone())
                .collect(),
        });
    };
    let build = part::find(latent::CATALOGUE, part::kind(table), &place)?
        .build
        .build;
    let (site_of_latent, context) = hosts.at(&encoder.ports()[port])?;
    let latent = b
        .within(&place, |b| build(table, &place, &site_of_latent, b))
        .1?;

    let place = format!("prior.{name}");
    let prior_site = PriorSite {
        dim: latent.dim(),
        map: latent.map(),
        vocabulary: site.vocabulary.clone(),
        book: (latent.code_book()).map(|book| [book.n_positions(), book.n_codes()]),
        context,
        n_values: site.layout.n_values(),
        data_mean: site.mean.clone(),
    };
    let build = part::find(prior::CATALOGUE, part::kind(&recipe.prior[name]), &place)?.build;
    let prior = b
        .within(&place, |b| {
            build(&recipe.prior[name], &place, &prior_site, b)
        })
        .1?;
    Ok(Slot {
        name: name.to_owned(),
        port,
        latent,
        prior,
    })
}
