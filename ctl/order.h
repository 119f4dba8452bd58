/* SPDX-License-Identifier: Apache-2.0
 * An order as it is shown, by itself and after an act on it. */
#ifndef WASL_CTL_ORDER_H
#define WASL_CTL_ORDER_H

#include "call.h"

#define ORDER_LANG_OPTION                                                                  \
	{                                                                                  \
		"lang", OPTION_TEXT, false, "LANG", "of the sentences: en|ar (default en)" \
	}

/* Checks --store, --lang and that the first operand may be an order's id. False: wrong usage. */
bool order_check(const struct call *call);
/* Prints the order that they name: its document with --json, else tables with sentences. */
enum call_exit order_print(struct call *call);

#endif
