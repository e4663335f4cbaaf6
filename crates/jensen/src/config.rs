//! `config.toml` of a run: the resolved recipe, the data as they were, the versions.
//!
//! The recipe's part can be given to `jensen fit` again as it stands, the rest says what else a run
//! depended on.

use crate::error::Result;
use crate::recipes::resolve_all;
use jensen_data::Dataset;
use jensen_run::{RunFolder, file};
use jensen_vae::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use toml::{Table, Value};

/// The sections beside the recipe.
const BESIDE: [&str; 3] = ["dataset", "versions", CHANGED];
/// The section of [`Change`]s.
const CHANGED: &str = "changed";

/// The data of a run as they were when it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetFacts {
    /// Short name.
    pub name: String,
    /// What one example is.
    pub layout: String,
    /// Training examples, those for validation included.
    pub n_train: usize,
    /// Test examples.
    pub n_test: usize,
    /// SHA-256 over all values and labels, hexadecimal.
    pub sha256: String,
    /// Names of the columns of a table without the label, in the order of the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column_names: Option<Vec<String>>,
}

impl DatasetFacts {
    /// The facts of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            name: dataset.name.clone(),
            layout: dataset.layout().to_string(),
            n_train: dataset.train.len(),
            n_test: dataset.test.len(),
            sha256: dataset.fingerprint.clone(),
            column_names: dataset.column_names.clone(),
        }
    }
}

/// An option of training that was another one before a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Steps that were done with the old value.
    pub after_step: u64,
    /// The option, such as `train.optimizer.lr`.
    pub key: String,
    /// Its value before.
    pub from: String,
    /// Its value since.
    pub to: String,
}

impl Change {
    /// What differs between two recipes, key by key.
    pub fn between(before: &Recipe, after: &Recipe, after_step: u64) -> Vec<Self> {
        let (before, after) = (flat(before), flat(after));
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
        keys.into_iter()
            .filter(|key| before.get(*key) != after.get(*key))
            .map(|key| Self {
                after_step,
                key: key.clone(),
                from: text(before.get(key)),
                to: text(after.get(key)),
            })
            .collect()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} (before: {})", self.key, self.to, self.from)
    }
}

/// Every value of a recipe under its dotted key.
fn flat(recipe: &Recipe) -> BTreeMap<String, Value> {
    fn collect(prefix: &str, table: &Table, into: &mut BTreeMap<String, Value>) {
        for (key, value) in table {
            let key = format!("{prefix}{key}");
            match value {
                Value::Table(inner) => collect(&format!("{key}."), inner, into),
                other => {
                    into.insert(key, other.clone());
                }
            }
        }
    }
    let mut all = BTreeMap::new();
    collect("", &recipe.to_table(), &mut all);
    all
}

#[derive(Serialize)]
struct Versions {
    jensen: &'static str,
    burn: &'static str,
    rust: &'static str,
}

#[derive(Serialize)]
struct Beside<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset: Option<&'a DatasetFacts>,
    versions: Versions,
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    changed: &'a [Change],
}

/// Writes the configuration of a run; `changed` are options that were others before.
pub fn write(
    run: &RunFolder,
    recipe: &Recipe,
    dataset: &DatasetFacts,
    changed: &[Change],
) -> Result<()> {
    write_with(run, recipe, Some(dataset), changed)
}

/// Writes the configuration of a model that comes from elsewhere, with data that nobody knows.
pub fn write_imported(run: &RunFolder, recipe: &Recipe) -> Result<()> {
    write_with(run, recipe, None, &[])
}

fn write_with(
    run: &RunFolder,
    recipe: &Recipe,
    dataset: Option<&DatasetFacts>,
    changed: &[Change],
) -> Result<()> {
    let beside = Beside {
        dataset,
        versions: Versions {
            jensen: env!("CARGO_PKG_VERSION"),
            burn: env!("JENSEN_BURN"),
            rust: env!("JENSEN_RUST"),
        },
        changed,
    };
    let beside = toml::to_string(&beside).expect("internal error: facts do not serialize");
    let text = format!(
        "# Every setting of this run. `jensen fit` takes this file as a recipe too.\n{}\n\
         # The data as they were, and what the run was made with.\n{beside}",
        recipe.to_toml()
    );
    run.write(file::CONFIG, text.as_bytes())?;
    Ok(())
}

/// Reads the configuration of a run back, with overrides.
pub fn read(run: &RunFolder, overrides: &[String]) -> Result<(Recipe, Option<DatasetFacts>)> {
    let text = run.read_text(file::CONFIG)?;
    // The run's own reader says where a fault is.
    let _: Table = run.read_toml(file::CONFIG)?;
    let mut table = Recipe::table(&text, &run.path(file::CONFIG).to_string_lossy(), overrides)?;
    let facts = strip(&mut table);
    Ok((resolve_all(&table)?, facts))
}

/// The options of a run that were others before, oldest first.
pub fn changes(run: &RunFolder) -> Result<Vec<Change>> {
    let mut table: Table = run.read_toml(file::CONFIG)?;
    let changed = table.remove(CHANGED);
    Ok(changed
        .and_then(|changed: Value| changed.try_into().ok())
        .unwrap_or_default())
}

/// Removes what stands beside the recipe, and gives the facts of the data.
pub fn strip(table: &mut Table) -> Option<DatasetFacts> {
    let [facts, ..] = BESIDE.map(|section| table.remove(section));
    facts.and_then(|facts: Value| facts.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::{BUILTIN, RecipeRequest};

    #[test]
    fn a_configuration_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let facts = DatasetFacts {
            name: "digits".to_owned(),
            layout: "images 1 x 8 x 8".to_owned(),
            n_train: 1437,
            n_test: 360,
            sha256: "ab".repeat(32),
            column_names: Some(vec!["width, cm".to_owned(), "\"tall\"".to_owned()]),
        };
        for builtin in BUILTIN {
            let run = RunFolder::create(dir.path().join(builtin.name)).unwrap();
            let recipe = RecipeRequest::of(builtin.name).resolve().unwrap();
            write(&run, &recipe, &facts, &[]).unwrap();
            assert_eq!(
                read(&run, &[]).unwrap(),
                (recipe.clone(), Some(facts.clone()))
            );
            // The file is a recipe by itself.
            let path = run.path(file::CONFIG).to_string_lossy().into_owned();
            assert_eq!(RecipeRequest::of(&path).resolve().unwrap(), recipe);
            let (longer, _) = read(&run, &["train.epochs=99".to_owned()]).unwrap();
            assert_eq!(longer.train.epochs_over(1), 99);
            let changed = Change::between(&recipe, &longer, 7);
            assert!(
                changed
                    .iter()
                    .any(|change| change.key == "train.epochs" && change.to == "99")
            );
            write(&run, &longer, &facts, &changed).unwrap();
            assert_eq!(changes(&run).unwrap(), changed);
            assert_eq!(read(&run, &[]).unwrap(), (longer, Some(facts.clone())));
            write(&run, &recipe, &facts, &[]).unwrap();
            let text = run.read_text(file::CONFIG).unwrap();
            assert!(!text.contains("unknown"), "{text}");
            // Runs from before columns were kept.
            let begin = text.find("column_names = ").unwrap();
            let end = begin + text[begin..].find("\n[").unwrap();
            let old = format!("{}{}", &text[..begin], &text[end..]);
            run.write(file::CONFIG, old.as_bytes()).unwrap();
            let (_, old) = read(&run, &[]).unwrap();
            assert_eq!(old.unwrap().column_names, None);
        }
    }
}
