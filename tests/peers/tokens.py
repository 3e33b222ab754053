#!/usr/bin/env python3
"""100,000 lines of mixed text through requant and through the package `tokenizers`: ids and text must be the same.

usage: VENV/bin/python tests/peers/tokens.py --requant PATH [--lines N] TOKENIZER.json...

Runs in an environment that has tokenizers. Latin, CJK, Arabic, Hindi, emoji, code, runs of white space, special tokens, and
any assigned code point; the lines are the same in every run. Exit code 0 only when nothing differs.
"""
import argparse
import random
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer

RANGES = [(0x20, 0x7E), (0xA1, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x64A), (0x900, 0x97F),
          (0x3041, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1F64F), (0x1F900, 0x1F9FF)]
SPACES = [" ", "  ", "   ", "\t", "\u00a0", "\u3000", "\u2003", "        ", "\u200b", "\u200d", "\r", "\x0b", "\x0c", "\x85"]
CODE = ["def f(x):", "    return x**2", "int main(void) {", "}", "a[i] += b->c;", "// comment", "<div class=\"x\">", "\\begin{x}", "0x7fff",
        "SELECT * FROM t WHERE a='b';", "https://example.org/a?b=c&d=%20#e", "foo_bar-baz", "CamelCaseWord", "1_000_000", "3.14e-10", "!==", "};"]
WORDS = ("the water of life is not in the house they'll don't I'M WE'VE naïve Größe cœur Straße and tokens 2024 12,345 1st A/B e.g. (x) "
         "\"quoted\" it's 'tis rock'n'roll ½ Ⅷ ² 10€ $5 50% #tag @name").split()


def assigned():
    return [chr(c) for c in range(0x80, 0x2FFFF)
            if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]


def lines_of(count, specials):
    chance = random.Random(7)
    anything = assigned()

    def piece():
        kind = chance.randrange(12)
        if kind < 4:
            return " ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 8)))
        if kind < 6:
            low, high = chance.choice(RANGES)
            return "".join(chr(chance.randrange(low, high + 1)) for _ in range(chance.randrange(1, 20)))
        if kind == 6:
            return chance.choice(SPACES) * chance.randrange(1, 12)
        if kind == 7:
            return chance.choice(CODE)
        if kind == 8:
            return str(chance.randrange(10 ** chance.randrange(1, 12)))
        if kind == 9:
            return "".join(chance.choice(anything) for _ in range(chance.randrange(1, 8)))
        if kind == 10:
            return chance.choice(["👍🏽", "👨‍👩‍👧", "🇩🇪", "e\u0301", "a\u0300\u0323", "ﬁ", "Å", "각", "क्षि", "\u202e"])
        return chance.choice(specials) if specials else "x"

    return [chance.choice(["", " "]).join(piece() for _ in range(chance.randrange(1, 7))) for _ in range(count)]


def ask(requant, path, lines, *options):
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.write("".join(line + "\n" for line in lines))
        file.flush()
        done = subprocess.run([requant, "tokenize", path, "--text", file.name, "--lines", *options], capture_output=True, check=True)
    answers = done.stdout.decode().split("\n")[:-1]
    return answers


def compare(requant, path, count):
    tokenizer = Tokenizer.from_file(str(path))
    specials = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    lines = lines_of(count, specials)
    wanted = [e.ids for e in tokenizer.encode_batch(lines)]
    found = [[int(i) for i in line.split()] for line in ask(requant, path, lines)]
    if len(found) != len(lines):
        print(f"{path}: {len(found)} lines came back, not {len(lines)}")
        return False
    odd = [i for i in range(count) if wanted[i] != found[i]]
    for i in odd[:5]:
        print(f"  {lines[i]!r}: {found[i]}, tokenizers has {wanted[i]}")
    texts = tokenizer.decode_batch(wanted, skip_special_tokens=False)
    back = ask(requant, path, [" ".join(map(str, ids)) for ids in wanted], "--decode")
    # What has a newline in it (a special token) is told by its line count alone.
    odd_text = [i for i in range(len(texts)) if i >= len(back) or texts[i] != back[i]]
    for i in odd_text[:5]:
        print(f"  {wanted[i]}: {back[i] if i < len(back) else None!r}, tokenizers has {texts[i]!r}")
    tokens = sum(map(len, wanted))
    print(f"{path}: {count} lines, {tokens} tokens: {len(odd)} lines differ, {len(odd_text)} decoded differ")
    return not odd and not odd_text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requant", required=True)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("tokenizers", nargs="+", type=Path)
    options = parser.parse_args()
    same = [compare(options.requant, path, options.lines) for path in options.tokenizers]
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
