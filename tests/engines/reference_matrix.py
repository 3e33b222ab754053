#!/usr/bin/env python3
"""Writes tests/data/engines/matrix.json: what the reference evaluator of the engine survey says.

    reference_matrix.py SURVEY_FOLDER

SURVEY_FOLDER holds one JSON file an engine version and scripts/evalmatrix.py, a three-valued evaluator of
its own over canonical checkpoints. Its samples (as facts) and verdicts are written down; src/engine's
matrix_reference_test.cpp compares them with ours, so that a clone needs no survey.
"""

import importlib.util
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools/engines"))
from survey import version_of  # noqa: E402

LETTERS = {"yes": "y", "NO": "n", "?": "?"}


def main():
    folder = pathlib.Path(sys.argv[1])
    spec = importlib.util.spec_from_file_location("evalmatrix", folder / "scripts/evalmatrix.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    engines = {}
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        variant = f"-{data['variant']}" if data["engine"] == "lmdeploy" else ""
        name = f"{data['engine']}{variant}@{version_of(data)}"
        engines[name] = "".join(LETTERS[reference.check(data, facts)[0]] for facts in reference.S.values())
    samples = [{"name": name, "facts": facts} for name, facts in reference.S.items()]
    lines = ",\n  ".join(json.dumps(sample) for sample in samples)
    rows = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(engines.items()))
    text = '{\n "schema": "requant/engine-matrix/1",\n "samples": [\n  ' + lines + "\n ],\n"
    text += ' "verdicts": {\n  ' + rows + "\n }\n}\n"
    out = ROOT / "tests/data/engines/matrix.json"
    out.write_text(text)
    print(f"{out}: {len(samples)} samples, {len(engines)} engine versions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
