"""vLLM's CPU build: loads each folder and generates, through the public `vllm.LLM` only.

A job: name, timeout, model, and optionally
  dtype            passed on (default "auto": what the checkpoint says)
  images           images allowed in a prompt; the vision tower of a multimodal model is built only when this is not 0
  prompts          lists of token ids, or strings
  max_tokens       greedy tokens to generate for each prompt
  score, logprobs  token ids and a file: log-probabilities over the whole vocabulary at every position of the text, as the
                   engine reports them (prompt_logprobs=-1), one row for each token after the first, float32 .npy
  reference        such a file of another model, of an earlier job: adds how close both are (closeness.py)
  reference_logits a safetensors file and names of tensors in it, one row of logits for each token: the same for the nearest of them
The answer: the dtype in use, tokens and texts, and how many modules of the loaded model use each quantisation method, by part
of the model; stand_in: whether wna16.py took the place of a product. closeness.py has the measures.
"""
import os

os.environ.update(VLLM_CPU_KVCACHE_SPACE="1", VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_CPU_OMP_THREADS_BIND="nobind",
                  VLLM_NO_USAGE_STATS="1", VLLM_LOGGING_LEVEL="WARNING", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1",
                  CUDA_VISIBLE_DEVICES="")
os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy  # noqa: E402
import torch  # noqa: E402
from vllm import LLM, SamplingParams  # noqa: E402
import vllm.model_executor.layers.quantization.compressed_tensors.compressed_tensors  # noqa: E402,F401
import vllm.model_executor.models.llama  # noqa: E402,F401

import jobs  # noqa: E402
from closeness import closeness, nearest  # noqa: E402
import wna16  # noqa: E402

wna16.install()

VISION_PARTS = ("vision_model", "vision_tower", "visual")


def methods(model: torch.nn.Module) -> dict:
    """How many modules of the vision tower and of the rest use each scheme or quantisation method."""
    count: dict = {"vision": {}, "language": {}}
    for name, module in model.named_modules():
        part = "vision" if any(piece in name for piece in VISION_PARTS) else "language"
        used = getattr(module, "scheme", None) or getattr(module, "quant_method", None)
        if used is not None:
            kind = type(used).__name__
            count[part][kind] = count[part].get(kind, 0) + 1
    return count


def score(llm: LLM, ids: list[int]) -> numpy.ndarray:
    sampling = SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=-1, flat_logprobs=True, detokenize=False)
    flat = llm.generate([{"prompt_token_ids": ids}], sampling, use_tqdm=False)[0].prompt_logprobs
    starts, ends = flat.start_indices[1:], flat.end_indices[1:]
    size = max(flat.token_ids) + 1
    table = numpy.full((len(starts), size), -numpy.inf, dtype=numpy.float32)
    for row, (start, end) in enumerate(zip(starts, ends)):
        table[row, flat.token_ids[start:end]] = flat.logprobs[start:end]
    if not numpy.isfinite(table).all():
        raise ValueError("the engine left out log-probabilities of some tokens, or gave NaN")
    return table


def work(job: dict) -> dict:
    scoring = "score" in job
    length = max(256, len(job.get("score", ())) + 16)
    settings = dict(model=job["model"], dtype=job.get("dtype", "auto"), enforce_eager=True, max_model_len=length,
                    max_num_seqs=4, max_num_batched_tokens=length, enable_prefix_caching=False, trust_remote_code=True)
    if scoring:
        settings["max_logprobs"] = -1
    if "images" in job:
        settings.update(limit_mm_per_prompt={"image": job["images"]}, skip_mm_profiling=True)
    llm = LLM(**settings)
    dtype = str(llm.llm_engine.model_config.dtype).removeprefix("torch.")
    answer: dict = {"dtype": dtype, "methods": llm.apply_model(methods)[0]}
    if job.get("prompts"):
        as_text = isinstance(job["prompts"][0], str)
        prompts = job["prompts"] if as_text else [{"prompt_token_ids": ids} for ids in job["prompts"]]
        sampling = SamplingParams(temperature=0, max_tokens=job["max_tokens"], ignore_eos=not as_text, detokenize=as_text)
        outputs = llm.generate(prompts, sampling, use_tqdm=False)
        answer["tokens"] = [list(output.outputs[0].token_ids) for output in outputs]
        answer["texts"] = [output.outputs[0].text for output in outputs] if as_text else []
    if scoring:
        table = score(llm, job["score"])
        numpy.save(job["logprobs"], table)
        if "reference" in job:
            answer.update(closeness(numpy.load(job["reference"]), table))
        if "reference_logits" in job:
            path, *names = job["reference_logits"]
            answer.update(nearest(path, names, table))
    return {**answer, "stand_in": bool(wna16.WEIGHTS)}


if __name__ == "__main__":
    jobs.main(work)
