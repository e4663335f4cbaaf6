//! What every part of a model has in common: a kind, options with defaults, and a place in a catalogue.
//!
//! A part is one file. Its catalogue entry names it, gives the defaults of its options, and builds it
//! from a resolved table. Resolution (defaults under the user's values, unknown keys refused with the
//! nearest valid one) is written once, here.

use crate::recipe::{RecipeError, words};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// One line of a catalogue of parts.
pub struct Entry<B> {
    /// The name that a recipe uses in `kind`.
    pub kind: &'static str,
    /// One line for listings.
    pub about: &'static str,
    /// The options with their default values.
    pub defaults: fn() -> Table,
    /// Makes the part from its resolved options.
    pub build: B,
}

/// The entry of this kind.
pub fn find<'a, B>(
    catalogue: &'a [Entry<B>],
    kind: &str,
    place: &str,
) -> Result<&'a Entry<B>, RecipeError> {
    catalogue
        .iter()
        .find(|entry| entry.kind == kind)
        .ok_or_else(|| RecipeError::UnknownKind {
            place: place.to_owned(),
            kind: kind.to_owned(),
            known: catalogue
                .iter()
                .map(|entry| entry.kind.to_owned())
                .collect(),
        })
}

/// The user's table with the defaults of its kind filled in.
///
/// `fallback` is the kind that a table without `kind` gets.
pub fn resolve<B>(
    catalogue: &[Entry<B>],
    user: &Table,
    fallback: &str,
    place: &str,
) -> Result<Table, RecipeError> {
    let kind = match user.get("kind") {
        None => fallback.to_owned(),
        Some(Value::String(kind)) => kind.clone(),
        Some(other) => {
            return Err(RecipeError::value(
                place,
                format!("kind: expected text in quotes, found {}", words::of(other)),
            ));
        }
    };
    let entry = find(catalogue, &kind, place)?;
    let mut resolved = (entry.defaults)();
    resolved.insert("kind".to_owned(), Value::String(kind));
    let of_kinds = |key: &str| {
        let having = catalogue
            .iter()
            .filter(|entry| (entry.defaults)().contains_key(key));
        having.map(|entry| format!("\"{}\"", entry.kind)).collect()
    };
    overlay(&mut resolved, user, place).map_err(|error| error.with_kinds(of_kinds))?;
    Ok(resolved)
}

/// Puts the user's values over `defaults`; a key that has no default is refused.
pub fn overlay(defaults: &mut Table, user: &Table, place: &str) -> Result<(), RecipeError> {
    for (key, value) in user {
        if !defaults.contains_key(key) {
            return Err(RecipeError::unknown_key(place, key, defaults.keys()));
        }
        defaults.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// The kind of a resolved table.
pub fn kind(table: &Table) -> &str {
    table
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The defaults of an options type as a table.
pub fn defaults<T: Default + Serialize>() -> Table {
    Table::try_from(T::default()).expect("internal error: options do not serialize")
}

/// The options in a resolved table.
pub fn options<T: DeserializeOwned>(table: &Table, place: &str) -> Result<T, RecipeError> {
    let mut plain = table.clone();
    plain.remove("kind");
    plain
        .try_into()
        .map_err(|error: toml::de::Error| words::explain(&error, table, place))
}
