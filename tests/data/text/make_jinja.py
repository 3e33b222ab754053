#!/usr/bin/env python3
"""Writes jinja.json: what jinja2, set up as transformers does it, makes of the templates below.

usage: make_jinja.py            in an environment that has jinja2 (written with 3.1.6)

Chat templates in the styles that published models use over several conversations, and one row a feature. "text" is what
jinja2 renders; where it fails there is "fails", and requant has to fail too.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "fuzz"))
from chat_environment import environment  # noqa: E402

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells the \"weather\" <now>", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "e.g. Zürich"}, "days": {"type": "integer", "default": 1.5},
                                     "unit": {"type": "string", "enum": ["c", "f"]}, "at": {"type": ["array", "null"], "items": {"type": "number"}}},
    "required": ["city"]}}}, {"type": "function", "function": {"name": "stop", "description": "", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {
    "name": "weather", "arguments": {"city": "Zürich", "days": 2, "deep": [1, 2.0, None, True]}}}]}
CONVERSATIONS = {
    "one": [{"role": "user", "content": "Hello, wörld! "}],
    "system": [{"role": "system", "content": "Be brief.\n"}, {"role": "user", "content": " Hi"}, {"role": "assistant", "content": "Hello."},
               {"role": "user", "content": "And now?\n"}],
    "thinking": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nanswer"}, {"role": "user", "content": "q2"},
                 {"role": "assistant", "content": "end", "reasoning_content": "because"}, {"role": "user", "content": "q3"}],
    "tools": [{"role": "user", "content": "Weather?"}, CALL, {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": "{\"t\": 21.5}"},
              {"role": "assistant", "content": "21.5"}, {"role": "user", "content": "Thanks"}],
    "pictures": [{"role": "user", "content": [{"type": "image", "url": "a.png"}, {"type": "text", "text": " What? "}, {"type": "text", "text": "Say."}]},
                 {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}, {"role": "user", "content": "Sure?"}],
    "disorder": [{"role": "assistant", "content": "first"}, {"role": "assistant", "content": "again"}],
    "empty": []}

CHAT = {
    "brackets": """{%- if messages and messages[0]['role'] == 'system' -%}
    {%- set system = messages[0]['content']|trim ~ '\\n\\n' -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set system = '' -%}
    {%- set turns = messages -%}
{%- endif -%}
{{ bos_token }}
{%- for turn in turns if turn.content is string -%}
    {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('Roles have to alternate: ' ~ turn.role) }}
    {%- endif -%}
    {%- if turn.role == 'user' -%}
        {{ '[INST] ' + (system if loop.first else '') + turn.content + ' [/INST]' }}
    {%- elif turn.role == 'assistant' -%}
        {{ ' ' + turn['content'].strip() + eos_token }}
    {%- endif -%}
{%- endfor -%}""",
    "blocks": """{% macro head(role, name=none) -%}
<|start|>{{ role }}{% if name %}:{{ name }}{% endif %}<|sep|>
{% endmacro -%}
{% set ns = namespace(calls=0, last=-1) %}
{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{% if tools %}
    {{- head('system') }}
    {%- for tool in tools %}
        {{- tool.function|tojson(indent=2) }}
        {%- if not loop.last %}{{ ',\\n' }}{% endif %}
    {%- endfor %}
    {{- '<|end|>\\n' }}
{% endif %}
{% for m in messages %}
    {% if m.role == 'assistant' %}
        {% generation %}
        {{- head(m.role) }}
        {%- if m.tool_calls is defined and m.tool_calls %}
            {%- for call in m.tool_calls %}
                {%- set ns.calls = ns.calls + 1 %}
                {{- '{"name": "' ~ call.function.name ~ '", "arguments": ' ~ (call.function.arguments|tojson) ~ '}' }}
            {%- endfor %}
        {%- else %}
            {%- set parts = m.content.split('</think>') if m.content is string else [] %}
            {%- if parts|length > 1 and loop.index0 < ns.last %}
                {{- parts[-1].lstrip('\\n') }}
            {%- elif m.content is string %}{{ m.content }}{% endif %}
        {%- endif %}
        {{- '<|end|>\\n' }}
        {% endgeneration %}
    {% else %}
        {{- head(m.role, m.get('name')) }}
        {%- if m.content is string %}{{ m.content }}{% else %}
            {%- for part in m.content %}
                {%- if part['type'] == 'image' %}<image>{% elif 'text' in part %}{{ part.text|trim }}{% endif %}
            {%- endfor %}
        {%- endif %}{{- '<|end|>\\n' }}
    {% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ head('assistant') }}{% endif %}
({{ ns.calls }} calls)""",
    "types": """{%- macro type_of(spec, depth=0) -%}
    {%- if spec.enum is defined -%}{{ spec.enum|map('tojson')|join(' | ') }}
    {%- elif spec.type is sequence and spec.type is not string -%}
        {%- for one in spec.type -%}{{ type_of({'type': one, 'items': spec['items']}, depth + 1) }}{{ ' | ' if not loop.last }}{%- endfor -%}
    {%- elif spec.type == 'array' -%}{{ type_of(spec['items'], depth + 1) }}[]
    {%- elif spec.type == 'integer' or spec.type == 'number' -%}number
    {%- else -%}{{ spec.type|default('any', true) }}{%- endif -%}
{%- endmacro -%}
// {{ strftime_now('%d %B %Y') }}
{% for tool in tools or [] -%}
{%- set f = tool.function -%}
// {{ f.description|default('none', true)|replace('"', "'")|upper }}
type {{ f.name }} = ({% for name, spec in f.parameters.properties.items() %}
{{ '\\n  ' }}{{ name }}{{ '' if name in f.parameters.get('required', []) else '?' }}: {{ type_of(spec) }},{% if spec.default is defined %} // {{ spec.default }}{% endif %}
{%- endfor %}) => any;
{% endfor -%}
{% for role, group in [('user', messages|selectattr('role', 'equalto', 'user')|list), ('rest', messages|rejectattr('role', 'in', ['user'])|list)] -%}
{{ role }}: {{ group|map(attribute='content')|select('string')|map('trim')|join('|') }} ({{ group|length }})
{% else %}nothing{% endfor -%}
{{ messages[-1].content if messages and messages[-1].content is string else messages[-1:]|tojson }}""",
    "dicts": """{{ messages }}
{{- tools }}{{ tools|tojson }}{{ tools|tojson(ensure_ascii=true) }}{{ tools|tojson(indent=4, sort_keys=true) }}{{ tools|tojson(separators=(',', ':')) }}
{% for m in messages|reverse %}{% for key, value in m|dictsort %}{{ loop.index }}/{{ loop.revindex }}:{{ key }}={{ value }};{% endfor %}
{% endfor %}"""}

FEATURES = ["a\n", "a\n\n", "{{ 1 }}\n", "  {% if true %}\n x\n  {% endif %}\n y", "a {%- if true -%} b {%- endif -%} c", "a\n  {%+ if true %} b{% endif +%}\n c",
            "{# a #}\n  {# b -#}\n  x {#- c #} y", "{% raw %}{{ a }}{% endraw %}", " {% raw -%}  {{ a }} {%- endraw %}\n b", "{{ '{{' }}{{ {'a': {'b': 1}}['a']['b'] }}",
            "{{ 'a' 'b' ~ 1 ~ none ~ true ~ 1.0 ~ [1, 'x', 2.5, none] ~ missing }}", "{{ \"\\n\\t\\x41\\u00e9\\'\\\"\\q\\101\" }}", "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}",
            "{{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.0 }} {{ 1/3 }} {{ 100000000000000000000.0 }} {{ -0.0 }}", "{{ 1 == 1.0 }} {{ 'a' < 'b' < 'c' }} {{ [1, 2] < [1, 3] }} {{ 1 in [1.0] }} {{ 'a' not in 'abc' }} {{ none == missing }}",
            "{{ 'abcdef'[1:-1:2] }} {{ 'äöü'[::-1] }} {{ [1,2,3,4][-2:] }} {{ (1,2)[:1] }} {{ 'abc'[5] }}", "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
            "{% for i in [1,2,3,4] %}{% if i == 2 %}{% continue %}{% elif i == 4 %}{% break %}{% endif %}{{ i }}{% else %}none{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}",
            "{% for i in [1] %}{% continue %}{% else %}counted as none{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for k in {'b': 1, 'a': 2} %}{{ k }}{{ loop.cycle('x', 'y') }}{{ loop.changed(k) }}{% endfor %}",
            "{% for x in [1, 1, 2] %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.changed(x) }} {% endfor %}",
            "{% for x in [[1, [2]], [3]] recursive %}{{ loop.depth }}{% if x is sequence %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
            "{% macro m(a, b=2, *c) %}{% endmacro %}", "{% macro m(a, b=a, c='z') %}[{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}]{% endmacro %}{{ m(1) }}{{ m(1, 2, 3, 4) }}{{ m(a=1, d=2) }}{{ m() }}",
            "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m() %}{{ caller(1, 'x') }}{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}",
            "{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}{% set x = 2 %}{{ m() }}", "{% set x %}a{{ 1 }}{% endset %}{{ x|length }}{% set x | upper | replace('A', 'b') %}a{% endset %}{{ x }}",
            "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "{% filter upper|replace('A', '4') %}abc{% endfilter %}", "{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q is defined }}", "{% set a, b = 1, [2] %}{{ a }}{{ b }}",
            "{% set ns = namespace(a=1, **{'b': 2}) %}{% for i in range(3) %}{% set ns.a = ns.a * 2 %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns }}", "{{ 'x' if false }}|{{ 'x' if true else 'y' }}|{{ (1 if false) is defined }}",
            "{{ {'a': 1}.a }}{{ {'a': 1}['a'] }}{{ {'items': 1}.items is callable }}{{ {'items': 1}['items'] }}{{ {}.b is defined }}{{ {1: 'x', true: 'y', 1.0: 'z'} }}", "{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ {'pop': 1}.pop is defined }}",
            "{{ missing.a }}", "{{ {}.a.b }}", "{{ missing + 1 }}", "{{ missing|tojson }}", "{{ missing|length }}{{ missing|upper }}{{ missing|list }}{{ missing|default('d') }}{{ missing|join }}{{ not missing }}", "{{ none|length }}", "{{ 1 + 'a' }}", "{{ 'a' + 1 }}",
            "{{ 'a' * 3 }}{{ [1] * 2 }}{{ 'a' * -1 }}{{ true + 1 }}{{ [1] + [2] }}{{ (1,) + (2,) }}", "{{ '%s %d %5.2f %-4s| %04d %x %%' % ('a', 3.9, 2.345, 'b', 7, 255) }}{{ '%(k)s' % {'k': 1} }}", "{{ '{0} {1} {0!r:>5} {k:.2f} {n:,} {s:^7}|'.format('a', 'b', k=1.5, n=12345, s='x') }}", "{{ '{} {1}'.format(1, 2) }}", "{{ '{0} {}'.format(1, 2) }}",
            "{{ '{} {}'.format(1, none) }} {{ '{0[a]} {0.a}'.format({'a': 2}) }} {{ '{:05d} {:+} {:e}'.format(42, 3, 12345.678) }}", "{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'abc'.split('b', 0) }}{{ 'a-b-c'.rsplit('-', 1) }}{{ 'a\\nb\\r\\nc'.splitlines() }}",
            "{{ 'xxaxx'.strip('x') }}{{ ' a '.lstrip() }}|{{ 'ab'.startswith(('b', 'a')) }}{{ 'Straße ǆ'.upper() }}{{ 'ÀB'.lower() }}{{ \"they're bill's\".title() }}{{ 'hELLO w'.capitalize() }}{{ 'ab'.center(5, '*') }}{{ 'a'.zfill(3) }}",
            "{{ \"they're bill-smith (x)\"|title }}|{{ 'hello'|capitalize }}|{{ 'a b'|wordcount }}|{{ 'aXbX'|replace('X', '-', 1) }}|{{ 'a\\nb\\n\\nc'|indent(2, true) }}|{{ 'foo bar baz'|truncate(9) }}|{{ 'x'|center(5) }}|",
            "{{ '<a href=\"x\">&\\'</a>'|e }}{{ '<b>'|safe }}{{ [1, '<']|string }}", "{{ 42.55|round }}{{ 42.55|round(1, 'floor') }}{{ 2.5|round }}{{ 5|round }}{{ '3.7'|int }}{{ 'x'|int(9) }}{{ 'ff'|int(0, 16) }}{{ '1_000'|int }}{{ '2.5'|float }}{{ 'q'|float }}{{ -3|abs }}",
            "{{ [3, 1, 2]|sort }}{{ ['b', 'A', 'c']|sort }}{{ ['b', 'A']|sort(case_sensitive=true) }}{{ [3, 1]|sort(reverse=true) }}{{ [{'a': 2}, {'a': 1}]|sort(attribute='a') }}{{ ['a', 'A', 'b']|unique|list }}{{ [1, 3]|sum }}{{ [2, 1]|min }}{{ ['a', 'B']|max }}",
            "{{ [1, 2, 3]|first }}{{ 'abc'|last }}{{ []|first }}{{ [1, 2]|reverse|list }}{{ 'abc'|reverse }}{{ [1,2,3]|batch(2, 0)|list }}{{ [1,2,3]|slice(2)|list }}{{ {'a': 1}|items|list }}{{ {'b': 1, 'a': 2}|dictsort }}{{ [[1, 'x']]|map(attribute=1)|list }}",
            "{{ [{'a': {'b': 1}}, {}]|map(attribute='a.b', default=0)|list }}", "{{ [1, 2, 3, 4]|select('divisibleby', 2)|list }}{{ [0, 1, '']|reject|list }}{{ [1, none]|select('none')|list }}{{ ['a']|map('upper')|first }}",
            "{{ 1 is number }}{{ true is integer }}{{ true is number }}{{ 1.0 is float }}{{ {} is sequence }}{{ 'a' is iterable }}{{ none is none }}{{ 3 is odd }}{{ 1 is eq 1 }}{{ 1 is in [1] }}{{ 'A' is upper }}{{ [] is mapping }}{{ 1 is sameas 1 }}{{ range is callable }}",
            "{{ range(3) }}{{ range(5, 1, -2)|list }}{{ dict(a=1)|tojson }}{{ [1, (2, 3), {'a': none}]|tojson }}{{ 'é\\u2028\\x7f\\n</'|tojson }}{{ 'é👍\\x7f'|tojson(ensure_ascii=true) }}{{ [1]|tojson(indent=0) }}{{ {}|tojson(indent=2) }}{{ {1: 2.0, none: true}|tojson }}",
            "{{ 'a\\'b' ~ ['a\\'b', \"a\\\"b'\", 'é\\u200b\\n'] }}", "{{ strftime_now('%Y-%m-%d %H:%M %j %A') }}", "{% if not (a or b) and 1 %}x{% elif c %}y{% else %}z{% endif %}", "{% for i in range(3) if i != 1 %}{{ i }}{{ loop.length }}{% endfor %}", "{% print 1 + 1 %}",
            "{{ 10|string|length }}{{ [1]|first|string ~ 'x' }}", "{% set x = [] %}{% set _ = x + [1] %}{{ x }}{{ _ }}", "{{ 1 }}{% include 'x' %}", "{% endfor %}", "{{ a|nosuch }}", "{{ a is nosuch }}", "{{ 'a' }", "{% if %}", "{{ 1 // 0 }}", "{{ range(200000)|list|length }}",
            "{{ raise_exception('no') }}", "{{ ''.__class__ }}{{ ''.__class__.__mro__ }}", "{{ loop }}", "{{ (1).x }}{{ none.x }}{{ none['x'] }}", "{{ 'abc'.index('z') }}", "{{ [1, 2].index(2) }}{{ [1, 1].count(1) }}{{ 'aXa'.count('a') }}{{ 'abc'.find('c') }}",
            "{% break %}", "{{ {'a': 1, 'b': 2}.items()|list }}{{ {'a': 1}.keys() }}{{ {'a': 1}.values()|list }}{{ {'a': 1}.get('b', 3) }}{{ {'a': 1}.get('b') }}"]


def row(made, template, names):
    entry = {"template": template, "names": names}
    try:
        entry["text"] = made.from_string(template).render(**json.loads(json.dumps(names)))
    except Exception as error:  # whatever Python raises inside of a template
        entry["fails"] = f"{type(error).__name__}: {error}"
    return entry


def main():
    made = environment()
    rows = [row(made, template, {}) for template in FEATURES]
    for template in CHAT.values():
        for messages in CONVERSATIONS.values():
            for tools, generates in ((None, True), (TOOLS, False)):
                rows.append(row(made, template, {"messages": messages, "tools": tools, "add_generation_prompt": generates,
                                                 "bos_token": "<s>", "eos_token": "</s>"}))
    text = "[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in rows) + "\n]\n"
    (HERE / "jinja.json").write_text(text, encoding="utf-8")
    print(f"{len(rows)} rows, {sum('fails' in entry for entry in rows)} of them fail")


if __name__ == "__main__":
    main()
