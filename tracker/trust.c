/* SPDX-License-Identifier: Apache-2.0
 * Whose word about the client's address is believed, and what that address is. Pure. */
#include "trust.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define V4_PREFIX_BITS 96
#define V4_NETWORK(a, b, bits)                                                              \
	{                                                                                   \
		{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b}}, V4_PREFIX_BITS + (bits) \
	}

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool network_parse(struct str text, struct trust_network *network);
static bool ip_parse(struct str text, struct trust_address *address);
static bool is_trusted(const struct trust *trust, const struct trust_address *address);
static bool is_within(const struct trust_network *network, const struct trust_address *address);
static bool peer_address(const struct sockaddr_storage *peer, struct trust_address *address);
static struct str last_entry(struct str *rest);

bool trust_parse(struct str text, struct trust *trust, struct err *err)
{
	*trust = (struct trust){0};
	struct str rest = str_trim(text);
	while (rest.len > 0) {
		struct str entry;
		str_cut(rest, ',', &entry, &rest);
		entry = str_trim(entry);
		if (trust->count == TRUST_NETWORKS_MAX)
			return err_set(
				err, ERR_USAGE, 0, "more than %d networks", TRUST_NETWORKS_MAX);
		if (!network_parse(entry, &trust->networks[trust->count]))
			return err_set(
				err, ERR_USAGE, 0, "'%.*s' is no address or CIDR", STR_ARG(entry));
		trust->count++;
	}
	return true;
}

bool trust_address_parse(struct str text, struct trust_address *address)
{
	text = str_trim(text);
	struct str head, tail;
	if (text.len > 0 && text.data[0] == '[') {
		const struct str inner = {.data = text.data + 1, .len = text.len - 1};
		return str_cut(inner, ']', &head, &tail) && ip_parse(head, address) &&
		       (tail.len == 0 || tail.data[0] == ':');
	}
	if (ip_parse(text, address))
		return true;
	return str_cut(text, ':', &head, &tail) && ip_parse(head, address) && trust_is_v4(address);
}

bool trust_client(const struct trust *trust, const struct sockaddr_storage *peer,
	const struct str *forwarded, unsigned forwarded_count, struct trust_address *client)
{
	const bool has_peer = peer_address(peer, client);
	/* A Unix socket's peer is on this machine: it is trusted when anybody is. */
	if (trust->count == 0 || (has_peer && !is_trusted(trust, client)))
		return has_peer;
	bool has_client = has_peer;
	unsigned hops = 0;
	for (unsigned i = forwarded_count; i > 0; i--) {
		struct str rest = forwarded[i - 1];
		while (rest.len > 0) {
			struct trust_address hop;
			if (++hops > TRUST_HOPS_MAX ||
				!trust_address_parse(last_entry(&rest), &hop))
				return has_client;
			*client = hop;
			has_client = true;
			if (!is_trusted(trust, &hop))
				return true;
		}
	}
	return has_client;
}

bool trust_has_peer(const struct trust *trust, const struct sockaddr_storage *peer)
{
	struct trust_address address;
	if (peer_address(peer, &address))
		return is_trusted(trust, &address);
	return trust->count > 0;
}

bool trust_is_v4(const struct trust_address *address)
{
	return memcmp(address->bytes, v4_mapped, sizeof(v4_mapped)) == 0;
}

bool trust_is_public(const struct trust_address *address)
{
	static const struct trust_network own[] = {
		V4_NETWORK(0, 0, 8),
		V4_NETWORK(10, 0, 8),
		V4_NETWORK(100, 64, 10),
		V4_NETWORK(127, 0, 8),
		V4_NETWORK(169, 254, 16),
		V4_NETWORK(172, 16, 12),
		V4_NETWORK(192, 168, 16),
		{{{[15] = 1}}, 128}, /* ::1 */
		{{{0xfc}}, 7},
		{{{0xfe, 0x80}}, 10},
	};
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (is_within(&own[i], address))
			return false;
	return true;
}

/* Cuts the part after the last comma off rest. */
static struct str last_entry(struct str *rest)
{
	size_t start = rest->len;
	while (start > 0 && rest->data[start - 1] != ',')
		start--;
	const struct str entry = {.data = rest->data + start, .len = rest->len - start};
	rest->len = start > 0 ? start - 1 : 0;
	return entry;
}

static bool network_parse(struct str text, struct trust_network *network)
{
	struct str ip, bits_text;
	const bool has_bits = str_cut(text, '/', &ip, &bits_text);
	if (!ip_parse(ip, &network->address))
		return false;
	const unsigned offset = trust_is_v4(&network->address) ? V4_PREFIX_BITS : 0;
	uint64_t bits = 128 - offset;
	if (has_bits && !str_parse_u64(bits_text, 128 - offset, &bits))
		return false;
	network->prefix_bits = (unsigned)bits + offset;
	return true;
}

static bool ip_parse(struct str text, struct trust_address *address)
{
	char ip[INET6_ADDRSTRLEN];
	if (!str_copy(ip, sizeof(ip), text))
		return false;
	memcpy(address->bytes, v4_mapped, sizeof(v4_mapped));
	return inet_pton(AF_INET, ip, address->bytes + sizeof(v4_mapped)) == 1 ||
	       inet_pton(AF_INET6, ip, address->bytes) == 1;
}

static bool is_trusted(const struct trust *trust, const struct trust_address *address)
{
	for (unsigned i = 0; i < trust->count; i++)
		if (is_within(&trust->networks[i], address))
			return true;
	return false;
}

static bool is_within(const struct trust_network *network, const struct trust_address *address)
{
	const unsigned whole = network->prefix_bits / 8, part = network->prefix_bits % 8;
	const uint8_t *a = address->bytes, *b = network->address.bytes;
	if (memcmp(a, b, whole) != 0)
		return false;
	return part == 0 || ((a[whole] ^ b[whole]) >> (8 - part)) == 0;
}

static bool peer_address(const struct sockaddr_storage *peer, struct trust_address *address)
{
	if (peer->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, peer, sizeof(in));
		memcpy(address->bytes, v4_mapped, sizeof(v4_mapped));
		memcpy(address->bytes + sizeof(v4_mapped), &in.sin_addr, 4);
		return true;
	}
	if (peer->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, peer, sizeof(in6));
		memcpy(address->bytes, &in6.sin6_addr, 16);
		return true;
	}
	return false;
}
