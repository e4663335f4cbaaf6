"""Training speed of jensen beside PyTorch on the CPU: the same two networks, the same data, the same
number of threads, run alternately.

Ours is the real trainer: `jensen fit` with metrics, validation, pictures for TensorBoard and checkpoints
on, over several epochs, so that all of them fall into the time that is measured; its speed is read from
the run's metrics.jsonl. PyTorch runs its bare training step with fused Adam and the logits loss in four
configurations: eager or compiled, with images as they are or channels-last.

    python3 -m venv VENV && VENV/bin/pip install torch numpy   # any CPU build
    cargo build --release
    VENV/bin/python benches/vs_pytorch.py --data FOLDER_OF_MNIST --out benches/records/vs_pytorch.json
"""

import argparse
import gzip
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import provenance

BATCH = 128
# Seconds between our checkpoints: some fall into the shortest fit.
CHECKPOINT_SECONDS = 2


def images(folder):
    import numpy as np

    for name in ("train-images-idx3-ubyte.gz", "train-images-idx3-ubyte"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            opened = gzip.open(path) if name.endswith(".gz") else open(path, "rb")
            with opened as file:
                raw = file.read()
            return np.frombuffer(raw, dtype=np.uint8, offset=16).reshape(-1, 784).astype("float32") / 255
    sys.exit(f"no MNIST training images in {folder}")


def torch_models():
    import torch
    from torch import nn

    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
            self.head = nn.Linear(400, 40)
            self.dec = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

        def forward(self, x):
            mean, log_var = self.head(self.enc(x)).chunk(2, 1)
            z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
            return self.dec(z), mean, log_var

    class Conv(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc = nn.Sequential(
                nn.Unflatten(1, (1, 28, 28)),
                nn.Conv2d(1, 32, 4, 2, 1), nn.ReLU(),
                nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
                nn.Flatten(), nn.Linear(3136, 256), nn.ReLU(),
            )
            self.head = nn.Linear(256, 40)
            self.dec = nn.Sequential(
                nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 3136), nn.ReLU(),
                nn.Unflatten(1, (64, 7, 7)),
                nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(),
                nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Flatten(),
            )

        forward = Mlp.forward

    return {"mlp": Mlp, "conv": Conv}


# Configurations of PyTorch: whether it is compiled, whether images are channels-last.
SIDES = {
    "torch_eager": (False, False),
    "torch_channels_last": (False, True),
    "torch_compiled": (True, False),
    "torch_compiled_channels_last": (True, True),
}


def torch_speed(network, side, data, steps, seed):
    """Samples per second of PyTorch over `steps` steps after a warm-up."""
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    # Otherwise the compiler gives up on the function after some networks, and runs it eagerly.
    torch.compiler.reset()
    compiled, channels_last = SIDES[side]
    model = torch_models()[network]()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x = torch.from_numpy(data)

    def loss_of(batch):
        logits, mean, log_var = model(batch)
        nll = F.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        return (nll + kl) / len(batch)

    step_loss = torch.compile(loss_of) if compiled else loss_of
    order = torch.randperm(len(x))

    def step(i):
        at = (i * BATCH) % (len(x) - BATCH)
        optimizer.zero_grad(set_to_none=True)
        loss = step_loss(x[order[at:at + BATCH]])
        loss.backward()
        optimizer.step()
        return loss

    for i in range(20):
        step(i)
    start = time.perf_counter()
    for i in range(steps):
        loss = step(i + 20)
    loss.item()
    return steps * BATCH / (time.perf_counter() - start)


def jensen_speed(binary, network, folder, epochs, threads, seed):
    """Samples per second of the real trainer, between the first and the last line of its metrics."""
    recipe = {"mlp": "vae", "conv": "conv-vae"}[network]
    with tempfile.TemporaryDirectory() as temporary:
        run = os.path.join(temporary, "run")
        subprocess.run(
            [binary, "fit", recipe, "--data", folder, "--out", run, "--seed", str(seed), "--quiet",
             "--set", f"train.epochs={epochs}", "--set", f"train.threads={threads}",
             "--set", f"train.checkpoint_seconds={CHECKPOINT_SECONDS}"],
            check=True, stdout=subprocess.DEVNULL,
        )
        with open(os.path.join(run, "metrics.jsonl")) as file:
            lines = [json.loads(line) for line in file]
        with open(os.path.join(run, "log.txt")) as file:
            n_examples = int(re.search(r"(\d+) for training", file.read()).group(1))
    train = [line for line in lines if line["split"] == "train"]
    first, last = train[0], train[-1]
    seen = examples_seen(last["step"], n_examples) - examples_seen(first["step"], n_examples)
    return seen / (last["elapsed_s"] - first["elapsed_s"])


def examples_seen(step, n_examples):
    """Examples seen after some steps; the last batch of an epoch holds what is left."""
    per_epoch = -(-n_examples // BATCH)
    return step // per_epoch * n_examples + step % per_epoch * BATCH


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": middle, "quartiles": [low, high], "all": values}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with the MNIST files")
    parser.add_argument("--binary", default="target/release/jensen")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--no-compile", action="store_true", help="leave out compiled PyTorch")
    parser.add_argument("--commit", help="commit that the binary is of; the one checked out unless given")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    commit = provenance.commit(options.commit)
    versions = provenance.versions(options.binary)

    import torch

    torch.set_num_threads(options.threads)
    data = images(options.data)
    plan = {"mlp": {"epochs": 4, "steps": 1000}, "conv": {"epochs": 2, "steps": 150}}
    # The layout of images matters to convolutions only.
    sides = {
        network: [
            side for side, (compiled, channels_last) in SIDES.items()
            if not (compiled and options.no_compile) and not (channels_last and network == "mlp")
        ]
        for network in plan
    }
    speeds = {network: {side: [] for side in ["jensen", *sides[network]]} for network in plan}
    loads = [os.getloadavg()[0]]
    for repetition in range(options.repetitions):
        for network, size in plan.items():
            ours = jensen_speed(options.binary, network, options.data, size["epochs"], options.threads, repetition)
            speeds[network]["jensen"].append(ours)
            for side in sides[network]:
                speeds[network][side].append(torch_speed(network, side, data, size["steps"], repetition))
            loads.append(os.getloadavg()[0])
            print(repetition, network, {side: round(v[-1]) for side, v in speeds[network].items()}, flush=True)

    record = {
        "what": "training speed, samples per second, batch 128, f32; ratio = jensen / best PyTorch configuration",
        "commit": commit,
        "processor": provenance.processor(),
        "threads": options.threads,
        "epochs": {network: size["epochs"] for network, size in plan.items()},
        "checkpoint_seconds": CHECKPOINT_SECONDS,
        "versions": {**versions, "torch": torch.__version__, "python": platform.python_version()},
        # The sides run alternately; a load above the threads says that others were at work too.
        "load_before_and_after_each": [round(load, 1) for load in loads],
        "seeds": list(range(options.repetitions)),
        "networks": {},
    }
    for network, by_side in speeds.items():
        measured = {side: quartiles(values) for side, values in by_side.items()}
        best = max((side for side in measured if side != "jensen"), key=lambda side: measured[side]["median"])
        pairs = [ours / theirs for ours, theirs in zip(by_side["jensen"], by_side[best])]
        record["networks"][network] = {
            "samples_per_second": measured,
            "best_pytorch": best,
            "ratio_of_medians": measured["jensen"]["median"] / measured[best]["median"],
            "ratio_by_repetition": quartiles(pairs),
        }
    with open(options.out, "w") as file:
        json.dump(record, file, indent=2)
        file.write("\n")
    for network, result in record["networks"].items():
        print(f"{network}: {result['ratio_of_medians']:.2f} x {result['best_pytorch']}")


if __name__ == "__main__":
    main()
