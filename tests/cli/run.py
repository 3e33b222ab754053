#!/usr/bin/env python3
"""Runs the command files of this folder and compares what is printed.

A file holds blocks: a line `$ requant ARGS`, then what it prints (stdout, then stderr), then
`[exit N]` where N is not 0. {corpus} stands for tests/data/corpus and {tmp} for a fresh folder, which
is kept for the whole file. `#` begins a comment at the top of a file, and `# thread N` one anywhere.

usage: run.py --requant BINARY FILE...        compares
       run.py --requant BINARY --update FILE...   rewrites the expected output
"""

import argparse
import difflib
import pathlib
import subprocess
import sys
import tempfile

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"


def run_command(line, binary, names):
    words = line[2:]
    for name, path in names.items():
        words = words.replace("{" + name + "}", path)
    shell = words.replace("requant ", f"{binary} ", 1)
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=300)
    printed = done.stdout + done.stderr
    for name, path in names.items():
        printed = printed.replace(path, "{" + name + "}")
    if printed and not printed.endswith("\n"):
        printed += "\n"
    return printed + (f"[exit {done.returncode}]\n" if done.returncode else "")


def actual_text(text, binary):
    out = []
    with tempfile.TemporaryDirectory() as tmp:
        names = {"corpus": str(DATA / "corpus"), "tmp": tmp}
        for line in text.splitlines():
            at_the_top = not any(o.startswith("$") for o in out)
            if line.startswith("#" if at_the_top else "# thread "):
                out.append(line + "\n")
            elif line.startswith("$ "):
                out.append(line + "\n")
                out.append(run_command(line, binary, names))
    return "".join(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    arguments = parser.parse_args()
    failed = False
    for path in arguments.files:
        expected = path.read_text()
        actual = actual_text(expected, str(pathlib.Path(arguments.requant).resolve()))
        if arguments.update:
            path.write_text(actual)
        elif actual != expected:
            failed = True
            sys.stdout.writelines(difflib.unified_diff(expected.splitlines(True), actual.splitlines(True),
                                                       f"{path.name} expected", f"{path.name} printed"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
