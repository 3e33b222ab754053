#!/usr/bin/env python3
"""Mutated safetensors files before requant and before the reference (the Python package): both take a file or neither
does, but for what requant refuses on purpose (STRICTER).

  differential.py --judge BIN [--inputs N] [--seed N]

Run by a Python that has safetensors. Exits 1 on a difference, and stores the input in regressions/safetensors.
"""
import argparse
import hashlib
import random
import re
import subprocess
import sys
from pathlib import Path

from safetensors import SafetensorError, deserialize

from run import HERE, pack, unpack
from seeds import SEEDS

BATCH = 20_000
STRICTER = re.compile(
    r"does not begin with '\{'|appears twice in one object|a control character in a name|a name of \d+ bytes|"
    r"more than 64 dimensions|a dimension of|nested deeper than|byte order mark|an array in|expected an object|"
    r"is an array, expected|the tensor .* is in|two tensors")
PIECES = [b'"F32"', b'"F4"', b'"U8"', b'"BOOL"', b"[0,0]", b"[]", b"0", b"1", b"8", b"16", b"-1", b"1.0", b"1e2", b"{}", b"null",
          b"18446744073709551615", b"9223372036854775808", b",", b":", b"}", b"{", b"]", b"[", b" ", b"\\u0041", b'"', b"\x80",
          b'"dtype":', b'"shape":', b'"data_offsets":', b'"__metadata__":', b"\t", b"\x00"]


def mutate(content, chance):
    """One to four changes; the length prefix is then mostly set right again."""
    header = bytearray(content[8:8 + int.from_bytes(content[:8], "little")])
    data = bytearray(content[8 + len(header):])
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(header) + 1)
        kind = chance.randrange(6)
        if kind == 0:
            header[at:at + chance.randint(1, 6)] = b""
        elif kind == 1:
            header[at:at] = chance.choice(PIECES)
        elif kind == 2 and header:
            header[at - 1] = chance.randrange(256)
        elif kind == 3:
            digits = [m.span() for m in re.finditer(rb"\d+", header)]
            if digits:
                begin, end = chance.choice(digits)
                header[begin:end] = str(max(0, int(header[begin:end]) + chance.choice([-8, -4, -1, 1, 4, 8]))).encode()
        elif kind == 4:
            other = chance.randrange(len(header) + 1)
            header[at:at] = header[min(at, other):max(at, other)][:40]
        else:
            data = data[:chance.randrange(len(data) + 1)] + bytes(chance.randrange(3))
    length = len(header) if chance.randrange(20) else chance.choice([0, 1, len(header) - 1, len(header) + 1, 2**63, 10**8 + 1])
    return max(length, 0).to_bytes(8, "little") + bytes(header) + bytes(data)


def reference(content):
    try:
        deserialize(content)
        return "ok"
    except (SafetensorError, ValueError) as error:
        return str(error)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge", required=True)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    sources = [*SEEDS["safetensors"](), *unpack(HERE / "corpus/safetensors.pack")]
    sources = [content for content in sources if len(content) >= 8 and int.from_bytes(content[:8], "little") <= len(content)]
    both, neither, stricter, differences = 0, 0, 0, 0
    for begin in range(0, arguments.inputs, BATCH):
        inputs = [mutate(chance.choice(sources), chance) for _ in range(min(BATCH, arguments.inputs - begin))]
        lines = subprocess.run([arguments.judge], input=pack(inputs), capture_output=True, check=True).stdout
        for content, line in zip(inputs, lines.decode().split("\n"), strict=False):
            theirs = reference(content)
            if (line == "ok") == (theirs == "ok"):
                both += line == "ok"
                neither += line != "ok"
            elif line != "ok" and STRICTER.search(line):
                stricter += 1
            else:
                differences += 1
                kept = HERE / "regressions/safetensors" / hashlib.sha1(content).hexdigest()
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(content)
                print(f"{kept.name}: requant: {line[:200]}; safetensors: {theirs[:200]}")
    print(f"{arguments.inputs:,} inputs: both take {both:,}, neither {neither:,}, requant alone refuses {stricter:,} on purpose, "
          f"{differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
