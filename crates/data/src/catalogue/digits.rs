//! The embedded digits: small enough to be part of the program, real enough to learn from.
//!
//! Alpaydin and Kaynak 1998, doi 10.24432/C50P49, the test part as carried by scikit-learn; license in
//! `assets/README.md`. The last 360 of the 1,797 images are the test part.

use super::{DIGIT_NAMES, Entry, Storage};
use crate::readers::{Parts, csv};
use crate::{DataError, Layout, transform};

static PACKED: &[u8] = include_bytes!("../../assets/digits.csv.gz");

const N_TRAIN: usize = 1437;
const N_TEST: usize = 360;
const LAYOUT: Layout = Layout::Image {
    channels: 1,
    height: 8,
    width: 8,
};
/// The level of full ink.
const MAX_LEVEL: f32 = 16.0;
/// The label column, counted from 1.
const LABEL: &str = "65";

pub(super) const ENTRY: Entry = Entry {
    name: "digits",
    summary: "handwritten digits, 8 x 8 pixels, 17 grey levels; part of the program",
    license: "CC BY 4.0 (Alpaydin and Kaynak, 1998)",
    origin: "Optical Recognition of Handwritten Digits, UCI, doi 10.24432/C50P49",
    layout: LAYOUT,
    n_train: N_TRAIN,
    n_test: N_TEST,
    label_names: &DIGIT_NAMES,
    judge: None,
    storage: Storage::Embedded(read),
};

fn read() -> Result<Parts, DataError> {
    let mut all = csv::read_bytes("embedded digits.csv.gz", PACKED, LABEL)?.train;
    all.layout = LAYOUT;
    all.values = transform::rescale(&all.values, MAX_LEVEL)?;
    let indices: Vec<usize> = (0..all.len()).collect();
    let (train, test) = indices.split_at(N_TRAIN);
    Ok(Parts::new(all.select(train), Some(all.select(test))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenOptions, open};

    #[test]
    fn the_digits_are_complete_and_look_like_digits() {
        let digits = open("digits", &OpenOptions::default()).unwrap();
        assert_eq!(digits.layout(), LAYOUT);
        assert_eq!((digits.train.len(), digits.test.len()), (N_TRAIN, N_TEST));
        assert_eq!(digits.discrete, Some(17));
        let range = digits.train.range();
        assert_eq!((range.min, range.max), (0.0, 1.0));
        let labels = digits.train.labels.as_ref().unwrap();
        assert_eq!(labels[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        for class in 0..10 {
            let n = labels.iter().filter(|&&label| label == class).count();
            assert!((130..160).contains(&n), "{n} of class {class}");
        }
        // The second row of the first image, as the file has it: 0,0,13,15,10,15,5,0.
        let mut image = [0.0; 64];
        digits.train.gather(&[0], &mut image);
        assert_eq!(
            image[8..16].iter().map(|x| x * 16.0).collect::<Vec<_>>(),
            [0.0, 0.0, 13.0, 15.0, 10.0, 15.0, 5.0, 0.0]
        );
        assert_eq!(digits.fingerprint, FINGERPRINT);
    }

    /// As computed when the file was embedded; a change here changes every result on the digits.
    const FINGERPRINT: &str = "3d37fe503d79316bbb570ba77cbfa683fa361bac4b7282e102ca82d3051b3ebc";
}
