//! Wrong values in the words of recipes: what serde says in the terms of Rust, said in those of TOML.
//!
//! `invalid type: string "x", expected usize` becomes `expected a whole number of at least 0, found text
//! "x"`, and the key at fault joins the place. What is not known here is passed on as it is.

use super::error::RecipeError;
use jensen_data::nearest;
use toml::{Table, Value};

/// A fault that serde found in the table at `place`.
pub(crate) fn explain(error: &toml::de::Error, table: &Table, place: &str) -> RecipeError {
    let key = key_of(error);
    let value = key.as_ref().and_then(|key| value_at(table, key));
    let place = match key {
        Some(key) => format!("{place}.{key}"),
        None => place.to_owned(),
    };
    let message = error.message();
    // In place of a word serde takes anything for a variant of an enum, and does not say what it is.
    if let ("invalid type: unit variant, expected string only", Some(value)) = (message, value) {
        let message = format!("expected text in quotes, found {}", of(value));
        return RecipeError::value(&place, message);
    }
    if let Some((field, known)) = parts(message, "unknown field ") {
        return RecipeError::unknown_key(&place, &field, names(known).iter());
    }
    RecipeError::value(&place, in_words(message))
}

/// The dotted key in the last line of an error, ``in `weight` ``.
fn key_of(error: &toml::de::Error) -> Option<String> {
    let text = error.to_string();
    let key = text.trim_end().lines().last()?.strip_prefix("in `")?;
    Some(key.strip_suffix('`')?.to_owned())
}

/// The value at a dotted key.
fn value_at<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut keys = key.split('.');
    let first = table.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

fn in_words(message: &str) -> String {
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("the key {key} is missing");
    }
    if let Some((variant, known)) = parts(message, "unknown variant ") {
        let known = names(known);
        let hint = match nearest(&variant, known.iter()) {
            Some(nearest) => format!("; did you mean \"{nearest}\"?"),
            None => String::new(),
        };
        return format!(
            "expected one of {}, found \"{variant}\"{hint}",
            known.join(", ")
        );
    }
    let mismatch = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.rsplit_once(", expected "));
    match mismatch {
        Some((found, expected)) => {
            format!(
                "expected {}, found {}",
                expectation(expected),
                finding(found)
            )
        }
        None => message.to_owned(),
    }
}

/// The name between backticks behind `start`, and what follows it.
fn parts<'a>(message: &'a str, start: &str) -> Option<(String, &'a str)> {
    let (name, rest) = message
        .strip_prefix(start)?
        .strip_prefix('`')?
        .split_once('`')?;
    Some((name.to_owned(), rest))
}

/// The names between backticks.
fn names(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn expectation(expected: &str) -> &str {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0",
        "isize" | "i64" | "i32" | "i16" | "i8" => "a whole number",
        "f64" | "f32" => "a number",
        "a string" | "variant identifier" => "text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list in brackets",
        "a map" => "a table",
        expected if expected.starts_with("struct ") => "a table",
        expected if expected.contains("enum ") => "text in quotes",
        expected => expected,
    }
}

fn finding(found: &str) -> String {
    let kinds = ["integer ", "floating point ", "boolean "];
    if let Some(number) = kinds.iter().find_map(|kind| found.strip_prefix(kind)) {
        return number.trim_matches('`').to_owned();
    }
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        found => match found.strip_prefix("string ") {
            Some(text) => format!("text {text}"),
            None => found.to_owned(),
        },
    }
}

/// A value in words.
pub(crate) fn of(value: &Value) -> String {
    match value {
        Value::String(text) => format!("text \"{text}\""),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// What else the options of other programs are called.
const ALSO_CALLED: [(&str, &str); 6] = [
    ("learning_rate", "lr"),
    ("batch_size", "batch"),
    ("beta", "weight"),
    ("n_epochs", "epochs"),
    ("num_epochs", "epochs"),
    ("latent_dim", "dim"),
];

/// An unknown key with the path at which a whole recipe has a key of this name.
pub(super) fn point_to(mut error: RecipeError, recipe: &Table) -> RecipeError {
    if let RecipeError::UnknownKey { key, nearest, .. } = &mut error
        && let Some(path) = key_called(key, recipe)
    {
        *nearest = Some(path);
    }
    error
}

/// The dotted path at which a whole recipe has a key of this name, or of what other programs call by it.
pub(super) fn key_called(name: &str, recipe: &Table) -> Option<String> {
    let also = ALSO_CALLED.iter().find(|(other, _)| *other == name);
    path_of(also.map_or(name, |(_, ours)| ours), recipe)
}

/// The same, if it has a value or the kind of a part.
pub(super) fn option_called(name: &str, recipe: &Table) -> Option<String> {
    let is_option = |value: &Value| {
        value
            .as_table()
            .is_none_or(|part| part.contains_key("kind"))
    };
    key_called(name, recipe).filter(|key| value_at(recipe, key).is_some_and(is_option))
}

/// The dotted path of the value whose key is the most similar, if any is similar.
pub(super) fn option_like(name: &str, recipe: &Table) -> Option<String> {
    let others = ALSO_CALLED.iter().map(|(other, _)| (*other).to_owned());
    let mut known: Vec<String> = others.collect();
    add_names(recipe, &mut known);
    option_called(&nearest(name, known.iter())?, recipe)
}

/// Adds the keys of all values.
fn add_names(table: &Table, names: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => add_names(inner, names),
            _ => names.push(key.clone()),
        }
    }
}

/// The dotted path of the first key of this name.
fn path_of(wanted: &str, table: &Table) -> Option<String> {
    table.iter().find_map(|(key, value)| match value {
        _ if key == wanted => Some(key.clone()),
        Value::Table(inner) => path_of(wanted, inner).map(|path| format!("{key}.{path}")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::recipe::Recipe;

    #[test]
    fn faults_are_told_in_the_terms_of_toml() {
        let weight = |table: &str| format!("objective.rate.z.weight={{ {table} }}");
        for (pair, expected) in [
            (
                "train.epochs=1.5",
                "train.epochs: expected a whole number of at least 0, found 1.5",
            ),
            (
                "train.epochs=-1",
                "train.epochs: expected a whole number of at least 0, found -1",
            ),
            ("data.grey=3", "data.grey: expected true or false, found 3"),
            (
                "data.source=3",
                "data.source: expected text in quotes, found 3",
            ),
            (
                "data.source=''",
                "data: source: expected a name, a file or a folder, found nothing",
            ),
            (
                "data.range=3",
                "data.range: expected text in quotes, found 3",
            ),
            (
                "data.binarize=dynamik",
                "data.binarize: expected one of none, dynamic, threshold, found \"dynamik\"; did you \
                 mean \"dynamic\"?",
            ),
            (
                "train.optimizer.lr=x",
                "train.optimizer.lr: expected a number, found text \"x\"",
            ),
            (
                "train.optimizer=3",
                "train.optimizer: expected a table, found 3",
            ),
            (
                "train.groups.a=3",
                "train.groups.a: expected a table, found 3",
            ),
            (
                "expect.test_neg_elbo=3",
                "expect.test_neg_elbo: expected a table, found 3",
            ),
            ("name=3", "name: expected text in quotes, found 3"),
            (
                &weight("kind = 'linear'"),
                "objective.rate.z.weight: the key `from` is missing",
            ),
            (
                &weight("from = 0.0"),
                "objective.rate.z.weight: the key `kind` is missing",
            ),
            (
                &weight("kind = 'linear', from = 0.0, to = 1.0, untl = 0.5"),
                "objective.rate.z.weight: unknown key `untl`; did you mean `until`?",
            ),
            (
                &weight("kind = 'liner'"),
                "objective.rate.z.weight.kind: expected one of linear, sigmoid, cyclical, found \"liner\"; \
                 did you mean \"linear\"?",
            ),
            (
                "objective.rate.z.weight=high",
                "objective.rate.z.weight: expected a number, or a table with the kind of a schedule, \
                 found text \"high\"",
            ),
        ] {
            let error = Recipe::parse("", "test", &[pair.to_owned()]).unwrap_err();
            assert_eq!(error.to_string(), expected, "{pair}");
        }
        let recipe = Recipe::parse("", "test", &["train.optimizer=sgd".to_owned()]).unwrap();
        assert_eq!(crate::part::kind(&recipe.train.optimizer), "sgd");
    }
}
