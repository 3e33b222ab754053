"""usage: make_imatrix.py UNQUANTISED.gguf OUT.gguf|OUT.dat: a file as llama-imatrix writes it, of numbers from a seeded generator.

Every matrix but the embedding has one; a few inputs count for nothing, a few for much.
"""
import struct
import sys
from pathlib import Path

import gguf
import numpy as np

CALLS = 7


def numbers_of(path: Path) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    found = {}
    for tensor in gguf.GGUFReader(path).tensors:
        if len(tensor.shape) < 2 or tensor.name == "token_embd.weight":
            continue
        numbers = (random.random(int(tensor.shape[0])) ** 4 * 50).astype(np.float32)
        numbers[random.integers(0, numbers.size, numbers.size // 20)] = 0
        found[tensor.name] = numbers * CALLS
    return found


def main() -> None:
    numbers, out = numbers_of(Path(sys.argv[1])), Path(sys.argv[2])
    if out.suffix == ".dat":
        entries = (struct.pack("<i", len(name)) + name.encode() + struct.pack("<2i", CALLS, values.size) + values.tobytes()
                   for name, values in numbers.items())
        out.write_bytes(struct.pack("<i", len(numbers)) + b"".join(entries) + struct.pack("<2i", CALLS, 4) + b"text")
        return
    writer = gguf.GGUFWriter(out, "")
    writer.add_type("imatrix")
    writer.add_uint32("imatrix.chunk_count", CALLS)
    for name, values in numbers.items():
        writer.add_tensor(name + ".in_sum2", values[None, :])
        writer.add_tensor(name + ".counts", np.full((1, 1), CALLS, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
