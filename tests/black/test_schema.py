# SPDX-License-Identifier: Apache-2.0
"""What the database itself refuses, whoever asks; and that its lists are those of the C code."""

import pathlib
import re
import shutil
import tempfile
import unittest

import stack as stacks
from rows import Rows

stack = stacks.Stack()
rows = Rows(stack)


def setUpModule():
    stack.start()
    stack.ctl("store", "add", "--name", "Schema", "--url", "https://shop.example", "--currency", "EGP", "--rate", "10%")
    stack.ctl("store", "add", "--name", "Other", "--url", "https://other.example", "--currency", "SAR")
    stack.ctl("affiliate", "add", "--name", "Schema")
    stack.ctl("affiliate", "add", "--name", "Second")
    stack.ctl("product", "add", "--store", 1, "--external-id", "P", "--url", "https://shop.example/p")
    stack.stop_service("attributor")


def tearDownModule():
    stack.stop()


class Case(unittest.TestCase):
    def refused(self, query, words, role="attributor"):
        """query fails with these words, and leaves nothing."""
        with self.assertRaises(AssertionError) as caught:
            stack.sql("BEGIN;" + query + ";COMMIT", role)
        self.assertIn(words, str(caught.exception))

    def order(self, amount=1000, state="pending"):
        return rows.order(amount, state)

    def entries(self, *parts, currency="EGP", commission="NULL"):
        values = ",".join(f"(1, 999, 1, '{currency}', '{account}', {amount}, 'test', {commission})"
                          for account, amount in parts)
        return ("INSERT INTO wasl.entries (store_id, transaction_id, affiliate_id, currency, account, amount_minor, "
                "move, commission_id) VALUES " + values)


class Decisions(Case):
    def decision(self, order, version, supersedes):
        return (f"INSERT INTO wasl.decisions (store_id, order_id, version, supersedes, event_id, result, reason, model, "
                f"precedence, candidates, commissions) VALUES (1, '{order}', {version}, {supersedes}, 'e', "
                f"'unattributed', 'no_candidates', 'last', 'coupon_first', '[]', '[]')")

    def test_a_second_live_decision_is_refused(self):
        order, _ = self.order()
        self.refused(self.decision(order, 1, "NULL"), "duplicate key")
        self.refused(self.decision(order, 2, "NULL"), "violates")
        self.refused(self.decision(order, 3, 1), "violates")
        self.refused(self.decision(order, 2, 1) + ";" + self.decision(order, 2, 1), "duplicate key")

    def test_the_next_version_is_accepted(self):
        order, _ = self.order()
        query = self.decision(order, 2, 1).replace("'unattributed', 'no_candidates'", "'attributed', 'won_last_click'")
        stack.sql(query.replace("reason, model", "reason, evidence, model").replace("'last'", "'token', 'last'") + f"""
            ; UPDATE wasl.orders SET decision_version = 2 WHERE order_id = '{order}';
            INSERT INTO wasl.shares VALUES (1, '{order}', 2, 1, 0, 1000, 1000, 1000, 1000, 'won_last_click')""", "attributor")
        self.assertEqual(stack.ctl("order", "show", "--store", 1, order)["decision"]["version"], 2)

    def test_an_attributed_decision_names_its_evidence(self):
        order, _ = self.order()
        query = self.decision(order, 2, 1).replace("'unattributed'", "'attributed'")
        self.refused(query, "violates check constraint")


class Frozen(Case):
    def test_facts_are_never_changed_by_anyone(self):
        self.order()
        stack.sql("SELECT wasl.coupon_add(1, 'FROZEN77X', 1)")
        for table in ("events", "event_ids", "decisions", "order_lines", "entries", "affiliate_status", "shares",
                      "tier_months", "coupon_status", "payout_rows"):
            column = "affiliate_id" if table == "affiliate_status" else "store_id"
            for query in (f"UPDATE wasl.{table} SET {column} = {column}", f"DELETE FROM wasl.{table}"):
                with self.subTest(query=query):
                    if table not in ("payout_rows", "tier_months"):  # there may be no row yet
                        self.refused(query, "only ever added to", "owner")
                    self.refused(query, "permission denied")
            with self.subTest(truncate=table):
                self.refused(f"TRUNCATE wasl.{table} CASCADE", "refused", "owner")
                self.refused(f"TRUNCATE wasl.{table} CASCADE", "permission denied")

    def test_the_day_s_bodies_cannot_be_dropped(self):
        self.refused("SELECT wasl.drop_body_partitions(now())", "at least a day")

    def test_commissions_are_never_deleted(self):
        self.order()
        self.refused("DELETE FROM wasl.commissions", "never deleted", "owner")
        self.refused("TRUNCATE wasl.commissions CASCADE", "refused", "owner")

    def test_rules_are_ended_and_do_not_start_in_the_past(self):
        rule = "INSERT INTO wasl.rules (store_id, level, rate_bp, valid_from) VALUES (1, 'store', 500, %s)"
        self.refused(rule % "'-infinity'", "cannot start in the past", "owner")
        self.refused(rule % "now() - interval '1 second'", "cannot start in the past", "owner")
        self.refused("UPDATE wasl.rules SET rate_bp = 1", "only be ended", "owner")
        self.refused("UPDATE wasl.rules SET valid_to = now() - interval '1 second'", "only be ended", "owner")
        self.refused("DELETE FROM wasl.rules", "never deleted", "owner")
        self.refused("TRUNCATE wasl.rules CASCADE", "never deleted", "owner")


class Ledger(Case):
    def test_a_statement_that_does_not_balance_is_refused(self):
        _, commission = self.order()
        for parts in ((("pending", 1),), (("store", -2), ("pending", 1))):
            with self.subTest(parts=parts):
                self.refused(self.entries(*parts, commission=commission), "out of balance")

    def test_two_statements_do_not_balance_together(self):
        _, commission = self.order()
        self.refused(self.entries(("store", -5), commission=commission) + ";"
                     + self.entries(("pending", 5), commission=commission), "out of balance")

    def test_an_entry_is_some_commission_s(self):
        self.refused(self.entries(("store", -5), ("pending", 5)), "violates not-null")

    def test_buckets_never_go_below_zero(self):
        _, commission = self.order()
        self.refused(self.entries(("store", 10**9), ("pending", -10**9), commission=commission), "violates check constraint")

    def test_accounts_are_written_by_the_ledger_alone(self):
        self.order()
        self.refused("UPDATE wasl.accounts SET pending_minor = 0", "permission denied")
        self.refused("INSERT INTO wasl.accounts VALUES (1, 1, 'KWD')", "permission denied")
        self.refused("DELETE FROM wasl.accounts", "permission denied")

    def test_an_entry_follows_its_commission(self):
        _, commission = self.order()
        query = self.entries(("store", -5), ("pending", 5), currency="SAR", commission=commission)
        self.refused(query, "violates foreign key")

    def test_when_and_by_whom_it_was_posted_cannot_be_chosen(self):
        _, commission = self.order()
        for column, value in (("posted_at", "'2020-01-01'"), ("actor", "'somebody'")):
            query = ("INSERT INTO wasl.entries (store_id, transaction_id, affiliate_id, currency, account, amount_minor, "
                     f"move, commission_id, {column}) VALUES (1, 1, 1, 'EGP', 'store', -1, 'x', {commission}, {value})")
            with self.subTest(column=column):
                self.refused(query, "permission denied")
        self.refused("INSERT INTO wasl.reviews (store_id, order_id, reason, opened_by) VALUES (1, 'order-1', 'x', 'y')",
                     "permission denied")

    def test_a_commission_and_its_entries_agree_when_the_transaction_ends(self):
        order, commission = self.order()
        _, held = self.order(state="held")
        for query in (rows.made("order-1", 5, 2), rows.made("order-1", -5, kind="adjustment", state="approved"),
                      rows.moved(commission, "pending", ", amount_minor = 999"),
                      rows.moved(commission, "voided", ", amount_minor = 0"), rows.moved(held, "approved"),
                      self.entries(("store", -5), ("pending", 5), commission=commission),
                      self.entries(("pending", -5), ("held", 5), commission=commission),
                      rows.moved(commission, "voided", ", amount_minor = 0")
                      + ";" + rows.posted("pending", "store", 999, "void", commission)):
            for role in ("attributor", "owner"):
                with self.subTest(query=query, role=role):
                    self.refused(query, "the ledger says otherwise", role)
        rows.sql(rows.posted("pending", "store", 1000, "void", commission) + ";"
                 + rows.moved(commission, "voided", ", amount_minor = 0"))
        rows.sql(rows.moved(commission, "pending", ", amount_minor = 1000") + ";"
                 + rows.posted("store", "pending", 1000, "accrue", commission))
        self.assertEqual(rows.broken(), [])
        self.assertEqual(rows.one("SELECT count(*) FROM wasl.unposted"), "0")


class Commissions(Case):
    def test_illegal_moves_are_refused(self):
        illegal = {"pending": ("approved", "paid", "reversed"), "held": ("paid", "reversed"),
                   "approved": ("pending", "held", "voided")}
        for state, targets in illegal.items():
            _, commission = self.order(state=state)
            for to in targets:
                for role in ("attributor", "owner"):
                    with self.subTest(state=state, to=to, role=role):
                        self.refused(rows.moved(commission, to), "no move from " + state, role)

    def test_nothing_is_approved_before_its_return_window_is_over(self):
        _, commission = self.order(state="held")
        query = rows.moved(commission, "approved") + ";" + rows.posted("held", "available", 1000, "approve", commission)
        for end in ("now() + interval '1 second'", "NULL"):
            self.refused(f"UPDATE wasl.commissions SET release_at = {end} WHERE commission_id = {commission};" + query,
                         "its return window is not over")

    def test_nothing_is_approved_under_review(self):
        order, commission = self.order(state="held")
        stack.sql("SELECT wasl.review_open(1, '%s', 'fraud')" % order)
        query = rows.moved(commission, "approved") + ";" + rows.posted("held", "available", 1000, "approve", commission)
        self.refused(query, "its order is under review")
        stack.sql("SELECT wasl.review_lift(1, '%s', NULL, 'no')" % order)
        rows.sql(query)

    def test_a_commission_starts_pending(self):
        order, _ = self.order()
        for kind, state, amount in (("sale", "held", 5), ("sale", "approved", 5), ("adjustment", "paid", 5),
                                    ("adjustment", "held", 5), ("adjustment", "approved", 5)):
            with self.subTest(kind=kind, state=state):
                self.refused(rows.made(order, amount, kind=kind, state=state), "does not start as " + state)
        self.refused(rows.made(order, 0, kind="adjustment", currency="SAR"), "violates foreign key")
        self.refused(rows.made(order, 0), "duplicate key")

    def test_what_is_voided_holds_nothing(self):
        _, commission = self.order()
        self.refused(rows.moved(commission, "voided"), "violates check constraint")

    def test_whose_it_is_never_changes(self):
        _, commission = self.order()
        for change in ("affiliate_id = 2", "kind = 'adjustment'", "order_id = 'order-1'", "currency = 'SAR'"):
            self.refused("UPDATE wasl.commissions SET %s WHERE commission_id = %s" % (change, commission),
                         "never change", "owner")
            self.refused("UPDATE wasl.commissions SET %s WHERE commission_id = %s" % (change, commission),
                         "permission denied")

    def test_the_first_amount_follows_the_events_until_it_is_approved(self):
        change = "UPDATE wasl.commissions SET amount_confirmed_minor = 5 WHERE commission_id = %s"
        stack.sql(change % self.order()[1], "attributor")
        stack.sql(change % self.order(state="held")[1], "attributor")
        self.refused(change % self.order(state="approved")[1], "its first amount never changes")

    def test_an_order_keeps_its_currency(self):
        order, _ = self.order()
        self.refused(f"UPDATE wasl.orders SET currency = 'SAR' WHERE order_id = '{order}'", "its currency is EGP")


class Planted(Case):
    """Each kind of corruption, done past triggers and keys, and undone again."""

    def test_verify_finds_each_kind(self):
        order, commission = self.order(state="approved")
        pending = self.order()[1]
        held = self.order(state="held")[1]
        coupon = rows.one("SELECT wasl.coupon_add(1, 'PLANTED77X', 1)")
        stack.sql("SELECT wasl.rule_add(1, 2, rate => 100, cap_period => 5000)")
        stack.sql("SELECT * FROM wasl.period_rooms('{1}', '{1}', '{x}', '{2}', ARRAY[wasl.to_us(now())], '{EGP}')", "attributor")
        rows.goodwill(order, commission, 5)
        payout = rows.one("UPDATE wasl.affiliates SET payout_method = 'm', payout_account = 'a' WHERE affiliate_id = 1; "
                          "SELECT max(p) FROM wasl.payout_draft(1) p")
        stack.sql("SELECT wasl.payout_approve(%s)" % payout, "cashier")
        self.assertEqual(rows.broken(), [])
        of = "WHERE commission_id = %s"
        kinds = (
            ("UPDATE wasl.entries SET amount_minor = amount_minor + 1 WHERE account = 'pending' AND commission_id = " + pending,
             "ledger_balanced accounts_equal_entries buckets_equal_rows commission_equals_entries"),
            ("UPDATE wasl.accounts SET held_minor = held_minor + 1, store_minor = store_minor - 1", "accounts_equal_entries"),
            ("UPDATE wasl.commissions SET amount_minor = amount_minor + 1 " + of % held,
             "buckets_equal_rows commission_equals_entries commission_equals_decision"),
            ("UPDATE wasl.commissions SET state = 'held' " + of % pending,
             "buckets_equal_rows commission_equals_entries held_has_an_end"),
            ("UPDATE wasl.shares SET amount_minor = 0 WHERE order_id = '%s'" % order, "commission_equals_decision"),
            ("DELETE FROM wasl.shares WHERE order_id = '%s'" % order, "commission_equals_decision"),
            ("UPDATE wasl.orders SET decision_version = NULL WHERE order_id = '%s'" % order,
             "one_live_decision commission_equals_decision"),
            ("INSERT INTO wasl.decisions SELECT store_id, order_id, 2, 1, event_id, now(), result, reason, evidence, model, "
             "precedence, candidates, commissions FROM wasl.decisions WHERE order_id = '%s'" % order, "one_live_decision"),
            ("DELETE FROM wasl.events WHERE order_id = '%s' AND actor IS NULL" % order, "event_once"),
            ("DELETE FROM wasl.event_ids WHERE order_id = '%s'" % order, "event_once"),
            ("UPDATE wasl.event_ids SET decision_version = 9 WHERE order_id = '%s'" % order, "event_decided"),
            ("UPDATE wasl.events SET facts = facts || '{\"amount_minor\": 6}' WHERE type = 'operator.adjust'", "act_posted"),
            ("UPDATE wasl.commissions SET release_at = NULL " + of % held, "held_has_an_end"),
            ("UPDATE wasl.coupons SET used = 1 WHERE coupon_id = " + coupon, "coupon_uses_counted"),
            ("UPDATE wasl.period_caps SET used_minor = 1", "period_caps_counted"),
            ("UPDATE wasl.payouts SET amount_minor = amount_minor + 1", "payout_equals_rows"),
            ("DELETE FROM wasl.payout_rows " + of % commission,
             "payout_equals_rows payout_holds_its_rows in_payout_equals_payouts"),
            ("UPDATE wasl.commissions SET payout_id = NULL " + of % commission, "payout_holds_its_rows"),
            ("UPDATE wasl.commissions SET payout_id = %s WHERE commission_id = %s" % (payout, held), "payout_holds_its_rows"),
            ("UPDATE wasl.payouts SET state = 'paid', executed_by = 'x', ended_by = 'x'",
             "payout_holds_its_rows in_payout_equals_payouts"),
            ("INSERT INTO wasl.reviews (store_id, order_id, reason, opened_at) VALUES (1, '%s', 'x', now() - interval '1 day')"
             % order, "payout_not_under_review"),
            ("ALTER TABLE wasl.payouts DROP CONSTRAINT payouts_check; UPDATE wasl.payouts SET approved_by = drafted_by",
             "payout_has_two_people"))
        for query, found in kinds:
            with self.subTest(query=query):
                self.assertEqual(rows.broken(query), sorted(found.split()))
        self.assertEqual(rows.broken(), [])

    def test_the_command_lists_what_is_broken(self):
        """Orders made by hand have no facts that could be folded again (test_verify.py): only what SQL finds is looked at."""
        _, commission = self.order()
        planted = "BEGIN; SET LOCAL session_replication_role = replica; UPDATE wasl.commissions SET amount_minor = %d " \
            "WHERE commission_id = " + commission + "; COMMIT"
        stack.sql(planted % 999, "superuser")
        result = stack.waslctl("verify", "--json")
        stack.sql(planted % 1000, "superuser")
        self.assertEqual(result.rc, 1)
        for name in ("buckets_equal_rows", "commission_equals_entries", "commission_equals_decision"):
            self.assertIn(name, result.out)


class Pages(Case):
    MANY = """BEGIN; SET LOCAL session_replication_role = replica;
        INSERT INTO wasl.orders (store_id, order_id, state, currency, placed_at, confirmed_at)
            SELECT n % 50 + 1, 'page-' || n, 'confirmed', 'EGP', now(), now() FROM generate_series(1, 5000) n;
        INSERT INTO wasl.commissions (store_id, order_id, affiliate_id, kind, state, currency, amount_minor,
            amount_confirmed_minor, confirmed_at, reason, decision_version) SELECT n % 50 + 1, 'page-' || n, 1,
            'sale', 'pending', 'EGP', 1, 1, now(), 'won_last_click', 1 FROM generate_series(1, 5000) n;
        ANALYZE wasl.orders; ANALYZE wasl.commissions; EXPLAIN """

    def plan(self, query, state="'pending'"):
        many = self.MANY.replace("'pending'", state)
        return "\n".join(row[0] for row in stack.sql(many + query + "; ROLLBACK", "superuser"))

    def test_a_first_page_of_commissions_reads_no_other(self):
        for view in ("commissions", "pending_commissions"):
            plan = self.plan("SELECT * FROM finance.%s ORDER BY commission_id LIMIT 100" % view)
            self.assertNotIn("Sort", plan, view)
            self.assertNotIn("Seq Scan on orders", plan, view)

    def test_an_orders_commissions_are_found_by_its_number(self):
        for view in ("commissions", "pending_commissions"):
            for store in ("", "store_id = 8 AND "):
                plan = self.plan("SELECT * FROM finance.%s WHERE %sorder_id = 'page-57'" % (view, store))
                self.assertRegex(plan, "Index Scan using (commissions_by_order|commissions_of_order) ", view)
                self.assertNotIn("Seq Scan on orders", plan, view)

    def test_a_page_of_those_in_a_state_reads_no_other(self):
        states = "CASE n % 50 WHEN 0 THEN 'held' WHEN 1 THEN 'approved' ELSE 'paid' END"
        for state in ("held", "approved", "voided", "reversed"):
            plan = self.plan("SELECT * FROM finance.commissions WHERE state = '%s' ORDER BY commission_id LIMIT 20" % state,
                             states)
            self.assertIn("Index Scan using commissions_by_state", plan, state)
            self.assertNotIn("Sort", plan, state)


class AsOf(Case):
    def liability(self, at):
        return stack.sql("SELECT pending, held, available FROM finance.liability_at('%s') WHERE affiliate_id = 2" % at, "finance")

    def test_what_was_owed_at_a_past_instant_never_changes(self):
        instants = [rows.one("SELECT clock_timestamp()")]
        _, commission = rows.order(700, affiliate=2)
        instants.append(rows.one("SELECT clock_timestamp()"))
        rows.sql(rows.stepped("held", 700, commission))
        instants.append(rows.one("SELECT clock_timestamp()"))
        rows.order(30, affiliate=2)
        told = [[], [["7.00", "0.00", "0.00"]], [["0.00", "7.00", "0.00"]]]
        self.assertEqual([self.liability(at) for at in instants], told)
        rows.sql(rows.posted("held", "store", 700, "void", commission) + ";" + rows.moved(commission, "voided", ", amount_minor = 0"))
        self.assertEqual([self.liability(at) for at in instants], told)
        rows.sql(rows.moved(commission, "pending", ", amount_minor = 700") + ";"
                 + rows.posted("store", "pending", 700, "accrue", commission))
        self.refused("SELECT * FROM finance.liability_at(now() + interval '1 day')", "not known yet", "finance")

    def test_pending_is_told_by_age(self):
        before = stack.sql("SELECT days_0_7, days_8_14, days_15_45, days_over_45 FROM finance.pending_ageing WHERE store_id = 1",
                           "finance")
        before = [float(cell) for cell in before[0]] if before else [0.0] * 4
        for days in (0, 7.9, 8, 14.9, 15, 45.9, 46):
            order, _ = self.order(100)
            stack.sql("UPDATE wasl.orders SET confirmed_at = now() - interval '1 day' * %s WHERE order_id = '%s'" % (days, order))
        after = stack.sql("SELECT days_0_7, days_8_14, days_15_45, days_over_45, pending FROM finance.pending_ageing "
                          "WHERE store_id = 1", "finance")[0]
        self.assertEqual([round(float(b) - a, 2) for a, b in zip(before, after)], [2.0, 2.0, 2.0, 1.0])
        self.assertEqual(round(sum(map(float, after[:4])), 2), float(after[4]))


class Roles(Case):
    def test_finance_sees_its_views_and_nothing_else(self):
        self.order()
        for view in ("pending_commissions", "commissions", "balances", "store_dues", "pending_ageing", "payouts"):
            stack.sql(f"SELECT * FROM finance.{view}", "finance")
            stack.sql(f"SELECT * FROM finance.{view}", "cashier")
        for table in ("commissions", "entries", "stores", "affiliates", "api_keys", "migrations", "events", "payouts"):
            self.refused(f"SELECT FROM wasl.{table}", "permission denied", "finance")
        self.refused("DELETE FROM finance.commissions", "cannot delete from view", "finance")
        self.refused("SELECT * FROM wasl.verify()", "permission denied", "finance")

    def test_the_cashier_acts_by_functions_alone(self):
        for table in ("entries", "stores", "events", "api_keys", "migrations", "decisions"):
            self.refused(f"SELECT FROM wasl.{table}", "permission denied", "cashier")
        self.refused("SELECT phone FROM wasl.affiliates", "permission denied", "cashier")
        for query in ("SELECT wasl.order_reassign(1, 'order-1', 1, 'r')", "SELECT wasl.order_resolve(1, 'order-1', 'out', 'r')",
                      "SELECT wasl.order_act(1, 'order-1', 'operator.void', '{}', 'r')", "SELECT wasl.payout_post(1, 'a', 'b', 'c')",
                      "SELECT wasl.coupon_add(1, 'CASHIER77X', 1)", "SELECT wasl.rule_add(1, rate => 1)",
                      "UPDATE wasl.reviews SET lifted_at = now(), lifted_by = 'x'", "UPDATE wasl.orders SET due_at = now()",
                      "UPDATE wasl.commissions SET amount_minor = 0", "DELETE FROM wasl.payouts"):
            with self.subTest(query=query):
                self.refused(query, "permission denied", "cashier")

    def test_the_daemon_cannot_change_the_catalogue_or_the_schema(self):
        for query in ("UPDATE wasl.stores SET name = 'x'", "INSERT INTO wasl.affiliates (name) VALUES ('x')",
                      "DELETE FROM wasl.products", "INSERT INTO wasl.rules (store_id, level, rate_bp) VALUES (1, 'store', 1)",
                      "DELETE FROM wasl.migrations", "UPDATE wasl.commission_moves SET to_state = 'paid'",
                      "UPDATE wasl.coupons SET used = 0", "UPDATE wasl.period_caps SET used_minor = 0", "DELETE FROM wasl.unposted",
                      "INSERT INTO wasl.tier_months VALUES (1, 1, '2020-01-01', 9)", "UPDATE wasl.grants SET month = month",
                      "UPDATE wasl.reviews SET lifted_at = now(), lifted_by = 'x'", "SELECT wasl.order_reassign(1, 'order-1', 1, 'r')",
                      "SELECT wasl.commission_adjust(1, 1, 'r')", "INSERT INTO wasl.events (actor) VALUES ('x')"):
            with self.subTest(query=query):
                self.refused(query, "permission denied")
        self.refused("CREATE TABLE wasl.x ()", "permission denied")
        self.refused("DROP TABLE wasl.entries", "must be owner")
        self.refused("ALTER TABLE wasl.entries DISABLE TRIGGER ALL", "must be owner")

    def test_an_act_cannot_be_forged(self):
        self.order()
        self.refused("INSERT INTO wasl.events (store_id, order_id, event_id, type, occurred_at, received_at, effect, facts) "
                     "VALUES (1, 'order-1', 'x', 'operator.adjust', now(), now(), 'act', '{}')", "violates check constraint")

    def test_no_function_is_everybody_s(self):
        self.assertEqual(stack.sql(
            "SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace IN ('wasl'::regnamespace, 'finance'::regnamespace) "
            "AND (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) a WHERE a.grantee = 0))"), [])
        self.assertEqual(stack.sql("SELECT oid::regprocedure FROM pg_proc WHERE prosecdef AND pronamespace IN "
                                   "('wasl'::regnamespace, 'finance'::regnamespace) AND NOT EXISTS (SELECT FROM unnest(proconfig) c "
                                   "WHERE c LIKE 'search_path=%pg_temp')"), [])

    def test_no_role_is_a_superuser(self):
        self.assertEqual(stack.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'wasl%' AND rolsuper"), [])


class SameInBoth(unittest.TestCase):
    def test_states_and_moves_are_those_of_the_c_table(self):
        text = (stacks.ROOT / "common" / "commission.def").read_text()
        states = re.findall(r'^COMMISSION_STATE\((\w+), "(\w+)", "(\w*)"\)', text, re.M)
        moves = re.findall(r"^COMMISSION_MOVE\((\w+), (\w+)\)", text, re.M)
        names = {name: word for name, word, _ in states}
        self.assertEqual({(word, bucket) for _, word, bucket in states},
                         {tuple(row) for row in stack.sql("SELECT state, bucket FROM wasl.commission_states")})
        self.assertEqual({(names[a], names[b]) for a, b in moves},
                         {tuple(row) for row in stack.sql("SELECT from_state, to_state FROM wasl.commission_moves")})

    def test_outcomes_are_those_of_the_c_table(self):
        text = (stacks.ROOT / "common" / "outcome.def").read_text()
        known = re.findall(r'^OUTCOME\(\w+, "(\w+)",\s*"([^"]*)",\s*"([^"]*)"\)', text, re.M)
        self.assertEqual(len(known), text.count("\nOUTCOME("))
        self.assertEqual(sorted(known), sorted(map(tuple, stack.sql("SELECT * FROM wasl.outcomes"))))

    def test_currencies_are_those_of_the_c_table(self):
        text = (stacks.ROOT / "common" / "money.c").read_text()
        known = {}
        for digits in (0, 2, 3):
            block = re.search(r'codes_%d\[\] =\s*((?:"[^"]*"\s*)+);' % digits, text).group(1)
            for code in "".join(re.findall(r'"([^"]*)"', block)).split():
                known[code] = str(digits)
        self.assertGreater(len(known), 150)
        self.assertEqual(known, dict(map(tuple, stack.sql("SELECT currency, digits FROM wasl.currencies"))))


class Migrations(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="schema-"))
        self.addCleanup(shutil.rmtree, self.folder)
        for file in (stacks.ROOT / "schema").glob("*.sql"):
            shutil.copy(file, self.folder)
        self.last = sorted(self.folder.glob("[0-9]*.sql"))[-1]

    def migrate(self):
        return stack.waslctl("migrate", "--json", env={"WASL_SCHEMA_DIR": str(self.folder)})

    def assert_refused(self, name):
        result = self.migrate()
        self.assertEqual((result.rc, result.out), (1, ""))
        self.assertIn(name, result.err)
        self.assertEqual(len(result.err.splitlines()), 1)

    def test_again_changes_nothing(self):
        self.assertEqual(stack.ctl("migrate"), {"applied": []})
        self.assertEqual(self.migrate().rc, 0)

    def test_a_changed_file_is_refused_by_name(self):
        self.last.write_text(self.last.read_text() + "\n-- changed\n")
        self.assert_refused(self.last.name)

    def test_a_missing_file_is_refused_by_name(self):
        self.last.unlink()
        self.assert_refused(self.last.name)

    def test_a_file_out_of_order_is_refused_by_name(self):
        (self.folder / "0001_a_late_one.sql").write_text("SELECT 1")
        self.assert_refused("0001_a_late_one.sql")

    def test_two_files_of_one_number_are_refused(self):
        (self.folder / (self.last.name[:4] + "_zzz.sql")).write_text("SELECT 1")
        self.assert_refused(self.last.name[:4] + "_zzz.sql")

    def test_a_failing_file_leaves_nothing(self):
        (self.folder / "9001_broken.sql").write_text("CREATE TABLE wasl.half (); SELECT 1/0;")
        self.assert_refused("9001_broken.sql")
        self.assertEqual(stack.sql("SELECT to_regclass('wasl.half') IS NULL"), [["t"]])
        self.assertEqual(stack.ctl("migrate"), {"applied": []})

    def test_a_folder_without_files_is_refused(self):
        for file in self.folder.glob("*"):
            file.unlink()
        self.assertEqual(self.migrate().rc, 1)


if __name__ == "__main__":
    unittest.main()
