"""What the decode_*.py scripts share: each decodes whole checkpoint folders by one library, into F32.

A job: name, timeout, model; expected: null or the path of the corpus's expected files, without the ending; stored: a bool.
The answer:
  library   name and version of what decoded it, and which of its functions
  weights   name -> [SHA-256, shape]: of F32 [out, in] or [experts, out, in], little-endian, zeros without a sign
  stored    if the job asks for it, name -> [shape, SHA-256 of the bytes] of every tensor in the folder
  expected  null, or how many weights are what the tool decoded when it wrote the folder: exact (its hash), rounded (its rows
            after rounding to the type in which it multiplies), and the names of those that are not
"""
import glob
import hashlib
import importlib.metadata
import json
import os

import torch
from safetensors import safe_open

import jobs


ONLY_EXPECTED = "expected:"  # begins the name of a matrix that is held to the expected files and is no module of its own


def version(package: str, what: str) -> str:
    return f"{package} {importlib.metadata.version(package)}: {what}"


def read_config(folder: str) -> dict:
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        return json.load(file)


def read_tensors(folder: str) -> dict[str, torch.Tensor]:
    tensors = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.safetensors"))):
        with safe_open(path, "pt") as reader:
            for name in reader.keys():
                tensors[name] = reader.get_tensor(name)
    for path in sorted(glob.glob(os.path.join(folder, "pytorch_model*.bin"))):
        tensors.update(torch.load(path, map_location="cpu", weights_only=True))
    return tensors


def modules(tensors: dict, ending: str) -> list[str]:
    """The names before the ending of those tensors that have it."""
    return sorted(name[:-len(ending) - 1] for name in tensors if name.endswith("." + ending))


def of_module(tensors: dict, module: str) -> dict[str, torch.Tensor]:
    """The tensors right below a module, by their local names."""
    found = {name[len(module) + 1:]: tensor for name, tensor in tensors.items() if name.startswith(module + ".")}
    return {name: tensor for name, tensor in found.items() if "." not in name}


def digest(weight: torch.Tensor) -> str:
    return hashlib.sha256(weight.contiguous().numpy().tobytes()).hexdigest()


def stored_bytes(tensors: dict[str, torch.Tensor]) -> dict[str, list]:
    return {name: [list(tensor.shape), digest(tensor.contiguous().reshape(-1).view(torch.uint8))]
            for name, tensor in tensors.items()}


def rounds_to(weight: torch.Tensor, rows: torch.Tensor) -> bool:
    """Whether the tool's values are these, rounded once to a narrower type."""
    return any(torch.equal(weight.to(kind).float(), rows) for kind in (torch.float32, torch.float16, torch.bfloat16))


def compare_with_expected(weights: dict[str, torch.Tensor], path: str) -> dict:
    with open(path + ".json", encoding="utf-8") as file:
        entries = json.load(file).get("weights", {})
    found = {"exact": 0, "rounded": 0, "wrong": []}
    with safe_open(path + ".safetensors", "pt") as reader:
        for name, weight in weights.items():
            name = name.removeprefix(ONLY_EXPECTED)
            entry = entries.get(name) or entries.get(name + ".weight")
            if entry is None:
                continue
            if "sha256_f32" in entry:
                kind = "exact" if digest(weight) == entry["sha256_f32"] else "wrong"
            else:
                flat = weight.reshape(-1, weight.shape[-1])
                rows = reader.get_tensor("rows:" + (name if name in entries else name + ".weight"))
                kind = "rounded" if rounds_to(flat[entry["rows"]], rows.reshape(-1, weight.shape[-1])) else "wrong"
            if kind == "wrong":
                found["wrong"].append(name)
            else:
                found[kind] += 1
    return found


def main(decode, library: str, fork: bool = True) -> None:
    """decode(folder) gives pairs of a name and an F32 tensor."""
    def work(job: dict) -> dict:
        torch.set_num_threads(1)
        with torch.no_grad():
            weights = {name: weight.detach().contiguous() for name, weight in decode(job["model"])}
        for name, weight in weights.items():
            if weight.dtype != torch.float32:
                raise TypeError(f"{name} was decoded to {weight.dtype}")
        return {"library": library,
                "weights": {name: [digest(weight + 0.0), list(weight.shape)] for name, weight in weights.items()
                            if not name.startswith(ONLY_EXPECTED)},
                "stored": stored_bytes(read_tensors(job["model"])) if job.get("stored") else None,
                "expected": compare_with_expected(weights, job["expected"]) if job.get("expected") else None}

    jobs.main(work, fork)
