#!/usr/bin/env python3
"""What `requant quantize` makes of weights, beside what the real tools make of the same weights on a CPU.

usage: quantize.py --requant PATH [--corpus DIR] [--only TEXT]... [--keep] [--write docs/against-quantisers.md]

For each case: the tool quantises, requant quantises, both results are decoded to F32 by requant, and codes, scales and the
relative squared error sum((w - q)^2) / sum(w^2) of both are compared. Exit code 0 when in every case requant is as near to
the weights as the tool or nearer, and the tensors have the same names.
"""
import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import models
import venvs
from checks import Check, Context
from common import CACHE, HERE, REPOSITORY, Failure, environment, last_error, must_run, run

ENVIRONMENT = "quantizers"
TINY, SMOLLM2 = "tiny-llama", "SmolLM2"
SLACK = 1e-5  # of the error: the last bit of one scale that all others are relative to


@dataclass
class Case:
    name: str
    tool: str    # for people
    scheme: str  # the tool's own word
    to: str      # requant's --to
    job: dict
    bits: int = 8
    source: str = TINY
    options: tuple = ()


def group(bits: int, size: int, symmetric: bool = True) -> dict:
    return {"num_bits": bits, "type": "int", "strategy": "group", "group_size": size, "symmetric": symmetric}


def model_free(scheme: str, to: str, bits: int, source: str = TINY) -> Case:
    return Case(f"model-free-{scheme}-{source}", "llmcompressor model_free_ptq", scheme, f"compressed-tensors:{to}",
                {"tool": "model_free", "scheme": scheme}, bits, source)


def modifier(scheme: str, to: str, bits: int, source: str = TINY, options: tuple = (), **job) -> Case:
    name = f"modifier-{scheme}-{source}".replace(" ", "-")
    return Case(name, "llmcompressor QuantizationModifier", scheme, f"compressed-tensors:{to}",
                {"tool": "modifier", "scheme": scheme, **job}, bits, source, options)


def fine_grained(to: str, **job) -> Case:
    name = "fine-grained-" + job.get("scale_fmt", "f32")
    return Case(name, "transformers Fp8Quantize", f"128 x 128 {job.get('scale_fmt', '')}".strip(), f"fp8:{to}",
                {"tool": "fine_grained", **job}, 8)


def bitsandbytes(scheme: str, bits: int, source: str = TINY, **config) -> Case:
    return Case(f"bitsandbytes-{scheme}-{source}", "bitsandbytes", scheme, f"bitsandbytes:{scheme}",
                {"tool": "bitsandbytes", "config": config}, bits, source)


def quark(scheme: str, to: str, bits: int) -> Case:
    return Case(f"quark-{scheme}", "AMD Quark", scheme, f"quark:{to}", {"tool": "quark", "scheme": scheme}, bits)


def cases() -> list[Case]:
    four = {"load_in_4bit": True, "bnb_4bit_compute_dtype": "bfloat16"}
    return [
        *(model_free(scheme, to, bits) for scheme, to, bits in (
            ("FP8_DYNAMIC", "fp8", 8), ("FP8_BLOCK", "fp8-block", 8), ("W8A8", "w8a8", 8), ("W8A16", "w8a16-g128", 8),
            ("W4A16", "w4a16", 4), ("NVFP4A16", "nvfp4a16", 4), ("MXFP4A16", "mxfp4a16", 4), ("MXFP4", "mxfp4", 4),
            ("MXFP8", "mxfp8", 8))),
        modifier("W8A8", "w8a8", 8),
        modifier("W8A16", "w8a16-g128", 8),
        modifier("W4A16", "w4a16", 4),
        modifier("W4A16_ASYM", "w4a16-asym", 4),
        modifier("W4A16 group 32 asymmetric", "w4a16-g32-asym", 4, weights=group(4, 32, False)),
        modifier("W4A16 group 128 mse", "w4a16", 4, options=("--search-scale",),
                 weights={**group(4, 128), "observer": "mse"}),
        fine_grained("fp8-block"),
        fine_grained("fp8-block-ue8m0", scale_fmt="ue8m0"),
        bitsandbytes("nf4", 4, bnb_4bit_quant_type="nf4", **four),
        bitsandbytes("nf4-nested", 4, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, **four),
        bitsandbytes("fp4", 4, bnb_4bit_quant_type="fp4", **four),
        bitsandbytes("int8", 8, load_in_8bit=True),
        quark("int4_wo_128", "w4a16", 4),
        quark("uint4_wo_128", "w4a16-asym", 4),
        quark("ptpc_fp8", "fp8", 8),
        quark("mxfp4", "mxfp4", 4),
        quark("mxfp6_e2m3", "mxfp6-e2m3", 8),
        *(model_free(scheme, to, bits, SMOLLM2) for scheme, to, bits in (
            # model_free_ptq cannot save FP8_BLOCK where the blocks are ragged.
            ("FP8_DYNAMIC", "fp8", 8), ("NVFP4A16", "nvfp4a16", 4), ("MXFP4", "mxfp4", 4))),
        modifier("W8A8", "w8a8", 8, SMOLLM2),
        modifier("W4A16 group 64", "w4a16-g64", 4, SMOLLM2, weights=group(4, 64)),
        bitsandbytes("nf4", 4, SMOLLM2, bnb_4bit_quant_type="nf4", **four),
    ]


class Bench:
    """Runs requant and the tools' environment in one work folder."""

    def __init__(self, requant: Path, corpus: Path, work: Path):
        self.requant, self.corpus, self.work = requant.resolve(), corpus.resolve(), work
        (work / "logs").mkdir(parents=True, exist_ok=True)

    def source(self, case: Case) -> Path:
        return models.bf16() if case.source == SMOLLM2 else self.corpus / case.source

    def tool(self, case: Case, *arguments) -> None:
        log = self.work / "logs" / f"{case.name}.requant.log"
        code, text = run([self.requant, *arguments], log, 900)
        if code != 0:
            raise Failure(f"requant {' '.join(map(str, arguments))}: exit {code}: {last_error(text)}")

    def jobs(self, name: str, jobs: list[dict]) -> dict:
        jobs_path, answers_path = self.work / f"{name}.jobs.json", self.work / f"{name}.answers.json"
        jobs_path.write_text(json.dumps(jobs))
        must_run([venvs.python(ENVIRONMENT), HERE / "engines" / "quantizers.py", jobs_path, answers_path],
                 self.work / "logs" / f"{name}.log", 1800, environment())
        return json.loads(answers_path.read_text())

    def measure(self, chosen: list[Case]) -> dict[str, dict | Failure]:
        """Answers by case; what stopped a case is its answer. One import of the tools serves all of them."""
        places = {case.name: {key: str(self.work / case.name / key)
                              for key in ("requant", "out", "requant_dense", "out_dense")} for case in chosen}
        for case in chosen:
            shutil.rmtree(self.work / case.name, ignore_errors=True)
            (self.work / case.name).mkdir()
        base = {case.name: {"name": case.name, "model": str(self.source(case)), **places[case.name]} for case in chosen}
        made = self.jobs("tools", [{**base[case.name], **case.job} for case in chosen])
        answers, compared = {}, []
        for case in chosen:
            try:
                if not made[case.name]["ok"]:
                    raise Failure(f"{case.tool} {case.scheme}: {made[case.name]['error']}")
                self.quantise(case, places[case.name])
                compared.append({**base[case.name], "tool": "compare", "bits": case.bits})
            except Failure as failure:
                answers[case.name] = failure
        for name, answer in self.jobs("compare", compared).items():
            answers[name] = answer if answer["ok"] else Failure(answer["error"])
        for case in chosen:
            shutil.rmtree(self.work / case.name, ignore_errors=True)
        return answers

    def quantise(self, case: Case, places: dict) -> None:
        self.tool(case, "quantize", self.source(case), "-o", places["requant"], "--to", case.to, *case.options)
        for key in ("requant", "out"):
            self.tool(case, "convert", places[key], "-o", places[key + "_dense"], "--to", "dense:f32")


def judge(case: Case, answer: dict) -> str:
    """In words what was seen; raises Failure where requant is farther from the weights than the tool."""
    if answer["only_ours"] or answer["only_theirs"]:
        raise Failure(f"tensors differ: only requant {answer['only_ours'][:3]}, only the tool {answer['only_theirs'][:3]}")
    ours, theirs = answer["error_requant"], answer["error_out"]
    text = (f"{answer['differing_scales']} of {answer['scales']} scales and {answer['differing_codes']} of "
            f"{answer['codes']} codes differ, error {ours:.6e} against {theirs:.6e}")
    if ours > theirs * (1 + SLACK):
        raise Failure(f"requant is farther from the weights: {text}")
    return text


def row(case: Case, answer: dict) -> str:
    ours, theirs = answer["error_requant"], answer["error_out"]
    same = answer["differing_codes"] == answer["differing_scales"] == 0
    nearer = "equal" if same else "requant" if ours < theirs * (1 - SLACK) else \
        case.tool.split()[0] if ours > theirs * (1 + SLACK) else "neither"
    return (f"| {case.source} | {case.tool} | {case.scheme} | `{' '.join((case.to, *case.options))}` | "
            f"{answer['differing_scales']} of {answer['scales']} | {answer['differing_codes']} of {answer['codes']} | "
            f"{ours:.6e} | {theirs:.6e} | {nearer} |")


def checks() -> list[Check]:
    """The cases of the tiny model as checks of run.py; the first one that is prepared measures all of them."""
    chosen = [case for case in cases() if case.source == TINY]
    measured: dict[str, dict | Failure] = {}

    def check(case: Case) -> Check:
        def prepare(context: Context) -> list[dict]:
            if not measured:
                measured.update(Bench(context.requant, context.corpus, context.work / "quantise").measure(chosen))
            if isinstance(measured[case.name], Failure):
                raise measured[case.name]
            judge(case, measured[case.name])
            return []

        return Check(f"quantise-{case.name}", f"requant is as near to the weights as {case.tool}", prepare,
                     lambda _answers: judge(case, measured[case.name]))

    return [check(case) for case in chosen]


def page(rows: list[str], versions: str) -> str:
    return "\n".join([
        "# Quantised by requant and by the tools themselves",
        "The same weights, rounded without data by `requant quantize` and by the real tools on a CPU. Error is",
        "sum((w - q)^2) / sum(w^2) over all quantised weights. `tests/peers/quantize.py --write` measures this again and",
        f"writes this page. {versions}", "",
        "| weights | tool | its scheme | `--to` | scales that differ | codes that differ | error of requant | of the tool | nearer |",
        "|---|---|---|---|---|---|---|---|---|", *rows, "",
        "Why codes differ where scales do not: on a CPU compressed-tensors rounds `x / scale` to BF16 before it rounds to a",
        "code; requant, as the library itself on a GPU, divides in F32.", ""])


def versions() -> str:
    listed = dict(line.split("==") for line in venvs.requirements(ENVIRONMENT).read_text().splitlines() if "==" in line)
    names = ("llmcompressor", "compressed-tensors", "transformers", "bitsandbytes", "amd-quark", "torch")
    return ", ".join(f"{name} {listed[name]}" for name in names) + "."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requant", type=Path, default=REPOSITORY / "build" / "release" / "requant")
    parser.add_argument("--corpus", type=Path, default=REPOSITORY.parent / "shared" / "corpus")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    chosen = [case for case in cases() if not options.only or any(text in case.name for text in options.only)]
    venvs.make(ENVIRONMENT)
    (CACHE / "work").mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="quantize-", dir=CACHE / "work"))
    bench, rows, failures = Bench(options.requant, options.corpus, work), [], 0
    tiny = [case for case in chosen if case.source == TINY]
    batches = [tiny, *([case] for case in chosen if case.source != TINY)]  # real weights one by one: they are large
    for case, answer in ((case, answers[case.name]) for batch in batches if batch
                         for answers in (bench.measure(batch),) for case in batch):
        try:
            if isinstance(answer, Failure):
                raise answer
            rows.append(row(case, answer))
            print(f"ok   {case.name}: {judge(case, answer)}", flush=True)
        except Failure as failure:
            failures += 1
            print(f"FAIL {case.name}: {failure}", flush=True)
    if options.write:
        options.write.write_text(page(rows, versions()))
    if not options.keep:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{len(chosen) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
