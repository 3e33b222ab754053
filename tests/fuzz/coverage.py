#!/usr/bin/env python3
"""Line coverage of what reads files, from the stored inputs alone (corpus/ and regressions/); fails below FLOOR.

  coverage.py [--collected] [--lines] [TARGET...]

--collected takes what was collected in build/fuzz as well; --lines names the files that are reached least.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

from run import BUILD, HERE, ROOT, collected, program, stored, write_inputs
from seeds import SEEDS

GOAL, FLOOR = 95.0, 72.0  # per cent; CI keeps the floor
# What reads, by group; writers and conversions between codecs are not among them.
READERS = {
    "containers": ["src/container/*.cpp"],
    "json": ["src/base/json.cpp"],
    "checkpoint": ["src/checkpoint/*.cpp"],
    "codecs": ["src/codec/*.cpp"],
    "dialects": ["src/dialect/*.cpp"],
}
NOT_READERS = ("_test.cpp", "testing.cpp", "_write.cpp", "container/writer.cpp", "safetensors_layout.cpp", "codec/assemble.cpp")
NOT_READING = ("codec/direct", "codec/transform")


def readers(group):
    for pattern in READERS[group]:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if not name.endswith(NOT_READERS) and not any(part in name for part in NOT_READING):
                yield name


def profile(targets, with_collected):
    work = BUILD / "coverage"
    shutil.rmtree(work, ignore_errors=True)
    for target in targets:
        folder = write_inputs(work / target, stored(target))
        folders = [folder, HERE / "regressions" / target, *([collected(target)] if with_collected else [])]
        command = [program(target), "-runs=0", "-timeout=60", *(f for f in folders if f.is_dir())]
        done = subprocess.run(command, env={**os.environ, "LLVM_PROFILE_FILE": str(work / f"{target}.profraw")},
                              capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            sys.exit(f"{target}: a stored input fails\n{done.stderr[-3000:]}")
    merged = work / "all.profdata"
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", *work.glob("*.profraw"), "-o", merged], check=True)
    return merged


def lines_of(profdata, targets):
    """{source file: how many lines it has and how many of them were reached}"""
    objects = [part for target in targets[1:] for part in ("-object", str(program(target)))]
    text = subprocess.run(["llvm-cov-14", "export", "-summary-only", f"-instr-profile={profdata}", str(program(targets[0])),
                           *objects], check=True, capture_output=True, text=True).stdout
    files = json.loads(text)["data"][0]["files"]
    return {os.path.relpath(os.path.normpath(file["filename"]), ROOT): file["summary"]["lines"] for file in files}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--collected", action="store_true")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_intermixed_args()
    targets = arguments.targets or list(SEEDS)
    lines = lines_of(profile(targets, arguments.collected), targets)
    total, covered = 0, 0
    for group in READERS:
        files = {name: lines[name] for name in readers(group) if name in lines}
        count, hit = sum(line["count"] for line in files.values()), sum(line["covered"] for line in files.values())
        total, covered = total + count, covered + hit
        print(f"{group:12} {hit:6,} of {count:6,} lines, {100 * hit / max(count, 1):5.1f} %")
        for name, line in sorted(files.items(), key=lambda item: item[1]["percent"])[:20 if arguments.lines else 0]:
            print(f"    {line['percent']:5.1f} %  {line['count'] - line['covered']:4} left  {name}")
    share = 100 * covered / max(total, 1)
    print(f"{'all':12} {covered:6,} of {total:6,} lines, {share:5.1f} %; the goal is {GOAL} %, the floor {FLOOR} %")
    return 0 if share >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
