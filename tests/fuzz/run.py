#!/usr/bin/env python3
"""The fuzz targets under libFuzzer: run them, keep what they found, and keep the count.

  run.py fuzz [--seconds N] [--jobs N] [--build NAME] [TARGET...]
                                        exits 1 on a crash, a hang or a memory bomb, whose input is stored in
                                        regressions/TARGET, where ctest runs it from then on
  run.py store [--broken N] [TARGET...] the smallest set of inputs with all coverage, into corpus/; with N broken
                                        variants (breaks.py) of each checkpoint or weight tried as well
  run.py targets                        their names
  run.py ledger                         executions so far

build/NAME has the programs: fuzz (with sanitizers) or fuzz-fast. BUILD (build/fuzz) holds the inputs collected here and
ledger.jsonl, a line a run.
"""
import argparse
import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from breaks import broken
from seeds import GOOD, SEEDS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/fuzz"
LEDGER = BUILD / "ledger.jsonl"
LONGEST = {"json": 512, "kernel": 64, "safetensors": 512, "gguf": 1280, "index": 320, "pickle": 1280, "codec": 2048}
BUNDLES = ("config", "checkpoint", "rule")  # whose inputs are whole checkpoints
STORED = 12288  # the largest input that is kept in the tree
HANG_SECONDS, MEMORY_MB = 20, 256  # a wait may be another program's: what took HANG_MS is run again alone
HANG_MS = 1000


def program(target, build="fuzz"):
    return ROOT / "build" / build / "tests/fuzz" / f"fuzz_{target}"


def unpack(path):
    """The inputs of a pack, which pack.h describes."""
    content, inputs, last = path.read_bytes() if path.is_file() else b"", [], b""
    while len(content) >= 6:
        begin, end, size = struct.unpack("<3H", content[:6])
        last = last[:begin] + content[6:6 + size] + last[len(last) - end:]
        inputs.append(last)
        content = content[6 + size:]
    return inputs


def common(a, b):
    """How many bytes two inputs have in common at their begin."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def pack(inputs):
    out, last = [], b""
    for content in inputs:
        begin = common(last, content)
        end = common(last[begin:][::-1], content[begin:][::-1])
        out.append(struct.pack("<3H", begin, end, len(content) - begin - end) + content[begin:len(content) - end])
        last = content
    return b"".join(out)


def stored(target):
    """A target's inputs in the tree: those of config are checkpoints, which two more targets take."""
    packs = [target, "config"] if target in BUNDLES[1:] else [target]
    files = sorted((ROOT / "tests/data/containers").glob("*.bin")) if target == "pickle" else []
    return [content for name in packs for content in unpack(HERE / "corpus" / f"{name}.pack")] + [
        path.read_bytes() for path in files]


def write_inputs(folder, inputs):
    folder.mkdir(parents=True, exist_ok=True)
    for content in inputs:
        (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)
    return folder


def collected(target):
    """What fuzzing begins with: the stored inputs, which reach all that the seeds do, and what was found since."""
    folder = BUILD / "inputs" / target
    if not folder.is_dir():
        write_inputs(folder, stored(target) or SEEDS[target]())
    return folder


def environment():
    return {**os.environ, "LLVM_PROFILE_FILE": "/dev/null",
            "ASAN_OPTIONS": "allocator_may_return_null=1:quarantine_size_mb=16:detect_leaks=1"}


def options(target, build):
    # Without AddressSanitizer nobody watches single allocations, and the whole process has few.
    memory = 2048 if build == "fuzz" else MEMORY_MB
    return [f"-max_len={LONGEST.get(target, 16384)}", f"-dict={HERE / 'dictionary'}", f"-timeout={HANG_SECONDS}",
            f"-report_slow_units={HANG_MS // 1000}", f"-malloc_limit_mb={MEMORY_MB}", f"-rss_limit_mb={memory}",
            "-print_final_stats=1", "-verbosity=1", "-print_funcs=0",
            "-entropic=0"]  # it takes longer than reading the input


def is_real(target, path, build):
    """Not so where a hang is gone when the input runs alone."""
    if not path.name.startswith(("timeout-", "slow-unit-")):
        return True
    done = subprocess.run([program(target, build), "-timeout=600", path], env=environment(), capture_output=True, text=True,
                          errors="replace", check=False)
    taken = re.search(r"^Executed .* in (\d+) ms$", done.stderr, re.M)
    return not taken or int(taken[1]) > HANG_MS


def fuzz(target, seconds, build):
    artifacts = BUILD / "crashes" / target
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir(parents=True)
    command = [program(target, build), *options(target, build), f"-max_total_time={seconds}", f"-artifact_prefix={artifacts}/",
               collected(target)]
    start = time.time()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, errors="replace", check=False)
    left = sorted(artifacts.iterdir())
    found = [path for path in left if is_real(target, path, build)]
    count = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    if not count:  # after a crash there are no statistics
        counts = re.findall(r"^#(\d+)", done.stderr, re.M)
    entry = {"date": time.strftime("%Y-%m-%d"), "build": build, "target": target, "seconds": round(time.time() - start),
             "executions": int(count[1] if count else counts[-1] if counts else 0),
             "crash": bool(found) or (done.returncode != 0 and not left)}
    with open(LEDGER, "a", encoding="utf-8") as ledger:
        ledger.write(json.dumps(entry) + "\n")
    for path in found:
        kept = HERE / "regressions" / target
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, kept / path.name)
    return entry, done.stderr


def run_all(targets, seconds, jobs, build):
    bad = False
    with ThreadPoolExecutor(jobs) as pool:
        for entry, log in pool.map(lambda target: fuzz(target, seconds, build), targets):
            speed = entry["executions"] / max(entry["seconds"], 1)
            print(f"{entry['target']:12} {entry['executions']:12,} executions {speed:10,.0f} /s", flush=True)
            if entry["crash"]:
                bad = True
                print("\n".join(line for line in log.splitlines() if not re.match(r"#\d+\s+(NEW|REDUCE|pulse)", line))[-6000:])
    return bad


def seeds_of(target):
    folder = BUILD / "seeds" / target
    shutil.rmtree(folder, ignore_errors=True)
    return write_inputs(folder, SEEDS[target]())


def broken_ones(target, count):
    """A sample of what breaks.py makes of each checkpoint, the same each time."""
    folder = BUILD / "broken" / target
    shutil.rmtree(folder, ignore_errors=True)
    for seed, good in enumerate(GOOD[target]() if count and target in GOOD else []):
        variants = list(broken(good))
        chosen = random.Random(seed).sample(variants, min(count, len(variants)))
        write_inputs(folder, [make() for make in chosen])
    return [folder] if folder.is_dir() else []


def store(target, count, build):
    smallest = BUILD / "smallest" / target
    shutil.rmtree(smallest, ignore_errors=True)
    smallest.mkdir(parents=True)
    subprocess.run([program(target, build), "-merge=1", "-use_counters=0", "-print_funcs=0", f"-max_len={LONGEST.get(target, 16384)}", "-timeout=20",
                    f"-artifact_prefix={BUILD}/", smallest, collected(target), seeds_of(target), *broken_ones(target, count)],
                   env=environment(), check=True, capture_output=True)
    inputs = sorted(path.read_bytes() for path in smallest.iterdir() if path.stat().st_size <= STORED)
    stored = HERE / "corpus" / f"{target}.pack"
    stored.parent.mkdir(exist_ok=True)
    stored.write_bytes(pack(inputs))
    print(f"{target}: {len(inputs)} inputs, {stored.stat().st_size:,} bytes")


def ledger():
    if not LEDGER.is_file():
        sys.exit(f"{LEDGER}: no run has been counted yet")
    rows = {}
    for line in LEDGER.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        row = rows.setdefault((entry["target"], entry.get("build", "fuzz")), {"executions": 0, "seconds": 0, "crashes": 0, "last": ""})
        row["executions"] += entry["executions"]
        row["seconds"] += entry["seconds"]
        row["crashes"] += entry["crash"]
        row["last"] = max(row["last"], entry["date"])
    print("| target | build | executions | seconds | per second | runs that found something | last |\n|---|---|---|---|---|---|---|")
    for (target, build), row in sorted(rows.items()):
        print(f"| {target} | {build} | {row['executions']:,} | {row['seconds']:,} | {row['executions'] // max(row['seconds'], 1):,} | "
              f"{row['crashes']} | {row['last']} |")
    print(f"| all | | {sum(row['executions'] for row in rows.values()):,} | {sum(r['seconds'] for r in rows.values()):,} | | | |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["fuzz", "store", "ledger", "targets"])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--build", default="fuzz")
    parser.add_argument("--broken", type=int, default=0)
    arguments = parser.parse_intermixed_args()
    targets = arguments.targets or list(SEEDS)
    if arguments.what == "fuzz":
        return 1 if run_all(targets, arguments.seconds, arguments.jobs, arguments.build) else 0
    if arguments.what == "targets":
        print(*SEEDS)
    elif arguments.what == "ledger":
        ledger()
    else:
        for target in targets:
            store(target, arguments.broken, arguments.build)
    return 0


if __name__ == "__main__":
    sys.exit(main())
