"""Runs every built-in recipe on its own data with several seeds and writes what it reached into a record.

    cargo build --release
    python3 benches/recipes.py --out benches/records/recipes.json
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile

SEEDS = [1, 2, 3]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/jensen")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    names = sorted(name.removesuffix(".toml") for name in os.listdir("recipes") if name.endswith(".toml"))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    recipes = {}
    for name in names:
        runs = []
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    [options.binary, "reproduce", name, "--seed", str(seed), "--json", "--quiet", "--out", os.path.join(folder, "run")],
                    capture_output=True, text=True,
                )
            told = json.loads(done.stdout)
            metrics = {key: round(value, 4) for key, value in told.get("metrics", {}).items()}
            verdict = told.get("verdict") or {}
            runs.append({"seed": seed, "code": done.returncode, "verdict": verdict.get("word"), "reason": verdict.get("reason"), "metrics": metrics})
            print(name, seed, done.returncode, metrics.get("test_neg_elbo"), verdict.get("word"), verdict.get("reason"), flush=True)
        recipes[name] = runs
    record = {
        "what": "every built-in recipe on its own data, `jensen reproduce NAME --seed S`; code 0 means that what it expects was reached",
        "commit": commit,
        "processor": processor(),
        "recipes": recipes,
    }
    with open(options.out, "w") as file:
        json.dump(record, file, indent=1)
        file.write("\n")


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0]}, {len(names)} threads" if names else platform.machine()


if __name__ == "__main__":
    main()
