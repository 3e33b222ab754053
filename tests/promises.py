#!/usr/bin/env python3
"""Walks the promises of SECURITY.md: each names tests that exist and ran.

  promises.py --build build/dev

Reads what the last ctest of that build wrote. A test of several programs or parameters counts when all of that name
passed; a `stage NAME` has to be one of .ci/run, which fails by itself.
"""
import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FEWEST = 15  # promises may be added, not dropped unnoticed


def promises():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.*) \|$", text, re.M)
    return [(number, promise, re.findall(r"`([^`]+)`", tests)) for number, promise, tests in rows]


def results(build):
    """Every test of the last run: True where it passed."""
    log = (build / "Testing/Temporary/LastTest.log").read_text(encoding="utf-8", errors="replace")
    outcome = {}
    for name, verdict in re.findall(r"^\d+/\d+ Test: (.*?)\n.*?^Test (Passed|Failed)", log, re.M | re.S):
        outcome[name] = outcome.get(name, True) and verdict == "Passed"
    return outcome


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=ROOT / "build/dev")
    outcome = results(parser.parse_args().build)
    stages = set(re.findall(r'^stage "([^"]+)"', (ROOT / ".ci/run").read_text(encoding="utf-8"), re.M))
    faults, rows = [], promises()
    if len(rows) < FEWEST or [int(number) for number, _, _ in rows] != list(range(1, len(rows) + 1)):
        faults.append(f"{len(rows)} promises, expected {FEWEST} or more, numbered from 1")
    for number, promise, tests in rows:
        if not tests:
            faults.append(f"promise {number} has no test: {promise}")
        for test in tests:
            kind, _, stage = test.partition(" ")
            if kind == "stage":
                if stage not in stages:
                    faults.append(f"promise {number}: .ci/run has no stage {stage}")
            elif test not in outcome:
                faults.append(f"promise {number}: {test} did not run")
            elif not outcome[test]:
                faults.append(f"promise {number}: {test} failed")
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(rows)} promises, {sum(len(tests) for _, _, tests in rows)} tests, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
