"""Headers of GGUF models: those of the corpus with one layer and short arrays, and one with blocks of every type.
The data are left out: bundle.h makes zeros of them."""
import re
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
KEPT_ITEMS = 4


def types():
    """{number: (elements of a block, its bytes)}, as the reader has them."""
    text = (ROOT / "src/container/ggml_types.cpp").read_text()
    return {int(n): (int(elements), int(size)) for n, elements, size in re.findall(r'\{(\d+), "\w+", (\d+), (\d+)', text)}


class Reader:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.content, self.at = file.read(1 << 20), 4

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.content, self.at)
        self.at += struct.calcsize("<" + layout)
        return values[0] if len(values) == 1 else values

    def text(self):
        size = self.take("Q")
        self.at += size
        return self.content[self.at - size:self.at]

    def value(self, kind):
        """As it stands in a file; of arrays the first items."""
        if kind == STRING:
            return text(self.text())
        if kind != ARRAY:
            self.at += SIZES[kind]
            return self.content[self.at - SIZES[kind]:self.at]
        item, count = self.take("IQ")
        items = [self.value(item) for _ in range(count)][:KEPT_ITEMS]
        return struct.pack("<IQ", item, len(items)) + b"".join(items)


def text(value):
    return struct.pack("<Q", len(value)) + value


def read(path):
    """Its keys as (name, type, bytes), and its tensors of the first layer as (name, sizes, type)."""
    reader = Reader(path)
    _, tensor_count, key_count = reader.take("IQQ")
    keys = []
    for _ in range(key_count):
        name, kind = reader.text(), reader.take("I")
        value = reader.value(kind)
        if name.endswith(b".block_count"):
            value = struct.pack("<I", 1)
        keys.append((name, kind, value))
    tensors = []
    for _ in range(tensor_count):
        name, rank = reader.text(), reader.take("I")
        sizes = [reader.take("Q") for _ in range(rank)]
        if name in (b"token_embd.weight", b"output.weight"):
            sizes[-1] = KEPT_ITEMS  # a row a token
        tensors.append((name, sizes, reader.take("I")))
        reader.take("Q")
    return keys, [tensor for tensor in tensors if not re.match(rb"blk\.[1-9]", tensor[0])]


def write(keys, tensors):
    keys = [text(name) + struct.pack("<I", kind) + value for name, kind, value in keys]
    table, offset = b"", 0
    for name, sizes, kind in tensors:
        elements, size = types()[kind]
        table += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
        count = 1
        for extent in sizes:
            count *= extent
        offset += count // elements * size
        offset += -offset % 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + table
    return head + b"\0" * (-len(head) % 32)


def strings(*values):
    return ARRAY, struct.pack("<IQ", STRING, len(values)) + b"".join(map(text, values))


OTHER_VALUES = [(4, struct.pack("<I", 0)), (4, struct.pack("<I", 7)), (5, struct.pack("<i", -1)), (STRING, text(b"x")), strings(b"x", b"y"),
                (ARRAY, struct.pack("<IQII", 4, 2, 3, 4)), (ARRAY, struct.pack("<IQI", 4, 1, 4))]
MORE_KEYS = [(b"general.quantized_by", STRING, text(b"x")), (b"llama.rope.scaling.type", STRING, text(b"linear")),
             (b"split.count", 2, b"\2\0"), (b"split.tensors.count", 5, b"\7\0\0\0"), (b"tokenizer.ggml.merges", *strings(b"a b", b"ab")),
             (b"general.architecture", STRING, text(b"bert")), (b"llama.expert_count", 4, b"\4\0\0\0"), (b"x" * 40, 12, b"\0" * 8)]


def changed(keys, tensors):
    """What differs from a model in one key or tensor."""
    for i, (name, _, _) in enumerate(keys):
        yield keys[:i] + keys[i + 1:], tensors
        for kind, value in OTHER_VALUES:
            yield [*keys[:i], (name, kind, value), *keys[i + 1:]], tensors
    for key in MORE_KEYS:
        yield [*(old for old in keys if old[0] != key[0]), key], tensors
    for i, (name, sizes, kind) in enumerate(tensors):
        rest = tensors[:i] + tensors[i + 1:]
        yield keys, rest
        for other in ((name, sizes[::-1], 0), (name, [*sizes, 2], 0), (name.replace(b"blk.0", b"blk.9"), sizes, kind), (name + b"x", sizes, kind),
                      (name.replace(b"weight", b"scale"), [1], 0), (b"x", sizes, kind), (name, [32], 8)):
            yield keys, [*rest, other]


def models():
    read_ones = [read(path) for path in sorted((ROOT / "../shared/corpus").glob("*/*.gguf"))]
    for keys, tensors in read_ones:
        yield write(keys, tensors)
    for keys, tensors in read_ones[:1]:
        for kind, (elements, _) in types().items():
            yield write(keys, [(name, sizes, kind if len(sizes) > 1 and sizes[0] % elements == 0 else old)
                               for name, sizes, old in tensors])
        for keys_and_tensors in changed(keys, tensors):
            yield write(*keys_and_tensors)
