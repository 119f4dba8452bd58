/* SPDX-License-Identifier: Apache-2.0
 * Who is asking: a class that decides about credit, and the app and system for statistics. Pure. */
#include "classify.h"

#include <assert.h>
#include <string.h>

/* What a rule says when its text is found; among those that say the same the first one of the table
 * counts. */
enum rule_says {
	SAYS_NAME = 0, /* who it is: a robot, a card's fetcher, or a person taken for one */
	SAYS_SIGN,     /* that it is a robot, whatever its name */
	SAYS_ADDRESS,  /* where to complain about it */
	SAYS_WORD,     /* what it does, if it is no browser */
	SAYS_APP,
	SAYS_OS,
	SAYS_COUNT
};
enum rule_where {
	ANYWHERE = 0,
	AT_START,
	ALONE,      /* the whole User-Agent */
	END_OF_WORD /* no letter or digit follows */
};

struct rule {
	const char *text; /* compared without ASCII case; TEXT_MIN bytes or more */
	enum rule_says says;
	enum rule_where where;
	enum click_class class;
	enum click_app app;
	enum click_os os;
};

#define TEXT_MIN 3

#define RULE(t, s, w) .text = (t), .says = SAYS_##s, .where = (w)
/* clang-format off */
#define NAME(t, w, c, a)    {RULE(t, NAME, w), .class = CLICK_CLASS_##c, .app = CLICK_APP_##a},
#define BOT(t)              NAME(t, ANYWHERE, BOT, OTHER)
#define BOT_FIRST(t)        NAME(t, AT_START, BOT, OTHER)
#define BOT_ALONE(t)        NAME(t, ALONE, BOT, OTHER)
#define PERSON(t)           NAME(t, ANYWHERE, HUMAN, OTHER)
#define PREVIEW(t, a)       NAME(t, ANYWHERE, PREVIEW, a)
#define PREVIEW_ALONE(t, a) NAME(t, ALONE, PREVIEW, a)
#define SIGN(t)             {RULE(t, SIGN, ANYWHERE)},
#define SIGN_END(t)         {RULE(t, SIGN, END_OF_WORD)},
#define ADDRESS(t)          {RULE(t, ADDRESS, ANYWHERE)},
#define WORD(t)             {RULE(t, WORD, END_OF_WORD)},
#define APP(t, a)           {RULE(t, APP, ANYWHERE), .app = CLICK_APP_##a},
#define APP_FIRST(t, a)     {RULE(t, APP, AT_START), .app = CLICK_APP_##a},
#define OS(t, o)            {RULE(t, OS, ANYWHERE), .os = CLICK_OS_##o},
/* clang-format on */

static const struct rule rules[] = {
#include "classify_rules.def"
};
#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
static_assert(RULE_COUNT <= CLASSIFY_RULES_MAX, "the index has no room for all rules");
static_assert(CLASSIFY_RULES_MAX < UINT16_MAX, "rule numbers are kept in two bytes");

#define RULE_NONE UINT16_MAX

/* One pass over a User-Agent. */
struct scan {
	const struct classifier *classifier;
	struct str agent;
	bool is_text;     /* UTF-8 */
	size_t phone_end; /* before it, from "Android" to the next ')', a telephone is named */
	uint16_t found[SAYS_COUNT]; /* the first rule of each kind whose text occurs */
};

#define PLACES         4
#define GROUPS         16
#define PLACE(p, bits) ((uint64_t)(bits) << ((p)*GROUPS))
#define GROUPS_ALL     UINT64_C(0xffff)
#define LETTER(c)      ((uint8_t)(c)&0x1fu)
static_assert(PLACES * GROUPS == 64, "the places of all groups fill the shifted word");

static void misses_clear(struct classifier *classifier, const char *text);
static unsigned slot_of(const char *text);
static void rules_find(struct scan *scan);
static void rules_try(struct scan *scan, unsigned first, size_t at);
static bool rule_fits(const struct rule *rule, size_t len, struct str agent, size_t at);
static void rule_take(struct scan *scan, unsigned number, size_t at);
static enum click_class class_of(const struct scan *scan, bool has_odd_agent);
static bool is_robot(const struct scan *scan);
static bool has_mail_address(struct str agent);
static bool is_odd(const struct scan *scan, const struct headers *headers);
static unsigned fold(char c);
static bool is_letter(char c);
static bool is_word(char c);

void classifier_init(struct classifier *classifier)
{
	*classifier = (struct classifier){0};
	memset(classifier->misses, 0xff, sizeof(classifier->misses));
	for (unsigned i = RULE_COUNT; i > 0; i--) {
		const struct rule *rule = &rules[i - 1];
		const size_t len = strlen(rule->text);
		assert(len >= TEXT_MIN && len <= UINT8_MAX);
		const bool is_first = rule->where == AT_START || rule->where == ALONE;
		uint16_t *slot = is_first ? &classifier->start[slot_of(rule->text)]
					  : &classifier->first[slot_of(rule->text)];
		if (!is_first)
			misses_clear(classifier, rule->text);
		classifier->len[i - 1] = (uint8_t)len;
		classifier->next[i - 1] = *slot;
		*slot = (uint16_t)i;
	}
}

void classify(const struct classifier *classifier, enum http_method method,
	const struct headers *headers, struct classified *out)
{
	struct scan scan = {.classifier = classifier, .agent = headers->user_agent};
	memset(scan.found, 0xff, sizeof(scan.found)); /* RULE_NONE */
	if (scan.agent.len <= CLASSIFY_USER_AGENT_MAX)
		rules_find(&scan);
	*out = (struct classified){0};
	if (scan.found[SAYS_APP] != RULE_NONE)
		out->app = rules[scan.found[SAYS_APP]].app;
	if (scan.found[SAYS_OS] != RULE_NONE)
		out->os = rules[scan.found[SAYS_OS]].os;

	if (method == HTTP_HEAD)
		out->class = CLICK_CLASS_HEAD;
	else if (headers->is_prefetch)
		out->class = CLICK_CLASS_PREFETCH;
	else
		out->class = class_of(&scan, is_odd(&scan, headers));
	if (out->class == CLICK_CLASS_PREVIEW)
		out->app = rules[scan.found[SAYS_NAME]].app;
}

bool classify_is_credited(enum click_class class)
{
	return class == CLICK_CLASS_HUMAN || class == CLICK_CLASS_SUSPECT;
}

/* The group is that of the third letter, which tells texts apart best; a fourth that is not there
 * may be any. */
static void misses_clear(struct classifier *classifier, const char *text)
{
	const unsigned group = UINT32_C(1) << (fold(text[TEXT_MIN - 1]) % GROUPS);
	for (unsigned byte = 0; byte <= UINT8_MAX; byte++) {
		for (unsigned place = 0; place < PLACES; place++) {
			if (text[place] == '\0' || fold((char)byte) == fold(text[place]))
				classifier->misses[byte] &= ~PLACE(place, group);
		}
	}
}

/* The low five bits of a letter are the same in both cases. */
static unsigned slot_of(const char *text)
{
	const unsigned trio = LETTER(text[0]) << 10 | LETTER(text[1]) << 5 | LETTER(text[2]);
	return (trio * UINT32_C(40503) >> 6) % CLASSIFY_SLOTS;
}

static void rules_find(struct scan *scan)
{
	const struct classifier *classifier = scan->classifier;
	const char *data = scan->agent.data;
	const size_t len = scan->agent.len;
	if (len >= TEXT_MIN)
		rules_try(scan, classifier->start[slot_of(data)], 0);
	uint64_t misses = UINT64_MAX;
	uint8_t bits = 0;
	for (size_t i = 0; i < len; i++) {
		misses = misses << GROUPS | classifier->misses[(uint8_t)data[i]];
		bits |= (uint8_t)data[i];
		if (misses < PLACE(PLACES - 1, GROUPS_ALL))
			rules_try(scan, classifier->first[slot_of(data + i + 1 - PLACES)],
				i + 1 - PLACES);
	}
	if (len >= TEXT_MIN) /* a text of three letters at the end has no fourth place */
		rules_try(scan, classifier->first[slot_of(data + len - TEXT_MIN)], len - TEXT_MIN);
	scan->is_text = bits < 0x80 || utf8_is_valid(scan->agent);
}

static void rules_try(struct scan *scan, unsigned first, size_t at)
{
	const struct classifier *classifier = scan->classifier;
	for (unsigned i = first; i != 0; i = classifier->next[i - 1]) {
		const struct rule *rule = &rules[i - 1];
		if (i - 1 < scan->found[rule->says] &&
			rule_fits(rule, classifier->len[i - 1], scan->agent, at))
			rule_take(scan, i - 1, at);
	}
}

static bool rule_fits(const struct rule *rule, size_t len, struct str agent, size_t at)
{
	if (len > agent.len - at)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char c = agent.data[at + i];
		if (c != rule->text[i] && fold(c) != fold(rule->text[i]))
			return false;
	}
	const bool is_end = at + len == agent.len || !is_word(agent.data[at + len]);
	switch (rule->where) {
	case ANYWHERE:
	case AT_START: /* tried there alone */
		return true;
	case ALONE:
		return len == agent.len;
	case END_OF_WORD:
		return is_end;
	}
	return false;
}

static void rule_take(struct scan *scan, unsigned number, size_t at)
{
	const struct rule *rule = &rules[number];
	if (rule->says == SAYS_SIGN && at < scan->phone_end)
		return;
	if (rule->says == SAYS_OS && rule->os == CLICK_OS_ANDROID) {
		const char *end = memchr(scan->agent.data + at, ')', scan->agent.len - at);
		scan->phone_end = end == NULL ? scan->agent.len : (size_t)(end - scan->agent.data);
	}
	scan->found[rule->says] = (uint16_t)number;
}

static enum click_class class_of(const struct scan *scan, bool has_odd_agent)
{
	const uint16_t name = scan->found[SAYS_NAME];
	if (name != RULE_NONE && rules[name].class != CLICK_CLASS_HUMAN)
		return rules[name].class;
	if (name == RULE_NONE && is_robot(scan))
		return CLICK_CLASS_BOT;
	return scan->found[SAYS_APP] == RULE_NONE || has_odd_agent ? CLICK_CLASS_SUSPECT
								   : CLICK_CLASS_HUMAN;
}

/* Nobody whose name is known, but it shows what it is. */
static bool is_robot(const struct scan *scan)
{
	const uint16_t *found = scan->found;
	const bool has_app = found[SAYS_APP] != RULE_NONE;
	const bool has_os = found[SAYS_OS] != RULE_NONE;
	if (has_app && rules[found[SAYS_APP]].app != CLICK_APP_BROWSER)
		return false;
	if (found[SAYS_SIGN] != RULE_NONE)
		return true;
	const enum click_os os = has_os ? rules[found[SAYS_OS]].os : CLICK_OS_OTHER;
	if (os != CLICK_OS_ANDROID && os != CLICK_OS_IOS &&
		(found[SAYS_ADDRESS] != RULE_NONE || has_mail_address(scan->agent)))
		return true;
	return !has_app && !has_os && found[SAYS_WORD] != RULE_NONE;
}

/* "abuse@example.org", but not "ios@10.1" or "SM-G@" */
static bool has_mail_address(struct str agent)
{
	struct str local, domain = agent;
	while (str_cut(domain, '@', &local, &domain)) {
		size_t end = 0, label = 0; /* of the domain's last label: where it begins */
		for (; end < domain.len; end++) {
			if (domain.data[end] == '.' && end + 1 < domain.len &&
				is_letter(domain.data[end + 1]))
				label = end + 1;
			else if (!is_word(domain.data[end]) && domain.data[end] != '-')
				break;
		}
		bool is_name = label > 1 && end >= label + 2;
		for (size_t i = label; i < end; i++)
			is_name = is_name && is_letter(domain.data[i]);
		if (is_name && local.len > 0 && is_word(local.data[local.len - 1]))
			return true;
	}
	return false;
}

/* is_text is false of what was too long to be looked at. No User-Agent, two of them, an over-long
 * one, or one that is not UTF-8; or a link opened out of sight, in a frame or as an image, as
 * cookie stuffing does. */
static bool is_odd(const struct scan *scan, const struct headers *headers)
{
	return headers->is_embedded || headers->user_agent_count != 1 || !scan->is_text;
}

static unsigned fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)c | 0x20u : (uint8_t)c;
}

static bool is_letter(char c)
{
	const unsigned folded = fold(c);
	return folded >= 'a' && folded <= 'z';
}

static bool is_word(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9');
}
