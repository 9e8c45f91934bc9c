"""Streams that are wrong on purpose: an account that finds nothing wrong with one of them would prove nothing."""

from account import Account


class Farm:
    """Makes items as a farm would: one series, one epoch, six samples, two progress items."""

    def __init__(self, contract):
        self.make = contract.farm.Item
        self.epoch = contract.series.Epoch(start=7, random=99)
        self.gap_crash = contract.series.GAP_REASON_CRASH

    def opened(self, resumed=False):
        item = self.make()
        item.opened.epoch.CopyFrom(self.epoch)
        item.opened.watermark = 6
        item.opened.resumed = resumed
        return item

    def series(self):
        item = self.make()
        item.series.id, item.series.cluster, item.series.node, item.series.parameter = 1, "c", "n", "p"
        return item

    def batch(self, first, *values, epoch_start=7, series=1):
        item = self.make()
        item.batch.epoch_start, item.batch.first, item.batch.time = epoch_start, first, 1000 + first
        item.batch.series.append(series)
        item.batch.values.f64.extend(values)
        return item

    def progress(self, after, through, token=b"t"):
        item = self.make()
        item.progress.epoch.CopyFrom(self.epoch)
        item.progress.after, item.progress.through, item.progress.token = after, through, token
        return item

    def gap(self, first, last):
        item = self.make()
        item.gap.epoch.CopyFrom(self.epoch)
        item.gap.farm = True
        setattr(item.gap, "from", first)
        item.gap.to = last
        return item


def wrong_with(*streams):
    """What an account says of these streams, one resumed after the other."""
    account = Account()
    for stream in streams:
        account.begin()
        for item in stream:
            try:
                account.item(item, 0.0)
            except ValueError as error:
                account.fault(str(error))
    holes = [f"hole {hole}" for hole in account.holes() if not account.in_gap(hole) and not account.in_lag(hole)]
    return account.faults + holes


def teeth(contract):
    """By name of what is wrong: what was found."""
    farm = Farm(contract)
    begin = [farm.opened(), farm.series()]
    first, second = farm.batch(1, 1.0, 2.0, 3.0), farm.batch(4, 4.0, 5.0, 6.0)
    one, two = farm.progress(0, 3), farm.progress(3, 6)
    again = [farm.opened(resumed=True), farm.series()]
    other = farm.batch(4, 4.0, 5.0, 7.0)
    return {
        "nothing": wrong_with([*begin, first, one, second, two]),
        "nothing, a gap covers it": wrong_with([*begin, first, one, farm.gap(4, 6), two]),
        "nothing, cut and resumed": wrong_with([*begin, first, one, second], [*again, second, two]),
        "a batch is missing": wrong_with([*begin, first, one, two]),
        "a gap is too short": wrong_with([*begin, first, one, farm.gap(4, 5), two]),
        "a batch comes twice": wrong_with([*begin, first, one, second, second, two]),
        "a batch comes late": wrong_with([*begin, one, first, second, two]),
        "a link is missing": wrong_with([*begin, first, one, second, farm.progress(4, 6)]),
        "progress goes back": wrong_with([*begin, first, one, second, farm.progress(6, 3)]),
        "a value changes when resumed": wrong_with([*begin, first, one, second], [*again, other, two]),
        "what was confirmed comes again when resumed": wrong_with([*begin, first, one], [*again, first, second, two]),
        "it begins anew though it had a token": wrong_with([*begin, first, one], [*begin, first, one]),
        "an epoch was not named": wrong_with([*begin, farm.batch(1, 1.0, epoch_start=6)]),
        "a series was not described": wrong_with([*begin, farm.batch(1, 1.0, series=2)]),
        "opened comes late": wrong_with([farm.series(), farm.opened()]),
    }
