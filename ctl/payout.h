/* SPDX-License-Identifier: Apache-2.0
 * The file that a bank or wallet takes, and the one that it gives back. */
#ifndef WASL_CTL_PAYOUT_H
#define WASL_CTL_PAYOUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "str.h"

/* Writes the CSV (RFC 4180): affiliate, method, account, amount, currency, reference. A machine
 * reads it: no byte order mark, and accounts are as they were entered. Only an affiliate's name,
 * which is free text, is guarded against spreadsheets by '. False when writing fails. */
bool payout_file_write(FILE *file, const json_t *payouts);
/* Whether a file may carry this account as it is: nothing that a spreadsheet takes for a formula,
 * so no = - @ in front, and behind a + digits alone; no control characters. */
bool payout_account_check(struct str account);

#endif
