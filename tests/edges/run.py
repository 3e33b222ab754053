#!/usr/bin/env python3
"""Every checkpoint of a corpus to every dialect that can be written: exact, or refused with a reason.

  run.py --requant PROGRAM --corpus DIR [--expected FILE] [--update] [--jobs N]

`convert` may end with 0, and then `verify` has to find every weight exact (or repaired), or with 4,
and then nothing may lie at OUT. What came out is held to the table in FILE (tests/edges/expected.txt);
--update writes it.
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = ["compressed-tensors", "awq", "gptq", "fp8", "modelopt", "lmdeploy", "mxfp4", "dense:f32"]
TOLERATED = {"exact", "repaired"}


def run(requant, *words):
    done = subprocess.run([requant, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.strip()


def edge(requant, source, target, work):
    """What became of one conversion, in a word, and what is wrong with it."""
    out = os.path.join(work, f"{os.path.basename(source)}.{target.replace(':', '-')}")
    code, _, error = run(requant, "convert", source, "-o", out, "--to", target, "--threads", "1")
    try:
        if code == 4:
            left = [name for name in os.listdir(work) if name.startswith(os.path.basename(out))]
            return "refused", f"left {left}" if left else None
        if code != 0:
            return f"exit-{code}", error or "no message"
        code, text, error = run(requant, "verify", source, out, "--json")
        if code not in (0, 1):
            return "unverified", error
        report = json.loads(text)
        kinds = {pair["status"] for pair in report["pairs"]}
        if target.startswith("dense") and kinds <= TOLERATED | {"rounded"}:
            return "rounded" if "rounded" in kinds else "exact", None
        return ("exact", None) if kinds <= TOLERATED else ("differs", f"verify: {sorted(kinds)}")
    finally:
        shutil.rmtree(out, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--expected", default=os.path.join(HERE, "expected.txt"))
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    folders = sorted(name for name in os.listdir(args.corpus)
                     if os.path.exists(os.path.join(args.corpus, name, "config.json"))
                     and not name.startswith(("llamacpp__", "mlx__")))
    problems, rows = [], {}
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = {pool.submit(edge, os.path.abspath(args.requant), os.path.join(args.corpus, name), target, work):
                (name, target) for name in folders for target in TARGETS}
        for job in concurrent.futures.as_completed(jobs):
            name, target = jobs[job]
            result, problem = job.result()
            rows.setdefault(name, {})[target] = result
            if problem:
                problems.append(f"{name} to {target}: {result}: {problem}")
    lines = [" ".join(["checkpoint", *TARGETS])]
    lines += [" ".join([name, *(rows[name][target] for target in TARGETS)]) for name in sorted(rows)]
    if args.update:
        with open(args.expected, "w") as file:
            file.write("\n".join(lines) + "\n")
    else:
        known = {line.split(" ", 1)[0]: line for line in open(args.expected).read().splitlines()}
        for line in lines:
            name = line.split(" ", 1)[0]
            if known.get(name) != line:
                problems.append(f"expected: {known.get(name, 'nothing')}\nfound:    {line}")
    print("\n".join(sorted(problems)))
    exact = sum(result == "exact" for row in rows.values() for result in row.values())
    print(f"{len(rows)} checkpoints to {len(TARGETS)} dialects: {exact} exact, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
