#!/usr/bin/env python3
"""Reports of `inspect` and `check` over checkpoints: SARIF against the schema's rules, annotations line by line.

usage: run.py --requant BINARY --data tests/data
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

import jsonschema

SCHEMA = json.loads((pathlib.Path(__file__).parent / "sarif_schema.json").read_text())
URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
COMMAND = re.compile(r"::(error|warning|notice) file=([^,:]+),title=([^,:]+)::(.*)")
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
WORDS = {"error": "error", "warning": "warning", "info": "notice"}


def sarif_problems(log, said):
    problems = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in
                jsonschema.Draft7Validator(SCHEMA).iter_errors(log)]
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        if rules[result["ruleIndex"]] != result["ruleId"]:
            problems.append(f"ruleIndex of {result['ruleId']}")
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            if not URI.fullmatch(uri) or urllib.parse.urlsplit(uri).scheme not in ("", "file", "https"):
                problems.append(f"uri {uri!r}")
    expected = [(f["rule"], LEVELS[f["severity"]]) for f in said]
    found = [(r["ruleId"], r["level"]) for r in run["results"] if r["ruleId"] != "engine.verdict"]
    return problems + ([] if found == expected else [f"results {found}, expected {expected}"])


def annotation_problems(text, said):
    lines = [line for line in text.splitlines() if line.startswith("::")]
    parsed = [COMMAND.fullmatch(line) for line in lines]
    if not all(parsed):
        return [f"no command: {line!r}" for line, p in zip(lines, parsed) if not p]
    found = [(p[3], p[1]) for p in parsed if "." in p[3] and " " not in p[3]]
    expected = [(f["rule"], WORDS[f["severity"]]) for f in said]
    return [] if found == expected else [f"commands {found}, expected {expected}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    args = parser.parse_args()
    requant = str(pathlib.Path(args.requant).resolve())
    folders = sorted(p for p in (args.data / "corpus").iterdir() if (p / "config.json").is_file())
    failed = count = 0
    with tempfile.TemporaryDirectory() as work:
        sarif = pathlib.Path(work) / "x.sarif"
        for folder in folders:
            for words in (["inspect", str(folder)], ["check", str(folder), "--engine", "vllm@0.7.3"]):
                done = subprocess.run([requant, *words, "--json", "--sarif", str(sarif)], capture_output=True, text=True)
                if done.returncode not in (0, 1):
                    continue
                count += 1
                said = [f for f in json.loads(done.stdout)["findings"] if not f["rule"].startswith("edit.")]
                lines = subprocess.run([requant, *words, "--github"], capture_output=True, text=True).stdout
                problems = sarif_problems(json.loads(sarif.read_text()), said) + annotation_problems(lines, said)
                failed += bool(problems)
                for problem in problems:
                    print(f"{' '.join(words)}: {problem}")
    print(f"{count - failed} of {count} reports hold")
    return 1 if failed or count < 15 else 0


if __name__ == "__main__":
    sys.exit(main())
