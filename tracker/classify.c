/* SPDX-License-Identifier: Apache-2.0
 * Who is asking: a class that decides about credit, and the app and system for statistics. Pure. */
#include "classify.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* What a rule says when its text is found. */
enum rule_says {
	SAYS_PREVIEW = 0, /* draws a card in a chat */
	SAYS_BOT,         /* crawler, monitor or program */
	SAYS_PERSON, /* overrules both: a desktop app that names its brand as the fetcher does */
	SAYS_APP,
	SAYS_OS,
	SAYS_COUNT
};
enum rule_where { ANYWHERE = 0, AT_START, ALONE /* the whole User-Agent */ };

struct rule {
	const char *text; /* compared without ASCII case; at least two bytes */
	enum rule_says says;
	enum rule_where where;
	enum click_app app;
	enum click_os os;
};

#define PREVIEW(t, a)                                                   \
	{                                                               \
		.text = (t), .says = SAYS_PREVIEW, .app = CLICK_APP_##a \
	}
#define PREVIEW_ALONE(t, a)                                                             \
	{                                                                               \
		.text = (t), .says = SAYS_PREVIEW, .where = ALONE, .app = CLICK_APP_##a \
	}
#define BOT(t)                                \
	{                                     \
		.text = (t), .says = SAYS_BOT \
	}
#define BOT_FIRST(t)                                             \
	{                                                        \
		.text = (t), .says = SAYS_BOT, .where = AT_START \
	}
#define PERSON(t)                                \
	{                                        \
		.text = (t), .says = SAYS_PERSON \
	}
#define APP(t, a)                                                   \
	{                                                           \
		.text = (t), .says = SAYS_APP, .app = CLICK_APP_##a \
	}
#define APP_FIRST(t, a)                                                                \
	{                                                                              \
		.text = (t), .says = SAYS_APP, .where = AT_START, .app = CLICK_APP_##a \
	}
#define OS(t, o)                                                 \
	{                                                        \
		.text = (t), .says = SAYS_OS, .os = CLICK_OS_##o \
	}

/* Among rules that say the same kind of thing the first in the table wins. There is no rule "bot"
 * or "google": phones are called CUBOT, and Instagram on a Pixel writes Google/google. */
static const struct rule rules[] = {
	/* WhatsApp's desktop apps: "whatsapp-app/1.0.1 Chrome/… Electron/…" and "WhatsApp/2.…
	   Electron/…". */
	PERSON("Electron/"),
	/* A brand of telephones, which "bot/" below would take for a robot. */
	PERSON("CUBOT"),

	/* WhatsApp and its modifications (GBWhatsApp, YoWhatsApp2Plus, ANWhatsApp), Cloud API:
	 * developers' pages on link previews; a real click opens in the browser and carries no
	 * WhatsApp word. */
	PREVIEW("WhatsApp/", WHATSAPP),
	PREVIEW("WhatsApp2Plus/", WHATSAPP),
	PREVIEW_ALONE("WhatsApp", WHATSAPP),
	/* developers.facebook.com/docs/sharing/webmasters/web-crawlers; also iMessage, which names
	 * facebookexternalhit and Twitterbot inside a Safari User-Agent. */
	PREVIEW("facebookexternalhit/", FACEBOOK),
	PREVIEW("Facebot", FACEBOOK),
	PREVIEW("meta-externalfetcher/", FACEBOOK),
	PREVIEW("facebookcatalog/", FACEBOOK),
	/* core.telegram.org: "TelegramBot (like TwitterBot)". */
	PREVIEW("TelegramBot", TELEGRAM),
	/* developer.x.com/en/docs/x-for-websites/cards/guides/getting-started */
	PREVIEW("Twitterbot", TWITTER),
	/* developers.snap.com/robots */
	PREVIEW("Snap URL Preview", SNAPCHAT),
	/* api.slack.com/robots */
	PREVIEW("Slackbot", OTHER),
	PREVIEW("Slack-ImgProxy", OTHER),
	/* discord.com/developers, Microsoft (Skype, Teams), LinkedIn, Pinterest, Viber, LINE, VK,
	   Kakao, Bluesky */
	PREVIEW("Discordbot", OTHER),
	PREVIEW("SkypeUriPreview", OTHER),
	PREVIEW("MicrosoftPreview", OTHER),
	PREVIEW("LinkedInBot", OTHER),
	PREVIEW("Pinterestbot", OTHER),
	PREVIEW("Pinterest/0.", OTHER),
	PREVIEW_ALONE("Viber", OTHER),
	PREVIEW("Line-Poker", OTHER),
	PREVIEW("vkShare", OTHER),
	PREVIEW("kakaotalk-scrap", OTHER),
	PREVIEW("Bluesky Cardyb", OTHER),
	PREVIEW("Mastodon/", OTHER),
	PREVIEW("Iframely/", OTHER),
	PREVIEW("Embedly/", OTHER),
	PREVIEW("redditbot/", OTHER),
	PREVIEW("Google Web Preview", OTHER),
	PREVIEW("Signal-Desktop-LinkPreview", OTHER),

	/* TikTok's crawlers, and the pre-loader of its ads' landing pages */
	BOT("TikTokSpider"),
	BOT("Bytespider"),
	BOT("thirdLandingPageFeInfra"),
	/* developers.google.com/search/docs/crawling-indexing/overview-google-crawlers */
	BOT("Googlebot"),
	BOT("AdsBot-Google"),
	BOT("Mediapartners-Google"),
	BOT("APIs-Google"),
	BOT("FeedFetcher-Google"),
	BOT("Google-Safety"),
	BOT("Google-Read-Aloud"),
	BOT("Google-InspectionTool"),
	BOT("Google-PageRenderer"),
	BOT("Google-Site-Verification"),
	BOT("GoogleOther"),
	BOT("Storebot-Google"),
	/* The other search engines' and model makers' pages on their crawlers */
	BOT("bingbot"),
	BOT("BingPreview"),
	BOT("adidxbot"),
	BOT("Applebot"),
	BOT("YandexBot"),
	BOT("Baiduspider"),
	BOT("DuckDuckBot"),
	BOT("PetalBot"),
	BOT("Amazonbot"),
	BOT("SeznamBot"),
	BOT("Sogou web spider"),
	BOT("meta-externalagent/"),
	BOT("meta-externalads/"),
	BOT("meta-webindexer/"),
	BOT("GPTBot"),
	BOT("ChatGPT-User"),
	BOT("OAI-SearchBot"),
	BOT("ClaudeBot"),
	BOT("PerplexityBot"),
	BOT("CCBot"),
	BOT("AhrefsBot"),
	BOT("SemrushBot"),
	BOT("MJ12bot"),
	BOT("DotBot"),
	BOT("UptimeRobot"),
	BOT("Pingdom"),
	BOT("StatusCake"),
	BOT("archive.org_bot"),
	/* Whoever gives an address for complaints ("compatible; Any/1.0; +https://…") is no
	   shopper. */
	BOT("+http"),
	BOT("bot/"),
	BOT("spider/"),
	BOT("crawler"),
	/* Programs and libraries by the name that they send when nobody changed it; okhttp, Dart,
	 * CFNetwork and Dalvik are not here: shops' and chats' own apps open links with them. */
	BOT("HeadlessChrome"),
	BOT("PhantomJS"),
	BOT_FIRST("curl/"),
	BOT_FIRST("Wget"),
	BOT_FIRST("Python-urllib"),
	BOT_FIRST("python-requests"),
	BOT_FIRST("python-httpx"),
	BOT_FIRST("Python/"),
	BOT_FIRST("Go-http-client"),
	BOT_FIRST("Java/"),
	BOT_FIRST("Java-http-client"),
	BOT_FIRST("Apache-HttpClient"),
	BOT_FIRST("axios/"),
	BOT_FIRST("node-fetch"),
	BOT_FIRST("undici"),
	BOT_FIRST("got ("),
	BOT_FIRST("libwww-perl"),
	BOT_FIRST("GuzzleHttp"),
	BOT_FIRST("HTTPie/"),
	BOT_FIRST("PostmanRuntime"),
	BOT_FIRST("insomnia/"),
	BOT_FIRST("Scrapy"),
	BOT_FIRST("reqwest"),
	BOT_FIRST("Faraday"),
	BOT_FIRST("wrk/"),
	BOT_FIRST("ApacheBench"),

	/* People inside apps. TikTok: musical_ly, or trill in Asia and the Middle East. */
	APP("musical_ly", TIKTOK),
	APP("trill", TIKTOK),
	APP("BytedanceWebview", TIKTOK),
	APP("ByteLocale", TIKTOK),
	APP("Instagram ", INSTAGRAM),
	APP("FBAN/", FACEBOOK),
	APP("FBAV/", FACEBOOK),
	APP("FB_IAB/", FACEBOOK),
	APP("Snapchat/", SNAPCHAT),
	APP("TwitterAndroid", TWITTER),
	APP("Twitter for", TWITTER),
	APP("Telegram-Android", TELEGRAM),
	APP("Telegram/", TELEGRAM),
	APP("whatsapp-app/", WHATSAPP),
	APP_FIRST("Mozilla/", BROWSER),
	APP_FIRST("Opera/", BROWSER),
	APP_FIRST("UCWEB/", BROWSER),

	OS("Android", ANDROID),
	OS("iPhone", IOS),
	OS("iPad", IOS),
	OS("iPod", IOS),
	OS("Windows", WINDOWS),
	OS("Macintosh", MACOS),
	OS("Linux", LINUX),
	OS("CrOS", LINUX),
};
#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
static_assert(RULE_COUNT <= CLASSIFY_RULES_MAX, "the index has no room for all rules");
static_assert(CLASSIFY_RULES_MAX < UINT8_MAX, "rule numbers are kept in a byte");

#define RULE_NONE UINT8_MAX

static void rules_find(
	const struct classifier *classifier, struct str agent, uint8_t found[SAYS_COUNT]);
static bool rule_fits(const struct rule *rule, size_t len, struct str agent, size_t at);
static bool is_odd(const struct headers *headers);

/* The low five bits of a letter are the same in both cases; '-', '.', '_' and digits share them
 * with others, which costs a comparison and changes nothing. */
#define LETTER(c)  ((uint8_t)(c)&31u)
#define PAIR(text) (LETTER((text)[0]) << 5 | LETTER((text)[1]))

void classifier_init(struct classifier *classifier)
{
	*classifier = (struct classifier){0};
	for (unsigned i = RULE_COUNT; i > 0; i--) {
		const char *text = rules[i - 1].text;
		assert(strlen(text) >= 2 && strlen(text) <= UINT8_MAX);
		uint8_t *first = &classifier->first[PAIR(text)];
		classifier->len[i - 1] = (uint8_t)strlen(text);
		classifier->next[i - 1] = *first;
		*first = (uint8_t)i;
	}
}

void classify(const struct classifier *classifier, enum http_method method,
	const struct headers *headers, struct classified *out)
{
	*out = (struct classified){.class = CLICK_CLASS_SUSPECT};
	uint8_t found[SAYS_COUNT] = {RULE_NONE, RULE_NONE, RULE_NONE, RULE_NONE, RULE_NONE};
	const bool has_odd_agent = is_odd(headers);
	if (headers->user_agent.len <= CLASSIFY_USER_AGENT_MAX)
		rules_find(classifier, headers->user_agent, found);
	if (found[SAYS_APP] != RULE_NONE)
		out->app = rules[found[SAYS_APP]].app;
	if (found[SAYS_OS] != RULE_NONE)
		out->os = rules[found[SAYS_OS]].os;

	if (method == HTTP_HEAD) {
		out->class = CLICK_CLASS_HEAD;
	} else if (headers->is_prefetch) {
		out->class = CLICK_CLASS_PREFETCH;
	} else if (found[SAYS_PERSON] != RULE_NONE) {
		out->class = has_odd_agent ? CLICK_CLASS_SUSPECT : CLICK_CLASS_HUMAN;
	} else if (found[SAYS_PREVIEW] != RULE_NONE) {
		out->class = CLICK_CLASS_PREVIEW;
		out->app = rules[found[SAYS_PREVIEW]].app;
	} else if (found[SAYS_BOT] != RULE_NONE) {
		out->class = CLICK_CLASS_BOT;
	} else if (found[SAYS_APP] != RULE_NONE && !has_odd_agent) {
		out->class = CLICK_CLASS_HUMAN;
	}
}

bool classify_is_credited(enum click_class class)
{
	return class == CLICK_CLASS_HUMAN || class == CLICK_CLASS_SUSPECT;
}

/* found: of each kind the first rule of the table whose text occurs. */
static void rules_find(
	const struct classifier *classifier, struct str agent, uint8_t found[SAYS_COUNT])
{
	for (size_t at = 0; at + 1 < agent.len; at++) {
		unsigned i = classifier->first[PAIR(agent.data + at)];
		for (; i != 0; i = classifier->next[i - 1]) {
			const struct rule *rule = &rules[i - 1];
			if (i - 1 < found[rule->says] &&
				rule_fits(rule, classifier->len[i - 1], agent, at))
				found[rule->says] = (uint8_t)(i - 1);
		}
	}
}

static bool rule_fits(const struct rule *rule, size_t len, struct str agent, size_t at)
{
	if (rule->where != ANYWHERE && at != 0)
		return false;
	if (len > agent.len - at || (rule->where == ALONE && len != agent.len))
		return false;
	return strncasecmp(agent.data + at, rule->text, len) == 0;
}

/* No User-Agent, two of them, an over-long one, or one that is not UTF-8; or a link opened out of
 * sight, in a frame or as an image, as cookie stuffing does. */
static bool is_odd(const struct headers *headers)
{
	return headers->is_embedded || headers->user_agent_count != 1 ||
	       headers->user_agent.len > CLASSIFY_USER_AGENT_MAX ||
	       !utf8_is_valid(headers->user_agent);
}
