//! The plan that `check` makes.

use super::json;
use super::table::Table;
use crate::args::Style;
use crate::console::{bold, dim, result};
use jensen::verb::check::Plan;

/// Shows a plan.
pub(crate) fn plan(plan: &Plan, style: Style) {
    match style.json {
        true => json("check", plan),
        false => result(&text(plan)),
    }
}

fn text(plan: &Plan) -> String {
    let [n_train, n_validation, n_test] = plan.n_examples;
    let mut facts = Table::default();
    let data = format!(
        "{}: {}; {n_train} for training, {n_validation} for validation, {n_test} for test",
        plan.data.name, plan.data.layout
    );
    facts.row(&[&dim("data"), &data]);
    if let Some(names) = &plan.classes {
        let shown = names[..names.len().min(MOST_CLASSES)].join(", ");
        let more = if names.len() > MOST_CLASSES {
            ", ..."
        } else {
            ""
        };
        let classes = format!("{} classes: {shown}{more}", names.len());
        facts.row(&[&dim("labels"), &classes]);
    }
    for (place, part) in &plan.parts {
        facts.row(&[&dim(place), part]);
    }
    let size = format!("{} parameters", plan.n_parameters);
    facts.row(&[&dim("size"), &size]);
    let work = format!(
        "{} epochs, {} steps of {} examples, about {} each and {} in all",
        plan.epochs,
        plan.steps,
        plan.batch,
        flop(plan.flop_per_step),
        flop(plan.flop_per_step * plan.steps as f64)
    );
    facts.row(&[&dim("training"), &work]);

    let mut layers = Table::default();
    layers.head(&["layer", "output", "parameters", "forward, per example"]);
    for layer in &plan.layers {
        let output: Vec<String> = layer.output.iter().map(ToString::to_string).collect();
        layers.row(&[
            &layer.name,
            &output.join(" x "),
            &layer.n_parameters.to_string(),
            &flop(layer.flop),
        ]);
    }
    let title = bold(&plan.model);
    format!("{title}\n{}\n{}", facts.text(), layers.text())
}

/// More names fill the line and tell no more.
const MOST_CLASSES: usize = 12;

/// A number of floating-point operations in words.
fn flop(x: f64) -> String {
    let (value, prefix) = match x {
        x if x >= 1e15 => (x / 1e15, "P"),
        x if x >= 1e12 => (x / 1e12, "T"),
        x if x >= 1e9 => (x / 1e9, "G"),
        x if x >= 1e6 => (x / 1e6, "M"),
        x => (x / 1e3, "k"),
    };
    format!("{value:.1} {prefix}FLOP")
}

#[cfg(test)]
mod tests {
    use super::flop;

    #[test]
    fn operations_in_words() {
        assert_eq!(flop(51_200.0), "51.2 kFLOP");
        assert_eq!(flop(2.5e12), "2.5 TFLOP");
    }
}
