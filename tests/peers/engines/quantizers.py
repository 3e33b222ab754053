"""Inside the environment "quantizers": the real tools quantise a checkpoint of unquantised weights, on a CPU.

usage: quantizers.py JOBS.json ANSWERS.json

A job has "tool" (a function below), "model", "out" and what the tool takes; the answer says ok, or the error.
"""
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
LEFT_ALONE = ["lm_head"]


def weights_of(model):
    from safetensors.torch import load_file
    tensors = {}
    for file in sorted(Path(model).glob("*.safetensors")):
        tensors.update(load_file(file))
    return tensors


def is_linear(name, tensor):
    return tensor.dim() == 2 and name.endswith("_proj.weight")


def save(out, tensors):
    from safetensors.torch import save_file
    Path(out).mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, Path(out) / "model.safetensors",
              metadata={"format": "pt"})


def copy_config(model, out, block):
    config = json.loads((Path(model) / "config.json").read_text())
    config["quantization_config"] = block
    (Path(out) / "config.json").write_text(json.dumps(config, indent=2))


def model_free(job):
    from llmcompressor import model_free_ptq
    model_free_ptq(model_stub=job["model"], save_directory=job["out"], scheme=job["scheme"],
                   ignore=[*LEFT_ALONE, "model.embed_tokens"], device="cpu", max_workers=1)


def modifier(job):
    """llmcompressor's ordinary path: the model is loaded, QuantizationModifier rounds to nearest."""
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype="auto")
    if "weights" in job:
        groups = {"group_0": QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**job["weights"]))}
        recipe = QuantizationModifier(config_groups=groups, ignore=LEFT_ALONE)
    else:
        recipe = QuantizationModifier(targets="Linear", scheme=job["scheme"], ignore=LEFT_ALONE)
    oneshot(model=model, recipe=[recipe])
    model.save_pretrained(job["out"], save_compressed=True)


def fine_grained(job):
    """transformers refuses to quantise to fp8 on a CPU; this is the operation that its loader runs on each tensor."""
    from transformers import FineGrainedFP8Config
    from transformers.integrations.finegrained_fp8 import Fp8Quantize
    options = {"scale_fmt": job["scale_fmt"]} if "scale_fmt" in job else {}
    config = FineGrainedFP8Config(weight_block_size=(128, 128), modules_to_not_convert=LEFT_ALONE, **options)

    class Quantizer:
        quantization_config = config

    operation, out = Fp8Quantize(Quantizer()), {}
    for name, tensor in weights_of(job["model"]).items():
        out.update(operation.convert({name: tensor}) if is_linear(name, tensor) else {name: tensor})
    save(job["out"], out)
    copy_config(job["model"], job["out"], config.to_dict())


def bitsandbytes(job):
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype="auto", device_map="cpu",
                                                 quantization_config=BitsAndBytesConfig(**job["config"]))
    model.save_pretrained(job["out"])


def quark(job):
    import torch
    from quark.torch import LLMTemplate, ModelQuantizer, export_safetensors
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.bfloat16).eval()
    template = LLMTemplate.get(model.config.model_type)
    quantizer = ModelQuantizer(template.get_config(scheme=job["scheme"], exclude_layers=LEFT_ALONE))
    samples = torch.utils.data.DataLoader([torch.tensor([1, 2, 3, 4])], batch_size=1)
    model = quantizer.freeze(quantizer.quantize_model(model, samples))
    with torch.no_grad():
        export_safetensors(model=model, output_dir=job["out"])


def nibbles(difference):
    return ((difference & 15) != 0).sum() + ((difference >> 4) != 0).sum()


def differing(one, other, bits):
    """Codes of `bits` bits (4: two a byte), or whole elements, that are not the same."""
    import torch
    if one.dtype != other.dtype or one.shape != other.shape:
        return max(one.numel(), other.numel())
    left, right = (tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other))
    if bits == 4:
        return int(nibbles(left ^ right))
    return int((left.reshape(one.numel(), -1) != right.reshape(one.numel(), -1)).any(1).sum())


def is_codes(name, tensor):
    return name.endswith((".weight", ".weight_packed")) and (not tensor.is_floating_point() or tensor.element_size() == 1)


def is_same_text(one, other):
    return bytes(one.tolist()).rstrip() == bytes(other.tolist()).rstrip()


def compare(job):
    """The tensors of both results, and how far both are from the weights that they were made of."""
    source, ours, theirs = (weights_of(job[key]) for key in ("model", "requant", "out"))
    packed = job["bits"] == 4
    answer = {"codes": 0, "differing_codes": 0, "scales": 0, "differing_scales": 0, "only_ours": [], "only_theirs": []}
    for name in sorted(set(ours) | set(theirs)):
        if name in source and name in theirs and theirs[name].dtype == source[name].dtype:
            continue  # not quantised
        if name not in theirs or name not in ours:
            answer["only_ours" if name in ours else "only_theirs"].append(name)
        elif ".quant_state." in name:
            answer["scales"] += 1
            answer["differing_scales"] += not is_same_text(ours[name], theirs[name])
        elif is_codes(name, theirs[name]):
            answer["codes"] += theirs[name].numel() * theirs[name].element_size() * 2 if packed else theirs[name].numel()
            answer["differing_codes"] += differing(ours[name], theirs[name], job["bits"])
        else:
            answer["scales"] += theirs[name].numel()
            answer["differing_scales"] += differing(ours[name], theirs[name], 0)
    for key in ("requant", "out"):
        decoded, error, power = weights_of(job[key + "_dense"]), 0.0, 0.0
        for name, tensor in source.items():
            if is_linear(name, tensor):
                exact = tensor.double()
                error += float((decoded[name].double() - exact).square().sum())
                power += float(exact.square().sum())
        answer["error_" + key] = error / power
    return answer


TOOLS = {"model_free": model_free, "modifier": modifier, "fine_grained": fine_grained, "bitsandbytes": bitsandbytes,
         "quark": quark, "compare": compare}


def main():
    import torch
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    jobs, answers = json.loads(Path(sys.argv[1]).read_text()), {}
    for job in jobs:
        if job["tool"] != "compare":
            shutil.rmtree(job["out"], ignore_errors=True)
        try:
            answers[job["name"]] = {"ok": True, **(TOOLS[job["tool"]](job) or {})}
        except Exception as error:  # one tool's failure must not hide the others
            traceback.print_exc()
            answers[job["name"]] = {"ok": False, "error": f"{type(error).__name__}: {error}"[:800]}
        Path(sys.argv[2]).write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
