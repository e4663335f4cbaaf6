//! Recipes: a model, its data, its training and the numbers it must reach, as ten lines of TOML.
//!
//! A recipe is read strictly: an unknown key is refused with the nearest valid one. Resolution fills in
//! every default, so the `config.toml` of a run says all there is to say.

mod data;
mod error;
mod limits;
mod overrides;
mod several;
pub(crate) mod words;

pub use data::{Binarize, DataOptions, Range};
pub use error::RecipeError;

use crate::objective::TermTable;
use crate::{bound, decoder, encoder, latent, likelihood, objective, optimizer, part, prior};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A resolved recipe: every option has its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Name of the recipe.
    pub name: String,
    /// One line for listings.
    pub about: String,
    /// Where the data come from and how they are prepared.
    pub data: DataOptions,
    /// The encoder's options, with its `kind`.
    pub encoder: Table,
    /// Latents by name.
    pub latent: BTreeMap<String, Table>,
    /// The prior of each latent.
    pub prior: BTreeMap<String, Table>,
    /// The decoder's options.
    pub decoder: Table,
    /// The likelihood's options.
    pub likelihood: Table,
    /// How the bound is estimated.
    pub bound: Table,
    /// Terms of the objective by kind; those of latents then by latent.
    pub objective: TermTable,
    /// Training.
    pub train: TrainOptions,
    /// What `reproduce` checks: the allowed range of each metric.
    pub expect: BTreeMap<String, Expectation>,
}

/// Options of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Seed of all randomness.
    pub seed: u64,
    /// Passes over the training part.
    pub epochs: usize,
    /// At least this many steps: epochs are added until they are reached, so that a recipe fits small
    /// data sets as well as large ones. An override of `epochs` sets it to 0.
    pub min_steps: u64,
    /// The optimizer of all parameters that no group claims.
    pub optimizer: Table,
    /// Parameter groups with their own optimizer, by name.
    pub groups: BTreeMap<String, GroupOptions>,
    /// Decay of the moving average of the weights, in [0, 1); 0 turns it off.
    pub ema: f64,
    /// Largest norm of the gradient of a group, beyond which it is scaled down; 0 turns it off.
    pub clip: f64,
    /// Norm of the gradient beyond which a step is skipped; 0 turns it off.
    pub skip: f64,
    /// Stop after this many epochs without a better validation bound; 0 never stops early.
    pub patience: usize,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: f64,
    /// Checkpoints kept.
    pub keep: usize,
    /// Steps between lines of `metrics.jsonl`.
    pub log_every: usize,
    /// Worker threads; 0 takes all cores. Results do not depend on it.
    pub threads: usize,
    /// `"cpu"` or `"gpu"` (a build with the feature `vulkan` or `cuda`).
    pub device: String,
}

/// A parameter group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupOptions {
    /// Parameters whose name starts with this, such as `prior.`.
    pub prefix: String,
    /// The group's optimizer.
    pub optimizer: Table,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 10,
            min_steps: 0,
            optimizer: Table::new(),
            groups: BTreeMap::new(),
            ema: 0.0,
            clip: 0.0,
            skip: 0.0,
            patience: 0,
            checkpoint_seconds: 30.0,
            keep: 2,
            log_every: 50,
            threads: 0,
            device: "cpu".to_owned(),
        }
    }
}

impl TrainOptions {
    /// Passes over a training part of `n_batches` batches: `epochs`, or as many as `min_steps` takes.
    pub fn epochs_over(&self, n_batches: u64) -> u64 {
        (self.epochs as u64).max(self.min_steps.div_ceil(n_batches.max(1)))
    }
}

/// The allowed range of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Smallest allowed value.
    #[serde(default = "lowest", skip_serializing_if = "is_infinite")]
    pub min: f64,
    /// Largest allowed value.
    #[serde(default = "highest", skip_serializing_if = "is_infinite")]
    pub max: f64,
}

fn lowest() -> f64 {
    f64::NEG_INFINITY
}

fn highest() -> f64 {
    f64::INFINITY
}

/// An open end is left out: JSON has no word for it.
fn is_infinite(bound: &f64) -> bool {
    bound.is_infinite()
}

const SECTIONS: [&str; 12] = [
    "name",
    "about",
    "data",
    "encoder",
    "latent",
    "prior",
    "decoder",
    "likelihood",
    "bound",
    "objective",
    "train",
    "expect",
];

impl Recipe {
    /// Reads a recipe and fills in all defaults. `place` names it in errors; `overrides` are
    /// `key=value` pairs with dotted keys, as on the command line.
    pub fn parse(text: &str, place: &str, overrides: &[String]) -> Result<Self, RecipeError> {
        Self::resolve(&Self::table(text, place, overrides)?)
    }

    /// The first half of [`Recipe::parse`]: the text as a table with the overrides in it, unchecked.
    pub fn table(text: &str, place: &str, overrides: &[String]) -> Result<Table, RecipeError> {
        let mut table: Table =
            text.parse()
                .map_err(|error: toml::de::Error| RecipeError::Syntax {
                    place: place.to_owned(),
                    message: error.to_string().trim_end().to_owned(),
                })?;
        overrides::apply(&mut table, overrides)?;
        Ok(table)
    }

    /// Fills in all defaults.
    pub fn resolve(table: &Table) -> Result<Self, RecipeError> {
        Self::fill_in(table).map_err(|error| match Self::fill_in(&Table::new()) {
            Ok(usual) => words::point_to(error, &usual.to_table()),
            Err(_) => error,
        })
    }

    fn fill_in(table: &Table) -> Result<Self, RecipeError> {
        let table = &several::spread(table)?;
        let known: Vec<String> = SECTIONS.iter().map(|&s| s.to_owned()).collect();
        if let Some(key) = table.keys().find(|key| !known.contains(key)) {
            return Err(RecipeError::unknown_key("recipe", key, known.iter()));
        }
        let latent = resolve_each(latent::CATALOGUE, table, "latent", "gaussian")?;
        let latent = if latent.is_empty() {
            let plain = part::resolve(latent::CATALOGUE, &Table::new(), "gaussian", "latent.z")?;
            BTreeMap::from([("z".to_owned(), plain)])
        } else {
            latent
        };
        let mut prior = resolve_each(prior::CATALOGUE, table, "prior", "normal")?;
        if let Some(stray) = prior.keys().find(|name| !latent.contains_key(*name)) {
            return Err(RecipeError::unknown_key("prior", stray, latent.keys()));
        }
        for name in latent
            .keys()
            .filter(|name| !prior.contains_key(*name))
            .cloned()
            .collect::<Vec<_>>()
        {
            let place = format!("prior.{name}");
            let usual = latent::usual_prior(&latent[&name]);
            let resolved = part::resolve(prior::CATALOGUE, &Table::new(), usual, &place)?;
            prior.insert(name, resolved);
        }
        let bound = resolve_one(bound::CATALOGUE, table, "bound", "elbo")?;
        let data: DataOptions = plain(section(table, "data")?, "data")?;
        let terms = section(table, "objective")?;
        let objective = objective::resolve(terms, latent.keys(), &bound, data.batch)?;
        let recipe = Self {
            name: text(table, "name", "unnamed")?,
            about: text(table, "about", "")?,
            data,
            encoder: resolve_one(encoder::CATALOGUE, table, "encoder", "mlp")?,
            decoder: resolve_one(decoder::CATALOGUE, table, "decoder", "mlp")?,
            likelihood: resolve_one(likelihood::CATALOGUE, table, "likelihood", "bernoulli")?,
            latent,
            prior,
            bound,
            train: resolve_train(section(table, "train")?, &objective)?,
            expect: part::options(&section(table, "expect")?, "expect")?,
            objective,
        };
        recipe.check()?;
        Ok(recipe)
    }

    /// The resolved recipe as TOML, readable by [`Recipe::parse`].
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("internal error: a recipe does not serialize")
    }

    /// The resolved recipe as a table.
    pub fn to_table(&self) -> Table {
        Table::try_from(self).expect("internal error: a recipe does not serialize")
    }

    /// The dotted key that an option of this name sets, such as `train.epochs` for `epochs`; also by what other
    /// programs call it.
    pub fn key_called(&self, name: &str) -> Option<String> {
        words::option_called(name, &self.options())
    }

    /// The dotted key whose last part is the most similar to this name, if any is similar.
    pub fn key_like(&self, name: &str) -> Option<String> {
        words::option_like(name, &self.options())
    }

    /// All that shapes a run: the recipe without its promises.
    fn options(&self) -> Table {
        let mut table = self.to_table();
        table.remove("expect");
        table
    }

    /// Whether the bound trains the rate inside it, so that the loss and not the ELBO is maximized.
    pub fn bound_includes_rate(&self) -> bool {
        !self.objective.contains_key(objective::RATE)
    }
}

fn text(table: &Table, key: &str, fallback: &str) -> Result<String, RecipeError> {
    match table.get(key) {
        None => Ok(fallback.to_owned()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(RecipeError::value(
            key,
            format!("expected text in quotes, found {}", words::of(other)),
        )),
    }
}

/// A section as a table; a string is short for its `kind`.
fn section(table: &Table, key: &str) -> Result<Table, RecipeError> {
    match table.get(key) {
        None => Ok(Table::new()),
        Some(Value::Table(section)) => Ok(section.clone()),
        Some(Value::String(kind)) => Ok(Table::from_iter([(
            "kind".to_owned(),
            Value::String(kind.clone()),
        )])),
        Some(other) => Err(RecipeError::value(
            key,
            format!("expected a table, found {}", words::of(other)),
        )),
    }
}

fn resolve_one<B>(
    catalogue: &[part::Entry<B>],
    table: &Table,
    key: &str,
    fallback: &str,
) -> Result<Table, RecipeError> {
    part::resolve(catalogue, &section(table, key)?, fallback, key)
}

/// Resolves every named table in a section.
fn resolve_each<B>(
    catalogue: &[part::Entry<B>],
    table: &Table,
    key: &str,
    fallback: &str,
) -> Result<BTreeMap<String, Table>, RecipeError> {
    let section = section(table, key)?;
    let mut resolved = BTreeMap::new();
    for name in section.keys() {
        let place = format!("{key}.{name}");
        let (Value::Table(_) | Value::String(_)) = &section[name] else {
            return Err(RecipeError::value(
                key,
                format!("`{name}` stands directly in [{key}]; name the latent: [{key}.z]"),
            ));
        };
        if name == "kind" {
            return Err(RecipeError::value(
                key,
                format!("`kind` stands directly in [{key}]; name the latent: [{key}.z]"),
            ));
        }
        let table = part::resolve(catalogue, &self::section(&section, name)?, fallback, &place)?;
        resolved.insert(name.clone(), table);
    }
    Ok(resolved)
}

/// Options without kinds: defaults under the user's values.
fn plain<T: Default + Serialize + serde::de::DeserializeOwned>(
    user: Table,
    place: &str,
) -> Result<T, RecipeError> {
    let mut resolved = part::defaults::<T>();
    part::overlay(&mut resolved, &user, place)?;
    part::options(&resolved, place)
}

/// A word is short for the kind of an optimizer, as it is for other parts.
fn name_optimizer(table: &mut Table, place: &str) -> Result<(), RecipeError> {
    if table.contains_key("optimizer") {
        let optimizer = section(table, "optimizer").map_err(|error| error.within(place))?;
        table.insert("optimizer".to_owned(), Value::Table(optimizer));
    }
    Ok(())
}

/// A group with its defaults; the prefix has none.
fn resolve_group(user: &Table, place: &str) -> Result<Value, RecipeError> {
    let mut resolved = part::defaults::<GroupOptions>();
    let mut user = user.clone();
    name_optimizer(&mut user, place)?;
    part::overlay(&mut resolved, &user, place)?;
    if !user.contains_key("prefix") {
        let example = "expected the beginning of names of parameters, such as prefix = \"prior.\"";
        return Err(RecipeError::value(place, example));
    }
    Ok(Value::Table(resolved))
}

/// Gives parameters that a term of the objective trains a group of their own under the kind of the term, unless the user
/// has a group for them; what the user says of that group comes first.
fn add_own_groups(user: &mut Table, objective: &TermTable) {
    for (kind, optimizer) in objective::own_optimizers(objective) {
        let prefix = format!("objective.{kind}.");
        let groups = user
            .entry("groups")
            .or_insert_with(|| Value::Table(Table::new()));
        // What is not a table is refused later, in words.
        let Value::Table(groups) = groups else {
            return;
        };
        let is_of_others = groups.iter().any(|(name, group)| {
            let of_user = group.get("prefix").and_then(Value::as_str);
            name != kind && of_user.is_some_and(|of_user| prefix.starts_with(of_user))
        });
        if is_of_others {
            continue;
        }
        let group = groups
            .entry(kind)
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(group) = group else {
            continue;
        };
        group.entry("prefix").or_insert(Value::String(prefix));
        let own = group
            .entry("optimizer")
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(own) = own {
            let is_same_kind = own
                .get("kind")
                .is_none_or(|kind| Some(kind) == optimizer.get("kind"));
            for (key, value) in optimizer.into_iter().filter(|_| is_same_kind) {
                own.entry(key).or_insert(value);
            }
        }
    }
}

fn resolve_train(mut user: Table, objective: &TermTable) -> Result<TrainOptions, RecipeError> {
    add_own_groups(&mut user, objective);
    if let Some(Value::Table(groups)) = user.get_mut("groups") {
        for (name, group) in groups {
            // Anything but a table is refused below, in words.
            if let Value::Table(table) = group {
                *group = resolve_group(table, &format!("train.groups.{name}"))?;
            }
        }
    }
    name_optimizer(&mut user, "train")?;
    let mut train: TrainOptions = plain(user, "train")?;
    let complete = |table: &Table, place: &str| -> Result<Table, RecipeError> {
        let complete = part::resolve(optimizer::CATALOGUE, table, "adam", place)?;
        optimizer::build(&complete, place)?;
        Ok(complete)
    };
    train.optimizer = complete(&train.optimizer, "train.optimizer")?;
    for (name, group) in &mut train.groups {
        group.optimizer = complete(&group.optimizer, &format!("train.groups.{name}.optimizer"))?;
    }
    Ok(train)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, overrides: &[&str]) -> String {
        let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
        Recipe::parse(text, "test", &overrides)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_short_recipe_resolves_and_reads_back() {
        let text = "
            name = 'x'
            likelihood = 'gaussian'
            [latent.z]
            dim = 3
            [objective.rate.z]
            weight = { kind = 'linear', from = 0.0, to = 1.0, until = 0.5 }
            [expect]
            test_neg_elbo = { max = 106.0 }
        ";
        let recipe = Recipe::parse(text, "x", &["train.epochs=3".to_owned()]).unwrap();
        assert_eq!(recipe.train.epochs, 3);
        assert_eq!(part::kind(&recipe.encoder), "mlp");
        assert_eq!(part::kind(&recipe.prior["z"]), "normal");
        assert_eq!(recipe.expect["test_neg_elbo"].max, 106.0);
        let again = Recipe::parse(&recipe.to_toml(), "again", &[]).unwrap();
        assert_eq!(again, recipe);
        let json = serde_json::to_string(&recipe).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&json).unwrap(), recipe);
    }

    #[test]
    fn options_are_found_by_the_last_part_of_their_key() {
        let text = "encoder = 'conv'\n[expect]\ntest_rate = { max = 3.0 }";
        let recipe = Recipe::parse(text, "test", &[]).unwrap();
        for (name, called, like) in [
            ("epochs", Some("train.epochs"), Some("train.epochs")),
            ("epoch", None, Some("train.epochs")),
            ("EPOCHS", None, Some("train.epochs")),
            ("batch_size", Some("data.batch"), Some("data.batch")),
            ("batch_sizes", None, Some("data.batch")),
            ("lr", Some("train.optimizer.lr"), Some("train.optimizer.lr")),
            (
                "beta",
                Some("objective.rate.z.weight"),
                Some("objective.rate.z.weight"),
            ),
            ("optimizer", Some("train.optimizer"), None),
            ("stride", Some("encoder.stride"), Some("encoder.stride")),
            ("objective", None, None),
            // A promise is no option.
            ("max", None, Some("data.max_value")),
            ("zzz", None, None),
        ] {
            assert_eq!(recipe.key_called(name).as_deref(), called, "{name}");
            assert_eq!(recipe.key_like(name).as_deref(), like, "{name}");
        }
    }

    #[test]
    fn unknown_keys_name_the_nearest() {
        assert_eq!(
            message("", &["train.epoch=3"]),
            "train: unknown key `epoch`; did you mean `epochs`?"
        );
        assert_eq!(
            message("[encodr]\nkind='mlp'", &[]),
            "recipe: unknown key `encodr`; did you mean `encoder`?"
        );
        assert!(message("[latent.z]\ndimension=3", &[]).contains("did you mean `dim`?"));
        assert_eq!(
            message("", &["train.groups.a.prefx=1"]),
            "train.groups.a: unknown key `prefx`; did you mean `prefix`?"
        );
        assert!(message("", &["train.groups.a.optimizer.kind='adam'"]).contains("prefix = "));
        assert!(message("[prior.y]\nkind='vamp'", &[]).contains("unknown key `y`"));
        assert!(message("likelihood='bernouli'", &[]).contains("there are bernoulli"));
    }

    #[test]
    fn small_data_take_more_epochs_unless_they_are_named() {
        let text = "[train]\nepochs = 10\nmin_steps = 95";
        let epochs = |overrides: &[&str], n_batches| {
            let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
            let recipe = Recipe::parse(text, "x", &overrides).unwrap();
            recipe.train.epochs_over(n_batches)
        };
        assert_eq!(epochs(&[], 400), 10);
        assert_eq!(epochs(&[], 3), 32);
        assert_eq!(epochs(&["train.epochs=2"], 3), 2);
        assert_eq!(epochs(&["train.epochs=2", "train.min_steps=9"], 3), 3);
        assert_eq!(epochs(&["train.min_steps=9", "train.epochs=2"], 3), 3);
    }

    #[test]
    fn wrong_values_are_refused_in_words() {
        assert!(message("", &["train.epochs"]).contains("key=value"));
        assert!(message("", &["=3"]).starts_with("--set: `=3`: expected a key"));
        assert!(message("", &["train..epochs=3"]).starts_with("--set: `train..epochs=3`"));
        assert!(message("", &["train.epochs=0"]).contains("nothing to train"));
        assert_eq!(
            message("", &["train.epochs=many"]),
            "train.epochs: expected a whole number of at least 0, found text \"many\""
        );
        assert!(message("", &["train.threads=99999"]).contains("at most 1024"));
        assert!(message("", &["train.epochs=9000000000000000000"]).contains("at most"));
        assert!(message("", &["latent.z.dim=4000000000"]).starts_with("latent.z.dim: expected"));
        assert!(message("", &["encoder.hidden=[8, 4000000000]"]).contains("found 4000000000"));
        assert!(message("", &["train.patience=2", "data.validation=0.0"]).contains("validation"));
        assert!(message("", &["train.clip=nan"]).starts_with("train.clip: the number is not"));
        assert!(message("", &["train.clip=1e300"]).starts_with("train.clip: 1e300: expected"));
        assert!(message("", &["name=' '"]).starts_with("name: expected text"));
        let schedule = "{ kind = 'linear', from = nan, to = 1.0, until = 0.5 }";
        let text = format!("[objective.rate.z]\nweight = {schedule}");
        assert!(message(&text, &[]).starts_with("objective.rate.z.weight.from: "));
        assert!(message("[latent]\ndim=3", &[]).contains("[latent.z]"));
        assert!(message("name = ", &[]).contains("test: TOML parse error at line 1"));
        assert!(message("[objective.rate.z]\nweight='high'", &[]).contains("objective.rate.z"));
        for (pair, part) in [
            (
                "objective.rate.z.weight=-1",
                "weight: -1: expected a number of at least 0",
            ),
            ("objective.rate.z.capacity=-2.5", "capacity: -2.5: expected"),
            ("objective.rate.z.free_bits=-1", "at least 0"),
            ("objective.mmd.z.weight=-1", "at least 0"),
            ("train.optimizer.epsilon=0", "expected a number above 0"),
            // Zero in the numbers of the network.
            ("train.optimizer.epsilon=1e-60", "expected a number above 0"),
        ] {
            let message = message("", &[pair]);
            assert!(message.contains(part), "{pair}: {message}");
        }
    }

    #[test]
    fn terms_that_do_not_fit_bound_or_batch_are_refused() {
        for term in ["mmd", "tc"] {
            let term = format!("objective.{term}.z.weight=1");
            assert!(message("", &[&term, "data.batch=1"]).contains("data.batch of at least 2"));
            Recipe::parse("", "test", &[term, "data.batch=2".to_owned()]).unwrap();
        }
        for (term, reason) in [("tc", "one part of the rate"), ("rate", "no meaning")] {
            let term = format!("objective.{term}.z.weight=1");
            let message = message("", &[&term, "bound.kind=importance"]);
            assert!(message.contains("importance weights"), "{message}");
            assert!(message.contains(reason), "{message}");
        }
    }
}
