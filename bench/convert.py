#!/usr/bin/env python3
"""How long a conversion takes against copying the same files to the same disk.

  convert.py REQUANT [--gb 4.5] [--pairs 5] [--work DIR]

Pairs of `cp -r SOURCE COPY && sync` and `requant convert SOURCE`, interleaved; the median of the
ratios counts (<= 1.25). Then the time and memory of inspect, check and a plan on the shape of
InternVL2_5-26B, which reads headers only.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MAKE = os.path.join(HERE, "make_checkpoint.py")


def measure(command, shell=False):
    """Seconds, peak RSS in MiB, exit code."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, shell=shell, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - begin, usage.ru_maxrss / 1024, process.returncode


def bench_convert(requant, work, gb, pairs):
    source = os.path.join(work, "source")
    subprocess.run([sys.executable, MAKE, source, "--gb", str(gb)], check=True)
    copy, out = os.path.join(work, "copy"), os.path.join(work, "out")
    ratios, peaks = [], []
    for i in range(pairs + 1):
        os.sync()
        copied, _, _ = measure(f"cp -r {source} {copy} && sync", shell=True)
        shutil.rmtree(copy)
        os.sync()
        converted, peak, code = measure([requant, "convert", source, "-o", out, "--to", "compressed-tensors"])
        shutil.rmtree(out, ignore_errors=True)
        if code != 0:
            sys.exit(f"convert: exit {code}")
        if i == 0:
            continue  # fills the page cache
        ratios.append(converted / copied)
        peaks.append(peak)
        print(f"pair {i}: cp+sync {copied:.2f} s, convert {converted:.2f} s, ratio {converted / copied:.2f}")
    print(f"convert: median ratio {statistics.median(ratios):.2f} (bar 1.25), peak RSS {max(peaks):.0f} MiB")
    return statistics.median(ratios) <= 1.25


def bench_headers(requant, work):
    source = os.path.join(work, "internvl")
    subprocess.run([sys.executable, MAKE, source, "--shape", "internvl2_5-26b", "--sparse"], check=True)
    for name, command in [("inspect", ["inspect", source]),
                          ("check", ["check", source, "--engine", "vllm@0.7.3"]),
                          ("plan", ["convert", source, "--to", "compressed-tensors", "--dry-run"])]:
        runs = [measure([requant, *command]) for _ in range(3)]
        print(f"{name}: {min(run[0] for run in runs):.3f} s, peak RSS {runs[0][1]:.0f} MiB, exit {runs[0][2]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("requant")
    parser.add_argument("--gb", type=float, default=4.5)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="requant-bench-", dir=args.work)
    try:
        fast = bench_convert(args.requant, work, args.gb, args.pairs)
        bench_headers(args.requant, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0 if fast else 1


if __name__ == "__main__":
    sys.exit(main())
