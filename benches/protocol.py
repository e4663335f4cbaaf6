"""Summarizes the lines of the example `protocol` of crates/infer into a record: a table of methods, one of
posteriors, and every run in short.

    cargo run --release -p jensen-infer --example protocol -- ladder,laplace 5 > runs.jsonl
    python3 benches/protocol.py runs.jsonl --commit COMMIT --out benches/records/protocol
"""

import argparse
import collections
import json
import math
import statistics


def quartiles(values):
    """The values at a quarter, half and three quarters of the way; they may be infinite."""
    ordered = sorted(values)
    return [ordered[round(q * (len(ordered) - 1))] for q in (0.25, 0.5, 0.75)]


def error(run):
    e = run.get("e")
    return e if isinstance(e, (int, float)) else math.inf


def where(run):
    """Where the trajectories of a run diverged, in words."""
    at = run.get("diverged_at")
    return f" at {at['value']} about {at['median']:.2g}, {at['sds']:.1f} sd from its mean" if at else ""


def short(value):
    return "fail" if math.isinf(value) else f"{value:.2f}" if value < 100 else f"{value:.0e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", nargs="+")
    parser.add_argument("--commit", required=True)
    parser.add_argument("--processor", required=True)
    parser.add_argument("--note", default="")
    parser.add_argument("--out", required=True, help="without extension: a .md and a .json are written")
    options = parser.parse_args()
    runs = [json.loads(line) for path in options.lines for line in open(path)]
    by_method = collections.defaultdict(list)
    for run in runs:
        by_method[run["method"]].append(run)

    text = [
        "# Methods against the reference draws of posteriordb",
        "",
        f"Commit {options.commit}; {options.processor}. {options.note}".strip(),
        "E is the largest |mean - reference mean| / reference sd over the values of a posterior; a run that fails is a miss.",
        "Gradients and seconds are medians over runs; seconds are indicative and hold the judging.",
        "Gradients to judge are those that the referee takes beside the method's own; the ladder's gradients hold them.",
        "k-hat is of 1000 draws of the approximation, unsmoothed weights p/q. Rows `fit-*`, and other methods that are",
        "judged, have what the referee looked at: the larger of two restarts with its uncertainty added, or that of q",
        "alone. Chains have none.",
        "",
        "| method | runs | failed | E < 0.1 | E < 0.25 | median E | k-hat < 0.7 | gradients | to judge | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for method, group in by_method.items():
        errors = [error(run) for run in group]
        share = lambda limit: f"{sum(e < limit for e in errors) / len(errors):.0%}"
        shapes = [run["k_hat"] for run in group if isinstance(run.get("k_hat"), (int, float))]
        good = f"{sum(k < 0.7 for k in shapes) / len(group):.0%}" if shapes else "-"
        gradients = [run["gradients"] for run in group if "gradients" in run]
        of_judge = [run["judged"] for run in group if "judged" in run]
        to_judge = f"{statistics.median(of_judge):.0f}" if of_judge else "-"
        text.append(
            f"| {method} | {len(group)} | {sum('failed' in run for run in group)} | {share(0.1)} | {share(0.25)} "
            f"| {short(statistics.median(errors))} | {good} | {statistics.median(gradients):.0f} | {to_judge} "
            f"| {statistics.median(run['seconds'] for run in group):.3f} |"
        )
    judged = {method: group for method, group in by_method.items() if any("verdict" in run for run in group)}
    if judged:
        text += [
            "",
            "What the referee said of answers that it judged; a good answer is right where E < 0.25.",
            "",
            "| method | runs | good | good and right | E < 0.25 but flagged |",
            "|---|---:|---:|---:|---:|",
        ]
        for method, group in judged.items():
            good = [run for run in group if run.get("verdict") == "good"]
            fine = [run for run in group if error(run) < 0.25]
            flagged = sum(run.get("verdict") != "good" for run in fine)
            text.append(
                f"| {method} | {len(group)} | {len(good)} | {sum(error(run) < 0.25 for run in good)} "
                f"| {flagged} of {len(fine)} |"
            )
    ladder = by_method.get("ladder", [])
    if ladder:
        good = [run for run in ladder if run.get("verdict") == "good"]
        right = [run for run in good if error(run) < 0.25]
        fine = [run for run in ladder if error(run) < 0.25]
        flagged = [run for run in fine if run.get("verdict") != "good"]
        rungs = collections.Counter(run.get("rung", "none") for run in ladder)
        spent = collections.defaultdict(list)
        for run in ladder:
            for climbed in run.get("climbed", []):
                spent[climbed["rung"]].append(climbed["gradients"])
        text += [
            "",
            f"Ladder: verdict good on {len(good)} of {len(ladder)} runs, right (E < 0.25) on {len(right)} of them; "
            f"{len(flagged)} of the {len(fine)} runs with E < 0.25 were flagged.",
            "It stopped at " + ", ".join(f"{rung} {n}" for rung, n in rungs.items()) + ".",
            "Median gradients of a rung where it was climbed: "
            + ", ".join(f"{rung} {statistics.median(g):.0f}" for rung, g in spent.items()) + ".",
        ]
    nuts = by_method.get("nuts", [])
    if nuts:
        beyond = [run for run in nuts if run.get("z", 0) >= 5]
        divergent = [run for run in nuts if run.get("divergent")]
        text += [
            "",
            f"NUTS: {len(beyond)} of {len(nuts)} runs have a mean that is 5 or more Monte Carlo standard errors off"
            + "".join(f"; {run['posterior']} seed {run['seed']}: {run['z']:.1f}" for run in beyond)
            + f". Runs with divergences: {len(divergent)}"
            + "".join(f"; {run['posterior']} seed {run['seed']}: {run['divergent']}{where(run)}" for run in divergent) + ".",
        ]
    methods = list(by_method)
    head = ["| posterior | " + " | ".join(methods) + " |", "|---|" + "---:|" * len(methods)]
    by_both = collections.defaultdict(list)
    for run in runs:
        by_both[run["posterior"], run["method"]].append(run)

    def table(title, cell):
        text.extend(["", title, "", *head])
        for posterior in sorted({run["posterior"] for run in runs}):
            cells = [cell(by_both[posterior, method]) for method in methods]
            text.append(f"| {posterior} | " + " | ".join(cells) + " |")

    def numbers(key, form):
        def cell(group):
            values = [run[key] for run in group if isinstance(run.get(key), (int, float))]
            return form(statistics.median(values)) if values else "-"
        return cell

    def errors_of(group):
        if not group:
            return "-"
        low, middle, high = quartiles(error(run) for run in group)
        return f"{short(middle)} ({short(low)} to {short(high)})"

    table("E, median and quartiles over seeds:", errors_of)
    table("k-hat, median; of the ladder and its paths where weights gave the answer:", numbers("k_hat", lambda k: f"{k:.2f}"))
    table("Gradients, median:", numbers("gradients", lambda n: f"{n:.0f}"))
    table("Seconds, median:", numbers("seconds", lambda t: f"{t:.2f}"))
    with open(options.out + ".md", "w") as file:
        file.write("\n".join(text) + "\n")
    keep = ("e", "worst", "k_hat", "z", "divergent", "diverged_at", "verdict", "rung", "gradients", "judged", "climbed", "said", "failed")
    with open(options.out + ".json", "w") as file:
        file.write("[\n" + ",\n".join(
            json.dumps({key: (round(v, 4) if isinstance(v, float) else v) for key, v in
                        {**{k: run[k] for k in ("method", "posterior", "seed", "seconds")},
                         **{k: run[k] for k in keep if k in run}}.items()})
            for run in runs) + "\n]\n")


if __name__ == "__main__":
    main()
