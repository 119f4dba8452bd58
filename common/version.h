/* SPDX-License-Identifier: Apache-2.0
 * The version that --version, wasl_build_info and the man pages name. */
#ifndef WASL_VERSION_H
#define WASL_VERSION_H

#define WASL_VERSION "0.1.0"

#endif
