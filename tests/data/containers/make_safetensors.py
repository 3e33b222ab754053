"""Writes reference.safetensors here: python make_safetensors.py OUT, with safetensors 0.8.0 and PyTorch 2.13.0."""

import os
import sys

import torch
from safetensors.torch import save_file

dtypes = ["uint64", "int64", "float64", "complex64", "float32", "uint32", "int32", "bfloat16", "float16",
          "uint16", "int16", "float8_e5m2fnuz", "float8_e4m3fnuz", "float8_e8m0fnu", "float8_e4m3fn",
          "float8_e5m2", "int8", "uint8", "bool"]
tensors = {}
for i, name in enumerate(reversed(dtypes)):
    dtype = getattr(torch, name)
    tensors[f"b.{name}"] = torch.arange(i + 1, dtype=torch.float32).abs().to(dtype)
    tensors[f"a.{name}"] = torch.ones(1, 3, dtype=torch.float32).to(dtype)
tensors["fp4"] = torch.tensor([[0x21, 0x43]], dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
tensors["scalar"] = torch.tensor(7)
tensors["empty"] = torch.zeros(0, 4)
tensors['odd "name" \\ / \u00e9 \u4e2d'] = torch.ones(2)
save_file(tensors, os.path.join(sys.argv[1], "reference.safetensors"), metadata={"format": "pt"})
