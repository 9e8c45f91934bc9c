#!/usr/bin/env python3
"""Decodes the golden vectors beside it by a protobuf reader of its own, and compares with what they say.

Written from the .proto files and docs/reference/protocol.md, not from generated code; standard library only. It also
verifies the Ed25519 signatures (RFC 8032, slow and not constant in time: for vectors, never for secrets).
Usage: python3 proto/vectors/check_batches.py [FOLDER]; exit status 1 when anything differs.
"""
import hashlib
import json
import pathlib
import struct
import sys


class Bad(Exception):
    pass


KIND = ["", "gauge", "counter", "state", "text"]
MARK = ["", "wrap32", "wrap64", "reset", "discontinuity"]
EPOCH = {1: ("start", "uint"), 2: ("random", "fixed64")}
LABEL = {1: ("key", "string"), 2: ("value", "string")}
COLUMNS = {1: ("runs", "uint*"), 2: ("f64", "bits*"), 3: ("i64", "sfixed64*"), 4: ("text", "string*"),
           5: ("state_text_at", "uint*"), 6: ("state_text", "string*")}
BATCH = {1: ("epoch_start", "uint"), 2: ("first", "uint"), 3: ("skip", "sint*"), 4: ("series", "uint*"),
         5: ("time", "sint"), 6: ("time_delta", "sint*"), 7: ("values", COLUMNS), 8: ("mark_at", "uint*"),
         9: ("mark", "uint*"), 10: ("generation", "uint")}
SERIES = {1: ("id", "uint"), 2: ("cluster", "string"), 3: ("node", "string"), 4: ("parameter", "string"),
          5: ("labels", [LABEL]), 6: ("kind", "uint"), 7: ("unit", "string"), 8: ("source", "string"),
          9: ("interval_ms", "uint"), 10: ("lifetime_ms", "uint"), 11: ("description", "string"), 12: ("views", "string*")}
GAP = {1: ("epoch", EPOCH), 2: ("farm", "bool"), 3: ("cluster", "string"), 4: ("series", "uint"), 5: ("from", "uint"),
       6: ("to", "uint"), 7: ("count", "uint"), 8: ("reason", "uint")}
OPENED = {1: ("farm_id", "bytes"), 2: ("farm", "string"), 3: ("epoch", EPOCH), 4: ("watermark", "uint"),
          5: ("since_ms", "sint"), 6: ("until_ms", "sint"), 7: ("resumed", "bool"), 8: ("now_ms", "sint")}
PROGRESS = {1: ("epoch", EPOCH), 2: ("after", "uint"), 3: ("through", "uint"), 4: ("epoch_ended", "bool"),
            5: ("token", "bytes")}
LAGGED = {1: ("epoch", EPOCH), 2: ("after", "uint"), 3: ("through", "uint"), 4: ("count", "uint")}
LIFE = {1: ("series", "uint"), 2: ("life", "uint"), 3: ("time", "sint"), 4: ("reason", "string")}
BINS = {1: ("start", "sint"), 2: ("width_ms", "uint"), 3: ("series", "uint*"),
        4: ("columns", [{1: ("aggregate", "uint"), 2: ("values", COLUMNS)}]), 5: ("late", "uint")}
END = {1: ("samples", "uint"), 2: ("reason", "uint"), 3: ("detail", "string")}
ACKNOWLEDGED = {1: ("by", "string"), 2: ("comment", "string"), 3: ("at_ms", "sint"), 4: ("until_ms", "sint")}
ALARM = {1: ("id", "bytes"), 2: ("deployment", "string"), 3: ("key", "string"), 4: ("level", "uint"), 5: ("text", "string"),
         6: ("paths", [SERIES]), 7: ("value", "bits"), 8: ("runbook", "string"), 9: ("since_ms", "sint"), 10: ("changed_ms", "sint"),
         11: ("confirmed_ms", "sint"), 12: ("cleared_ms", "sint"), 13: ("acknowledged", ACKNOWLEDGED),
         14: ("unknown_reason", "string"), 15: ("level_before", "uint"), 16: ("silence", "uint"), 17: ("version", "uint")}
ITEM = {1: ("opened", OPENED), 2: ("series", SERIES), 3: ("batch", BATCH), 4: ("progress", PROGRESS), 5: ("gap", GAP),
        6: ("lagged", LAGGED), 7: ("life", LIFE), 8: ("bins", BINS), 9: ("end", END), 10: ("epoch", EPOCH),
        11: ("alarm", ALARM)}
MESSAGE = {1: ("items", [ITEM])}
SIGNED = {1: ("body", "bytes"), 2: ("public_key", "bytes"), 3: ("signature", "bytes")}
REGISTRATION = {
    1: ("id", "bytes"), 2: ("mesh_name", "string"), 3: ("mesh_id", "bytes"), 4: ("name", "string"), 5: ("kind", "string"),
    6: ("groups", "string*"), 7: ("attributes", [LABEL]), 8: ("endpoints", [{1: ("url", "string"), 2: ("via_relay", "bytes")}]),
    9: ("apis", "string*"), 10: ("version", "string"), 11: ("description", "string"), 12: ("instance", EPOCH),
    13: ("serial", "uint")}
DOCUMENT = {
    1: ("mesh_id", "bytes"), 2: ("kind", "string"), 3: ("name", "string"), 4: ("serial", "uint"), 5: ("tombstone", "bool"),
    6: ("signed_ms", "uint"), 7: ("ends_ms", "uint"), 8: ("payload", "bytes"), 9: ("blobs", [{1: ("sha256", "bytes"), 2: ("size", "uint")}])}

DEPLOYMENT = {
    1: ("farms", {1: ("terms", [{1: ("key", "string"), 2: ("operation", "uint"), 3: ("values", "string*")}])}),
    2: ("component_name", "string"), 3: ("component_version", "string"), 4: ("parameters", "string"), 5: ("grants", "uint*"),
    6: ("actions", "string*"), 7: ("on_upgrade", "uint"), 8: ("description", "string")}


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Bad("a number that does not end")
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value & (2**64 - 1), at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        else:
            length, at = varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
            value, at = data[at:at + length], at + length
            if at > len(data):
                raise Bad("a field that does not end")
        yield key >> 3, wire, value


def scalar(kind, value):
    """From a number (varint) or from bytes (all else)."""
    if kind == "sint":
        return (value >> 1) ^ -(value & 1)
    if kind == "bits":
        return f"{struct.unpack('<Q', value)[0]:016x}"
    read = {"uint": lambda v: v, "bool": bool, "string": bytes.decode, "bytes": bytes.hex,
            "fixed64": lambda v: struct.unpack("<Q", v)[0], "sfixed64": lambda v: struct.unpack("<q", v)[0]}
    return read[kind](value)


def packed(kind, data):
    at = 0
    while at < len(data):
        if kind in ("bits", "sfixed64"):
            value, at = data[at:at + 8], at + 8
        else:
            value, at = varint(data, at)
        yield scalar(kind, value)


def decode(schema, data):
    """What stands in the message: absent fields are absent, unknown ones are passed over."""
    out = {}
    for number, wire, value in fields(data):
        if number not in schema:
            continue
        name, kind = schema[number]
        if isinstance(kind, list):
            out.setdefault(name, []).append(decode(kind[0], value))
        elif isinstance(kind, dict):
            out[name] = decode(kind, value)
        elif kind.endswith("*"):
            kind, into = kind[:-1], out.setdefault(name, [])
            together = wire == 2 and kind != "string"
            into.extend(packed(kind, value) if together else [scalar(kind, value)])
        else:
            out[name] = scalar(kind, value)
    return out


def same(what, has, expected):
    if has != expected:
        raise Bad(f"{what}: {has} entries: expected {expected}")


def values(columns):
    """(type, value, text of a state) of each position."""
    runs = [(run & 3, run >> 2) for run in columns.get("runs", [])]
    lists = [columns.get(name, []) for name in ("f64", "i64", "text")]
    if not runs:
        runs = [(column, len(those)) for column, those in enumerate(lists) if those]
        runs = runs if len(runs) == 1 else []
    for column, length in runs:
        if column == 3:
            raise Bad("runs: type 3")
    for column, those in enumerate(lists):
        named = sum(length for of, length in runs if of == column)
        if named != len(those):
            raise Bad(f"runs name {named} values")
    at, texts = columns.get("state_text_at", []), columns.get("state_text", [])
    if len(at) != len(texts):
        raise Bad(f"state_text: {len(at)} indices for {len(texts)} texts")
    if at != sorted(set(at)) or any(index >= len(lists[1]) for index in at):
        raise Bad("out of range or out of order")
    said, used = dict(zip(at, texts)), [0, 0, 0]
    for column, length in runs:
        for _ in range(length):
            index = used[column]
            used[column] += 1
            yield column, lists[column][index], said.get(index) if column == 1 else None


def samples(batch, kinds):
    """The algorithm of docs/reference/protocol.md, "Numbers, times and values"."""
    column = list(values(batch.get("values", {})))
    count, series, skip = len(column), batch.get("series", []), batch.get("skip", [])
    series = series * count if len(series) == 1 else series
    same("series", len(series), count)
    same("skip", len(skip), count if skip and batch.get("first", 0) else len(skip))
    deltas = batch.get("time_delta", []) or [0] * count
    same("time_delta", len(deltas), count)
    at, marks = batch.get("mark_at", []), batch.get("mark", [])
    same("mark", len(marks), len(at))
    if at != sorted(set(at)) or any(position >= count for position in at):
        raise Bad("out of range or out of order")
    marked = dict(zip(at, marks))
    following, time, texts, out = batch.get("first", 0), batch.get("time", 0), {}, []
    for position, (of, value, text) in enumerate(column):
        number = None
        if batch.get("first", 0):
            number = following + (skip[position] if skip else 0)
            following = number + 1
        time += deltas[position]
        one = {"number": number, "series": series[position], "time": time}
        kind = kinds.get(str(series[position]), "gauge")
        if of == 1 and kind == "counter":
            one["u64"] = value & (2**64 - 1)
        elif of == 1 and kind == "state":
            one["code"] = value
            texts[series[position]] = text if text is not None else texts.get(series[position])
            if texts[series[position]] is not None:
                one["text"] = texts[series[position]]
        else:
            one[("f64", "i64", "text")[of]] = value
        if position in marked:
            one["mark"] = MARK[marked[position]]
        out.append(one)
    return out


# Ed25519, RFC 8032.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_times(n, p):
    out = (0, 1, 1, 0)
    while n:
        out = point_add(out, p) if n & 1 else out
        p, n = point_add(p, p), n >> 1
    return out


def point_equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def point_read(data):
    y, sign = int.from_bytes(data, "little") & (2**255 - 1), data[31] >> 7
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x if (x * x - x2) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def verifies(key, signature, message):
    a, r, s = point_read(key), point_read(signature[:32]), int.from_bytes(signature[32:], "little")
    weak = [point for point in (a, r) if point is None or point_equal(point_times(8, point), (0, 1, 1, 0))]
    if weak or s >= L:
        return False
    base = point_read((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return point_equal(point_times(s, base), point_add(r, point_times(h, a)))


def open_signed(data, kind):
    signed = {name: bytes.fromhex(value) for name, value in decode(SIGNED, data).items()}
    body, key, signature = (signed.get(name, b"") for name in ("body", "public_key", "signature"))
    if len(key) != 32 or point_read(key) is None:
        raise Bad("public key")
    if len(signature) != 64:
        raise Bad(f"the signature has {len(signature)} bytes")
    if not verifies(key, signature, b"hedgerow/" + kind + b"/v1\0" + body):
        raise Bad("the signature does not fit")
    if kind == b"document":
        return document(decode(DOCUMENT, body))
    registration = decode(REGISTRATION, body)
    if len(registration.get("id", "")) != 32:
        raise Bad("an id has 16")
    return registration


def document(said):
    if said.get("serial", 0) == 0:
        raise Bad("serial: 0")
    if said.get("tombstone") and ("payload" in said or "blobs" in said):
        raise Bad("tombstone: holds a payload or blobs")
    return said


def deployment(said):
    for grant in said.get("grants", []):
        if grant not in (1, 2, 3):
            raise Bad(f"grants: {grant}")
    if said.get("on_upgrade", 0) not in (0, 1, 2):
        raise Bad(f"on_upgrade: {said['on_upgrade']}")
    if "actions" in said and 2 not in said.get("grants", []):
        raise Bad("`actions` is not among the grants")
    for at, term in enumerate(said.get("farms", {}).get("terms", [])):
        if not term.get("key"):
            raise Bad(f"farms.terms[{at}].key: empty")
    return said


def read(file, case, data):
    if file == "deployments.json":
        return deployment(decode(DEPLOYMENT, data))
    if file == "batches.json":
        return samples(decode(BATCH, data), case.get("kinds", {}))
    if file == "stream.json":
        return decode(MESSAGE, data)["items"]
    kinds = {"signed.json": b"registration", "documents.json": b"document"}
    return open_signed(data, kinds[file]) if file in kinds else decode(EPOCH, data)


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    wrong = count = 0
    for file in ("batches.json", "stream.json", "signed.json", "documents.json", "deployments.json", "epochs.json"):
        cases = json.loads((folder / file).read_text())["cases"]
        wrong += not cases
        for case in cases:
            count += 1
            try:
                found, error = read(file, case, bytes.fromhex(case["hex"])), None
            except Bad as bad:
                found, error = None, str(bad)
            refused = case.get("refused")
            fits = found == case["decoded"] if refused is None else error is not None and error in refused
            if not fits:
                wrong += 1
                print(f"{file}: {case['name']}: {error or json.dumps(found, ensure_ascii=False)}, wanted {refused or case['decoded']}")
    print(f"{count} vectors decoded, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
