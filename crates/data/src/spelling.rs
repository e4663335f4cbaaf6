//! Which known name a misspelled one may stand for.
//!
//! Similarity of Jaro and Winkler, in [0, 1], without regard to upper and lower case; a single slip (a letter
//! more, less or other, or two exchanged) is as good as none where a name has three letters or more, which have
//! little else in common then.

/// Similarity from which a name is offered as a correction.
const SIMILAR: f64 = 0.75;
/// A single slip, and none but of case.
const SLIP: f64 = 1.0;
const SAME: f64 = 2.0;

/// The most similar of the known names, if any is similar.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let name = name.to_lowercase();
    let similarity = |known: &str| {
        let known = known.to_lowercase();
        match strsim::osa_distance(&name, &known) {
            0 => SAME,
            1 if known.len() > 2 => SLIP,
            _ => strsim::jaro_winkler(&name, &known),
        }
    };
    known
        .map(|known| (similarity(known), known))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_letters_and_of_case_are_mended() {
        let known = [
            "vae",
            "iwae",
            "conv-vae",
            "digits",
            "mnist",
            "fashion-mnist",
            "aVe",
        ];
        let known = known.map(str::to_owned);
        for (name, expected) in [
            ("vae", Some("vae")),
            ("VAE", Some("vae")),
            ("Iwae", Some("iwae")),
            ("CONV-VA", Some("conv-vae")),
            ("AVE", Some("aVe")),
            ("MNIST", Some("mnist")),
            ("mnits", Some("mnist")),
            ("Fashion", Some("fashion-mnist")),
            ("digit", Some("digits")),
            ("imagenet", None),
            ("IMAGENET", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.iter()).as_deref(), expected, "{name}");
        }
    }
}
