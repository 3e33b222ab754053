"""One file for all versions of an engine, from the facts of each version, and back.

What all versions share stands once. Where they differ:
  {"since": "0.8.5", "until": "0.22.1", ...}     an object that these versions have; "in" lists them where
                                                 they do not follow each other
  {"since": ..., "are": [..]}                    in a list: items that these versions have
  {"versions": [{"since": ..., "is": value}]}    one value or another
  "src": {"0.6.6": "a.py:12", "0.7.3": ":14"}    where a fact stands, from that version on; ":14" is the
                                                 same file
"""

import difflib
import json

MARKS = ("since", "until", "in")
PREDICATES = ("f", "all", "any", "not", "const", "opaque")


def is_source(key):
    return key == "src" or key.endswith("_src")


def shape(value):
    """The value without its sources, as text: what makes two rows the same row."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if not is_source(k)}
    return [shape(v) for v in value] if isinstance(value, list) else value


def key_of(value):
    return json.dumps(shape(value), sort_keys=True)


class Compactor:
    def __init__(self, versions):
        self.versions = versions

    def span(self, present, scope):
        """since/until/in of the versions `present` among those of `scope`."""
        if present == scope:
            return {}
        first, last = min(present), max(present)
        if present != {i for i in scope if first <= i <= last}:
            return {"in": [self.versions[i] for i in sorted(present)]}
        span = {}
        if first != min(scope):
            span["since"] = self.versions[first]
        if last != max(scope):
            span["until"] = self.versions[last]
        return span

    def source(self, values):
        out, files, before = {}, None, None
        for i in sorted(values):
            text = values[i]
            if text == before:
                continue
            pairs = [s.rpartition(":") if s.rpartition(":")[2].isdigit() else (s, "", "") for s in text.split(", ")]
            now = [p[0] for p in pairs]
            same = files == now and all(p[2] for p in pairs)
            out[self.versions[i]] = ", ".join(":" + p[2] for p in pairs) if same else text
            files, before = (now if all(p[2] for p in pairs) else None), text
        return out if len(out) > 1 else text

    def alternatives(self, values, scope):
        rows = []
        for i in sorted(values):
            if rows and key_of(rows[-1][1]) == key_of(values[i]):
                rows[-1][0].add(i)
            else:
                rows.append(({i}, values[i]))
        merged = [dict(self.span(present, scope), **{"is": value}) for present, value in rows]
        return {"versions": merged}

    def value(self, values):
        """`values`: version index -> value, for all versions that have it."""
        items = list(values.values())
        if all(item == items[0] for item in items):
            return items[0]
        if all(isinstance(item, dict) and not any(p in item for p in PREDICATES) for item in items):
            return self.members(values)
        if all(isinstance(item, list) for item in items):
            return self.rows(values)
        return self.alternatives(values, set(values))

    def members(self, values):
        out, scope = {}, set(values)
        keys = []
        for i in sorted(values, reverse=True):
            keys += [k for k in values[i] if k not in keys]
        for key in keys:
            have = {i: values[i][key] for i in values if key in values[i]}
            if is_source(key):
                out[key] = self.source({i: have.get(i, "") for i in values})
                continue
            merged = self.value(have)
            span = self.span(set(have), scope)
            if not span:
                out[key] = merged
            elif isinstance(merged, dict) and "versions" not in merged:
                out[key] = {**span, **merged}
            else:
                out[key] = {"versions": [{**span, "is": merged}]}
        return out

    def rows(self, values):
        scope = set(values)
        merged = []  # [key, {version: item}]
        for i in sorted(values, reverse=True):
            new = [[key_of(item), {i: item}] for item in values[i]]
            old_keys, new_keys = [m[0] for m in merged], [m[0] for m in new]
            out = []
            matcher = difflib.SequenceMatcher(None, old_keys, new_keys, autojunk=False)
            for op, a, b, c, d in matcher.get_opcodes():
                if op == "equal":
                    for old, fresh in zip(merged[a:b], new[c:d]):
                        old[1].update(fresh[1])
                    out += merged[a:b]
                else:
                    out += merged[a:b] + new[c:d]
            merged = out
        encoded = []
        for _, have in merged:
            span = self.span(set(have), scope)
            item = self.value(have)
            if isinstance(item, dict):
                encoded.append({**span, **item})
            elif not span:
                encoded.append(item)
            else:
                last = encoded[-1] if encoded else None
                if isinstance(last, dict) and "are" in last and {k: last[k] for k in MARKS if k in last} == span:
                    last["are"].append(item)
                else:
                    encoded.append({**span, "are": [item]})
        return encoded


def by_span(names):
    """A list of texts in which order means nothing: what all have first, then one item a span."""
    plain = [n for n in names if isinstance(n, str)]
    spans = {}
    for item in names:
        if isinstance(item, dict):
            spans.setdefault(json.dumps({k: item[k] for k in MARKS if k in item}), []).extend(item["are"])
    return sorted(plain) + [{**json.loads(span), "are": sorted(are)} for span, are in spans.items()]


def compact(head, facts):
    """`facts`: version -> its facts, oldest first. `head`: what stands before them."""
    versions = list(facts)
    merged = Compactor(versions).value({i: facts[v] for i, v in enumerate(versions)})
    if isinstance(merged.get("architectures"), dict) and isinstance(merged["architectures"].get("names"), list):
        merged["architectures"]["names"] = by_span(merged["architectures"]["names"])
    return {**head, "versions": versions, **merged}


def number(version):
    """So that 0.9 comes before 0.10."""
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


class Expander:
    def __init__(self, version):
        self.at = number(version)

    def covers(self, node):
        if "in" in node:
            return any(number(v) == self.at for v in node["in"])
        return number(node.get("since", "0")) <= self.at <= number(node.get("until", "999999"))

    def source(self, node):
        if isinstance(node, str):
            return node
        files, text = [], ""
        for version, entry in node.items():
            if number(version) > self.at:
                break
            pieces = entry.split(", ")
            if entry.startswith(":"):
                text = ", ".join(f + p for f, p in zip(files, pieces))
            else:
                text, files = entry, [p.rpartition(":")[0] for p in pieces]
        return text

    def value(self, node):
        if isinstance(node, list):
            out = []
            for item in node:
                if isinstance(item, dict) and any(m in item for m in MARKS) and not self.covers(item):
                    continue
                if isinstance(item, dict) and "are" in item:
                    out += item["are"]
                else:
                    out.append(self.value(item))
            return out
        if not isinstance(node, dict):
            return node
        if "versions" in node and isinstance(node["versions"], list):
            for row in node["versions"]:
                if self.covers(row):
                    return self.value(row["is"])
            return None
        out = {}
        for key, member in node.items():
            if key in MARKS:
                continue
            if is_source(key) and isinstance(member, (str, dict)):
                if self.source(member):
                    out[key] = self.source(member)
                continue
            if isinstance(member, dict) and any(m in member for m in MARKS) and not self.covers(member):
                continue
            if isinstance(member, dict) and isinstance(member.get("versions"), list):
                rows = [row for row in member["versions"] if self.covers(row)]
                if not rows:
                    continue
            out[key] = self.value(member)
        return out


def expand(data, version, head=("schema", "engine", "builds", "versions", "from")):
    facts = {k: v for k, v in data.items() if k not in head}
    return Expander(version).value(facts)


def dump(data):
    """Text of a data file: one line for each key, and one for each row of the long lists and tables."""
    lines = []
    for key, value in data.items():
        rows = None
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in value]
            brackets = "[]"
        elif isinstance(value, dict) and key in ("methods", "tensors"):
            rows = [f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'), ensure_ascii=False)}" for k, v in value.items()]
            brackets = "{}"
        if rows:
            joined = ",\n  ".join(rows)
            text = f"{brackets[0]}\n  {joined}\n {brackets[1]}"
        else:
            text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        lines.append(f" {json.dumps(key)}:{text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
