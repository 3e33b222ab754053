"""What requant writes of SmolLM2: every scheme of every dialect that it quantises to, and conversions of them.

Each is a folder that lies in CACHE/hits/outputs under its name until `forget` is called; it is made anew when it is missing.
"""
import shutil
from pathlib import Path

import models
from common import CACHE, Failure, environment, last_error, run

FOLDER = CACHE / "hits" / "outputs"

# SmolLM2 has rows of 576 inputs: groups of 64, not of 128.
QUANTISED = {
    "compressed-tensors": ["w8a8", "w8a8-asym", "w8a16", "w8a16-g64", "w6a16-g64", "w5a16-g64", "w4a16-g64", "w4a16-g64-asym",
                           "w4a16-channel", "w3a16-g64", "w2a16-g64", "fp8", "fp8-tensor", "fp8-block", "nvfp4", "nvfp4a16",
                           "mxfp4", "mxfp4a16", "mxfp6-e2m3", "mxfp8", "mxfp8a16"],
    "awq": ["w4a16-g64", "w4a16-g64-asym", "w4a16-channel"],
    "gptq": ["w8a16", "w8a16-g64", "w6a16-g64", "w5a16-g64", "w4a16-g64", "w4a16-g64-asym", "w4a16-channel", "w3a16-g64",
             "w2a16-g64"],
    "auto-round": ["w8a16", "w4a16-g64", "w4a16-g64-asym", "w3a16-g64", "w2a16-g64"],
    "fp8": ["fp8-tensor", "fp8-block"],
    "fbgemm_fp8": ["fp8"],
    "modelopt": ["w8a16", "w4a16-g64", "fp8", "fp8-block", "nvfp4", "nvfp4a16", "mxfp4", "mxfp8"],
    "lmdeploy": ["w8a8", "fp8"],
    "bitsandbytes": ["w8a8", "nf4", "nf4-nested", "fp4"],
    "quark": ["w8a8", "w8a16", "w4a16-g64", "w4a16-g64-asym", "fp8", "fp8-tensor", "mxfp4", "mxfp4a16", "mxfp6-e2m3",
              "mxfp6-e3m2", "mxfp8", "mxfp8a16"],
}
CONVERTED = {  # of an output above, or of a model of real lmdeploy
    "awq:w4a16-g64-asym": ["compressed-tensors", "auto-round"],
    "awq:w4a16-g64": ["gptq"],
    "gptq:w4a16-g64": ["compressed-tensors", "awq", "dense:bf16"],
    "compressed-tensors:fp8": ["fbgemm_fp8", "dense:f32"],
    "smollm2-lmdeploy-int8": ["compressed-tensors"],
    "smollm2-lmdeploy-fp8": ["compressed-tensors"],
}


def names() -> list[str]:
    return ([f"{dialect}:{scheme}" for dialect, schemes in QUANTISED.items() for scheme in schemes]
            + [f"{source}>{target}" for source, targets in CONVERTED.items() for target in targets])


def path_of(name: str) -> Path:
    return FOLDER / name.replace(":", "_").replace(">", "__to__")


def command(requant: Path, name: str) -> list:
    source, _, target = name.partition(">")
    if not target:
        return ["quantize", models.bf16(), "--to", name]
    if source.startswith("smollm2-lmdeploy-"):
        return ["convert", models.quantised(source.rpartition("-")[2]), "--to", target, "--tokenizer-from", models.bf16()]
    return ["convert", made(requant, source), "--to", target, "--allow", "all"]


def made(requant: Path, name: str) -> Path:
    out = path_of(name)
    if not (out / "config.json").is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        words = [requant, *command(requant, name), "-o", out]
        code, text = run(words, FOLDER / f"{out.name}.log", 600, environment())
        if code != 0:
            raise Failure(f"{' '.join(map(str, words))}: exit {code}: {last_error(text)}")
    return out


def forget() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
