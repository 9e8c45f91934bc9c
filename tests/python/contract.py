"""The contract as a stranger reads it: stubs made from the .proto files at run time, batches decoded by their comments.

Never uses anything of Hedgerow's own code, and never keeps what it generates.
"""

import importlib
import struct
import sys
import tempfile
from pathlib import Path

import grpc
from grpc_tools import protoc

F64, I64, TEXT = 0, 1, 2
KIND_COUNTER, KIND_STATE = 2, 3
# Small windows, so that a reader that stops is felt by the farm at once.
CHANNEL = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
    ("grpc.enable_http_proxy", 0),
    # Each channel its own connection: one that is cut must not live on in another.
    ("grpc.use_local_subchannel_pool", 1),
]


class Contract:
    """Generated modules, by the names of their packages."""

    def __init__(self, proto_root):
        root = Path(proto_root)
        files = sorted(str(path.relative_to(root)) for path in root.glob("hedgerow/**/*.proto"))
        if not files:
            raise SystemExit(f"no .proto files below {root}")
        self._made = tempfile.TemporaryDirectory(prefix="hedgerow-stubs-")
        well_known = Path(importlib.import_module("grpc_tools").__file__).parent / "_proto"
        out = self._made.name
        arguments = ["protoc", f"-I{root}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
        if protoc.main(arguments + files) != 0:
            raise SystemExit("the .proto files do not compile")
        sys.path.insert(0, out)
        self.farm = importlib.import_module("hedgerow.farm.v1.farm_pb2")
        self.farm_grpc = importlib.import_module("hedgerow.farm.v1.farm_pb2_grpc")
        self.lookup = importlib.import_module("hedgerow.lookup.v1.lookup_pb2")
        self.lookup_grpc = importlib.import_module("hedgerow.lookup.v1.lookup_pb2_grpc")
        self.predicate = importlib.import_module("hedgerow.common.v1.predicate_pb2")
        self.series = importlib.import_module("hedgerow.common.v1.series_pb2")

    def ask(self, patterns, since_ago_ms=None):
        """A predicate; a pattern is FARM/CLUSTER/NODE/PARAMETER of globs, missing parts mean any."""
        predicate = self.predicate.Predicate()
        for text in patterns:
            parts = (text.split("/", 3) + [""] * 4)[:4]
            predicate.patterns.add(farm=parts[0], cluster=parts[1], node=parts[2], parameter=parts[3])
        if since_ago_ms is not None:
            predicate.window.since.ago_ms = since_ago_ms
        return predicate


def channel(url):
    """A connection of its own to http://HOST:PORT."""
    return grpc.insecure_channel(url.removeprefix("http://"), options=CHANNEL)


def names(series):
    """A series' identity: four names and its labels, raw."""
    labels = tuple((label.key, label.value) for label in series.labels)
    return (series.cluster, series.node, series.parameter, labels)


def values(columns, count):
    """One value for each of `count` samples, as (type, value)."""
    columns_of = {
        F64: iter(columns.f64),
        I64: iter(columns.i64),
        TEXT: iter(columns.text),
    }
    runs = [(run & 3, run >> 2) for run in columns.runs]
    if not runs:
        lengths = {F64: len(columns.f64), I64: len(columns.i64), TEXT: len(columns.text)}
        runs = [(kind, length) for kind, length in lengths.items() if length]
        if len(runs) > 1:
            raise ValueError(f"several columns have values and there are no runs: {lengths}")
    given = [(kind, next(columns_of[kind])) for kind, length in runs for _ in range(length)]
    if len(given) != count:
        raise ValueError(f"{len(given)} values for {count} samples")
    if any(next(rest, None) is not None for rest in columns_of.values()):
        raise ValueError("a column is longer than its runs")
    return given


def samples(batch, series_of, texts):
    """The samples of a batch: (number, names, time, value). Values are made comparable bit by bit.

    A state without a text has the text that its series had last in this stream: `texts`, kept from batch to batch.
    """
    count = max(
        len(batch.series),
        sum(run >> 2 for run in batch.values.runs),
        len(batch.values.f64),
        len(batch.values.i64),
        len(batch.values.text),
    )
    ids = list(batch.series) * count if len(batch.series) == 1 else list(batch.series)
    if len(ids) != count:
        raise ValueError(f"{len(ids)} series for {count} samples")
    for name, column in [("skip", batch.skip), ("time_delta", batch.time_delta)]:
        if len(column) not in (0, count):
            raise ValueError(f"{len(column)} entries of {name} for {count} samples")
    state_text = {}
    i64_seen = 0
    for at, text in zip(batch.values.state_text_at, batch.values.state_text, strict=True):
        state_text[at] = text
    number, time = batch.first, batch.time
    for position, (kind, value) in enumerate(values(batch.values, count)):
        if position:
            number += 1
        number += batch.skip[position] if batch.skip else 0
        time += batch.time_delta[position] if batch.time_delta else 0
        if ids[position] not in series_of:
            raise ValueError(f"a sample of series {ids[position]}, which was not described before")
        series = series_of[ids[position]]
        if kind == F64:
            shown = "f64:" + struct.pack(">d", value).hex()
        elif kind == TEXT:
            shown = "text:" + value
        else:
            shown = f"i64:{value % 2**64 if series.kind == KIND_COUNTER else value}"
            if series.kind == KIND_STATE:
                texts[series.id] = state_text.get(i64_seen, texts.get(series.id, ""))
                shown += ":" + texts[series.id]
            i64_seen += 1
        yield number, names(series), time, shown
