//! House rules that a compiler does not check: arrows between crates, complete catalogues, citations
//! and paths that exist, one home for printing and few for `unsafe`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file under a folder of the workspace with this extension, in a fixed order.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let examples = files("examples", "rs");
    (files("crates", "rs").into_iter().chain(examples))
        .map(|path| {
            let name = path.to_string_lossy().replace('\\', "/");
            let name = name.split("/crates/").last().unwrap_or_default().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The arrows of ARCHITECTURE.md: lines of its table `| crate | ... | imports |`.
fn allowed_imports() -> Vec<(String, BTreeSet<String>)> {
    let text = read("ARCHITECTURE.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = |cell: &str| cell.trim_matches('`').to_owned();
        let imports = cells[2]
            .split(',')
            .map(str::trim)
            .filter(|cell| *cell != "-");
        (name(cells[0]), imports.map(name).collect())
    })
    .collect()
}

#[test]
fn crates_import_what_the_architecture_says() {
    let allowed = allowed_imports();
    let mut seen = BTreeSet::new();
    for manifest in files("crates", "toml") {
        if manifest.file_name().is_none_or(|name| name != "Cargo.toml") {
            continue;
        }
        let folder = manifest
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let table: toml::Table = fs::read_to_string(&manifest).unwrap().parse().unwrap();
        let Some((_, arrows)) = allowed.iter().find(|(name, _)| *name == folder) else {
            panic!("ARCHITECTURE.md has no row for the crate `{folder}`");
        };
        let empty = toml::Table::new();
        let dependencies = table
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .unwrap_or(&empty);
        let mut imported = BTreeSet::new();
        for dependency in dependencies.keys() {
            let ours = match dependency.as_str() {
                "jensen" => "jensen",
                other => match other.strip_prefix("jensen-") {
                    Some(ours) => ours,
                    None => continue,
                },
            };
            assert!(
                arrows.contains(ours),
                "`{folder}` imports `{ours}`, which the table does not allow"
            );
            imported.insert(ours.to_owned());
        }
        let code: String = (files(&format!("crates/{folder}/src"), "rs").iter())
            .map(|file| fs::read_to_string(file).unwrap())
            .collect();
        for arrow in arrows {
            let library = match arrow.as_str() {
                "jensen" => "jensen::".to_owned(),
                other => format!("jensen_{other}"),
            };
            assert!(
                imported.contains(arrow) && code.contains(&library),
                "the table says that `{folder}` imports `{arrow}`, and it does not"
            );
        }
        seen.insert(folder);
    }
    for (name, _) in &allowed {
        assert!(
            seen.contains(name),
            "ARCHITECTURE.md has a row for `{name}`, which does not exist"
        );
    }
}

#[test]
fn every_part_file_stands_in_its_catalogue() {
    let folders = [
        "vae/src/bound",
        "vae/src/decoder",
        "vae/src/encoder",
        "vae/src/latent",
        "vae/src/likelihood",
        "vae/src/objective",
        "vae/src/optimizer",
        "vae/src/prior",
    ];
    for folder in folders {
        let texts = files(&format!("crates/{folder}"), "rs");
        let texts = texts.iter().map(|file| fs::read_to_string(file).unwrap());
        let catalogue: String = texts
            .filter(|text| text.contains("const CATALOGUE"))
            .collect();
        for file in files(&format!("crates/{folder}"), "rs") {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).unwrap();
            if name != "mod" && text.contains("const ENTRY") {
                assert!(
                    catalogue.contains(&format!("{name}::ENTRY")),
                    "{folder}/{name}.rs"
                );
            }
        }
    }
}

/// Folders with one member of a family a file: the file that lists them, the trait that makes a member, and where the
/// list stands: `pub use` lines, or a catalogue of values.
#[test]
fn every_member_of_a_family_stands_in_its_catalogue() {
    let families: [(&str, &str, &str, bool); 8] = [
        ("dist/src/univariate", "mod.rs", "Univariate", true),
        ("dist/src/multivariate", "mod.rs", "Multivariate", true),
        ("bijector/src", "lib.rs", "Bijector", false),
        ("bijector/src", "lib.rs", "Fixed", false),
        ("infer/src/family", "mod.rs", "Family", false),
        ("infer/src/mcmc", "mod.rs", "Kernel", false),
        ("infer/src/optimize", "mod.rs", "Algorithm", false),
        ("infer/src/vi", "mod.rs", "Algorithm", false),
    ];
    for (folder, catalogue, of, has_values) in families {
        let list = read(format!("crates/{folder}/{catalogue}"));
        let start = list.find("CATALOGUE: &[").unwrap_or(list.len());
        let end = list[start..].find("];").map_or(list.len(), |at| start + at);
        let mut n_members = 0;
        for file in files(&format!("crates/{folder}"), "rs") {
            let parent = root().join("crates").join(folder);
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let is_list = file.file_name().is_some_and(|name| name == catalogue);
            if is_list || file.parent() != Some(&parent) {
                continue;
            }
            let is_module = |line: &str| line.trim_end().ends_with(&format!("mod {name};"));
            assert!(
                list.lines().any(is_module),
                "{folder}/{name}.rs is no module"
            );
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for part in code.split(&format!("impl {of} for ")).skip(1) {
                let is_name = |c: char| c.is_ascii_alphanumeric();
                let member: String = part.chars().take_while(|c| is_name(*c)).collect();
                n_members += 1;
                let shown = list.lines().any(|line| {
                    line.starts_with("pub mod ") && line.contains(&format!(" {name};"))
                        || line.starts_with("pub use ")
                            && line.contains(&format!("{name}::"))
                            && line.split(|c| !is_name(c)).any(|word| word == member)
                });
                assert!(shown, "{folder}/{name}.rs: {member} is not shown");
                let listed = list[start..end].contains(&format!("&{member},"));
                assert!(listed || !has_values, "{folder}/{name}.rs: {member}");
            }
        }
        assert!(n_members > 1, "{folder}: {n_members} members of {of}");
    }
    // Methods by name stand in a list of their own.
    let methods = read("crates/infer/src/method/catalogue.rs");
    for (folder, of) in [("infer/src/mcmc", "Kernel"), ("infer/src/vi", "Algorithm")] {
        for file in files(&format!("crates/{folder}"), "rs") {
            let text = fs::read_to_string(&file).unwrap();
            for part in text.split(&format!("impl {of} for ")).skip(1) {
                let is_name = |c: &char| c.is_ascii_alphanumeric();
                let member: String = part.chars().take_while(is_name).collect();
                // Blocks of conditionals are of a model, and have no defaults.
                if member != "Blocks" {
                    assert!(methods.contains(&format!("Method::{member}(")), "{member}");
                }
            }
        }
    }
}

/// Types that make a trait true in the files of a folder, without those of its tests.
fn members(folder: &str, of: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files(&format!("crates/{folder}"), "rs") {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for part in code.split(&format!("impl {of} for ")).skip(1) {
            let is_name = |c: &char| c.is_ascii_alphanumeric();
            found.insert(part.chars().take_while(is_name).collect());
        }
    }
    found
}

/// The text of a function, up to the first line that closes it.
fn body(text: &str, head: &str) -> String {
    let (_, after) = text
        .split_once(head)
        .unwrap_or_else(|| panic!("no `{head}`"));
    after.split("\n}\n").next().unwrap_or_default().to_owned()
}

/// Families and samplers are tested by laws, each with a case of its own.
#[test]
fn every_family_and_every_sampler_has_its_cases_of_the_laws() {
    let text = read("crates/infer/tests/inference/family_laws.rs");
    let cases = body(&text, "fn families() ");
    let families = members("infer/src/family", "Family");
    assert!(families.len() > 3, "{families:?}");
    for family in families {
        let has_case = [" {", "::"]
            .iter()
            .any(|end| cases.contains(&format!("({family}{end}")));
        assert!(has_case, "{family} has no case in `families`");
    }
    let text = read("crates/infer/src/mcmc/laws.rs");
    let samplers = members("infer/src/mcmc", "Kernel");
    assert!(samplers.len() > 3, "{samplers:?}");
    for (law, head) in [
        ("recovers", "fn moments_of_known_targets() "),
        (
            "is_reproducible",
            "fn neither_threads_nor_interruptions_change_a_bit() ",
        ),
    ] {
        let cases = body(&text, head);
        for sampler in &samplers {
            // Blocks of conditionals are made by a function, being of a model.
            let case = match sampler.as_str() {
                "Blocks" => "slice_and_walk()",
                sampler => sampler,
            };
            let has_case = cases.contains(&format!("{law}(&{case}"));
            assert!(has_case, "{sampler} has no case of `{law}`");
        }
    }
}

#[test]
fn every_file_opens_with_a_head_comment() {
    for (name, text) in sources() {
        assert!(text.starts_with("//!"), "{name} has no head comment");
    }
}

#[test]
fn only_the_command_line_prints_and_only_kernels_are_unsafe() {
    // Written in two parts, so that this file does not find itself.
    let print = ["print", "ln!("].concat();
    let unsafe_word = ["un", "safe "].concat();
    for (name, text) in sources() {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let may_print = [
                "cli/",
                "testkit/",
                "/build.rs",
                "/examples/",
                "/benches/",
                "/tests/",
            ];
            if line.contains(&print) {
                assert!(
                    may_print.iter().any(|part| name.contains(part)),
                    "{name}: {line}"
                );
            }
            if line.contains(&unsafe_word) && !line.contains('"') {
                assert!(name.starts_with("kernels/"), "{name}: {line}");
            }
        }
    }
}

#[test]
fn citations_stand_in_the_bibliography() {
    let bibliography = read("docs/references.bib");
    for (name, text) in sources() {
        for comment in text
            .lines()
            .filter(|line| line.trim_start().starts_with("//"))
        {
            for part in comment.split('[').skip(1) {
                let Some((key, _)) = part.split_once(']') else {
                    continue;
                };
                let Some((author, year)) = key.split_once('-') else {
                    continue;
                };
                let is_key = author.chars().all(|c| c.is_ascii_lowercase())
                    && year.len() == 4
                    && year.chars().all(|c| c.is_ascii_digit());
                if is_key {
                    assert!(
                        bibliography.contains(&format!("{{{key},")),
                        "{name} cites [{key}]"
                    );
                }
            }
        }
    }
}

#[test]
fn paths_named_in_the_pages_exist() {
    for page in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/examples.md",
    ] {
        for part in read(page).split('`').skip(1).step_by(2) {
            let top = part.split('/').next().unwrap_or_default();
            let is_path = ["crates", "recipes", "docs", "examples", "benches", ".ci"]
                .contains(&top)
                && part.contains('/')
                && !part.contains(['<', ' ', '*']);
            if is_path {
                assert!(
                    root().join(part).exists(),
                    "{page} names `{part}`, which does not exist"
                );
            }
        }
    }
}

#[test]
fn every_example_is_built_tested_and_shown() {
    let manifest: toml::Table = read("crates/cli/Cargo.toml").parse().unwrap();
    let registered = manifest["example"].as_array().unwrap();
    let page = read("docs/examples.md");
    for file in files("examples", "rs") {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let path = format!("../../examples/{name}.rs");
        let entry = (registered.iter()).find(|entry| entry["path"].as_str() == Some(&path));
        let tested = entry.and_then(|entry| entry.get("test")?.as_bool());
        assert_eq!(tested, Some(true), "{name} is no tested example");
        assert!(page.contains(&format!("--example {name}\n")), "{name}");
        let text = fs::read_to_string(&file).unwrap();
        let draws = text.contains(&format!("check_pictures(folder.path(), \"{name}\")"));
        assert!(draws, "no test draws the pictures of {name}");
    }
    for part in page.split("](").skip(1) {
        let (picture, _) = part.split_once(')').unwrap();
        assert!(root().join("docs").join(picture).exists(), "{picture}");
    }
}
