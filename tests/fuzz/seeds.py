"""First inputs of every target, from the corpus and from what the formats allow."""
import itertools
import json
import re
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAIN = b"\x00\x3c" * 16  # an ordinary number in F32, F16 and BF16
SMALL = 8192


def header_of(path):
    with open(path, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))


def checkpoints():
    folders = sorted((ROOT / "tests/data/corpus").iterdir()) + sorted((ROOT / "../shared/corpus").glob("*"))
    seen = set()
    for folder in folders:
        if folder.name not in seen and (folder / "config.json").is_file():
            seen.add(folder.name)
            yield folder


def bundle(folder):
    """The first layer of a checkpoint as bundle.h has it."""
    tensors, files = [], {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, entry in header_of(path).items():
            if name != "__metadata__" and not re.search(r"layers\.([1-9]|\d\d)\.", name):
                fill = " i" if "g_idx" in name else ""
                tensors.append(" ".join([name, entry["dtype"], *map(str, entry["shape"])]) + fill)
    for name in ("config.json", "quantize_config.json", "quant_config.json", "hf_quant_config.json"):
        if (folder / name).is_file():
            config = json.loads((folder / name).read_text())
            for part in (config, config.get("text_config", {}), config.get("llm_config", {})):
                if "num_hidden_layers" in part:
                    part["num_hidden_layers"] = 1
            files[name] = json.dumps(config)
    text = "".join(f"== {name}\n{content}\n" for name, content in files.items())
    return (text + "== tensors\n" + "\n".join(tensors[:200]) + "\n== data\n").encode() + PLAIN


def bundles():
    return [text for text in map(bundle, checkpoints()) if b"== tensors\n\n" not in text]


def weights():
    """By hand-made numbers, whatever a codec can hold; from the corpus, the tensors of one weight each."""
    for element, bits, offset, grid, size in itertools.product(range(9), (3, 7), range(3), range(5), (1, 2, 4)):
        if (bits == 3 or element in (0, 8)) and (size == 2 or grid > 1):
            for scale, outer, act in ((0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 0), (4, 1, 0), (4, 2, 0)):
                for codec in range(4):
                    scheme = f"{element} {bits} {offset} {size} {grid} {scale} 0 {outer} {act}"
                    yield f"== scheme\n{scheme}\n== make\n{codec} 1 3 7\n".encode()
    for folder in checkpoints():
        for path in sorted(folder.glob("*.safetensors"))[:1]:
            modules = {}
            for name, entry in header_of(path).items():
                module = re.match(r"(.*(?:k_proj|experts))\.(.*)", name)
                if module:
                    modules.setdefault(module[1], []).append(
                        " ".join([module[2], entry["dtype"], *map(str, entry["shape"])]))
            for lines in list(modules.values())[:1]:
                yield b"== scheme\n0 3 0 4 2\n== tensors\n" + "\n".join(lines).encode() + b"\n== data\n" + PLAIN


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
    yield b"\0" + json.dumps({"weight_map": {"a": "other.safetensors"}}).encode()
    yield b"\1" + json.dumps({"metadata": {}, "weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}).encode()


def pickles():
    paths = sorted((ROOT / "tests/data/containers").glob("*.bin")) + sorted((ROOT / "tests/data/corpus").glob("*/*.pth"))
    for path in paths:
        content = path.read_bytes()
        if len(content) <= SMALL:
            yield content
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


SEEDS = {"json": texts, "safetensors": safetensors, "index": indexes, "pickle": pickles, "kernel": kernels,
         "codec": weights, "config": bundles, "checkpoint": bundles, "rule": bundles}
