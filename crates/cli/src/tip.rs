//! What helps where an option of a recipe was given as one of the program, as in `jensen fit vae --epochs 3`.
//!
//! The argument parser takes such a word for a value that begins with a dash, or for one of its own few options.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use jensen::recipes::RecipeRequest;

/// Verbs that take a recipe, or the run of one, and `--set`.
const VERBS: [&str; 4] = ["fit", "resume", "check", "reproduce"];

/// Says in an error of the argument parser how to set the option of a recipe that its unknown word may stand for.
pub(crate) fn add(error: &mut clap::Error, words: &[String]) {
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return;
    };
    let has_similar = error.get(ContextKind::SuggestedArg).is_some();
    if let Some(tip) = tip(words, unknown, has_similar) {
        error.remove(ContextKind::SuggestedArg);
        let tip = ContextValue::StyledStrs(vec![tip.into()]);
        error.insert(ContextKind::Suggested, tip);
    }
}

/// The tip for an unknown option among the words behind `jensen`; `has_similar` says that the program has an
/// option of a similar name, which then stands for more than a key that is only similar, too.
fn tip(words: &[String], unknown: &str, has_similar: bool) -> Option<String> {
    let is_flag = |word: &&String| word.starts_with('-');
    let mut named = words.iter().filter(|word| !is_flag(word));
    let verb = named.next().filter(|verb| VERBS.contains(&verb.as_str()))?;
    let option = unknown.strip_prefix("--")?;
    let option = option.split('=').next()?.replace('-', "_");
    let resolved = |model: &str| RecipeRequest::of(model).resolve().ok();
    let recipe = named.next().and_then(|model| resolved(model));
    let recipe = recipe.or_else(|| resolved("vae"))?;
    let key = match (recipe.key_called(&option), has_similar) {
        (Some(key), _) => key,
        (None, true) => return None,
        (None, false) => match recipe.key_like(&option) {
            Some(key) => key,
            None => return Some("`--set KEY=VALUE` sets an option of the recipe".to_owned()),
        },
    };
    let value = value_of(words, unknown).unwrap_or("VALUE");
    let set = jensen::shell_word(format!("{key}={value}"));
    Some(format!(
        "`jensen {verb}` sets options of the recipe by their keys: `--set {set}`"
    ))
}

/// What stands behind an option, or in it after an equals sign.
fn value_of<'a>(words: &'a [String], option: &str) -> Option<&'a str> {
    let name = option.split('=').next()?;
    let at = (words.iter()).position(|word| word.split('=').next() == Some(name))?;
    if let Some((_, value)) = words[at].split_once('=') {
        return Some(value);
    }
    let next = words.get(at + 1)?;
    let is_value = !next.starts_with('-') || next.parse::<f64>().is_ok();
    is_value.then_some(next.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_recipe_point_to_their_keys() {
        for (line, unknown, expected) in [
            ("fit vae --epochs 3", "--epochs", "--set train.epochs=3`"),
            ("fit vae --epochs=3", "--epochs", "--set train.epochs=3`"),
            ("fit --epochs 3 vae", "--epochs", "--set train.epochs=3`"),
            ("-q fit vae --epoch 3", "--epoch", "--set train.epochs=3`"),
            ("fit vae --Epochs 3", "--Epochs", "--set train.epochs=3`"),
            (
                "fit vae --epochs --json",
                "--epochs",
                "--set train.epochs=VALUE`",
            ),
            ("resume runs/a --epochs 9", "--epochs", "`jensen resume`"),
            (
                "check vae --batch-size 64",
                "--batch-size",
                "--set data.batch=64`",
            ),
            (
                "fit vae --min-steps 9",
                "--min-steps",
                "--set train.min_steps=9`",
            ),
            (
                "fit conv-vae --stride 1",
                "--stride",
                "--set decoder.stride=1`",
            ),
            (
                "reproduce beta-vae --beta -1",
                "--beta",
                "--set objective.rate.z.weight=-1`",
            ),
            ("fit vae --frobnicate", "--frobnicate", "`--set KEY=VALUE`"),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let tip = tip(&words, unknown, false).unwrap();
            assert!(tip.contains(expected), "{line}: {tip}");
        }
    }

    #[test]
    fn other_words_keep_the_tips_of_the_parser() {
        let none = |line: &str, unknown: &str, has_similar| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(tip(&words, unknown, has_similar), None, "{line}");
        };
        none("sample runs/a --epochs 3", "--epochs", false);
        none("fit vae -e 3", "-e", false);
        // `--out` is nearer than any key.
        none("fit vae --oout x", "--oout", true);
        none("fit vae --epoch 3", "--epoch", true);
        let words = ["fit", "vae", "--epochs", "3"].map(str::to_owned);
        assert!(tip(&words, "--epochs", true).is_some());
    }
}
