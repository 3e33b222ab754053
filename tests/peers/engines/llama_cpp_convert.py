"""llama.cpp's own converter (conversion/ of the llama-cpp-python sdist) makes a GGUF file of each folder, and llama.cpp runs it.

A job: name, timeout, model, and optionally score with reference or reference_logits, as in vllm_cpu.py. The environment says
LLAMA_CPP (the unpacked llama.cpp) and LLAMA_CPP_PYTHON (of the environment that has xllamacpp). The answer: closeness or tokens.

The converter knows a tokenizer's patterns by a hash of what it makes of a text, and refuses those that are in no list; the
corpus's tokenizers are random ones. What such a file is called says nothing about the weights, so it is given a name here.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [os.environ["LLAMA_CPP"], os.path.join(os.environ["LLAMA_CPP"], "gguf-py")]

import numpy  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402, F401
from conversion import ModelBase, ModelType, get_model_architecture, get_model_class  # noqa: E402
from conversion.base import TextModel  # noqa: E402
from gguf import LlamaFileType  # noqa: E402

import jobs  # noqa: E402
from closeness import closeness, nearest  # noqa: E402

known_pre = TextModel.get_vocab_base_pre


def pre_of(self, tokenizer) -> str:
    try:
        return known_pre(self, tokenizer)
    except NotImplementedError:
        return "smollm"


TextModel.get_vocab_base_pre = pre_of


def convert(folder: Path, out: Path) -> None:
    hparams = ModelBase.load_hparams(folder, is_mistral_format=False)
    architecture = get_model_architecture(hparams, ModelType.TEXT)
    with torch.inference_mode():
        kind = get_model_class(architecture)
        kind(folder, LlamaFileType.ALL_F32, out).write()


def score(path: Path, ids: list[int]) -> numpy.ndarray:
    """Log-probabilities after each of the tokens but the last."""
    table = path.with_suffix(".npy")
    words = [os.environ["LLAMA_CPP_PYTHON"], Path(__file__).with_name("llama_cpp_score.py"), path, json.dumps(ids), table]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError("llama.cpp: " + " ".join(done.stderr.split()[-60:]))
    return numpy.load(table)


def work(job: dict) -> dict:
    ids = job.get("score", [1, 5, 9, 13, 2, 7, 11, 3])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        convert(Path(job["model"]), path)
        table = score(path, ids)
    if "reference" in job:
        return closeness(numpy.load(job["reference"]), table)
    if "reference_logits" in job:
        path, *names = job["reference_logits"]
        return nearest(path, names, table)
    return {"tokens": [table.argmax(1).tolist()]}


if __name__ == "__main__":
    torch.set_num_threads(2)
    jobs.main(work)
