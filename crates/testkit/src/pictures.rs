//! Pictures of the examples: those that the page of examples shows are drawn, whole, and as full as the page's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A picture has at least this share of the elements and of the lines of the one on the page: what was measured may
/// differ, curves and labels may not be missing.
const LEAST_SHARE: f64 = 0.8;

/// Checks that a folder holds the pictures that `docs/examples.md` shows for an example, and no other; that their elements
/// nest and their numbers are finite; and that each has the title, the elements and the lines of the picture on the page.
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
        let lines = |svg: &str| -> String { svg.split(" d=\"").skip(1).map(until_quote).collect() };
        let numbers = lines(&svg).to_lowercase();
        assert!(
            !numbers.contains("nan") && !numbers.contains("inf"),
            "{name}"
        );
        for (what, found, least) in [
            (
                "paths",
                svg.matches("<path").count(),
                expected.matches("<path").count(),
            ),
            (
                "texts",
                svg.matches("<text").count(),
                expected.matches("<text").count(),
            ),
            ("lines", numbers.len(), lines(&expected).len()),
        ] {
            let is_full = found as f64 >= LEAST_SHARE * least as f64;
            assert!(is_full, "{name}: {found} {what} of {least}");
        }
    }
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
}
