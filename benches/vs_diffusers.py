"""Small models of the diffusers library, and what they compute.

    python benches/vs_diffusers.py fixture crates/vae/tests/laws/diffusers.json
        writes inputs and outputs of an AutoencoderKL and a VQModel whose weights follow a formula
    python benches/vs_diffusers.py make DIR [kl|vq]
        writes such a model as a folder, for `jensen import`
    python benches/vs_diffusers.py check DIR IMAGES.npz CODES.npz DECODED.npz
        opens a folder of `jensen export` and compares codes of images [n, c, h, w] of bytes, which `jensen encode`
        wrote, and images of those codes, which `jensen decode` wrote

Needs torch, diffusers, safetensors and numpy.
"""

import json
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL, VQModel

KL = dict(
    in_channels=3,
    out_channels=3,
    down_block_types=["DownEncoderBlock2D"] * 2,
    up_block_types=["UpDecoderBlock2D"] * 2,
    block_out_channels=[8, 16],
    layers_per_block=1,
    latent_channels=2,
    norm_num_groups=4,
    sample_size=12,
)
VQ = dict(
    in_channels=3,
    out_channels=3,
    down_block_types=["DownEncoderBlock2D"] * 2,
    up_block_types=["UpDecoderBlock2D"] * 2,
    block_out_channels=[8, 16],
    layers_per_block=1,
    latent_channels=3,
    norm_num_groups=4,
    num_vq_embeddings=12,
    vq_embed_dim=2,
    sample_size=12,
)


def formula(key, n):
    """n numbers in [-1, 1): splitmix64 of the FNV-1a hash of the key plus the index."""
    h = 0xCBF29CE484222325
    for byte in key.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2**52 - 1.0


def filled(model):
    """Weights by the formula: gains around one, shifts small, kernels scaled by what goes in."""
    state = {}
    for key, value in model.state_dict().items():
        numbers = formula(key, value.numel())
        if value.dim() == 1 and "norm" in key and key.endswith("weight"):
            numbers = 1.0 + 0.3 * numbers
        elif value.dim() == 1:
            numbers = 0.3 * numbers
        elif not key.startswith("quantize"):
            numbers = numbers * np.sqrt(3.0 / (value.numel() / value.shape[0]))
        state[key] = torch.tensor(numbers, dtype=torch.float32).reshape(value.shape)
    model.load_state_dict(state)
    return model.eval()


def public(model):
    return {key: value for key, value in model.config.items() if not key.startswith("_")}


def rounded(tensor):
    return [round(float(x), 5) for x in tensor.flatten()]


@torch.no_grad()
def fixture(path):
    x = torch.tensor(formula("x", 2 * 3 * 12 * 12), dtype=torch.float32).reshape(2, 3, 12, 12)
    kl, vq = filled(AutoencoderKL(**KL)), filled(VQModel(**VQ))
    q = kl.encode(x).latent_dist
    h = vq.encode(x).latents
    _, _, (_, _, codes) = vq.quantize(h)
    found = {
        "kl": {
            "config": {"_class_name": "AutoencoderKL", **public(kl)},
            "keys": [[k, list(v.shape)] for k, v in kl.state_dict().items()],
            "mean": rounded(q.mean),
            "log_var": rounded(q.logvar),
            "decoded": rounded(kl.decode(q.mean).sample),
        },
        "vq": {
            "config": {"_class_name": "VQModel", **public(vq)},
            "keys": [[k, list(v.shape)] for k, v in vq.state_dict().items()],
            "codes": [int(k) for k in codes.flatten()],
            "decoded": rounded(vq.decode(h).sample),
        },
    }
    with open(path, "w") as file:
        json.dump(found, file, separators=(",", ":"))
        file.write("\n")
    print(f"log variances from {q.logvar.min():.2f} to {q.logvar.max():.2f}, {len(set(codes.flatten().tolist()))} codes")


def make(folder, kind):
    model = filled({"kl": AutoencoderKL, "vq": VQModel}[kind](**{"kl": KL, "vq": VQ}[kind]))
    model.save_pretrained(folder)


@torch.no_grad()
def check(folder, images, codes, decoded):
    name = json.load(open(f"{folder}/config.json"))["_class_name"]
    model = {"AutoencoderKL": AutoencoderKL, "VQModel": VQModel}[name].from_pretrained(folder).eval()
    x = torch.tensor(np.load(images)["x_test"], dtype=torch.float32) / 127.5 - 1.0
    h = model.encode(x)
    h = h.latent_dist.mean if name == "AutoencoderKL" else model.quantize(h.latents)[0]
    ours = torch.tensor(np.load(codes)["z_mean"])
    print("codes differ by", float((h.flatten(1) - ours).abs().max()))
    y = model.decode(h).sample
    ours = torch.tensor(np.load(decoded)["x"])
    print("images differ by", float((y - ours).abs().max()))


if __name__ == "__main__":
    {"fixture": fixture, "make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
