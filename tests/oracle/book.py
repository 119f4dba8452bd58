# SPDX-License-Identifier: Apache-2.0
"""What an order's events make of the books: rows by posting after posting, timers and payouts in between, the seven
accounts they leave. Beside life.py, whose amounts it takes."""

from dataclasses import dataclass
from typing import Optional

from life import Life

BUCKETS = {"pending": "pending", "held": "held", "approved": "available", "paid": "paid"}
ACCOUNTS = ("store", "pending", "held", "available", "in_payout", "paid", "platform")


@dataclass
class Row:
    affiliate: int
    kind: str = "sale"
    state: str = "pending"
    amount: int = 0
    confirmed: int = 0
    is_platform: bool = False
    is_in_payout: bool = False
    act: Optional[str] = None

    @property
    def is_frozen(self):
        return self.state == "paid" or self.is_in_payout

    @property
    def bucket(self):
        return "in_payout" if self.is_in_payout and self.state == "approved" else BUCKETS.get(self.state)


class Room:
    """What is left of the caps by period: {(rule id, affiliate): minor units}, shared by all orders of a month."""

    def __init__(self, free=None):
        self.free = dict(free or {})

    def take(self, key, amount):
        self.free[key] = self.free.get(key, 0) - amount


class OrderBook:
    """One order under a sequence of postings."""

    def __init__(self, catalogue, room=None):
        self.catalogue, self.room = catalogue, room or Room()
        self.events, self.rows, self.life = [], [], None
        self.wishes, self.grants, self.used = {}, {}, {}
        self.evidence_winners = None

    def post(self, events=(), now_us=None):
        """Folds the order with these events too; with now_us it is the timer, which ends return windows."""
        known = {event.id for event in self.events}
        self.events += [event for event in events if event.id not in known]
        kept = self.evidence_winners if self.is_locked else None
        life = Life(self.events, self.catalogue, self.grants, kept)
        if life.is_posted and self.grant(life):
            life = Life(self.events, self.catalogue, self.grants, kept)
        self.life = life
        if life.match is not None and not self.is_locked:
            self.evidence_winners = life.match.winners
        self.use(life)
        self.settle(life)
        if now_us is not None:
            self.release(now_us)
        return self

    @property
    def is_locked(self):
        """Once money was on its way no later evidence moves it."""
        return any(row.state in ("approved", "paid", "reversed") or row.kind == "adjustment"
                   for row in self.rows if not row.is_platform)

    def grant(self, life):
        """Takes room for what a rule first asked for; again only when an earlier event changed what that was. Whether
        anything was granted."""
        is_new = False
        for share in life.shares:
            for rule_id, wish in share.wishes.items():
                key = (share.affiliate, rule_id)
                if self.wishes.get(key) != wish:
                    free = self.room.free.get((rule_id, share.affiliate), 0) + self.used.get(key, 0)
                    self.wishes[key] = wish
                    self.grants[key] = min(wish, max(0, free, self.grants.get(key, 0)))
                    is_new = True
        return is_new

    def use(self, life):
        now_used = {}
        for share in life.shares if life.is_posted else ():
            for rule_id, part in share.parts.items():
                key = (share.affiliate, rule_id)
                now_used[key] = 0 if share.is_void else min(part, self.grants.get(key, 0))
        for key in self.used.keys() | now_used.keys():
            self.room.take((key[1], key[0]), now_used.get(key, 0) - self.used.get(key, 0))
        self.used = now_used

    def settle(self, life):
        """Brings the rows to what the fold says, by their rules."""
        shares = {share.affiliate: share for share in life.shares} if life.is_posted else {}
        owners = list(shares) + [row.affiliate for row in self.rows if not row.is_platform]
        for affiliate in dict.fromkeys(owners):
            self.settle_affiliate(life, affiliate, shares.get(affiliate))
        for act in life.folded.events:
            if act.kind == "operator.adjust" and act.id not in {row.act for row in self.rows}:
                self.rows.append(Row(act.affiliate, "adjustment", "approved", act.amount, act.amount, True, act=act.id))

    def settle_affiliate(self, life, affiliate, share):
        due, is_void = (share.amount, share.is_void) if share else (0, True)
        rows = [row for row in self.rows if row.affiliate == affiliate and not row.is_platform]
        sale = next((row for row in rows if row.kind == "sale"), None)
        if sale is None:
            sale = Row(affiliate)
            self.rows.append(sale)
        need = self.give_up(rows, due - sum(row.amount for row in rows))
        has_adjustments = any(row.kind == "adjustment" for row in rows)
        if not sale.is_frozen and sale.amount + need >= 0 and not (need > 0 and has_adjustments):
            sale.amount += need
        elif need != 0:
            rows.append(Row(affiliate, "adjustment", "pending" if need > 0 else "approved", need, need))
            self.rows.append(rows[-1])
        if not sale.is_frozen:
            sale.state = self.sale_state(sale, life.natural, is_void and sale.amount == 0)
            if sale.state in ("pending", "held", "voided") and share is not None:
                sale.confirmed = share.confirmed
        for row in rows:
            if row.kind == "adjustment" and row.state in ("pending", "held"):
                row.state = life.natural

    def give_up(self, rows, need):
        """Less is due: what was promised beside a row that cannot change is taken back first, the latest first. The rest."""
        for row in reversed(rows):
            if need < 0 and row.kind == "adjustment" and row.state in ("pending", "held") and row.amount > 0:
                taken = min(row.amount, -need)
                row.amount -= taken
                row.state = row.state if row.amount else "voided"
                need += taken
        return need

    def sale_state(self, sale, natural, is_void):
        if sale.state == "reversed":
            return "approved" if sale.amount > 0 else "reversed"
        if sale.state == "approved":
            return "reversed" if is_void else "approved"
        return "voided" if is_void else natural

    def release(self, now_us):
        if self.life.release_us is None or self.life.release_us > now_us:
            return
        for row in self.rows:
            if row.state == "held":
                row.state = "approved"

    # Payouts, of all approved rows at once.

    def draft_and_approve(self):
        for row in self.rows:
            row.is_in_payout = row.is_in_payout or row.state == "approved"

    def transfer(self, is_done):
        for row in self.rows:
            if row.is_in_payout and row.state == "approved":
                row.state, row.is_in_payout = ("paid", True) if is_done else ("approved", False)

    def bounce(self):
        for row in self.rows:
            if row.state == "paid":
                row.state, row.is_in_payout = "approved", False

    # What can be compared.

    def net(self):
        """{affiliate: sum of its rows that the store pays for}, without zeros."""
        sums = {}
        for row in self.rows:
            if not row.is_platform:
                sums[row.affiliate] = sums.get(row.affiliate, 0) + row.amount
        return {affiliate: amount for affiliate, amount in sums.items() if amount}

    def due(self):
        """The same from the fold alone."""
        shares = self.life.shares if self.life.is_posted else ()
        return {share.affiliate: share.amount for share in shares if share.amount}

    def accounts(self):
        """{affiliate: {account: minor units}}; each adds up to zero."""
        books = {}
        for row in self.rows:
            account = books.setdefault(row.affiliate, dict.fromkeys(ACCOUNTS, 0))
            if row.bucket:
                account[row.bucket] += row.amount
                account["platform" if row.is_platform else "store"] -= row.amount
        return books
