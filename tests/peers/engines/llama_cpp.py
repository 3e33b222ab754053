"""llama.cpp loads a GGUF file that requant wrote and generates from it, beside one that gguf-py made of the same weights.

A job: name, timeout, model (the folder that requant wrote), source (what it was converted from: safetensors, unquantised or
compressed-tensors int4 in groups), keys (a GGUF file of the same model, whose keys and tokenizer llama.cpp's own converter
wrote). The answer:
  types        of the tensors in requant's file, how many of each
  different    tensors whose type, shape or bytes are not those that gguf-py wrote from the source
  ours, theirs the 64 tokens' text that each file gives, greedily, for the same prompts

Or with type (model: what requant quantised to it from the unquantised source), where ggml's own quantiser rounds each matrix:
  tensors      of that type in requant's file, how many
  different    those that are not the bytes that ggml_quantize_chunk() gives
"""
import ctypes
import json
import os
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

import jobs

PROMPTS = [[1, 5, 300, 40], [7, 100, 101, 102, 9, 13]]
TOKENS = 64
GROUP = 32
NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
PLAIN = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I32": np.int32, "I64": np.int64}


def tensors_of(folder: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Names to dtype and numbers; BF16 as its bits."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        size = int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8:8 + size]).items():
            if name != "__metadata__":
                begin, end = (8 + size + offset for offset in entry["data_offsets"])
                found[name] = entry["dtype"], np.frombuffer(data[begin:end], PLAIN[entry["dtype"]]).reshape(entry["shape"])
    return found


def floats(dtype: str, numbers: np.ndarray) -> np.ndarray:
    return (numbers.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else numbers.astype(np.float32)


def file_name(module: str) -> str:
    if module in NAMES:
        return NAMES[module]
    _, _, layer, rest = module.split(".", 3)
    return f"blk.{layer}.{NAMES[rest]}"


def paired(name: str, rows: np.ndarray, config: dict) -> np.ndarray:
    """The rows of q and k in llama.cpp's order: those that are rotated together lie side by side."""
    if not name.endswith(("attn_q", "attn_k")):
        return rows
    heads = config["num_attention_heads" if name.endswith("attn_q") else "num_key_value_heads"]
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def q4_0(packed: np.ndarray, scales: np.ndarray, columns: int) -> np.ndarray:
    """compressed-tensors' words (code + 8, the lowest nibble first) and scales as blocks of Q4_0."""
    codes = (packed.view(np.uint32)[:, :, None] >> np.arange(0, 32, 4, dtype=np.uint32) & 15).reshape(packed.shape[0], -1)
    blocks = codes[:, :columns].reshape(packed.shape[0], -1, 2, GROUP // 2).astype(np.uint8)
    halves = scales.astype(np.float16)
    assert np.array_equal(halves.astype(np.float32), scales)
    each = np.repeat(halves, columns // scales.shape[1] // GROUP, axis=1)
    return np.concatenate([each[:, :, None].view(np.uint8), blocks[:, :, 0] | blocks[:, :, 1] << 4], 2).reshape(packed.shape[0], -1)


def write_reference(source: Path, keys: Path, out: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    writer = gguf.GGUFWriter(out, "llama")
    for field in gguf.GGUFReader(keys).fields.values():
        if field.name.startswith(("GGUF.", "general.architecture", "general.file_type")):
            continue
        if field.types[0] == gguf.GGUFValueType.ARRAY:
            writer.add_array(field.name, field.contents())
        else:
            writer.add_key_value(field.name, field.contents(), field.types[0])
    tensors = tensors_of(source)
    for full, (dtype, numbers) in tensors.items():
        module, suffix = full.rsplit(".", 1)
        if suffix == "weight_packed":
            columns = int(tensors[module + ".weight_shape"][1][1])
            blocks = q4_0(numbers, floats(*tensors[module + ".weight_scale"]), columns)
            name = file_name(module)
            writer.add_tensor(name + ".weight", paired(name, blocks, config), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
        elif suffix in ("weight", "bias"):
            name = file_name(module)
            if numbers.ndim == 1:
                writer.add_tensor(f"{name}.{suffix}", paired(name, floats(dtype, numbers), config))
            elif dtype == "BF16":
                writer.add_tensor(f"{name}.{suffix}", paired(name, numbers, config).view(np.uint8),
                                  raw_dtype=gguf.GGMLQuantizationType.BF16)
            else:
                writer.add_tensor(f"{name}.{suffix}", paired(name, numbers, config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def generate(path: Path) -> list[str]:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = 256
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.warmup = False
    parameters.cpuparams.n_threads = 2
    server = xllamacpp.Server(parameters)
    texts = []
    for prompt in PROMPTS:
        answer = server.handle_completions({"prompt": prompt, "n_predict": TOKENS, "temperature": 0, "ignore_eos": True,
                                            "cache_prompt": False})
        if answer["usage"]["completion_tokens"] != TOKENS:
            raise RuntimeError(f"{path}: {answer}")
        texts.append(answer["choices"][0]["text"])
    return texts


def ggml_blocks(kind: gguf.GGMLQuantizationType, values: np.ndarray) -> bytes:
    library = ctypes.CDLL(xllamacpp.xllamacpp.__file__)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    values = np.ascontiguousarray(values, np.float32)
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(values.size // elements * size, np.uint8)
    written = library.ggml_quantize_chunk(kind, values.ctypes.data, out.ctypes.data, 0, *values.shape, None)
    assert written == out.size, (written, out.size)
    return out.tobytes()


def compare_quantised(job: dict) -> dict:
    source, kind = Path(job["source"]), gguf.GGMLQuantizationType[job["type"].upper()]
    config = json.loads((source / "config.json").read_text())
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(Path(job["model"]) / "model.gguf").tensors}
    count, different = 0, []
    for full, (dtype, numbers) in tensors_of(source).items():
        name = file_name(full.removesuffix(".weight")) + ".weight"
        if stored[name].tensor_type != kind:
            continue
        count += 1
        if stored[name].data.tobytes() != ggml_blocks(kind, paired(name.removesuffix(".weight"), floats(dtype, numbers), config)):
            different.append(name)
    return {"tensors": count, "different": different}


def work(job: dict) -> dict:
    if "type" in job:
        return compare_quantised(job)
    ours, theirs = Path(job["model"]) / "model.gguf", Path(job["model"] + "-reference.gguf")
    write_reference(Path(job["source"]), Path(job["keys"]), theirs)
    left, right = ({tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors} for path in (ours, theirs))
    different = [name for name in sorted({*left, *right})
                 if name not in left or name not in right or left[name].tensor_type != right[name].tensor_type
                 or list(left[name].shape) != list(right[name].shape)
                 or left[name].data.tobytes() != right[name].data.tobytes()]
    types: dict[str, int] = {}
    for tensor in left.values():
        types[tensor.tensor_type.name] = types.get(tensor.tensor_type.name, 0) + 1
    return {"types": types, "different": different, "ours": generate(ours), "theirs": generate(theirs)}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    jobs.main(work)
