//! The report of a made-up run: complete, self-contained, well-formed, and safe with any text.

use jensen_report::{GridOptions, Picture, ReportError, gif_bytes, grid, png_bytes};
use jensen_report::{html, sections, write_html};
use jensen_run::{MetricsLog, Record, Recording, RunError, RunFolder, Silent, Split, file};
use serde_json::json;
use tempfile::{TempDir, tempdir};

const CONFIG: &str = "# resolved\nname = \"vae\"\nseed = 7\n\n[data]\nname = \"digits\"\n\n\
                      [versions]\njensen = \"0.1.0\"\n";

fn bare_run() -> (TempDir, RunFolder) {
    let dir = tempdir().unwrap();
    let run = RunFolder::create(dir.path().join("vae-001")).unwrap();
    run.write(file::CONFIG, CONFIG.as_bytes()).unwrap();
    (dir, run)
}

fn append_metrics(run: &RunFolder) {
    let mut log = MetricsLog::open(run.path(file::METRICS)).unwrap();
    for step in 1..=400 {
        let settled = (-(step as f64) / 20.0).exp();
        let splits = [Split::Train, Split::Validation];
        for split in splits.into_iter().take(if step % 40 == 0 { 2 } else { 1 }) {
            let kl = 12.0 * (1.0 - settled);
            let log_likelihood = -20.0 - 200.0 * settled - f64::from(split == Split::Validation);
            let metrics = [
                ("elbo", log_likelihood - kl),
                ("log_likelihood", log_likelihood),
                ("kl", kl),
                ("learning_rate", 1e-3),
                ("codebook<usage>", 0.5),
            ];
            log.append(&Record {
                step,
                epoch: 1 + step / 40,
                split,
                elapsed_s: step as f64 * 0.1,
                metrics: metrics.map(|(name, x)| (name.to_owned(), x)).into(),
            })
            .unwrap();
        }
    }
}

fn full_run() -> (TempDir, RunFolder) {
    let (dir, run) = bare_run();
    append_metrics(&run);
    let digit = |i: usize| {
        let values: Vec<f32> = (0..64).map(|p| ((p * i) % 17) as f32 / 16.0).collect();
        Picture::from_unit_values(&values, 1, 8, 8).unwrap()
    };
    let pictures: Vec<Picture> = (0..32).map(digit).collect();
    let sheet = |columns| png_bytes(&grid(&pictures, columns, GridOptions::default()).unwrap());
    for name in [
        "reconstructions",
        "samples-step-00000200",
        "samples-step-00000400",
        "my plot",
    ] {
        run.write(format!("samples/{name}.png"), &sheet(8).unwrap())
            .unwrap();
    }
    run.write("samples/traversal.png", &sheet(16).unwrap())
        .unwrap();
    let film = gif_bytes(&pictures, 100).unwrap();
    run.write("samples/interpolation.gif", &film).unwrap();
    run.write("samples/.unfinished.png.1-0.jensen-tmp", b"half")
        .unwrap();
    run.write("samples/notes.txt", b"not a picture").unwrap();
    let evaluation = json!({
        "metrics": {"test_neg_elbo": 33.125, "test_nll_iwae_5000": 31.5, "test_kl": 11.75},
        "kl_per_dim": [3.5, 0.01, 2.25, null],
        "active_units": 2,
        "verdict": {"word": "trusted", "reason": "bound and estimate agree"},
    });
    run.write_json(file::EVALUATION, &evaluation).unwrap();
    (dir, run)
}

/// Checks that elements nest, which a browser would silently repair.
fn check_nesting(page: &str) {
    const VOID: [&str; 4] = ["meta", "img", "!doctype", "br"];
    let mut open: Vec<&str> = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn a_full_report_has_everything_and_needs_nothing() {
    let (_dir, run) = full_run();
    let path = write_html(&run, &mut Silent).unwrap();
    assert!(path.ends_with("vae-001/report.html"));
    let page = run.read_text(file::REPORT).unwrap();
    check_nesting(&page);
    for section in sections() {
        assert!(page.contains(&format!("<section id=\"{}\">", section.id)));
        assert!(page.contains(&format!("href=\"#{}\"", section.id)));
    }
    for text in [
        "<h1>vae-001</h1>",
        "<dd>digits</dd>",
        "<dd>7</dd>",
        "<dd>jensen 0.1.0</dd>",
        "<dd>40 s</dd>",
        "<p class=\"verdict\"><b>trusted</b> bound and estimate agree",
        "Originals above what",
        "33.125",
        "Negative log-likelihood, 5000 samples, test",
        "2 of 4 dimensions are active",
        "<title>0: 3.5000</title>",
        "ELBO (nats per example)",
        "codebook&lt;usage&gt;",
        "<i>seed </i>= 7",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Six pictures inside, nothing from outside, no script.
    assert_eq!(
        page.matches("src=\"data:image/png;base64,iVBORw0KGgo")
            .count(),
        5
    );
    assert_eq!(
        page.matches("src=\"data:image/gif;base64,R0lGODlh").count(),
        1
    );
    assert_eq!(page.matches("<img").count(), 6);
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for foreign in ["http", "<script", "<link", "url(", "@import", "file:"] {
        assert!(!outside.contains(foreign), "{foreign}");
    }
    // The last samples are shown, the earlier unfold.
    let (last, earlier) = (
        page.find("samples-step-00000400"),
        page.find("samples-step-00000200"),
    );
    let fold = page.find("<summary>Earlier pictures").unwrap();
    assert!(last.unwrap() < fold && fold < earlier.unwrap());
    assert_eq!(
        html(&run, &mut Silent).unwrap(),
        page,
        "the same run gives the same page"
    );
}

#[test]
fn a_run_that_has_only_begun_has_a_report() {
    let (_dir, run) = bare_run();
    let page = html(&run, &mut Silent).unwrap();
    check_nesting(&page);
    assert!(page.contains("<section id=\"config\">"));
    assert_eq!(page.matches("<section").count(), 1);

    append_metrics(&run);
    let page = html(&run, &mut Silent).unwrap();
    check_nesting(&page);
    assert!(page.contains("The last values of the validation part, after step 400."));
    assert!(page.contains("<code>jensen evaluate vae-001</code>"));
    assert!(!page.contains("id=\"latent\""));
}

#[test]
fn a_verdict_has_the_color_of_its_word() {
    for (word, collapsed, class) in [
        ("good", false, "verdict good"),
        ("doubtful", false, "verdict doubtful"),
        ("doubtful", true, "verdict collapsed"),
        ("another", false, "verdict"),
    ] {
        let (_dir, run) = bare_run();
        let verdict = json!({"word": word, "reason": "so", "collapsed": collapsed});
        run.write_json(file::EVALUATION, &json!({"verdict": verdict}))
            .unwrap();
        let page = html(&run, &mut Silent).unwrap();
        let expected = format!("<p class=\"{class}\"><b>{word}</b> so</p>");
        assert!(page.contains(&expected), "{expected}");
    }
}

#[test]
fn the_tightest_estimate_is_the_large_one() {
    let (_dir, run) = bare_run();
    let metrics = json!({
        "test_neg_elbo": 2.5e12, "test_nll_iwae_1": 27.5, "test_nll_iwae_100": 26.5,
        "test_nll_iwae_9": 26.75,
    });
    run.write_json(file::EVALUATION, &json!({"metrics": metrics}))
        .unwrap();
    let page = html(&run, &mut Silent).unwrap();
    let (tiles, table) = page.split_once("<table>").unwrap();
    assert_eq!(tiles.matches("class=\"tile\"").count(), 2);
    assert!(tiles.contains("100 samples") && tiles.contains(">26.500<"));
    assert!(tiles.contains("<div class=\"value long\">2.500 × 10¹²<"));
    let at = |text: &str| table.find(text).unwrap();
    assert!(at("100 samples") < at("9 samples") && at("9 samples") < at("1 sample,"));
}

#[test]
fn pictures_of_other_data_are_not_taken_for_the_own() {
    let (_dir, run) = full_run();
    for name in [
        "reconstructions-of-noise-2.png",
        "reconstructions-of-noise-3.PNG",
        "interpolation-linear-of-noise.gif",
    ] {
        run.write(format!("samples/{name}"), b"made elsewhere")
            .unwrap();
    }
    let page = html(&run, &mut Silent).unwrap();
    let at = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("no {text} on the page"))
    };
    let own = at("<strong>Reconstructions</strong>");
    let other = at("<strong>Reconstructions of other data, noise-2</strong>");
    let another = at("<strong>Reconstructions of other data, noise-3</strong>");
    assert!(own < at(">my plot<") && at(">my plot<") < other && other < another);
    assert!(other < at("<summary>Earlier pictures"));
    assert!(page.contains("reconstructions-of-noise-3.PNG</code>"));
    assert_eq!(page.matches("<strong>Reconstructions</strong>").count(), 1);
}

#[test]
fn texts_of_others_stay_text() {
    let dir = tempdir().unwrap();
    let run = RunFolder::create(dir.path().join("<b>&run")).unwrap();
    let config = "name = \"<script>alert(1)</script>\"\nseed = 1 # </code></pre>\n";
    run.write(file::CONFIG, config.as_bytes()).unwrap();
    run.write("samples/\"><script>.png", b"\x89PNG").unwrap();
    let evaluation = json!({"metrics": {"<i>": 1.0}, "verdict": "<blink>"});
    run.write_json(file::EVALUATION, &evaluation).unwrap();
    let page = html(&run, &mut Silent).unwrap();
    check_nesting(&page);
    assert!(!page.contains("<script") && !page.contains("<blink") && !page.contains("<b>&amp;run"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn damaged_files_are_named_with_the_place() {
    for (name, content, place) in [
        (file::EVALUATION, "{\n  \"metrics\": oops}", 2),
        (file::CONFIG, "seed = 1\n\n= 3\n", 3),
    ] {
        let (_dir, run) = full_run();
        run.write(name, content.as_bytes()).unwrap();
        match html(&run, &mut Silent).unwrap_err() {
            ReportError::Run(RunError::Text { path, line, .. }) => {
                assert!(path.ends_with(name));
                assert_eq!(line, place);
            }
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn a_damaged_line_of_metrics_costs_one_point() {
    let (_dir, run) = full_run();
    let text = run.read_text(file::METRICS).unwrap();
    let whole = html(&run, &mut Silent).unwrap();
    let damaged = format!("{{\"step\": 1}}\n{text}nonsense\n");
    run.write(file::METRICS, damaged.as_bytes()).unwrap();
    let mut heard = Recording::default();
    assert_eq!(html(&run, &mut heard).unwrap(), whole);
    let warnings: Vec<&str> = heard
        .of("warning")
        .map(|e| e["text"].as_str().unwrap())
        .collect();
    assert_eq!(warnings.len(), 1);
    for part in ["metrics.jsonl:1:", "left out", "so are 1 more"] {
        assert!(warnings[0].contains(part), "{part}: {}", warnings[0]);
    }
}

#[test]
fn a_divergence_that_does_not_split_is_of_the_latent_as_a_whole() {
    let text = |kl: &[f64]| {
        let (_dir, run) = bare_run();
        let evaluation = json!({
            "metrics": {}, "kl_per_dim": kl, "active_units": 20, "settings": {"n_units": 20},
        });
        run.write_json(file::EVALUATION, &evaluation).unwrap();
        html(&run, &mut Silent).unwrap()
    };
    for (kl, title) in [
        (&[1.0; 20][..], "KL of each dimension"),
        (&[12.5], "KL of the latent as a whole"),
        (
            &[12.5, 1.0, 1.0],
            "KL of dimensions and of latents as a whole",
        ),
    ] {
        let page = text(kl);
        assert!(page.contains("20 of 20 dimensions are active"), "{title}");
        assert!(page.contains(&format!("{title} (nats")), "{title}");
        assert_eq!(page.contains("A dimension without"), kl.len() == 20);
    }
}
