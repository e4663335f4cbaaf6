//! The original files of MNIST and Fashion-MNIST, where the larger data are at hand.

use jensen_data::{Availability, Layout, OpenOptions, catalogue, open};
use jensen_testkit::larger_data;
use std::fs;

const LAYOUT: Layout = Layout::Image {
    channels: 1,
    height: 28,
    width: 28,
};

/// Opens the folder, and the name through a cache that holds the same files: both have to agree.
fn check(name: &str, n_of_first_class: usize, fingerprint: &str) {
    let Some(folder) = larger_data(name) else {
        return;
    };
    let by_path = open(&folder.to_string_lossy(), &OpenOptions::default()).unwrap();
    assert_eq!(by_path.layout(), LAYOUT);
    assert_eq!((by_path.train.len(), by_path.test.len()), (60_000, 10_000));
    assert_eq!(by_path.discrete, Some(256));
    let labels = by_path.train.labels.as_ref().unwrap();
    let n = labels.iter().filter(|&&label| label == 0).count();
    assert_eq!(n, n_of_first_class);
    assert_eq!(by_path.fingerprint, fingerprint);

    let cache = tempfile::tempdir().unwrap();
    let cached = cache.path().join("data").join(name);
    fs::create_dir_all(&cached).unwrap();
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), cached.join(file.file_name())).unwrap();
    }
    // No address can answer, so that the hashes of the cached files have to be right.
    let options = OpenOptions {
        cache: Some(cache.path().into()),
        mirrors: vec!["http://127.0.0.1:9/".into()],
        ..OpenOptions::default()
    };
    let entry = catalogue().iter().find(|e| e.name == name).unwrap();
    assert_eq!(
        entry.availability(&options).unwrap(),
        Availability::Cached(cached)
    );
    let by_name = open(name, &options).unwrap();
    assert_eq!(by_name.fingerprint, by_path.fingerprint);
    assert_eq!(by_name.layout(), entry.layout);
    assert_eq!(
        (by_name.train.len(), by_name.test.len()),
        (entry.n_train, entry.n_test)
    );
    assert_eq!(by_name.label_names.unwrap().len(), 10);
}

#[test]
fn mnist_is_whole() {
    check(
        "mnist",
        5923,
        "b765d3d9d9e9e24c44a4c6e6ad46626efbaa63ca9d5b1d9f720f2d91693e92aa",
    );
}

#[test]
fn fashion_mnist_is_whole() {
    check(
        "fashion-mnist",
        6000,
        "5ab33c34ceacc58fb532d41544577e1892bc75433b50d6bf3de2e0aa0ec89652",
    );
}

#[test]
fn mnist_shrinks_to_smaller_images() {
    let Some(folder) = larger_data("mnist") else {
        return;
    };
    let path = folder.join("t10k-images-idx3-ubyte.gz");
    let options = OpenOptions {
        resize: Some((14, 14)),
        ..OpenOptions::default()
    };
    let full = open(&path.to_string_lossy(), &OpenOptions::default()).unwrap();
    let small = open(&path.to_string_lossy(), &options).unwrap();
    assert_eq!((small.train.len(), small.test.len()), (8000, 2000));
    assert_eq!(small.layout().n_values(), 196);
    let mean = |x: Vec<f32>| x.iter().sum::<f32>() / x.len() as f32;
    let difference = mean(full.train.mean()) - mean(small.train.mean());
    assert!(difference.abs() < 1e-3, "{difference}");
}
