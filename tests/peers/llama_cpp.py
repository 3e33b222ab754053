"""llama.cpp at the other end: GGUF files that requant wrote of the tiny models, beside files that gguf-py made of the same weights."""
from checks import Check, Context, expect, job, loaded
from common import Failure

KEYS = "llamacpp__q8_0__tiny_llama"  # the same model and tokenizer, by llama.cpp's own converter
# Of what the GGUF is made, what may be lost, and which types its tensors then have.
SOURCES = {
    "dense": ("tiny-llama", "", {"F32": 5, "BF16": 16}),
    "int4": ("llmcompressor__W4A16-g128__tiny_llama", "", {"F32": 5, "BF16": 2, "Q4_0": 14}),
}
RECIPE = '{"scheme": "%s", "ignore": ["lm_head", "router"]}'  # one block type for every Linear
TYPES = ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "mxfp4", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "tq1_0", "tq2_0")


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


def rounds(kind: str) -> Check:
    """The bytes that ggml's own quantiser gives for the same matrices."""
    def prepare(context: Context) -> list[dict]:
        source = context.corpus / "tiny-llama"
        recipe = context.work / f"{kind}.json"
        recipe.write_text(RECIPE % kind)
        made = context.made_by(f"gguf-round-{kind}", context.work / "converted" / f"gguf-round-{kind}",
                               "quantize", source, "--to", "gguf", "--recipe", recipe)
        return [job("llama-cpp", f"round-{kind}", made, source=str(source), type=kind)]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"llama-cpp-round-{kind}"])
        expect(not answer["different"], f"{len(answer['different'])} tensors differ: {answer['different'][:4]}")
        expect(answer["tensors"] == 14, f"{answer['tensors']} tensors of {kind}")
        return f"{answer['tensors']} tensors, byte for byte"

    return Check(f"gguf-round-{kind}", "rounded to the bytes that ggml_quantize_chunk() gives", prepare, judge)


def checks() -> list[Check]:
    return [*(generates(name) for name in SOURCES), *(rounds(kind) for kind in TYPES)]
