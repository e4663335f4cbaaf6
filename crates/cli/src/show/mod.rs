//! Results as text for people, or as one JSON object for programs.

mod catalogue;
mod metrics;
mod plan;
mod table;

pub(crate) use catalogue::{data, groups, models};
pub(crate) use plan::plan;

use crate::args::Style;
use crate::console::{bold, colored, dim, result};
use jensen::report::plain_number;
use jensen::verb::evaluate::Evaluated;
use jensen::verb::export::Exported;
use jensen::verb::fit::Status;
use jensen::verb::import::Imported;
use jensen::verb::output::Written;
use jensen::verb::report::Reported;
use jensen::verb::reproduce::{Check, Reproduced};
use jensen::verb::verdict::Verdict;
use jensen::{Fitted, shell_word};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use table::Table;

/// A result with the verb's name in front, as JSON.
fn json(verb: &str, value: &impl Serialize) {
    let mut object = json!({ "verb": verb });
    match serde_json::to_value(value).expect("internal error: a result is plain data") {
        Value::Object(fields) => object
            .as_object_mut()
            .expect("internal error: an object was made above")
            .extend(fields),
        other => object["items"] = other,
    }
    result(&object.to_string());
}

/// The result of `fit` and `resume`.
pub(crate) fn fitted(verb: &str, fitted: &Fitted, style: Style) {
    if style.json {
        return json(verb, fitted);
    }
    if style.quiet {
        return result(&fitted.run.display().to_string());
    }
    result(&fit_text(fitted));
}

fn fit_text(fitted: &Fitted) -> String {
    if fitted.status == Status::Stopped {
        return format!(
            "{} after step {}; the state is saved\n{}    jensen resume {}",
            bold("stopped"),
            fitted.step,
            dim("go on"),
            shell_word(&fitted.run)
        );
    }
    let mut text = metrics::text(&fitted.metrics);
    if let Some(verdict) = &fitted.verdict {
        text += &verdict_text(verdict);
    }
    let mut lines = Table::default();
    if fitted.status != Status::Unchanged {
        lines.row(&[&dim("time"), &format!("{:.1} s", fitted.elapsed_s)]);
    }
    lines.row(&[&dim("run"), &fitted.run.display().to_string()]);
    if let Some(report) = &fitted.report {
        lines.row(&[&dim("report"), &report.display().to_string()]);
    }
    let next = format!("jensen sample {}", shell_word(&fitted.run));
    lines.row(&[&dim("next"), &next]);
    text + &lines.text()
}

fn verdict_text(verdict: &Verdict) -> String {
    let word = colored(&verdict.word, verdict.word == "good");
    format!("{}  {word}: {}\n", dim("verdict"), verdict.reason)
}

/// The result of `reproduce`.
pub(crate) fn reproduced(reproduced: &Reproduced, style: Style) {
    if style.json {
        return json("reproduce", reproduced);
    }
    let mut text = match style.quiet {
        true => String::new(),
        false => fit_text(&reproduced.fitted) + "\n",
    };
    if reproduced.checks.is_empty() {
        return result(&text);
    }
    let mut table = Table::default();
    table.head(&["metric", "expected", "value", ""]);
    for check in &reproduced.checks {
        let value = match check.value {
            Some(value) => plain_number(value),
            None => "not measured".to_owned(),
        };
        let word = if check.pass { "pass" } else { "FAIL" };
        let word = colored(word, check.pass);
        table.row(&[&check.metric, &bounds(check), &value, &word]);
    }
    text += &table.text();
    text += &match reproduced.pass {
        true => colored("reproduced", true),
        false => colored("not reproduced", false),
    };
    result(&text);
}

fn bounds(check: &Check) -> String {
    let number = plain_number;
    match (check.min, check.max) {
        (Some(min), Some(max)) => format!("{} to {}", number(min), number(max)),
        (Some(min), None) => format!("at least {}", number(min)),
        (None, Some(max)) => format!("at most {}", number(max)),
        (None, None) => "anything".to_owned(),
    }
}

/// The result of verbs that write files.
pub(crate) fn written(verb: &str, written: &Written, style: Style) {
    if style.json {
        return json(verb, written);
    }
    let mut text = String::new();
    for file in &written.files {
        text += &format!("{}\n", file.display());
    }
    if !style.quiet {
        text += &metrics::text(&written.metrics);
    }
    result(&text);
}

/// The result of `evaluate`.
pub(crate) fn evaluated(evaluated: &Evaluated, style: Style) {
    if style.json {
        return json("evaluate", evaluated);
    }
    let mut text = metrics::text(&evaluated.metrics);
    text += &metrics::kl_text(&evaluated.kl_per_dim, evaluated.units[1]);
    if let Some(verdict) = &evaluated.verdict {
        text += &verdict_text(verdict);
    }
    result(&text);
}

/// The result of `report`.
pub(crate) fn reported(reported: &Reported, style: Style) {
    match style.json {
        true => json("report", reported),
        false => path_line(&reported.report),
    }
}

/// The result of `import`.
pub(crate) fn imported(imported: &Imported, style: Style) {
    if style.json {
        return json("import", imported);
    }
    path_line(&imported.run);
}

/// The result of `export`.
pub(crate) fn exported(exported: &Exported, style: Style) {
    if style.json {
        return json("export", exported);
    }
    path_line(&exported.file);
}

fn path_line(path: &Path) {
    result(&path.display().to_string());
}
