"""Every checkpoint that differs from a good one (bundle.h) in one place: a key left out, given another value or added, a
tensor left out, added or of another dtype or shape. And every weight (codec.cpp) that does: another number of its
scheme, another part. What they reach that nothing stored reaches is worth storing:
  run.py store --broken 250 config"""
import itertools
import json
import re
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "src"
VALUES = [None, True, False, 0, 1, -1, 3, 8, 128, 2.5, "", "x", "static", [], ["re:.*"], [1, 1], {}, {"x": 1}, 2**62]
DTYPES = ["F32", "F16", "BF16", "I32", "I64", "I8", "U8", "F8_E4M3", "F8_E5M2"]
MARKERS = [".weight_scale F32 8 1", ".weight_scale_inv F32 1 1", ".scales F16 2 8", ".qzeros I32 2 1", ".g_idx I32 64 i",
           ".absmax F32 8", ".input_scale F32 1", ".weight_packed I32 8 8", ".SCB F32 8", ".W_q U8 8 8", ".bias F32 8",
           ".weight.quant_map F32 16", ".weight_blocks U8 8 2 16", ".zeros F16 2 8", ".weight_zero_point I8 8 1"]
PARTS = ["weight", "weight_scale", "weight_scale_inv", "weight_scale_2", "weight_packed", "weight_zero_point", "weight_shape",
         "weight_g_idx", "weight_global_scale", "qweight", "qzeros", "scales", "g_idx", "perm", "scale", "zero", "zeros", "W_q", "shape",
         "biases", "blocks", "weight_blocks", "weight_scales", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "SCB",
         "input_scale", "pre_quant_scale", "scale_packed", "meta", "compressed", "bitmask", "weight.compressed", "weight.bitmask"]
SHAPES = ["16 32", "16 1", "16 2", "2 32", "4 32", "16 4", "16", "1", "2 =16,32", "2 =-1,32", "3 16 32", "0", "32 16 i"]


def strings(pattern):
    """What the readers of checkpoints have between quotes, as far as the pattern finds it."""
    found = set()
    for layer in ("dialect", "checkpoint", "arch"):
        for path in (SOURCES / layer).glob("*.cpp"):
            if "test" not in path.name and "write" not in path.name:
                found |= set(re.findall(pattern, path.read_text()))
    return sorted(found)


def places(value, path=()):
    """Every key and item, outermost first."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ():
        yield *path, key
        yield from places(item, (*path, key))


def changed(value, path, change):
    """The value as JSON after a change of (parent, key) at that path."""
    value = json.loads(json.dumps({"": value}))
    at = value
    for key in ("", *path)[:-1]:
        at = at[key]
    change(at, ("", *path)[-1])
    return json.dumps(value.get(""))


def add(at, key, word, other):
    if isinstance(at[key], dict):
        at[key][word] = other


def changes_of_json(value):
    """Pairs of a path and a change."""
    keys, words = strings(r'(?:find|present|at|of|flag|number)\([^"()]*"([A-Za-z0-9_]{2,40})"'), strings(r'"([A-Za-z0-9_.-]{2,40})"')
    found = list(places(value))
    for path in found:
        yield path, lambda at, key: at.pop(key)
        for other in VALUES:
            yield path, lambda at, key, other=other: at.__setitem__(key, other)
    quantisation = [path for path in found if re.search("quant|compression", str(path))]
    for path, word in itertools.product([path for path in quantisation if path[-1] not in ("ignore", 0, 1)], words):
        yield path, lambda at, key, word=word: at.__setitem__(key, word)
    blocks = [path for path in quantisation if "config" in str(path[-1])]
    others = (True, "x", 1, [1, 1], ["k_proj"], ["re:.*k_proj"], {"x": {}}, {"k_proj": {"bits": 8}})
    for path, word, other in itertools.product([(), *blocks], keys, others):
        yield path, lambda at, key, word=word, other=other: add(at, key, word, other)


def changes_of_tensors(lines):
    """What stands for a line, or is added as a last one."""
    for i, line in enumerate(lines):
        words, shape = line.split(" "), line.split(" ")[2:]
        for dtype in DTYPES:
            yield i, [" ".join([words[0], dtype, *shape])]
        for other in (shape[::-1], [*shape, "1"], shape[:1], ["1", *shape[1:]], ["0"], [*shape, "z"], [*shape, "m2"]):
            yield i, [" ".join([*words[:2], *other])]
        yield i, []
    modules = {line.split(" ")[0].rpartition(".")[0] for line in lines}
    for module, marker in itertools.product(sorted(modules)[:12], MARKERS):
        yield len(lines), [module + marker]


def broken_weight(text):
    numbers = text.splitlines()[1].split(" ")
    for i, other in itertools.product(range(len(numbers)), range(9)):
        new = " ".join([*numbers[:i], str(other), *numbers[i + 1:]])
        yield lambda new=new: text.replace(" ".join(numbers), new, 1).encode("latin1")
    head, _, tail = text.rstrip("\n").partition("\n== tensors\n")
    tensors, _, data = tail.partition("\n== data\n")
    if tensors:
        lines = tensors.splitlines()
        for i, new in changes_of_tensors(lines):
            changed_lines = "\n".join(lines[:i] + new + lines[i + 1:])
            yield lambda lines=changed_lines: f"{head}\n== tensors\n{lines}\n== data\n{data}".encode("latin1")
    else:
        for part, dtype, shape in itertools.product(PARTS, DTYPES, SHAPES):
            yield lambda line=f"{part} {dtype} {shape}": f"{head}\n== tensors\n{line}\n".encode("latin1")


def broken(bundle):
    """Functions that make one variant each."""
    text = bundle.decode("latin1")
    if text.startswith("== scheme\n"):
        yield from broken_weight(text)
        return
    if not text.startswith("== ") or "\n== tensors\n" not in text:
        return
    head, _, tail = text.partition("\n== tensors\n")
    tensors, _, data = tail.partition("\n== data\n")
    lines, files = tensors.splitlines(), re.findall(r"^== (.*)\n(.*)", head, re.M)

    def whole(new_files, new_lines):
        return ("".join(f"== {name}\n{content}\n" for name, content in new_files) + "== tensors\n" +
                "\n".join(new_lines) + "\n== data\n" + data).encode("latin1", "replace")

    for i, new in changes_of_tensors(lines):
        yield lambda i=i, new=new: whole(files, lines[:i] + new + lines[i + 1:])
    for i, (name, content) in enumerate(files):
        yield lambda i=i: whole(files[:i] + files[i + 1:], lines)
        for path, change in changes_of_json(json.loads(content) if content.startswith("{") else {}):
            yield lambda i=i, name=name, content=content, path=path, change=change: whole(
                [*files[:i], (name, changed(json.loads(content), path, change)), *files[i + 1:]], lines)
