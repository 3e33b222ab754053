#!/usr/bin/env python3
"""Hostile, damaged and odd-but-legal inputs: every one is read or refused as it should be, on each binary given.

  run.py [--seeds 1,2] [--strict] [--jobs N] [--tools DIR] BINARY...

DIR (../../shared/hostile) has the generator and the runner; where it is not at hand this fails. exceptions.json names
the cases that requant reads although the manifest wants them refused, each with the reason and, where `inspect` says
something of it, the rule. A case that fails and is not there, one that is there and passes, and a rule that does not
show are all failures. --strict holds every refusal to 1 s and 256 MiB: for release builds.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MOST_EXCEPTIONS = 15
SECONDS, MIB = 1.0, 256
MESSAGES, PROBE = HERE / "messages.json", HERE / "probe.txt"  # what templates and tokenizers are given


def commands(binary):
    """By category: what is run on its cases. NaN among unquantised weights matters when they are quantised."""
    convert = f"quant={binary} convert {{path}} -o {{out}} --to dense"
    quantize = f"quant={binary} quantize {{path}} -o {{out}} --to compressed-tensors:w8a16"
    render = f"template={binary} render {{path}} --messages {MESSAGES}"
    tokenize = f"tokenizer={binary} tokenize {{path}} --text {PROBE}"
    return {"safetensors,index,quant": [convert], "gguf": [convert, render], "config": [quantize],
            "template": [render], "tokenizer": [tokenize]}


def run_cases(tools, cases, binary, jobs):
    results = []
    for categories, stages in commands(binary).items():
        report = cases / "report.json"
        # The sanitizers reserve terabytes of address space, so the limit is on measured memory only.
        subprocess.run(
            [sys.executable, tools / "run_hostile.py", cases, "--category", categories, "--cmd",
             f"{binary} inspect {{path}}", *(word for stage in stages for word in ("--cmd-stage", stage)), "--mem", "0", "--rss", "512", "--jobs", str(jobs),
             "--json", report, "--quiet"],
            env={**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1"}, stdout=subprocess.DEVNULL, check=False)
        results += json.loads(report.read_text())
        report.unlink()
    return results


def rules_shown(binary, folder):
    out = subprocess.run([binary, "inspect", "--json", folder], capture_output=True, text=True, check=False).stdout
    return {finding["rule"] for finding in json.loads(out)["findings"]} if out else set()


def judge(results, exceptions, cases, binary):
    paths = {case["name"]: case["path"] for case in json.loads((cases / "manifest.json").read_text())["cases"]}
    faults = []
    for result in results:
        exception = exceptions.get(result["name"])
        if exception is None:
            if not result["ok"]:
                faults.append(f"{result['name']}: {', '.join(result['why'])}: {result['message']}")
        elif result["ok"]:
            faults.append(f"{result['name']}: passes, so its entry in exceptions.json is stale")
        elif result["why"] != ["silent-accept"]:
            faults.append(f"{result['name']}: {', '.join(result['why'])}, the exception is to be read only")
        elif exception.get("rule") and exception["rule"] not in rules_shown(binary, cases / paths[result["name"]]):
            faults.append(f"{result['name']}: inspect does not say {exception['rule']}")
    unknown = exceptions.keys() - {result["name"] for result in results}
    return faults + [f"{name}: an exception for no case" for name in sorted(unknown)]


def slowest(results):
    """The refusals that took longest and most."""
    refused = [result for result in results if result["outcome"] == "reject"]
    return max(refused, key=lambda result: result["seconds"]), max(refused, key=lambda result: result["rss_mb"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", nargs="+", metavar="BINARY", type=Path)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tools", type=Path, default=HERE.parents[1] / "../shared/hostile")
    arguments = parser.parse_args()
    exceptions = {entry["case"]: entry for entry in json.loads((HERE / "exceptions.json").read_text())}
    faults = [f"{len(exceptions)} exceptions, at most {MOST_EXCEPTIONS}"] if len(exceptions) > MOST_EXCEPTIONS else []
    for seed in arguments.seeds.split(","):
        with tempfile.TemporaryDirectory(prefix="hostile-cases-") as work:
            cases = Path(work) / "C"
            subprocess.run([sys.executable, arguments.tools / "make_hostile.py", cases, "--seed", seed], check=True,
                           stdout=subprocess.DEVNULL)
            for binary in arguments.binaries:
                results = run_cases(arguments.tools, cases, binary.resolve(), arguments.jobs)
                found = judge(results, exceptions, cases, binary.resolve())
                longest, largest = slowest(results)
                seconds, mib = longest["seconds"], largest["rss_mb"]
                if arguments.strict and (seconds > SECONDS or mib > MIB):
                    found.append(f"a refusal takes {seconds} s ({longest['name']}) and {mib} MiB ({largest['name']}), "
                                 f"at most {SECONDS} s and {MIB} MiB")
                print(f"seed {seed}, {binary}: {len(results)} cases, {len(found)} faults, {len(exceptions)} exceptions; "
                      f"slowest refusal {seconds:.2f} s ({longest['name']}), largest {mib} MiB ({largest['name']})", flush=True)
                faults += [f"seed {seed}, {binary}: {fault}" for fault in found]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
