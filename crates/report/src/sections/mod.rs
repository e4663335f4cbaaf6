//! The sections of a report, one per file, and their catalogue.
//!
//! A section turns the contents of a run into a piece of HTML, or into nothing where the run has
//! nothing for it. To add one, write its file and list it here.

mod config;
mod curves;
mod headline;
mod latent;
mod pictures;

use crate::contents::Contents;

/// A section for people and for the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionInfo {
    /// Name in links: `report.html#curves`.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What it shows, and from which file.
    pub about: &'static str,
}

/// What makes a section's HTML.
type Render = fn(&Contents) -> Option<String>;

/// All sections in the order of the page.
pub fn sections() -> impl Iterator<Item = SectionInfo> {
    ALL.iter().map(|(info, _)| *info)
}

const ALL: [(SectionInfo, Render); 5] = [
    (headline::INFO, headline::render),
    (pictures::INFO, pictures::render),
    (curves::INFO, curves::render),
    (latent::INFO, latent::render),
    (config::INFO, config::render),
];

/// The sections that this run has something for.
pub(crate) fn render_all(contents: &Contents) -> Vec<(SectionInfo, String)> {
    ALL.iter()
        .filter_map(|(info, render)| Some((*info, render(contents)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_complete() {
        let n_files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/sections"))
            .unwrap()
            .count();
        assert_eq!(ALL.len(), n_files - 1, "one file a section, and this one");
        for (i, section) in sections().enumerate() {
            assert!(!section.title.is_empty() && section.about.ends_with('.'));
            assert!(sections().take(i).all(|other| other.id != section.id));
        }
    }
}
