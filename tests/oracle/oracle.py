#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The money rules once more, in exact fractions and sharing no code with the attributor: prints random orders and
what they must come to, for tests/unit/attributor/test_oracle.c to compare.

usage: tests/oracle/oracle.py price|match COUNT SEED

price: `inclusive discount rate_bp fixed_minor lines | (unit quantity discount tax_bp)… | base… | amount… | total`,
       or `refused` in place of the three results; rate_bp and fixed_minor of -1: none.
match: `model placed_us candidates | (id ms window_s store standing evidence)… | winner verdict…`, winner -1: nobody."""

import random
import sys
from fractions import Fraction

INT64_MAX = 2**63 - 1
PLACED_S = 1795248000
STORE = 7


def half_up(value):
    """Half away from zero; nothing here is negative."""
    return (2 * value + 1).__floor__() // 2


def largest_remainder(total, weights):
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


def price(order):
    """Bases, amounts and their sum; None where a number leaves int64 or a discount takes more than there is."""
    inclusive, discount, rate_bp, fixed, lines = order
    discounted = []
    for unit, quantity, line_discount, _ in lines:
        if unit * quantity > INT64_MAX or line_discount > unit * quantity:
            return None
        discounted.append(unit * quantity - line_discount)
    if sum(discounted) > INT64_MAX or discount > sum(discounted):
        return None
    left = [line - part for line, part in zip(discounted, largest_remainder(discount, discounted))]
    bases, amounts = [], []
    for (_, quantity, _, tax_bp), remaining in zip(lines, left):
        base = half_up(Fraction(remaining * 10000, 10000 + tax_bp)) if inclusive else remaining
        amount = half_up(Fraction(base * rate_bp, 10000)) if rate_bp >= 0 else 0
        amount += min(fixed * quantity, base) if fixed >= 0 else 0
        bases.append(base)
        amounts.append(amount)
    if sum(amounts) > INT64_MAX:
        return None
    return bases, amounts, sum(amounts)


def random_amount(rng):
    """Mostly what things cost, at times what only a hostile store asks."""
    kind = rng.randrange(12)
    if kind == 0:
        return 0
    if kind == 1:
        return rng.randrange(2**rng.randrange(1, 64))
    return rng.randrange(1, 10 ** rng.randrange(1, 8))


def random_order(rng):
    """Discounts are drawn so that most, not all, are possible."""
    inclusive = rng.randrange(2)
    lines = []
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8, 20))):
        unit, quantity = random_amount(rng), rng.choice((1, 1, 2, 3, 10, 1000, 1000000))
        ceiling = min(unit * quantity, INT64_MAX)
        line_discount = rng.choice((0, 0, ceiling, rng.randint(0, ceiling), min(ceiling + 1, INT64_MAX)
                                    if rng.randrange(20) == 0 else ceiling // 3))
        tax_bp = rng.choice((0, 500, 1400, 1500, 10000, rng.randrange(10001)))
        lines.append((unit, quantity, line_discount, tax_bp))
    whole = min(sum(max(unit * quantity - less, 0) for unit, quantity, less, _ in lines), INT64_MAX)
    discount = rng.choice((0, 0, whole, whole // 7, rng.randint(0, whole),
                           min(whole + 1, INT64_MAX) if rng.randrange(20) == 0 else whole // 2))
    rate_bp = rng.choice((-1, 0, 1, 333, 750, 1000, 10000, rng.randrange(10001)))
    fixed = rng.choice((-1, -1, 0, 5000, random_amount(rng))) if rate_bp >= 0 else random_amount(rng)
    return inclusive, discount, rate_bp, fixed, lines


def words(numbers):
    return " ".join(str(number) for number in numbers)


def print_price(rng):
    order = random_order(rng)
    inclusive, discount, rate_bp, fixed, lines = order
    outcome = price(order)
    given = words(field for line in lines for field in line)
    head = words((inclusive, discount, rate_bp, fixed, len(lines)))
    if outcome is None:
        print("%s | %s | refused" % (head, given))
    else:
        print("%s | %s | %s | %s | %d" % (head, given, words(outcome[0]), words(outcome[1]), outcome[2]))


def refusal(placed_us, candidate):
    """The first reason against a click, in the order of the rules; None: it stands."""
    _, clicked_ms, window_s, store, standing, evidence = candidate
    age = Fraction(placed_us, 1000000) - clicked_ms // 1000
    reasons = (
        ("wrong_store", store != STORE),
        ("affiliate_suspended", standing == "suspended"),
        ("out_of_window", age > window_s),
        ("click_after_order", age < -300),
        ("record_mismatch", evidence == "mismatch"),
        ("unknown_affiliate", standing == "unknown"),
    )
    return next((name for name, is_so in reasons if is_so), None)


def random_click(rng, placed_us):
    """Near the edges of its window as often as not; ids begin with their time, as UUIDv7 do."""
    window_s = rng.choice((0, 60, 86400, 30 * 86400, 2**32 - 1))
    edge_s = rng.choice((0, 300, -window_s, -window_s // 2, rng.randint(-window_s - 400, 400)))
    clicked_ms = max(0, placed_us // 1000 + edge_s * 1000 + rng.choice((-1000, -1, 0, 1, 999, 1000)))
    if rng.randrange(3) == 0:
        clicked_ms = clicked_ms // 60000 * 60000
    click_id = "%012x7%03x%016x" % (clicked_ms, rng.choice((0, 1, rng.randrange(4096))),
                                    2**63 + rng.choice((0, 1, rng.randrange(2**62))))
    return (click_id, clicked_ms, window_s, rng.choice((STORE,) * 8 + (0, 8)),
            rng.choice(("active",) * 8 + ("suspended", "unknown")), rng.choice(("none", "agrees", "agrees", "mismatch")))


def print_match(rng):
    model = rng.choice(("last", "first"))
    placed_us = PLACED_S * 1000000 + rng.choice((0, 1, 999999, rng.randrange(10**9)))
    clicks = {click[0]: click for click in (random_click(rng, placed_us) for _ in range(rng.randrange(12)))}
    clicks = list(clicks.values())
    verdicts = [refusal(placed_us, click) for click in clicks]
    standing = [i for i, verdict in enumerate(verdicts) if verdict is None]
    winner = -1
    if standing:
        pick = max if model == "last" else min
        winner = pick(standing, key=lambda i: (clicks[i][1] // 1000, clicks[i][0]))
    for i in standing:
        verdicts[i] = "lost_to_later_click" if model == "last" else "lost_to_earlier_click"
    if standing:
        verdicts[winner] = "won_last_click" if model == "last" else "won_first_click"
    print("%s %d %d | %s | %s" % (model, placed_us, len(clicks), words(field for click in clicks for field in click),
                                  words([winner] + verdicts)))


def main():
    what, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random("%s %d" % (what, seed))
    for _ in range(count):
        {"price": print_price, "match": print_match}[what](rng)


if __name__ == "__main__":
    main()
