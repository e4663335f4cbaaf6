//! Scenes with captions, made from a seed; see the module `scenes`.
//!
//! No training or test scene has a pair of color and shape of `scenes::UNSEEN`.

use super::{Entry, Storage};
use crate::readers::Parts;
use crate::scenes::{N_WORDS, SIDE, Scene, WORDS, is_unseen};
use crate::{Captions, DataError, Examples, Layout, Values};
use jensen_rng::Stream;

const N_TRAIN: usize = 12_000;
const N_TEST: usize = 1000;
const SEED: u64 = 0x7363_656e;
const LAYOUT: Layout = Layout::Image {
    channels: 3,
    height: SIDE,
    width: SIDE,
};

pub(super) const ENTRY: Entry = Entry {
    name: "scenes",
    summary: "two colored shapes and a sentence on them, 3 x 32 x 32 pixels; part of the program",
    license: "that of this program",
    origin: "drawn by a program",
    layout: LAYOUT,
    n_train: N_TRAIN,
    n_test: N_TEST,
    label_names: &[],
    storage: Storage::Embedded(read),
};

fn read() -> Result<Parts, DataError> {
    let stream = Stream::from_seed(SEED);
    let train = draw(N_TRAIN, &mut stream.child("train", 0));
    Ok(Parts::new(
        train,
        Some(draw(N_TEST, &mut stream.child("test", 0))),
    ))
}

fn draw(n: usize, stream: &mut Stream) -> Examples {
    let (mut bytes, mut words) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let (scene, caption) = Scene::draw(stream, |pairs| !pairs.into_iter().any(is_unseen));
        bytes.extend(scene.image());
        words.extend(caption.numbers());
    }
    let values = Values::U8 {
        bytes: bytes.into(),
        max: 255,
    };
    let vocabulary = WORDS.iter().map(|&word| word.to_owned());
    Examples::new(LAYOUT, values, None).with_captions(Some(Captions {
        vocabulary: vocabulary.collect(),
        len: N_WORDS,
        words: words.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::{Caption, Color, Shape, satisfies};
    use crate::{OpenOptions, open};
    use std::collections::HashSet;

    #[test]
    fn examples_are_as_their_captions_say_and_pairs_stay_unseen() {
        let scenes = open("scenes", &OpenOptions::default()).unwrap();
        assert_eq!((scenes.train.len(), scenes.test.len()), (N_TRAIN, N_TEST));
        let mut pairs = HashSet::new();
        for part in [&scenes.train, &scenes.test] {
            let captions = part.captions.as_ref().unwrap();
            for i in (0..part.len()).step_by(7) {
                let words = captions.gather(&[i]);
                let words: Vec<&str> = words.iter().map(|&w| WORDS[w as usize]).collect();
                let caption = Caption::parse(&words.join(" ")).unwrap();
                let mut image = vec![0.0; LAYOUT.n_values()];
                part.gather(&[i], &mut image);
                assert_eq!(satisfies(&caption, &image), Ok(()), "{caption}");
                pairs.extend(caption.phrases.map(|phrase| (phrase.color, phrase.shape)));
            }
        }
        let n_pairs = Color::ALL.len() * Shape::ALL.len();
        assert_eq!(pairs.len(), n_pairs - crate::scenes::UNSEEN.len());
        assert!(!pairs.into_iter().any(is_unseen));
    }
}
