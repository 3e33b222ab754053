"""The reference readers: the safetensors library and the compressed-tensors library open a converted folder.

A job: name, timeout, model, source (the lmdeploy folder). The answer:
  metadata     of each weight file
  tensors      name -> [dtype, shape], as the safetensors library reads them; every value is touched
  not_finite   names of tensors that hold NaN or infinity
  index        null, or {"agrees": bool, "total_size_agrees": bool} for model.safetensors.index.json
  groups       what the compressed-tensors library understands: format, ignore, and for each group its arguments
  scaled       the number of weights with a weight_scale
  differences  where the values in the folder, as that library decompresses them, are not those of the lmdeploy folder
"""
import glob
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "2")

import torch  # noqa: E402
from compressed_tensors.compressors import BaseCompressor  # noqa: E402
from compressed_tensors.quantization import QuantizationConfig  # noqa: E402
from safetensors import safe_open  # noqa: E402

import jobs  # noqa: E402


def read_files(folder: str) -> tuple[dict, dict, dict]:
    tensors, metadata, place = {}, {}, {}
    for path in sorted(glob.glob(os.path.join(folder, "*.safetensors"))):
        file = os.path.basename(path)
        with safe_open(path, "pt") as reader:
            metadata[file] = reader.metadata()
            for name in reader.keys():
                tensors[name] = reader.get_tensor(name)
                place[name] = file
    return tensors, metadata, place


def check_index(folder: str, tensors: dict, place: dict) -> dict | None:
    path = os.path.join(folder, "model.safetensors.index.json")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        index = json.load(file)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return {"agrees": index["weight_map"] == place, "total_size_agrees": index["metadata"]["total_size"] == size}


def source_tensors(folder: str) -> dict:
    tensors = read_files(folder)[0]
    for path in sorted(glob.glob(os.path.join(folder, "pytorch_model*.bin"))):
        tensors.update(torch.load(path, map_location="cpu", weights_only=True))
    return tensors


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    as_bytes = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other)]
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(*as_bytes)


def meant(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """What lmdeploy's numbers stand for. A row of zeros got scale 0 and, in FP8, NaN for its weights: it means zeros."""
    return torch.where(scale == 0, torch.zeros_like(scale), weight.float() * scale)


def compare(config: QuantizationConfig | None, source: dict, result: dict) -> list[str]:
    """Each weight as the compressed-tensors library decompresses it against lmdeploy's; every other tensor bit by bit."""
    if config is not None:
        compressor = BaseCompressor.get_value_from_registry(config.format)
        scheme = next(iter(config.config_groups.values()))
    wrong, seen = [], set()
    for name, tensor in source.items():
        if config is not None and name.endswith(".scale"):
            continue
        scale = source.get(name[:-len("weight")] + "scale") if config is not None and name.endswith(".weight") else None
        if name not in result:
            tied = source.get("model.embed_tokens.weight")
            if name != "lm_head.weight" or tied is None or not same_bits(tensor, tied):
                wrong.append(f"{name} is missing")
        elif scale is None:
            seen.add(name)
            if not same_bits(tensor, result[name]):
                wrong.append(f"{name} differs")
        else:
            seen |= {name, name + "_scale"}
            stored = {"weight": result[name], "weight_scale": result[name + "_scale"]}
            if not torch.equal(compressor.decompress(stored, scheme)["weight"].float(), meant(tensor, scale)):
                wrong.append(f"{name} decompresses to other numbers")
    return wrong + [f"{name} was not in the source" for name in result if name not in seen]


def work(job: dict) -> dict:
    folder = job["model"]
    tensors, metadata, place = read_files(folder)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        block = json.load(file).get("quantization_config", {})
    answer = {
        "metadata": metadata,
        "tensors": {name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
                    for name, tensor in tensors.items()},
        "not_finite": [name for name, tensor in tensors.items()
                       if tensor.is_floating_point() and not torch.isfinite(tensor.float()).all()],
        "index": check_index(folder, tensors, place),
    }
    config = None
    if block.get("quant_method") == "compressed-tensors":
        config = QuantizationConfig.model_validate(block)
        answer["groups"] = {"format": config.format, "ignore": config.ignore,
                            "groups": {name: group.model_dump(mode="json") for name, group in config.config_groups.items()}}
    answer["scaled"] = sum(name.endswith(".weight_scale") for name in tensors)
    answer["differences"] = compare(config, source_tensors(job["source"]), tensors)
    return answer


if __name__ == "__main__":
    jobs.main(work)
