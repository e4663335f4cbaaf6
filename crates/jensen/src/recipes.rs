//! Recipes: the built-in ones, and those in files.

use crate::config;
use crate::error::{Error, Result};
use crate::verb::expect;
use jensen_data::nearest;
use jensen_vae::recipe::{Recipe, RecipeError};
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// A recipe that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        &[$(Builtin {
            name: $name,
            text: include_str!(concat!("../../../recipes/", $name, ".toml")),
        }),*]
    };
}

/// The built-in recipes: the files of the folder `recipes`.
pub const BUILTIN: &[Builtin] = builtin![
    "vae",
    "conv-vae",
    "beta-vae",
    "annealed-vae",
    "beta-tc-vae",
    "wae-mmd",
    "iwae",
    "vamp-vae",
    "sigma-vae",
    "vq-vae",
    "fsq-vae",
    "vq-vae-2",
    "hierarchical-vae",
    "vae-gan",
    "vq-gan",
    "vit-vqgan",
    "latent-diffusion",
    "ddpm",
    "dalle",
];

/// A recipe with the changes that a command line makes to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecipeRequest {
    /// Name of a built-in recipe, or path of a file that ends in `.toml`.
    pub model: String,
    /// Other data than the recipe's: a name, a file or a folder.
    pub data: Option<String>,
    /// Overrides as `key=value` with dotted keys.
    pub overrides: Vec<String>,
    /// Another seed than the recipe's.
    pub seed: Option<u64>,
    /// Another device than the recipe's: `"cpu"` or `"gpu"`.
    pub device: Option<String>,
}

impl RecipeRequest {
    /// The recipe as it is.
    pub fn of(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            ..Self::default()
        }
    }

    /// The resolved recipe.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], [`Error::RecipeFile`], [`Error::Recipe`] with all that is wrong.
    pub fn resolve(&self) -> Result<Recipe> {
        let (place, text) = read(&self.model)?;
        self.check_contradictions()?;
        let mut overrides = self.overrides.clone();
        let mut set = |key: &str, value: Value| overrides.push(format!("{key}={value}"));
        if let Some(data) = &self.data {
            set("data.source", Value::String(data.clone()));
        }
        if let Some(seed) = self.seed {
            set("train.seed", Value::Integer(seed_integer(seed)?));
        }
        if let Some(device) = &self.device {
            set("train.device", Value::String(device.clone()));
        }
        let mut table = Recipe::table(&text, &place, &overrides)?;
        // The configuration of a run is a recipe with more in it.
        config::strip(&mut table);
        // A file without a name is called after itself.
        table
            .entry("name")
            .or_insert_with(|| Value::String(place.clone()));
        let mut recipe = resolve_all(&table)?;
        expect::check(&recipe)?;
        recipe.data.source = anchored(&recipe.data.source);
        Ok(recipe)
    }

    /// Refuses an option that an override contradicts: one of the two would be lost in silence.
    fn check_contradictions(&self) -> Result<()> {
        let overrides = Recipe::table("", "--set", &self.overrides)?;
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let seed = self.seed.map(seed_integer).transpose()?;
        for (names, section, key, option) in [
            (
                "--data and --set data.source",
                "data",
                "source",
                text(&self.data),
            ),
            (
                "--seed and --set train.seed",
                "train",
                "seed",
                seed.map(Value::Integer),
            ),
            (
                "--device and --set train.device",
                "train",
                "device",
                text(&self.device),
            ),
        ] {
            let set = overrides.get(section).and_then(|section| section.get(key));
            if let (Some(option), Some(set)) = (option, set)
                && option != *set
            {
                return Err(Error::Option {
                    name: names,
                    expected: "the same value, or one of the two".to_owned(),
                    found: format!("{option} and {set}"),
                });
            }
        }
        Ok(())
    }

    /// The source of the data that the recipe itself names.
    pub fn own_source(&self) -> Result<String> {
        let (place, text) = read(&self.model)?;
        let mut table = Recipe::table(&text, &place, &[])?;
        config::strip(&mut table);
        Ok(anchored(&resolve_all(&table)?.data.source))
    }
}

/// TOML counts to 2^63 - 1.
fn seed_integer(seed: u64) -> Result<i64> {
    i64::try_from(seed).map_err(|_| Error::Option {
        name: "--seed",
        expected: format!("a whole number up to {}", i64::MAX),
        found: seed.to_string(),
    })
}

/// Name and text of a recipe.
fn read(model: &str) -> Result<(String, String)> {
    if let Some(builtin) = BUILTIN.iter().find(|builtin| builtin.name == model) {
        return Ok((builtin.name.to_owned(), builtin.text.to_owned()));
    }
    if model.trim().is_empty() {
        return Err(Error::Option {
            name: "MODEL",
            expected: "a built-in recipe, or the path of a .toml file".to_owned(),
            found: "nothing".to_owned(),
        });
    }
    let path = Path::new(model);
    if path.extension().is_none_or(|extension| extension != "toml") {
        let known: Vec<String> = BUILTIN.iter().map(|b| b.name.to_owned()).collect();
        return Err(Error::UnknownModel {
            name: model.to_owned(),
            nearest: nearest(model, known.iter()),
            known,
        });
    }
    let text = fs::read_to_string(path).map_err(|source| Error::RecipeFile {
        path: path.to_path_buf(),
        source,
    })?;
    let stem = path.file_stem().unwrap_or_default();
    Ok((stem.to_string_lossy().into_owned(), text))
}

/// A path as an absolute one, so that a run can be continued from any folder; a name as it is.
fn anchored(source: &str) -> String {
    let is_name = jensen_data::catalogue().iter().any(|e| e.name == source);
    let absolute = (!is_name).then(|| fs::canonicalize(source).ok()).flatten();
    absolute.map_or_else(|| source.to_owned(), |path| path.to_string_lossy().into())
}

/// Resolves a table, and on a fault looks at each section by itself to find all others.
pub fn resolve_all(table: &Table) -> Result<Recipe> {
    let first = match Recipe::resolve(table) {
        Ok(recipe) => return Ok(recipe),
        Err(error) => error,
    };
    let mut errors: Vec<RecipeError> = vec![first];
    for (key, value) in table {
        let mut part = Table::from_iter([(key.clone(), value.clone())]);
        // Priors and terms belong to latents by name.
        for needed in ["latent", "bound"] {
            if matches!(key.as_str(), "prior" | "objective")
                && let Some(value) = table.get(needed)
            {
                part.insert(needed.to_owned(), value.clone());
            }
        }
        if let Err(error) = Recipe::resolve(&part)
            && !errors.contains(&error)
        {
            errors.push(error);
        }
    }
    Err(Error::Recipe(errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a recipe: a line for each part, and the two or three numbers that it must reach.
    const LONGEST: usize = 24;

    #[test]
    fn every_recipe_file_is_built_in_short_and_valid() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".toml"))
            .collect();
        files.sort();
        let mut known: Vec<String> = BUILTIN.iter().map(|b| format!("{}.toml", b.name)).collect();
        known.sort();
        assert_eq!(files, known);
        for builtin in BUILTIN {
            let recipe = RecipeRequest::of(builtin.name).resolve().unwrap();
            assert_eq!(recipe.name, builtin.name);
            assert!(!recipe.about.is_empty() && !recipe.expect.is_empty());
            let code = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
            let n_lines = builtin.text.lines().filter(code).count();
            assert!(n_lines <= LONGEST, "{}: {n_lines} lines", builtin.name);
        }
    }

    #[test]
    fn the_command_line_wins_over_the_recipe() {
        let request = RecipeRequest {
            data: Some("mnist".to_owned()),
            overrides: vec!["train.epochs=3".to_owned()],
            seed: Some(7),
            ..RecipeRequest::of("vae")
        };
        let recipe = request.resolve().unwrap();
        assert_eq!(recipe.data.source, "mnist");
        assert_eq!((recipe.train.seed, recipe.train.epochs), (7, 3));
        assert_eq!(request.own_source().unwrap(), "digits");
        let too_large = RecipeRequest {
            seed: Some(u64::MAX),
            ..RecipeRequest::of("vae")
        };
        assert!(matches!(too_large.resolve(), Err(Error::Option { .. })));
    }

    #[test]
    fn options_and_overrides_do_not_contradict() {
        let request = |source: &str| RecipeRequest {
            data: Some("mnist".to_owned()),
            seed: Some(7),
            overrides: vec![format!("data.source={source}"), "train.seed=7".to_owned()],
            ..RecipeRequest::of("vae")
        };
        assert_eq!(request("mnist").resolve().unwrap().data.source, "mnist");
        let refused = request("digits").resolve().unwrap_err().to_string();
        for part in ["--data and --set data.source", "mnist", "digits"] {
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let table: Table = "
            nam = 'x'
            [latent.z]
            dims = 3
            [train]
            epoch = 3
            [likelihood]
            kind = 'bernouli'
        "
        .parse()
        .unwrap();
        let Err(Error::Recipe(errors)) = resolve_all(&table) else {
            panic!()
        };
        let text = lines_of(&errors);
        for part in ["`nam`", "did you mean `dim`", "`epochs`", "bernouli"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(errors.len(), 4, "{text}");
    }

    fn lines_of(errors: &[RecipeError]) -> String {
        errors.iter().map(|error| format!("{error}\n")).collect()
    }

    #[test]
    fn unknown_models_name_the_nearest() {
        let error = RecipeRequest::of("conv-va").resolve().unwrap_err();
        let Error::UnknownModel { nearest, known, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(nearest.as_deref(), Some("conv-vae"));
        assert_eq!(known.len(), BUILTIN.len());
        for (name, expected) in [("VAE", "vae"), ("Conv-VAE", "conv-vae"), ("IWAE", "iwae")] {
            let error = RecipeRequest::of(name).resolve().unwrap_err();
            let Error::UnknownModel { nearest, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!(nearest.as_deref(), Some(expected));
        }
        let error = RecipeRequest::of("no/such.toml").resolve().unwrap_err();
        assert!(matches!(error, Error::RecipeFile { .. }));
    }
}
