"""Checkpoints of the corpus as bundle.h has them, with one layer."""
import json
import re
import struct
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAIN = b"\x00\x3c" * 16  # an ordinary number in F32, F16 and BF16
KEPT_TENSORS = 200


def header_of(path):
    with open(path, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))


def data_of(path, entry):
    begin, end = entry["data_offsets"]
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        file.seek(8 + length + begin)
        return file.read(end - begin)


def checkpoints():
    folders = [folder for where in ("tests/data/corpus", "tests/data/stacks", "../shared/corpus") for folder in sorted((ROOT / where).glob("*"))]
    seen = set()
    for folder in folders:
        if folder.name not in seen and (folder / "config.json").is_file():
            seen.add(folder.name)
            yield folder


def groups_in(content):
    """The fill of a group index: i and m of bundle.h."""
    values = struct.unpack(f"<{len(content) // 4}i", content)
    size = next((k for k, value in enumerate(values) if value != values[0]), len(values))
    if not any(values):
        return " z"
    if all(value == k // size for k, value in enumerate(values)):
        return f" i{size}"
    return f" m{max(values) + 1}"


def repeated(content):
    """The fill of numbers that repeat after a few bytes; nothing where these do not."""
    for period in (8, 16, 24):
        if len(content) % 8 == 0 and content == (content[:period] * (len(content) // period + 1))[:len(content)]:
            return " =" + ",".join(map(str, struct.unpack(f"<{period // 8}q", content[:period])))
    return ""


def fill_of(path, name, entry):
    """What a tensor has to hold to be taken for one: shapes, states in JSON, group indices, zero points that repeat."""
    size = entry["data_offsets"][1] - entry["data_offsets"][0]
    if size <= 512 and (entry["dtype"] == "I64" or "quant_state" in name):
        content = data_of(path, entry)
        if entry["dtype"] == "I64":
            return " =" + ",".join(map(str, struct.unpack(f"<{len(content) // 8}q", content)))
        return ' "' + content.decode()
    if "g_idx" in name and entry["dtype"] == "I32":
        return groups_in(data_of(path, entry))
    if re.search("zero", name):
        return repeated(data_of(path, entry)) or " z"
    return ""


class Bundle:
    """Files by name, lines of tensors, and the metadata of their file."""

    def __init__(self, files, tensors, metadata=None):
        self.files, self.tensors, self.metadata = files, tensors, metadata

    def text(self):
        files = {name: text if isinstance(text, str) else json.dumps(text) for name, text in self.files.items()}
        if self.metadata:
            files["metadata"] = json.dumps(self.metadata)
        head = "".join(f"== {name}\n{text}\n" for name, text in files.items())
        return (head + "== tensors\n" + "\n".join(self.tensors[:KEPT_TENSORS]) + "\n== data\n").encode() + PLAIN


def of_first_layer(name):
    return not re.search(r"layers\.([1-9]|\d\d)\.", name)


def bundle(folder):
    tensors, files, metadata = [], {}, {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, entry in header_of(path).items():
            if name == "__metadata__":
                metadata |= {key: value for key, value in entry.items() if of_first_layer(key) and len(value) < 2048}
            elif of_first_layer(name):
                tensors.append(" ".join([name, entry["dtype"], *map(str, entry["shape"])]) + fill_of(path, name, entry))
    for name in ("config.json", "quantize_config.json", "quant_config.json", "hf_quant_config.json"):
        if (folder / name).is_file():
            config = files[name] = json.loads((folder / name).read_text())
            for part in (config, config.get("text_config", {}), config.get("llm_config", {})):
                if "num_hidden_layers" in part:
                    part["num_hidden_layers"] = 1
    return Bundle(files, tensors, metadata)


def corpus():
    """By the folder's name, where it has safetensors files."""
    made = {folder.name: bundle(folder) for folder in checkpoints()}
    return {name: one for name, one in made.items() if one.tensors}
