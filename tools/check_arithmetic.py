#!/usr/bin/env python3
"""Fails on plain +, * and << of numbers that come from a file or a server, where these are read: base/checked.h does that.

A statement counts where an operand is named as such numbers are. Those that cannot overflow stand in
arithmetic_allowed.txt, each with the reason. An entry that no statement has any longer fails as well.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
READERS = ("src/container/*.cpp", "src/container/*.h", "src/remote/*.cpp", "src/base/bytes.cpp", "src/base/file.cpp")
NOT_READERS = re.compile(r"_test\.cpp$|/writer\.|/safetensors_layout\.cpp$|/gguf_file\.cpp$|/checked\.h$")
NUMBER = r"(?:\w*_)?(?:alignment|begin|bits|bytes|count|end|extent|kept|left|length|number|offset|position|rank|shape|size|step|strides?|value|width)s?_?"
OPERAND = rf"\b{NUMBER}(?:\(\)|\[\w+\]|\.back\(\)|\.size\(\))*"
BINARY = r"(?:\+|\*|<<)"
ARITHMETIC = re.compile(rf"{OPERAND}\)? {BINARY} [\w(]|[\w)\]] {BINARY} \(?(?:[\w:]+(?:\.|->|\()){{0,3}}{OPERAND}|{OPERAND} (?:\+|\*|<<)= ")
PLACES = r"\w+\.data\(\) \+ |\.(?:substr|find)\([^()]*(?:\(\))?[^()]*\)"  # in a text that is held


def statements(text):
    """Of code without comments and texts, each with its first line."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    text = re.sub(r"^#[^\n]*", "", text, flags=re.M)
    line = 1
    for part in re.split(r"(?<=[;{}])", text):
        begin = line + part[:len(part) - len(part.lstrip())].count("\n")
        line += part.count("\n")
        yield begin, " ".join(part.split()).rstrip("{} ")


def is_raw(statement):
    if "Checked" in statement or "constexpr" in statement or '""' in statement or statement.startswith("template"):
        return False
    return ARITHMETIC.search(re.sub(PLACES, "", statement)) is not None


def main():
    allowed = {}
    for line in (ROOT / "tools/arithmetic_allowed.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, statement, _ = re.fullmatch(r"(\S+): (.*) # (.+)", line).groups()
            allowed[name, statement] = False
    problems = []
    for path in sorted(path for pattern in READERS for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        if NOT_READERS.search(name):
            continue
        for number, statement in statements(path.read_text()):
            if not is_raw(statement):
                continue
            if (name, statement) in allowed:
                allowed[name, statement] = True
            else:
                problems.append(f"{name}:{number}: {statement}: plain arithmetic on a number of a file, take Checked")
    problems += [f"arithmetic_allowed.txt: {name} has no '{statement}'" for (name, statement), used in allowed.items() if not used]
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
