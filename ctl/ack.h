/* SPDX-License-Identifier: Apache-2.0
 * A change of the catalogue as one transaction, and the publisher's word that trackers can read it.
 */
#ifndef WASL_CTL_ACK_H
#define WASL_CTL_ACK_H

#include "call.h"

#define ACK_WAIT_US  1000000 /* after that the command returns all the same */
#define ACK_RAND     16
#define ACK_TEXT_MAX (2 * ACK_RAND + 5) /* "ack " and a NUL */

struct ack {
	char token[ACK_TEXT_MAX];
};

/* Opens the database, listens, and begins the transaction. False, reported: return *code. */
bool ack_begin(struct call *call, struct ack *ack, enum call_exit *code);
/* Asks the publisher for its word as the last statement, and commits. */
bool ack_commit(struct call *call, const struct ack *ack);
/* Waits until the publisher says that Redis has the change, at most ACK_WAIT_US. Its silence is not
 * an error: it is told on stderr to a terminal only. */
void ack_wait(struct call *call, const struct ack *ack);

#endif
