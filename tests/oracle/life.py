#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole life of an order once more, in exact fractions and sharing no code with the attributor: its events in any
order in, out of it who earned what. book.py makes rows and a ledger of it, history.py draws random ones.

usage: tests/oracle/life.py --selftest     the worked lines of the money rules, by hand"""

import sys
import unicodedata
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
            self.out = None
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
        if of_order > 0 and of_order >= rest:
            line.quantity = 0
    return lines, is_over


# Who earned it.


def coupon_code(raw):
    """A coupon's code in its normal form."""
    digits = {ord(digit): str(i % 10) for i, digit in enumerate("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹")}
    return unicodedata.normalize("NFKC", raw).strip(" \t\n\r\u00a0").translate(digits).upper()


def person_refusal(catalogue, affiliate, customers):
    """What stands against an affiliate: suspended, the customer, unknown."""
    known = catalogue.affiliates.get(affiliate)
    return (known is not None and known.standing == "suspended",
            known is not None and known.phone in customers,
            known is None or known.standing == "unknown")


def click_refusal(catalogue, placed_us, click, customers):
    """The first reason against a click, in the order of the rules; None: it stands."""
    if click.result != "ok":
        return "key_revoked" if click.result == "revoked_key" else "bad_token"
    suspended, is_self, unknown = person_refusal(catalogue, click.affiliate, customers)
    age_us = placed_us - click.ms // 1000 * 10**6
    reasons = (
        ("wrong_store", catalogue.product_stores.get(click.product) != catalogue.store.id),
        ("affiliate_suspended", suspended),
        ("out_of_window", age_us > click.window_s * 10**6),
        ("click_after_order", age_us < -EARLY_US),
        ("self_referral", is_self),
        ("record_mismatch", click.record == "mismatch"),
        ("unknown_affiliate", unknown),
    )
    return next((name for name, is_so in reasons if is_so), None)


def coupon_refusal(catalogue, code, customers):
    coupon = catalogue.coupons.get(coupon_code(code))
    if coupon is None:
        return "coupon_unknown"
    suspended, is_self, unknown = person_refusal(catalogue, coupon.affiliate, customers)
    reasons = (("affiliate_suspended", suspended), ("self_referral", is_self), ("unknown_affiliate", unknown))
    return next((name for name, is_so in reasons if is_so), coupon.held_back)


class Match:
    """winners: affiliates, latest click first; verdicts: {click id or coupon code: word}; reason; taken: coupon or None."""

    def __init__(self, folded, catalogue):
        self.catalogue, self.placed_us = catalogue, folded.first.placed_us
        self.verdicts, self.winners, self.taken, self.is_stacked = {}, [], None, False
        self.self_referrer = 0
        blocks = catalogue.store.self_referral == "block"
        storefront = [event for event in folded.events if event.kind not in ACTS]
        self.reason = self.decide(storefront, blocks)
        if not self.winners and blocks:
            would = Match.__new__(Match)
            would.catalogue, would.placed_us = catalogue, self.placed_us
            would.verdicts, would.winners, would.taken, would.is_stacked = {}, [], None, False
            would.decide(storefront, False)
            self.self_referrer = would.winners[0] if would.winners else 0

    def decide(self, events, blocks):
        customers = set()
        for event in events:
            customers |= {event.customer} - {""} if blocks else set()
            clicks = {click.click_id if click.result == "ok" else click.result + str(i): click
                      for i, click in enumerate(event.clicks)}
            coupons = {code: self.catalogue.coupons.get(coupon_code(code)) for code in event.coupons}
            for name, click in clicks.items():
                self.verdicts[name] = click_refusal(self.catalogue, self.placed_us, click, customers)
            for code in coupons:
                self.verdicts[code] = coupon_refusal(self.catalogue, code, customers)
            clicks = [click for name, click in clicks.items() if self.verdicts[name] is None]
            coupons = [(code, coupon) for code, coupon in coupons.items() if self.verdicts[code] is None]
            if clicks or coupons:
                clicks.sort(key=lambda click: (click.ms // 1000, click.click_id), reverse=True)
                if coupons and (self.catalogue.store.precedence == "coupon_first" or not clicks):
                    return self.by_coupon(clicks, coupons)
                return self.by_click(clicks, coupons)
        return "all_refused" if self.verdicts else "no_candidates"

    def by_coupon(self, clicks, coupons):
        code, self.taken = coupons[0]
        owner = self.taken.affiliate
        self.winners = [owner]
        self.is_stacked = any(coupon.affiliate != owner for _, coupon in coupons)
        self.verdicts.update((other, "lost_to_other_coupon") for other, _ in coupons)
        self.verdicts[code] = "won_coupon"
        self.verdicts.update((click.click_id, "lost_to_coupon") for click in clicks)
        self.rank_clicks([click for click in clicks if click.affiliate == owner])
        return "won_coupon"

    def by_click(self, clicks, coupons):
        if self.catalogue.store.model == "linear":
            for click in clicks:
                is_new = click.affiliate not in self.winners
                self.verdicts[click.click_id] = "shared_linear" if is_new else "lost_to_later_click"
                self.winners += [click.affiliate] if is_new else []
            reason = "shared_linear"
        else:
            best = self.rank_clicks(clicks)
            self.winners = [best.affiliate]
            reason = self.verdicts[best.click_id]
        for code, coupon in coupons:
            if coupon.affiliate not in self.winners:
                self.verdicts[code] = "lost_to_click"
            elif self.taken is None:
                self.taken, self.verdicts[code] = coupon, "won_coupon"
            else:
                self.verdicts[code] = "lost_to_other_coupon"
        return reason

    def rank_clicks(self, clicks):
        """Verdicts of clicks (latest first) among themselves; the one that wins."""
        if not clicks:
            return None
        is_first = self.catalogue.store.model == "first"
        self.verdicts.update(
            (click.click_id, "lost_to_earlier_click" if is_first else "lost_to_later_click") for click in clicks)
        best = clicks[-1 if is_first else 0]
        self.verdicts[best.click_id] = "won_first_click" if is_first else "won_last_click"
        return best


# How much.


def covers(rule, affiliate, product, category, currency, placed_us):
    return (rule.from_us <= placed_us < rule.to_us and rule.affiliate in (0, affiliate)
            and rule.product in (0, product) and rule.category in ("", category)
            and rule.currency in ("", currency))


def pick_rule(catalogue, affiliate, external, currency, placed_us):
    """The rule of one line: most specific, then higher priority, later start, lower id."""
    product, category = catalogue.products.get(external, (-1, None))
    found = [rule for rule in catalogue.rules if covers(rule, affiliate, product, category, currency, placed_us)]
    return min(found, default=None, key=lambda rule: (
        LEVELS.index(rule.level), -rule.priority, -rule.from_us, rule.id))


def rate_of(rule, affiliate):
    """The percent of a rule with the affiliate's tier in it; None: it has none."""
    if rule.rate_bp is None:
        return None
    rate = rule.rate_bp
    if rule.level == "store" and affiliate.tier_rate is not None:
        rate = affiliate.tier_rate
    return min(FULL_BP, rate + affiliate.tier_bonus)


@dataclass
class Priced:
    base: int
    amount: int
    rule: Optional[Rule]


def base_of(line, left, is_inclusive):
    if not is_inclusive:
        return left
    return half_up(Fraction(left * FULL_BP, FULL_BP + line.tax_bp))


def price_lines(catalogue, terms, lines, affiliate, placed_us):
    """Each line's base and amount for one affiliate as if alone."""
    priced = []
    for line, left in zip(terms.lines, lines):
        rule = pick_rule(catalogue, affiliate, line.product, terms.currency, placed_us)
        base, amount = base_of(line, left.left, terms.inclusive), 0
        if rule is not None:
            rate = rate_of(rule, catalogue.affiliates.get(affiliate) or Affiliate())
            amount = half_up(Fraction(base * rate, FULL_BP)) if rate is not None else 0
            amount += min(rule.unit * left.quantity, base) if rule.unit is not None else 0
            if rule.cap_line is not None:
                amount = min(amount, rule.cap_line)
        priced.append(Priced(base, amount, rule))
    for rule in {id(line.rule): line.rule for line in priced if line.rule is not None}.values():
        price_rule(rule, [(line, left) for line, left in zip(priced, lines) if line.rule is rule])
    return priced


def price_rule(rule, lines):
    """What a rule gives once for all its lines, and its cap over them."""
    if rule.order is not None:
        first = next((line for line, left in lines if left.quantity > 0), None)
        if first is not None:
            first.amount += rule.order
    total = sum(line.amount for line, _ in lines)
    if rule.cap_order is not None and total > rule.cap_order:
        parts = spread(rule.cap_order, [line.amount for line, _ in lines])
        for (line, _), part in zip(lines, parts):
            line.amount = part


@dataclass
class Share:
    affiliate: int
    full: int
    share: int
    amount: int        # due now: 0 while the order is out
    confirmed: int     # on the first confirmation's terms, nothing taken off
    is_void: bool
    lines: list
    parts: dict        # {rule id: part of the share} of rules with a cap by period
    wishes: dict       # {rule id: what it would take of its cap}: its part when it first applied, nothing taken off


def share_of(full, winners, place):
    return full // winners + (1 if place < full % winners else 0)


def capped_parts(lines, share, winners):
    """What of a share falls to each rule; only rules with a cap by period are told."""
    rules = {}
    for line in lines:
        if line.rule is not None:
            rules.setdefault(line.rule.id, [line.rule, 0])[1] += line.amount
    amounts = [amount for _, amount in rules.values()]
    parts = amounts if winners == 1 else spread(share, amounts)
    return {rule.id: part for (rule, _), part in zip(rules.values(), parts) if rule.cap_period is not None}


class Life:
    """All that an order's events come to. grants: {(affiliate, rule id): granted}; what is not in it is granted whole.
    kept: winners that no evidence moves any more."""

    def __init__(self, events, catalogue, grants=None, kept=None):
        self.catalogue, self.store, self.grants = catalogue, catalogue.store, grants or {}
        self.folded = folded = Folded(events, self.store.collect_on)
        self.match, self.shares, self.lines, self.is_over_refunded = None, [], [], False
        self.state, self.release_us, self.winners, self.is_zero = "new", None, [], False
        if folded.first is None:
            return
        self.placed_us = folded.first.placed_us
        self.match = Match(folded, catalogue)
        self.lines, self.is_over_refunded = left_lines(folded, folded.terms)
        self.is_nothing_left = all(line.is_gone for line in self.lines)
        self.state = self.state_now()
        self.release_us = folded.release_us(self.store.return_days)
        self.find_winners(kept)
        self.shares = [self.share(affiliate, place) for place, affiliate in enumerate(self.winners)]

    def find_winners(self, kept):
        self.winners = self.match.winners if kept is None else kept
        if not self.winners and self.match.self_referrer:
            self.winners, self.is_zero = [self.match.self_referrer], True
        if self.folded.reassigned:
            self.winners, self.is_zero = [self.folded.reassigned], False

    @property
    def is_posted(self):
        """Whether rows are made of it."""
        return self.folded.confirmed is not None and not self.folded.is_test

    @property
    def natural(self):
        """The state of a row in which something, or a zero of its own, is due."""
        return "pending" if self.release_us is None else "held"

    @property
    def result(self):
        if self.folded.is_conflict:
            return "conflict"
        if self.folded.is_test or not self.winners or self.is_zero:
            return "unattributed"
        return "attributed"

    def state_now(self):
        folded = self.folded
        if folded.is_conflict:
            return "conflict"
        if folded.out:
            return folded.out
        if folded.confirmed is None:
            return "placed"
        if self.is_nothing_left:
            return "returned"
        return "collected" if folded.is_collected else "confirmed"

    def price(self, affiliate, place, terms, lines):
        """Lines, their sum, this winner's share of it, and the share's parts under rules with a cap by period."""
        priced = price_lines(self.catalogue, terms, lines, affiliate, self.placed_us)
        full = sum(line.amount for line in priced)
        share = 0 if self.is_zero else share_of(full, len(self.winners), place)
        return priced, full, share, capped_parts(priced, share, len(self.winners))

    def share(self, affiliate, place):
        folded = self.folded
        lines, full, share, parts = self.price(affiliate, place, folded.terms, self.lines)
        wishes, confirmed = {}, 0
        for terms in folded.history:
            _, _, whole, firsts = self.price(affiliate, place, terms, whole_lines(terms))
            if terms is folded.confirmed:
                confirmed = self.granted(affiliate, whole, firsts)
            wishes.update((rule_id, part) for rule_id, part in firsts.items() if rule_id not in wishes)
        amount = self.granted(affiliate, share, parts)
        is_void = folded.is_out or affiliate in folded.voided or self.is_nothing_left and full == 0
        return Share(affiliate, full, share, 0 if is_void else amount, confirmed, is_void, lines,
                     {} if self.is_zero else parts, {} if self.is_zero else wishes)

    def granted(self, affiliate, share, parts):
        """A share less what its parts have over their grants."""
        return share - sum(max(0, part - self.grants.get((affiliate, rule_id), part)) for rule_id, part in parts.items())


if __name__ == "__main__":
    if sys.argv[1:] != ["--selftest"]:
        sys.exit(__doc__)
    import worked
    print("oracle: %d worked lines hold" % worked.selftest())
