"""Runs built-in recipes with several seeds and writes what they reached into a record: all of them on their
own data, or some of them on other data.

    cargo build --release
    python3 benches/recipes.py --out benches/records/recipes.json
    python3 benches/recipes.py --names vae --data FOLDER_OF_MNIST --out benches/records/mnist.json
"""

import argparse
import json
import os
import subprocess
import tempfile

import provenance

SEEDS = [1, 2, 3]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/jensen")
    parser.add_argument("--names", help="recipes, separated by commas; all of them unless named")
    parser.add_argument("--data", help="other data than the recipe's own")
    parser.add_argument("--commit", help="commit that the binary is of; the one checked out unless given")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    commit = provenance.commit(options.commit)
    versions = provenance.versions(options.binary)
    names = sorted(name.removesuffix(".toml") for name in os.listdir("recipes") if name.endswith(".toml"))
    if options.names:
        names = options.names.split(",")
    data = ["--data", options.data] if options.data else []
    on = f"the data {os.path.basename(options.data.rstrip('/'))}" if options.data else "its own data"
    recipes = {}
    for name in names:
        runs = []
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    [options.binary, "reproduce", name, "--seed", str(seed), "--json", "--quiet", "--out", os.path.join(folder, "run"), *data],
                    capture_output=True, text=True,
                )
            told = json.loads(done.stdout)
            metrics = {key: round(value, 4) for key, value in told.get("metrics", {}).items()}
            verdict = told.get("verdict") or {}
            runs.append({"seed": seed, "seconds": round(told.get("elapsed_s", 0), 1), "code": done.returncode, "verdict": verdict.get("word"), "reason": verdict.get("reason"), "metrics": metrics})
            print(name, seed, done.returncode, metrics.get("test_neg_elbo"), verdict.get("word"), verdict.get("reason"), flush=True)
        recipes[name] = runs
    record = {
        "what": f"each recipe on {on}, `jensen reproduce NAME --seed S`; code 0 means that what it expects was reached",
        "commit": commit,
        "processor": provenance.processor(),
        "versions": versions,
        "recipes": recipes,
    }
    with open(options.out, "w") as file:
        json.dump(record, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
