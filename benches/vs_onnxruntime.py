"""Graphs of `jensen export --format onnx` in onnxruntime, against what `jensen encode` and `jensen decode` write.

    python benches/vs_onnxruntime.py GRAPHS IMAGES.npy CODES.npz DECODED.npz [sigmoid]
        IMAGES [n, P] as the model sees them; sigmoid where the likelihood is Bernoulli

Needs onnx, onnxruntime and numpy.
"""

import sys

import numpy as np
import onnx
import onnxruntime

folder, images, codes, decoded, *link = sys.argv[1:]
for name in ["encoder", "decoder"]:
    onnx.checker.check_model(onnx.load(f"{folder}/{name}.onnx"), full_check=True)
encoder, decoder = (onnxruntime.InferenceSession(f"{folder}/{name}.onnx") for name in ["encoder", "decoder"])
codes = np.load(codes)
names = [output.name for output in encoder.get_outputs()]
for name, found in zip(names, encoder.run(None, {"x": np.load(images).astype(np.float32)})):
    print(name, "differs by", np.abs(found - codes[name]).max())
z = {value.name: codes[f"{value.name}_mean"] for value in decoder.get_inputs()}
outputs = decoder.run(None, z)[0]
x = np.load(decoded)["x"].reshape(len(outputs), -1)
mean = outputs[:, : x.shape[1]]
mean = 1 / (1 + np.exp(-mean)) if link else mean
print("images differ by", np.abs(mean - x).max())
