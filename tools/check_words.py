#!/usr/bin/env python3
"""Fails on what the code base does without: each row is (pattern, where it is allowed, why not)."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = [
    (r"\bgetenv\b", {"src/cli/terminal.cpp", "src/base/environment.cpp"}, "options are options"),
    (r"std::regex\b", set(), "backtracks without a bound"),
    (r"\breinterpret_cast\b", {"src/tensor/", "src/kernel/", "src/base/bytes", "src/base/"},
     "typed access is Tensor::as()"),
    (r"(?<![\w.:>])(malloc|calloc|realloc)\s*\(", set(), "memory is Buffer or a container"),
    (r"\bcatch\s*\(", {"src/api/", "src/cli/main.cpp", "src/cli/out_of_memory.cpp", "src/base/threads"}, "errors are values"),
    (r"\bthrow\b", {"tests/", "src/base/file.cpp", "src/cli/out_of_memory.cpp"}, "errors are values"),
    (r"\busing namespace (?!std::string_literals)", set(), "names say where they come from"),
    (r"\b(TODO|FIXME|XXX|HACK)\b", set(), "finish it, or open an issue"),
    (r"#\s*ifdef\s+REQUANT_CUDA", set(), "a missing backend is a linked stub"),
    (r"\b(GTEST_SKIP|DISABLED_)", {"src/kernel/"}, "a skipped test is no test"),  # no such CPU
    (r"/(work|root|home/\w+)/", set(), "a path of one machine"),
]
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|misc|manager)(_|\.|$)")


def main():
    problems = []
    for folder in ("src", "include", "tests", "tools", "bench", "fuzz"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix not in {".h", ".cpp", ".cu"} or name.startswith("tests/data/"):
                continue
            if FORBIDDEN_NAMES.search(path.name):
                problems.append(f"{name}: says nothing of what is in it")
            for number, line in enumerate(path.read_text().splitlines(), 1):
                code = line.split("//")[0] if "TODO" not in line else line
                for pattern, allowed, why in RULES:
                    if re.search(pattern, code) and not any(name.startswith(a) for a in allowed):
                        problems.append(f"{name}:{number}: {re.search(pattern, code).group(0)}: {why}")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
