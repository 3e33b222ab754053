#!/usr/bin/env python3
"""How fast `inspect --deep` reads every byte, against `cat` of the same files.

  deep.py REQUANT [--gb 1.5] [--pairs 5] [--work DIR] [--add-to RESULTS]

Pairs of `cat FILES > /dev/null` and `requant inspect --deep`, interleaved, files in the page cache; the
median of the ratios of their speeds counts (>= 0.8). FP8 codes are looked at one by one, packed ones by
blocks, so both are measured. RESULTS is what tools/update_readme puts into README.md.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from convert import MAKE, measure

BAR = 0.8
SHAPES = [("FP8, a scale a row", ["--shape", "llama-8b", "--gb"]), ("AWQ", ["--shape", "llama-3.2-3b-awq"])]


def bench(requant, source, pairs, name):
    files = [os.path.join(source, f) for f in sorted(os.listdir(source)) if f.endswith((".safetensors", ".bin"))]
    size = sum(os.path.getsize(f) for f in files) / 1e9
    ratios, peaks, speeds = [], [], []
    for i in range(pairs + 1):
        read, _, _ = measure("cat " + " ".join(files) + " > /dev/null", shell=True)
        scanned, peak, code = measure([requant, "inspect", source, "--deep", "--fail-on", "never"])
        if code != 0:
            sys.exit(f"inspect --deep: exit {code}")
        if i == 0:
            continue  # fills the page cache
        ratios.append(read / scanned)
        peaks.append(peak)
        speeds.append(size / read)
        print(f"{name}, pair {i}: cat {read:.2f} s, inspect --deep {scanned:.2f} s, speed {read / scanned:.2f} x cat")
    median = statistics.median(ratios)
    print(f"{name}, {size:.2f} GB: median {median:.2f} x the speed of cat (bar {BAR}), peak RSS {max(peaks):.0f} MiB")
    return median >= BAR, {"what": f"inspect --deep, {name}, {size:.2f} GB",
                           "measured": f"median {median:.2f} x the speed of `cat` "
                                       f"({', '.join(f'{r:.2f}' for r in ratios)}), peak RSS {max(peaks):.0f} MiB",
                           "limit": f"`cat` of the same files: {min(speeds):.1f} to {max(speeds):.1f} GB/s"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("requant")
    parser.add_argument("--gb", type=float, default=1.5)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work")
    parser.add_argument("--add-to", metavar="RESULTS")
    args = parser.parse_args()
    requant = os.path.abspath(args.requant)
    good, rows = True, []
    for name, options in SHAPES:
        work = tempfile.mkdtemp(prefix="requant-deep-", dir=args.work)
        try:
            source = os.path.join(work, "source")
            gb = [str(args.gb)] if options[-1] == "--gb" else []
            subprocess.run([sys.executable, MAKE, source, *options, *gb], check=True)
            passed, row = bench(requant, source, args.pairs, name)
        finally:
            shutil.rmtree(work)
        good &= passed
        rows.append(row)
    if args.add_to:
        with open(args.add_to) as file:
            results = json.load(file)
        results["rows"] += rows
        with open(args.add_to, "w") as file:
            json.dump(results, file, indent=1)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
