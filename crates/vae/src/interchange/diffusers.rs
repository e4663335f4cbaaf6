//! `AutoencoderKL` and `VQModel` of the diffusers library: their configuration as a recipe, their weights as ours.
//!
//! Both are the residual nets of `encoder/resnet.rs` and `decoder/resnet.rs` with a latent that is a map; one table of
//! names turns parameters of one side into those of the other. Their layers of a place are convolutions of 1 x 1, their
//! queries, keys and values three layers. Values are moved, never computed with, so that a model that comes and goes
//! keeps its bits. Source: [rombach-2022], and the library's own names.

use crate::recipe::{Recipe, RecipeError};
use crate::{encoder, part};
use jensen_data::Layout;
use jensen_nets::HostTensor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use toml::Table;

/// File of the configuration in a folder of a model.
pub const CONFIG: &str = "config.json";
/// File of the weights beside it.
pub const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// Ours and theirs, in this order; what begins with a number of ours is counted from 0 there.
const NAMES: [(&str, &str); 15] = [
    (".attention.norm.", ".attentions.0.group_norm."),
    (".attention.inputs.", ".attentions.0.to_#."),
    (".attention.output.", ".attentions.0.to_out.0."),
    (".middle.", ".mid_block."),
    (".halve.", ".downsamplers.0.conv."),
    (".double.", ".upsamplers.0.conv."),
    (".skip.", ".conv_shortcut."),
    ("coder.first.", "coder.conv_in."),
    ("coder.last.", "coder.conv_out."),
    ("coder.norm.", "coder.conv_norm_out."),
    ("decoder.point.", "post_quant_conv."),
    ("latent.head.", "quant_conv."),
    ("latent.book", "quantize.embedding.weight"),
    (".gain", ".weight"),
    (".shift", ".bias"),
];
/// Ours and theirs of what is counted.
const COUNTED: [(&str, &str); 3] = [
    ("down", "down_blocks"),
    ("up", "up_blocks"),
    ("block", "resnets"),
];
/// The three layers that stand for `#`, in the order in which ours has them side by side.
const PARTS: [&str; 3] = ["q", "k", "v"];
/// What older files call layers of attention.
const OLD_NAMES: [(&str, &str); 4] = [
    (".to_q.", ".query."),
    (".to_k.", ".key."),
    (".to_v.", ".value."),
    (".to_out.0.", ".proj_attn."),
];
/// Layers that some models leave out, with the switch of the configuration; they are the identity then.
const SWITCHES: [(&str, &str); 2] = [
    ("quant_conv.", "use_quant_conv"),
    ("post_quant_conv.", "use_post_quant_conv"),
];

/// Why a model is not one of ours.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DiffusersError {
    /// The configuration is no JSON.
    #[error("the configuration is no JSON: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// An option that no recipe has.
    #[error("{key}: expected {expected}, found {found}")]
    Config {
        /// The option.
        key: String,
        /// What a recipe can have.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A weight is not there.
    #[error("the weights lack `{key}`")]
    Missing {
        /// Its name there.
        key: String,
    },
    /// A weight has another shape.
    #[error("`{key}`: expected the shape {expected:?}, found {found:?}")]
    Shape {
        /// Its name there.
        key: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A weight that the configuration has no place for.
    #[error("`{key}` has no place in a model of this configuration")]
    Extra {
        /// Its name there.
        key: String,
    },
    /// A recipe that is no model of theirs.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
}

type Result<T> = std::result::Result<T, DiffusersError>;

/// A configuration as a recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    /// The recipe.
    pub recipe: Recipe,
    /// The images.
    pub layout: Layout,
    /// Mean and standard deviation of all numbers of z, where they are known.
    pub moments: Option<[f64; 2]>,
}

/// A configuration in a text.
pub fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| DiffusersError::Syntax {
        message: error.to_string(),
    })
}

/// The recipe of a configuration: its name, where its images come from, and their side where it is not the
/// configuration's.
pub fn recipe(config: &Value, name: &str, data: &str, size: Option<usize>) -> Result<Configured> {
    let config = Options(config);
    let class = config.text("_class_name", "")?;
    let is_kl = match class.as_str() {
        "AutoencoderKL" => true,
        "VQModel" => false,
        found => return refuse("_class_name", "AutoencoderKL or VQModel", found),
    };
    for (key, known) in [
        ("down_block_types", "DownEncoderBlock2D"),
        ("up_block_types", "UpDecoderBlock2D"),
    ] {
        let found = config.get(key).and_then(Value::as_array);
        if let Some(other) = (found.into_iter().flatten()).find(|kind| kind.as_str() != Some(known))
        {
            return refuse(key, &format!("{known} alone"), other);
        }
    }
    for (key, known) in [("act_fn", "silu"), ("norm_type", "group")] {
        let found = config.text(key, known)?;
        // The same function under its other name.
        if found != known && found != "swish" {
            return refuse(key, known, found);
        }
    }
    let n_channels = config.size("in_channels", 3)?;
    let n_out = config.size("out_channels", 3)?;
    if n_out != n_channels {
        return refuse("out_channels", &format!("in_channels, {n_channels}"), n_out);
    }
    let [height, width] = match size {
        Some(side) => [side; 2],
        None => config.sides("sample_size", 32)?,
    };
    let width_of_z = config.size("latent_channels", if is_kl { 4 } else { 3 })?;
    let nets = |features: usize| {
        let mut table = Table::new();
        let channels = config.sizes("block_out_channels", 64)?;
        table.insert("kind".to_owned(), "resnet".into());
        table.insert("channels".to_owned(), whole(&channels));
        for (key, n) in [
            ("blocks", config.size("layers_per_block", 1)?),
            ("groups", config.size("norm_num_groups", 32)?),
            ("features", features),
        ] {
            table.insert(key.to_owned(), (n as i64).into());
        }
        let attention = match config.switch("mid_block_add_attention", true)? {
            true => "mid",
            false => "none",
        };
        table.insert("attention".to_owned(), attention.into());
        Ok::<_, DiffusersError>(table)
    };
    let latent = match is_kl {
        true => format!("kind = 'gaussian'\nchannels = {width_of_z}\nclamp = true"),
        false => {
            let codes = config.size("num_vq_embeddings", 256)?;
            let dim = config.size("vq_embed_dim", width_of_z)?;
            format!(
                "kind = 'vq'\ncodes = {codes}\ndim = {dim}\ndecay = 0.0\nrevive_after = 0\ngradient = 'straight_through'"
            )
        }
    };
    let text = format!(
        "about = 'imported from a {class} of the diffusers library'
        likelihood = {{ kind = 'gaussian', scale = 1.0 }}
        [data]
        range = 'symmetric'
        resize = {height}
        grey = {}
        validation = 0.0
        [latent.z]
        {latent}",
        n_channels == 1,
    );
    let mut table = Recipe::table(&text, name, &[])?;
    table.insert("name".to_owned(), name.into());
    let encoder = nets(if is_kl { 2 * width_of_z } else { width_of_z })?;
    table.insert("encoder".to_owned(), encoder.into());
    table.insert("decoder".to_owned(), nets(width_of_z)?.into());
    if let Some(toml::Value::Table(options)) = table.get_mut("data") {
        options.insert("source".to_owned(), data.into());
    }
    let number = |key: &str| config.get(key).and_then(Value::as_f64);
    let scale = number("scaling_factor").filter(|&factor| factor > 0.0 && is_kl);
    Ok(Configured {
        recipe: Recipe::resolve(&table)?,
        layout: Layout::Image {
            channels: n_channels,
            height,
            width,
        },
        moments: scale.map(|factor| [number("shift_factor").unwrap_or(0.0), 1.0 / factor]),
    })
}

/// The configuration of a recipe for images of a layout; `moments` are mean and standard deviation of all numbers of
/// z, which latent diffusion wants at 0 and 1.
pub fn config(recipe: &Recipe, layout: Layout, moments: Option<[f64; 2]>) -> Result<Value> {
    let nets = |table: &Table, place: &str| {
        if part::kind(table) != "resnet" {
            return unlike(
                place,
                "models of the diffusers library have kind = \"resnet\"",
            );
        }
        Ok(part::options::<encoder::resnet::Options>(table, place)?)
    };
    let (down, up) = (
        nets(&recipe.encoder, "encoder")?,
        nets(&recipe.decoder, "decoder")?,
    );
    let as_down = encoder::resnet::Options {
        features: down.features,
        ..up.clone()
    };
    if as_down != down {
        return unlike(
            "decoder",
            "expected the options of the encoder, but for features",
        );
    }
    if !["gaussian", "laplace"].contains(&part::kind(&recipe.likelihood)) {
        return unlike(
            "likelihood",
            "models of the diffusers library end with the mean; expected \"gaussian\" or \"laplace\"",
        );
    }
    if recipe.likelihood.get("scale").and_then(toml::Value::as_str) == Some("per_value") {
        return unlike(
            "likelihood",
            "models of the diffusers library have no scale of each value",
        );
    }
    let mut latents = recipe.latent.iter();
    let (Some((name, latent)), None) = (latents.next(), latents.next()) else {
        return unlike("latent", "models of the diffusers library have one latent");
    };
    let place = format!("latent.{name}");
    let whole = |key: &str| {
        latent
            .get(key)
            .and_then(toml::Value::as_integer)
            .unwrap_or(0) as usize
    };
    let Layout::Image {
        channels,
        height,
        width,
    } = layout
    else {
        return unlike("data", "models of the diffusers library are of images");
    };
    let n_sizes = down.channels.len();
    let mut config = json!({
        "_diffusers_version": "0.30.0",
        "in_channels": channels,
        "out_channels": channels,
        "down_block_types": vec!["DownEncoderBlock2D"; n_sizes],
        "up_block_types": vec!["UpDecoderBlock2D"; n_sizes],
        "block_out_channels": down.channels,
        "layers_per_block": down.blocks,
        "act_fn": "silu",
        "norm_num_groups": down.groups,
        "mid_block_add_attention": down.attention == "mid",
        "sample_size": if height == width { json!(height) } else { json!([height, width]) },
        "latent_channels": up.features,
    });
    match part::kind(latent) {
        "gaussian" if whole("channels") > 0 => {
            let n = whole("channels");
            if (down.features, up.features) != (2 * n, n) {
                return unlike(
                    "encoder",
                    &format!(
                        "z of {n} channels wants features = {} of the encoder and {n} of the decoder",
                        2 * n
                    ),
                );
            }
            config["_class_name"] = json!("AutoencoderKL");
            let [mean, scale] = moments.unwrap_or([0.0, 1.0]);
            config["scaling_factor"] = json!(1.0 / scale);
            config["shift_factor"] = if mean == 0.0 {
                Value::Null
            } else {
                json!(mean)
            };
        }
        "vq" if latent.get("cosine") == Some(&false.into()) => {
            if down.features != up.features {
                return unlike("decoder", "expected as many features as the encoder has");
            }
            config["_class_name"] = json!("VQModel");
            config["num_vq_embeddings"] = json!(whole("codes"));
            config["vq_embed_dim"] = json!(whole("dim"));
            config["norm_type"] = json!("group");
        }
        _ => {
            return unlike(
                &place,
                "expected kind = \"gaussian\" with channels, or kind = \"vq\" without cosine",
            );
        }
    }
    Ok(config)
}

/// What one parameter of ours is there.
struct Match {
    /// Names and shapes; several stand one after the other.
    theirs: Vec<(String, Vec<usize>)>,
    /// Whether ours is a matrix with its rows and columns exchanged.
    transposed: bool,
}

/// What a parameter of ours is there; `None` for what only we have.
fn matched(ours: &str, shape: &[usize]) -> Option<Match> {
    let words: Vec<String> = ours.split('.').map(counted).collect();
    let mut name = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["latent", _, "head", last] => format!("latent.head.{last}"),
        ["latent", _, "book"] => "latent.book".to_owned(),
        ["encoder" | "decoder", ..] => words.join("."),
        _ => return None,
    };
    let is_point = name.starts_with("latent.head");
    for (ours, theirs) in NAMES {
        name = name.replace(ours, theirs);
    }
    let transposed = shape.len() == 2 && ours.ends_with(".weight");
    let mut shape = shape.to_vec();
    if transposed {
        shape.reverse();
    }
    if transposed && is_point {
        shape.extend([1, 1]);
    }
    let theirs = match name.contains('#') {
        false => vec![(name, shape)],
        true => {
            shape[0] /= PARTS.len();
            let part = |part: &str| (name.replace('#', part), shape.clone());
            PARTS.map(part).to_vec()
        }
    };
    Some(Match { theirs, transposed })
}

/// `down2` as `down_blocks.1`, anything else as it is.
fn counted(word: &str) -> String {
    let found = COUNTED.iter().find_map(|(ours, theirs)| {
        let number: usize = word.strip_prefix(ours)?.parse().ok()?;
        Some(format!("{theirs}.{}", number.checked_sub(1)?))
    });
    found.unwrap_or_else(|| word.to_owned())
}

/// Names and shapes there of parameters of these names and shapes.
pub fn keys(outline: &[(String, Vec<usize>)]) -> Vec<(String, Vec<usize>)> {
    let all = outline.iter();
    all.filter_map(|(name, shape)| matched(name, shape))
        .flat_map(|found| found.theirs)
        .collect()
}

/// Our parameters, of these names and shapes, from weights of theirs.
pub fn import(
    outline: &[(String, Vec<usize>)],
    config: &Value,
    weights: Vec<HostTensor>,
) -> Result<Vec<HostTensor>> {
    let mut left: BTreeMap<String, HostTensor> = (weights.into_iter())
        .map(|tensor| (tensor.name.clone(), tensor))
        .collect();
    let ours = (outline.iter())
        .map(|(name, shape)| {
            let values = match matched(name, shape) {
                None => only_ours(name, shape),
                Some(found) => {
                    let mut values = Vec::new();
                    for (key, shape) in &found.theirs {
                        values.extend(take(&mut left, key, shape, config)?);
                    }
                    match found.transposed {
                        true => transpose(&values, shape[1]),
                        false => values,
                    }
                }
            };
            Ok(HostTensor {
                name: name.clone(),
                shape: shape.clone(),
                values,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    match left.into_keys().next() {
        Some(key) => Err(DiffusersError::Extra { key }),
        None => Ok(ours),
    }
}

/// Theirs from our parameters, and the configuration with what it leaves out.
pub fn export(params: &[HostTensor], config: &mut Value) -> Vec<HostTensor> {
    let mut theirs = Vec::new();
    for tensor in params {
        let Some(found) = matched(&tensor.name, &tensor.shape) else {
            continue;
        };
        let all = match found.transposed {
            true => transpose(&tensor.values, tensor.shape[0]),
            false => tensor.values.clone(),
        };
        let size = all.len() / found.theirs.len();
        let pieces = all.chunks_exact(size).zip(found.theirs);
        theirs.extend(pieces.map(|(values, (name, shape))| HostTensor {
            name,
            shape,
            values: values.to_vec(),
        }));
    }
    if config["_class_name"] == json!("AutoencoderKL") {
        for (layer, switch) in SWITCHES {
            let is_there = |tensor: &&HostTensor| tensor.name.starts_with(layer);
            let parts: Vec<&HostTensor> = theirs.iter().filter(is_there).collect();
            let is_used = parts
                .iter()
                .any(|part| part.values != identity(&part.shape));
            config[switch] = json!(is_used);
            if !is_used {
                theirs.retain(|tensor| !tensor.name.starts_with(layer));
            }
        }
    }
    theirs
}

/// The weight of this name and shape; what a switch leaves out is the identity.
fn take(
    weights: &mut BTreeMap<String, HostTensor>,
    key: &str,
    shape: &[usize],
    config: &Value,
) -> Result<Vec<f32>> {
    let old = (OLD_NAMES.iter()).fold(key.to_owned(), |key, (new, old)| key.replace(new, old));
    let Some(found) = weights.remove(key).or_else(|| weights.remove(&old)) else {
        let is_off = |(layer, switch): &(&str, &str)| {
            key.starts_with(layer) && config.get(switch) == Some(&Value::Bool(false))
        };
        return match SWITCHES.iter().any(is_off) {
            true => Ok(identity(shape)),
            false => Err(DiffusersError::Missing {
                key: key.to_owned(),
            }),
        };
    };
    // Older files store layers of attention as convolutions of one pixel.
    let sides = |shape: &[usize]| {
        let mut sides = shape.to_vec();
        while sides.len() > 2 && sides.last() == Some(&1) {
            sides.pop();
        }
        sides
    };
    match sides(&found.shape) == sides(shape) {
        true => Ok(found.values),
        false => Err(DiffusersError::Shape {
            key: key.to_owned(),
            expected: shape.to_vec(),
            found: found.shape,
        }),
    }
}

/// A matrix with ones on its diagonal, a vector of zeros.
fn identity(shape: &[usize]) -> Vec<f32> {
    let n = shape.iter().product();
    match shape {
        [_] => vec![0.0; n],
        [_, width, ..] => (0..n)
            .map(|at| f32::from(u8::from(at / width == at % width)))
            .collect(),
        [] => vec![1.0],
    }
}

/// What theirs have not: a book of codes was placed, and none of them has been unused.
fn only_ours(name: &str, shape: &[usize]) -> Vec<f32> {
    let value = f32::from(u8::from(name.ends_with(".is_placed")));
    vec![value; shape.iter().product()]
}

/// Row-major `[n, m]` from row-major `[m, n]` with m rows.
fn transpose(values: &[f32], m: usize) -> Vec<f32> {
    let n = values.len() / m;
    let at = |i: usize| values[(i % m) * n + i / m];
    (0..values.len()).map(at).collect()
}

fn whole(values: &[usize]) -> toml::Value {
    let values = values.iter().map(|&n| toml::Value::from(n as i64));
    toml::Value::Array(values.collect())
}

fn refuse<T>(key: &str, expected: &str, found: impl ToString) -> Result<T> {
    Err(DiffusersError::Config {
        key: key.to_owned(),
        expected: expected.to_owned(),
        found: found.to_string(),
    })
}

fn unlike<T>(place: &str, message: &str) -> Result<T> {
    let error = RecipeError::value(place, message.to_owned());
    Err(DiffusersError::Recipe(error))
}

/// Options of a configuration, with what stands for those that are not there.
struct Options<'a>(&'a Value);

impl Options<'_> {
    /// The value, unless it is null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str, fallback: &str) -> Result<String> {
        match self.get(key) {
            None => Ok(fallback.to_owned()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => refuse(key, "text", other),
        }
    }

    fn switch(&self, key: &str, fallback: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(fallback),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => refuse(key, "true or false", other),
        }
    }

    fn size(&self, key: &str, fallback: usize) -> Result<usize> {
        match self.get(key) {
            None => Ok(fallback),
            Some(value) => as_size(key, value),
        }
    }

    fn sizes(&self, key: &str, fallback: usize) -> Result<Vec<usize>> {
        match self.get(key) {
            None => Ok(vec![fallback]),
            Some(Value::Array(values)) => values.iter().map(|value| as_size(key, value)).collect(),
            Some(other) => refuse(key, "a list of whole numbers", other),
        }
    }

    /// One side for both, or height and width.
    fn sides(&self, key: &str, fallback: usize) -> Result<[usize; 2]> {
        match self.get(key) {
            Some(Value::Array(_)) => match self.sizes(key, fallback)?[..] {
                [height, width] => Ok([height, width]),
                _ => refuse(key, "a side, or height and width", self.0[key].clone()),
            },
            _ => Ok([self.size(key, fallback)?; 2]),
        }
    }
}

fn as_size(key: &str, value: &Value) -> Result<usize> {
    /// Sides and channels beyond it are slips.
    const MOST: u64 = 1 << 20;
    match value.as_u64() {
        Some(n) if (1..=MOST).contains(&n) => Ok(n as usize),
        _ => refuse(key, "a whole number above 0", value),
    }
}
