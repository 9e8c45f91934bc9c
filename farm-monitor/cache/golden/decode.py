#!/usr/bin/env python3
"""Decodes a cache file by nothing but docs/reference/cache-format.md, and prints all it holds as JSON.

Usage: decode.py CACHE.DB. Python's standard library only. It never writes, and it stops at the first thing that is wrong.
"""

import json
import sqlite3
import struct
import sys
import zlib

MASK = (1 << 64) - 1
KINDS = {1: "gauge", 2: "counter", 3: "state", 4: "text"}
LIVES = {1: "live", 2: "stale", 3: "ended"}
MARKS = {1: "wrap32", 2: "wrap64", 3: "reset", 4: "discontinuity"}
REASONS = {1: "retention", 2: "quota", 3: "disk_full", 4: "corruption", 5: "crash"}
FINISHES = {0: "running", 1: "clean", 2: "crashed"}


def signed(value):
    value &= MASK
    return value - (1 << 64) if value >> 63 else value


class Source:
    """Bytes read one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        part = self.data[self.at : self.at + count]
        assert len(part) == count, "ends too early"
        self.at += count
        return part

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def double(self):
        return struct.unpack("<Q", self.take(8))[0]

    def text(self):
        return self.take(self.varint()).decode()

    def done(self):
        return self.at == len(self.data)


class Bits:
    """Bits, the lowest of a byte first."""

    def __init__(self, data):
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def get(self, width):
        assert width <= self.left, "ends too early"
        value = self.value & ((1 << width) - 1)
        self.value >>= width
        self.left -= width
        return value


def integers(source, count):
    if count == 0:
        return []
    method = source.byte()
    if method == 0:
        return [source.zigzag()] * count
    order = method - 1
    seeds = [source.zigzag() for _ in range(order)]
    values = []
    left = max(count - order, 0)
    while left:
        frame = min(left, 64)
        low, width = source.zigzag(), source.byte()
        bits = Bits(source.take((frame * width + 7) // 8))
        values += [signed(low + bits.get(width)) for _ in range(frame)]
        left -= frame
    for seed in reversed(seeds):
        total = [seed]
        for value in values:
            total.append(signed(total[-1] + value))
        values = total
    return values[:count]


def bits_of(number):
    return struct.unpack("<Q", struct.pack("<d", number))[0]


def decimals(source, count):
    power = 10.0 ** source.byte()
    exceptions, place = [], 0
    for _ in range(source.varint()):
        place += source.varint()
        exceptions.append((place, source.double()))
        place += 1
    values = [bits_of(float(i) / power) for i in integers(source, count)]
    for place, value in exceptions:
        values[place] = value
    return values


def xors(source, count):
    bits = Bits(source.take(len(source.data) - source.at))
    values, last, leading, length = [], 0, 0, 0
    for at in range(count):
        if at == 0:
            last = bits.get(64)
        elif bits.get(1):
            if bits.get(1):
                leading = bits.get(5)
                length = bits.get(6) + 1
            last ^= bits.get(length) << (64 - leading - length)
        values.append(last)
    return values


def texts(source, count):
    words = [source.text() for _ in range(source.varint())]
    return [words[place] for place in integers(source, count)]


def sparse_texts(source):
    count = source.varint()
    distances = integers(source, count)
    place, found = 0, {}
    for distance, text in zip(distances, texts(source, count)):
        place += distance
        found[place] = text
        place += 1
    return found


def marks(source):
    place, found = 0, {}
    for _ in range(source.varint()):
        place += source.varint()
        found[place] = MARKS[source.byte()]
        place += 1
    return found


def segment(codec, source, count):
    """Values as dictionaries: {"f64": bits}, {"i64": n}, {"i64": n, "text": t} for states, {"text": t}."""
    if codec == 1:
        return [{"f64": "%016x" % source.double()} for _ in range(count)]
    if codec in (2, 3):
        return [{"f64": "%016x" % v} for v in (decimals if codec == 2 else xors)(source, count)]
    if codec in (4, 5):
        values = [{"i64": v} for v in integers(source, count)]
        if codec == 5:
            for place, text in sparse_texts(source).items():
                values[place]["text"] = text
        return values
    assert codec == 6, "unknown codec"
    return [{"text": v} for v in texts(source, count)]


def block(codec, blob, count):
    source = Source(blob)
    found = marks(source) if codec & 0x80 else {}
    codec &= 0x7F
    if codec == 7:
        values = []
        for _ in range(source.varint()):
            inner, length = source.byte(), source.varint()
            values += segment(inner, Source(source.take(source.varint())), length)
    else:
        values = segment(codec, source, count)
        assert source.done(), "bytes left"
    assert len(values) == count, "wrong count"
    for place, mark in found.items():
        values[place]["mark"] = mark
    return values


def presence(source, members):
    form = source.byte()
    if form == 0:
        return list(range(members))
    if form == 1:
        bitmap = int.from_bytes(source.take((members + 7) // 8), "little")
        return [rank for rank in range(members) if bitmap >> rank & 1]
    assert form == 2, "unknown form of presence"
    rank, ranks = 0, []
    for _ in range(source.varint()):
        rank += source.varint()
        ranks.append(rank)
        rank += 1
    return ranks


def entries(blob, count, members):
    """(first number, time, ranks present) of each entry."""
    source = Source(blob)
    number = source.varint()
    skipped = [0] + integers(source, count - 1)
    times = integers(source, count)
    found = []
    while len(found) < count:
        alike = source.varint()
        ranks = presence(source, members)
        for _ in range(alike):
            number += skipped[len(found)]
            found.append((number, times[len(found)], ranks))
            number += len(ranks)
    assert source.done(), "bytes left"
    return found


def batches(blob, number):
    """(first number, count, generation) of each batch."""
    source = Source(blob)
    while not source.done():
        word = source.varint()
        count, generation = word >> 1, source.byte() if word & 1 else 0
        assert count, "empty batch"
        yield number, count, generation
        number += count


def journal_row(blob, number, codec, found):
    """(number, series, time, value) of each sample; its batches are added to what was found."""
    source = Source(blob)
    time = 0
    for _ in range(source.varint()):
        count = source.varint()
        time += source.zigzag()
        found.append((number, count, source.byte() if codec == 2 else 0))
        series, next_id = [], 0
        while len(series) < count:
            first = next_id + source.varint()
            next_id = first + source.varint()
            series += range(first, next_id)
        runs = [(source.byte(), source.varint()) for _ in range(source.varint())]
        length = lambda wanted: sum(n for column, n in runs if column == wanted)
        floats = [{"f64": "%016x" % source.double()} for _ in range(length(0))]
        ints = [{"i64": source.zigzag()} for _ in range(length(1))]
        words = [{"text": source.text()} for _ in range(length(2))]
        for place, text in sparse_texts(source).items():
            ints[place]["text"] = text
        columns = [iter(floats), iter(ints), iter(words)]
        values = [next(columns[column]) for column, n in runs for _ in range(n)]
        for place, mark in marks(source).items():
            values[place]["mark"] = mark
        for owner, value in zip(series, values):
            yield number, owner, time, value
            number += 1
    assert source.done(), "bytes left"


def summary(value):
    if value is None:
        return b"n"
    return b"i" + struct.pack("<q", value) if isinstance(value, int) else b"r" + struct.pack("<d", value)


def check(crc, *parts):
    assert zlib.crc32(b"".join(parts)) == crc, "checksum"


def main(path):
    db = sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True)
    assert db.execute("PRAGMA application_id").fetchone()[0] == 0x48677743, "not a cache"
    assert db.execute("PRAGMA user_version").fetchone()[0] in (1, 2), "unknown version"
    version_2 = db.execute("PRAGMA user_version").fetchone()[0] == 2
    groups = {}
    for group, version, blob in db.execute("SELECT id, version, members FROM grp"):
        source, member, members = Source(blob), 0, []
        for _ in range(version):
            member += source.varint()
            members.append(member)
        groups[group] = members
    samples = []
    columns = "id, grp, version, epoch, first, last, t_min, t_max, entries, count, codec, crc, blob"
    for row in db.execute("SELECT %s FROM times" % columns):
        (chunk, group, version, epoch, first, last, t_min, t_max, count, total, codec, crc, blob) = row
        head = struct.pack("<qIIQQQqqIQB", chunk, group, version, epoch, first, last, t_min, t_max, count, total, codec)
        check(crc, head, blob)
        assert codec == 1
        listed = entries(blob, count, version)
        assert (listed[0][0], listed[-1][0] + len(listed[-1][2]) - 1) == (first, last), "ends of times"
        query = "SELECT id, series, count, codec, min, max, sum, crc, blob FROM block WHERE id >> 10 = ?"
        for ident, series, count, codec, low, high, total, crc, data in db.execute(query, (chunk,)):
            head = struct.pack("<qIIB", ident, series, count, codec)
            check(crc, head, summary(low), summary(high), summary(total), data)
            rank = ident & 1023
            assert groups[group][rank] == series, "owner of a block"
            at = [(n + ranks.index(rank), time) for n, time, ranks in listed if rank in ranks]
            for (number, time), value in zip(at, block(codec, data, count), strict=True):
                samples.append(dict(value, epoch=epoch, number=number, series=series, time=time))
    # Batches: (epoch, first number): (count, generation).
    begins = {}
    for ident, epoch, first, last, codec, crc, blob in db.execute("SELECT * FROM batches") if version_2 else []:
        check(crc, struct.pack("<qQQQB", ident, epoch, first, last, codec), blob)
        assert codec == 1
        number = first
        for number, count, generation in batches(blob, first):
            begins[epoch, number] = (count, generation)
            number += count
        assert number == last + 1, "numbers of a row of batches"
    checkpoints = []
    for name, part, crc, blob in db.execute("SELECT * FROM checkpoint ORDER BY deployment, part") if version_2 else []:
        check(crc, name.encode(), bytes([part]), blob)
        checkpoints.append({"deployment": name, "part": part, "bytes": blob.hex()})
    sealed = {}
    for group, epoch, last in db.execute("SELECT grp, epoch, last FROM sealed"):
        for member in groups[group]:
            sealed[member, epoch] = last
    for ident, epoch, first, last, codec, crc, blob in db.execute("SELECT * FROM journal ORDER BY id"):
        check(crc, struct.pack("<qQQQB", ident, epoch, first, last, codec), blob)
        assert codec in (1, 2)
        listed = []
        for number, series, time, value in journal_row(blob, first, codec, listed):
            if number > sealed.get((series, epoch), 0):
                samples.append(dict(value, epoch=epoch, number=number, series=series, time=time))
        assert number == last, "numbers of a journal row"
        for first, count, generation in listed:
            begins[epoch, first] = (count, generation)
    samples.sort(key=lambda sample: (sample["epoch"], sample["number"]))

    names = "start, random, opened, last, finish"
    epochs = [dict(zip(names.split(", "), row)) for row in db.execute("SELECT %s FROM epoch ORDER BY start" % names)]
    for epoch in epochs:
        epoch["random"] = "%016x" % (epoch["random"] & MASK)
        epoch["finish"] = FINISHES[epoch["finish"]]
    names = "id, cluster, node, parameter, labels, kind, unit, source, interval, lifetime, description"
    series = [dict(zip(names.split(", "), row)) for row in db.execute("SELECT %s FROM series ORDER BY id" % names)]
    for one in series:
        one["labels"], one["kind"] = json.loads(one["labels"]), KINDS[one["kind"]]
    gaps = []
    names = "epoch, cluster, series, from_number, to_number, count, reason"
    for row in db.execute("SELECT %s FROM gap ORDER BY epoch, from_number, id" % names):
        epoch, cluster, owner, low, high, count, reason = row
        scope = {"cluster": cluster} if cluster else {"series": owner} if owner else {}
        gaps.append(dict(scope, epoch=epoch, to=high, count=count, reason=REASONS[reason], **{"from": low}))
    names = "epoch, after, series, life, time, reason"
    life = [dict(zip(names.split(", "), row)) for row in db.execute("SELECT %s FROM life ORDER BY id" % names)]
    for mark in life:
        mark["life"] = LIVES[mark["life"]]

    # The proof: every number is there once, or missing and told.
    for epoch in epochs:
        numbers = [s["number"] for s in samples if s["epoch"] == epoch["start"]]
        assert len(numbers) == len(set(numbers)), "a number stands twice"
        missing = set(range(1, epoch["last"] + 1)) - set(numbers)
        told = [g for g in gaps if g["epoch"] == epoch["start"] and g["reason"] != "crash"]
        assert len(missing) == sum(g["count"] for g in told), "missing numbers are not told"
        assert all(any(g["from"] <= n <= g["to"] for g in told) for n in missing), "a hole without a gap record"
    if version_2:
        for sample in samples:
            assert any(e == sample["epoch"] and f <= sample["number"] < f + c for (e, f), (c, _) in begins.items()), "no batch"
    listed = [{"epoch": e, "first": f, "count": c, "generation": g} for (e, f), (c, g) in sorted(begins.items())]
    found = {"epochs": epochs, "series": series, "samples": samples, "gaps": gaps, "life": life}
    found.update({"batches": listed, "checkpoints": checkpoints} if version_2 else {})
    json.dump(found, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
