//! The resolved configuration, as it stands in the run folder.

use super::SectionInfo;
use crate::contents::Contents;
use crate::text::escape;

pub(super) const INFO: SectionInfo = SectionInfo {
    id: "config",
    title: "Configuration",
    about: "Every setting of the run with its value, from config.toml.",
};

pub(super) fn render(contents: &Contents) -> Option<String> {
    let lines = contents.config_text.trim_end().lines().map(colored);
    let text = lines.collect::<Vec<_>>().join("\n");
    Some(format!("<pre><code>{text}</code></pre>\n"))
}

/// A line of TOML with its heading, comment or key marked.
fn colored(line: &str) -> String {
    let start = line.trim_start();
    if start.starts_with('#') {
        format!("<span class=\"soft\">{}</span>", escape(line))
    } else if start.starts_with('[') && line.trim_end().ends_with(']') {
        format!("<b>{}</b>", escape(line))
    } else {
        match line.split_once('=') {
            Some((key, value)) => format!("<i>{}</i>={}", escape(key), escape(value)),
            None => escape(line),
        }
    }
}
