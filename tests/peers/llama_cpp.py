"""llama.cpp at the other end: GGUF files that requant wrote of the tiny models, beside files that gguf-py made of the same weights."""
import models
from checks import Check, Context, expect, job, loaded
from common import Failure

KEYS = "llamacpp__q8_0__tiny_llama"  # the same model and tokenizer, by llama.cpp's own converter
# Of what the GGUF is made, what may be lost, and which types its tensors then have.
SOURCES = {
    "dense": ("tiny-llama", "", {"F32": 5, "BF16": 16}),
    "int4": ("llmcompressor__W4A16-g128__tiny_llama", "", {"F32": 5, "BF16": 2, "Q4_0": 14}),
}
TYPES = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "mxfp4")
LONG_TYPES = ("tq1_0", "tq2_0")  # in blocks of 256


def generates(name: str) -> Check:
    source, allow, types = SOURCES[name]

    def prepare(context: Context) -> list[dict]:
        folder, keys = context.corpus / source, context.corpus / KEYS / "model.gguf"
        if not keys.is_file():
            raise Failure(f"there is no {keys}")
        words = ["convert", folder, "--to", "gguf", *(["--allow", allow] if allow else [])]
        made = context.made_by(f"gguf-{name}", context.work / "converted" / f"gguf-{name}", *words)
        return [job("llama-cpp", name, made, source=str(folder), keys=str(keys))]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"llama-cpp-{name}"])
        expect(not answer["different"], f"{len(answer['different'])} tensors differ: {answer['different'][:4]}")
        expect(answer["types"] == types, f"types {answer['types']}, wanted {types}")
        expect(answer["ours"] == answer["theirs"], f"{answer['ours']} against {answer['theirs']}")
        expect(len(set(answer["ours"])) > 1, "every prompt gives the same text")
        return f"{sum(types.values())} tensors as gguf-py writes them, the same 64 tokens after each of {len(answer['ours'])} prompts"

    return Check(f"gguf-{name}", "llama.cpp loads it and generates what it does from gguf-py's file", prepare, judge)


def quantises(kind: str, model: str) -> Check:
    """The bytes that ggml's own quantiser gives for the same matrices."""
    name = f"{kind}-{model}"

    def prepare(context: Context) -> list[dict]:
        source = models.bf16() if model == "smollm2" else context.corpus / "tiny-llama"
        made = context.made_by(f"gguf-quantise-{name}", context.work / "converted" / f"gguf-{name}",
                               "quantize", source, "--to", f"gguf:{kind}")
        return [job("llama-cpp", f"quantise-{name}", made, source=str(source), type=kind)]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"llama-cpp-quantise-{name}"])
        expect(not answer["different"], f"{len(answer['different'])} tensors differ: {answer['different'][:4]}")
        expect(answer["tensors"] == (210 if model == "smollm2" else 14), f"{answer['tensors']} tensors of {kind}")
        return f"{answer['tensors']} tensors, byte for byte"

    return Check(f"gguf-quantise-{name}", "quantised to the bytes that ggml_quantize_chunk() gives", prepare, judge)


def checks() -> list[Check]:
    return [*(generates(name) for name in SOURCES),
            *(quantises(kind, "tiny") for kind in (*TYPES, *LONG_TYPES)),
            *(quantises(kind, "smollm2") for kind in TYPES)]  # rows of 576 are no whole blocks of 256
