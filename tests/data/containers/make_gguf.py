#!/usr/bin/env python3
"""Writes gguf_corpus.json: what gguf-py decodes every quantised tensor of the corpus' GGUF files to, as the SHA-256 of
its float32 values. usage: make_gguf.py CORPUS (gguf 0.19.0 from PyPI)"""
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

PLAIN = {"F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"}


def main():
    out = {}
    for path in sorted(Path(sys.argv[1]).glob("llamacpp__*/model.gguf")):
        tensors = {}
        for tensor in GGUFReader(path).tensors:
            if tensor.tensor_type.name in PLAIN:
                continue
            values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype="<f4")
            tensors[tensor.name] = {"type": tensor.tensor_type.name,
                                    "sha256_f32": hashlib.sha256(values.tobytes()).hexdigest()}
        out[path.parent.name] = tensors
    target = Path(__file__).with_name("gguf_corpus.json")
    target.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
