"""The conversion that the user of a forum post would do by hand: new names and a new config, no look at the numbers.

It is what the tool is compared with: on a checkpoint with an all-zero row it gives a model that answers token 0 for ever.
Only the header of the safetensors file changes, so no tensor library is needed.
"""
import json
import shutil
from pathlib import Path


def rename_scales(data: bytes) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    renamed = {(name[:-len("scale")] + "weight_scale" if name.endswith(".scale") else name): entry
               for name, entry in header.items()}
    text = json.dumps(renamed, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length:]


def compressed_tensors_config() -> dict:
    common = {"num_bits": 8, "type": "float", "symmetric": True, "group_size": None, "observer": None}
    return {"quant_method": "compressed-tensors", "format": "float-quantized", "quantization_status": "compressed",
            "ignore": ["lm_head"],
            "config_groups": {"group_0": {
                "targets": ["Linear"],
                "weights": {**common, "strategy": "channel", "dynamic": False},
                "input_activations": {**common, "strategy": "token", "dynamic": True},
                "output_activations": None}}}


def convert(source: Path, out: Path) -> None:
    shutil.copytree(source, out)
    for path in (out, *out.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    weights = out / "model.safetensors"
    weights.write_bytes(rename_scales(weights.read_bytes()))
    config = json.loads((out / "config.json").read_text())
    config["quantization_config"] = compressed_tensors_config()
    (out / "config.json").write_text(json.dumps(config, indent=2))
