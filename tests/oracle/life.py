#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole life of an order once more, in exact fractions and sharing no code with the attributor: its events in any
order in, out of it who earned what. book.py makes rows and a ledger of it, history.py draws random ones.

usage: tests/oracle/life.py --selftest     the worked lines of the money rules, by hand"""

import sys
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import Optional

from facts import ACTS, EARLY_US, FULL_BP, LEVELS, Affiliate, Folded, Rule, half_up, left_lines, spread, whole_lines

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
            clicks = {click.click_id if click.result == "ok" else "%s#%d" % (click.result, i): click
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
        if self.folded.is_test:
            return "unattributed"
        if self.folded.is_conflict:
            return "conflict"
        return "attributed" if self.winners and not self.is_zero else "unattributed"

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
        if self.is_zero:
            return priced, full, 0, {}
        share = share_of(full, len(self.winners), place)
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
        return Share(affiliate, full, share, 0 if is_void else amount, confirmed, is_void, lines, parts, wishes)

    def granted(self, affiliate, share, parts):
        """A share less what its parts have over their grants."""
        return share - sum(max(0, part - self.grants.get((affiliate, rule_id), part)) for rule_id, part in parts.items())


if __name__ == "__main__":
    if sys.argv[1:] != ["--selftest"]:
        sys.exit(__doc__)
    import worked
    print("oracle: %d worked lines hold" % worked.selftest())
