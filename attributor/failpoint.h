/* SPDX-License-Identifier: Apache-2.0
 * Where a test may have the process die, as if the machine had. In programs for use it is nothing.
 *
 * WASL_FAILPOINT=NAME:COUNT in the environment of a test build (WASL_TEST_BUILD): SIGKILL when the
 * place of that name is passed for the COUNT-th time. */
#ifndef WASL_FAILPOINT_H
#define WASL_FAILPOINT_H

#define FAILPOINTS(X)                                                                     \
	X(READ, "read")               /* a webhook is here whole */                       \
	X(VERIFIED, "verified")       /* and signed well */                               \
	X(SPOOLING, "spooling")       /* it goes to the disk */                           \
	X(SPOOLED, "spooled")         /* it is safe there, not yet answered */            \
	X(COMMITTING, "committing")   /* what is written was not yet sent */              \
	X(COMMITTED, "committed")     /* Postgres has it, not yet answered */             \
	X(ANSWERED, "answered")       /* the answer is with the kernel, or nearly so */   \
	X(REPLAYED, "replayed")       /* a batch of the spool took effect, still there */ \
	X(DELETED, "deleted")         /* and has left it */                               \
	X(QUARANTINED, "quarantined") /* one of them is in quarantine, still in the spool */
#define FAILPOINT_ENUM(name, text) FAILPOINT_##name,
enum failpoint { FAILPOINTS(FAILPOINT_ENUM) FAILPOINT_COUNT };

void failpoint_pass(enum failpoint failpoint);

#endif
