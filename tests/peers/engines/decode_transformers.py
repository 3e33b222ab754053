"""transformers: FP8 blocks are dequantised by loading the model; of gpt-oss, the function that unpacks its experts is called."""
import re

import torch
from transformers import AutoModelForCausalLM
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

import decoding


def experts(tensors: dict):
    """Its model has [experts, in, out], and in gate_up_proj columns of gate and up in turn; each expert's projections, as they are
    stored, are these transposed."""
    for name in sorted(name[:-len("_blocks")] for name in tensors if name.endswith("_blocks")):
        whole = convert_moe_packed_tensors(tensors[name + "_blocks"], tensors[name + "_scales"], dtype=torch.float32)
        yield decoding.ONLY_EXPECTED + name, whole
        parent, which = name.rsplit(".", 1)
        for number, expert in enumerate(whole):
            if which == "down_proj":
                yield f"{parent}.{number}.down_proj", expert.t()
            else:
                yield f"{parent}.{number}.gate_proj", expert[:, 0::2].t()
                yield f"{parent}.{number}.up_proj", expert[:, 1::2].t()


def expert_of(weights: dict, module: str) -> torch.Tensor | None:
    """A projection of one expert, out of the matrices that the model keeps for all of them."""
    found = re.fullmatch(r"(.*\.experts)\.(\d+)\.(gate|up|down)_proj", module)
    if found is None:
        return None
    name, number, which = found[1], int(found[2]), found[3]
    if which == "down":
        return weights[name + ".down_proj"][number]
    return weights[name + ".gate_up_proj"][number].chunk(2)[which == "up"]


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    yield from experts(tensors)
    scaled = decoding.modules(tensors, "weight_scale_inv")
    if not scaled:
        return
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu")
    weights = dict(model.named_parameters())
    for module in scaled:
        yield module, weights.get(module + ".weight", expert_of(weights, module))


if __name__ == "__main__":
    decoding.main(decode, decoding.version("transformers", "from_pretrained dequantises; convert_moe_packed_tensors"))
