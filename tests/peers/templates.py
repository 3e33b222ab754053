#!/usr/bin/env python3
"""Published chat templates over conversations, through `requant render` and through jinja2: the same text, or an error of both.

usage: VENV/bin/python tests/peers/templates.py --requant PATH [--transformers] [FOLDER...]

VENV is the environment "templates" (venvs.py templates), whose package trl carries the templates; FOLDER may hold more. With
--transformers the template is compiled by transformers itself, in an environment that has it. Exit code 0 only when
nothing differs and at least 30 templates were rendered.
"""
import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fuzz"))
from chat_environment import environment  # noqa: E402

LEAST = 30
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Tells the \"weather\" <now>", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "e.g. Zürich"}, "unit": {"type": "string", "enum": ["c", "f"]},
                                         "days": {"type": "integer", "minimum": 1, "default": 1.5}}, "required": ["city"]}, "return": {"type": "string"}}},
    {"type": "function", "function": {"name": "stop", "description": "Nothing", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {"name": "deep", "description": "d", "parameters": {"type": "object", "properties": {
        "a": {"type": "array", "items": {"type": "object", "required": ["x"], "properties": {
            "x": {"type": ["string", "null"], "nullable": True}, "y": {"anyOf": [{"type": "number"}, {"type": "boolean"}]}}}},
        "m": {"type": "object", "additionalProperties": True}}}}}]


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(content, arguments):
    return assistant(content, tool_calls=[{"id": "abc123456", "type": "function", "function": {"name": "weather", "arguments": arguments}}])


RESULT = {"role": "tool", "tool_call_id": "abc123456", "name": "weather", "content": "{\"temp\": 21.5}"}
PICTURE = user([{"type": "image", "url": "a.png"}, {"type": "text", "text": " What is this? "}, {"type": "text", "text": "Say."}])
SYSTEM = {"role": "system", "content": "You are a helpful\nassistant. "}
CALL = call("", {"city": "Zürich", "days": 2, "deep": {"a": [1, 2.0, None, True]}})
CONVERSATIONS = {
    "one": [user("Hello, wörld! ")],
    "system": [SYSTEM, user("Hi"), assistant("Hello."), user("  And now?\n")],
    "turns": [user("a"), assistant("b"), user("c"), assistant("d")],
    "thinking": [user("q"), assistant("<think>\nhm, x\n</think>\n\nanswer"), user("q2"),
                 assistant("final", reasoning_content="thought hard", reasoning="thought", thinking="thought"), user("q3")],
    "pictures": [PICTURE, assistant("A cat."), user("Sure?")],
    "lists": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, PICTURE, assistant([{"type": "text", "text": "A cat."}]), user("ok")],
    "call": [SYSTEM, user("Weather?"), CALL, RESULT, assistant("21.5 degrees."), user("Thanks")],
    "calls": [user("Weather?"), call("Let me look.", "{\"city\": \"Bonn\"}"), RESULT, user("more?"), call(None, {"city": "Ulm"}), RESULT],
    "result last": [user("w"), CALL, RESULT],
    "disorder": [assistant("first"), user("x")],
    "developer": [{"role": "developer", "content": "rules"}, user("hey")],
    "empty": []}
SETTINGS = {"enable_thinking": False, "reasoning_effort": "high", "thinking": True, "xml_tools": []}


def jobs():
    """Of each: what it is called, the messages, the tools, whether an answer begins, further names."""
    for name, messages in CONVERSATIONS.items():
        for tools in (None, TOOLS):
            for generates in (False, True):
                yield f"{name}{' with tools' if tools else ''}{', begun' if generates else ''}", messages, tools, generates, {}
    yield "settings", CONVERSATIONS["thinking"], TOOLS, True, SETTINGS


def own_templates():
    found = importlib.util.find_spec("trl")
    return Path(found.origin).parent / "chat_templates" if found else None


def compiler(with_transformers):
    if with_transformers:
        from transformers.utils.chat_template_utils import _compile_jinja_template
        return _compile_jinja_template
    return environment(lambda form: datetime.now().strftime(form)).from_string


def wanted(compiled, messages, tools, generates, settings):
    try:
        return compiled.render(messages=messages, tools=tools, documents=None, add_generation_prompt=generates, **{**SPECIAL, **settings}), None
    except Exception as error:  # whatever Python raises inside of a template
        return None, f"{type(error).__name__}: {error}"


def found(requant, folder, work, number, job):
    _, messages, tools, generates, settings = job
    command = [requant, "render", folder, "--messages", work / f"{number}.messages.json"]
    (work / f"{number}.messages.json").write_text(json.dumps(messages))
    if tools:
        (work / f"{number}.tools.json").write_text(json.dumps(tools))
        command += ["--tools", work / f"{number}.tools.json"]
    if generates:
        command.append("--add-generation-prompt")
    for name, value in settings.items():
        command += ["--set", f"{name}={json.dumps(value)}"]
    done = subprocess.run(command, capture_output=True, check=False)
    return (done.stdout.decode(), None) if done.returncode == 0 else (None, done.stderr.decode())


def compare(requant, path, compile_template, work):
    """How many texts were the same, how many errors of both, and what differed."""
    text = path.read_text(encoding="utf-8")
    folder = work / "model"
    folder.mkdir(exist_ok=True)
    (folder / "chat_template.jinja").write_text(text, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(SPECIAL))
    compiled = compile_template(text)
    listed = list(jobs())
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda item: found(requant, folder, work, item[0], item[1]), enumerate(listed)))
    same = errors = 0
    odd = []
    for job, (answer, problem) in zip(listed, answers):
        reference, failure = wanted(compiled, *json.loads(json.dumps(job[1:])))
        if answer != reference:
            odd.append(f"{path.name}, {job[0]}: {answer!r} ({problem}), jinja2 has {reference!r} ({failure})")
        elif answer is None:
            errors += 1
        else:
            same += 1
    return same, errors, odd


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requant", required=True, type=Path)
    parser.add_argument("--transformers", action="store_true")
    parser.add_argument("folders", nargs="*", type=Path)
    options = parser.parse_args()
    folders = [folder for folder in [own_templates(), *options.folders] if folder]
    paths = sorted({path for folder in folders for path in folder.glob("**/*.jinja")})
    compile_template = compiler(options.transformers)
    texts = failures = rendered = 0
    odd = []
    with tempfile.TemporaryDirectory() as work:
        for path in paths:
            same, errors, differences = compare(options.requant.resolve(), path, compile_template, Path(work))
            texts, failures, rendered = texts + same, failures + errors, rendered + (same > 0)
            odd += differences
    print(*odd[:20], sep="\n", end="\n" if odd else "")
    print(f"{len(paths)} templates, {rendered} of them rendered: {texts} texts are the same, {failures} are errors of both, {len(odd)} differ")
    return 1 if odd or rendered < LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
