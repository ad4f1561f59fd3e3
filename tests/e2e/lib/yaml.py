# SPDX-License-Identifier: Apache-2.0
"""The YAML that `gantry explain` and `gantry learn` write: maps and lists in block style, leaves in flow style."""
import json
import re

TOKEN = re.compile(r'\s*("(?:\\.|[^"\\])*"|\'(?:\'\'|[^\'])*\'|[\[\]{},]|:(?=\s|$)|(?:[^\s\[\]{},:#"\']|:(?!\s)|#(?<!\s#))[^\[\]{},#]*?(?=\s*(?:[\[\]{},]|:\s|:$|\s#|$)))')


def leaf(text):
    if text.startswith('"'):
        return json.loads(text)
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return text


def flow_value(text):
    tokens, at = [], 0
    text = text.strip()
    while at < len(text):
        if text[at:].lstrip().startswith("#"):
            break
        match = TOKEN.match(text, at)
        assert match, f"not understood: {text[at:]!r}"
        tokens.append(match.group(1))
        at = match.end()

    def value():
        token = tokens.pop(0)
        if token == "[":
            items = []
            while tokens[0] != "]":
                items.append(value())
                if tokens[0] == ",":
                    tokens.pop(0)
            tokens.pop(0)
            return items
        if token == "{":
            items = {}
            while tokens[0] != "}":
                key = leaf(tokens.pop(0))
                assert tokens.pop(0) == ":", text
                items[key] = value()
                if tokens[0] == ",":
                    tokens.pop(0)
            tokens.pop(0)
            return items
        return leaf(token)

    got = value()
    assert not tokens, f"more after the value: {text!r}"
    return got


def load(text):
    rows = []
    for line in text.splitlines():
        bare = line.strip()
        if bare and not bare.startswith("#"):
            rows.append((len(line) - len(line.lstrip()), bare))
    return block(rows, rows[0][0]) if rows else {}


def split_key(text):
    """`key: rest`, or None."""
    match = re.match(r'("(?:\\.|[^"\\])*"|[^\s\[\]{}"#][^:#]*?):(?:\s+(.*))?$', text)
    return (leaf(match.group(1)), match.group(2) or "") if match else None


def block(rows, indent):
    if rows[0][1].startswith("- ") or rows[0][1] == "-":
        items = []
        while rows and rows[0][0] == indent and rows[0][1].startswith("-"):
            _, text = rows.pop(0)
            rest = text[1:].strip()
            inner = indent + len(text) - len(text[1:].lstrip())
            if rest and split_key(rest) and not rest.startswith(("[", "{")):
                rows.insert(0, (inner, rest))
                items.append(block(rows, inner))
            else:
                items.append(flow_value(rest) if rest else block(rows, rows[0][0]))
        return items
    items = {}
    while rows and rows[0][0] == indent and not rows[0][1].startswith("- "):
        _, text = rows.pop(0)
        pair = split_key(text)
        assert pair, f"no key: {text!r}"
        key, rest = pair
        if rest and not rest.startswith("#"):
            items[key] = flow_value(rest)
        elif rows and (rows[0][0] > indent or (rows[0][0] == indent and rows[0][1].startswith("- "))):
            items[key] = block(rows, rows[0][0])
        else:
            items[key] = ""
    return items


def overlay(config, over):
    """Lay lines over a site as the manual says: keys of nodes, groups and named flows replace, new ones join."""
    merged = {k: v for k, v in config.items()}
    for key, value in over.items():
        if key in ("nodes", "groups"):
            merged[key] = {k: dict(v) if isinstance(v, dict) else v for k, v in merged.get(key, {}).items()}
            for name, entry in value.items():
                if isinstance(entry, dict) and isinstance(merged[key].get(name), dict):
                    merged[key][name].update(entry)
                else:
                    merged[key][name] = entry
        elif key == "flows":
            flows = [dict(f) for f in merged.get("flows", [])]
            for entry in value:
                for flow in flows:
                    if flow["name"] == entry.get("name"):
                        flow.update(entry)
                        break
                else:
                    flows.append(entry)
            merged["flows"] = flows
        else:
            merged[key] = value
    return merged
