"""Reads a release against versions that are known: which facts hold as they are, and where they moved to.

A fact names the line of the source that says it. Where the function (or class) around that line is the
same in the new release, the fact holds there too, at the line it moved to. Where the function changed, a
person has to look: at the new line if its statement is still there, at the old one otherwise. Tables that
can be read by themselves (methods, architectures, pins: readers/) are read anew.
"""

import json

from source import PLACE, Code, moved, text_of
from survey import pins_of


BY_LINE = ("schemes",)  # rows that are tried in the order of the source


def is_place(key, member):
    return (key == "src" or key.endswith("_src")) and isinstance(member, str)


def carried(value, old, new):
    """(the fact with its places moved, whether all their functions are the same); (None, False) where one is gone."""
    if isinstance(value, list):
        pairs = [carried(item, old, new) for item in value]
        gone = any(item is None and before is not None for (item, _), before in zip(pairs, value))
        return (None, False) if gone else ([item for item, _ in pairs], all(sure for _, sure in pairs))
    if not isinstance(value, dict):
        return value, True
    out, certain = {}, True
    for key, member in value.items():
        if is_place(key, member):
            places = [moved(place, old, new) for place in member.split(", ")]
            if any(place is None for place, _ in places):
                return None, False
            out[key], sure = ", ".join(place for place, _ in places), all(sure for _, sure in places)
        else:
            out[key], sure = carried(member, old, new)
            if out[key] is None and member is not None:
                return None, False
        certain = certain and sure
    return out, certain


def helpers(code, name, pattern):
    return {qualified: text_of(node) for qualified, node in code.scopes(name) if pattern.fullmatch(qualified)}


class Reading:
    """A release, read against `known`: [(facts, Code)] of its neighbours, the nearer one first; `pins`: names of them."""

    def __init__(self, reader, release, known, pins=()):
        self.reader, self.release, self.known, self.wanted = reader, release, known, pins
        self.code = Code(release)
        self.tables = {key: value for key, value in reader.tables(self.code).items() if value}

    def facts(self):
        """(facts, notes)"""
        tables, facts, notes = self.tables, {}, []
        for key in dict.fromkeys(key for known, _ in self.known for key in known):
            if key == "pins":
                facts[key] = self.pins()
            elif key == "source":
                facts[key] = self.known[0][0][key]
            elif key not in tables:
                facts[key], more = self.part(key)
                notes += more
        facts.update(tables)
        for key, rows in getattr(self.reader, "more", lambda code: {})(self.code).items():
            facts[key] = rows | {name: row or rows.get(name, {}) for name, row in facts.get(key, {}).items()}
        getattr(self.reader, "finish", lambda facts: None)(facts)
        if self.known:
            notes = differences(self.known[0][0], {key: facts[key] for key in [*tables, "pins"] if facts.get(key)}) + notes
        return {key: value for key, value in facts.items() if value or key == "rules"}, notes

    def pins(self):
        lines = [line.partition(":")[2].strip() for line in self.release.metadata() if line.startswith("Requires-Dist:")]
        return {name: pin for name, pin in sorted(pins_of(lines).items()) if name in self.wanted}

    def part(self, key):
        """One key of the facts: its rows or members one by one where it has any."""
        first = next(facts[key] for facts, _ in self.known if key in facts)
        if isinstance(first, list) and first and isinstance(first[0], dict):
            return self.rows(key)
        if isinstance(first, dict) and first and all(isinstance(v, dict) for v in first.values()):
            out, notes = {}, []
            for name in dict.fromkeys(n for facts, _ in self.known for n in facts.get(key, {})):
                value, note = self.one(f"{key} {name}", [(facts.get(key, {}).get(name), old) for facts, old in self.known])
                if value is not None:
                    out[name] = value
                notes += note
            return out, notes
        return self.one(key, [(facts.get(key), old) for facts, old in self.known])

    def one(self, name, versions):
        """The fact as it moved; where its code changed, the nearest one, with a note to look at it."""
        near, key = [], name.split(" ")[0]
        for value, old in versions:
            found, sure = (None, False) if value is None else carried(value, old, self.code)
            if found is not None and sure and self.same_helpers(key, value, old):
                return found, []
            near += [] if found is None else [found]
        if near:
            return near[0], [f"look: {name}: its function changed, its statement did not"]
        values = [value for value, _ in versions if value is not None]
        if len(values) < len(versions):
            return None, [f"look: {name} is in one neighbour only, and its code is not the same here: left out"]
        return values[0], [f"look: {name}: its code changed; taken over as it was, with the old line"]

    def same_helpers(self, key, row, old):
        """Whether the functions that a row stands for beside its own are the same."""
        pattern = getattr(self.reader, "HELPERS", {}).get(key)
        place = PLACE.match(row.get("src", "")) if pattern and isinstance(row, dict) else None
        return place is None or helpers(old, place["file"], pattern) == helpers(self.code, place["file"], pattern)

    def rows(self, key):
        """Rows in the order of the nearest neighbour; those that only the other has come where they stand there."""
        out, notes, seen = [], [], []
        for facts, old in self.known:
            at = 0
            for row in facts.get(key, []):
                identity = identity_of(row)
                if identity in seen:
                    at = next((i + 1 for i, r in enumerate(out) if r[0] == identity), at)
                    continue
                others = [next((r for r in f.get(key, []) if identity_of(r) == identity), None) for f, _ in self.known]
                value, note = self.one(f"{key} {name_of(row) or key}", [(r, o) for r, (_, o) in zip(others, self.known)])
                if value is not None and "src" not in value and not note:
                    everywhere = all(r is not None for r, _ in zip(others, self.known))
                    note = [f"look: {key} {name_of(row)} names no line" + ("" if everywhere else ", and one neighbour lacks it: left out")]
                    value = value if everywhere else None
                notes += note
                seen.append(identity)
                if value is not None:
                    out.insert(at, (identity, value))
                    at += 1
        values = [value for _, value in out]
        if key in BY_LINE and not notes:
            values.sort(key=lambda row: int(row["src"].rpartition(":")[2]))
        return values, notes


def identity_of(row):
    """What makes rows of two versions one row: the id of a rule, else all but the places."""
    return row.get("id") or {k: v for k, v in row.items() if not (is_place(k, v) or k == "rejects")}


def name_of(row):
    return row.get("id") or row.get("scheme") or row.get("name") or row.get("reject") or row.get("from")


def differences(before, now):
    """What the keys of `now` have otherwise than `before`, a line each."""
    return [line for key, value in now.items() for line in difference(key, before.get(key, type(value)()), value)]


def difference(name, before, now):
    if isinstance(before, list) and isinstance(now, list):
        one, other = ([item if isinstance(item, str) else name_of(item) if isinstance(item, dict) and name_of(item) else json.dumps(item)
                       for item in items] for items in (before, now))
        lines = [f"{name}: + {item}" for item in other if item not in one] + [f"{name}: - {item}" for item in one if item not in other]
        if name.endswith(" names"):  # their order means nothing
            return lines
        if not lines and before != now:
            pairs = zip(before, now) if one == other and isinstance(before[0], dict) else []
            lines = [line for b, n in pairs for line in difference(f"{name} {name_of(b)}", b, n)] or [f"{name}: another order"]
        return lines
    if isinstance(before, dict) and isinstance(now, dict):
        gone = [f"{name}: - {key}" for key in before if key not in now]
        new = [f"{name}: + {key}" for key in now if key not in before]
        return new + gone + [line for key in now if key in before for line in difference(f"{name} {key}", before[key], now[key])]
    return [] if before == now else [f"{name}: {before} -> {now}"]
