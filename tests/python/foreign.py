#!/usr/bin/env python3
"""A client of Hedgerow by strangers: written from the .proto files and the reference, with nothing of Hedgerow's own code.

Each command prints one JSON object and ends with status 0; what it found is judged by who reads it. Where `--journal` is
given, every sample that was shown is written there at once, so that it outlives both sides.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from concurrent import futures

import grpc
from account import Account
from contract import Contract, channel
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from teeth import teeth

CALL_PATIENCE = 20
# The most number ranges in one query.
MAX_RANGES = 64


class Farms:
    """Finds the farm through lookups, and stays with the last known address while none answers."""

    def __init__(self, contract, lookups):
        self.contract = contract
        self.lookups = lookups
        self.known = None
        self.farm_id = None

    def url(self):
        for lookup in self.lookups:
            template = self.contract.lookup.Template()
            template.terms.add(key="kind", operation=self.contract.lookup.OPERATION_IS, values=["farm"])
            try:
                with channel(lookup) as connection:
                    stub = self.contract.lookup_grpc.LookupStub(connection)
                    found = stub.Find(self.contract.lookup.FindRequest(template=template), timeout=CALL_PATIENCE)
            except grpc.RpcError:
                continue
            for held in found.held:
                said = self.contract.lookup.Registration.FromString(held.registration.body)
                self.farm_id = said.id.hex()
                self.known = said.endpoints[0].url
                return self.known
        return self.known


def answer(call):
    """What became of a call: its status and words."""
    try:
        call()
        return {"code": "OK", "details": ""}
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}


class Journal:
    """Samples as they are shown, a line each, and when."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8") if path else None

    def write(self, given):
        if self.file and given:
            lines = [json.dumps([*place, *sample]) for place, sample in given]
            self.file.write("\n".join(lines) + "\n")
            self.file.flush()


def follow(contract, options):
    """Subscribes, is cut as told, resumes each time, and proves what it was shown."""
    farms = Farms(contract, options.lookup)
    account, journal = Account(), Journal(options.journal)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    predicate = contract.ask(options.pattern, options.since_ago_ms)
    cuts, problems, unreached = 0, [], 0
    deadline = time.monotonic() + options.patience
    paused = False
    while not stop.is_set() and time.monotonic() < deadline:
        url = farms.url()
        if url is None:
            unreached += 1
            stop.wait(0.1)
            continue
        with channel(url) as connection:
            request = contract.farm.SubscribeRequest(
                predicate=predicate, resume=account.token, queue_bytes=options.queue_bytes
            )
            call = contract.farm_grpc.FarmStub(connection).Subscribe(request)
            account.begin()
            before = account.shown
            cut = False

            def give_up(call=call):
                stop.wait(max(0, deadline - time.monotonic()))
                call.cancel()

            threading.Thread(target=give_up, daemon=True).start()
            try:
                for message in call:
                    at = time.monotonic()
                    for item in message.items:
                        journal.write(account.item(item, at))
                        if cuts < options.cuts and account.shown - before >= options.cut_after:
                            # In the middle of a message, as a torn connection would.
                            cuts, cut = cuts + 1, True
                            break
                    if options.pause_s and not paused and account.shown >= options.pause_after:
                        paused = True
                        print("paused", file=sys.stderr, flush=True)
                        stop.wait(options.pause_s)
                    if is_enough(account, options):
                        stop.set()
                    if cut or stop.is_set():
                        break
            except grpc.RpcError as error:
                known = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
                if error.code() not in known:
                    problems.append({"code": error.code().name, "details": error.details()})
                    stop.wait(0.2)
                    if len(problems) >= 3:
                        break
            call.cancel()
        while cut and options.hold and not os.path.exists(options.hold) and not stop.is_set():
            stop.wait(0.05)
        if not cut:
            stop.wait(0.1)
    report = account.report()
    report.update(cuts=cuts, problems=problems, unreached=unreached, token=account.token.hex(), farm=farms.known)
    report["enough"] = is_enough(account, options)
    if options.prove:
        report["proof"] = prove(contract, farms.url(), account, options.pattern)
    return report


def is_enough(account, options):
    """Whether what the command waits for has been shown."""
    if account.opened is None or not account.chain:
        return False
    if options.until_live is not None:
        start, _, _, through, _ = account.chain[-1]
        return (start, through) >= (account.opened.epoch.start, account.opened.watermark + options.until_live)
    return options.until_shown is not None and len(account.confirmed) >= options.until_shown


def ask_ranges(contract, url, pattern, ranges, patience=60):
    """What the farm's cache has of number ranges, in an account of its own for each range."""
    found, gaps, faults = {}, [], []
    with channel(url) as connection:
        stub = contract.farm_grpc.FarmStub(connection)
        for begin in range(0, len(ranges), MAX_RANGES):
            request = contract.farm.QueryRequest(predicate=contract.ask(pattern))
            for start, random, after, through in ranges[begin : begin + MAX_RANGES]:
                request.ranges.add(
                    epoch=contract.series.Epoch(start=start, random=random), after=after, through=through
                )
            account = Account()
            account.begin()
            for message in stub.Query(request, timeout=patience):
                for item in message.items:
                    # Ranges are asked one beside the other: their progress does not chain.
                    if item.WhichOneof("item") == "progress":
                        account.chain = []
                    account.item(item, 0.0)
            found.update(account.confirmed)
            found.update(account.pending)
            gaps += account.gaps
            faults += account.faults
            if account.ends != [contract.farm.End.REASON_COMPLETE]:
                faults.append(f"the answer ended with {account.ends}")
    return found, gaps, faults


def joined(chain):
    """The links of a chain as few ranges."""
    ranges = []
    for start, random, after, through, _ in chain:
        if ranges and ranges[-1][0] == start and ranges[-1][3] == after:
            ranges[-1][3] = through
        else:
            ranges.append([start, random, after, through])
    return [span for span in ranges if span[2] < span[3]]


def prove(contract, url, account, pattern):
    """Holds what was shown against the farm's own cache, number by number, over the whole chain."""
    cached, gaps, faults = ask_ranges(contract, url, pattern, joined(account.chain))
    everything = all(not part.strip("*/") for part in pattern)
    missing = [place for place in cached if place not in account.confirmed]
    unexplained = [place for place in missing if not account.in_lag(place)]
    differing = [
        place for place, sample in account.confirmed.items() if place in cached and cached[place][:3] != sample[:3]
    ]
    vanished = [place for place in account.confirmed if place not in cached]
    holes = [hole for hole in account.holes() if not account.in_gap(hole) and not account.in_lag(hole)] if everything else []
    return {
        "cached": len(cached),
        "not_shown": len(missing),
        "unexplained": unexplained[:20],
        "differing": differing[:20],
        "vanished": len(vanished),
        "holes": holes[:20],
        "dense": everything,
        "gaps": len(gaps),
        "faults": faults,
    }


def backfill(contract, options):
    """Reads a report of `follow` and fetches by number what it was told it had skipped."""
    with open(options.report, encoding="utf-8") as file:
        report = json.load(file)
    ranges = [[lag["start"], lag["random"], lag["after"], lag["through"]] for lag in report["lagged"]]
    found, gaps, faults = ask_ranges(contract, report["farm"], options.pattern, ranges)
    return {"fetched": len(found), "told": sum(lag["count"] for lag in report["lagged"]), "gaps": gaps, "faults": faults}


def history(contract, options):
    """Everything that a subscription with history shows up to its watermark: the farm's whole memory."""
    farms = Farms(contract, options.lookup)
    account = Account()
    url = farms.url()
    with channel(url) as connection:
        request = contract.farm.QueryRequest(predicate=contract.ask(options.pattern, options.since_ago_ms))
        account.begin()
        for message in contract.farm_grpc.FarmStub(connection).Query(request, timeout=CALL_PATIENCE * 3):
            for item in message.items:
                account.item(item, 0.0)
    return account


def crashes(contract, options):
    """Holds a journal of what was shown against the farm's memory after it was killed, again and again.

    Said to be committed: must be there. Followed by more than the kill's `slack` samples that were shown, too: must be there;
    so a farm that is starved is judged by what it made, and not by the clock. Not there: must lie in a gap with reason crash.
    """
    with open(options.kills, encoding="utf-8") as file:
        kills = sorted(json.load(file), key=lambda kill: kill["at"])
    account = history(contract, options)
    there = {**account.confirmed, **account.pending}
    shown = lost = 0
    # By kill: how long before it the first sample was shown that is not there.
    earliest = {}
    faults = list(account.faults)
    newest = {}
    with open(options.journal, encoding="utf-8") as file:
        for line in file:
            start, number, *_ = json.loads(line)
            newest[start] = max(number, newest.get(start, 0))
    with open(options.journal, encoding="utf-8") as file:
        for line in file:
            start, number, key, when, value, at = json.loads(line)
            shown += 1
            place = (start, number)
            if place in there:
                if [list(there[place][0][:3]), *there[place][1:3]] != [key[:3], when, value]:
                    faults.append(f"{place} was shown as {key} {when} {value} and is kept as {there[place]}")
                continue
            lost += 1
            # Each kill ends the next epoch. Not by the time: what was sent before a kill may be read after it.
            ended = start - min(newest)
            kill = kills[ended] if ended < len(kills) else None
            if kill is None:
                faults.append(f"{place} was shown and not killed and is not there")
            else:
                before = round((kill["at"] - at) * 1000)
                earliest[kill["at"]] = max(before, earliest.get(kill["at"], 0))
                if newest[start] - number > kill["slack"]:
                    faults.append(f"{place} was shown {newest[start] - number} samples before a kill and is not there: {kill}")
                if number <= kill["committed"]:
                    faults.append(f"{place} was said to be committed before a kill and is not there: {kill}")
            gaps = [gap for gap in account.gaps if gap["start"] == start and gap["from"] <= number]
            if not any(gap["reason"] == contract.series.GAP_REASON_CRASH and gap["to"] is None for gap in gaps):
                faults.append(f"{place} is not there and no gap with reason crash covers it: {gaps}")
    return {
        "shown": shown,
        "kept": len(there),
        "lost": lost,
        "lost_ms_before_each_kill": [earliest.get(kill["at"], 0) for kill in kills],
        "kills": len(kills),
        "epochs": len(account.epochs),
        "crash_gaps": sum(gap["reason"] == contract.series.GAP_REASON_CRASH for gap in account.gaps),
        "faults": faults[:30],
        "fault_count": len(faults),
    }


def tokens(contract, options):
    """Offers a farm tokens that are not its own for this question."""
    url = Farms(contract, options.lookup).url()
    good = bytes.fromhex(options.token)

    def offer(token, pattern):
        predicate = contract.ask([pattern], options.since_ago_ms)
        request = contract.farm.SubscribeRequest(predicate=predicate, resume=token)
        with channel(url) as connection:
            call = contract.farm_grpc.FarmStub(connection).Subscribe(request, timeout=CALL_PATIENCE)

            def first():
                next(iter(call))
                call.cancel()

            return answer(first)

    return {
        "own": offer(good, options.pattern[0]),
        "other_predicate": offer(good, options.pattern[0] + "x*"),
        "cut_short": offer(good[:-1], options.pattern[0]),
        "foreign": offer(bytes(len(good)), options.pattern[0]),
        "other_farm": offer(bytes.fromhex(options.foreign_token), options.pattern[0]),
        "altered": offer(good[:40] + bytes([good[40] ^ 1]) + good[41:], options.pattern[0]),
        "text": offer(b"hello", options.pattern[0]),
    }


def roles(contract, options):
    """Asks each role for its health and for its services by reflection."""
    del contract
    report = {}
    for url in options.url:
        with channel(url) as connection:
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            reflection = reflection_pb2_grpc.ServerReflectionStub(connection)
            listed = next(reflection.ServerReflectionInfo(iter([request]), timeout=CALL_PATIENCE))
            services = sorted(service.name for service in listed.list_services_response.service)
            health = health_pb2_grpc.HealthStub(connection)
            status = {
                name: health_pb2.HealthCheckResponse.ServingStatus.Name(
                    health.Check(health_pb2.HealthCheckRequest(service=name), timeout=CALL_PATIENCE).status
                )
                for name in ["", *(name for name in services if name.startswith("hedgerow."))]
            }
            symbol = next((name for name in services if name.startswith("hedgerow.")), "")
            request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
            described = next(reflection.ServerReflectionInfo(iter([request]), timeout=CALL_PATIENCE))
            files = len(described.file_descriptor_response.file_descriptor_proto)
            report[url] = {"services": services, "health": status, "files": files}
    return report


def limits(contract, options):
    """Calls that must be refused, and whether the role still answers afterwards."""

    def unknown(connection, name):
        return connection.unary_unary(name, request_serializer=bytes, response_deserializer=bytes)

    report = {}
    with channel(options.lookup[0]) as connection:
        stub = contract.lookup_grpc.LookupStub(connection)
        blank = contract.lookup.RegisterRequest()
        wrong = (("authorization", "Bearer " + "0" * 64),)
        big = b"\0" * (8 << 20)
        register = contract.lookup.RegisterRequest
        signed = contract.lookup.Signed(body=big)
        report["register_without_token"] = answer(lambda: stub.Register(blank, timeout=CALL_PATIENCE))
        report["find_with_wrong_token"] = answer(
            lambda: stub.Find(contract.lookup.FindRequest(), timeout=CALL_PATIENCE, metadata=wrong)
        )
        cancel = contract.lookup.CancelRequest(lease=1)
        report["cancel_without_token"] = answer(lambda: stub.Cancel(cancel, timeout=CALL_PATIENCE))
        report["renew_without_token"] = answer(
            lambda: list(stub.Renew(iter([contract.lookup.RenewRequest(leases=[1])]), timeout=CALL_PATIENCE))
        )
        method = unknown(connection, "/hedgerow.lookup.v1.Lookup/Abolish")
        report["unknown_method"] = answer(lambda: method(b"", timeout=CALL_PATIENCE))
        with_token = (("authorization", f"Bearer {options.user_token}"),)
        report["register_nothing_with_token"] = answer(
            lambda: stub.Register(blank, timeout=CALL_PATIENCE, metadata=with_token)
        )
        report["oversized"] = answer(
            lambda: stub.Register(register(registration=signed), timeout=CALL_PATIENCE, metadata=with_token)
        )
        garbage = unknown(connection, "/hedgerow.lookup.v1.Lookup/Find")
        report["not_protobuf"] = answer(lambda: garbage(b"\xff\xff\xff\xff", timeout=CALL_PATIENCE))
        header = (("x-long", "y" * (64 << 10)),)
        report["long_metadata"] = answer(
            lambda: stub.Find(contract.lookup.FindRequest(), timeout=CALL_PATIENCE, metadata=header)
        )
    with channel(Farms(contract, options.lookup).url()) as connection:
        method = unknown(connection, "/hedgerow.farm.v1.Farm/Shout")
        report["farm_unknown_method"] = answer(lambda: method(b"", timeout=CALL_PATIENCE))
        query = unknown(connection, "/hedgerow.farm.v1.Farm/ListSeries")
        report["farm_oversized"] = answer(lambda: query(b"\0" * (8 << 20), timeout=CALL_PATIENCE))
        stub = contract.farm_grpc.FarmStub(connection)
        foreign = (("hedgerow-mesh", "0" * 32),)
        status = contract.farm.StatusRequest()
        report["foreign_mesh"] = answer(lambda: stub.Status(status, timeout=CALL_PATIENCE, metadata=foreign))
        report["farm_after"] = answer(lambda: stub.Status(status, timeout=CALL_PATIENCE))
    with channel(options.lookup[0]) as connection:
        stub = contract.lookup_grpc.LookupStub(connection)
        report["lookup_after"] = answer(lambda: stub.Status(contract.lookup.StatusRequest(), timeout=CALL_PATIENCE))
    return report


def many(contract, options):
    """Several readers at once, each on a connection of its own; the report is a list."""
    with futures.ThreadPoolExecutor(options.readers) as pool:
        return list(pool.map(lambda _: follow_quietly(contract, options), range(options.readers)))


def follow_quietly(contract, options):
    """One reader: until so many samples were shown, or patience is out; when each came."""
    account = Account()
    account.begin()
    deadline = time.monotonic() + options.patience
    url = Farms(contract, options.lookup).url()
    with channel(url) as connection:
        request = contract.farm.SubscribeRequest(predicate=contract.ask(options.pattern))
        call = contract.farm_grpc.FarmStub(connection).Subscribe(request, timeout=options.patience)
        try:
            for message in call:
                at = time.monotonic()
                for item in message.items:
                    account.item(item, at)
                if len(account.confirmed) >= (options.until_shown or 0) or at > deadline:
                    break
        except grpc.RpcError as error:
            account.fault(f"{error.code().name}: {error.details()}")
        call.cancel()
    return account.report()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proto", required=True, help="the folder that has hedgerow/")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in COMMANDS.items():
        command = commands.add_parser(name, help=run.__doc__.splitlines()[0])
        command.add_argument("--lookup", action="append", default=[], metavar="URL")
        command.add_argument("--url", action="append", default=[], metavar="URL")
        command.add_argument("--pattern", action="append", default=[], metavar="FARM/CLUSTER/NODE/PARAMETER")
        command.add_argument("--since-ago-ms", type=int)
        command.add_argument("--journal")
        command.add_argument("--cuts", type=int, default=0, help="how often to cut the stream")
        command.add_argument("--cut-after", type=int, default=100, help="after so many samples of a stream")
        command.add_argument("--hold", help="after a cut, go on only when this file is there")
        command.add_argument("--until-live", type=int, help="until so many numbers behind the first watermark")
        command.add_argument("--until-shown", type=int, help="until so many samples are confirmed")
        command.add_argument("--patience", type=float, default=60)
        command.add_argument("--queue-bytes", type=int, default=0)
        command.add_argument("--pause-after", type=int, default=1)
        command.add_argument("--pause-s", type=float, default=0)
        command.add_argument("--prove", action="store_true", help="compare with the farm's cache at the end")
        command.add_argument("--kills", help="a JSON list of objects: at (CLOCK_MONOTONIC, seconds), slack (samples), committed")
        command.add_argument("--token", default="")
        command.add_argument("--foreign-token", default="")
        command.add_argument("--user-token", default="")
        command.add_argument("--report", help="a report of `follow`")
        command.add_argument("--readers", type=int, default=1)
    options = parser.parse_args()
    options.pattern = options.pattern or ["*"]
    report = COMMANDS[options.command](Contract(options.proto), options)
    print(json.dumps(report), flush=True)


def summary(contract, options):
    """The farm's whole memory in figures: samples, gaps, epochs, faults."""
    return history(contract, options).report()


def check_account(contract, _options):
    """Shows that the account finds what is wrong with streams that are wrong."""
    return teeth(contract)


COMMANDS = {
    "teeth": check_account,
    "follow": follow,
    "history": summary,
    "crashes": crashes,
    "tokens": tokens,
    "roles": roles,
    "limits": limits,
    "backfill": backfill,
    "many": many,
}

if __name__ == "__main__":
    main()
