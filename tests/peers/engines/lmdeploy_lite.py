"""Runs the real command `lmdeploy lite smooth_quant` (0.7.2) on a machine without a GPU.

Replaced, because they need a GPU or the network, and nothing else:
  * the calibration set: local text (the licence texts of Debian's base-files) instead of a data set from the hub;
  * the device argument, which the command line of 0.7.2 does not offer: "cpu";
  * torch.cuda.max_memory_allocated and torch.cuda.empty_cache: they only report and tidy.
Calibration, smoothing, quantisation and writing are lmdeploy's own.

usage: lmdeploy_lite.py MODEL OUT int8|fp8
"""
import functools
import sys
from pathlib import Path

import torch

CALIBRATION_FILES = ("/usr/share/common-licenses/GPL-3", "/usr/share/common-licenses/Artistic",
                     "/usr/share/common-licenses/Apache-2.0")
SAMPLES, LENGTH = 8, 128


def local_calibration(name, tokenizer, nsamples=SAMPLES, seed=0, seqlen=LENGTH, **_):
    """Stands in for get_calib_loaders: evenly spaced windows of the text, the same ones on every run."""
    text = "\n".join(Path(path).read_text(encoding="utf-8") for path in CALIBRATION_FILES)
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
    step = max(1, (ids.shape[1] - seqlen) // max(1, nsamples - 1))
    windows = [ids[:, start:start + seqlen] for start in range(0, ids.shape[1] - seqlen + 1, step)][:nsamples]
    print(f"calibration: {len(windows)} windows of {seqlen} tokens of local text in place of {name}")
    return windows, None


def on_cpu(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **{**kwargs, "device": "cpu"})
    return wrapper


def main() -> None:
    model, out, dtype = sys.argv[1:4]
    torch.cuda.max_memory_allocated = lambda *_, **__: 0
    torch.cuda.empty_cache = lambda: None

    import lmdeploy.lite.apis.calibrate as calibrate
    import lmdeploy.lite.apis.smooth_quant as smooth_quant
    calibrate.get_calib_loaders = local_calibration
    smooth_quant.smooth_quant = on_cpu(smooth_quant.smooth_quant)

    from lmdeploy.cli import run
    sys.argv = ["lmdeploy", "lite", "smooth_quant", model, "--work-dir", out, "--quant-dtype", dtype,
                "--calib-samples", str(SAMPLES), "--calib-seqlen", str(LENGTH)]
    print("$", *sys.argv, flush=True)
    run()


if __name__ == "__main__":
    main()
