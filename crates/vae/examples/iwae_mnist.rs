//! How long IWAE-5000 takes over 1,000 test images of MNIST with the classic network.
//!
//! `cargo run --release -p jensen-vae --example iwae_mnist -- FOLDER_OF_MNIST [EPOCHS]` trains for some
//! epochs and prints seconds and the estimate as one JSON object; the record is in `benches/records`.

use burn::tensor::Device;
use jensen_data::OpenOptions;
use jensen_kernels::CachingAllocator;
use jensen_rng::Stream;
use jensen_run::{RunFolder, Silent};
use jensen_vae::feed::Feed;
use jensen_vae::metric::{score, score::elbo_parts};
use jensen_vae::model::Model;
use jensen_vae::recipe::Recipe;
use jensen_vae::train::{Task, train};
use std::error::Error;
use std::io::Write;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: CachingAllocator = CachingAllocator;

const N_IMAGES: usize = 1000;
const N_SAMPLES: usize = 5000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("name the folder of the MNIST files")?;
    let epochs = arguments.next().unwrap_or_else(|| "10".to_owned());
    let data = jensen_data::open(&folder, &OpenOptions::default())?;
    let recipe = Recipe::parse(
        "name = 'vae'",
        "example",
        &[format!("train.epochs={epochs}")],
    )?;
    let device = Device::flex();
    let feed = Feed::new(data.train, &recipe.data, &device)?;
    let first: Vec<usize> = (0..N_IMAGES).collect();
    let test = Feed::new(data.test.select(&first), &recipe.data, &device)?;
    let (model, params) = Model::assemble(&recipe, &feed.site(), &device)?;
    let temporary = std::env::temp_dir().join(format!("iwae-mnist-{}", std::process::id()));
    let run = RunFolder::create(&temporary)?;
    let task = Task {
        recipe: &recipe,
        model: &model,
        train: &feed,
        validation: None,
        run: &run,
    };
    let start = Instant::now();
    let trained = train(&task, params, &mut Silent, &mut |_, _, _| Ok(()))?;
    let training_s = start.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&temporary)?;

    let stream = Stream::from_seed(1);
    let [neg_elbo, ..] =
        elbo_parts(&model, &trained.params, &test, &stream, &mut |_| true).ok_or("stopped")?;
    let start = Instant::now();
    let scores = score(
        &model,
        &trained.params,
        &test,
        N_SAMPLES,
        &stream,
        &mut |_| true,
    )
    .ok_or("stopped")?;
    let seconds = start.elapsed().as_secs_f64();
    let nll = scores.nll.unwrap_or_default();
    let nll = nll.iter().sum::<f64>() / nll.len() as f64;
    writeln!(
        std::io::stdout(),
        "{{\"images\":{N_IMAGES},\"samples\":{N_SAMPLES},\"epochs\":{epochs},\"training_s\":{training_s:.2},\
         \"iwae_s\":{seconds:.2},\"test_neg_elbo\":{neg_elbo:.3},\"test_nll_iwae_5000\":{nll:.3}}}"
    )?;
    Ok(())
}
