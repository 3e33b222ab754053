#!/usr/bin/env python3
"""inspect --json of every checkpoint of a corpus against what the corpus says is in it.

  contents.py --requant PROGRAM --corpus DIR

Dialect, quantised modules and unquantised matrices are those of weights.json, one for one; the schemes are those that the folder's
name states. Every folder of index.json counts but llamacpp__* and mlx__*.
"""
import argparse
import json
import os
import re
import subprocess
import sys

STATIC, TOKEN, BLOCK, MX = "static per tensor", "dynamic per token", "dynamic per group 128", "dynamic per group 32"

# What the middle of a folder's name means where it is a name: the weights, and the activations. Of names that say bits and
# groups, and of what comes after a dash, `stated` below knows more.
NAMED = {
    "4bit": ("int4 per group 64", "none"),
    "FP8": ("e4m3fn per tensor", f"e4m3fn {STATIC}"),
    "FP8_BLOCK": ("e4m3fn per block 128x128", f"e4m3fn {BLOCK}"),
    "FP8_DYNAMIC": ("e4m3fn per channel", f"e4m3fn {TOKEN}"),
    "FP8_PB_WO": ("e4m3fn per block 128x128", "none"),
    "INT4_AWQ": ("int4 per group 128", "none"),
    "INT8_SQ": ("int8 per channel", f"int8 {STATIC}"),
    "MXFP4": ("e2m1 per group 32", f"e2m1 {MX}"),
    "MXFP8": ("e4m3fn per group 32", f"e4m3fn {MX}"),
    "NVFP4": ("e2m1 per group 16", "e2m1 dynamic per group 16"),
    "W3A16": ("int3 per group 128", "none"),
    "W4A16": ("int4 per group 128", "none"),
    "W4A16_ASYM": ("int4 per group 128", "none"),
    "W4A16_NVFP4": ("e2m1 per group 16", "none"),
    "W4A8_AWQ": ("int4 per group 128", f"e4m3fn {STATIC}"),
    "W4AFP8": ("int4 per group 128", f"e4m3fn {TOKEN}"),
    "W8A16": ("int8 per group 128", "none"),
    "W8A8": ("int8 per channel", f"int8 {TOKEN}"),
    "awq": ("int4 per group 128", "none"),
    "fbgemm_fp8": ("e4m3fn per channel", f"e4m3fn {TOKEN}"),
    "finegrained_fp8": ("e4m3fn per block 128x128", f"e4m3fn {BLOCK}"),
    "fp8-row": ("e4m3fn per channel", "none"),
    "int4_wo_128": ("int4 per group 128", "none"),
    "int8": ("int8 per channel", f"int8 {TOKEN}"),
    "int8dynact-int4": ("int4 per group 32", f"int8 {TOKEN}"),
    "mxfp6_e2m3": ("e2m3 per group 32", f"e2m3 {MX}"),
    "nf4": ("nf4 per flat 64", "none"),
    "ptpc_fp8": ("e4m3fn per channel", f"e4m3fn {TOKEN}"),
    "sq-fp8": ("e4m3fn per channel", f"e4m3fn {TOKEN}"),
    "sq-int8": ("int8 per channel", f"int8 {TOKEN}"),
    "uint4_wo_128": ("int4 per group 128", "none"),
}
# Names that mean several schemes, or one that its tool alone gives them.
WHOLE = {
    "byhand__mxfp4": {("e2m1 per group 32", "none")},
    "quark__mxfp4": {NAMED["MXFP4"]},
    "gptqmodel__gptq-dynamic-mixed": {("int4 per group 64", "none"), ("int8 per group 32", "none")},
    "llmcompressor__mixed-W8A16attn-FP8mlp": {("int8 per channel", "none"), NAMED["FP8_DYNAMIC"]},
}
ASYMMETRIC = {"gemm", "gemv", "awq", "uint4_wo_128", "W4A16_ASYM", "asym"}
DETAIL = {"descact": "permuted inputs", "actorder": "permuted inputs", "dq": "outer scale", "ue8m0": "scale F8_E8M0"}


def stated(name: str) -> tuple[set[tuple[str, str]], list[str]]:
    """The pairs of weights and activations that the folder's name states, and what each description must also say."""
    tool_and_scheme = name.rsplit("__", 1)[0]
    if tool_and_scheme in WHOLE:
        return WHOLE[tool_and_scheme], []
    scheme = tool_and_scheme.split("__", 1)[1]
    parts = scheme.split("-")
    keys = [key for key in NAMED if key in parts or scheme.startswith(key)]
    weights, activations = NAMED[max(keys, key=len)] if keys else ("", "none")
    bits = re.search(r"\bw(\d)g(\d+)", scheme)
    group = re.search(r"-g(\d+)", scheme)
    if bits:
        weights = f"int{bits[1]} per group {bits[2]}"
    elif group:
        weights = re.sub(r"per group \d+", f"per group {group[1]}", weights)
    if "channel" in parts:
        weights = re.sub(r"per group \d+", "per channel", weights)
    if "static" in parts:
        activations = activations.replace(TOKEN, STATIC)
    details = [text for part, text in DETAIL.items() if part in parts]
    if ASYMMETRIC & set(parts) and "W8A8" not in parts:
        details.append("zero points")
    return {(weights, activations)}, details


def problems_of(name: str, listed: dict, report: dict) -> list[str]:
    problems = []
    if report["dialect"]["name"] != listed["dialect"]:
        problems.append(f"dialect {report['dialect']['name']}, listed {listed['dialect']}")
    if "quantised" not in listed:
        return problems  # the list names no module where the container is not read
    groups = report["groups"]
    quantised = {module for group in groups if group["quantised"] for module in group["names"]}
    dense = {tensor for group in groups if not group["quantised"] and len(group["shape"]) >= 2
             for tensor in group["names"] if tensor.endswith(".weight")}
    for what, found, expected in (("quantised", quantised, set(listed["quantised"])), ("dense", dense, set(listed["dense_2d"]))):
        if found != expected:
            problems.append(f"{what}: not listed {sorted(found - expected)[:3]}, not found {sorted(expected - found)[:3]}")
    if not quantised:
        return problems
    pairs, details = stated(name)
    found = {(group["scheme"].split(", ")[0], group["activations"].split(", ")[0]) for group in groups
             if group["quantised"] and group["role"] != "lm_head"}
    if found != pairs:
        problems.append(f"schemes {sorted(found)}, the name says {sorted(pairs)}")
    for group in groups:
        if group["quantised"] and group["role"] != "lm_head":
            problems += [f"{group['modules']}: {group['scheme']!r} does not say {text!r}" for text in details
                         if text not in group["scheme"]]
    return problems


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requant", required=True)
    parser.add_argument("--corpus", required=True)
    args = parser.parse_args()
    with open(os.path.join(args.corpus, "weights.json"), encoding="utf-8") as file:
        listed = json.load(file)
    with open(os.path.join(args.corpus, "index.json"), encoding="utf-8") as file:
        names = [entry["name"] for entry in json.load(file) if not entry["name"].startswith(("llamacpp__", "mlx__"))]
    wrong = 0
    for name in sorted(names):
        done = subprocess.run([args.requant, "inspect", os.path.join(args.corpus, name), "--json"], capture_output=True, text=True)
        if done.returncode not in (0, 1) or not done.stdout:
            problems = [f"exit {done.returncode}: {done.stderr.strip()}"]
        else:
            problems = problems_of(name, listed[name], json.loads(done.stdout))
        wrong += bool(problems)
        for problem in problems:
            print(f"{name}: {problem}")
    print(f"{len(names) - wrong} of {len(names)} checkpoints as listed")
    print(f"{len(names) - wrong} passed, {wrong} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
