/* SPDX-License-Identifier: Apache-2.0
 * Reason phrases of the statuses that Wasl sends. */
#include "http.h"

const char *http_status_text(unsigned status)
{
	switch (status) {
#define STATUS(code, text) \
	case code:         \
		return text
		STATUS(100, "Continue");
		STATUS(200, "OK");
		STATUS(201, "Created");
		STATUS(202, "Accepted");
		STATUS(204, "No Content");
		STATUS(301, "Moved Permanently");
		STATUS(302, "Found");
		STATUS(303, "See Other");
		STATUS(304, "Not Modified");
		STATUS(307, "Temporary Redirect");
		STATUS(308, "Permanent Redirect");
		STATUS(400, "Bad Request");
		STATUS(401, "Unauthorized");
		STATUS(403, "Forbidden");
		STATUS(404, "Not Found");
		STATUS(405, "Method Not Allowed");
		STATUS(406, "Not Acceptable");
		STATUS(408, "Request Timeout");
		STATUS(409, "Conflict");
		STATUS(410, "Gone");
		STATUS(411, "Length Required");
		STATUS(413, "Content Too Large");
		STATUS(414, "URI Too Long");
		STATUS(415, "Unsupported Media Type");
		STATUS(417, "Expectation Failed");
		STATUS(422, "Unprocessable Content");
		STATUS(429, "Too Many Requests");
		STATUS(431, "Request Header Fields Too Large");
		STATUS(500, "Internal Server Error");
		STATUS(501, "Not Implemented");
		STATUS(502, "Bad Gateway");
		STATUS(503, "Service Unavailable");
		STATUS(504, "Gateway Timeout");
		STATUS(505, "HTTP Version Not Supported");
#undef STATUS
	}
	return "Unknown";
}
