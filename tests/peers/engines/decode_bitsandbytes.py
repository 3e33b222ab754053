"""bitsandbytes: its functions for CPUs dequantise 4 and 8 bits; a quantisation state is read by its own class."""
import bitsandbytes.functional as functional
import torch

import decoding

MARK = "weight.quant_state.bitsandbytes__"


def four_bits(weight: torch.Tensor, parts: dict[str, torch.Tensor]) -> torch.Tensor:
    state = functional.QuantState.from_dict(parts, device=torch.device("cpu"))
    state.dtype = torch.float32
    return functional.dequantize_4bit(weight, state).float()


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    for module in sorted({name.split("." + MARK)[0] for name in tensors if MARK in name}):
        start = module + ".weight."
        yield module, four_bits(tensors[module + ".weight"],
                                {name[len(start):]: tensor for name, tensor in tensors.items() if name.startswith(start)})
    for module in decoding.modules(tensors, "SCB"):
        yield module, functional.int8_vectorwise_dequant(tensors[module + ".weight"], tensors[module + ".SCB"].float())


if __name__ == "__main__":
    decoding.main(decode, decoding.version("bitsandbytes", "dequantize_4bit, int8_vectorwise_dequant"))
