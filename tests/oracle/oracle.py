#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of who and how much once more, in exact fractions and sharing no code with the attributor: prints random
orders and what they must come to, one a line, for tests/unit/attributor/test_oracle.c to compare.

usage: tests/oracle/oracle.py price|match COUNT SEED

price: a store's rules and tiers, an order's terms, an amendment, refunds, returns, collections, the room of caps by
       period; then each winner's lines and sums, or `refused`. Absent figures are -1, absent words -.
match: a store's settings, clicks and coupons; then winners and verdicts."""

import random
import sys
from fractions import Fraction

INT64_MAX = 2**63 - 1
FULL_BP = 10000
PLACED_S = 1795248000
STORE = 7
LEVELS = ("affiliate_product", "product", "affiliate_category", "category", "affiliate", "store")
CURRENCIES = (("JPY", 0), ("EGP", 2), ("KWD", 3))
PRODUCTS = {"P1": (11, "shoes"), "P2": (12, "shoes"), "P3": (13, "bags"), "P4": (14, "-")}  # P0: in no catalogue


class TooMuch(Exception):
    """A number that leaves int64, or a discount of more than there is."""


def count(value):
    if value > INT64_MAX:
        raise TooMuch
    return value


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


# What is left of the lines. Terms: (inclusive, discount, [(line_id, product, unit, quantity, discount, tax_bp)]).


def discounted(terms):
    amounts = []
    for _, _, unit, quantity, less, _ in terms[2]:
        if less > count(unit * quantity):
            raise TooMuch
        amounts.append(unit * quantity - less)
    if terms[1] > count(sum(amounts)):
        raise TooMuch
    return [amount - part for amount, part in zip(amounts, largest_remainder(terms[1], amounts))]


def stream(events, lines, amounts):
    """What the events of one kind say was given back: amount and quantity of each line, and of the order beside them."""
    told, beside = {}, 0
    for _, named, of_order in events:
        if not named and of_order is not None:
            beside = of_order
        for i, (line_id, _, _, quantity, _, _) in enumerate(lines):
            if not named and of_order is None:
                told[i] = (amounts[i], quantity)
            elif line_id in named:
                units, amount = named[line_id]
                if units is None:
                    units = quantity if amount >= amounts[i] else 0
                if amount is None:
                    amount = half_up(Fraction(amounts[i] * min(units, quantity), quantity))
                told[i] = (amount, units)
    return told, beside


def uncollected(events, lines):
    """Units that stayed behind at the door, by index."""
    partial = any(named for _, named, _ in events)
    collected = {}
    for _, named, _ in events:
        for line_id, _, _, quantity, _, _ in lines:
            if not named:
                collected[line_id] = quantity
            elif line_id in named:
                units = named[line_id][0]
                collected[line_id] = quantity if units is None else units
    return [max(0, line[3] - collected.get(line[0], 0)) if partial else 0 for line in lines]


def left_of(terms, events):
    """(whole, left, units) of each line, after everything that came back."""
    lines, amounts = terms[2], discounted(terms)
    refunded, refund = stream([event for event in events if event[0] == "refunded"], lines, amounts)
    returned, return_ = stream([event for event in events if event[0] == "returned"], lines, amounts)
    behind = uncollected([event for event in events if event[0] == "collected"], lines)
    left, units = [], []
    for i, line in enumerate(lines):
        amount, back = max(refunded.get(i, (0, 0)), returned.get(i, (0, 0)))
        amount += half_up(Fraction(amounts[i] * behind[i], line[3]))
        left.append(max(0, amounts[i] - amount))
        units.append(max(0, line[3] - back - behind[i]))
    beside, rest = max(refund, return_), sum(left)
    parts = largest_remainder(min(beside, rest), left)
    for i, part in enumerate(parts):
        if beside > 0 and (beside >= rest or 0 < part == left[i]):
            units[i] = 0  # an amount that reaches the line takes all of it
    return list(zip(amounts, (whole - part for whole, part in zip(left, parts)), units))


# How much. Rules: dictionaries. Priced lines: [base, amount, rule, reason].


def rule_of(order, affiliate, product):
    """The rule of a product for an affiliate; or None and why."""
    product_id, category = PRODUCTS.get(product, (None, None))
    fit = [rule for rule in order["rules"]
           if rule["affiliate"] in (0, affiliate) and rule["product"] in (0, product_id)
           and rule["category"] in ("-", category) and rule["from"] <= 0 < rule["to"]]
    paid = [rule for rule in fit if rule["currency"] in ("-", order["currency"])]
    if not paid:
        return None, "no_rule_for_currency" if fit else "no_rule"
    return min(paid, key=lambda rule: (LEVELS.index(rule["level"]), -rule["priority"], -rule["from"], rule["id"])), "-"


def rate_of(order, rule, affiliate):
    bonus, instead = order["tiers"].get(affiliate, (0, -1))
    base = instead if rule["level"] == "store" and instead >= 0 else rule["rate"]
    return min(FULL_BP, base + bonus)


def price_line(order, affiliate, inclusive, line, what_is_left):
    _, product, _, _, _, tax_bp = line
    whole, left, units = what_is_left
    base = half_up(Fraction(left * FULL_BP, FULL_BP + tax_bp)) if inclusive else left
    rule, reason = rule_of(order, affiliate, product)
    if rule is None:
        return [base, 0, None, reason]
    amount = half_up(Fraction(base * rate_of(order, rule, affiliate), FULL_BP)) if rule["rate"] >= 0 else 0
    if rule["unit"] >= 0:
        amount = count(amount + min(rule["unit"] * units, base))
        reason = "capped_line" if rule["unit"] * units > base else reason
    if 0 <= rule["cap_line"] < amount:
        amount, reason = rule["cap_line"], "capped_line"
    return [base, amount, rule, reason]


def cap(priced, rule, most, reason):
    """What a cap over all lines of a rule takes is spread over them."""
    under = [line for line in priced if line[2] is rule]
    if count(sum(line[1] for line in under)) <= most:
        return
    for line, part in zip(under, largest_remainder(most, [line[1] for line in under])):
        if part < line[1]:
            line[1], line[3] = part, reason


def price_terms(order, affiliate, terms, left):
    priced = [price_line(order, affiliate, terms[0], line, what) for line, what in zip(terms[2], left)]
    rules = []
    for line in priced:
        if line[2] is not None and line[2] not in rules:
            rules.append(line[2])
    for rule in rules:
        there = [line for line, what in zip(priced, left) if line[2] is rule and what[2] > 0]
        if rule["order"] >= 0 and there:
            there[0][1] = count(there[0][1] + rule["order"])
    for line, (whole, rest, units) in zip(priced, left):
        if line[2] is None or line[1] != 0:
            continue
        if rest == 0 and (whole > 0 or units == 0):
            line[3] = "returned"
        elif line[3] == "-" and (line[2]["rate"] >= 0 or line[2]["unit"] >= 0):
            line[3] = "rounds_to_zero"
    for rule in rules:
        if rule["cap_order"] >= 0:
            cap(priced, rule, rule["cap_order"], "capped_order")
    return priced, rules, count(sum(line[1] for line in priced))


def share_parts(priced, rules, full, winners, place):
    """A winner's share of full, and what of it falls to each rule."""
    share = full // winners + (1 if place < full % winners else 0)
    amounts = [sum(line[1] for line in priced if line[2] is rule) for rule in rules]
    parts = amounts if winners == 1 else largest_remainder(share, amounts)
    return share, {rule["id"]: part for rule, part in zip(rules, parts)}


def after_period(share, parts, granted):
    return share - sum(max(0, part - granted[rule]) for rule, part in parts.items() if rule in granted)


def price_winner(order, place):
    """Priced lines, and full, share, amount and confirmed amount."""
    affiliate, winners = order["winners"][place], len(order["winners"])
    whole = [[(amount, amount, line[3]) for line, amount in zip(terms[2], discounted(terms))]
             for terms in order["terms"]]
    granted, confirmed = {}, None
    for terms, left in zip(order["terms"], whole):
        priced, rules, full = price_terms(order, affiliate, terms, left)
        share, parts = share_parts(priced, rules, full, winners, place)
        for rule in rules:
            if rule["cap_period"] >= 0 and rule["id"] not in granted:
                free = order["room"].get((affiliate, rule["id"]), rule["cap_period"])
                granted[rule["id"]] = min(parts[rule["id"]], max(0, free))
        confirmed = confirmed or (share, parts)
    terms = order["terms"][-1]
    priced, rules, full = price_terms(order, affiliate, terms, left_of(terms, order["events"]))
    share, parts = share_parts(priced, rules, full, winners, place)
    for rule in rules:
        if winners == 1 and rule["id"] in granted:
            cap(priced, rule, granted[rule["id"]], "capped_period")
    return priced, (full, share, after_period(share, parts, granted), after_period(*confirmed, granted))


# Random orders.


def random_amount(rng):
    """Mostly what things cost, at times what only a hostile store asks."""
    kind = rng.randrange(24)
    if kind < 2:
        return 0
    if kind == 2:
        return rng.randrange(2**rng.randrange(1, 64))
    return rng.randrange(1, 10 ** rng.randrange(1, 8))


def random_terms(rng, inclusive):
    """Discounts are drawn so that most, not all, are possible."""
    lines = []
    for number in rng.sample(range(1, 13), rng.choice((1, 1, 2, 3, 5, 8, 12))):
        unit, quantity = random_amount(rng), rng.choice((1, 1, 2, 3, 10, 1000, 1000000))
        ceiling = min(unit * quantity, INT64_MAX)
        above = min(ceiling + 1, INT64_MAX) if rng.randrange(60) == 0 else ceiling // 3
        less = rng.choice((0, 0, 0, ceiling, rng.randint(0, ceiling), above))
        tax_bp = rng.choice((0, 500, 1400, 1500, 10000, rng.randrange(10001)))
        product = "P%d" % (number % 5)  # a line keeps its product in an amendment
        lines.append(("L%d" % number, product, unit, quantity, less, tax_bp))
    whole = min(sum(max(unit * quantity - less, 0) for _, _, unit, quantity, less, _ in lines), INT64_MAX)
    above = min(whole + 1, INT64_MAX) if rng.randrange(40) == 0 else whole // 2
    return inclusive, rng.choice((0, 0, 0, whole, whole // 7, rng.randint(0, whole), above)), lines


def random_rule(rng, number, currency):
    level = rng.choice(LEVELS)
    product = rng.choice((11, 12, 13, 14)) if level.endswith("product") else 0
    rate = rng.choice((-1, 0, 1, 333, 750, 1000, 10000, rng.randrange(10001)))
    unit = rng.choice((-1, -1, 0, 5000, random_amount(rng)))
    of_order = rng.choice((-1, -1, 0, random_amount(rng))) if level in ("affiliate", "store") else -1
    if rate < 0 and unit < 0 and of_order < 0:
        rate = 1000
    caps = [rng.choice((-1, -1, -1, 0, rng.randrange(1000), random_amount(rng))) for _ in range(3)]
    has_money = max(unit, of_order, *caps) >= 0
    other = rng.choice([name for name, _ in CURRENCIES]) if rng.randrange(6) == 0 else currency
    start = rng.choice((-10**12, -10**12, -1, 0, 1))
    return {"id": number, "level": level, "affiliate": rng.randint(1, 4) if level.startswith("affiliate") else 0,
            "product": product, "category": rng.choice(("shoes", "bags")) if level.endswith("category") else "-",
            "rate": rate, "unit": unit, "order": of_order, "cap_line": caps[0], "cap_order": caps[1],
            "cap_period": caps[2], "currency": other if has_money else "-", "priority": rng.choice((0, 0, 0, 1, -1)),
            "from": start, "to": rng.choice((10**12, 10**12, 10**12, 1, 0)) if start < 0 else 10**12}


def random_back(rng, lines):
    """One event that gives something back, in cumulative figures, at times of more than there is."""
    kind = rng.choice(("refunded", "refunded", "returned", "collected"))
    chosen = rng.sample(lines, rng.randint(0, len(lines)))
    named = {}
    for line_id, _, unit, quantity, less, _ in chosen:
        # What comes back is told in sums that any sender could write; the bounds of int64 are the lines' to test.
        whole = min(max(unit * quantity - less, 0), 10**15)
        units = rng.choice((0, 1, quantity, rng.randint(0, quantity), quantity + 1))
        amount = rng.choice((0, whole, whole // 2, rng.randint(0, whole), whole + 1))
        if kind == "collected":
            named[line_id] = (rng.choice((None, units)), None)
        else:
            named[line_id] = rng.choice(((units, None), (None, amount), (units, amount)))
    of_order = rng.randrange(10 ** rng.randrange(1, 8)) if not named and rng.randrange(3) else None
    return kind, named, None if kind == "collected" else of_order


def random_order(rng):
    currency, digits = rng.choice(CURRENCIES)
    inclusive = rng.randrange(2)
    terms = [random_terms(rng, inclusive)]
    if rng.randrange(4) == 0:
        terms.append(random_terms(rng, inclusive))
    rules = [random_rule(rng, number, currency) for number in rng.sample(range(1, 30), rng.randrange(9))]
    winners = rng.sample((1, 2, 3, 4), rng.choice((1, 1, 1, 2, 3, 4)))
    tiers = {affiliate: rng.choice(((100, -1), (9999, -1), (0, 0), (0, 1234)))
             for affiliate in winners if rng.randrange(3) == 0}
    events = [random_back(rng, terms[-1][2]) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]
    if any(of_order is not None for _, _, of_order in events):  # never "all of it" beside a figure of the order
        events = [event for event in events if event[1] or event[2] is not None or event[0] == "collected"]
    room = {(affiliate, rule["id"]): rng.choice((-5, 0, 1, rng.randint(0, rule["cap_period"])))
            for affiliate in winners for rule in rules if rule["cap_period"] >= 0 and rng.randrange(2)}
    return {"currency": currency, "digits": digits, "terms": terms, "rules": rules, "winners": winners,
            "tiers": tiers, "events": events, "room": room}


def decimal(minor, digits):
    """As a sender writes it; at times with fewer digits than the currency has."""
    if digits == 0:
        return str(minor)
    text = "%d.%0*d" % (minor // 10**digits, digits, minor % 10**digits)
    return text.rstrip("0").rstrip(".") if minor % 3 == 0 else text


def told(value):
    return -1 if value is None else value


def words_of(order):
    """The order as the test reads it."""
    yield from (order["currency"], len(order["rules"]), len(order["winners"]), len(order["terms"]),
                len(order["events"]), len(order["room"]))
    for rule in order["rules"]:
        yield from (rule[name] for name in ("id", "level", "affiliate", "product", "category", "rate", "unit", "order",
                                            "cap_line", "cap_order", "cap_period", "currency", "priority", "from", "to"))
    for affiliate in order["winners"]:
        yield from (affiliate, *order["tiers"].get(affiliate, (0, -1)))
    for inclusive, discount, lines in order["terms"]:
        yield from (inclusive, discount, len(lines))
        for line in lines:
            yield from line
    for kind, named, of_order in order["events"]:
        yield from (kind, "-" if of_order is None else decimal(of_order, order["digits"]), len(named))
        for line_id, (units, amount) in named.items():
            yield from (line_id, told(units), "-" if amount is None else decimal(amount, order["digits"]))
    for (affiliate, rule), free in order["room"].items():
        yield from (affiliate, rule, free)


def words(values):
    return " ".join(str(value) for value in values)


def print_price(rng):
    order = random_order(rng)
    try:
        results = [price_winner(order, place) for place in range(len(order["winners"]))]
    except TooMuch:
        print(words(words_of(order)), "| refused")
        return
    print(words(words_of(order)), "|", " | ".join(
        words([*sums, *(word for base, amount, rule, reason in priced
                        for word in (base, amount, rule["id"] if rule else 0, reason))]) for priced, sums in results))


# Who. Clicks: (id, ms, window_s, affiliate, store, standing, evidence, is_customer); coupons: (id, affiliate, standing,
# is_customer, held_back).


def click_refusal(placed_us, click, blocks):
    """The first reason against a click, in the order of the rules; None: it stands."""
    _, clicked_ms, window_s, _, store, standing, evidence, is_customer = click
    age = Fraction(placed_us, 1000000) - clicked_ms // 1000
    reasons = (
        ("wrong_store", store != STORE),
        ("affiliate_suspended", standing == "suspended"),
        ("out_of_window", age > window_s),
        ("click_after_order", age < -300),
        ("self_referral", is_customer and blocks),
        ("record_mismatch", evidence == "mismatch"),
        ("unknown_affiliate", standing == "unknown"),
    )
    return next((name for name, is_so in reasons if is_so), None)


def coupon_refusal(coupon, blocks):
    number, _, standing, is_customer, held_back = coupon
    if number == 0:
        return "coupon_unknown"
    reasons = (("affiliate_suspended", standing == "suspended"), ("self_referral", is_customer and blocks),
               ("unknown_affiliate", standing == "unknown"), (held_back, held_back != "-"))
    return next((name for name, is_so in reasons if is_so), None)


def match(store, clicks, coupons, blocks):
    """Reason, winners, coupon used, whether coupons were stacked, verdicts of clicks and of coupons."""
    model, precedence, placed_us = store
    click_words = [click_refusal(placed_us, click, blocks) for click in clicks]
    coupon_words = [coupon_refusal(coupon, blocks) for coupon in coupons]
    latest = sorted((i for i, word in enumerate(click_words) if word is None),
                    key=lambda i: (clicks[i][1] // 1000, clicks[i][0]), reverse=True)
    valid = [i for i, word in enumerate(coupon_words) if word is None]
    owner = lambda i: coupons[i][1]
    used, stacked, winners = 0, False, []

    def single(candidates):
        best = candidates[-1 if model == "first" else 0]
        for i in candidates:
            click_words[i] = "lost_to_earlier_click" if model == "first" else "lost_to_later_click"
        click_words[best] = "won_first_click" if model == "first" else "won_last_click"
        return best

    if valid and (precedence == "coupon_first" or not latest):
        winners, used = [owner(valid[0])], coupons[valid[0]][0]
        for i in latest:
            click_words[i] = "lost_to_coupon"
        own = [i for i in latest if clicks[i][3] == winners[0]]
        if own:
            single(own)
        for i in valid:
            coupon_words[i] = "won_coupon" if i == valid[0] else "lost_to_other_coupon"
            stacked = stacked or owner(i) != winners[0]
        return "won_coupon", winners, used, stacked, click_words, coupon_words
    if not latest:
        reason = "all_refused" if clicks or coupons else "no_candidates"
        return reason, [], 0, False, click_words, coupon_words
    if model == "linear":
        reason = "shared_linear"
        for i in latest:
            click_words[i] = "lost_to_later_click" if clicks[i][3] in winners else "shared_linear"
            if clicks[i][3] not in winners:
                winners.append(clicks[i][3])
    else:
        best = single(latest)
        reason, winners = click_words[best], [clicks[best][3]]
    for i in valid:
        if owner(i) not in winners:
            coupon_words[i] = "lost_to_click"
        elif used:
            coupon_words[i] = "lost_to_other_coupon"
        else:
            coupon_words[i], used = "won_coupon", coupons[i][0]
    return reason, winners, used, False, click_words, coupon_words


def evidence_of(reason, clicks, click_words):
    """What the decision rests on: the coupon, or the weakest of the clicks that decided."""
    if reason == "won_coupon":
        return "coupon"
    won = [click[6] for click, word in zip(clicks, click_words) if word == reason]
    return "-" if not won else "record" if all(word == "agrees" for word in won) else "token"


def random_person(rng):
    return rng.choice(("active",) * 8 + ("suspended", "unknown")), int(rng.randrange(5) == 0)


def random_click(rng, placed_us):
    """Near the edges of its window as often as not; ids begin with their time, as UUIDv7 do."""
    window_s = rng.choice((0, 60, 86400, 30 * 86400, 2**32 - 1))
    edge_s = rng.choice((0, 300, -window_s, -window_s // 2, rng.randint(-window_s - 400, 400)))
    clicked_ms = max(0, placed_us // 1000 + edge_s * 1000 + rng.choice((-1000, -1, 0, 1, 999, 1000)))
    if rng.randrange(3) == 0:
        clicked_ms = clicked_ms // 60000 * 60000
    click_id = "%012x7%03x%016x" % (clicked_ms, rng.choice((0, 1, rng.randrange(4096))),
                                    2**63 + rng.choice((0, 1, rng.randrange(2**62))))
    standing, is_customer = random_person(rng)
    return (click_id, clicked_ms, window_s, rng.randint(1, 4), rng.choice((STORE,) * 8 + (0, 8)), standing,
            rng.choice(("none", "agrees", "agrees", "mismatch")), is_customer)


def random_coupon(rng, number):
    held_back = rng.choice(("-",) * 6 + ("coupon_expired", "coupon_exhausted", "coupon_suspended"))
    return (rng.choice((0, number, number, number)), rng.randint(1, 4), *random_person(rng), held_back)


def print_match(rng):
    placed_us = PLACED_S * 1000000 + rng.choice((0, 1, 999999, rng.randrange(10**9)))
    store = rng.choice(("last", "first", "linear")), rng.choice(("coupon_first", "click_first")), placed_us
    blocks = rng.randrange(2)
    clicks = {click[0]: click for click in (random_click(rng, placed_us) for _ in range(rng.randrange(12)))}
    clicks = list(clicks.values())
    coupons = [random_coupon(rng, number) for number in range(1, 1 + rng.choice((0, 0, 1, 2, 4)))]
    reason, winners, used, stacked, click_words, coupon_words = match(store, clicks, coupons, blocks)
    would = []
    if not winners and blocks:
        would = match(store, clicks, coupons, 0)[1]
    print(words((*store, blocks, len(clicks), len(coupons))), "|",
          words(field for candidate in clicks + coupons for field in candidate), "|",
          words((reason, evidence_of(reason, clicks, click_words), used, int(stacked), would[0] if would else 0,
                 len(winners), *winners, *click_words, *coupon_words)))


def main():
    what, orders, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random("%s %d" % (what, seed))
    for _ in range(orders):
        {"price": print_price, "match": print_match}[what](rng)


if __name__ == "__main__":
    main()
