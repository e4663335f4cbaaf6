//! The page: header, links to the sections, the sections, footer.

use crate::contents::Contents;
use crate::error::Result;
use crate::sections::render_all;
use crate::text::{count, duration, escape};
use jensen_run::{Observer, RunFolder, file};
use serde_json::Value;
use std::path::PathBuf;

/// The report of a run as one self-contained page of HTML.
///
/// # Errors
/// Where a file of the run is damaged; missing files only leave out their section, and damaged lines of
/// metrics one point, of which `observer` hears.
pub fn html(run: &RunFolder, observer: &mut dyn Observer) -> Result<String> {
    let contents = Contents::read(run, observer)?;
    let sections = render_all(&contents);
    let title = escape(&contents.name);
    let header = header(&contents);
    let links: String = (sections.iter())
        .map(|(info, _)| format!("<a href=\"#{}\">{}</a>\n", info.id, info.title))
        .collect();
    let bodies: String = (sections.iter())
        .map(|(info, body)| {
            let (id, title) = (info.id, info.title);
            format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{body}</section>\n")
        })
        .collect();
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} · jensen</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         {header}<nav>{links}</nav>\n<main>\n{bodies}</main>\n\
         <footer>Written by jensen {}. Everything on this page is inside it.</footer>\n\
         </body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    ))
}

/// Writes [`html`] into the run folder as `report.html`, atomically.
///
/// # Errors
/// As [`html`], and where the file cannot be written.
pub fn write_html(run: &RunFolder, observer: &mut dyn Observer) -> Result<PathBuf> {
    let page = html(run, observer)?;
    Ok(run.write(file::REPORT, page.as_bytes())?)
}

const STYLE: &str = include_str!("page.css");

/// Name, verdict and the facts of the run.
fn header(contents: &Contents) -> String {
    let mut facts: Vec<(&str, String)> = Vec::new();
    let mut setting = |label, paths: &[&str]| {
        if let Some(text) = contents.setting(paths) {
            facts.push((label, text));
        }
    };
    setting("Model", &["name", "recipe", "model.name", "model"]);
    setting(
        "Data",
        &["dataset.name", "data.name", "data", "data.source"],
    );
    setting("Seed", &["seed", "train.seed"]);
    if let Some(last) = contents.records.last() {
        facts.push(("Steps", count(last.step)));
        facts.push(("Epochs", count(last.epoch)));
        facts.push(("Time", duration(last.elapsed_s)));
    }
    match contents.config.get("versions") {
        Some(toml::Value::Table(versions)) => {
            let version = |(name, version): (&String, &toml::Value)| {
                format!("{name} {}", version.to_string().trim_matches('"'))
            };
            let versions: Vec<String> = versions.iter().map(version).collect();
            facts.push(("Versions", versions.join(", ")));
        }
        _ => facts.extend(contents.setting(&["version"]).map(|text| ("Version", text))),
    }
    let facts: String = (facts.iter())
        .map(|(label, text)| format!("<div><dt>{label}</dt><dd>{}</dd></div>\n", escape(text)))
        .collect();
    format!(
        "<header>\n<p class=\"kicker\">jensen run</p>\n<h1>{}</h1>\n{}<dl>\n{facts}</dl>\n</header>\n",
        escape(&contents.name),
        verdict(contents)
    )
}

/// The referee's word: `"verdict"` of `evaluation.json`, a text or `{"word": .., "reason": .., "collapsed": ..}`.
/// Its color says at a glance what the word says.
fn verdict(contents: &Contents) -> String {
    let verdict = contents
        .evaluation
        .as_ref()
        .and_then(|all| all.get("verdict"));
    let text = |value: &Value| value.as_str().map(escape);
    let (word, reason) = match verdict {
        Some(Value::Object(fields)) => (
            fields.get("word").and_then(text),
            fields.get("reason").and_then(text),
        ),
        Some(value) => (text(value), None),
        None => (None, None),
    };
    let Some(word) = word else {
        return String::new();
    };
    let is_collapsed = verdict
        .and_then(|verdict| verdict.get("collapsed"))
        .and_then(Value::as_bool);
    let kind = match (&*word, is_collapsed) {
        (_, Some(true)) => " collapsed",
        ("good", _) => " good",
        ("doubtful", _) => " doubtful",
        _ => "",
    };
    let reason = reason.map_or_else(String::new, |reason| format!(" {reason}"));
    format!("<p class=\"verdict{kind}\"><b>{word}</b>{reason}</p>\n")
}
