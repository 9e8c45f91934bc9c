"""What a subscriber was shown, and whether it can prove that nothing is missing and nothing came twice.

Knows only what the items of the streams said; asks nobody. A fault is a sentence; none may be left at the end.
"""

from contract import names, samples


class Account:
    """Outlives the streams of one subscription: after a cut the next stream goes on in the same account."""

    def __init__(self):
        self.faults = []
        # (epoch start, number) -> (names, time, value, shown at). Confirmed: below the last progress.
        self.confirmed = {}
        self.pending = {}
        # Shown behind the last token before a cut: they come again, and must come equal.
        self.tentative = {}
        # [start, random, after, through, ended], each joined to the one before.
        self.chain = []
        self.gaps = []
        self.lagged = []
        self.epochs = {}
        self.token = b""
        self.opened = None
        self.shown = 0
        self.again = 0
        self.ends = []
        self.streams = 0
        self._series = {}

    def fault(self, text):
        if len(self.faults) < 50:
            self.faults.append(text)

    def begin(self):
        """A new stream begins. Ids of series are valid within one stream."""
        self.tentative.update(self.pending)
        self.pending = {}
        self._series = {}
        self._texts = {}
        self.streams += 1
        self._first = True
        self._named = set()

    def item(self, item, at):
        """Takes one item of the stream; `at` is when it was read."""
        kind = item.WhichOneof("item")
        if (kind == "opened") != self._first:
            self.fault(f"`opened` comes once and first, found {kind}")
        self._first = False
        if kind is None:
            return []
        return getattr(self, "on_" + kind)(getattr(item, kind), at) or []

    def on_epoch(self, epoch, _at):
        self._epoch_seen(epoch)

    def _epoch_seen(self, epoch):
        self._named.add(epoch.start)
        known = self.epochs.setdefault(epoch.start, epoch.random)
        if known != epoch.random:
            self.fault(f"two epochs have the start {epoch.start}: {known:016x} and {epoch.random:016x}")

    def on_opened(self, opened, _at):
        self._epoch_seen(opened.epoch)
        if opened.resumed != bool(self.token):
            self.fault(f"resumed is {opened.resumed} on a stream that was given {len(self.token)} bytes of token")
        self.opened = self.opened or opened

    def on_series(self, series, _at):
        self._series[series.id] = series

    def on_batch(self, batch, at):
        given = []
        if batch.epoch_start not in self._named:
            self.fault(f"a batch of epoch {batch.epoch_start}, which was not named before")
        for number, key, time, value in samples(batch, self._series, self._texts):
            place = (batch.epoch_start, number)
            if number == 0:
                self.fault(f"a sample of {key} has no number")
            elif self._is_covered(place):
                self.fault(f"number {place} of {key} came after progress had covered it")
            elif place in self.pending or place in self.confirmed:
                self.fault(f"number {place} of {key} came twice")
            sample = (key, time, value, at)
            earlier = self.tentative.pop(place, None)
            if earlier is not None:
                self.again += 1
                if earlier[:3] != sample[:3]:
                    self.fault(f"number {place} came as {earlier[:3]} and, resumed, as {sample[:3]}")
            self.pending[place] = sample
            self.shown += 1
            given.append((place, sample))
        return given

    def _is_covered(self, place):
        if not self.chain:
            return False
        start, _, _, through, _ = self.chain[-1]
        return place[0] < start or (place[0] == start and place[1] <= through)

    def on_progress(self, progress, _at):
        epoch = progress.epoch
        self._epoch_seen(epoch)
        link = [epoch.start, epoch.random, progress.after, progress.through, progress.epoch_ended]
        if progress.after > progress.through:
            self.fault(f"progress goes back: {link}")
        if self.chain:
            last = self.chain[-1]
            if last[0] == epoch.start:
                if last[3] != progress.after:
                    self.fault(f"the chain is broken: {link} behind {last}")
            elif epoch.start < last[0] or progress.after != 0 or not last[4]:
                self.fault(f"the chain is broken between epochs: {link} behind {last}")
        self.chain.append(link)
        covered = [place for place in self.pending if self._is_covered(place)]
        for place in covered:
            self.confirmed[place] = self.pending.pop(place)
        if progress.token:
            self.token = progress.token

    def on_gap(self, gap, _at):
        self._epoch_seen(gap.epoch)
        self.gaps.append({
            "start": gap.epoch.start,
            "from": getattr(gap, "from"),
            "to": gap.to if gap.HasField("to") else None,
            "count": gap.count if gap.HasField("count") else None,
            "reason": gap.reason,
            "scope": gap.WhichOneof("scope"),
        })

    def on_lagged(self, lagged, _at):
        self._epoch_seen(lagged.epoch)
        self.lagged.append({
            "start": lagged.epoch.start,
            "random": lagged.epoch.random,
            "after": lagged.after,
            "through": lagged.through,
            "count": lagged.count,
        })

    def on_life(self, life, _at):
        if life.series not in self._series:
            self.fault(f"a change of life of series {life.series}, which was not described before")

    def on_bins(self, _bins, _at):
        self.fault("bins, which nobody asked for")

    def on_end(self, end, _at):
        self.ends.append(end.reason)

    def in_gap(self, place):
        """Whether a gap record covers the number."""
        return any(
            gap["start"] == place[0] and gap["from"] <= place[1] and (gap["to"] is None or place[1] <= gap["to"])
            for gap in self.gaps
        )

    def in_lag(self, place):
        """Whether a lagged item covers the number."""
        return any(lag["start"] == place[0] and lag["after"] < place[1] <= lag["through"] for lag in self.lagged)

    def holes(self):
        """Numbers of the chain that were not shown: what a subscriber to everything must find explained."""
        for start, _, after, through, _ in self.chain:
            for number in range(after + 1, through + 1):
                if (start, number) not in self.confirmed:
                    yield start, number

    def report(self):
        """As JSON can carry it."""
        return {
            "faults": self.faults,
            "shown": self.shown,
            "confirmed": len(self.confirmed),
            "pending": len(self.pending),
            "again": self.again,
            "streams": self.streams,
            "links": len(self.chain),
            "first_link": self.chain[0] if self.chain else None,
            "last_link": self.chain[-1] if self.chain else None,
            "epochs": sorted(self.epochs),
            "gaps": self.gaps,
            "lagged": self.lagged,
            "ends": self.ends,
        }

