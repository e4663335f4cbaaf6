//! `key=value` pairs of the command line in the table of a recipe.

use super::RecipeError;
use toml::{Table, Value};

/// Applies overrides in their order.
pub(super) fn apply(table: &mut Table, overrides: &[String]) -> Result<(), RecipeError> {
    // Who names the epochs means them: the recipe's least number of steps would raise them.
    let names_epochs = |pair: &String| {
        let path = pair.split_once('=').map(|(path, _)| path.trim());
        path == Some("train.epochs")
    };
    if overrides.iter().any(names_epochs)
        && let Some(Value::Table(train)) = table.get_mut("train")
    {
        train.remove("min_steps");
    }
    for pair in overrides {
        set(table, pair)?;
    }
    Ok(())
}

/// Applies one `key=value` override with a dotted key; the value is TOML, or else a string.
fn set(table: &mut Table, pair: &str) -> Result<(), RecipeError> {
    let Some((path, text)) = pair.split_once('=') else {
        return Err(RecipeError::value(
            "--set",
            format!("`{pair}` is not of the form key=value, for example train.epochs=5"),
        ));
    };
    let (path, text) = (path.trim(), text.trim());
    let value = format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut keys: Vec<&str> = path.split('.').collect();
    if keys.iter().any(|key| key.trim().is_empty()) {
        return Err(RecipeError::value(
            "--set",
            format!(
                "`{pair}`: expected a key before =, for example train.epochs=5, found a part of it empty"
            ),
        ));
    }
    let last = keys.pop().unwrap_or_default();
    let mut here = table;
    for key in keys {
        let entry = here
            .entry(key)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::String(kind) = entry {
            // `likelihood = "gaussian"` is short for `likelihood = { kind = "gaussian" }`.
            *entry = Value::Table(Table::from_iter([(
                "kind".to_owned(),
                Value::String(kind.clone()),
            )]));
        }
        let Value::Table(inner) = entry else {
            return Err(RecipeError::value(
                "--set",
                format!("`{key}` in `{path}` is not a table"),
            ));
        };
        here = inner;
    }
    // A new kind of part brings its own options: those of the old kind would not fit.
    if last == "kind" {
        here.clear();
    }
    here.insert(last.to_owned(), value);
    Ok(())
}
