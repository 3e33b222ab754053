#!/usr/bin/env python3
"""Small generated templates through requant and through jinja2: the same text, or an error of both.

usage: VENV/bin/python tests/fuzz/jinja_differential.py --judge fuzz_jinja_judge [--count N] [--seed N]

Runs in an environment that has jinja2. What requant refuses although jinja2 renders it has to be one of REFUSED: values
beyond 64 bits, printed functions and iterators, whose addresses jinja2 prints, and unsafe attributes.
"""
import argparse
import collections
import json
import random
import subprocess
import sys
import warnings

from chat_environment import environment

REFUSED = ("beyond 64 bits", "puts out", "is unsafe", "is not supported", "over 1", "half a character",
           "has no slices")  # jinja2 itself says so, but not where it knows the value beforehand
NAMES = {
    "s": "Hello, <World> of 'x' \"y\"\n  two ", "e": "", "u": "Größe ß ﬁ İ 日本 👍", "d": "12", "n": 7, "z": 0, "m": -3, "f": 2.5, "g": 1e22,
    "t": True, "no": False, "none_": None, "l": [3, 1, 2], "w": ["b", "A", "c", "a"], "mixed": [1, "x", None, [2, {"k": 1.0}], True],
    "msgs": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": " yo ", "n": 2}, {"role": "user", "content": None}],
    "o": {"a": 1, "b": {"c": [1, 2]}, "items": "own", "Z": "q"}, "p": [[1, "a"], [2, "b"]], "empty": [], "eo": {}}
KEYS = ["a", "b", "role", "content", "n", "items", "missing", "c", "Z"]
TEXTS = ["''", "'a'", "'l'", "' '", "'Ab c-d'", "', '", "'\\n'", "'%s|%5d'", "'ß'", "'x\\ty'", "'{} {}'", "'a.b'", "'1_0'", "'-4.5'", "'0'"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "true", "false",
         "odd", "even", "lower", "upper", "callable"]
PLAIN = ["upper", "lower", "title", "capitalize", "trim", "length", "count", "list", "first", "last", "string", "int", "float", "abs", "round",
         "sort", "unique|list", "reverse|list", "sum", "min", "max", "join", "tojson", "items|list", "dictsort", "default",
         "wordcount", "indent", "d"]
WITH = ["join({t})", "default({x})", "default({x}, true)", "d({x})", "replace({t}, {t})", "replace({t}, {t}, {i})", "tojson(indent={j})",
        "tojson(ensure_ascii={b})", "tojson(sort_keys=true)", "tojson(separators=(',', ':'))", "indent({j})", "indent({j}, true)",
        "indent(2, first={b}, blank={b})", "round({j})", "round({j}, 'floor')", "round(1, 'ceil')", "int({i})", "float({i})", "trim({t})",
        "map('upper')|list", "map(attribute={k})|list", "map(attribute={k}, default={x})|list", "map('string')|join('-')", "select|list",
        "select({test})|list", "reject({test})|list", "selectattr({k})|list", "selectattr({k}, 'equalto', {x})|list",
        "rejectattr({k}, 'defined')|list", "selectattr({k}, {test})|map(attribute={k})|list", "rejectattr({k}, 'in', {x})|list",
        "sort(reverse={b})", "sort(attribute={k})", "sort(case_sensitive={b})", "dictsort(by='value')", "dictsort(reverse={b})",
        "batch({j})|list", "batch({j}, {x})|list", "slice({j})|list", "truncate({j})", "truncate({j}, true, '..', 0)", "center({j})",
        "format({x}, {x})", "attr({k})", "max(attribute={k})", "unique(attribute={k})|list", "sum(attribute={k})", "reverse"]
METHODS = ["split()", "split({t})", "split({t}, {i})", "rsplit({t}, 1)", "rsplit(none, 1)", "strip()", "strip({t})", "lstrip()", "rstrip({t})", "startswith({t})",
           "endswith({t})", "startswith(({t}, {t}))", "replace({t}, {t})", "replace({t}, {t}, {i})", "upper()", "lower()", "title()",
           "capitalize()", "swapcase()", "find({t})", "rfind({t})", "find({t}, {i})", "index({t})", "count({t})", "join(w)", "format({x}, {x})", "splitlines()",
           "splitlines(true)", "isdigit()", "isalpha()", "isalnum()", "isspace()", "istitle()", "islower()", "isupper()", "zfill({j})", "center({j})", "center({j}, '*')",
           "ljust({j}, '.')", "rjust({j})", "partition({t})", "rpartition({t})", "removeprefix({t})", "removesuffix({t})", "items()", "keys()",
           "values()", "get({x})", "get({k}, {x})", "items()|list", "keys()|list", "values()|join", "append(1)", "pop()", "count({x})", "index({x})", "copy()",
           "isidentifier()", "isnumeric()", "isascii()", "isprintable()"]


class Generator:
    def __init__(self, chance):
        self.chance = chance

    def pick(self, items):
        return self.chance.choice(items)

    def fill(self, pattern, depth):
        out = pattern
        for place, make in (("{t}", lambda: self.pick(TEXTS)), ("{i}", lambda: str(self.chance.randrange(-3, 6))),
                            ("{j}", lambda: str(self.chance.randrange(0, 9))), ("{b}", lambda: self.pick(["true", "false"])),
                            ("{k}", lambda: repr(self.pick(KEYS + ["b.c", 0]))), ("{test}", lambda: repr(self.pick(TESTS))),
                            ("{x}", lambda: self.expression(depth - 1))):
            while place in out:
                out = out.replace(place, make(), 1)
        return out

    def atom(self):
        kind = self.chance.randrange(10)
        if kind < 6:
            return self.pick(list(NAMES) + ["x", "y", "loop.index", "loop.last", "missing_name", "x.a", "o.b", "msgs[0]", "msgs[0].content"])
        if kind < 8:
            return self.pick(TEXTS)
        return self.pick(["1", "2", "0", "-1", "10", "1.5", "0.1", "1e3", "true", "false", "none", "100000000000000000000.0", "3.0"])

    def expression(self, depth=3):
        if depth <= 0:
            return self.atom()
        inner = self.expression(depth - 1)
        kind = self.chance.randrange(17)
        if kind < 3:
            return f"{inner}|{self.pick(PLAIN)}"
        if kind < 6:
            return f"{inner}|{self.fill(self.pick(WITH), depth)}"
        if kind < 8:
            return f"({inner}).{self.fill(self.pick(METHODS), depth)}"
        if kind == 8:
            return f"({inner} {self.pick(['+', '-', '*', '/', '//', '%', '~', '~', '+', '**'])} {self.expression(depth - 1)})"
        if kind == 9:
            sign = self.pick(["==", "!=", "<", ">", "<=", ">=", "in", "not in", "and", "or"])
            return f"({inner} {sign} {self.expression(depth - 1)})"
        if kind == 10:
            return f"({inner} if {self.expression(depth - 1)}{' else ' + self.expression(depth - 1) if self.chance.randrange(4) else ''})"
        if kind == 11:
            test = self.pick([*TESTS, *TESTS, "divisibleby 2", "divisibleby(3)", "equalto(1)", "eq 'a'", "in [1, 'a']", "sameas none", "gt 1", "ne(2)"])
            return f"({inner} is {self.pick(['', 'not '])}{test})"
        if kind == 12:
            return self.pick(["[{0}, {1}]", "({0}, {1})", "({0},)", "{{'k': {0}, 'a': {1}}}", "{{{1}: {0}}}", "dict(a={0})", "range({0})|list", "namespace(a={0}).a"]).format(
                inner, self.expression(depth - 1))
        if kind == 13:
            bound = [self.pick(["", str(self.chance.randrange(-4, 5))]) for _ in range(3)]
            return f"({inner})[{':'.join(bound[:2 + self.chance.randrange(2)])}]"
        if kind == 14:
            return f"({inner})[{self.pick([repr(self.pick(KEYS)), str(self.chance.randrange(-3, 4)), self.atom()])}]"
        if kind == 15:
            return f"({inner}).{self.pick(KEYS)}"
        return self.pick(["not {}", "-{}", "({})", "+{}"]).format(inner)

    def tag(self, inside):
        return f"{self.pick(['{%', '{%', '{%-', '{%+'])} {inside} {self.pick(['%}', '%}', '-%}', '+%}'])}"

    def data(self):
        return self.pick(["", " ", "\n", "  \n ", "text", "a\n\n", "\n\t", "{# note #}", "{#- a -#}\n", "x {# b #}\n", "<|im_start|>", "é\r\n", "  "])

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.chance.randrange(1, 4)))

    def statement(self, depth):
        kind = self.chance.randrange(14)
        if depth <= 0 or kind < 5:
            begin, end = self.pick([("{{", "}}"), ("{{", "}}"), ("{{-", "}}"), ("{{", "-}}")])
            return f"{self.data()}{begin} {self.expression(self.chance.randrange(1, 4))} {end}{self.data()}"
        tag, body, expression = self.tag, self.body, self.expression
        if kind < 7:
            name = self.pick(["x", "y, x", "x"])
            test = f" if {expression(2)}" if self.chance.randrange(4) == 0 else ""
            otherwise = tag("else") + body(depth - 1) if self.chance.randrange(4) == 0 else ""
            extra = tag("if " + expression(1)) + tag(self.pick(["break", "continue"])) + tag("endif") if self.chance.randrange(4) == 0 else ""
            source = "p" if "," in name and self.chance.randrange(3) else expression(2)
            return tag(f"for {name} in {source}{test}") + extra + body(depth - 1) + otherwise + tag("endfor")
        if kind < 9:
            middle = tag("elif " + expression(2)) + body(depth - 1) if self.chance.randrange(3) == 0 else ""
            return tag("if " + expression(2)) + body(depth - 1) + middle + tag("else") + body(depth - 1) + tag("endif")
        if kind == 9:
            return tag(f"set {self.pick(['x', 'y', 'ns.a', 'x, y'])} = {expression(2)}")
        if kind == 10:
            return tag("set x" + self.pick(["", " | upper", "|trim|length"])) + body(depth - 1) + tag("endset")
        if kind == 11:
            macro = self.pick(["f(x, y=1)", "f(x)", "f()", "f(x='q', y=none)"])
            call = self.pick(["f(1)", "f('a', 2)", "f(x=s)", "f()", "f(y=3, x=l)", "f(1, 2, 3)"])
            more = self.pick(["", "", "{{ varargs }}", "{{ kwargs }}", "{{ caller is defined }}"])
            return tag("macro " + macro) + body(depth - 1) + more + tag("endmacro") + "{{ " + call + " }}"
        if kind == 12:
            return self.pick([tag("generation") + body(depth - 1) + tag("endgeneration"), tag("with x = " + expression(1)) + body(depth - 1) + tag("endwith"),
                              tag("filter upper") + body(depth - 1) + tag("endfilter"),
                              tag("raw") + "{{ x }} {% a" + tag("endraw"),
                              tag("macro g(a)") + "[{{ caller(a) }}]" + tag("endmacro") + tag("call(b) g(1)") + body(depth - 1) + "{{ b }}" + tag("endcall")])
        return self.data()

    def template(self):
        if self.chance.randrange(4):  # most of the long ones end in an error
            return f"{self.data()}{{{{ {self.expression(self.chance.randrange(1, 4))} }}}}{self.data()}"
        return "{% set ns = namespace(a=0) %}" + self.body(2)


def judge_all(program, templates):
    lines = "".join(json.dumps({"template": template, "names": NAMES}) + "\n" for template in templates)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if len(answers) != len(templates):
        print(f"{program} ended with {done.returncode} at {templates[len(answers)]!r}\n{done.stderr[-3000:]}")
        sys.exit(1)
    return answers


def wanted(made, template):
    try:
        return {"text": made.from_string(template).render(**json.loads(json.dumps(NAMES)))}
    except Exception as error:  # whatever Python raises inside of a template
        return {"error": f"{type(error).__name__}: {error}"}


def difference(answer, reference):
    if "text" in reference:
        if answer == reference:
            return None
        if "error" in answer and any(reason in answer["error"] for reason in REFUSED):
            return "refused"
        return "differs"
    return None if "error" in answer else "accepted"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", required=True)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=10)
    arguments = parser.parse_args()
    generator = Generator(random.Random(arguments.seed))
    templates = [generator.template() for _ in range(arguments.count)]
    answers = judge_all(arguments.judge, templates)
    made = environment()
    warnings.simplefilter("ignore")  # of Python about what the templates do
    counts = collections.Counter()
    for template, answer in zip(templates, answers):
        reference = wanted(made, template)
        kind = difference(answer, reference)
        counts[kind or ("text" if "text" in reference else "error")] += 1
        if kind in ("differs", "accepted") and counts[kind] <= arguments.show:
            print(f"{kind}: {template!r}\n  requant {answer}\n  jinja2  {reference}")
    print(f"{arguments.count} templates: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return 1 if counts["differs"] or counts["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
