#!/usr/bin/env python3
"""Runs bench_kernels and adds a row to RESULTS for each group of its kernels.

  kernels.py BENCH_KERNELS [--add-to RESULTS] [OPTION OF bench_kernels...]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

from edges import add_to

GROUPS = [("unpack", "unpack", "split"), ("pack", "pack", "join"), ("repack", "repack", "transpose")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench_kernels")
    parser.add_argument("--add-to")
    args, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "kernels.json")
        code = subprocess.run([args.bench_kernels, *rest, "--json", path]).returncode
        with open(path) as file:
            results = json.load(file)
    rows = []
    for name, *verbs in GROUPS:
        kernels = [k for k in results["kernels"] if k["kernel"].split()[0] in verbs]
        ratios = sorted((k["gbs"] / k["copy_gbs"], k["kernel"]) for k in kernels)
        copies = [k["copy_gbs"] for k in kernels]
        rows.append({"what": f"{len(kernels)} {name} kernels ({kernels[0]['isa']}), bytes in and out",
                     "measured": f"{ratios[0][0]:.2f} ({ratios[0][1]}) to {ratios[-1][0]:.2f} x memcpy()",
                     "limit": f"memcpy() of {results['mib']} MiB, {results['threads']} thread: "
                              f"{min(copies):.1f} to {max(copies):.1f} GB/s"})
    if args.add_to:
        add_to(args.add_to, rows)
    return code


if __name__ == "__main__":
    sys.exit(main())
