//! The line of a progress bar: what is said of a step, and how much of it fits into the terminal.
//!
//! `ELBO -20.31 = log p(x|z) -13.10 - KL 7.21  mmd.z 0.01 x50  48k/s`. Where that is too long, the bar
//! becomes shorter and goes, then the further terms go from the last, then the parts of the bound.

use jensen::report::plain_number;

/// Signs of a bar at most.
const BAR: usize = 20;
/// A shorter bar shows nothing.
const SHORTEST_BAR: usize = 5;
/// Room for the time that is left, with the space before it: ` 59m left`.
const ETA: usize = 10;

/// What is said of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    /// `ELBO -20.31`.
    bound: String,
    /// ` = log p(x|z) -13.10 - KL 7.21`.
    split: String,
    /// The other terms, `mmd.z 0.01 x50` each.
    others: Vec<String>,
}

impl Values {
    /// The bound and its terms. A weight that is not 1 stands behind its term.
    pub(crate) fn of(metrics: &[(&str, f64)]) -> Self {
        let get = |name: &str| metrics.iter().find(|(n, _)| *n == name).map(|(_, x)| *x);
        let weight = |term: &str| match get(&format!("weight.{term}")) {
            Some(weight) => format!(" x{}", (weight * 100.0).round() / 100.0),
            None => String::new(),
        };
        let rates: Vec<&str> = (metrics.iter())
            .filter_map(|(name, _)| name.starts_with("kl.").then_some(*name))
            .collect();
        // One latent's rate is the KL itself.
        let only_rate = (rates.len() == 1).then(|| rates[0]);
        let mut values = Self::default();
        if let (Some(elbo), Some(fit), Some(kl)) = (get("elbo"), get("log_likelihood"), get("kl")) {
            let (elbo, fit, kl) = (short(elbo), short(fit), short(kl));
            values.bound = format!("ELBO {elbo}");
            let weight = only_rate.map_or_else(String::new, weight);
            values.split = format!(" = log p(x|z) {fit} - KL {kl}{weight}");
        }
        for (name, value) in metrics {
            let is_said = matches!(*name, "elbo" | "log_likelihood" | "kl" | "loss");
            if is_said || Some(*name) == only_rate || name.starts_with("weight.") {
                continue;
            }
            values
                .others
                .push(format!("{name} {}{}", short(*value), weight(name)));
        }
        values
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        self.with(self.others.len(), true)
    }

    fn with(&self, n_others: usize, is_split: bool) -> String {
        let mut text = self.bound.clone();
        if is_split {
            text += &self.split;
        }
        for other in &self.others[..n_others] {
            text += &format!("  {other}");
        }
        text
    }

    /// Signs of the bar, and the text that fits beside it into a line of `width` signs behind `prefix`.
    pub(crate) fn fit(&self, width: usize, prefix: &str, speed: &str) -> (usize, String) {
        let texts = (0..=self.others.len()).rev().map(|n| self.with(n, true));
        let mut texts: Vec<String> = texts.chain([self.with(0, false)]).collect();
        texts
            .iter_mut()
            .filter(|_| !speed.is_empty())
            .for_each(|text| *text += &format!("  {speed}"));
        texts.push(self.with(0, false));
        let room = |text: &str| {
            let taken = prefix.chars().count() + 1 + text.chars().count() + ETA;
            width.checked_sub(taken)
        };
        let fitting = texts
            .iter()
            .find_map(|text| Some((room(text)?, text.clone())));
        let (room, text) = fitting.unwrap_or_default();
        (bar(room), text)
    }
}

/// Signs of a bar where there is room for so many, with the space behind it.
pub(crate) fn bar(room: usize) -> usize {
    match room.saturating_sub(1).min(BAR) {
        length if length < SHORTEST_BAR => 0,
        length => length,
    }
}

/// Signs of the bar of counted work: `{what} {bar} {done} of {total} {unit}  {eta} left`.
pub(crate) fn bar_beside_count(width: usize, what: &str, total: Option<u64>, unit: &str) -> usize {
    let digits = total.map_or(1, |total| total.to_string().len());
    let taken = what.chars().count() + 1 + 2 * digits + 4 + unit.chars().count() + 3 + ETA;
    bar(width.saturating_sub(taken))
}

/// Four digits of a number.
fn short(x: f64) -> String {
    match x.abs() {
        size if size >= 1e6 => plain_number(x),
        size if size >= 999.5 => format!("{x:.0}"),
        size if size >= 99.95 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

pub(crate) fn speed(per_second: f64) -> String {
    match per_second {
        x if !x.is_finite() => String::new(),
        x if x >= 1e4 => format!("{:.0}k/s", x / 1e3),
        x if x >= 1e3 => format!("{:.1}k/s", x / 1e3),
        x => format!("{x:.0}/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: [(&str, f64); 8] = [
        ("elbo", -20.314),
        ("log_likelihood", -13.1),
        ("kl", 7.214),
        ("loss", 20.3),
        ("kl.z", 7.214),
        ("mmd.z", 0.012),
        ("weight.kl.z", 0.3456),
        ("weight.mmd.z", 50.0),
    ];

    #[test]
    fn the_bound_is_shown_with_its_terms() {
        assert_eq!(
            Values::of(&METRICS).text(),
            "ELBO -20.31 = log p(x|z) -13.10 - KL 7.21 x0.35  mmd.z 0.01 x50"
        );
        assert_eq!(speed(48_230.0), "48k/s");
        assert_eq!(short(-543.21), "-543.2");
        assert_eq!(short(-4.321e12), "-4.32e12");
    }

    #[test]
    fn a_line_is_never_longer_than_the_terminal() {
        let values = Values::of(&METRICS);
        let prefix = "epoch 364/364";
        for width in 0..200 {
            let (bar, text) = values.fit(width, prefix, "48k/s");
            let room = if bar == 0 { 0 } else { bar + 1 };
            let length = prefix.len() + 1 + room + text.len() + ETA;
            assert!(length <= width || text.is_empty(), "{width}: {length}");
        }
        // Numbers are whole, and the most important stay.
        let fit = |width| values.fit(width, prefix, "48k/s");
        assert_eq!(fit(200), (20, values.text() + "  48k/s"));
        let (bar, text) = Values::of(&METRICS[..5]).fit(80, prefix, "48k/s");
        assert_eq!(text, "ELBO -20.31 = log p(x|z) -13.10 - KL 7.21  48k/s");
        assert_eq!(bar, 80 - prefix.len() - 1 - text.len() - ETA - 1);
        assert_eq!(fit(60).1, "ELBO -20.31  48k/s");
        assert_eq!(fit(36).1, "ELBO -20.31");
        assert_eq!(fit(20), (0, String::new()));
    }

    #[test]
    fn counted_work_keeps_its_numbers() {
        let bar =
            |width| bar_beside_count(width, "importance sampling, K = 100", Some(360), "examples");
        assert_eq!(bar(200), 20);
        assert!((SHORTEST_BAR..20).contains(&bar(70)));
        assert_eq!(bar(40), 0);
    }
}
