//! Pictures of the examples: those that the page of examples shows are drawn, whole, and as full as the page's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every curve is drawn with at least this share of the characters of the one on the page: what was measured may differ,
/// a part of it may not be missing.
const LEAST_SHARE: f64 = 0.8;

/// Two numbers at each of two axes.
const LEAST_NUMBERS: usize = 4;

/// Checks that a folder holds the pictures that `docs/examples.md` shows for an example, and no other; that their elements
/// nest and their numbers are finite; and that each has the title, the words and the curves of the picture on the page.
pub fn check_pictures(folder: &Path, example: &str) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = fs::read_to_string(docs.join("examples.md")).expect("the page of examples");
    let (_, section) = (page.split_once(&format!("--example {example}\n")))
        .unwrap_or_else(|| panic!("the page does not show {example}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let shown = section.split("](images/").skip(1);
    let shown: BTreeSet<&str> = shown
        .filter_map(|part| Some(part.split_once(')')?.0))
        .collect();
    assert!(!shown.is_empty(), "the page shows no picture of {example}");
    let drawn = fs::read_dir(folder).expect("the folder of the pictures");
    let drawn: BTreeSet<String> = drawn
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into())
        .collect();
    let drawn: BTreeSet<&str> = drawn.iter().map(String::as_str).collect();
    assert_eq!(drawn, shown, "pictures of {example}");
    for name in shown {
        let read = |folder: &Path| fs::read_to_string(folder.join(name)).expect("a picture");
        let (svg, expected) = (read(folder), read(&docs.join("images")));
        check_nesting(name, &svg);
        assert_eq!(title(&svg), title(&expected), "{name}");
        let (words, numbers) = texts(&svg);
        assert_eq!(words, texts(&expected).0, "words of {name}");
        assert!(
            numbers >= LEAST_NUMBERS,
            "{name}: {numbers} numbers at the axes"
        );
        let (paths, shown_paths) = (curves(&svg), curves(&expected));
        assert_eq!(paths.len(), shown_paths.len(), "curves of {name}");
        for (path, shown_path) in paths.iter().zip(&shown_paths) {
            let path_lower = path.to_lowercase();
            assert!(
                !path_lower.contains("nan") && !path_lower.contains("inf"),
                "{name}: {path}"
            );
            let is_full = path.len() as f64 >= LEAST_SHARE * shown_path.len() as f64;
            assert!(is_full, "{name} has only a part of a curve: {path}");
        }
    }
}

/// The words of a picture, in order, and how many numbers stand at its axes.
fn texts(svg: &str) -> (Vec<&str>, usize) {
    let texts = svg.split("<text").skip(1);
    let texts = texts.filter_map(|part| part.split_once('>')?.1.split('<').next());
    let (numbers, words): (Vec<&str>, Vec<&str>) = texts.partition(|text| {
        text.trim_start_matches('−')
            .starts_with(|c: char| c.is_ascii_digit())
    });
    (words, numbers.len())
}

/// What every path draws that is no part of the axes: their marks follow what was measured, a time for example.
fn curves(svg: &str) -> Vec<&str> {
    let paths = svg.split("<path").skip(1);
    paths
        .filter_map(|part| part.split_once('>').map(|(tag, _)| tag))
        .filter(|tag| !tag.contains("class=\"grid\"") && !tag.contains("class=\"axis\""))
        .filter_map(|tag| tag.split(" d=\"").nth(1).map(until_quote))
        .collect()
}

fn until_quote(part: &str) -> &str {
    part.split('"').next().unwrap_or_default()
}

/// What the picture is called for those who do not see it.
fn title(svg: &str) -> &str {
    svg.split("aria-label=\"").nth(1).map_or("", until_quote)
}

/// Elements have to nest, and one holds all the others.
fn check_nesting(name: &str, svg: &str) {
    assert!(svg.starts_with("<svg "), "{name} is no picture");
    let mut open: Vec<&str> = Vec::new();
    for (i, piece) in svg.split('<').skip(1).enumerate() {
        let (tag, _) = (piece.split_once('>')).unwrap_or_else(|| panic!("{name}: <{piece}"));
        assert!(
            i == 0 || !open.is_empty(),
            "{name}: <{tag}> beside the root"
        );
        let element = tag.trim_matches('/').split_whitespace().next();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), element, "{name}");
        } else if !tag.ends_with('/') {
            open.extend(element);
        }
    }
    assert!(open.is_empty(), "{name}: left open: {open:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn what_does_not_nest_is_refused() {
        check_nesting("good", "<svg a=\"1\"><g><path/>text</g></svg>\n");
        for bad in [
            "<svg ><g></svg>",
            "<svg >",
            "<g></g>",
            "<svg ></svg><g></g>",
            "<svg ><path</svg>",
        ] {
            assert!(catch_unwind(|| check_nesting("bad", bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn axes_are_told_from_words_and_curves() {
        let svg = "<svg ><text x=\"1\">a word</text><path class=\"axis\" d=\"M1 2\"/><text class=\"end\">−0.5</text>\
                   <text >10k</text><path d=\"M3 4L5 6\" class=\"line\"/></svg>";
        assert_eq!(texts(svg), (vec!["a word"], 2));
        assert_eq!(curves(svg), ["M3 4L5 6"]);
    }
}
