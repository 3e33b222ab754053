#!/usr/bin/env python3
"""Every checkpoint of a corpus to every dialect that can be written: exact, or refused with a reason.

  run.py --requant PROGRAM --corpus DIR [--expected FILE] [--update] [--jobs N] [--only PREFIX]

`convert` may end with 0, and then `verify` has to find every weight exact (or repaired), or with 4,
and then nothing may lie at OUT. Where the refusal names losses, the conversion is done again with
leave for them; then what the receipt says of each weight has to be what `verify` measures. What came
out is held to the table in FILE (tests/edges/expected.txt); --update writes it.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = ["compressed-tensors", "awq", "gptq", "auto-round", "fp8", "fp8:e4m3fnuz", "fbgemm_fp8", "modelopt",
           "lmdeploy", "mxfp4", "compressed-tensors:nvfp4", "compressed-tensors:mxfp8", "dense:f32"]
TOLERATED = {"exact", "repaired"}
NEEDS = re.compile(r"--allow ([a-z,-]+) gives leave|needs --allow ([a-z,-]+)")


def run(requant, *words):
    done = subprocess.run([requant, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.strip()


def losses_of(receipt):
    """What the receipt says was changed, by weight: (elements, largest relative change)."""
    found = {}
    for tensor in receipt["tensors"]:
        if tensor.get("losses"):
            difference = tensor["difference"]
            found[tensor["name"].rsplit(".", 1)[0]] = (difference["elements"], difference["max_relative"])
    return found


def unlike(pair, told, dense):
    """Why a pair that verify compared is not what the receipt says of it."""
    name, status = pair["name"], pair["status"]
    if status in (TOLERATED | {"rounded"} if dense else TOLERATED) and told.get(name, (0, 0))[0] == 0:
        return None
    if status == "only-in-first" and name.endswith((".k_scale", ".v_scale", ".q_scale")):
        return None
    measured = (pair.get("elements", 0), pair.get("max_relative", 0.0))
    return None if told.get(name) == measured else f"{name}: {status}, measured {measured}, told {told.get(name)}"


def convert(requant, source, target, out):
    """Converts with leave for what it asks for. The exit code, the losses, the message."""
    leave = []
    while True:
        allow = ["--allow", ",".join(leave)] if leave else []
        code, _, error = run(requant, "convert", source, "-o", out, "--to", target, "--threads", "1", *allow)
        asked = NEEDS.search(error) if code == 4 else None
        more = (asked[1] or asked[2]).split(",") if asked else []
        if not more or set(more) <= set(leave):
            return code, error
        leave += more


def edge(requant, source, target, work):
    """What became of one conversion, in a word, and what is wrong with it."""
    out = os.path.join(work, f"{os.path.basename(source)}.{target.replace(':', '-')}")
    code, error = convert(requant, source, target, out)
    try:
        if code == 4:
            own = os.path.basename(out)  # another edge may be under way, into a name that begins alike
            left = [name for name in os.listdir(work) if name == own or name.startswith(own + ".")]
            return "refused", f"left {left}" if left else None
        if code != 0:
            return f"exit-{code}", error or "no message"
        receipt = json.load(open(os.path.join(out, "requant.json")))
        code, text, error = run(requant, "verify", source, out, "--json")
        if code not in (0, 1):
            return "unverified", error
        pairs = json.loads(text)["pairs"]
        kinds = {pair["status"] for pair in pairs}
        if target.startswith("dense") and kinds <= TOLERATED | {"rounded"}:
            return "rounded" if "rounded" in kinds else "exact", None
        losses = "+".join(receipt["options"]["losses"])
        told = losses_of(receipt)
        wrong = [problem for problem in (unlike(pair, told, target.startswith("dense")) for pair in pairs) if problem]
        return losses or "exact", "; ".join(wrong[:3]) or None
    finally:
        shutil.rmtree(out, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--expected", default=os.path.join(HERE, "expected.txt"))
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="checkpoints whose names begin so; others keep their rows")
    args = parser.parse_args()
    folders = sorted(name for name in os.listdir(args.corpus)
                     if os.path.exists(os.path.join(args.corpus, name, "config.json"))
                     and not name.startswith(("llamacpp__", "mlx__")) and name.startswith(args.only))
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
    known = {line.split(" ", 1)[0]: line for line in open(args.expected).read().splitlines()}
    if args.update:
        found = {line.split(" ", 1)[0]: line for line in lines}
        kept = known | found if args.only else found
        with open(args.expected, "w") as file:
            file.write("\n".join([lines[0], *(kept[name] for name in sorted(kept) if name != "checkpoint")]) + "\n")
    else:
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
