#!/usr/bin/env python3
"""Checks the data files that are built into the program: engines, and the rows added to them by hand.

    check_data.py [ROOT]

For each engine: the schema, rule ids that are unique, sources of the form file:line, known verdicts,
stages and operators, and names that refer to other parts of the file. Prints one line a mistake.
"""

import json
import pathlib
import re
import sys

OPERATORS = {"==", "!=", "<", "<=", ">", ">=", "in", "not_in", "in_registry", "truthy", "nonempty",
             "startswith", "contains", "missing_any", "no_match", "mixed", "not_pow2", "single_endswith"}
VERDICTS = {"reject", "loads-garbage", "wrong-values", "wrong-values-or-shape-error", "wrong-or-reject",
            "reject-unless-plugin", "reject-unless-flag", "reject-unless-package", "needs-key",
            "needs-package", "accept-degraded", "requantised", "dequantised", "fallback", "ignored",
            "accept", "repacked", "accept-if-dynamic", "kernel-skip"}
STAGES = {"detect", "config", "scheme", "layout", "shape", "kernel", "fused", "moe", "kv", "dtype", "tp",
          "platform", "env", "arch"}
SOURCE = re.compile(r"^[\w./+-]+\.py(:\d+)?$")
RULE_ID = re.compile(r"^[a-z0-9]+([._-][A-Za-z0-9_]+)*([.-][A-Za-z0-9_-]+)*$")
MAX_BYTES = 200_000


def predicate_mistakes(node, where):
    if not isinstance(node, dict):
        yield f"{where}: a predicate is an object, not {node!r}"
    elif "all" in node or "any" in node:
        for child in node.get("all", []) + node.get("any", []):
            yield from predicate_mistakes(child, where)
    elif "not" in node:
        yield from predicate_mistakes(node["not"], where)
    elif "f" in node:
        if node.get("op") not in OPERATORS:
            yield f"{where}: unknown operator {node.get('op')!r}"
    elif "const" not in node and "opaque" not in node:
        yield f"{where}: not a predicate: {json.dumps(node)}"


def rule_mistakes(rule, seen):
    name = rule.get("id", "?")
    where = f"rule {name}"
    if not RULE_ID.match(name):
        yield f"{where}: an id is lower-case words with dots and dashes"
    if name in seen:
        yield f"{where}: the id is used twice"
    seen.add(name)
    for key, known in (("verdict", VERDICTS), ("stage", STAGES)):
        if rule.get(key) not in known:
            yield f"{where}: unknown {key} {rule.get(key)!r}"
    if not rule.get("reason"):
        yield f"{where}: no reason"
    sources = rule.get("src") or []
    if not sources and rule.get("evidence") == "run":
        yield f"{where}: no source"
    for source in sources:
        if not SOURCE.match(source):
            yield f"{where}: {source!r} is not file:line"
    yield from predicate_mistakes(rule.get("when"), where)


def sources_in(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if (key == "src" or key.endswith("_src")) and isinstance(value, str):
                yield value
            else:
                yield from sources_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from sources_in(value)


def engine_mistakes(path):
    text = path.read_text()
    data = json.loads(text)
    if data.get("schema") != "requant/engine/1":
        yield f"schema is {data.get('schema')!r}"
    if path.stem != f"{data.get('engine')}-{data.get('version')}":
        yield "the file is not named ENGINE-VERSION.json"
    if len(text) > MAX_BYTES:
        yield f"{len(text)} bytes, expected at most {MAX_BYTES}"
    for key in ("source", "platform", "registry", "methods", "config_blocks", "unexpected_tensor",
                "architectures", "compressed_tensors", "tensors", "rules"):
        if key not in data:
            yield f"no {key!r}"
    seen = set()
    for rule in data.get("rules", []):
        yield from rule_mistakes(rule, seen)
    for row in data.get("overrides", []):
        yield from predicate_mistakes(row["when"], f"override of {row['from']!r}")
    for table in ("schemes", "moe_schemes"):
        for row in data["compressed_tensors"][table]:
            yield from predicate_mistakes(row["when"], table)
            if not row.get("scheme") and not row.get("reject"):
                yield f"{table}: a row with neither scheme nor reject"
    for name, tensors in data.get("method_tensors", {}).items():
        if tensors not in data["tensors"]:
            yield f"method_tensors of {name!r} names {tensors!r}, which is not in 'tensors'"
    for source in sources_in(data):
        if not SOURCE.match(source):
            yield f"{source!r} is not file:line"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    mistakes = 0
    for path in sorted((root / "data/engines").glob("*.json")):
        for mistake in engine_mistakes(path):
            print(f"{path.relative_to(root)}: {mistake}")
            mistakes += 1
    for path in sorted((root / "data/engines/additions").glob("*.json")):
        for block in json.loads(path.read_text())["blocks"]:
            missing = [n for n in block["for"] if not (root / f"data/engines/{n}.json").exists()]
            for name in missing:
                print(f"{path.relative_to(root)}: a block is for {name}, which is not there")
                mistakes += 1
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
