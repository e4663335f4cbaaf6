//! The pictures of `samples/`, inside the page.
//!
//! Pictures that differ only in a number behind the name (`samples-step-00000100`) are one picture
//! over time: the last is shown, the earlier ones unfold. What was made of other data than the run's has
//! their name behind (`reconstructions-of-others`), says so and comes after the run's own.

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
    groups.sort_by_key(|(kind, group)| {
        let rank = known(kind).map_or(KNOWN.len(), |(rank, _)| rank);
        (other_data(kind), rank, is_gif(&group[0].extension))
    });
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
        "Originals above what the model makes of their codes.",
    ),
    (
        "sample",
        "Samples",
        "Drawn from the prior and decoded; no example was looked at.",
    ),
    (
        "traversal",
        "Latent traversal",
        "Each row changes the latent dimension at its left to the values above and keeps the others; an unused one changes nothing.",
    ),
    (
        "traverse",
        "Latent traversal",
        "Each row changes one latent dimension and keeps the others.",
    ),
    (
        "interpolation-linear",
        "Interpolation on straight lines",
        "From one example to another along the straight line between their codes. At the left stand the positions of both in the part of the data, with their classes in brackets where they have some.",
    ),
    (
        "interpolation-spherical",
        "Interpolation on great circles",
        "From one example to another along a great circle, which keeps to the distance from the origin where a normal prior has its mass. At the left stand the positions of both in the part of the data, with their classes in brackets where they have some.",
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

/// The name of the other data that a picture was made of; none for the run's own.
fn other_data(stem: &str) -> Option<&str> {
    stem.split_once("-of-").map(|(_, data)| data)
}

/// The name without a number behind it and the word for what is counted; that of other data stays whole.
fn kind(stem: &str) -> &str {
    if other_data(stem).is_some() {
        return stem;
    }
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
    let PictureFile {
        stem,
        extension,
        bytes,
    } = picture;
    let known = known(kind).map(|(_, known)| known);
    let (mut heading, mut text) = match known {
        Some((_, heading, text)) => ((*heading).to_owned(), *text),
        None => (kind.replace(['-', '_'], " "), ""),
    };
    if let (Some(data), Some(_)) = (other_data(kind), known) {
        heading = format!("{heading} of other data, {data}");
    }
    // Only pictures that stand still have labels.
    if is_gif(extension) && known.is_some() {
        text = "The same, moving.";
    }
    let mime = match &*extension.to_ascii_lowercase() {
        "svg" => "svg+xml".to_owned(),
        other => other.to_owned(),
    };
    let size = size(&mime, bytes);
    // A picture much wider than high takes a row of its own.
    let wide = size.is_some_and(|(width, height)| width > 2 * height);
    let class = match &*mime {
        // Its letters have to be read.
        "svg+xml" => " class=\"full drawing\"",
        _ if wide => " class=\"full\"",
        _ => "",
    };
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
    let (heading, name) = (escape(&heading), escape(&format!("{stem}.{extension}")));
    format!(
        "<figure{class}><img{attributes} alt=\"{heading}\" src=\"data:image/{mime};base64,{}\">\
         <figcaption><strong>{heading}</strong> {text} <code>{name}</code></figcaption></figure>\n",
        base64(bytes)
    )
}

/// Pictures narrower than this are enlarged, pixels.
const SMALL: u32 = 160;

fn is_gif(extension: &str) -> bool {
    extension.eq_ignore_ascii_case("gif")
}

/// Width and height in pixels, from the first bytes of a PNG or GIF file.
fn size(format: &str, bytes: &[u8]) -> Option<(u32, u32)> {
    match format {
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
            ("samples-of-part-2", "samples-of-part-2"),
        ] {
            assert_eq!(kind(stem), expected);
        }
    }
}
