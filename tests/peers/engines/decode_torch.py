"""torch's own float8 types: for e4m3fnuz, of which transformers and compressed-tensors have no reader of their own."""
import torch

import decoding


def expand(scale: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A scale to each value; the last block of a side may be ragged."""
    if scale.numel() == 1:
        return scale.reshape(1, 1).expand(shape)
    rows, cols = (-(-whole // blocks) for whole, blocks in zip(shape, scale.shape))
    return scale.repeat_interleave(rows, 0).repeat_interleave(cols, 1)[:shape[0], :shape[1]]


def decode(folder: str):
    tensors = decoding.read_tensors(folder)
    for name in ("weight_scale_inv", "weight_scale"):
        for module in decoding.modules(tensors, name):
            weight = tensors[module + ".weight"]
            if weight.dtype not in (torch.float8_e4m3fn, torch.float8_e4m3fnuz):
                raise SystemExit(f"{module}: {weight.dtype}")
            scale = tensors[f"{module}.{name}"].to(torch.float32)
            yield module, weight.to(torch.float32) * expand(scale, weight.shape)


if __name__ == "__main__":
    decoding.main(decode, decoding.version("torch", "Tensor.to"))
