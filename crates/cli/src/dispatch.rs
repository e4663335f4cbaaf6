//! From parsed arguments to a call of the library, and from its result to the terminal.

use crate::args::{self, Args, Style, Verb, Way, What};
use crate::console::{self, Complaint};
use crate::terminal::Terminal;
use crate::{show, stop};
use jensen::recipes::RecipeRequest;
use jensen::session::Part;
use jensen::verb::fit::Status;
use jensen::verb::interpolate::Path;
use jensen::verb::output::NotStored;
use jensen::verb::{
    check, compress, decode, decompress, encode, evaluate, export, generate, import, interpolate,
    list, reconstruct, report, reproduce, resume, sample, score, traverse,
};
use jensen::{FitRequest, Fitted, Result, fit};
use std::process::ExitCode;

/// Does what the arguments say and gives the exit code.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let style = args.style;
    let observer = &mut Terminal::new(style.quiet);
    match &args.verb {
        Verb::Fit(args) => {
            stop::listen();
            let fitted = fit(&fit_request(args), observer)?;
            show::fitted("fit", &fitted, style);
            return Ok(code_of(&fitted));
        }
        Verb::Resume(args) => {
            stop::listen();
            let request = resume::Request {
                run: args.folder.run.clone(),
                overrides: args.overrides.pairs.clone(),
            };
            let fitted = resume::resume(&request, observer)?;
            show::fitted("resume", &fitted, style);
            return Ok(code_of(&fitted));
        }
        Verb::Reproduce(args) => {
            stop::listen();
            let request = reproduce::Request {
                recipe: recipe_request(&args.recipe),
                out: args.out.clone(),
            };
            let reproduced = reproduce::reproduce(&request, observer)?;
            show::reproduced(&reproduced, style);
            return Ok(match (reproduced.fitted.status, reproduced.pass) {
                (Status::Stopped, _) | (_, true) => code_of(&reproduced.fitted),
                (_, false) => ExitCode::from(1),
            });
        }
        Verb::Check(args) => {
            let plan = check::check(&recipe_request(args), observer)?;
            show::plan(&plan, style);
        }
        Verb::Sample(args) => {
            stop::listen();
            let request = sample::Request {
                run: args.run.folder.run.clone(),
                n: args.n,
                draw: args.draw,
                class: args.class,
                seed: args.seed.seed,
                out: args.out.out.clone(),
                device: args.run.place.name(),
            };
            show::written("sample", &sample::sample(&request, observer)?, style);
        }
        Verb::Generate(args) => {
            stop::listen();
            let request = generate::Request {
                run: args.run.folder.run.clone(),
                caption: args.caption.clone(),
                n: args.n,
                seed: args.seed.seed,
                out: args.out.out.clone(),
                device: args.run.place.name(),
            };
            show::written("generate", &generate::generate(&request, observer)?, style);
        }
        Verb::Reconstruct(args) => {
            stop::listen();
            let request = reconstruct::Request {
                run: args.run.folder.run.clone(),
                data: args.source.data.clone(),
                part: part(&args.source),
                n: args.n,
                indices: args.indices.clone(),
                out: args.out.out.clone(),
                device: args.run.place.name(),
            };
            let written = reconstruct::reconstruct(&request, observer)?;
            show::written("reconstruct", &written, style);
        }
        Verb::Interpolate(args) => {
            stop::listen();
            let request = interpolate::Request {
                run: args.run.folder.run.clone(),
                data: args.source.data.clone(),
                part: part(&args.source),
                from: args.from.clone(),
                to: args.to.clone(),
                pairs: args.pairs,
                steps: args.steps.steps,
                paths: match args.path {
                    Way::Linear => vec![Path::Linear],
                    Way::Spherical => vec![Path::Spherical],
                    Way::Both => vec![Path::Linear, Path::Spherical],
                },
                out: args.out.clone(),
                device: args.run.place.name(),
            };
            let written = interpolate::interpolate(&request, observer)?;
            show::written("interpolate", &written, style);
        }
        Verb::Traverse(args) => {
            stop::listen();
            let request = traverse::Request {
                run: args.run.folder.run.clone(),
                data: args.source.data.clone(),
                part: part(&args.source),
                latent: args.latent.clone(),
                options: traverse::Options {
                    latent: 0,
                    example: (!args.origin).then_some(args.example),
                    dims: args.dims.clone(),
                    n_dims: args.rows,
                    range: args.range,
                    steps: args.steps.steps,
                },
                out: args.out.out.clone(),
                device: args.run.place.name(),
            };
            show::written("traverse", &traverse::traverse(&request, observer)?, style);
        }
        Verb::Encode(args) => {
            stop::listen();
            let request = encode::Request {
                run: args.run.folder.run.clone(),
                data: args.source.data.clone(),
                part: part(&args.source),
                seed: args.seed.seed,
                out: args.out.clone(),
                device: args.run.place.name(),
            };
            show::written("encode", &encode::encode(&request, observer)?, style);
        }
        Verb::Decode(args) => {
            stop::listen();
            let request = decode::Request {
                run: args.run.folder.run.clone(),
                codes: args.codes.clone(),
                draw: args.draw,
                seed: args.seed.seed,
                out: args.out.out.clone(),
                device: args.run.place.name(),
            };
            show::written("decode", &decode::decode(&request, observer)?, style);
        }
        Verb::Compress(args) => {
            stop::listen();
            let request = compress::Request {
                run: args.run.folder.run.clone(),
                data: args.source.data.clone(),
                part: part(&args.source),
                seed: args.seed.seed,
                out: args.out.clone(),
                device: args.run.place.name(),
            };
            show::written("compress", &compress::compress(&request, observer)?, style);
        }
        Verb::Decompress(args) => {
            stop::listen();
            let request = decompress::Request {
                run: args.run.folder.run.clone(),
                file: args.file.clone(),
                out: args.out.out.clone(),
                device: args.run.place.name(),
            };
            let written = decompress::decompress(&request, observer)?;
            show::written("decompress", &written, style);
        }
        Verb::Score(args) => {
            stop::listen();
            let request = score::Request {
                run: args.run.folder.run.clone(),
                data: args.source.data.clone(),
                part: part(&args.source),
                samples: args.samples,
                seed: args.seed.seed,
                out: args.out.clone(),
                device: args.run.place.name(),
            };
            let written = score::score(&request, observer)?;
            show::written("score", &written, style);
            return Ok(code_of_loss(&written.not_stored));
        }
        Verb::Evaluate(args) => {
            stop::listen();
            let request = evaluate::Request {
                run: args.run.folder.run.clone(),
                samples: args.samples,
                data: args.data.clone(),
                device: args.run.place.name(),
            };
            let evaluated = evaluate::evaluate(&request, observer)?;
            show::evaluated(&evaluated, style);
            return Ok(code_of_loss(&evaluated.not_stored));
        }
        Verb::Report(args) => {
            let request = report::Request {
                run: args.folder.run.clone(),
                out: args.out.clone(),
            };
            show::reported(&report::report(&request, observer)?, style);
        }
        Verb::Export(args) => {
            let request = export::Request {
                run: args.folder.run.clone(),
                format: match args.format {
                    args::Format::Safetensors => export::Format::Safetensors,
                    args::Format::Diffusers => export::Format::Diffusers,
                    args::Format::Onnx => export::Format::Onnx,
                },
                out: args.out.clone(),
            };
            show::exported(&export::export(&request, observer)?, style);
        }
        Verb::Import(args) => {
            let request = import::Request {
                folder: args.folder.clone(),
                data: args.data.clone(),
                size: args.size,
                out: args.out.clone(),
            };
            show::imported(&import::import(&request, observer)?, style);
        }
        Verb::List(args) => listed(args.what, style)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(what: What, style: Style) -> Result<()> {
    match what {
        What::Models => show::models(&list::models()?, style),
        What::Data => show::data(&list::data(), style),
        What::Methods => show::groups("methods", &list::methods(), style),
        What::Distributions => show::groups("distributions", &list::distributions(), style),
    }
    Ok(())
}

fn fit_request(args: &args::Fit) -> FitRequest {
    FitRequest {
        recipe: recipe_request(&args.recipe),
        out: args.out.clone(),
        iwae_samples: None,
    }
}

fn recipe_request(args: &args::Recipe) -> RecipeRequest {
    RecipeRequest {
        model: args.model.clone(),
        data: args.data.clone(),
        overrides: args.overrides.pairs.clone(),
        seed: args.seed,
        device: args.place.name(),
    }
}

fn part(source: &args::Source) -> Part {
    match source.part {
        args::Part::Test => Part::Test,
        args::Part::Train => Part::Train,
    }
}

/// Success, unless numbers that were shown could not be stored, which is said.
fn code_of_loss(not_stored: &Option<NotStored>) -> ExitCode {
    match not_stored {
        None => ExitCode::SUCCESS,
        Some(loss) => {
            console::error(&Complaint::of_loss(loss));
            ExitCode::from(1)
        }
    }
}

/// A stopped fit, one whose codes carry nothing, or one that can be used.
fn code_of(fitted: &Fitted) -> ExitCode {
    match (fitted.status, &fitted.verdict) {
        (Status::Stopped, _) => ExitCode::from(stop::CODE),
        (_, Some(verdict)) if verdict.collapsed => ExitCode::from(3),
        _ => ExitCode::SUCCESS,
    }
}
