"""transformers with the libraries that read quantised checkpoints for it: loads each folder and scores a text.

A job: name, timeout, model, and optionally score with reference or reference_logits, as in vllm_cpu.py; without them some tokens
are generated. Weights that were not found and keys that were not expected are an error, as they leave random numbers in the model.
The answer: the model's class, closeness or tokens.
"""
import os

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", CUDA_VISIBLE_DEVICES="")

import numpy  # noqa: E402
import torch  # noqa: E402
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText  # noqa: E402

import jobs  # noqa: E402
from closeness import closeness, nearest  # noqa: E402


def load(folder: str):
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    kinds = (AutoModelForCausalLM, AutoModelForImageTextToText)
    loader = next((kind for kind in kinds if type(config) in kind._model_mapping or kind.__name__ in getattr(config, "auto_map", {})),
                  AutoModel)
    return loader.from_pretrained(folder, dtype="auto", device_map="cpu", trust_remote_code=True, output_loading_info=True)


def work(job: dict) -> dict:
    model, info = load(job["model"])
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if info.get(what):
            raise ValueError(f"{what}: {sorted(map(str, info[what]))[:4]}")
    answer = {"model": type(model).__name__}
    ids = job.get("score", [1, 5, 9, 13, 2, 7, 11, 3])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].double()
    table = torch.log_softmax(logits, -1).numpy()
    if not numpy.isfinite(table).all():
        raise ValueError("it answers with NaN")
    if "reference" in job:
        answer.update(closeness(numpy.load(job["reference"]), table))
    elif "reference_logits" in job:
        path, *names = job["reference_logits"]
        answer.update(nearest(path, names, table))
    else:
        answer["tokens"] = [table.argmax(1).tolist()]
    return answer


if __name__ == "__main__":
    torch.set_num_threads(2)
    jobs.main(work)
