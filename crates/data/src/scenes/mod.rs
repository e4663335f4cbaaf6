//! Scenes with captions: two colored shapes on a black canvas, and a sentence that says what they are and how they
//! stand, such as "a small red circle left of a blue square".
//!
//! Everything is drawn from a seed, and what a sentence says of an image can be checked by a program (`check.rs`), so
//! that a model from text to image can be measured. Some pairs of color and shape never occur among the training
//! scenes ([`UNSEEN`]), though each of their colors and shapes does.

mod check;
mod draw;

pub use check::{Fault, satisfies};

use jensen_rng::Stream;
use std::fmt;

/// Side of the canvas, pixels.
pub const SIDE: usize = 32;
/// Values of an image: three channels, one after the other.
pub const N_VALUES: usize = 3 * SIDE * SIDE;
/// Most words of a sentence.
pub const N_WORDS: usize = 10;
/// Pairs of color and shape that no training scene has.
pub const UNSEEN: [(Color, Shape); 3] = [
    (Color::Red, Shape::Triangle),
    (Color::Green, Shape::Circle),
    (Color::Blue, Shape::Square),
];

/// The words that there are, the filler of short sentences first.
pub const WORDS: [&str; 16] = [
    "", "a", "of", "small", "large", "red", "green", "blue", "yellow", "circle", "square",
    "triangle", "left", "right", "above", "below",
];

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($variant:ident = $word:literal),* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = $word] $variant),*
        }

        impl $name {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words!(
    /// How large a shape is.
    Size { Small = "small", Large = "large" }
);
words!(
    /// What a shape is filled with.
    Color { Red = "red", Green = "green", Blue = "blue", Yellow = "yellow" }
);
words!(
    /// What a shape is.
    Shape { Circle = "circle", Square = "square", Triangle = "triangle" }
);
words!(
    /// How the first thing stands to the second.
    Relation { Left = "left", Right = "right", Above = "above", Below = "below" }
);

/// One thing in an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thing {
    /// How large.
    pub size: Size,
    /// Filled with.
    pub color: Color,
    /// What.
    pub shape: Shape,
    /// Left upper corner, pixels: column and row.
    pub at: [usize; 2],
    /// Sides, pixels.
    pub side: usize,
}

/// What a sentence says of a thing; a size may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// How large, where it is said.
    pub size: Option<Size>,
    /// Filled with.
    pub color: Color,
    /// What.
    pub shape: Shape,
}

/// What a sentence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caption {
    /// Of the first and the second thing.
    pub phrases: [Phrase; 2],
    /// How the first stands to the second.
    pub relation: Relation,
}

/// Two things of different colors that do not touch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scene {
    /// The things.
    pub things: [Thing; 2],
}

/// Share of sentences that say a size, for each thing.
const SAID: f64 = 0.7;
/// Pixels by which things stand apart in the direction that is said.
const APART: f64 = 5.0;

impl Scene {
    /// A scene and a sentence that is true of it; `allowed` says which pairs of color and shape may be in it.
    pub fn draw(
        stream: &mut Stream,
        allowed: impl Fn([(Color, Shape); 2]) -> bool,
    ) -> (Self, Caption) {
        loop {
            let things = [thing(stream), thing(stream)];
            let [a, b] = &things;
            let gap = |axis: usize| {
                let (first, second) = if a.at[axis] < b.at[axis] {
                    (a, b)
                } else {
                    (b, a)
                };
                second.at[axis] > first.at[axis] + first.side
            };
            let kinds = things.map(|thing| (thing.color, thing.shape));
            if a.color == b.color || !(gap(0) || gap(1)) || !allowed(kinds) {
                continue;
            }
            let scene = Self { things };
            let relations = scene.relations();
            if relations.is_empty() {
                continue;
            }
            let relation = relations[stream.below(relations.len())];
            let phrases = things.map(|thing| Phrase {
                size: (stream.uniform() < SAID).then_some(thing.size),
                color: thing.color,
                shape: thing.shape,
            });
            return (scene, Caption { phrases, relation });
        }
    }

    /// How the first thing stands to the second, beyond doubt.
    fn relations(&self) -> Vec<Relation> {
        let [a, b] = self.things.map(|thing| {
            let half = thing.side as f64 / 2.0;
            thing.at.map(|at| at as f64 + half)
        });
        let (right, down) = (b[0] - a[0], b[1] - a[1]);
        let all = [
            (Relation::Left, right),
            (Relation::Right, -right),
            (Relation::Above, down),
            (Relation::Below, -down),
        ];
        let clear = all.into_iter().filter(|(_, distance)| *distance >= APART);
        clear.map(|(relation, _)| relation).collect()
    }

    /// Levels 0 to 255, `[3, 32, 32]`.
    pub fn image(&self) -> Vec<u8> {
        let mut image = vec![0; N_VALUES];
        for thing in &self.things {
            draw::fill(&mut image, thing);
        }
        image
    }
}

fn thing(stream: &mut Stream) -> Thing {
    let size = Size::ALL[stream.below(2)];
    let side = match size {
        Size::Small => 7 + stream.below(3),
        Size::Large => 12 + stream.below(3),
    };
    Thing {
        size,
        color: Color::ALL[stream.below(Color::ALL.len())],
        shape: Shape::ALL[stream.below(Shape::ALL.len())],
        at: [0, 0].map(|_| 1 + stream.below(SIDE - side - 1)),
        side,
    }
}

/// Whether a pair is one that no training scene has.
pub fn is_unseen(pair: (Color, Shape)) -> bool {
    UNSEEN.contains(&pair)
}

impl Caption {
    /// The words of the sentence.
    pub fn words(&self) -> Vec<&'static str> {
        let mut words = Vec::with_capacity(N_WORDS);
        let say = |words: &mut Vec<&'static str>, phrase: &Phrase| {
            words.push("a");
            words.extend(phrase.size.map(Size::word));
            words.extend([phrase.color.word(), phrase.shape.word()]);
        };
        say(&mut words, &self.phrases[0]);
        words.push(self.relation.word());
        if matches!(self.relation, Relation::Left | Relation::Right) {
            words.push("of");
        }
        say(&mut words, &self.phrases[1]);
        words
    }

    /// What a sentence says; the reason why it cannot be told otherwise.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        fn one_of<'a, T: Copy>(
            words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
            what: &str,
            known: &[(T, &str)],
        ) -> Result<T, String> {
            let word = words.next().unwrap_or("the end");
            let found = known.iter().find(|(_, known)| *known == word);
            found.map(|(value, _)| *value).ok_or_else(|| {
                let known: Vec<&str> = known.iter().map(|(_, word)| *word).collect();
                format!("expected {what} ({}), found {word}", known.join(", "))
            })
        }
        let colors: Vec<_> = Color::ALL.iter().map(|c| (*c, c.word())).collect();
        let shapes: Vec<_> = Shape::ALL.iter().map(|s| (*s, s.word())).collect();
        let relations: Vec<_> = Relation::ALL.iter().map(|r| (*r, r.word())).collect();
        let mut phrases = Vec::new();
        let mut relation = Relation::Left;
        for i in 0..2 {
            one_of(&mut words, "an article", &[((), "a")])?;
            let size = words.peek().and_then(|word| {
                let mut sizes = Size::ALL.iter();
                sizes.find(|size| size.word() == *word).copied()
            });
            if size.is_some() {
                words.next();
            }
            phrases.push(Phrase {
                size,
                color: one_of(&mut words, "a color", &colors)?,
                shape: one_of(&mut words, "a shape", &shapes)?,
            });
            if i == 0 {
                relation = one_of(&mut words, "a relation", &relations)?;
                if matches!(relation, Relation::Left | Relation::Right) {
                    one_of(&mut words, "the word", &[((), "of")])?;
                }
            }
        }
        match words.next() {
            Some(word) => Err(format!("expected the end, found {word}")),
            None if phrases[0].color == phrases[1].color => {
                Err("expected two things of different colors".to_owned())
            }
            None => Ok(Self {
                phrases: [phrases[0], phrases[1]],
                relation,
            }),
        }
    }

    /// Places of the words in [`WORDS`], `[N_WORDS]`.
    pub fn numbers(&self) -> [u32; N_WORDS] {
        let mut numbers = [0; N_WORDS];
        for (slot, word) in numbers.iter_mut().zip(self.words()) {
            let place = WORDS.iter().position(|known| *known == word);
            *slot = place.expect("internal error: a word that is not known") as u32;
        }
        numbers
    }
}

impl fmt::Display for Caption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_read_back() {
        let mut stream = Stream::from_seed(3);
        for _ in 0..500 {
            let (_, caption) = Scene::draw(&mut stream, |_| true);
            assert_eq!(Caption::parse(&caption.to_string()), Ok(caption));
            assert!(caption.words().len() <= N_WORDS);
            let spoken = caption.numbers().map(|number| WORDS[number as usize]);
            assert_eq!(spoken[..caption.words().len()], caption.words());
        }
        for (text, part) in [
            ("", "an article"),
            ("a pink circle", "found pink"),
            ("a red circle left a blue square", "the word (of)"),
            ("a red circle above a red square", "different colors"),
            ("a red circle above a blue square too", "found too"),
        ] {
            let error = Caption::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    /// The program that judges is right about every scene that is drawn, and tells others from it.
    #[test]
    fn every_scene_satisfies_its_sentence_and_no_other() {
        let mut stream = Stream::from_seed(4);
        for _ in 0..2000 {
            let (scene, caption) = Scene::draw(&mut stream, |_| true);
            let image: Vec<f32> = scene
                .image()
                .iter()
                .map(|&v| f32::from(v) / 255.0)
                .collect();
            assert_eq!(satisfies(&caption, &image), Ok(()), "{caption}, {scene:?}");
            let things = scene.things;
            let full = Caption {
                phrases: things.map(|t| Phrase {
                    size: Some(t.size),
                    color: t.color,
                    shape: t.shape,
                }),
                ..caption
            };
            assert_eq!(satisfies(&full, &image), Ok(()));
            for which in 0..2 {
                let wrong = |change: &dyn Fn(&mut Phrase)| {
                    let mut wrong = full;
                    change(&mut wrong.phrases[which]);
                    assert!(satisfies(&wrong, &image).is_err(), "{wrong} of {full}");
                };
                for &shape in Shape::ALL.iter().filter(|s| **s != things[which].shape) {
                    wrong(&|phrase| phrase.shape = shape);
                }
                for &size in Size::ALL.iter().filter(|s| **s != things[which].size) {
                    wrong(&|phrase| phrase.size = Some(size));
                }
                let others = Color::ALL.iter();
                for &color in others.filter(|c| things.iter().all(|thing| thing.color != **c)) {
                    wrong(&|phrase| phrase.color = color);
                }
            }
            let opposite = match full.relation {
                Relation::Left => Relation::Right,
                Relation::Right => Relation::Left,
                Relation::Above => Relation::Below,
                Relation::Below => Relation::Above,
            };
            let wrong = Caption {
                relation: opposite,
                ..full
            };
            assert!(satisfies(&wrong, &image).is_err());
        }
    }
}
