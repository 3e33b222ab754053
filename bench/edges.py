#!/usr/bin/env python3
"""How long each conversion that people use takes against copying the same files to the same disk.

  edges.py REQUANT [--pairs 3] [--gb N] [--work DIR] [--only PART] [--add-to RESULTS] [--without-peer]

Checkpoints of Llama-3.2-3B's shape (2.25 GB as AWQ). For each edge, pairs of `cp -r SOURCE COPY && sync` and `requant
convert SOURCE`, interleaved; the median of the ratios counts (<= 1.25). AWQ to compressed-tensors is also held against
compressed-tensors' own converter (>= 10 times as fast), in the environment that tests/peers/venvs.py makes for it;
--without-peer leaves that out. RESULTS is what tools/update_readme puts into README.md.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

from convert import HERE, MAKE, machine, measure

BAR = 1.25
PEER_BAR = 10
PEERS = os.path.join(HERE, "..", "tests", "peers")
# What is measured; where the source comes from: a dialect of llama_3b.py, or the result of an edge above it; where it
# goes; and the leave that this needs.
EDGES = [
    ("AWQ to compressed-tensors", "awq", "compressed-tensors", ""),
    ("compressed-tensors w4a16 to AWQ", "AWQ to compressed-tensors", "awq", ""),
    ("compressed-tensors w4a16 to GPTQ", "AWQ to compressed-tensors", "gptq", ""),
    ("GPTQ to compressed-tensors", "compressed-tensors w4a16 to GPTQ", "compressed-tensors", ""),
    ("lmdeploy fp8 to compressed-tensors", "lmdeploy-fp8", "compressed-tensors", ""),
    ("compressed-tensors fp8 to lmdeploy", "lmdeploy fp8 to compressed-tensors", "lmdeploy", ""),
    ("lmdeploy int8 to compressed-tensors", "lmdeploy-int8", "compressed-tensors", ""),
    ("compressed-tensors int8 to lmdeploy", "lmdeploy int8 to compressed-tensors", "lmdeploy", ""),
    ("fp8 in blocks to compressed-tensors", "fp8-block", "compressed-tensors", ""),
    ("ModelOpt NVFP4 to compressed-tensors", "modelopt-nvfp4", "compressed-tensors", "scale-rounding"),
    ("compressed-tensors NVFP4 to ModelOpt", "ModelOpt NVFP4 to compressed-tensors", "modelopt", "scale-rounding"),
    ("ModelOpt MXFP4 to compressed-tensors", "modelopt-mxfp4", "compressed-tensors", ""),
]
CONVERTER = """
import sys
from compressed_tensors.entrypoints.convert import convert_checkpoint
from compressed_tensors.entrypoints.convert.converters import AutoAWQConverter
convert_checkpoint(sys.argv[1], sys.argv[2], AutoAWQConverter(), max_workers=2)
"""


def gigabytes(folder):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)) / 1e9


class Bench:
    def __init__(self, args, work):
        self.args = args
        self.work = work
        self.made = {}  # folders, by what they hold
        self.rows = []
        self.fast = True

    def path(self, name):
        return os.path.join(self.work, name.replace(" ", "-"))

    def source(self, name):
        if name not in self.made:
            self.made[name] = self.path(name)
            limit = ["--gb", str(self.args.gb)] if self.args.gb else []
            subprocess.run([sys.executable, MAKE, self.made[name], "--shape", "llama-3.2-3b-" + name, *limit], check=True)
        return self.made[name]

    def convert(self, source, out, edge):
        what, _, to, leave = edge
        command = [self.args.requant, "convert", source, "-o", out, "--to", to]
        seconds, peak, code = measure(command + (["--allow", leave] if leave else []))
        if code != 0:
            sys.exit(f"{what}: exit {code}")
        return seconds, peak

    def pairs(self, edge, source, out):
        """(copy, convert, peak) of each pair but the first, which fills the page cache."""
        runs = []
        copy = self.path("copy")
        for _ in range(self.args.pairs + 1):
            os.sync()
            copied, _, _ = measure(f"cp -r {source} {copy} && sync", shell=True)
            shutil.rmtree(copy)
            shutil.rmtree(out, ignore_errors=True)
            os.sync()
            runs.append((copied, *self.convert(source, out, edge)))
        return runs[1:]

    def measure_edge(self, edge, is_source):
        source, out = self.source(edge[1]), self.path(edge[0])
        runs = self.pairs(edge, source, out)
        ratios = [converted / copied for copied, converted, _ in runs]
        median = statistics.median(ratios)
        self.fast &= median <= BAR
        fastest = min(run[1] for run in runs)
        text = (f"median {median:.2f} x `cp && sync` ({', '.join(f'{r:.2f}' for r in ratios)}), {fastest:.2f} s, "
                f"peak RSS {max(run[2] for run in runs):.0f} MiB")
        print(f"{edge[0]}: {text}", flush=True)
        copies = [run[0] for run in runs]
        self.rows.append({"what": f"convert {edge[0]}, {gigabytes(source):.2f} GB", "measured": text,
                          "limit": f"`cp && sync`: {min(copies):.1f} to {max(copies):.1f} s"})
        if is_source:
            self.made[edge[0]] = out
        else:
            shutil.rmtree(out)
        return fastest

    def measure_peer(self, ours):
        sys.path.insert(0, PEERS)
        import venvs
        subprocess.run([sys.executable, os.path.join(PEERS, "venvs.py"), "decoders"], check=True)
        python = str(venvs.python("decoders"))
        version = subprocess.run([python, "-c", "import importlib.metadata as m; print(m.version('compressed-tensors'))"],
                                 check=True, capture_output=True, text=True).stdout.strip()
        out = self.path("peer")
        seconds, peak, code = measure([python, "-c", CONVERTER, self.source("awq"), out])
        shutil.rmtree(out, ignore_errors=True)
        if code != 0:
            sys.exit(f"compressed-tensors {version}: exit {code}")
        times = seconds / ours
        self.fast &= times >= PEER_BAR
        print(f"AWQ to compressed-tensors: {times:.1f} times as fast as compressed-tensors {version}: {seconds:.1f} s")
        self.rows.append({"what": "the first of these edges against compressed-tensors' own converter",
                          "measured": f"{times:.1f} times as fast",
                          "limit": f"compressed-tensors {version}, 2 workers: {seconds:.1f} s, {peak:.0f} MiB"})

    def run(self):
        edges = [edge for edge in EDGES if self.args.only in edge[0]]
        for i, edge in enumerate(edges):
            later = {other[1] for other in edges[i + 1:]}
            ours = self.measure_edge(edge, edge[0] in later)
            if edge == EDGES[0] and self.args.without_peer:
                print("compressed-tensors' own converter was left out")
            elif edge == EDGES[0]:
                self.measure_peer(ours)
            for name in [name for name in self.made if name not in later]:
                shutil.rmtree(self.made.pop(name), ignore_errors=True)


def add_to(path, rows):
    results = {"machine": machine(), "rows": []}
    if os.path.exists(path):
        with open(path) as file:
            results = json.load(file)
    results["rows"] += rows
    with open(path, "w") as file:
        json.dump(results, file, indent=1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("requant")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--gb", type=float, help="at most this many 10^9 bytes: fewer layers")
    parser.add_argument("--work")
    parser.add_argument("--only", default="", help="a part of the names of edges")
    parser.add_argument("--add-to", help="RESULTS of convert.py, to which rows are added")
    parser.add_argument("--without-peer", action="store_true")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="requant-bench-", dir=args.work)
    try:
        bench = Bench(args, work)
        bench.run()
    finally:
        if args.add_to:
            add_to(args.add_to, bench.rows)
        shutil.rmtree(work, ignore_errors=True)
    return 0 if bench.fast else 1


if __name__ == "__main__":
    sys.exit(main())
