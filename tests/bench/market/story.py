# SPDX-License-Identifier: Apache-2.0
"""What the shops tell of their orders: each order's events, signed by nobody yet, in the order in which they are sent.
Some are sent late, some twice, some upside down. All of it follows from the seed, but for the hour at which the run
begins and the tokens that clicks bring; digest() leaves these two out."""

import datetime
import hashlib
import json
import random

LATE_SHARE, REPEAT_SHARE, SHUFFLED_SHARE = 0.03, 0.03, 0.05
SPACING = 400       # orders between two events of one order
LATE_RANKS = 20000  # and by how many at most a late one is later, or a repeated one sent again


class Event:
    """One event of an order. body() is the same bytes however often it is asked for."""

    __slots__ = ("order", "kind", "after_s", "said", "id", "is_repeated")

    def __init__(self, order, kind, after_s, said, rng):
        self.order, self.kind, self.after_s, self.said = order, kind, after_s, said
        self.id = "msg_%032x" % rng.getrandbits(128)
        self.is_repeated = False

    def body(self, begun_s):
        """begun_s: the Unix time from which the days are counted back."""
        order, data = self.order, {"order_id": self.order.order_id, **self.said}
        if self.kind in ("placed", "confirmed"):
            data.update(goods_of(order), placed_at=instant(begun_s + order.placed_s))
        return json.dumps({"type": "order." + self.kind, "timestamp": instant(begun_s + self.after_s),
                           "data": data}).encode()


def instant(at_s):
    return datetime.datetime.fromtimestamp(at_s, datetime.timezone.utc).isoformat()


def money(minor):
    return "%d.%02d" % divmod(minor, 100)


def goods_of(order):
    lines = [{"line_id": str(n), "product_id": line.product.external_id, "quantity": line.quantity,
              "unit_price": money(line.unit_minor), "discount": money(line.discount_minor)}
             for n, line in enumerate(order.lines, 1)]
    goods = {"currency": "EGP", "payment": "cod", "lines": lines, "discount": money(order.discount_minor),
             "shipping": "50.00", "clicks": order.tokens,
             "customer": {"phone_sha256": hashlib.sha256(b"+20%d" % order.customer).hexdigest()}}
    if order.store.is_inclusive:
        goods.update(prices_include_tax=True, tax_rate="14%")
    if order.coupon:
        goods["coupons"] = [order.coupon.code.lower()]
    if order.is_test:
        goods["test"] = True
    return goods


def steps(order):
    """(kind, steps after it was placed, what the event says); the parcel that comes back late is not among them."""
    fate = order.fate
    yield "placed", 0, {}
    if fate == "placed":
        return
    yield "confirmed", 1, {}
    if fate == "cancelled":
        yield "cancelled", 2, {"reason": "customer_cancelled"}
        return
    if fate == "reinstated":
        yield "cancelled", 2, {"reason": "unreachable"}
        yield "reinstated", 3, {}
    yield "shipped", 4, {}
    if fate == "pending":
        return
    if fate == "refused":
        yield "refused", 5, {"reason": "refused_at_door"}
        return
    yield "delivered", 5, {}
    lines = [{"line_id": str(n), "collected_quantity": line.collected} for n, line in enumerate(order.lines, 1)]
    yield "collected", 6, {"lines": lines} if fate == "partial" else {}
    if fate == "returned":
        yield "returned", 7, {"reason": "defective"}
    for number, line in enumerate(order.lines, 1):
        if line.refunded:
            yield "refunded", 7, {"lines": [{"line_id": str(number), "refunded_quantity": line.refunded}]}


class Story:
    """sent: events in the order in which they are sent; one that is in it twice is sent twice. late: what comes once
    the commissions are approved."""

    def __init__(self, market, seed):
        self.market, rng = market, random.Random("story %d" % seed)
        ranked = []
        for number, order in enumerate(market.orders):
            events = [Event(order, kind, order.placed_s + step * order.step_s, said, rng)
                      for kind, step, said in steps(order)]
            if rng.random() < SHUFFLED_SHARE:
                rng.shuffle(events)
            for place, event in enumerate(events):
                rank = number + place * SPACING + rng.random()
                if rng.random() < LATE_SHARE:
                    rank += rng.randrange(LATE_RANKS)
                ranked.append((rank, event))
                if rng.random() < REPEAT_SHARE:
                    event.is_repeated = True
                    ranked.append((rank + rng.randrange(LATE_RANKS), event))
        ranked.sort(key=lambda pair: pair[0])
        self.sent = [event for _, event in ranked]
        self.late = [Event(order, "returned", 0, {"reason": "returned"}, rng)
                     for order in market.orders if order.fate == "late"]

    def digest(self):
        """SHA-256 of the catalogue, the clicks and every body, with the run beginning at 0 and no click made."""
        whole = hashlib.sha256()
        market = self.market
        for store in market.stores:
            whole.update(repr((store.rate_bp, store.fixed_minor, store.model, store.precedence, store.collect_on,
                               store.return_days, store.window_days,
                               [(p.external_id, p.rate_bp) for p in store.products],
                               [(c.code, c.affiliate) for c in store.coupons])).encode())
        for order in market.orders:
            for visit in order.visits:
                whole.update(b"%d %s %d\n" % (visit.affiliate, visit.product.external_id.encode(), visit.days))
        for event in self.sent + self.late:
            whole.update(b"%d %s %s\n" % (event.order.store.number, event.id.encode(), event.body(0)))
        return whole.hexdigest()
