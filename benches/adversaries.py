"""What an adversary does to a recipe: with each seed the recipe is fitted as it is and without its adversary, and the
record holds Frechet distances, mean absolute errors and whether training survived.

    cargo build --release
    python3 benches/adversaries.py --name vae-gan --seeds 3 --out benches/records/vae_gan.json
    python3 benches/adversaries.py --name vq-gan --seeds 20 --set train.min_steps=400 --out benches/records/vq_gan.json
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import tomllib

import provenance


def fit(options, seed, more, folder, text):
    path = os.path.join(folder, "recipe.toml")
    with open(path, "w") as file:
        file.write(text)
    sets = [part for pair in options.set + more for part in ("--set", pair)]
    data = ["--data", options.data] if options.data else []
    run = os.path.join(folder, "run")
    done = subprocess.run(
        [options.binary, "fit", path, "--seed", str(seed), "--json", "--quiet", "--out", run, *data, *sets],
        capture_output=True, text=True,
    )
    if done.returncode not in (0, 3):
        return {"seed": seed, "code": done.returncode, "error": done.stderr[-500:]}
    subprocess.run([options.binary, "evaluate", run, "--json", "--quiet", "--samples", "0"], capture_output=True, check=True)
    with open(os.path.join(run, "evaluation.json")) as file:
        evaluation = json.load(file)
    metrics = {key: round(value, 5) for key, value in evaluation["metrics"].items() if isinstance(value, float)}
    steps = [json.loads(line) for line in open(os.path.join(run, "metrics.jsonl"))]
    last = [step for step in steps if step.get("split") == "train"][-1]
    kept = {key: round(value, 5) for key, value in last.items() if key in ("critic", "adversary", "feature", "perceptual", "weight.adversary", "logit_data", "logit_made")}
    return {"seed": seed, "code": done.returncode, "features": evaluation["settings"].get("features"), "last": kept, "metrics": metrics}


def without_adversary(text):
    """The recipe without the tables and lines of its adversary, and with the whole likelihood in its loss."""
    kept, is_inside = [], False
    for line in text.split("\n"):
        if line.startswith("["):
            is_inside = line.strip() in ("[objective.adversary]", "[train.groups.adversary]")
        dropped = line.startswith(("objective.adversary", "objective.likelihood", "train.groups.adversary"))
        if not is_inside and not dropped:
            kept.append(line)
    return "\n".join(kept)


def value(run, start):
    found = [value for key, value in run.get("metrics", {}).items() if key.startswith(start)]
    return found[0] if found else None


def summary(runs, start):
    values = [value(run, start) for run in runs]
    values = [v for v in values if v is not None]
    if not values:
        return None
    quartiles = statistics.quantiles(values, n=4) if len(values) > 3 else None
    return {"median": statistics.median(values), "worst": max(values), "quartiles": quartiles}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/jensen")
    parser.add_argument("--name", required=True)
    parser.add_argument("--data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--commit", help="commit that the binary is of; the one checked out unless given")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    commit, versions = provenance.commit(options.commit), provenance.versions(options.binary)
    with open(os.path.join("recipes", options.name + ".toml")) as file:
        text = file.read()
    tomllib.loads(text)
    record = {
        "what": f"{options.name} as it is and without its adversary on {options.data or 'its own data'}; code 0 or 3: training came to its end",
        "commit": commit, "processor": provenance.processor(), "versions": versions, "set": options.set,
        "summary": {}, "with": [], "without": [],
    }
    for seed in range(1, options.seeds + 1):
        for key, recipe in (("with", text), ("without", without_adversary(text))):
            with tempfile.TemporaryDirectory() as folder:
                run = fit(options, seed, [], folder, recipe)
            record[key].append(run)
            print(seed, key, run["code"], value(run, "fd_classifier"), value(run, "reconstruction_l1"), run.get("last"), flush=True)
        record["summary"] = {
            key: {start: summary(record[key], start) for start in ("fd_classifier", "fd_reconstruction_classifier", "reconstruction_l1", "test_neg_elbo")}
            for key in ("with", "without")
        }
        with open(options.out, "w") as file:
            json.dump(record, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
