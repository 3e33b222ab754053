#!/usr/bin/env python3
"""Fails on a source file of more than 700 lines; warns from 400. Files listed in
tools/sizes_allowed.txt ("path lines reason") may have as many lines as it says, and no entry may
outlive its need.  With --tree: fails when the tracked files exceed 48 MiB, or tests/data 24 MB.
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARN, FAIL = 400, 700
TREE_LIMIT, DATA_LIMIT = 48 << 20, 24_000_000


def files():
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout
    return [ROOT / line for line in listing.splitlines() if (ROOT / line).is_file()]


def check_tree():
    total = sum(f.stat().st_size for f in files())
    data = sum(f.stat().st_size for f in files() if (ROOT / "tests/data") in f.parents)
    print(f"tree {total / 2**20:.1f} MiB, tests/data {data / 1e6:.1f} MB")
    return total > TREE_LIMIT or data > DATA_LIMIT


def check_files():
    allowed = {}
    for line in (ROOT / "tools/sizes_allowed.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            path, lines, _ = line.split(maxsplit=2)
            allowed[path] = int(lines)
    bad = False
    for path in files():
        if path.suffix not in {".cpp", ".h", ".cu", ".py"}:
            continue
        name = path.relative_to(ROOT).as_posix()
        lines = len(path.read_text().splitlines())
        limit = allowed.pop(name, FAIL)
        if lines > limit:
            print(f"{name}: {lines} lines, at most {limit}")
            bad = True
        elif lines > WARN and limit == FAIL:
            print(f"{name}: {lines} lines, is it still one idea?")
    for name in allowed:
        print(f"tools/sizes_allowed.txt: {name} is not there any more")
        bad = True
    return bad


if __name__ == "__main__":
    sys.exit(check_tree() if "--tree" in sys.argv[1:] else check_files())
