"""First inputs of every target, from the corpus and from what the formats allow."""
import itertools
import json
import re
import struct

from bundles import PLAIN, ROOT, checkpoints, corpus, fill_of, header_of
from gguf_models import models, types
from pytorch_bin import odd_ones
from variants import variants


def bundles():
    good = corpus()
    return [made.text() for made in [*good.values(), *variants(good)]] + list(models())


# Weights of layouts that nothing writes, and their schemes where the tensors do not tell.
BY_HAND = [
    *(f"0 3 2 {size} 2 1\n== tensors\nqweight I16 4 128\nqzeros F16 {rows} 16\nscales F16 {rows} 16"
      for size in (2, 3, 4) for rows in (8, 16, 32)),
    *(f"0 3\n== tensors\nW_q U8 4 64\nscale {dtype} {rows} 1\nzero {dtype} {rows} 1\nshape I64 2 ={rows},64"
      for rows in (4, 8, 16, 32) for dtype in ("F16", "F32")),
    *(f"0 3\n== tensors\nweight U8 2 {size}" for _, size in types().values()),
    *(f"0 {bits} {offset} 2 2\n== tensors\n_weight_qdata I8 8 64{fill}\n_weight_scale BF16 8 2\n_weight_zero_point I8 8 2{zero}"
      for bits, offset, fill, zero in ((3, 0, " z", " z"), (3, 1, " z", ""), (7, 1, "", ""), (3, 0, "", " z"), (7, 0, "", ""))),
    *(f"0 3\n== tensors\nweight U32 {experts}4 2\nscales U8 {experts}4 1\nglobal_scale F32 {factor}"
      for experts, factor in (("", ""), ("", "1"), ("2 ", "2"), ("2 ", "1"))),
    *(f"0 3 0 {size} 2 1\n== tensors\nB I32 4 128\ns F16 {rows} 64\nworkspace I32 16" for size, rows in ((4, 1), (2, 2))),
    *(f"0 3 {offset} 1 2 1\n== tensors\nqweight I32 16 1\nqzeros I32 1 1{fill}\nscales F16 1 8"
      for offset in (0, 1) for fill in (" =-8608480567731124088", "")),
    *(f"0 3 {offset} 1 2 1 {order}\n== tensors\nweight_packed I32 8 4\nweight_scale F16 8 2\nweight_shape I64 2 =8,32\n"
      f"weight_zero_point I32 1 2{fill}\nweight_g_idx I32 32 {index}"
      for offset, order in ((0, 0), (1, 1)) for fill in (" z", " =-8608480567731124088") for index in ("=-1", "i16", "m2")),
    "0 3\n== tensors\nW_q I32 1 64\nscale F16 10 1\nzero F16 10 1\nshape I64 2 =10,64",
    *(f"4 7 0 2 {grid} 0 0 2\n== tensors\nweight F8_E4M3 8 16\nweight_scale_inv {dtype} {scale}"
      for grid, scale in ((0, "1"), (0, "1 1"), (1, "8 1"), (1, "8")) for dtype in ("F32", "BF16")),
    *(f"0 7 0 2 {grid} 2\n== tensors\nweight.compressed {dtype} 32\nweight.bitmask U8 4 2 \"\x0f\n"
      f"weight.row_offsets I64 4 =0,8,16,24\nweight.shape I64 2 =4,16{scale}"
      for grid, dtype, scale in ((0, "BF16", ""), (1, "F8_E4M3", "\nweight_scale BF16 4 1"), (1, "I8", "\nweight_scale BF16 4 1"))),
    "0 3\n== tensors\nweight.compressed BF16 4 8\nweight.bitmask U8 4 2 \"\x33\nweight.shape I64 2 =4,16",
    *(f"0 3\n== tensors\nweight {dtype} 4 6" for dtype in ("F32", "F16", "BF16", "F64", "I8")),
    *('0 3\n== tensors\nweight U8 32 1\nweight.absmax ' + absmax + '\nweight.quant_map F32 16\n' + nested
      + 'weight.quant_state.bitsandbytes__nf4 U8 ' + str(len(state)) + ' "' + state
      for absmax, nested, state in (
          ("F32 1", "", '{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [4, 16]}'),
          ("U8 1", "weight.nested_absmax F32 1\nweight.nested_quant_map F32 256\n",
           '{"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [4, 16], "nested_blocksize": 256, '
           '"nested_dtype": "float32", "nested_offset": 0.19}'))),
]


def weights():
    """By hand-made numbers, whatever a codec can hold; from the corpus, the tensors of one weight each."""
    for element, bits, offset, grid, size in itertools.product(range(9), (3, 7), range(3), range(5), (1, 2, 4)):
        if (bits == 3 or element in (0, 8)) and (size == 2 or grid > 1):
            for scale, outer, act in ((0, 0, 0), (1, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 0), (4, 1, 0), (4, 2, 0)):
                for codec in range(8 if (scale, act) == (1, 0) else 3):
                    scheme = f"{element} {bits} {offset} {size} {grid} {scale} 0 {outer} {act}"
                    yield f"== scheme\n{scheme}\n== make\n{codec} 1 3 7\n".encode()
    for text in BY_HAND:
        yield b"== scheme\n" + text.encode("latin1") + b"\n== data\n" + PLAIN
    for folder in checkpoints():
        for path in sorted(folder.glob("*.safetensors"))[:1]:
            modules = {}
            for name, entry in header_of(path).items():
                module = re.match(r"(.*(?:k_proj|experts))\.(.*)", name)
                if module:
                    modules.setdefault(module[1], []).append(
                        " ".join([module[2], entry["dtype"], *map(str, entry["shape"])]) + fill_of(path, name, entry))
            for lines in list(modules.values())[:1]:
                yield b"== scheme\n0 3 0 4 2\n== tensors\n" + "\n".join(lines).encode() + b"\n== data\n" + PLAIN


def ggufs():
    """Headers with a key of each type and tensors of plain numbers and of blocks, with their data."""
    def text(value):
        return struct.pack("<Q", len(value)) + value

    values = {0: b"\1", 1: b"\xff", 2: b"\1\0", 3: b"\0\x80", 4: b"\7\0\0\0", 5: b"\xff" * 4, 6: struct.pack("<f", 1.5),
              7: b"\1", 8: text(b"llama"), 9: struct.pack("<IQ", 4, 2) + b"\0" * 8, 10: b"\1" * 8, 11: b"\xff" * 8,
              12: struct.pack("<d", -2.5)}
    def pair(key, kind, value):
        return text(key) + struct.pack("<I", kind) + value

    def file(version, pairs, tensors, alignment):
        infos, offset, data = b"", 0, b""
        for name, sizes, kind, size in tensors:
            infos += text(name) + struct.pack("<I", len(sizes)) + struct.pack(f"<{len(sizes)}Q", *sizes)
            infos += struct.pack("<IQ", kind, offset)
            offset += size + -size % alignment
            data += b"\1" * (size + -size % alignment)
        head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs)) + b"".join(pairs) + infos
        return head + b"\0" * (-len(head) % alignment) + data

    tensors = [(b"a.weight", [8, 2], 0, 64), (b"b.weight", [32, 3], 8, 102), (b"c.weight", [256, 2, 2], 12, 576)]
    pairs = [pair(b"k%d" % kind, kind, value) for kind, value in values.items()]
    alignment = pair(b"general.alignment", 4, struct.pack("<I", 8))
    for version in (2, 3):
        yield file(version, [*pairs, pair(b"general.alignment", 4, struct.pack("<I", 32))], tensors, 32)
        yield file(version, [], [(b"a", [1], 0, 4)], 32)
    for one in pairs:
        yield file(3, [one, alignment], [(b"a", [1], 0, 4)], 8)
    for kind, value in values.items():
        if kind != 9:
            yield file(3, [pair(b"k", 9, struct.pack("<IQ", kind, 2) + 2 * value), alignment], [(b"a", [32], 8, 34)], 8)
    split = [pair(b"split.no", 2, b"\0\0"), pair(b"split.count", 2, b"\1\0"), pair(b"split.tensors.count", 5, b"\1\0\0\0")]
    yield file(3, [*split, alignment], [(b"a", [1], 0, 4)], 8)


def safetensors():
    def file(header, data=b""):
        text = (header if isinstance(header, str) else json.dumps(header)).encode()
        return struct.pack("<Q", len(text)) + text + data

    def entry(dtype, shape, begin, end):
        return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    yield file({})
    yield file({"__metadata__": {"format": "pt"}, "a": entry("F32", [2], 0, 8)}, bytes(8))
    yield file({"a": entry("BF16", [2, 2], 0, 8), "b": entry("U8", [0, 3], 8, 8), "c": entry("I64", [], 8, 16)}, bytes(16))
    yield file({"b": entry("F4", [2], 4, 5), "a": entry("F8_E4M3", [4], 0, 4), "extra": {**entry("BOOL", [1], 5, 6), "x": [1, {"y": None}]}}, bytes(6))
    for folder in checkpoints():
        for path in sorted(folder.glob("*.safetensors"))[:1]:
            out, at = {}, 0
            for name, old in list(header_of(path).items())[:4]:
                if name != "__metadata__":
                    size = {"F32": 4, "I32": 4, "I64": 8, "F16": 2, "BF16": 2}.get(old["dtype"], 1)
                    out[name] = entry(old["dtype"], [2], at, at + 2 * size)
                    at += 2 * size
            yield file(out, bytes(at))


def indexes():
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    good = {"a": shards[0], "b": shards[0], "c": shards[1]}
    for kind in (b"\0", b"\2"):
        yield kind + json.dumps({"metadata": {"total_size": 19}, "weight_map": good}).encode()
        yield kind + json.dumps({"weight_map": {"a": "../x.safetensors", "c": "/dev/zero"}}).encode()
    for name in ("model-00003-of-00002.safetensors", "x.safetensors", "model-00001-of-00003.safetensors", "pytorch_model.bin", "notes"):
        yield b"\x08" + name.encode()
    yield b"\4" + json.dumps({"weight_map": good}).encode()
    yield b"\0" + json.dumps({"weight_map": {"a": "other.safetensors"}}).encode()
    yield b"\1" + json.dumps({"metadata": {}, "weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}).encode()


def pickles():
    yield from odd_ones()
    for path in sorted((ROOT / "tests/data/containers").glob("*.bin")):
        content = path.read_bytes()
        at = content.find(b"\x80\x02")
        if at >= 0:
            yield content[at:at + 2048]


def texts():
    yield b'{"a": [1, -2.5e-3, true, false, null, "\\u00e9\\n"], "b": {"c": {}}}'
    for folder in checkpoints():
        config = (folder / "config.json").read_bytes()
        if len(config) <= 4096:
            yield config


def kernels():
    for problem in range(8):
        for fill in (0x00, 0x5A, 0xFF):
            yield bytes([problem, fill, 3, 7, 1, 9, 200, 5]) + bytes((fill + 37 * i) % 256 for i in range(56))


def templates():
    for row in json.loads((ROOT / "tests/data/text/jinja.json").read_text(encoding="utf-8")):
        yield row["template"].encode()


def tokenizers():
    texts = json.loads((ROOT / "tests/data/text/cases.json").read_text(encoding="utf-8"))["texts"]
    for path in sorted((ROOT / "tests/data/text").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "model" in content:
            content = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
            for text in ("", *(" ".join(texts[i::4])[:600] for i in range(4))):
                yield f"{content}\n== text\n{text}".encode("utf-8", "replace")


SEEDS = {"json": texts, "safetensors": safetensors, "gguf": ggufs, "index": indexes, "pickle": pickles, "kernel": kernels,
         "jinja_parse": templates, "jinja_render": templates, "tokenizer": tokenizers,
         "codec": weights, "config": bundles, "checkpoint": bundles, "rule": bundles}
# Of these, the inputs that breaks.py breaks.
GOOD = {"codec": lambda: (text for text in weights() if b"== make" not in text),
        **dict.fromkeys(("config", "checkpoint", "rule"), lambda: [made.text() for made in corpus().values()])}
