#!/usr/bin/env python3
"""Reads and prints paths, predicates and templates on its own, and checks that against the vectors beside it.

Written from docs/reference/paths.md, not from the Rust code; standard library only.
Usage: python3 model/vectors/check.py [FOLDER]; exit status 1 when anything differs.
"""
import datetime
import json
import math
import pathlib
import re
import sys

ESCAPABLE = set('\\*?{},[]=" /')
SPACE = " \t\n\r\f"
KEY = re.compile(r"[A-Za-z0-9_.]{1,64}\Z")


class Bad(Exception):
    pass


class Text:
    def __init__(self, text):
        self.s, self.i = text, 0

    def peek(self):
        return self.s[self.i] if self.i < len(self.s) else ""

    def eat(self, what):
        if self.s.startswith(what, self.i):
            self.i += len(what)
            return True
        return False

    def need(self, what):
        if not self.eat(what):
            raise Bad(f"expected {what!r} at {self.i}")

    def take(self, pattern):
        found = re.compile(pattern).match(self.s, self.i)
        self.i = found.end()
        return found.group()

    def space(self):
        return bool(self.take(f"[{SPACE}]*")) or not self.peek()


# What ends a name at each place, and what must not stand there without a backslash.
ENDS = {"field": "", "name": "/[" + SPACE, "parameter": "[" + SPACE, "label": ",]", "word": "," + SPACE,
        "quoted": '"', "listed": ",}" + SPACE}
WRONG = {"field": "}", "name": "}]=,", "parameter": "}]=,", "label": "}[=" + SPACE, "word": '}"', "quoted": "}",
         "listed": '*?{"[]='}


def control(c):
    return ord(c) < 32 or 127 <= ord(c) < 160


def char(t, place):
    """One literal character."""
    c = t.peek()
    t.i += 1
    if c == "\\":
        if t.eat("u{"):
            digits = t.take("[0-9A-Fa-f]*")
            number = int(digits or "110000", 16)
            if not t.eat("}") or len(digits) > 6 or number > 0x10FFFF or 0xD800 <= number < 0xE000 or control(chr(number)):
                raise Bad("a character without a number")
            return chr(number)
        c = t.peek()
        t.i += 1
        if not c or c not in ESCAPABLE:
            raise Bad("stray backslash")
    elif not c or control(c) or c in WRONG[place]:
        raise Bad(f"{c!r} in {place}")
    return c


def escape(text, place, more=""):
    special = "\\*?{}" + ENDS[place] + WRONG[place] + more
    return "".join("\\" + c if c in special else c for c in text)


# A glob is a list of: a character, STAR, ONE, or a tuple of globs.
STAR, ONE = object(), object()


def tidy(tokens):
    """Stars joined, `?` before `*`."""
    out = []
    for token in tokens:
        if token is STAR and out and out[-1] is STAR:
            continue
        if token is ONE and out and out[-1] is STAR:
            out[-1:] = [ONE, STAR]
        else:
            out.append(token)
    return out


def glob(t, place):
    tokens, count = [], 0

    def one(into):
        if t.eat("*"):
            into.append(STAR)
        elif t.eat("?"):
            into.append(ONE)
        else:
            into.append(char(t, place))

    while t.peek() and t.peek() not in ENDS[place]:
        if not t.eat("{"):
            one(tokens)
            continue
        all_, now = [], []
        while True:
            c = t.peek()
            if c and c in ",}":
                t.i += 1
                all_.append(tidy(now))
                now, count = [], count + 1
                if count > 64:
                    raise Bad("too many alternatives")
                if c == "}":
                    break
            elif not c or c == "{" or c in ENDS[place]:
                raise Bad("braces")
            else:
                one(now)
        unique = {show(g, "field"): g for g in all_}
        all_ = [unique[text] for text in sorted(unique, key=str.encode)]
        tokens += all_[0] if len(all_) == 1 else [tuple(map(tuple, all_))]
    tokens = tidy(tokens)
    if not tokens or len(show(tokens, "field").encode()) > 1024:
        raise Bad("empty or too long")
    return tokens


def show(tokens, place, more=""):
    out = ""
    for token in tokens:
        if token is STAR:
            out += "*"
        elif token is ONE:
            out += "?"
        elif isinstance(token, tuple):
            out += "{" + ",".join(show(g, place, ",") for g in token) + "}"
        else:
            out += escape(token, place, more)
    return out


def ends(tokens, name, starts):
    """Where matches that begin at `starts` can end."""
    for token in tokens:
        if token is STAR:
            starts = set(range(min(starts, default=len(name) + 1), len(name) + 1))
        elif isinstance(token, tuple):
            starts = set().union(*(ends(g, name, starts) for g in token))
        else:
            starts = {at + 1 for at in starts if at < len(name) and token in (ONE, name[at])}
    return starts


def fits(tokens, name):
    return len(name) in ends(tokens, name, {0})


def field(text):
    return glob(Text(text), "field")


# Paths

def name(t, place):
    out = ""
    while t.peek() and t.peek() not in ENDS[place]:
        if t.peek() in "*?{":
            raise Bad("a pattern in a path")
        out += char(t, place)
    if not 1 <= len(out.encode()) <= 255 or any(map(control, out)):
        raise Bad("not a name")
    return out


def brackets(t, value):
    pairs = {}
    while True:
        found = re.compile(r"([A-Za-z0-9_.]*)=").match(t.s, t.i)
        key = "item"
        if found:
            key, t.i = found.group(1), found.end()
        if not KEY.match(key) or key in pairs or len(pairs) == 16:
            raise Bad("label key")
        pairs[key] = value(t)
        if t.eat("]"):
            return dict(sorted(pairs.items()))
        t.need(",")


def show_brackets(pairs, value):
    shown = [value(pairs["item"])] if "item" in pairs else []
    shown += [f"{k}={value(v)}" for k, v in pairs.items() if k != "item"]
    return "[" + ",".join(shown) + "]" if shown else ""


PARTS = ["farm", "cluster", "node", "parameter"]


def parse_path(text):
    t, path = Text(text), {}
    for part in PARTS:
        path[part] = name(t, "parameter" if part == "parameter" else "name")
        if part != "parameter":
            t.need("/")
    path["labels"] = brackets(t, lambda t: name(t, "label")) if t.eat("[") else {}
    if t.peek():
        raise Bad("more behind")
    return path


def print_path(path):
    names = [escape(path[part], "parameter" if part == "parameter" else "name") for part in PARTS]
    return "/".join(names) + show_brackets(path["labels"], lambda v: escape(v, "label"))


# Predicates

UNITS = {"w": 604800000, "d": 86400000, "h": 3600000, "m": 60000, "s": 1000, "ms": 1}


def duration(text):
    if not re.fullmatch(r"(\d+(\.\d*)?(w|d|h|ms|m|s))+", text, re.A):
        raise Bad("duration")
    parts = re.findall(r"(\d+(?:\.\d*)?)(w|d|h|ms|m|s)", text, re.A)
    millis = sum(float(number) * UNITS[unit] for number, unit in parts)
    if millis >= (100 * 366 * 86400 + 1) * 1000:
        raise Bad("too long")
    return math.floor(millis + 0.5)


def show_duration(millis):
    out = ""
    for unit in ["d", "h", "m", "s", "ms"]:
        if millis >= UNITS[unit]:
            out += f"{millis // UNITS[unit]}{unit}"
            millis %= UNITS[unit]
    return out or "0s"


MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|([+-])(\d\d):(\d\d))?)?", re.A)
EPOCH = datetime.datetime(1970, 1, 1)


def when(text):
    found = MOMENT.fullmatch(text)
    if not found:
        return {"ago_ms": duration(text)}
    year, month, day, hour, minute, second, fraction, zone, sign, east_h, east_m = found.groups()
    try:
        moment = datetime.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        raise Bad("not on the calendar")
    if int(east_h or 0) > 23 or int(east_m or 0) > 59:
        raise Bad("offset")
    millis = (moment - EPOCH) // datetime.timedelta(milliseconds=1) + int(((fraction or "") + "000")[:3])
    offset = (int(east_h or 0) * 60 + int(east_m or 0)) * 60000
    return {"at": millis + (offset if sign == "-" else -offset)}


def show_when(at):
    if "ago_ms" in at:
        return show_duration(at["ago_ms"])
    moment = EPOCH + datetime.timedelta(milliseconds=at["at"])
    fraction = f".{moment.microsecond // 1000:03}" if moment.microsecond else ""
    return moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S") + fraction + "Z"


def decimal(text):
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.A) or math.isinf(float(text)):
        raise Bad("number")
    return float(text)


def show_number(number):
    text = repr(number + 0.0)
    text = text.removesuffix(".0")
    return re.sub(r"e([+-])0*(\d+)", lambda m: "e" + m.group(1).replace("+", "") + m.group(2), text)


def parse_pattern(t):
    pattern = dict.fromkeys(PARTS, [STAR])
    for part in PARTS:
        pattern[part] = glob(t, "parameter" if part == "parameter" else "name")
        if part == "parameter" or not t.eat("/"):
            break
    pattern["labels"] = None
    if t.eat("["):
        pattern["labels"] = {} if t.eat("]") else brackets(t, lambda t: glob(t, "label"))
    if t.peek() and t.peek() not in SPACE:
        raise Bad("behind the labels")
    return pattern


def print_pattern(pattern):
    text = "/".join(show(pattern[p], "parameter" if p == "parameter" else "name") for p in PARTS)
    labels = pattern["labels"]
    return text + ("" if labels is None else show_brackets(labels, lambda g: show(g, "label")) or "[]")


def listed(t):
    if not t.eat('"'):
        out = ""
        while t.peek() and t.peek() not in ENDS["listed"]:
            out += char(t, "listed")
        if not out:
            raise Bad("empty value")
        return out
    found = re.compile(r'((?:[^"\\]|\\["\\])*)"', re.S).match(t.s, t.i)
    if not found:
        raise Bad("quotes")
    t.i = found.end()
    return re.sub(r'\\(["\\])', r"\1", found.group(1))


def parse_constraint(t):
    t.need("value")
    t.space()
    if re.compile(f"in[{SPACE}]*{{").match(t.s, t.i):
        t.take(f"in[{SPACE}]*{{")
        values = []
        while True:
            t.space()
            values.append(listed(t))
            t.space()
            if t.eat("}"):
                break
            t.need(",")
        if len(values) > 64 or any(len(v.encode()) > 4096 for v in values):
            raise Bad("too many values")
        return {"in": values}
    sign = t.take("<=|>=|!=|=|<|>|")
    if not sign:
        raise Bad("comparison")
    t.space()
    text = t.take(f"[^{SPACE}]*")
    return {"op": sign, "number": show_number(float(text) if text in ("inf", "-inf") else decimal(text))}


def print_constraint(c):
    if "op" in c:
        return f"value {c['op']} {c['number']}"

    def one(v):
        if v and not any(control(x) or x in '\\*?{},[]=" ' for x in v):
            return v
        return '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "value in {" + ",".join(map(one, c["in"])) + "}"


def time_word(t):
    if t.eat('"'):
        text = t.take('[^"]*')
        t.need('"')
        return when(text)
    return when(t.take(f"\\d{{4}}-\\d\\d-\\d\\d \\d[^{SPACE}]*|[^{SPACE}]*"))


def parse_predicate(text):
    t = Text(text)
    p = {"patterns": [], "constraint": None, "since": None, "until": None, "last": False, "every": None, "as": "raw"}
    t.space()
    other = re.compile(f"(where|last)(?=[{SPACE}]|\\Z)|(since|until|every|as)=")
    while t.peek() and not other.match(t.s, t.i):
        p["patterns"].append(parse_pattern(t))
        t.space()
    if not 1 <= len(p["patterns"]) <= 64:
        raise Bad("patterns")
    seen = set()
    if re.compile(f"where(?=[{SPACE}]|\\Z)").match(t.s, t.i):
        t.eat("where")
        t.space()
        p["constraint"] = parse_constraint(t)
        if not t.space():
            raise Bad("white space")
    while t.peek():
        found = re.compile(f"last(?=[{SPACE}]|\\Z)|(since|until|every|as)=").match(t.s, t.i)
        key = found and found.group().rstrip("=")
        if not found or key in seen:
            raise Bad("window")
        seen.add(key)
        t.i = found.end()
        if key == "last":
            p["last"] = True
        elif key in ("since", "until"):
            p[key] = time_word(t)
        elif key == "as":
            p["as"] = t.take(f"[^{SPACE}]*")
            if p["as"] not in ("raw", "rate", "delta"):
                raise Bad("as")
        else:
            width, _, words = t.take(f"[^{SPACE}]*").partition(":")
            words = words.split(",")
            if not set(words) <= {"last", "mean", "min", "max", "count"} or len(set(words)) < len(words):
                raise Bad("aggregates")
            p["every"] = {"width_ms": duration(width), "aggregates": words}
        if not t.space():
            raise Bad("white space")
    check(p)
    return p


def check(p):
    since, until = p["since"] or {}, p["until"] or {}
    for at in (since, until):
        if "at" in at and not -62167219200000 <= at["at"] < 253402300800000:
            raise Bad("year")
    if "at" in since and "at" in until and since["at"] >= until["at"]:
        raise Bad("backwards")
    if "ago_ms" in since and "ago_ms" in until and since["ago_ms"] <= until["ago_ms"]:
        raise Bad("backwards")
    if p["last"] and (p["since"] or p["every"]):
        raise Bad("last")
    if p["every"] and (p["every"]["width_ms"] < 1 or p["as"] == "delta"):
        raise Bad("every")


def print_predicate(p):
    words = [print_pattern(pattern) for pattern in p["patterns"]]
    if p["constraint"]:
        words += ["where", print_constraint(p["constraint"])]
    words += [f"{key}={show_when(p[key])}" for key in ("since", "until") if p[key]]
    words += ["last"] if p["last"] else []
    if p["every"]:
        words.append(f"every={show_duration(p['every']['width_ms'])}:{','.join(p['every']['aggregates'])}")
    words += [f"as={p['as']}"] if p["as"] != "raw" else []
    return " ".join(words)


def canonical(p):
    patterns = {print_pattern(pattern): pattern for pattern in p["patterns"]}
    p = dict(p, patterns=[patterns[text] for text in sorted(patterns, key=str.encode)])
    if p["constraint"] and "in" in p["constraint"]:
        p["constraint"] = {"in": sorted(set(p["constraint"]["in"]), key=str.encode)}
    return print_predicate(p)


def decoded_predicate(p):
    def pattern(q):
        labels = None if q["labels"] is None else {k: show(g, "field") for k, g in q["labels"].items()}
        return {**{part: show(q[part], "field") for part in PARTS}, "labels": labels}
    return dict(p, patterns=[pattern(q) for q in p["patterns"]])


def predicate_matches(p, path):
    def one(q):
        if not all(fits(q[part], path[part]) for part in PARTS):
            return False
        if not q["labels"]:
            return q["labels"] is None or not path["labels"]
        return all(k in path["labels"] and fits(g, path["labels"][k]) for k, g in q["labels"].items())
    return any(map(one, p["patterns"]))


# Templates: terms are [key, operation, values]; a value is the text of a glob.

def parse_template(text):
    t, terms = Text(text), []
    t.space()
    while t.peek():
        terms.append(parse_term(t))
        if not t.space():
            raise Bad("white space")
    if len(terms) > 64:
        raise Bad("terms")
    return terms


def parse_term(t):
    has = t.take("!?has:|")
    if has:
        key = t.take(f"[^{SPACE}]*")
        if not KEY.match(key):
            raise Bad("key")
        return [key, "absent" if has[0] == "!" else "present", []]
    found = re.compile("([A-Za-z0-9_.]*)(!?=)").match(t.s, t.i)
    key, sign = found.groups() if found else ("name", "=")
    if found:
        t.i = found.end()
    elif t.peek() == "!" or "=" in re.compile(f"[^{SPACE}]*").match(t.s, t.i).group():
        raise Bad("word")
    if not KEY.match(key):
        raise Bad("key")
    values, ranged = [], False
    while True:
        if t.eat('""'):
            values.append("")
        elif t.eat('"'):
            values.append(show(glob(t, "quoted"), "field"))
            t.need('"')
        else:
            begin = t.i
            values.append(show(glob(t, "word"), "field"))
            raw = t.s[begin:t.i]
            ranged = ranged or ".." in raw
        if not t.eat(","):
            break
    if ranged:
        if len(values) != 1 or sign == "!=" or not found:
            raise Bad("range")
        low, _, high = raw.partition("..")
        if low + high == "" or (decimal(low) if low else -math.inf) > (decimal(high) if high else math.inf):
            raise Bad("range")
        return [key, "range", [low, high]]
    if len(values) > 64:
        raise Bad("values")
    return [key, "is" if sign == "=" else "is_not", values]


def print_term(term):
    key, operation, values = term
    if operation in ("present", "absent"):
        return ("!" if operation == "absent" else "") + "has:" + key
    if operation == "range":
        return f"{key}={'..'.join(values)}"

    def value(v):
        if v == "" or ".." in v:
            return '"' + (show(field(v), "quoted") if v else "") + '"'
        return show(field(v), "word")
    return key + ("=" if operation == "is" else "!=") + ",".join(map(value, values))


def template_matches(terms, service):
    def values(key):
        if key in ("id", "kind", "name", "version"):
            return [service[key]] if service[key] else []
        if key in ("group", "api"):
            return service[key + "s"]
        key = key.removeprefix("attr.")
        return [service["attributes"][key]] if key in service["attributes"] else []

    def inside(text, low, high):
        try:
            return (not low or decimal(low) <= decimal(text)) and (not high or decimal(text) <= decimal(high))
        except Bad:
            return False

    def holds(key, operation, wanted):
        found = values(key)
        if operation in ("present", "absent"):
            return bool(found) == (operation == "present")
        if operation == "range":
            return any(inside(text, *wanted) for text in found)
        fit = any(text == w if w == "" else fits(field(w), text) for text in found for w in wanted)
        return fit == (operation == "is")
    return all(holds(*term) for term in terms)


def main(folder):
    failures, checked = [], 0

    def expect(case, what, got, wanted):
        nonlocal checked
        checked += 1
        if got != wanted:
            failures.append(f"{case}: {what}\n   got    {got!r}\n   wanted {wanted!r}")

    def read(case, text, parse):
        try:
            parsed = parse(text)
        except Bad as bad:
            expect(case, f"{text!r} was refused ({bad})", True, "error" in case_of)
            return None
        expect(case, f"{text!r} was read", False, "error" in case_of)
        return None if "error" in case_of else parsed

    def load(kind):
        return json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))

    for number, case_of in enumerate(load("paths")["cases"]):
        case, text = f"paths #{number}", case_of["text"]
        path = read(case, text, parse_path)
        if path is not None:
            expect(case, "decoded", path, case_of["path"])
            expect(case, "printed", print_path(path), case_of.get("print", text))
            expect(case, "read back", parse_path(print_path(path)), path)
    for number, case_of in enumerate(load("predicates")["cases"]):
        case, text = f"predicates #{number}", case_of["text"]
        predicate = read(case, text, parse_predicate)
        if predicate is not None:
            expect(case, "decoded", decoded_predicate(predicate), case_of["predicate"])
            expect(case, "printed", print_predicate(predicate), case_of.get("print", text))
            expect(case, "canonical", canonical(predicate), case_of.get("canonical", case_of.get("print", text)))
            expect(case, "read back", parse_predicate(print_predicate(predicate)), predicate)
            for wanted, paths in ((True, "matches"), (False, "rejects")):
                for path in case_of.get(paths, []):
                    expect(case, f"{text!r} {paths} {path!r}", predicate_matches(predicate, parse_path(path)), wanted)
    templates = load("templates")
    for number, case_of in enumerate(templates["cases"]):
        case, text = f"templates #{number}", case_of["text"]
        terms = read(case, text, parse_template)
        if terms is not None:
            expect(case, "decoded", terms, case_of["terms"])
            expect(case, "printed", " ".join(map(print_term, terms)), case_of.get("print", text))
            found = [s["name"] for s in templates["services"] if template_matches(terms, s)]
            expect(case, f"{text!r} matches", found, case_of["matches"])
    for failure in failures:
        print(failure)
    print(f"{checked} checks, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent))
