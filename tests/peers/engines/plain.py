"""A plain run of a checkpoint's arithmetic: requant decodes the weights to F32, transformers runs the model in F32, and where the
checkpoint says so the inputs of its quantised layers are rounded as its config says.

A job: name, timeout, model, requant (the program), score (token ids), logprobs (the .npy file to write), and optionally
  activations  {"kind": "int" or "float", "bits", "symmetric", "per": "token" or "tensor", "layers": a list of module names}
The answer: layers, how many had their inputs rounded.
"""
import os
import shutil
import subprocess
import tempfile

import numpy
import torch
from transformers import AutoModelForCausalLM

import jobs

FLOAT_MAX = torch.finfo(torch.float8_e4m3fn).max


def rounded(values: torch.Tensor, how: dict) -> torch.Tensor:
    """The values after dynamic quantisation and back, a scale for each token."""
    if how["kind"] == "float":
        scale = values.abs().amax(-1, keepdim=True).clamp_min(1e-12) / FLOAT_MAX
        return (values / scale).to(torch.float8_e4m3fn).float() * scale
    most = 2 ** (how["bits"] - 1) - 1
    if how["symmetric"]:
        scale = values.abs().amax(-1, keepdim=True).clamp_min(1e-12) / most
        return torch.round(values / scale).clamp(-most - 1, most) * scale
    low, high = values.amin(-1, keepdim=True).clamp_max(0), values.amax(-1, keepdim=True).clamp_min(0)
    scale = ((high - low) / (2 * most + 1)).clamp_min(1e-12)
    zero = torch.round(-most - 1 - low / scale)
    return ((torch.round(values / scale) + zero).clamp(-most - 1, most) - zero) * scale


def round_inputs(model: torch.nn.Module, how: dict) -> int:
    wanted, found = set(how["layers"]), 0
    for name, module in model.named_modules():
        if name in wanted:
            module.register_forward_pre_hook(lambda _, inputs: (rounded(inputs[0], how), *inputs[1:]))
            found += 1
    return found


def work(job: dict) -> dict:
    folder = tempfile.mkdtemp(prefix="plain-", dir=os.path.dirname(job["logprobs"]))
    try:
        dense = os.path.join(folder, "dense")
        done = subprocess.run([job["requant"], "convert", job["model"], "-o", dense, "--to", "dense:f32", "--allow", "all"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise ValueError(done.stderr.strip()[-500:])
        model = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32, trust_remote_code=True).eval()
    finally:
        shutil.rmtree(folder)
    layers = round_inputs(model, job["activations"]) if job.get("activations") else 0
    with torch.no_grad():
        logits = model(torch.tensor([job["score"]])).logits[0, :-1]
    numpy.save(job["logprobs"], torch.log_softmax(logits.double(), -1).float().numpy())
    return {"layers": layers}


if __name__ == "__main__":
    torch.set_num_threads(2)
    jobs.main(work)
