# SPDX-License-Identifier: Apache-2.0
"""The worked lines of the money rules, each by hand, and what they leave to be said: the reference has to know them."""

import sys

from book import ACCOUNTS, OrderBook, Room
from facts import Affiliate, Catalogue, Click, Event, Line, Rule, Store, discounted_lines
from life import Life, coupon_code

MINUTE_US = 60 * 10**6
PLACED_US = 1795248000 * 10**6


def at(minutes):
    return PLACED_US + minutes * MINUTE_US


def plain_catalogue(rate_bp=1000, **settings):
    store = Store(**settings)
    return Catalogue(store, {number: Affiliate() for number in (1, 2, 3)}, {"SKU-1": (11, "c")}, {11: store.id},
                     [Rule(1, "store", rate_bp=rate_bp)])


def click(affiliate, minutes, window_s=30 * 86400):
    ms = at(minutes) // 1000
    return Click("%012x7000%016x" % (ms, 2**63 + affiliate), ms, window_s, affiliate, 11)


def lines_of(*units, quantity=1, **more):
    return [Line(str(i), "SKU-1", quantity, unit, **more) for i, unit in enumerate(units, 1)]


def event(kind, minutes, units=(), **more):
    lines = more.pop("lines", None) or lines_of(*units)
    has_terms = kind in ("placed", "confirmed", "amended")
    more.setdefault("placed_us", PLACED_US if kind in ("placed", "confirmed") else None)
    more.setdefault("currency", "EGP" if has_terms else "")
    return Event("%s-%d" % (kind, minutes), "order." + kind, at(minutes), at(minutes), lines=lines, **more)


def check(name, found, expected):
    if found != expected:
        sys.exit("worked.py: %s: %r, not %r" % (name, found, expected))
    return 1


def outcome(events, catalogue=None):
    life = Life(events, catalogue or plain_catalogue())
    return [(share.affiliate, share.amount, "voided" if share.is_void else life.natural) for share in life.shares]


def selftest_simple():
    mine = [click(1, -10)]
    seven = plain_catalogue(750)
    confirmed = event("confirmed", 0, [90900], clicks=mine)
    yield check("909.00 at 7.5 %", outcome([confirmed], seven), [(1, 6818, "pending")])
    yield check("then refused", outcome([confirmed, event("refused", 5)], seven), [(1, 0, "voided")])
    late = event("confirmed", 16 * 1440, [10000], clicks=[click(1, -29 * 1440)])
    yield check("the window ends with placed_at", outcome([late]), [(1, 1000, "pending")])
    kwd = event("confirmed", 0, [12345], clicks=mine, currency="KWD")
    yield check("12.345 KWD at 3.33 %", outcome([kwd], plain_catalogue(333)), [(1, 411, "pending")])
    yield check("two lines of 0.15", outcome([event("confirmed", 0, [15, 15], clicks=mine)]), [(1, 4, "pending")])
    three = event("confirmed", 0, lines=[Line("1", "SKU-1", 3, 10000, 3000)], clicks=mine)
    yield check("3 x 100.00 less 30.00", outcome([three]), [(1, 2700, "pending")])
    back = event("returned", 9, lines=[Line("1", refunded=1)])
    yield check("one of three comes back", outcome([three, back]), [(1, 1800, "pending")])
    fixed = plain_catalogue()
    fixed.rules = [Rule(1, "store", unit=5000, currency="EGP")]
    free = event("confirmed", 0, lines=[Line("1", "SKU-1", 1, 10000, 10000)], clicks=mine)
    yield check("fixed on a line of nothing", outcome([free], fixed), [(1, 0, "pending")])


def selftest_tax():
    inclusive = event("confirmed", 0, [11400, 5700], clicks=[click(1, -10)], discount=1710, inclusive=True)
    for line in inclusive.lines:
        line.tax_bp = 1400
    yield check("discounted", discounted_lines(inclusive), [10260, 5130])
    life = Life([inclusive], plain_catalogue())
    yield check("net", [line.base for line in life.shares[0].lines], [9000, 4500])
    yield check("tax included", outcome([inclusive]), [(1, 1350, "pending")])
    refund = event("refunded", 5, lines=[Line("2", refunded_amount=2565)])
    life = Life([inclusive, refund], plain_catalogue())
    yield check("25.65 of line 2 refunded", [line.amount for line in life.shares[0].lines], [900, 225])
    yield check("the order then", life.shares[0].amount, 1125)


def selftest_many():
    linear = plain_catalogue(model="linear")
    sold = event("confirmed", 0, [10000], clicks=[click(3, -30), click(1, -10), click(2, -20)])
    yield check("three share", outcome([sold], linear), [(1, 334, "pending"), (2, 333, "pending"), (3, 333, "pending")])
    half = event("refunded", 5, refunded_amount=5000)
    yield check("half of it", [amount for _, amount, _ in outcome([sold, half], linear)], [167, 167, 166])
    linear.rules.append(Rule(2, "affiliate", affiliate=2, rate_bp=500))
    own = event("confirmed", 0, [100000], clicks=[click(1, -10), click(2, -20)])
    yield check("each by their own", [amount for _, amount, _ in outcome([own], linear)], [5000, 2500])
    partial = [event("confirmed", 0, [30000, 20000], clicks=[click(1, -10)]),
               event("collected", 9, lines=[Line("1", collected=1)])]
    yield check("only the first collected", outcome(partial), [(1, 3000, "held")])
    back = [event("cancelled", 0), event("confirmed", 5, [10000], clicks=[click(1, -10)])]
    yield check("cancelled, then confirmed", outcome(back[::-1]), [(1, 1000, "pending")])
    early = [event("confirmed", 0, [10000], clicks=[click(1, -10)]),
             event("amended", 10, [10000], clicks=[click(2, -5)])]
    yield check("the first event decides", outcome(early), outcome(early[::-1]))
    yield check("and it was A", outcome(early), [(1, 1000, "pending")])
    conflict = [event("confirmed", 0, [10000], clicks=[click(1, -10)]), event("cancelled", 5), event("collected", 9)]
    yield check("collected after a cancel", (Life(conflict, plain_catalogue()).state, outcome(conflict)),
                ("conflict", [(1, 0, "voided")]))
    yield check("reinstated late", outcome([*conflict, event("reinstated", 7)]), [(1, 1000, "held")])
    yield check("seven codes are one", len({coupon_code(raw) for raw in (
        "ahmed10", " AHMED10 ", "ahmed١٠", "ahmed۱۰", "ａｈｍｅｄ10", "Ahmed10\n", "\u00a0ahmed1٠")}), 1)


def rows(book):
    return [(row.affiliate, row.kind, row.state, row.amount) for row in book.rows]


def selftest_book():
    mine = [click(1, -10)]
    sold = event("confirmed", 0, [80000], clicks=mine)
    book = OrderBook(plain_catalogue()).post([sold])
    yield check("it accrues", book.accounts()[1], accounts(store=-8000, pending=8000))
    book.post([event("collected", 60)])
    yield check("it is collected", book.accounts()[1], accounts(store=-8000, held=8000))
    book.post((), at(60 + 14 * 1440) - 1)
    yield check("the window still runs", rows(book), [(1, "sale", "held", 8000)])
    book.post((), at(60 + 14 * 1440))
    yield check("the window is over", book.accounts()[1], accounts(store=-8000, available=8000))
    book.draft_and_approve()
    yield check("it is on its way", book.accounts()[1], accounts(store=-8000, in_payout=8000))
    book.transfer(True)
    yield check("it is paid", book.accounts()[1], accounts(store=-8000, paid=8000))
    book.post([event("returned", 30 * 1440)])
    yield check("all returned", rows(book), [(1, "sale", "paid", 8000), (1, "adjustment", "approved", -8000)])
    yield check("carried", book.accounts()[1], accounts(paid=8000, available=-8000))
    other = OrderBook(plain_catalogue()).post([event("confirmed", 0, [200000], clicks=mine), event("collected", 60)])
    other.post((), at(99 * 1440))
    payable = sum(row.amount for row in book.rows + other.rows if row.bucket == "available")
    yield check("the next payout of 200.00 pays 120.00", payable, 12000)
    refused = OrderBook(plain_catalogue(750)).post([event("confirmed", 0, [90900], clicks=mine)]).post([event("refused", 5)])
    yield check("refused before collection", (rows(refused), refused.accounts()[1]), ([(1, "sale", "voided", 0)], accounts()))


def selftest_acts():
    mine = [click(1, -10)]
    sold, reassign = event("confirmed", 0, [10000], clicks=mine), event("confirmed", 9, [1])
    reassign.kind, reassign.affiliate, reassign.id = "operator.reassign", 2, "operator-1"
    book = OrderBook(plain_catalogue()).post([sold]).post([reassign])
    yield check("reassigned", rows(book), [(1, "sale", "voided", 0), (2, "sale", "pending", 1000)])
    cap = plain_catalogue()
    cap.rules[0].cap_period, cap.rules[0].currency = 1500, "EGP"
    room = Room({(1, 1): 1500})
    first = OrderBook(cap, room).post([sold])
    second = OrderBook(cap, room).post([event("confirmed", 1, [10000], clicks=mine)])
    yield check("what is left of a month's cap", second.net(), {1: 500})
    first.post([event("cancelled", 5)])
    second.post([event("amended", 5, [50000])])
    yield check("freed room is for later decisions", second.net(), {1: 500})
    third = OrderBook(cap, room).post([event("confirmed", 1, [50000], clicks=mine)])
    yield check("such as this", third.net(), {1: 1000})


def accounts(**given):
    return {**dict.fromkeys(ACCOUNTS, 0), **given}


def selftest():
    """How many facts hold; ends the program at the first that does not."""
    parts = (selftest_simple, selftest_tax, selftest_many, selftest_book, selftest_acts)
    return sum(count for part in parts for count in part())
