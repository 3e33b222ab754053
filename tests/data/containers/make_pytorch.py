"""Writes the PyTorch fixtures of this folder: python make_pytorch.py OUT, with PyTorch 2.13.0."""

import collections
import io
import os
import sys
import zipfile

import torch

out = sys.argv[1]


def save(name, value, **options):
    torch.save(value, os.path.join(out, name), **options)


def rezip(name, change, method=zipfile.ZIP_STORED):
    """The archive of `plain.bin`, with each entry's bytes run through change(name, bytes)."""
    with zipfile.ZipFile(os.path.join(out, "plain.bin")) as source:
        with zipfile.ZipFile(os.path.join(out, name), "w", method) as target:
            for entry in source.infolist():
                bytes_ = change(entry.filename, source.read(entry))
                if bytes_ is not None:
                    target.writestr(zipfile.ZipInfo(entry.filename), bytes_, compress_type=method)


class RunsCode:
    def __reduce__(self):
        return os.system, ("echo run > /tmp/requant-was-here",)


grid = torch.arange(12, dtype=torch.float32).reshape(3, 4)
values = torch.tensor([1.0, -2.0, 0.5, 448.0])

state = collections.OrderedDict()
state["f32"] = grid
state["scalar"] = torch.tensor(7)
state["empty"] = torch.zeros(0, 4)
state["parameter"] = torch.nn.Parameter(values[:2].to(torch.bfloat16))
for dtype in ["float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float16", "int8", "uint16", "bool"]:
    state[dtype] = values.to(torch.float32).abs().to(getattr(torch, dtype))
state["fp4"] = torch.tensor([[0x21, 0x43]], dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
save("dtypes.bin", state)

storage = torch.arange(24, dtype=torch.int16)
embed = torch.arange(6, dtype=torch.float16).reshape(3, 2)
save(
    "views.bin",
    {
        "embed.weight": embed,
        "lm_head.weight": embed,
        "transposed": grid.t(),
        "middle": storage.reshape(2, 3, 4)[:, 1:, ::2],
        "permuted": storage.reshape(2, 3, 4).permute(2, 0, 1),
        "column": grid[:, 1:2],
    },
)
save("nested.pt", {"layer.0": {"W_q": grid.to(torch.uint8), "nbits": 4, "shape": torch.Size([3, 4]),
                               "dtype": torch.uint8, "none": None, "on": True, "packing": "4bit_u8"}})
save("expanded.bin", {"w": torch.zeros(1).expand(1 << 40)})
save("runs_code.bin", {"w": grid, "x": RunsCode()})
save("legacy.bin", {"w": grid}, _use_new_zipfile_serialization=False)
save("module.bin", torch.nn.Linear(2, 2))
save("plain.bin", {"w": torch.tensor([1.0, 2.0])})
save("protocol4.bin", {"w": torch.tensor([1.0, 2.0])}, pickle_protocol=4)
save("complex128.bin", {"w": torch.zeros(1, dtype=torch.complex128)})

rezip("compressed.bin", lambda name, b: b, zipfile.ZIP_DEFLATED)
rezip("big_endian.bin", lambda name, b: b"big" if name.endswith("byteorder") else b)
rezip("no_data.bin", lambda name, b: None if name.endswith("data/0") else b)
rezip("short_data.bin", lambda name, b: b[:4] if name.endswith("data/0") else b)
rezip("no_pickle.bin", lambda name, b: None if name.endswith("data.pkl") else b)
