//! Data as users have them: tables with a label, tables of pixels, folders of photos.

use super::{Call, check_png, jensen, tiny};
use image::{GrayImage, Luma, Rgb, RgbImage};
use std::fs;
use std::path::Path;

/// A fit that is over in a moment, whatever it is worth.
#[track_caller]
fn fit(folder: &Path, args: &[&str]) -> Call {
    let call = jensen(folder, &tiny(&[&["fit"], args].concat()));
    assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
    call
}

/// Four measurements of 150 flowers of three kinds, as made up: columns in this order, the kind where it is named.
fn flowers(columns: &[&str]) -> String {
    let mut text = columns.join(",") + "\n";
    for i in 0..150 {
        let t = f64::from(i) * 0.7;
        let cell = |name: &&str| match *name {
            "SepalLength" => format!("{:.2}", 5.8 + 0.8 * t.sin()),
            "SepalWidth" => format!("{:.2}", 3.0 + 0.4 * t.cos()),
            "PetalLength" => format!("{:.2}", 3.7 + 1.7 * (2.0 * t).sin()),
            "PetalWidth" => format!("{:.2}", 1.2 + 0.7 * (3.0 * t).cos()),
            _ => ["setosa", "versicolor", "virginica"][i as usize % 3].to_owned(),
        };
        text += &columns.iter().map(cell).collect::<Vec<_>>().join(",");
        text.push('\n');
    }
    text
}

const FLOWERS: [&str; 5] = [
    "SepalLength",
    "SepalWidth",
    "PetalLength",
    "PetalWidth",
    "Species",
];

#[test]
fn a_table_with_a_column_of_words_is_learned_and_its_columns_keep_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    fs::write(folder.join("flowers.csv"), flowers(&FLOWERS)).unwrap();
    let data = ["sigma-vae", "--data", "flowers.csv"];
    let check = |label: &str| jensen(folder, &[&["check"], &data[..], &["--set", label]].concat());
    check("data.label=")
        .expect(2)
        .says(&["line 2, column 5", "can be the label"]);
    check("data.label=Kind")
        .expect(2)
        .says(&["data.label: expected the name of a column", "found `Kind`"]);
    for label in ["data.label=Species", "data.label=5"] {
        assert!(check(label).expect(0).out.contains("vectors of 4"));
    }
    let label = ["--set", "data.label=Species", "--out", "run"];
    fit(folder, &[&data[..], &label].concat());
    let table = |args: &[&str]| {
        let call = jensen(folder, args).expect(0);
        let path = call.out.lines().next().unwrap();
        fs::read_to_string(folder.join(path)).unwrap()
    };
    let samples = table(&["sample", "run", "-n", "3"]);
    assert!(
        samples.starts_with("SepalLength,SepalWidth,PetalLength,PetalWidth\n"),
        "{samples}"
    );
    let made = table(&["reconstruct", "run", "-n", "3"]);
    assert!(made.starts_with("original_SepalLength,"), "{made}");
    assert!(made.contains(",reconstruction_PetalWidth\n"), "{made}");

    // The same flowers in another order of columns, with their kind or without, are the same.
    let mut turned = FLOWERS;
    turned.reverse();
    fs::write(folder.join("turned.csv"), flowers(&turned)).unwrap();
    fs::write(folder.join("unknown.csv"), flowers(&turned[1..])).unwrap();
    let numbers = |data: &str| {
        let scores = table(&["score", "run", "--data", data]);
        let rows = scores.lines().skip(1);
        let cells = rows.map(|row| row.rsplit(',').next().unwrap().to_owned());
        cells.collect::<Vec<_>>()
    };
    let expected = numbers("flowers.csv");
    assert_eq!(expected.len(), 150);
    assert_eq!(numbers("turned.csv"), expected);
    assert_eq!(numbers("unknown.csv"), expected);
    let turned = jensen(folder, &["score", "run", "--data", "turned.csv"]).expect(0);
    turned.says(&["warning: the columns of `turned.csv` stand in another order"]);
    let other = flowers(&FLOWERS).replacen("PetalWidth", "Height", 1);
    fs::write(folder.join("other.csv"), other).unwrap();
    jensen(folder, &["score", "run", "--data", "other.csv"])
        .expect(2)
        .says(&[
            "expected the columns SepalLength, SepalWidth, PetalLength, PetalWidth as in training",
            "found SepalLength, SepalWidth, PetalLength, Height",
        ]);
}

#[test]
fn a_table_of_pixels_becomes_images() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let rows: String = (0..120)
        .map(|i| {
            let level = |p: i32| {
                if (p + i) % 4 < 2 {
                    200 + (i * 7 + p) % 56
                } else {
                    (i * 5 + p) % 40
                }
            };
            let row: Vec<String> = (0..16).map(|p| level(p).to_string()).collect();
            row.join(",") + "\n"
        })
        .collect();
    fs::write(folder.join("pixels.csv"), rows).unwrap();
    let data = |shape| {
        [
            "conv-vae",
            "--data",
            "pixels.csv",
            "--set",
            shape,
            "--set",
            "data.max_value=255",
        ]
    };
    let args = |args: &[&'static str]| [args, &data("data.shape=[4,4]")].concat();
    let check = jensen(folder, &args(&["check"])).expect(0);
    assert!(check.out.contains("images 1 x 4 x 4"), "{}", check.out);
    let small = [
        "--set",
        "encoder.channels=[4]",
        "--set",
        "decoder.channels=[4]",
        "--set",
        "encoder.fc=16",
    ];
    let small = [
        &small[..],
        &[
            "--set",
            "decoder.fc=16",
            "--set",
            "train.epochs=4",
            "--out",
            "run",
        ],
    ]
    .concat();
    let call = jensen(folder, &[args(&["fit"]), small].concat());
    assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
    check_png(&folder.join("run/samples/samples.png"));
    for (shape, expected) in [
        (
            "data.shape=[4,5]",
            "data.shape: expected channels x height x width = 16",
        ),
        ("data.shape=[16]", "data.shape: expected [height, width] or"),
    ] {
        jensen(folder, &[&["check"], &data(shape)[..]].concat())
            .expect(2)
            .says(&[expected]);
    }
    jensen(
        folder,
        &[
            "check",
            "vae",
            "--data",
            "pixels.csv",
            "--set",
            "data.max_value=100",
        ],
    )
    .expect(2)
    .says(&["data.max_value: expected no value of the data above 100"]);
}

#[test]
fn a_folder_of_photos_of_all_sizes_is_learned() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    for class in ["circle", "square"] {
        fs::create_dir_all(folder.join("photos").join(class)).unwrap();
    }
    for i in 0..60u32 {
        let (side, other) = (12 + i % 9, 10 + i % 7);
        let is_inside = |x: u32, y: u32| {
            let (dx, dy) = (x.abs_diff(side / 2), y.abs_diff(other / 2));
            dx * dx + dy * dy < 9 + i % 11
        };
        let circle = RgbImage::from_fn(side, other, |x, y| match is_inside(x, y) {
            true => Rgb([250, 200, (4 * i) as u8]),
            false => Rgb([10, 20, 30]),
        });
        circle
            .save(folder.join(format!("photos/circle/{i}.png")))
            .unwrap();
        let square = GrayImage::from_fn(other, side, |x, y| {
            Luma([if x.max(y) < 4 + i % 5 { 230 } else { 15 }])
        });
        square
            .save(folder.join(format!("photos/square/{i}.jpg")))
            .unwrap();
    }
    fs::write(folder.join("photos/square/left.bmp"), "BM").unwrap();
    let data = ["vae", "--data", "photos"];
    jensen(folder, &[&["check"], &data[..]].concat())
        .expect(2)
        .says(&["pixels (height x width)", "data.resize"]);
    let as_grey = ["--set", "data.resize=8", "--set", "data.grey=true"];
    let args = [&data[..], &as_grey].concat();
    let check = jensen(folder, &[&["check", "--json"], &args[..]].concat()).expect(0);
    let plan = check.json();
    assert_eq!(plan["data"]["layout"], "images 1 x 8 x 8");
    assert_eq!(plan["classes"], serde_json::json!(["circle", "square"]));
    let note = "1 file in `photos` is not read: .bmp (`square/left.bmp`); png and jpeg are";
    assert_eq!(plan["notes"], serde_json::json!([note]));
    let check = jensen(folder, &[&["check"], &args[..]].concat()).expect(0);
    assert!(
        check.out.contains("2 classes: circle, square"),
        "{}",
        check.out
    );
    check.says(&[&format!("warning: {note}")]);

    fit(folder, &[&args[..], &["--out", "run"]].concat());
    for picture in [
        "reconstructions",
        "samples",
        "traversal",
        "interpolation-linear",
    ] {
        check_png(&folder.join(format!("run/samples/{picture}.png")));
    }
    assert!(folder.join("run/report.html").is_file());
}
