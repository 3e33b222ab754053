"""Quark loads the folder; the quantisers of its layers unpack and dequantise the stored weights. Their scales are made F32 first:
they multiply in the type of the scale.
"""
import torch
from quark.torch import import_model_from_safetensors

import decoding


def decode(folder: str):
    model = import_model_from_safetensors(None, folder, device="cpu")
    for name, layer in model.named_modules():
        quantizer = getattr(layer, "weight_quantizer", None)
        if quantizer is None:
            continue
        quantizer.float_dtype = torch.float32
        if quantizer.scale.is_floating_point():
            quantizer.scale = quantizer.scale.float()
        yield name, quantizer(layer.weight).float()


if __name__ == "__main__":
    decoding.main(decode, decoding.version("amd-quark", "import_model_from_safetensors, the layers' weight_quantizer"))
