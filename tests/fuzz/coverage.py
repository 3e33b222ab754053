#!/usr/bin/env python3
"""Line coverage of what reads files, from the stored inputs alone (corpus/ and regressions/); fails below FLOOR.

  coverage.py [--build NAME] [--collected] [--lines] [TARGET...]

--collected takes what was collected in build/fuzz as well; --lines names the lines that are not reached. build/NAME
(fuzz) has the programs.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys

from run import BUILD, HERE, ROOT, collected, program, stored, write_inputs
from seeds import SEEDS

GOAL, FLOOR = 95.0, 89.0  # per cent; CI keeps the floor
# What reads untrusted bytes, by group.
READERS = {
    "containers": ["src/container/*.cpp"],
    "json": ["src/base/json.cpp", "src/base/plain_json.cpp"],
    "checkpoint": ["src/checkpoint/*.cpp"],
    "codecs": ["src/codec/*.cpp"],
    "dialects": ["src/dialect/*.cpp"],
}
# What is left out, as no file that is read leads there: tests; what makes files, configs and names for them; conversions
# between layouts, and assembling weights for them.
NOT_READERS = re.compile(
    r"_test\.cpp$|testing\.cpp$|_write\.cpp$|container/(writer|safetensors_layout|gguf_file)\.cpp$|"
    r"codec/(assemble|direct\w*|transform\w*)\.cpp$|dialect/(ct_preset|ct_ignore|gguf_model|gguf_vocabulary)\.cpp$")
# And in files that read, the functions that only writers call, by their names: they put codes into words and blocks, and
# say which schemes and weights a layout can hold and which dialect states them.
WRITING = re.compile(r"^(encode|layout|holds|not_held|codec_for|quantization_config|side_files|pack|pack_\w+|put_\w+|join_\w+|"
                     r"\w+_pack_weight)$")


def readers(group):
    for pattern in READERS[group]:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if not NOT_READERS.search(name):
                yield name


def profile(targets, with_collected, build):
    work = BUILD / "coverage"
    shutil.rmtree(work, ignore_errors=True)
    for target in targets:
        folder = write_inputs(work / target, stored(target))
        folders = [folder, HERE / "regressions" / target, *([collected(target)] if with_collected else [])]
        command = [program(target, build), "-runs=0", "-timeout=60", *(f for f in folders if f.is_dir())]
        done = subprocess.run(command, env={**os.environ, "LLVM_PROFILE_FILE": str(work / f"{target}.profraw")},
                              capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            sys.exit(f"{target}: a stored input fails\n{done.stderr[-3000:]}")
    merged = work / "all.profdata"
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", *work.glob("*.profraw"), "-o", merged], check=True)
    return merged


def exported(profdata, targets, build, *form):
    objects = [part for target in targets[1:] for part in ("-object", str(program(target, build)))]
    return subprocess.run(["llvm-cov-14", "export", *form, f"-instr-profile={profdata}", str(program(targets[0], build)), *objects,
                           r"-ignore-filename-regex=_test\.cpp|\.h$|/usr/|tests/"], check=True, capture_output=True, text=True).stdout


def name_of(path, build):
    """A path is relative to where its file was compiled, so that objects can be shared by folders."""
    return os.path.relpath(os.path.normpath(ROOT / "build" / build / path), ROOT)


def functions(profdata, targets, build):
    """(name, source file, first line, last line) of each, lambdas apart."""
    found = json.loads(exported(profdata, targets, build, "-skip-expansions"))["data"][0]["functions"]
    mangled = [function["name"].rpartition(":")[2] for function in found]
    plain = subprocess.run(["c++filt"], input="\n".join(mangled), check=True, capture_output=True, text=True).stdout.splitlines()
    for function, name in zip(found, plain, strict=True):
        name = re.split(r"[(\[]", name.replace("(anonymous namespace)::", ""))[0]
        first, _, last = function["regions"][0][:3]
        yield re.sub(r"<.*", "", name).rpartition("::")[2], name_of(function["filenames"][0], build), first, last


def lines_of(profdata, targets, build):
    """{source file: {line: how often it was reached}}, without those of functions that write."""
    lines, file = {}, {}
    for row in exported(profdata, targets, build, "-format=lcov").splitlines():
        kind, _, rest = row.partition(":")
        if kind == "SF":
            file = lines.setdefault(name_of(rest, build), {})
        elif kind == "DA":
            line, count = map(int, rest.split(",")[:2])
            file[line] = file.get(line, 0) + count
    for name, source, first, last in functions(profdata, targets, build):
        if WRITING.search(name) and source in lines:
            for line in range(first, last + 1):
                lines[source].pop(line, None)
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--collected", action="store_true")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--build", default="fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_intermixed_args()
    targets = arguments.targets or list(SEEDS)
    lines = lines_of(profile(targets, arguments.collected, arguments.build), targets, arguments.build)
    total, covered = 0, 0
    for group in READERS:
        files = {name: lines[name] for name in readers(group) if lines.get(name)}
        missed = {name: [line for line, count in counts.items() if count == 0] for name, counts in files.items()}
        count = sum(map(len, files.values()))
        hit = count - sum(map(len, missed.values()))
        total, covered = total + count, covered + hit
        print(f"{group:12} {hit:6,} of {count:6,} lines, {100 * hit / max(count, 1):5.1f} %")
        for name in sorted(missed, key=lambda name: -len(missed[name])) if arguments.lines else []:
            if missed[name]:
                print(f"    {len(missed[name]):4} of {len(files[name]):4}  {name}: {' '.join(map(str, missed[name]))}")
    share = 100 * covered / max(total, 1)
    print(f"{'all':12} {covered:6,} of {total:6,} lines, {share:5.1f} %; the goal is {GOAL} %, the floor {FLOOR} %")
    return 0 if share >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
