//! The pictures of `samples/`, inside the page.
//!
//! Pictures that differ only in a number behind the name (`samples-step-00000100`) are one picture
//! over time: the last is shown, the earlier ones unfold.

use super::SectionInfo;
use crate::contents::{Contents, PictureFile};
use crate::text::{base64, escape};

pub(super) const INFO: SectionInfo = SectionInfo {
    id: "pictures",
    title: "Pictures",
    about: "What the model draws: every picture of the folder samples.",
};

pub(super) fn render(contents: &Contents) -> Option<String> {
    let mut groups: Vec<(&str, Vec<&PictureFile>)> = Vec::new();
    for picture in &contents.pictures {
        let kind = kind(&picture.stem);
        match groups
            .iter_mut()
            .find(|g| g.0 == kind && g.1[0].extension == picture.extension)
        {
            Some((_, group)) => group.push(picture),
            None => groups.push((kind, vec![picture])),
        }
    }
    groups.sort_by_key(|(kind, _)| known(kind).map_or(KNOWN.len(), |(rank, _)| rank));
    let mut shown = String::new();
    let mut folded = String::new();
    for (kind, group) in &groups {
        let (last, earlier) = group.split_last()?;
        shown += &figure(kind, last);
        folded.extend(earlier.iter().rev().map(|picture| figure(kind, picture)));
    }
    if !folded.is_empty() {
        folded = format!(
            "<details><summary>Earlier pictures</summary>\n\
             <div class=\"pictures\">\n{folded}</div></details>\n"
        );
    }
    let page = format!("<div class=\"pictures\">\n{shown}</div>\n{folded}");
    (!groups.is_empty()).then_some(page)
}

/// Beginning of the name, heading, what it shows; in the order to show.
const KNOWN: [(&str, &str, &str); 8] = [
    (
        "reconstruction",
        "Reconstructions",
        "Originals beside what the model makes of their codes.",
    ),
    (
        "sample",
        "Samples",
        "Drawn from the prior and decoded; no example was looked at.",
    ),
    (
        "traversal",
        "Latent traversal",
        "Each row changes the latent dimension at its left to the values above and keeps the others.",
    ),
    (
        "traverse",
        "Latent traversal",
        "Each row changes one latent dimension and keeps the others.",
    ),
    (
        "interpolation-linear",
        "Interpolation on straight lines",
        "From one example to another, whose positions in the part of the data stand at the left, along the straight line between their codes.",
    ),
    (
        "interpolation-spherical",
        "Interpolation on great circles",
        "From one example to another, whose positions in the part of the data stand at the left; the codes keep their distance from the origin, where a normal prior has its mass.",
    ),
    (
        "interpolation",
        "Interpolation",
        "From one example to another along a path through latent space.",
    ),
    ("latent", "Latent space", "Where the examples lie."),
];

fn known(kind: &str) -> Option<(usize, &'static (&'static str, &'static str, &'static str))> {
    KNOWN
        .iter()
        .enumerate()
        .find(|(_, (prefix, ..))| kind.starts_with(prefix))
}

/// The name without a number behind it and the word for what is counted.
fn kind(stem: &str) -> &str {
    let bare = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare = bare.trim_end_matches(['-', '_']);
    let bare = ["step", "epoch"]
        .iter()
        .find_map(|word| bare.strip_suffix(word))
        .unwrap_or(bare);
    let bare = bare.trim_end_matches(['-', '_']);
    if bare.is_empty() { stem } else { bare }
}

fn figure(kind: &str, picture: &PictureFile) -> String {
    let known = known(kind).map(|(_, known)| known);
    let (heading, text) = match known {
        Some((_, heading, text)) => ((*heading).to_owned(), *text),
        None => (kind.replace(['-', '_'], " "), ""),
    };
    let PictureFile {
        stem,
        extension,
        bytes,
    } = picture;
    let size = size(extension, bytes);
    // A picture much wider than high takes a row of its own.
    let wide = size.is_some_and(|(width, height)| width > 2 * height);
    let class = if wide { " class=\"full\"" } else { "" };
    let attributes = match size {
        // A small picture is shown larger, every pixel by a whole factor.
        Some((width, height)) if (1..SMALL).contains(&width) => {
            let factor = SMALL.div_ceil(width);
            format!(
                " width=\"{}\" height=\"{}\"",
                factor * width,
                factor * height
            )
        }
        Some((width, height)) => format!(" width=\"{width}\" height=\"{height}\""),
        None => String::new(),
    };
    let mime = if extension == "svg" {
        "svg+xml"
    } else {
        &**extension
    };
    let (heading, name) = (escape(&heading), escape(&format!("{stem}.{extension}")));
    format!(
        "<figure{class}><img{attributes} alt=\"{heading}\" src=\"data:image/{mime};base64,{}\">\
         <figcaption><strong>{heading}</strong> {text} <code>{name}</code></figcaption></figure>\n",
        base64(bytes)
    )
}

/// Pictures narrower than this are enlarged, pixels.
const SMALL: u32 = 160;

/// Width and height in pixels, from the first bytes of a PNG or GIF file.
fn size(extension: &str, bytes: &[u8]) -> Option<(u32, u32)> {
    match extension {
        "png" => {
            let number = |at: usize| {
                bytes
                    .get(at..at + 4)?
                    .try_into()
                    .ok()
                    .map(u32::from_be_bytes)
            };
            Some((number(16)?, number(20)?))
        }
        "gif" => {
            let number = |at: usize| {
                bytes
                    .get(at..at + 2)?
                    .try_into()
                    .ok()
                    .map(u16::from_le_bytes)
            };
            Some((number(6)?.into(), number(8)?.into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_behind_a_name_are_no_part_of_it() {
        for (stem, expected) in [
            ("samples", "samples"),
            ("samples-step-00000100", "samples"),
            ("samples_epoch_3", "samples"),
            ("interpolation-spherical-02", "interpolation-spherical"),
            ("2024", "2024"),
        ] {
            assert_eq!(kind(stem), expected);
        }
    }
}
