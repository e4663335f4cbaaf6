//! Tables in memory: headers, labels, separators, and cells that cannot be read.

use super::*;
use crate::files::gzip;

fn table(text: &str, label: Option<&str>) -> Result<Parts, DataError> {
    let file = Loaded::from_bytes(Path::new("x.csv"), text.as_bytes().to_vec())?;
    Ok(join(Table::parse(&file, label, None)?, None))
}

fn check(text: &str, label: Option<&str>, numbers: &[f32], labels: Option<&[u32]>) {
    let parts = table(text, label).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        matches!(&parts.train.values, Values::F32(found) if **found == *numbers),
        "{text}"
    );
    assert_eq!(parts.train.labels.as_deref(), labels, "{text}");
}

#[test]
fn headers_and_labels_are_recognized() {
    check("1,2\n3,4\n", None, &[1.0, 2.0, 3.0, 4.0], None);
    check("a,b\n1,2\n", None, &[1.0, 2.0], None);
    check(
        "a,Label,b\n1,7,2\n3,8.0,4\n",
        None,
        &[1.0, 2.0, 3.0, 4.0],
        Some(&[7, 8]),
    );
    check("label,0,1\n7,1,2\n", None, &[1.0, 2.0], Some(&[7]));
    check("a,b\n1,2\n", Some("a"), &[2.0], Some(&[1]));
    check("5,1\n6,2\n", Some("1"), &[1.0, 2.0], Some(&[5, 6]));
    check(" 1 ; 2.5\r\n\r\n3;4\r\n", None, &[1.0, 2.5, 3.0, 4.0], None);
    check("1\t2\n3\t4", None, &[1.0, 2.0, 3.0, 4.0], None);
    check("1\n2\n", None, &[1.0, 2.0], None);
    check("0,1,2,3\n5,6,7,8\n", None, &[5.0, 6.0, 7.0, 8.0], None);
    check(
        "4,1,2,3,4\n5,6,7,8,9\n",
        Some("1"),
        &[6.0, 7.0, 8.0, 9.0],
        Some(&[5]),
    );
    // Three numbers may be an example.
    check("1,2,3\n", None, &[1.0, 2.0, 3.0], None);
}

#[test]
fn words_become_classes_in_alphabetical_order() {
    let parts = table("5.1,virginica\n4.9,setosa\n4.0,virginica\n", Some("2")).unwrap();
    assert_eq!(parts.train.labels.as_deref(), Some(&[1, 0, 1][..]));
    assert_eq!(parts.label_names.unwrap(), ["setosa", "virginica"]);
}

#[test]
fn both_parts_number_words_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test) = (
        folder.path().join("train.csv"),
        folder.path().join("test.csv.gz"),
    );
    std::fs::write(&train, "x,class\n1,b\n2,c\n").unwrap();
    std::fs::write(&test, gzip(b"x,class\n3,c\n4,a\n")).unwrap();
    let source = folder.path().to_string_lossy().into_owned();
    let set = crate::open(&source, &crate::OpenOptions::default()).unwrap();
    assert_eq!(set.label_names.unwrap(), ["a", "b", "c"]);
    assert_eq!(set.train.labels.as_deref(), Some(&[1, 2][..]));
    assert_eq!(set.test.labels.as_deref(), Some(&[2, 0][..]));
}

#[test]
fn bad_cells_are_told_by_line_and_column() {
    let cases = [
        (
            "1,2\n3,x\n",
            "x.csv, line 2, column 2: expected a finite number, found `x`",
        ),
        (
            "a,b\n1,2\n\n3,nan\n",
            "x.csv, line 4, column 2: expected a finite number, found `nan`",
        ),
        (
            "1,2,3\n4,,6\n",
            "x.csv, line 2, column 2: expected a finite number, found nothing",
        ),
        (
            "1,x,3\n",
            "x.csv, line 1, column 2: expected a finite number, found `x`",
        ),
        (
            "1,2\n3,-1e300\n",
            "x.csv, line 2, column 2: expected a number of at most 3.4e38 in size, the largest that the \
             networks compute with (f32), found `-1e300`",
        ),
        (
            "1;2\n3;0,5\n",
            "x.csv, line 2, column 2: expected a number with a decimal point, found `0,5`\n  hint: write 0.5 for 0,5",
        ),
        (
            "1,5;2,5\n3,5;4,5\n",
            "x.csv, line 1, column 1: expected a number with a decimal point, found `1,5`\n  hint: write 1.5 for 1,5",
        ),
        (
            "a\tb\n1,5\t2\n",
            "x.csv, line 2, column 1: expected a number with a decimal point, found `1,5`\n  hint: write 1.5 for 1,5",
        ),
        (
            "1,2\n3,\"1,000\"\n",
            "x.csv, line 2, column 2: expected a number without commas among its digits, found `1,000`\n  hint: write \
             1000 for 1,000",
        ),
        (
            ",a,b\n0,1,2\n",
            "x.csv, line 1, column 1: expected a name, found nothing\n  hint: a column without a name often holds",
        ),
        (
            "1,2\n3\n",
            "x.csv, line 2: expected 2 columns as in the first line, found 1",
        ),
        (
            "label,a\n,1\n",
            "x.csv, line 2, column 1: expected a label, found nothing",
        ),
        (
            "",
            "x.csv: expected a table of numbers, found an empty file",
        ),
        (
            "a,b\n",
            "x.csv: expected at least one line of numbers, found 2 column(s)",
        ),
    ];
    for (text, message) in cases {
        let error = table(text, None).err().unwrap().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let binary = Loaded::from_bytes(Path::new("x.csv"), b"1,2\n3,\xff\n".to_vec()).unwrap();
    let error = Table::parse(&binary, None, None).err().unwrap().to_string();
    assert_eq!(
        error,
        "x.csv, line 2: expected text in UTF-8, found other bytes"
    );
}

#[test]
fn a_label_column_that_is_not_there_is_refused() {
    for label in ["c", "0", "3"] {
        let error = table("a,b\n1,2\n", Some(label)).err().unwrap();
        assert!(matches!(
            error,
            DataError::Option {
                option: "label",
                ..
            }
        ));
    }
}

/// The data of a folder with these tables.
fn open(
    train: &str,
    test: Option<&str>,
    options: &crate::OpenOptions,
) -> Result<crate::Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.csv"), train).unwrap();
    if let Some(test) = test {
        std::fs::write(folder.path().join("test.csv"), test).unwrap();
    }
    crate::open(&folder.path().to_string_lossy(), options)
}

fn numbers(examples: &Examples) -> &[f32] {
    match &examples.values {
        Values::F32(numbers) => numbers,
        other => panic!("{other:?}"),
    }
}

#[test]
fn columns_of_the_test_table_are_found_by_name() {
    let plain = crate::OpenOptions::default();
    let train = "a,label,b,c\n1,0,2,3\n";
    let set = open(train, Some("c,a,b,label\n30,10,20,1\n"), &plain).unwrap();
    assert_eq!(numbers(&set.test), [10.0, 20.0, 30.0]);
    assert_eq!(set.test.labels.as_deref(), Some(&[1][..]));
    assert_eq!(set.column_names.unwrap(), ["a", "b", "c"]);
    assert_eq!(
        set.notes,
        [
            "the columns of `test.csv` stand in another order than those of the training table: they are taken by name"
        ]
    );
    // Without names, or with numbers in their place, the order is all there is.
    let set = open(train, Some("10,20,30\n"), &plain).unwrap();
    assert_eq!(numbers(&set.test), [10.0, 20.0, 30.0]);
    let set = open("0,1,2,3\n5,6,7,8\n", Some("1,2,3,4\n5,6,7,8\n"), &plain).unwrap();
    assert_eq!((set.column_names, set.test.len()), (None, 1));
    for (test, found) in [
        ("a,b,d\n1,2,3\n", "a, b, d"),
        ("a,b,c,d\n1,2,3,4\n", "a, b, c, d"),
        ("a,b,b\n1,2,3\n", "a, b, b"),
        ("A,b,c\n1,2,3\n", "A, b, c"),
    ] {
        let error = open(train, Some(test), &plain).unwrap_err();
        assert!(matches!(error, DataError::ColumnsDiffer { .. }), "{error}");
        let message = format!(
            "test.csv: expected the columns a, b, c as in training, found {found}\n  hint: "
        );
        assert!(error.to_string().contains(&message), "{error}");
    }
    let wide = |name: &str| {
        let names: Vec<String> = (0..30).map(|i| format!("p{i}")).collect();
        let row = vec!["1"; 31].join(",");
        format!("{},{name}\n{row}\n", names.join(","))
    };
    let error = open(&wide("x"), Some(&wide("y")), &plain).unwrap_err();
    assert!(
        error.to_string().contains(
            "expected 31 columns (`x` among them) as in training, found 31 (`y` among them)"
        ),
        "{error}"
    );
}

#[test]
fn expected_columns_hold_for_the_training_table_too() {
    let options = crate::OpenOptions {
        columns: Some(vec!["b".into(), "a".into()]),
        label: Some("kind".into()),
        whole: true,
        ..crate::OpenOptions::default()
    };
    let read = |text: &str| open(text, None, &options);
    for (text, labels) in [
        ("kind,a,b\nx,1,2\n", Some(&[0][..])),
        // Without the label that the options name.
        ("a,b\n1,2\n", None),
        ("b,a\n2,1\n", None),
        ("2,1\n", None),
    ] {
        let set = read(text).unwrap();
        assert_eq!(numbers(&set.test), [2.0, 1.0], "{text}");
        assert_eq!(set.test.labels.as_deref(), labels, "{text}");
    }
    let error = read("kind,a,c\nx,1,2\n").unwrap_err();
    assert!(matches!(error, DataError::ColumnsDiffer { .. }), "{error}");
}

#[test]
fn columns_that_count_the_rows_are_told() {
    let notes = |text: &str| {
        let options = crate::OpenOptions::default();
        open(text, None, &options).unwrap().notes
    };
    let told = "counts the rows: leave it out, or it is learned like a measurement";
    assert_eq!(
        notes("id,x\n1,5\n2,7\n3,1\n4,0\n"),
        [format!("column `id` (1) {told}")]
    );
    assert_eq!(
        notes("label,x,n\n0,5,0\n1,7,1\n0,1,2\n1,0,3\n"),
        [format!("column `n` (3) {told}")]
    );
    assert_eq!(notes("5,0\n7,1\n1,2\n0,3\n"), [format!("column 2 {told}")]);
    for text in ["x\n1\n2\n3\n5\n", "x,y\n0,7\n1,5\n2,3\n"] {
        assert!(notes(text).is_empty(), "{text}");
    }
}

#[test]
fn delimiters_are_told_from_decimal_commas() {
    for (line, expected) in [
        ("1,2", b','),
        ("1;2", b';'),
        ("1\t2", b'\t'),
        ("1,5;2,5", b';'),
        ("1,5;2,5;3", b';'),
        ("1,5\t2,5", b'\t'),
        ("a;b,c,d,e", b','),
        ("\"a;b\",c", b','),
        ("\"a,b,c\";d", b';'),
        ("1", b','),
        ("", b','),
    ] {
        assert_eq!(delimiter(line.as_bytes()), expected, "{line}");
    }
}
