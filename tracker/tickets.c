/* SPDX-License-Identifier: Apache-2.0
 * Clicks whose redirect has not left yet. */
#include "tickets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

static void waiting_remove(struct tickets *tickets, struct ticket *ticket);

bool tickets_init(struct tickets *tickets, uint32_t max)
{
	*tickets = (struct tickets){
		.max = max, .free_first = NONE, .waiting_first = NONE, .waiting_last = NONE};
	tickets->all = calloc(max, sizeof(*tickets->all));
	return tickets->all != NULL;
}

void tickets_release(struct tickets *tickets)
{
	for (uint32_t i = 0; i < tickets->used_count; i++)
		if (tickets->all[i].state != TICKET_FREE)
			ticket_end(tickets, &tickets->all[i]);
	free(tickets->all);
	tickets->all = NULL;
}

struct ticket *ticket_take(
	struct tickets *tickets, const struct sink_ticket *given, struct str note)
{
	const bool has_free = tickets->free_first != NONE;
	const uint32_t at = has_free ? tickets->free_first : tickets->used_count;
	char *bytes = at < tickets->max ? malloc(given->headers.len + note.len) : NULL;
	if (!bytes)
		return NULL;
	struct ticket *ticket = &tickets->all[at];
	if (has_free)
		tickets->free_first = ticket->next;
	else
		tickets->used_count++;
	memcpy(bytes, given->headers.data, given->headers.len);
	memcpy(bytes + given->headers.len, note.data, note.len);
	ticket->given = *given;
	ticket->given.headers.data = bytes;
	ticket->note = (struct str){bytes + given->headers.len, note.len};
	ticket->state = TICKET_SPOOLING;
	return ticket;
}

void ticket_wait(struct tickets *tickets, struct ticket *ticket, int64_t deadline_us)
{
	const uint32_t at = (uint32_t)(ticket - tickets->all);
	assert(ticket->state == TICKET_SPOOLING);
	ticket->state = TICKET_WAITING;
	ticket->deadline_us = deadline_us;
	ticket->next = NONE;
	ticket->previous = tickets->waiting_last;
	if (tickets->waiting_last != NONE)
		tickets->all[tickets->waiting_last].next = at;
	else
		tickets->waiting_first = at;
	tickets->waiting_last = at;
}

struct ticket *ticket_first(const struct tickets *tickets)
{
	return tickets->waiting_first == NONE ? NULL : &tickets->all[tickets->waiting_first];
}

void ticket_spool(struct tickets *tickets, struct ticket *ticket)
{
	if (ticket->state == TICKET_WAITING)
		waiting_remove(tickets, ticket);
	ticket->state = TICKET_SPOOLING;
	ticket->generation++;
}

void ticket_end(struct tickets *tickets, struct ticket *ticket)
{
	assert(ticket->state != TICKET_FREE);
	if (ticket->state == TICKET_WAITING)
		waiting_remove(tickets, ticket);
	/* The memory was malloc'ed by ticket_take; the view only reads it. */
	free((void *)(uintptr_t)ticket->given.headers.data);
	ticket->given.headers = ticket->note = (struct str){0};
	ticket->state = TICKET_FREE;
	ticket->generation++;
	ticket->next = tickets->free_first;
	tickets->free_first = (uint32_t)(ticket - tickets->all);
}

uint64_t ticket_tag(const struct tickets *tickets, const struct ticket *ticket)
{
	return (uint64_t)(ticket - tickets->all) << 32 | ticket->generation;
}

struct ticket *ticket_by_tag(const struct tickets *tickets, uint64_t tag)
{
	assert(tag >> 32 < tickets->used_count);
	struct ticket *ticket = &tickets->all[tag >> 32];
	const bool is_it = ticket->state != TICKET_FREE && ticket->generation == (uint32_t)tag;
	return is_it ? ticket : NULL;
}

static void waiting_remove(struct tickets *tickets, struct ticket *ticket)
{
	if (ticket->previous != NONE)
		tickets->all[ticket->previous].next = ticket->next;
	else
		tickets->waiting_first = ticket->next;
	if (ticket->next != NONE)
		tickets->all[ticket->next].previous = ticket->previous;
	else
		tickets->waiting_last = ticket->previous;
}
