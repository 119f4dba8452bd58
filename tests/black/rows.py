# SPDX-License-Identifier: Apache-2.0
"""Orders and their money written by hand, in the statements that the attributor has a right to: for tests of what the
database itself does with them."""

STEPS = {"held": ("pending", "collect"), "approved": ("held", "approve")}
BUCKETS = {"pending": "pending", "held": "held", "approved": "available"}


class Rows:
    """For a stack with store 1, affiliate 1 and no attributor running: nobody folds these orders again."""

    def __init__(self, stack):
        self.stack = stack
        self.orders = 0

    def sql(self, query, role="attributor"):
        return self.stack.sql("BEGIN;" + query + ";COMMIT", role)

    def one(self, query, role="owner"):
        """The one cell of a query."""
        return self.stack.sql(query, role)[0][0]

    def order(self, amount=1000, state="pending", affiliate=1, store=1, currency="EGP"):
        """An order with an event, a decision, a line, a share and a commission that has come as far as state, each step
        with its entries. Returns its name and the commission's id."""
        self.orders += 1
        name = "order-%d" % self.orders
        steps = "".join(self.stepped(step, amount) for step in list(STEPS)[:list(STEPS).index(state) + 1]) \
            if state in STEPS else ""
        rows = self.sql(f"""
            INSERT INTO wasl.orders (store_id, order_id) VALUES ({store}, '{name}');
            UPDATE wasl.orders SET state = 'confirmed', currency = '{currency}', placed_at = now(), confirmed_at = now(),
                decision_version = 1 WHERE store_id = {store} AND order_id = '{name}';
            INSERT INTO wasl.event_ids (store_id, event_id, order_id, body_sha256, received_at, decision_version)
                VALUES ({store}, 'msg-{name}', '{name}', sha256('x'), now(), 1);
            INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, received_at, effect, facts)
                VALUES ({store}, '{name}', 'msg-{name}', 'order.confirmed', now(), now(), 'accrued', '{{}}');
            INSERT INTO wasl.decisions (store_id, order_id, version, event_id, result, reason, evidence, model,
                precedence, candidates, commissions) VALUES ({store}, '{name}', 1, 'msg-{name}', 'attributed',
                'won_last_click', 'token', 'last', 'coupon_first', '[{{"kind": "click", "affiliate_id": {affiliate},
                "verdict": "won_last_click"}}]', '[]');
            INSERT INTO wasl.order_lines (store_id, order_id, version, affiliate_id, line_index, line_id, external_id,
                product_id, quantity, quantity_left, base_minor, amount_minor)
                VALUES ({store}, '{name}', 1, {affiliate}, 0, '1', 'P', NULL, 1, 1, {10 * amount}, {amount});
            INSERT INTO wasl.shares VALUES ({store}, '{name}', 1, {affiliate}, 0, {amount}, {amount}, {amount}, {amount},
                'won_last_click');
            {self.made(name, amount, affiliate, store, currency)};
            {self.posted("store", "pending", amount, "accrue")};
            {steps} SELECT currval('wasl.commission_ids')""")
        return name, rows[-1][0]

    def made(self, order, amount, affiliate=1, store=1, currency="EGP", kind="sale", state="pending", reason="won_last_click"):
        return f"""INSERT INTO wasl.commissions (store_id, order_id, affiliate_id, kind, state, currency, amount_minor,
            amount_confirmed_minor, confirmed_at, reason, decision_version) VALUES ({store}, '{order}', {affiliate},
            '{kind}', '{state}', '{currency}', {amount}, {amount}, now(), '{reason}', 1)"""

    def posted(self, giver, taker, amount, move, commission="currval('wasl.commission_ids')"):
        """Two entries of a commission: giver -amount, taker +amount."""
        return "SELECT" if not amount else f"""INSERT INTO wasl.entries (store_id, transaction_id, affiliate_id, currency,
            account, amount_minor, move, commission_id) SELECT c.store_id, (SELECT nextval('wasl.ledger_transactions')),
            c.affiliate_id, c.currency, v.account, v.amount, '{move}', c.commission_id FROM wasl.commissions c,
            (VALUES ('{giver}', -({amount})), ('{taker}', {amount})) v (account, amount)
            WHERE c.commission_id = {commission}"""

    def moved(self, commission, state, more=""):
        return f"UPDATE wasl.commissions SET state = '{state}'{more} WHERE commission_id = {commission}"

    def stepped(self, step, amount, commission="currval('wasl.commission_ids')"):
        """A commission's move to held or approved, its return window over."""
        before, move = STEPS[step]
        more = ", release_at = now() - interval '1 minute'" if step == "held" else ""
        return (self.moved(commission, step, more) + ";"
                + self.posted(BUCKETS[before], BUCKETS[step], amount, move, commission) + ";")

    def clawback(self, order, amount, affiliate=1, store=1, currency="EGP"):
        """All of what an order gave is taken back: a share of nothing in a new decision, and a negative row."""
        rows = self.sql(f"""
            INSERT INTO wasl.decisions (store_id, order_id, version, supersedes, event_id, result, reason, evidence, model,
                precedence, candidates, commissions) VALUES ({store}, '{order}', 2, 1, 'msg-{order}', 'attributed',
                'won_last_click', 'token', 'last', 'coupon_first', '[]', '[]');
            UPDATE wasl.orders SET state = 'returned', decision_version = 2
                WHERE store_id = {store} AND order_id = '{order}';
            INSERT INTO wasl.shares VALUES ({store}, '{order}', 2, {affiliate}, 0, 0, 0, 0, {amount}, 'returned');
            {self.made(order, -amount, affiliate, store, currency, "adjustment", "approved", "clawback")};
            {self.posted("store", "available", -amount, "clawback")};
            SELECT currval('wasl.commission_ids')""")
        return rows[-1][0]

    def goodwill(self, order, commission, amount, affiliate=1, store=1, currency="EGP"):
        """An operator's adjustment, and the row that follows from it."""
        act = self.one("SELECT wasl.commission_adjust(%s, %d, 'goodwill')" % (commission, amount))
        self.posts_act(order, act, amount, affiliate, store, currency)

    def posts_act(self, order, act, amount, affiliate=1, store=1, currency="EGP"):
        self.sql(f"""
            INSERT INTO wasl.commissions (store_id, order_id, affiliate_id, kind, state, currency, amount_minor,
                amount_confirmed_minor, confirmed_at, reason, decision_version, funded_by, event_id)
                VALUES ({store}, '{order}', {affiliate}, 'adjustment', 'approved', '{currency}', {amount}, {amount}, now(),
                'operator_adjustment', 1, 'platform', '{act}');
            {self.posted("platform", "available", amount, "goodwill")};
            UPDATE wasl.orders SET due_at = NULL WHERE store_id = {store} AND order_id = '{order}'""")

    def accounts(self, affiliate=1, store=1, currency="EGP"):
        """store, pending, held, available, in_payout, paid, platform, in minor units."""
        rows = self.stack.sql(
            "SELECT store_minor, pending_minor, held_minor, available_minor, in_payout_minor, paid_minor, platform_minor "
            f"FROM wasl.accounts WHERE (store_id, affiliate_id, currency) = ({store}, {affiliate}, '{currency}')")
        return [int(cell) for cell in rows[0]] if rows else [0] * 7

    def row(self, commission):
        """State, amount, payout."""
        return self.stack.sql("SELECT state, amount_minor, payout_id FROM wasl.commissions WHERE commission_id = %s"
                              % commission)[0]

    def broken(self, planted=""):
        """What verify finds, after something that nobody may do was done; it is undone again."""
        return sorted({row[0] for row in self.stack.sql(
            "BEGIN; SET LOCAL session_replication_role = replica; %s; SELECT invariant FROM wasl.verify(); ROLLBACK"
            % (planted or "SELECT"), "superuser")})
