/* SPDX-License-Identifier: Apache-2.0
 * Request heads and what becomes of them: 0 taken, MORE not whole yet, else the status that
 * refuses. */
#ifndef WASL_TEST_HTTP_ROWS_H
#define WASL_TEST_HTTP_ROWS_H

#include "str.h"

#define MORE 1

struct http_row {
	struct str bytes;
	unsigned status;
};

#define H   "Host: a\r\n"
#define G   "GET / HTTP/1.1\r\n"
#define P   "POST / HTTP/1.1\r\nHost: a\r\n"
#define END "\r\n"
#define R(text, code)           \
	{                       \
		STR(text), code \
	}
/* A line of its own in an else good request. */
#define WITH(line, code)                       \
	{                                      \
		STR(G H line "\r\n" END), code \
	}
#define POSTED(lines, code)            \
	{                              \
		STR(P lines END), code \
	}
#define HOST(value, code)                              \
	{                                              \
		STR(G "Host: " value "\r\n" END), code \
	}
#define FIRST(line, code)                    \
	{                                    \
		STR(line "\r\n" H END), code \
	}

static const struct http_row http_rows[] = {
	/* Good ones. */
	R(G H END, 0),
	R("\r\n" G H END, 0),
	FIRST("HEAD /x?y HTTP/1.1", 0),
	FIRST("POST / HTTP/1.1", 0),
	FIRST("GET / HTTP/1.0", 0),
	R("GET / HTTP/1.0\r\n" END, 0),
	FIRST("GET //x/../%00%2e%2e\\%zz?a=%zz&a HTTP/1.1", 0),
	FIRST("GET /a?b?c=/&d HTTP/1.1", 0),
	FIRST("GET http://a/x?y HTTP/1.1", 0),
	FIRST("GET http://A HTTP/1.1", 0),
	FIRST("GET https://a?q HTTP/1.1", 0),
	R("GET http://a:80/x HTTP/1.0\r\n" END, 0),
	FIRST("OPTIONS * HTTP/1.1", 0),
	FIRST("OPTIONS /x HTTP/1.1", 0),
	FIRST("TRACE / HTTP/1.1", 0),
	FIRST("DELETE /x HTTP/1.1", 0),
	FIRST("CONNECT a:443 HTTP/1.1", 0),
	WITH("X:", 0),
	WITH("X: ", 0),
	WITH("X:\t y \t", 0),
	WITH("X: a\tb", 0),
	WITH("X: \x80\xff\xd9\x85", 0),
	WITH("!#$%&'*+-.^_`|~09azAZ: x", 0),
	WITH("Connection: close, keep-alive", 0),
	WITH("Connection: Upgrade\r\nUpgrade: websocket", 0),
	WITH("Expect: 100-Continue", 0),
	WITH("User-Agent: a: b", 0),
	POSTED("Content-Length: 0\r\n", 0),
	POSTED("Content-Length: 5\r\n", 0),
	POSTED("content-length:5\r\n", 0),
	POSTED("Content-Length: 9223372036854775807\r\n", 0),
	POSTED("Transfer-Encoding: chunked\r\n", 0),
	POSTED("transfer-encoding:  CHUNKED \r\n", 0),
	HOST("a", 0),
	HOST("a.example", 0),
	HOST("a:", 0),
	HOST("a:0", 0),
	HOST("a:65535", 0),
	HOST("127.0.0.1:8080", 0),
	HOST("[::1]", 0),
	HOST("[::ffff:1.2.3.4]:80", 0),
	HOST("xn--mgbh0fb.example", 0),
	HOST("a%20b", 0),
	HOST("a_b~c!$&'()*+,;=", 0),
	/* Not whole yet. */
	R("", MORE),
	R("\r", MORE),
	R("\r\n", MORE),
	R("G", MORE),
	R("GET / HTTP/1.1\r", MORE),
	R(G, MORE),
	R(G H, MORE),
	R(G H "\r", MORE),
	/* 1: no HTTP at all. */
	R("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
	R("\x80\x2e\x01\x00\x02", 400),
	R("\0", 400),
	R("\xff", 400),
	R("{\"json\":1}\r\n" END, 400),
	R("hello\r\n" END, 400),
	R("EHLO mail\r\n" END, 400),
	R("*1\r\n$4\r\nPING\r\n", 400),
	R("<xml/>\r\n" END, 400),
	R("\"\r\n", 400),
	/* 2: Host. */
	R(G END, 400),
	R(G H H END, 400),
	R(G H "host: b\r\n" END, 400),
	R("GET / HTTP/1.0\r\n" H H END, 400),
	HOST("", 400),
	HOST(" ", 400),
	HOST("a b", 400),
	HOST("u@a", 400),
	HOST("u:p@a", 400),
	HOST("a:99999", 400),
	HOST("a:65536", 400),
	HOST("a:-1", 400),
	HOST("a:x", 400),
	HOST("a:80:80", 400),
	HOST(":80", 400),
	HOST("a/b", 400),
	HOST("a?b", 400),
	HOST("a#b", 400),
	HOST("a\\b", 400),
	HOST("\"a\"", 400),
	HOST("a\xc3\xa9", 400),
	HOST("a%2", 400),
	HOST("a%zz", 400),
	HOST("%", 400),
	HOST("::1", 400),
	HOST("[::1", 400),
	HOST("::1]", 400),
	HOST("[]", 400),
	HOST("[1]", 400),
	HOST("[::1]x", 400),
	HOST("[::1]:99999", 400),
	HOST("[fe80::1%25eth0]", 400),
	HOST("[::g]", 400),
	HOST("http://a", 400),
	/* 3: versions. */
	R("GET /\r\n", 400),
	R("GET\r\n", 400),
	R("GET / \r\n", 400),
	FIRST("GET / HTTP/0.9", 505),
	FIRST("GET / HTTP/1.2", 505),
	FIRST("GET / HTTP/2.0", 505),
	FIRST("GET / HTTP/9.9", 505),
	R("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
	FIRST("GET / HTTP/1.10", 400),
	FIRST("GET / HTTP/1.", 400),
	FIRST("GET / HTTP/1", 400),
	FIRST("GET / HTTP/11", 400),
	FIRST("GET / HTTP/ 1.1", 400),
	FIRST("GET / HTTP/1,1", 400),
	FIRST("GET / HTTP/01.1", 400),
	FIRST("GET / HTTP/-1.1", 400),
	FIRST("GET / http/1.1", 400),
	FIRST("GET / ICE/1.0", 400),
	FIRST("GET / RTSP/1.0", 400),
	FIRST("GET / HTTPS/1.1", 400),
	FIRST("GET / HTTP/1.1 ", 400),
	FIRST("GET / HTTP/1.1 x", 400),
	FIRST("GET / HTTP/x.1", 400),
	/* 4: line ends and blanks. */
	R("GET / HTTP/1.1\n" H END, 400),
	R(G "Host: a\n" END, 400),
	R(G H "\n", 400),
	R(G H "X: y\n\r\n", 400),
	R("\nGET / HTTP/1.1\r\n", 400),
	R("\r\n\r\n" G H END, 400),
	R("\r\n\n", 400),
	R("\rG", 400),
	R("\r\rG", 400),
	R("GET / HTTP/1.1\rHost: a\r\n" END, 400),
	R(G "Host: a\rX: y\r\n" END, 400),
	R(G H "\rX", 400),
	R(G H "X: a\r\r\n" END, 400),
	R(" " G H END, 400),
	R("\t" G H END, 400),
	FIRST("GET\t/ HTTP/1.1", 400),
	FIRST("GET /\tHTTP/1.1", 400),
	FIRST("GET  / HTTP/1.1", 400),
	FIRST("GET /  HTTP/1.1", 400),
	FIRST("GET / x HTTP/1.1", 400),
	FIRST("GET /\vHTTP/1.1", 400),
	/* 5: header names and values. */
	WITH("X : y", 400),
	WITH("X\t: y", 400),
	WITH(": y", 400),
	WITH(":", 400),
	WITH("X", 400),
	WITH(" X: y", 400),
	WITH("X: y\r\n folded", 400),
	WITH("X: y\r\n\tfolded", 400),
	WITH("X: y\r\n ", 400),
	R(G " " H END, 400),
	R(G "\tHost: a\r\n" END, 400),
	R(G ":\r\n" H END, 400),
	R(G ": a\r\n" H END, 400),
	WITH("X y: z", 400),
	WITH("X(y): z", 400),
	WITH("X\0: z", 400),
	WITH("X\x7f: z", 400),
	WITH("X\xc3\xa9: z", 400),
	WITH("X@y: z", 400),
	WITH("X[y]: z", 400),
	WITH("X{y}: z", 400),
	WITH("X\"y: z", 400),
	WITH("X/y: z", 400),
	WITH("X,y: z", 400),
	WITH("X;y: z", 400),
	WITH("X=y: z", 400),
	WITH("X: a\0b", 400),
	WITH("X: a\x01z", 400),
	WITH("X: a\x08z", 400),
	WITH("X: a\vz", 400),
	WITH("X: a\fz", 400),
	WITH("X: a\x1bz", 400),
	WITH("X: a\x7fz", 400),
	/* 7: Content-Length. */
	POSTED("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
	POSTED("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
	POSTED("Content-Length: 5\r\ncontent-length: 5\r\n", 400),
	POSTED("Content-Length: +5\r\n", 400),
	POSTED("Content-Length: -5\r\n", 400),
	POSTED("Content-Length: -0\r\n", 400),
	POSTED("Content-Length: 3, 3\r\n", 400),
	POSTED("Content-Length: 3 3\r\n", 400),
	POSTED("Content-Length: 3,\r\n", 400),
	POSTED("Content-Length: 18446744073709551616\r\n", 400),
	POSTED("Content-Length: 18446744073709551615\r\n", 400),
	POSTED("Content-Length: 9223372036854775808\r\n", 400),
	POSTED("Content-Length: 99999999999999999999999\r\n", 400),
	POSTED("Content-Length:\r\n", 400),
	POSTED("Content-Length: \r\n", 400),
	POSTED("Content-Length: 05\r\n", 400),
	POSTED("Content-Length: 0x5\r\n", 400),
	POSTED("Content-Length: 5.0\r\n", 400),
	POSTED("Content-Length: 5e1\r\n", 400),
	POSTED("Content-Length: five\r\n", 400),
	POSTED("Content-Length: \xd9\xa5\r\n", 400),
	/* 8: Transfer-Encoding. */
	POSTED("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
	POSTED("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
	POSTED("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
	POSTED("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", 400),
	POSTED("Transfer-Encoding: gzip, chunked\r\n", 501),
	POSTED("Transfer-Encoding: chunked, gzip\r\n", 400),
	POSTED("Transfer-Encoding: chunked, chunked\r\n", 400),
	POSTED("Transfer-Encoding: xchunked\r\n", 501),
	POSTED("Transfer-Encoding: chunkedx\r\n", 501),
	POSTED("Transfer-Encoding: chunked;q=1\r\n", 501),
	POSTED("Transfer-Encoding: \"chunked\"\r\n", 501),
	POSTED("Transfer-Encoding: identity\r\n", 501),
	POSTED("Transfer-Encoding: gzip\r\n", 501),
	POSTED("Transfer-Encoding: ,chunked\r\n", 501),
	POSTED("Transfer-Encoding:\r\n", 501),
	POSTED("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
	POSTED("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
	POSTED("Transfer-Encoding : chunked\r\n", 400),
	POSTED("Transfer-Encoding: chunked\r\n folded\r\n", 400),
	R("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n" END, 501),
	/* 10: Expect. */
	WITH("Expect: 200-ok", 417),
	WITH("Expect: 100-continue, x", 417),
	WITH("Expect:", 417),
	WITH("Expect: 100-continue\r\nExpect: 100-continue", 417),
	/* 11: methods and forms of target. */
	FIRST("get / HTTP/1.1", 501),
	FIRST("Get / HTTP/1.1", 501),
	FIRST("BREW / HTTP/1.1", 501),
	FIRST("GETX / HTTP/1.1", 501),
	FIRST("GE / HTTP/1.1", 501),
	FIRST("G@T / HTTP/1.1", 400),
	FIRST("GET * HTTP/1.1", 400),
	FIRST("POST * HTTP/1.1", 400),
	FIRST("GET a:80 HTTP/1.1", 400),
	FIRST("GET x HTTP/1.1", 400),
	FIRST("GET ?x HTTP/1.1", 400),
	FIRST("GET http://b/ HTTP/1.1", 400),
	FIRST("GET http://a:80/ HTTP/1.1", 400),
	FIRST("GET http://u@a/ HTTP/1.1", 400),
	FIRST("GET http:///x HTTP/1.1", 400),
	FIRST("GET http:// HTTP/1.1", 400),
	FIRST("GET http:/a/x HTTP/1.1", 400),
	FIRST("GET ftp://a/x HTTP/1.1", 400),
	FIRST("GET javascript:x HTTP/1.1", 400),
	FIRST("CONNECT /x HTTP/1.1", 400),
	FIRST("CONNECT u@a:1 HTTP/1.1", 400),
	FIRST("GET /x#y HTTP/1.1", 400),
	FIRST("GET /?x#y HTTP/1.1", 400),
	FIRST("GET http://a/#y HTTP/1.1", 400),
	/* 12: bytes that no target may hold. */
	FIRST("GET /\0 HTTP/1.1", 400),
	FIRST("GET /a\0b HTTP/1.1", 400),
	FIRST("GET /\x01 HTTP/1.1", 400),
	FIRST("GET /\x7f HTTP/1.1", 400),
	FIRST("GET /\xc3\xa9 HTTP/1.1", 400),
	FIRST("GET /\xff HTTP/1.1", 400),
	FIRST("GET /?\x80 HTTP/1.1", 400),
	FIRST("GET /?a\tb HTTP/1.1", 400),
	FIRST("GET /\f HTTP/1.1", 400),
};

#undef H
#undef G
#undef P
#undef END
#undef R
#undef WITH
#undef POSTED
#undef HOST
#undef FIRST

#endif
