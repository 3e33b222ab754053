"""llama-quantize beside a GGUF file that requant quantised: the same mix, of the same unquantised file, by llama.cpp itself.

A job: name, timeout, model (the folder that requant wrote), unquantised (a GGUF file), mix ("q4_k_m"), library (what
../llama_quantize.py built: llama_model_quantize()), imatrix (a file of llama-imatrix, or ""), generates (whether both are
run). The answer:
  types        of the tensors in requant's file, how many of each
  different    tensors whose type, shape or bytes are not those of llama-quantize
  keys         keys that are not the same in both
  ours, theirs the 64 tokens' text that each file gives, greedily, for the same prompts
"""
import ctypes
import os
import struct
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

import jobs
from llama_cpp import generate

THREADS = 2
NONE = 43  # GGML_TYPE_COUNT: no type of its own for the output or the embedding
BUFFER = 8 << 30  # LLAMA_QUANT_MAX_BUF_SIZE


class Parameters(ctypes.Structure):
    """llama_model_quantize_params of b11434."""
    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int), ("output_tensor_type", ctypes.c_int),
                ("token_embedding_type", ctypes.c_int),
                *[(name, ctypes.c_bool) for name in ("allow_requantize", "quantize_output_tensor", "only_copy", "pure",
                                                     "keep_split", "dry_run")],
                *[(name, ctypes.c_void_p) for name in ("imatrix", "kv_overrides", "tt_overrides", "prune_layers")],
                ("max_buf_size", ctypes.c_size_t)]


class Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def importance_of(path: Path) -> dict[str, np.ndarray]:
    """As tools/quantize/quantize.cpp reads either kind of file."""
    data = path.read_bytes()
    if data.startswith(b"GGUF"):
        tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
        return {name.removesuffix(".in_sum2"): np.ravel(sums / np.ravel(tensors[name.removesuffix("in_sum2") + "counts"])[:, None])
                for name, sums in ((name, np.atleast_2d(sums)) for name, sums in tensors.items() if name.endswith(".in_sum2"))}
    found, at = {}, 4
    for _ in range(struct.unpack_from("<i", data)[0]):
        length = struct.unpack_from("<i", data, at)[0]
        name = data[at + 4:at + 4 + length].decode()
        calls, count = struct.unpack_from("<2i", data, at + 4 + length)
        at += 12 + length
        found[name] = np.frombuffer(data, np.float32, count, at) / np.float32(calls)
        at += 4 * count
    return found


def quantise(library: str, source: Path, out: Path, file_type: int, importance: dict[str, np.ndarray]) -> None:
    ctypes.CDLL(xllamacpp.xllamacpp.__file__, ctypes.RTLD_GLOBAL)
    llama = ctypes.CDLL(library)
    llama.llama_model_quantize_default_params.restype = Parameters
    llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Parameters)]
    parameters = llama.llama_model_quantize_default_params()
    assert (parameters.output_tensor_type, parameters.quantize_output_tensor, parameters.max_buf_size) == (NONE, True, BUFFER)
    parameters.nthread, parameters.ftype = THREADS, file_type
    entries = (Entry * (len(importance) + 1))()
    kept = [(name.encode(), np.ascontiguousarray(numbers, np.float32)) for name, numbers in importance.items()]
    for entry, (name, numbers) in zip(entries, kept):
        entry.name, entry.data, entry.size = name, numbers.ctypes.data, numbers.size
    if importance:
        parameters.imatrix = ctypes.cast(entries, ctypes.c_void_p)
    if llama.llama_model_quantize(os.fsencode(source), os.fsencode(out), ctypes.byref(parameters)) != 0:
        raise RuntimeError(f"llama_model_quantize() refuses {source}")


def keys_of(reader: gguf.GGUFReader) -> dict:
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}


def work(job: dict) -> dict:
    ours, theirs = Path(job["model"]) / "model.gguf", Path(job["model"] + "-theirs.gguf")
    importance = importance_of(Path(job["imatrix"])) if job["imatrix"] else {}
    reader = gguf.GGUFReader(ours)
    keys = keys_of(reader)
    quantise(job["library"], Path(job["unquantised"]), theirs, keys["general.file_type"], importance)
    other = gguf.GGUFReader(theirs)
    left, right = ({tensor.name: tensor for tensor in file.tensors} for file in (reader, other))
    different = [name for name in sorted({*left, *right})
                 if name not in left or name not in right or left[name].tensor_type != right[name].tensor_type
                 or list(left[name].shape) != list(right[name].shape)
                 or left[name].data.tobytes() != right[name].data.tobytes()]
    types: dict[str, int] = {}
    for tensor in left.values():
        types[tensor.tensor_type.name] = types.get(tensor.tensor_type.name, 0) + 1
    other_keys = keys_of(other)
    answer = {"types": types, "different": different,
              "keys": [name for name in sorted({*keys, *other_keys}) if keys.get(name) != other_keys.get(name)]}
    if job["generates"]:
        answer |= {"ours": generate(ours), "theirs": generate(theirs)}
    theirs.unlink()
    return answer


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    jobs.main(work)
