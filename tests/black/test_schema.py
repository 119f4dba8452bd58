# SPDX-License-Identifier: Apache-2.0
"""What the database itself refuses, whoever asks; and that its lists are those of the C code."""

import pathlib
import re
import shutil
import tempfile
import unittest

import stack as stacks

stack = stacks.Stack()


def setUpModule():
    stack.start()
    stack.ctl("store", "add", "--name", "Schema", "--url", "https://shop.example", "--currency", "EGP", "--rate", "10%")
    stack.ctl("store", "add", "--name", "Other", "--url", "https://other.example", "--currency", "SAR")
    stack.ctl("affiliate", "add", "--name", "Schema")
    stack.ctl("product", "add", "--store", 1, "--external-id", "P", "--url", "https://shop.example/p")


def tearDownModule():
    stack.stop()


ORDERS = 0


class Case(unittest.TestCase):
    def refused(self, query, words, role="attributor"):
        """query fails with these words, and leaves nothing."""
        with self.assertRaises(AssertionError) as caught:
            stack.sql("BEGIN;" + query + ";COMMIT", role)
        self.assertIn(words, str(caught.exception))

    def order(self):
        """An order with a decision, a line, a pending commission of 10.00 EGP and its entries."""
        global ORDERS
        ORDERS += 1
        name = "order-%d" % ORDERS
        rows = stack.sql(f"""
            BEGIN;
            INSERT INTO wasl.orders (store_id, order_id, state, currency, placed_at, decision_version)
                VALUES (1, '{name}', 'confirmed', 'EGP', now(), 1);
            INSERT INTO wasl.event_ids VALUES (1, 'msg-{name}', '{name}', sha256('x'), now(), 1);
            INSERT INTO wasl.events VALUES (1, '{name}', 'msg-{name}', 'order.confirmed', now(), now(), NULL, 'accrued',
                '{{}}');
            INSERT INTO wasl.decisions (store_id, order_id, version, event_id, result, reason, evidence, model,
                precedence, candidates, commissions) VALUES (1, '{name}', 1, 'msg-{name}', 'attributed',
                'won_last_click', 'token', 'last', 'coupon_first', '[]', '[]');
            INSERT INTO wasl.order_lines VALUES (1, '{name}', 1, 1, 0, '1', 'P', 1, 1, 10000, NULL, 1000, NULL);
            INSERT INTO wasl.commissions (store_id, order_id, affiliate_id, currency, amount_minor,
                amount_confirmed_minor, confirmed_at, reason, decision_version)
                VALUES (1, '{name}', 1, 'EGP', 1000, 1000, now(), 'won_last_click', 1);
            WITH made AS (SELECT nextval('wasl.ledger_transactions') AS id)
            INSERT INTO wasl.entries (store_id, transaction_id, affiliate_id, currency, account, amount_minor, move,
                commission_id) SELECT 1, made.id, 1, 'EGP', v.account, v.amount, 'accrue',
                currval('wasl.commission_ids') FROM made, (VALUES ('store', -1000), ('pending', 1000)) v (account, amount);
            COMMIT;
            SELECT commission_id FROM wasl.commissions WHERE order_id = '{name}'""", "attributor")
        return name, rows[0][0]

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
            INSERT INTO wasl.order_lines VALUES (1, '{order}', 2, 1, 0, '1', 'P', 1, 1, 10000, NULL, 1000, NULL)""",
                  "attributor")
        self.assertEqual(stack.ctl("order", "show", "--store", 1, order)["decision"]["version"], 2)

    def test_an_attributed_decision_names_its_evidence(self):
        order, _ = self.order()
        query = self.decision(order, 2, 1).replace("'unattributed'", "'attributed'")
        self.refused(query, "violates check constraint")


class Frozen(Case):
    def test_facts_are_never_changed_by_anyone(self):
        self.order()
        for table in ("events", "event_ids", "decisions", "order_lines", "entries", "affiliate_status"):
            column = "affiliate_id" if table == "affiliate_status" else "store_id"
            for query in (f"UPDATE wasl.{table} SET {column} = {column}", f"DELETE FROM wasl.{table}"):
                with self.subTest(query=query):
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
        self.refused("TRUNCATE wasl.rules", "never deleted", "owner")


class Ledger(Case):
    def test_a_statement_that_does_not_balance_is_refused(self):
        for parts in ((("pending", 1),), (("store", -2), ("pending", 1))):
            with self.subTest(parts=parts):
                self.refused(self.entries(*parts), "out of balance")

    def test_two_statements_do_not_balance_together(self):
        self.refused(self.entries(("store", -5)) + ";" + self.entries(("pending", 5)), "out of balance")

    def test_a_currency_balances_by_itself(self):
        query = self.entries(("store", -5)) + ", (1, 999, 1, 'SAR', 'pending', 5, 'test', NULL)"
        self.refused(query, "out of balance")

    def test_buckets_never_go_below_zero(self):
        self.refused(self.entries(("store", 10**9), ("pending", -10**9)), "violates check constraint")

    def test_accounts_are_written_by_the_ledger_alone(self):
        self.order()
        self.refused("UPDATE wasl.accounts SET pending_minor = 0", "permission denied")
        self.refused("INSERT INTO wasl.accounts VALUES (1, 1, 'KWD')", "permission denied")
        self.refused("DELETE FROM wasl.accounts", "permission denied")

    def test_an_entry_follows_its_commission(self):
        _, commission = self.order()
        query = self.entries(("store", -5), ("pending", 5), currency="SAR", commission=commission)
        self.refused(query, "violates foreign key")

    def test_verify_finds_what_is_broken(self):
        """By its SQL; orders made by hand have no events that could be folded again (test_verify.py)."""
        _, commission = self.order()
        self.assertEqual(stack.sql("SELECT * FROM wasl.verify()"), [])
        stack.sql(f"UPDATE wasl.commissions SET amount_minor = 999 WHERE commission_id = {commission}", "attributor")
        result = stack.waslctl("verify", "--json")
        self.assertEqual(result.rc, 1)
        for name in ("buckets_equal_rows", "commission_equals_entries", "commission_equals_decision"):
            self.assertIn(name, result.out)
        stack.sql(f"UPDATE wasl.commissions SET amount_minor = 1000 WHERE commission_id = {commission}", "attributor")
        self.assertEqual(stack.sql("SELECT * FROM wasl.verify()"), [])


class Commissions(Case):
    def move(self, commission, to, more=""):
        return f"UPDATE wasl.commissions SET state = '{to}'{more} WHERE commission_id = {commission}"

    def test_illegal_moves_are_refused(self):
        _, commission = self.order()
        for to in ("approved", "paid", "reversed"):
            with self.subTest(to=to):
                self.refused(self.move(commission, to), "no move from pending")

    def test_a_commission_starts_pending(self):
        order, commission = self.order()
        query = ("INSERT INTO wasl.commissions (store_id, order_id, affiliate_id, kind, state, currency, amount_minor, "
                 f"amount_confirmed_minor, confirmed_at, reason, decision_version) SELECT 1, '{order}', 1, '%s', '%s', "
                 "'%s', 0, 0, now(), 'r', 1")
        self.refused(query % ("sale", "held", "EGP"), "does not start as held")
        self.refused(query % ("adjustment", "paid", "EGP"), "does not start as paid")
        self.refused(query % ("adjustment", "pending", "SAR"), "violates foreign key")
        self.refused(query % ("sale", "pending", "EGP"), "duplicate key")

    def test_what_is_voided_holds_nothing(self):
        _, commission = self.order()
        self.refused(self.move(commission, "voided"), "violates check constraint")

    def test_whose_it_is_never_changes(self):
        _, commission = self.order()
        self.refused(f"UPDATE wasl.commissions SET affiliate_id = 1, amount_confirmed_minor = 5 "
                     f"WHERE commission_id = {commission}", "never change", "owner")
        self.refused(f"UPDATE wasl.commissions SET affiliate_id = 2 WHERE commission_id = {commission}",
                     "permission denied")

    def test_an_order_keeps_its_currency(self):
        order, _ = self.order()
        self.refused(f"UPDATE wasl.orders SET currency = 'SAR' WHERE order_id = '{order}'", "its currency is EGP")


class Roles(Case):
    def test_finance_sees_its_views_and_nothing_else(self):
        self.order()
        for view in ("pending_commissions", "commissions", "balances", "store_dues"):
            stack.sql(f"SELECT * FROM finance.{view}", "finance")
        for table in ("commissions", "entries", "stores", "affiliates", "api_keys", "migrations"):
            self.refused(f"SELECT FROM wasl.{table}", "permission denied", "finance")
        self.refused("DELETE FROM finance.commissions", "cannot delete from view", "finance")
        self.refused("SELECT * FROM wasl.verify()", "permission denied", "finance")

    def test_the_daemon_cannot_change_the_catalogue_or_the_schema(self):
        for query in ("UPDATE wasl.stores SET name = 'x'", "INSERT INTO wasl.affiliates (name) VALUES ('x')",
                      "DELETE FROM wasl.products", "INSERT INTO wasl.rules (store_id, level, rate_bp) VALUES (1, 'store', 1)",
                      "DELETE FROM wasl.migrations", "UPDATE wasl.commission_moves SET to_state = 'paid'"):
            with self.subTest(query=query):
                self.refused(query, "permission denied")
        self.refused("CREATE TABLE wasl.x ()", "permission denied")
        self.refused("DROP TABLE wasl.entries", "must be owner")
        self.refused("ALTER TABLE wasl.entries DISABLE TRIGGER ALL", "must be owner")

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
