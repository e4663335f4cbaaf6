//! What can be said on the command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Fits probabilistic models by maximizing a variational bound.
///
/// A MODEL is a built-in recipe (`jensen list models`) or a .toml file; DATA is a name (`jensen list
/// data`), a file or a folder; a RUN is the folder that `jensen fit` leaves, or its name under runs/.
#[derive(Debug, Parser)]
#[command(
    name = "jensen",
    version,
    max_term_width = 100,
    after_help = "Examples:
  jensen fit vae                          train on the built-in digits; see report.html in the run
  jensen fit vae --data mnist --set train.epochs=20
  jensen sample runs/vae-001
  jensen list models

Log quantities are in nats per example. Exit codes: 0 done, 1 the fit failed, 2 wrong use or bad
input, 3 fitted but its codes carry nothing, 130 stopped with Ctrl-C (state saved)."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) style: Style,
}

/// How to speak.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Style {
    /// No progress and no notes; only the result in short, and errors
    #[arg(long, short, global = true, display_order = 100)]
    pub(crate) quiet: bool,
    /// The result as one JSON object on standard output
    #[arg(long, global = true, display_order = 101)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Train a model; leaves a run folder with model, metrics, pictures and report.html
    #[command(after_help = "Examples:
  jensen fit vae
  jensen fit conv-vae --data mnist --out runs/first
  jensen fit vae --set latent.z.dim=2 --set train.epochs=50 --seed 3
  jensen fit my-recipe.toml --data photos/ --set data.resize=32")]
    Fit(Fit),
    /// Continue a run exactly where it stopped; same bits as if it never had
    #[command(after_help = "Examples:
  jensen resume runs/vae-001
  jensen resume runs/vae-001 --set train.epochs=200     go on with a finished run")]
    Resume(Resume),
    /// Show what a fit would do: parts, shapes, sizes, costs; or all that is wrong
    #[command(after_help = "Examples:
  jensen check conv-vae --data mnist
  jensen check my-recipe.toml")]
    Check(Recipe),
    /// Draw new examples from the prior
    #[command(after_help = "Examples:
  jensen sample runs/vae-001
  jensen sample runs/vae-001 -n 1000 --draw --out samples.npz")]
    Sample(Sample),
    /// Make examples of what a sentence says, and tell whether they are so where a program can
    #[command(after_help = "Examples:
  jensen generate runs/dalle-001 \"a small red circle left of a blue square\"
  jensen generate runs/latent-diffusion-001 3           a class is a sentence of one word")]
    Generate(Generate),
    /// Show examples beside what the model makes of their codes
    #[command(after_help = "Examples:
  jensen reconstruct runs/vae-001
  jensen reconstruct runs/vae-001 --data my-digits.npz --index 3,14,15")]
    Reconstruct(Reconstruct),
    /// Go from one example to another through latent space: PNG strips and animated GIFs
    #[command(after_help = "Examples:
  jensen interpolate runs/vae-001
  jensen interpolate runs/vae-001 --from 3 --to 8 --steps 21 --path spherical")]
    Interpolate(Interpolate),
    /// Move one latent dimension at a time
    #[command(after_help = "Examples:
  jensen traverse runs/vae-001
  jensen traverse runs/vae-001 --dims 0,3,7 --range 2.5 --example 4")]
    Traverse(Traverse),
    /// Write the codes of examples to an .npz file
    #[command(after_help = "Examples:
  jensen encode runs/vae-001                          arrays z_mean, z_log_var, z_sample, label
  jensen encode runs/vae-001 --data my-digits.npz --out codes.npz")]
    Encode(Encode),
    /// Make examples from codes in an .npz or .npy file
    #[command(after_help = "Examples:
  jensen decode runs/vae-001 --codes codes.npz
  jensen decode runs/vae-001 --codes z.npy --out decoded.npz")]
    Decode(Decode),
    /// Store examples without loss in as few bits as -ELBO says, which audits the bound
    #[command(after_help = "Examples:
  jensen fit vae --data mnist --set data.binarize=dynamic
  jensen compress runs/vae-001                        the test part; says the size beside the bound
  jensen decompress runs/vae-001 --file runs/vae-001/compressed.bitsback --out digits.npz

Takes models whose likelihood gives probabilities to levels (binary data, categorical, discretized
mixtures), with Gaussian latents and the prior `normal`. A file is for the program and the kind of
processor that wrote it.")]
    Compress(Compress),
    /// Give back the examples that `compress` stored
    #[command(after_help = "Examples:
  jensen decompress runs/vae-001 --file runs/vae-001/compressed.bitsback
  jensen decompress runs/vae-001 --file digits.bitsback --out digits.npz")]
    Decompress(Decompress),
    /// Score each example: -ELBO, its parts, importance-weighted NLL (CSV)
    #[command(after_help = "Examples:
  jensen score runs/vae-001 --samples 100
  jensen score runs/vae-001 --data suspicious.npz --out scores.csv")]
    Score(Score),
    /// Measure a model on the test part: ELBO, NLL, KL per dimension, active units, information
    #[command(after_help = "Examples:
  jensen evaluate runs/vae-001
  jensen evaluate runs/vae-001 --samples 5000 --json")]
    Evaluate(Evaluate),
    /// Write the self-contained HTML page of a run
    #[command(after_help = "Examples:
  jensen report runs/vae-001
  jensen report runs/vae-001 --out vae.html")]
    Report(Report),
    /// Write a model for other programs
    #[command(after_help = "Examples:
  jensen export runs/vae-001
  jensen export runs/vae-001 --format safetensors --out vae.safetensors
  jensen export runs/conv-vae-001 --format onnx
  jensen export runs/kl-vae-001 --format diffusers --out autoencoder

A folder for diffusers is opened there by AutoencoderKL.from_pretrained or VQModel.from_pretrained; it takes
models with encoder and decoder of kind resnet and a gaussian latent with channels, or a vq latent.")]
    Export(Export),
    /// Make a run of an AutoencoderKL or a VQModel of the diffusers library
    #[command(after_help = "Examples:
  jensen import autoencoder
  jensen import stable-diffusion/vae --size 256 --data photos/
  jensen reconstruct runs/autoencoder-001 --data photos/

The folder holds config.json and diffusion_pytorch_model.safetensors. Encode, decode, reconstruct and sample
work on the run; images are resized to the side that the model has, from --size or its sample_size.")]
    Import(Import),
    /// Fit a recipe and check what its `[expect]` block promises
    #[command(after_help = "Examples:
  jensen reproduce vae
  jensen reproduce vae --data mnist            checks the bounds that the recipe names for mnist")]
    Reproduce(Fit),
    /// Show what there is
    #[command(after_help = "Examples:
  jensen list models
  jensen list distributions --json")]
    List(List),
}

/// A recipe and the changes to it.
#[derive(Clone, Debug, ClapArgs)]
// So that the option's own message comes, not that of an unknown argument `-1`.
#[command(allow_negative_numbers = true)]
pub(crate) struct Recipe {
    /// Built-in recipe, or path of a .toml file
    pub(crate) model: String,
    /// Other data than the recipe's: a name, a file or a folder
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
    /// Seed of all randomness
    #[arg(long, value_parser = whole)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Changes to a recipe.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Overrides {
    /// Override an option, such as train.epochs=20; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) pairs: Vec<String>,
}

/// Where to compute.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Place {
    /// Where to compute
    #[arg(long, value_enum)]
    pub(crate) device: Option<Device>,
}

impl Place {
    pub(crate) fn name(self) -> Option<String> {
        self.device.map(Device::name)
    }
}

/// A run by itself.
#[derive(Debug, ClapArgs)]
pub(crate) struct Folder {
    /// The run
    pub(crate) run: PathBuf,
}

/// What makes draws repeatable.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Seed {
    /// Seed of all that is drawn
    #[arg(long, default_value_t = 1, value_parser = whole)]
    pub(crate) seed: u64,
}

/// Where examples go.
#[derive(Debug, ClapArgs)]
pub(crate) struct Out {
    /// The file, .png, .npz or .csv; by default in the run's samples/
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// How fine a way is.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Steps {
    /// Pictures from one end to the other
    #[arg(long, default_value_t = 11, value_parser = count)]
    pub(crate) steps: usize,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Device {
    /// The processor
    Cpu,
    /// An accelerator, in builds with the feature vulkan or cuda
    Gpu,
}

impl Device {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Cpu => "cpu".to_owned(),
            Self::Gpu => "gpu".to_owned(),
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Fit {
    #[command(flatten)]
    pub(crate) recipe: Recipe,
    /// The run folder; by default the next number under runs/
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) folder: Folder,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

/// A run with a model, and where to compute.
#[derive(Debug, ClapArgs)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) folder: Folder,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Which examples.
#[derive(Debug, ClapArgs)]
pub(crate) struct Source {
    /// Other data than the run's: a name, a file or a folder; files without a test part are taken whole
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// The part of the data
    #[arg(long, value_enum, default_value_t = Part::Test)]
    pub(crate) part: Part,
}

/// A part of the data.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Part {
    /// The test part
    Test,
    /// The training part
    Train,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Sample {
    #[command(flatten)]
    pub(crate) run: Run,
    /// How many
    #[arg(short, long = "number", value_name = "N", default_value_t = 100, value_parser = count)]
    pub(crate) n: usize,
    /// Draw from the likelihood too, instead of showing its mean
    #[arg(long)]
    pub(crate) draw: bool,
    /// All of this class, counted from 0, where the model was trained with classes
    #[arg(long, value_name = "K", value_parser = whole_size)]
    pub(crate) class: Option<usize>,
    #[command(flatten)]
    pub(crate) seed: Seed,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) run: Run,
    /// The sentence
    #[arg(value_name = "CAPTION")]
    pub(crate) caption: String,
    /// How many
    #[arg(short, long = "number", value_name = "N", default_value_t = 10, value_parser = count)]
    pub(crate) n: usize,
    #[command(flatten)]
    pub(crate) seed: Seed,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Reconstruct {
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) source: Source,
    /// The first N examples
    #[arg(short, long = "number", value_name = "N", default_value_t = 40, value_parser = count)]
    pub(crate) n: usize,
    /// These examples instead of the first, counted from 0
    #[arg(long = "index", value_name = "I,J,...", value_delimiter = ',', conflicts_with = "n", value_parser = whole_size)]
    pub(crate) indices: Vec<usize>,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Interpolate {
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Examples to begin at, counted from 0; by default one of each class
    #[arg(long, value_name = "I,J,...", value_delimiter = ',', requires = "to", conflicts_with = "pairs", value_parser = whole_size)]
    pub(crate) from: Vec<usize>,
    /// Examples to end at, as many
    #[arg(long, value_name = "I,J,...", value_delimiter = ',', requires = "from", value_parser = whole_size)]
    pub(crate) to: Vec<usize>,
    /// Pairs to choose where none are named
    #[arg(long, default_value_t = 5, value_parser = count)]
    pub(crate) pairs: usize,
    #[command(flatten)]
    pub(crate) steps: Steps,
    /// The kind of way
    #[arg(long, value_enum, default_value_t = Way::Both)]
    pub(crate) path: Way,
    /// The folder for the files; by default the run's samples/
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// A way between codes.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Way {
    /// The straight line
    Linear,
    /// The great circle: stays where a normal prior has its mass
    Spherical,
    /// Both, one file each
    Both,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Traverse {
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Name of the latent; by default the first
    #[arg(long)]
    pub(crate) latent: Option<String>,
    /// The example whose code is the middle, counted from 0
    #[arg(long, default_value_t = 0, value_parser = whole_size)]
    pub(crate) example: usize,
    /// Take the origin as the middle, not an example
    #[arg(long, conflicts_with = "example")]
    pub(crate) origin: bool,
    /// The dimensions, counted from 0; by default those in use, at most 10
    #[arg(long, value_name = "I,J,...", value_delimiter = ',', conflicts_with = "rows", value_parser = whole_size)]
    pub(crate) dims: Vec<usize>,
    /// How many of the most used ones, in use or not
    #[arg(long, value_parser = count)]
    pub(crate) rows: Option<usize>,
    /// The values run from minus this to this, in units of the code
    #[arg(long, default_value_t = 3.0, value_parser = above_zero)]
    pub(crate) range: f64,
    #[command(flatten)]
    pub(crate) steps: Steps,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Encode {
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) seed: Seed,
    /// The file, .npz; by default codes.npz in the run (of other data codes-of-DATA.npz)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Decode {
    #[command(flatten)]
    pub(crate) run: Run,
    /// Codes [n, d]: .npz as `encode` writes it, or .npy
    #[arg(long, value_name = "FILE")]
    pub(crate) codes: PathBuf,
    /// Draw from the likelihood, instead of giving its mean
    #[arg(long)]
    pub(crate) draw: bool,
    /// All of this class, counted from 0, where the model was trained with classes
    #[arg(long, value_name = "K", value_parser = whole_size)]
    pub(crate) class: Option<usize>,
    #[command(flatten)]
    pub(crate) seed: Seed,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Compress {
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) source: Source,
    #[command(flatten)]
    pub(crate) seed: Seed,
    /// The file, .bitsback; by default compressed.bitsback in the run (of other data compressed-of-DATA.bitsback)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Decompress {
    #[command(flatten)]
    pub(crate) run: Run,
    /// The file that `compress` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) out: Out,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Score {
    #[command(flatten)]
    pub(crate) run: Run,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Samples K of the importance-weighted NLL; 0 leaves it out
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = whole_size)]
    pub(crate) samples: usize,
    #[command(flatten)]
    pub(crate) seed: Seed,
    /// The file, .csv; by default scores.csv in the run (of other data scores-of-DATA.csv)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    pub(crate) run: Run,
    /// Samples K of the importance-weighted NLL; 0 measures none (stored ones stay)
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = whole_size)]
    pub(crate) samples: usize,
    /// Other data than the run's; nothing is written then
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// The file, .html; by default report.html in the run
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) folder: Folder,
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Safetensors)]
    pub(crate) format: Format,
    /// The file, .safetensors, by default named after the run; or the folder, by default diffusers/ or onnx/; in the run
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Import {
    /// The folder of the model, or of a pipeline with a folder vae
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Images that the run's verbs take where none are named: a name, a file or a folder
    #[arg(long, value_name = "DATA")]
    pub(crate) data: Option<String>,
    /// Side of the images in pixels, in place of the model's own
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) size: Option<usize>,
    /// The run folder; by default the next number under runs/
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// A format of exported models.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// One file of named arrays; the configuration is in its metadata
    Safetensors,
    /// A folder that the diffusers library opens
    Diffusers,
    /// A folder with encoder.onnx and decoder.onnx
    Onnx,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct List {
    /// What to list
    #[arg(value_enum)]
    pub(crate) what: What,
}

/// A catalogue.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum What {
    /// The built-in recipes
    Models,
    /// The data sets with names
    Data,
    /// Bounds, terms of the objective, optimizers, networks
    Methods,
    /// Likelihoods, priors, latents
    Distributions,
}

/// A whole number.
fn whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "expected a whole number of at least 0".to_owned())
}

/// A whole number that counts or places things in memory.
fn whole_size(text: &str) -> Result<usize, String> {
    let number = whole(text)?;
    usize::try_from(number).map_err(|error| error.to_string())
}

/// A number of things.
fn count(text: &str) -> Result<usize, String> {
    match whole_size(text) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number of at least 1".to_owned()),
    }
}

/// A length.
fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_every_verb_has_examples() {
        let mut command = Args::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands_mut() {
            let help = verb.render_help().to_string();
            assert!(help.contains("Examples:"), "{}", verb.get_name());
            for line in help.lines().filter(|line| line.starts_with("  jensen ")) {
                let call = line.trim().split("  ").next().unwrap_or_default();
                // What stands between quotes is one word.
                let parts = call.split('"').enumerate();
                let words = parts.flat_map(|(i, part)| match i % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![part],
                });
                let parsed = Args::try_parse_from(words);
                assert!(parsed.is_ok(), "{line}");
            }
        }
    }
}
