/* SPDX-License-Identifier: Apache-2.0
 * llhttp's header, with its names for methods that are also ours moved out of the way. */
#ifndef WASL_HTTP_LLHTTP_H
#define WASL_HTTP_LLHTTP_H

#include "http.h"

#define HTTP_GET  LLHTTP_GET
#define HTTP_HEAD LLHTTP_HEAD
#define HTTP_POST LLHTTP_POST
#include <llhttp.h>
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST

#endif
