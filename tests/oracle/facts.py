# SPDX-License-Identifier: Apache-2.0
"""An order's events and the catalogue around them; their order in time, what they come to, and what of each line is left.
The first half of life.py, in exact fractions and sharing no code with the attributor."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Optional

DAY_US = 86400 * 10**6
EARLY_US = 300 * 10**6
FULL_BP = 10000
STOREFRONT = ("order.placed", "order.confirmed", "order.amended", "order.shipped", "order.delivered", "order.collected",
              "order.reinstated", "order.refunded", "order.returned", "order.refused", "order.cancelled")
ACTS = ("operator.reassign", "operator.void", "operator.adjust", "operator.resolve", "operator.review")
RANK = {kind: rank for rank, kind in enumerate(STOREFRONT)}
RANK.update({kind: len(STOREFRONT) for kind in ACTS})
LEVELS = ("affiliate_product", "product", "affiliate_category", "category", "affiliate", "store")


@dataclass
class Line:
    line_id: str
    product: Optional[str] = None
    quantity: int = 0
    unit: int = 0
    discount: int = 0
    tax_bp: Optional[int] = None
    collected: Optional[int] = None
    refunded: Optional[int] = None
    refunded_amount: Optional[int] = None


@dataclass
class Click:
    click_id: str  # 32 hex digits
    ms: int
    window_s: int
    affiliate: int
    product: int
    result: str = "ok"
    record: str = "none"


@dataclass
class Event:
    id: str
    kind: str
    at_us: int
    received_us: int
    version: Optional[int] = None
    placed_us: Optional[int] = None
    currency: str = ""
    inclusive: bool = False
    lines: list = field(default_factory=list)
    discount: int = 0
    refunded_amount: Optional[int] = None
    clicks: list = field(default_factory=list)
    coupons: list = field(default_factory=list)
    customer: str = ""
    test: bool = False
    affiliate: int = 0  # of acts
    amount: int = 0
    commission: int = 0
    resolution: str = ""


@dataclass
class Rule:
    id: int
    level: str
    affiliate: int = 0
    product: int = 0
    category: str = ""
    rate_bp: Optional[int] = None
    unit: Optional[int] = None
    order: Optional[int] = None
    cap_line: Optional[int] = None
    cap_order: Optional[int] = None
    cap_period: Optional[int] = None
    currency: str = ""
    priority: int = 0
    from_us: int = -2**62
    to_us: int = 2**62


@dataclass
class Affiliate:
    standing: str = "active"  # at placed_at
    phone: str = ""
    tier_bonus: int = 0
    tier_rate: Optional[int] = None


@dataclass
class Coupon:
    id: int
    affiliate: int
    held_back: Optional[str] = None  # coupon_expired, coupon_exhausted, coupon_suspended


@dataclass
class Store:
    id: int = 7
    model: str = "last"
    precedence: str = "coupon_first"
    self_referral: str = "block"
    collect_on: str = "collected"
    return_days: int = 14


@dataclass
class Catalogue:
    store: Store
    affiliates: dict = field(default_factory=dict)      # id: Affiliate
    products: dict = field(default_factory=dict)        # the store's own id: (product id, category)
    product_stores: dict = field(default_factory=dict)  # product id: store id
    rules: list = field(default_factory=list)
    coupons: dict = field(default_factory=dict)         # code in its normal form: Coupon


def half_up(value):
    """Half away from zero; nothing here is negative."""
    return (2 * value + 1).__floor__() // 2


def spread(total, weights):
    """Parts of total in proportion to weights; what flooring leaves goes to the largest fractions, lower index first."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    exact = [Fraction(total * weight, whole) for weight in weights]
    parts = [share.__floor__() for share in exact]
    by_fraction = sorted(range(len(weights)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_fraction[: total - sum(parts)]:
        parts[i] += 1
    return parts


# Facts: the events in their order, and what they come to.


def fold_order(events):
    """The events in fold order, however they came."""
    storefront = [event for event in events if event.kind in RANK and event.kind not in ACTS]
    versioned = bool(storefront) and all(event.version is not None for event in storefront)

    def key(event):
        when = event.version if versioned and event.version is not None else event.at_us
        return (when, RANK[event.kind], event.id.encode())

    return sorted(events, key=key)


class Folded:
    """One walk over the events of an order, in fold order."""

    def __init__(self, events, collect_on="collected"):
        self.events, self.collect_on = fold_order(events), collect_on
        self.first = self.confirmed = self.terms = None
        self.history = []  # the terms that held one after the other since the first confirmation
        self.out = None  # cancelled, refused, returned
        self.is_conflict = False
        self.times = {}  # shipped, delivered, collected
        self.collections = []
        self.returned_from = 0
        self.gives_coupon_back = False
        self.reassigned = 0
        self.voided = set()
        self.is_test = any(event.test for event in events)
        for place, event in enumerate(self.events):
            getattr(self, "on_" + event.kind.partition(".")[2])(event, place)
        self.is_waiting = self.confirmed is None and any(
            event.kind not in ACTS and event.kind != "order.placed" for event in events)

    def on_placed(self, event, _):
        self.first = self.first or event
        if self.confirmed is None:
            self.terms = event

    def on_confirmed(self, event, _):
        self.first = self.first or event
        self.confirmed = self.confirmed or event
        self.terms = event
        self.history.append(event)
        if self.out:
            self.come_back()
            self.times, self.collections = {}, []

    def on_amended(self, event, _):
        if self.confirmed:
            self.terms = event
            self.history.append(event)

    def on_shipped(self, event, _):
        self.note("shipped", event)

    def on_delivered(self, event, _):
        self.note("delivered", event)

    def on_collected(self, event, _):
        if self.out:
            self.is_conflict = True
        self.note("collected", event)
        self.collections.append(event)

    def on_reinstated(self, _, place):
        self.come_back()
        self.returned_from = place + 1

    def on_refunded(self, event, place):
        pass

    def on_returned(self, event, place):
        pass

    def on_refused(self, event, place):
        self.go_out("refused")

    def on_cancelled(self, event, place):
        self.go_out("cancelled")

    def on_reassign(self, event, place):
        self.reassigned = event.affiliate
        self.voided = set()

    def on_void(self, event, place):
        self.voided.add(event.affiliate)

    def on_resolve(self, event, place):
        if self.is_conflict and event.resolution == "collected":
            self.out, self.gives_coupon_back = None, False
        self.is_conflict = False
        self.reassigned = 0
        self.voided = set()

    def on_adjust(self, event, place):
        pass

    def on_review(self, event, place):
        pass

    def note(self, fact, event):
        self.times.setdefault(fact, min(event.at_us, event.received_us))

    def go_out(self, how):
        if self.is_conflict:
            return
        if how == "cancelled" and not self.out:
            self.gives_coupon_back = not self.times
        elif how == "refused":
            self.gives_coupon_back = False
        self.out = "returned" if self.is_collected else how

    def come_back(self):
        self.out = None
        self.is_conflict = False
        self.gives_coupon_back = False

    @property
    def is_out(self):
        return self.out is not None

    @property
    def is_collected(self):
        """By what the store counts as collection; cash counts for all."""
        return "collected" in self.times or self.collect_on == "delivered" and "delivered" in self.times

    def release_us(self, return_days):
        """When the return window ends; None: not collected."""
        if not self.is_collected:
            return None
        known = [self.times[fact] for fact in ("collected", "delivered") if fact in self.times]
        return max(known) + return_days * DAY_US


# What is left of each line.


@dataclass
class Left:
    discounted: int
    left: int
    quantity: int

    @property
    def is_gone(self):
        return self.left == 0 and (self.discounted > 0 or self.quantity == 0)


def discounted_lines(terms):
    """After line discounts and each line's part of the order's."""
    lines = [line.unit * line.quantity - line.discount for line in terms.lines]
    return [line - part for line, part in zip(lines, spread(terms.discount, lines))]


def whole_lines(terms):
    return [Left(amount, amount, line.quantity) for line, amount in zip(terms.lines, discounted_lines(terms))]


def stream_figures(events, terms, discounted):
    """One stream's cumulative figures: per line (amount, quantity), and what was taken off the order beside them."""
    figures, of_order = [(0, 0)] * len(terms.lines), 0
    for event in events:
        named = {line.line_id: line for line in event.lines}
        if not named and event.refunded_amount is not None:
            of_order = event.refunded_amount
            continue
        of_order = of_order if named else 0  # all of it says more than what was said before
        for i, line in enumerate(terms.lines):
            if not named:
                figures[i] = (discounted[i], line.quantity)
            elif line.line_id in named:
                told = named[line.line_id]
                amount, quantity = told.refunded_amount, told.refunded
                if quantity is None:
                    reaches = amount is not None and amount >= discounted[i]
                    quantity = line.quantity if reaches else 0
                if amount is None:
                    amount = half_up(Fraction(discounted[i] * quantity, line.quantity))
                figures[i] = (amount, quantity)
    return figures, of_order


def uncollected_quantities(collections, terms):
    """What of each line was refused at the door: nothing until a collection names lines. One without lines names all."""
    told, is_partial = {}, False
    for event in collections:
        named = event.lines or [Line(line.line_id) for line in terms.lines]
        is_partial = is_partial or bool(event.lines)
        told.update((line.line_id, line.collected) for line in named)
    if not is_partial:
        return [0] * len(terms.lines)
    collected = [told.get(line.line_id, 0) for line in terms.lines]
    return [0 if figure is None else max(0, line.quantity - figure) for line, figure in zip(terms.lines, collected)]


def left_lines(folded, terms):
    """The lines of terms with what was refunded, returned and never collected taken off; and whether more was."""
    discounted = discounted_lines(terms)
    streams = []
    for kind, begin in (("order.refunded", 0), ("order.returned", folded.returned_from)):
        events = [event for event in folded.events[begin:] if event.kind == kind]
        streams.append(stream_figures(events, terms, discounted))
    uncollected = uncollected_quantities(folded.collections, terms)
    is_over = False
    lines = []
    for i, line in enumerate(terms.lines):
        amount, quantity = max(figures[i] for figures, _ in streams)
        is_over = is_over or amount > discounted[i] or quantity > line.quantity
        amount += half_up(Fraction(discounted[i] * uncollected[i], line.quantity))
        lines.append(Left(discounted[i], max(0, discounted[i] - amount),
                          max(0, line.quantity - quantity - uncollected[i])))
    of_order = max(of_order for _, of_order in streams)
    rest = sum(line.left for line in lines)
    is_over = is_over or of_order > rest
    for line, part in zip(lines, spread(min(of_order, rest), [line.left for line in lines])):
        line.left -= part
        if of_order > 0 and (of_order >= rest or (part > 0 and line.left == 0)):
            line.quantity = 0  # an amount that reaches the line takes its pieces too
    return lines, is_over
