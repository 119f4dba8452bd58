/* SPDX-License-Identifier: Apache-2.0
 * Who is asking: User-Agents as they are seen, prefetch headers, methods. */
#include "classify.h"

#include "../common/suite.h"

#define IOS_SAFARI                                                                             \
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, " \
	"like Gecko) "
#define ANDROID "Mozilla/5.0 (Linux; Android 13; SM-A135F) AppleWebKit/537.36 (KHTML, like Gecko) "

static struct classified classified_of(struct str agent)
{
	static struct classifier classifier;
	classifier_init(&classifier);
	const struct headers headers = {.user_agent = agent, .user_agent_count = 1};
	struct classified out;
	classify(&classifier, HTTP_GET, &headers, &out);
	return out;
}

static const struct {
	struct str agent;
	enum click_class class;
	enum click_app app;
	enum click_os os;
} agents[] = {
#define ROW(agent, class, app, os)                                              \
	{                                                                       \
		STR(agent), CLICK_CLASS_##class, CLICK_APP_##app, CLICK_OS_##os \
	}
	ROW("", SUSPECT, OTHER, OTHER),
	ROW("x", SUSPECT, OTHER, OTHER),
	ROW("okhttp/4.9.3", SUSPECT, OTHER, OTHER),
	ROW("Dalvik/2.1.0 (Linux; U; Android 13)", SUSPECT, OTHER, ANDROID),
	ROW("Mozilla/5.0 \xff", SUSPECT, BROWSER, OTHER),
	ROW(IOS_SAFARI "Version/17.5 Mobile/15E148 Safari/604.1", HUMAN, BROWSER, IOS),
	ROW(ANDROID "Chrome/126.0.0.0 Mobile Safari/537.36", HUMAN, BROWSER, ANDROID),
	ROW("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 "
	    "Firefox/127.0",
		HUMAN, BROWSER, WINDOWS),
	ROW("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, "
	    "like "
	    "Gecko) Version/17.4 Safari/605.1.15",
		HUMAN, BROWSER, MACOS),
	ROW("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36", HUMAN,
		BROWSER, LINUX),
	/* people inside apps */
	ROW(ANDROID "Version/4.0 Chrome/111 Mobile Safari/537.36 musical_ly_2022704050 "
		    "JsSdk/1.0 "
		    "NetType/WIFI Channel/googleplay AppName/musical_ly "
		    "BytedanceWebview/d8a21c6",
		HUMAN, TIKTOK, ANDROID),
	ROW(IOS_SAFARI "Mobile/15E148 BytedanceWebview/d8a21c6 trill_34.9.0 JsSdk/2.0 Region/MY",
		HUMAN, TIKTOK, IOS),
	ROW(ANDROID "Chrome/111 Mobile Safari/537.36trill_400", HUMAN, TIKTOK, ANDROID),
	ROW(IOS_SAFARI "Mobile/15E148 Instagram 330.0.3.29.91 (iPhone14,3; iOS 17_5; ar_EG)", HUMAN,
		INSTAGRAM, IOS),
	ROW(ANDROID "Version/4.0 Chrome/126 Mobile Safari/537.36 Instagram 337.0.0.35.102 "
		    "Android "
		    "(34/14; 420dpi; Google/google; Pixel 7; panther; panther; en_US)",
		HUMAN, INSTAGRAM, ANDROID),
	ROW(IOS_SAFARI "Mobile/15E148 [FBAN/FBIOS;FBAV/470.0;FBBV/1]", HUMAN, FACEBOOK, IOS),
	ROW(ANDROID "Version/4.0 Chrome/126 [FB_IAB/FB4A;FBAV/470.0;]", HUMAN, FACEBOOK, ANDROID),
	ROW(IOS_SAFARI "Mobile/15E148 Snapchat/12.87.0.44 (like Safari/8618)", HUMAN, SNAPCHAT,
		IOS),
	ROW(ANDROID "Chrome/126 Mobile Safari/537.36 TwitterAndroid", HUMAN, TWITTER, ANDROID),
	ROW(IOS_SAFARI "Mobile/15E148 Twitter for iPhone/10.34", HUMAN, TWITTER, IOS),
	ROW("Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 Chrome/80 "
	    "Mobile "
	    "Safari/537.36",
		HUMAN, BROWSER, ANDROID),
	ROW("Mozilla/5.0 (Linux; Android 9; CUBOT/X18) Chrome/80 [FBMF/CUBOT;FBAV/1]", HUMAN,
		FACEBOOK, ANDROID),
	ROW("Mozilla/5.0 (Macintosh; Intel Mac OS X 12_5) AppleWebKit/537.36 (KHTML, like "
	    "Gecko) "
	    "whatsapp-app/1.0.1 Chrome/98 Electron/17.4 Safari/537.36",
		HUMAN, WHATSAPP, MACOS),
	ROW("Mozilla/5.0 (Windows NT 10.0) WhatsApp/2.2037.6 Chrome/85 Electron/10.1 "
	    "Safari/537.36",
		HUMAN, WHATSAPP, WINDOWS),
	ROW(IOS_SAFARI "Mobile/15E148 Snapchat/11.36.0.36 (like Safari/604.1)", HUMAN, SNAPCHAT,
		IOS),
	ROW(IOS_SAFARI "Mobile/15E148 musical_ly_34.9.0 JsSdk/2.0 NetType/4G Channel/App Store "
		       "ByteLocale/en Region/EG",
		HUMAN, TIKTOK, IOS),
	ROW(ANDROID "Version/4.0 Chrome/142.0 Mobile Safari/537.36 Instagram 406.0.0.58.159 "
		    "Android (35/15; 480dpi; 1080x2400; OPPO; CPH2557; mt6833; en_MY; IABMV/1)",
		HUMAN, INSTAGRAM, ANDROID),
	ROW("Mozilla/5.0 (Linux; Android 16; Pixel 10 Pro; wv) AppleWebKit/537.36 Version/4.0 "
	    "Chrome/146.0 Mobile Safari/537.36 MetaIAB Facebook",
		HUMAN, FACEBOOK, ANDROID),
	ROW(ANDROID "[FBAN/EMA;FBLC/ar_AR;FBAV/340.0.0.1;FBDM/DisplayMetrics{density=2.0}]", HUMAN,
		FACEBOOK, ANDROID),
	ROW(ANDROID "Chrome/126 Mobile [FB_IAB/Orca-Android;FBAV/460.0.0.1;]", HUMAN, FACEBOOK,
		ANDROID),
	ROW(IOS_SAFARI "LightSpeed [FBAN/MessengerLiteForiOS;FBAV/460.0;FBLC/ar]", HUMAN, FACEBOOK,
		IOS),
	ROW(IOS_SAFARI "Mobile/15E148 [LinkedInApp]/9.24.1488", HUMAN, BROWSER, IOS),
	ROW(IOS_SAFARI "GSA/323.0.647062479 Mobile/15E148 Safari/604.1", HUMAN, BROWSER, IOS),
	ROW("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126 Mobile "
	    "Safari/537.36 GoogleApp GSA/15.1 Google/google",
		HUMAN, BROWSER, ANDROID),
	ROW(ANDROID "Version/4.0 Chrome/126 Mobile Safari/537.36 Telegram-Android/11.2 (Samsung)",
		HUMAN, TELEGRAM, ANDROID),
	ROW("Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; en) Presto/2.12", HUMAN, BROWSER,
		OTHER),
	/* telephones that are called as robots are */
	ROW("Mozilla/5.0 (Linux; Android 10; CUBOT J9) AppleWebKit/537.36 Chrome/88", HUMAN,
		BROWSER, ANDROID),
	ROW("mozilla/5.0 (linux; android 6.0; cubot echo) applewebkit/537.36 chrome/70.0", HUMAN,
		BROWSER, ANDROID),
	ROW("Mozilla/5.0 (Linux; Android 8.1.0; XBot_Senior Build/O11019) Chrome/65", HUMAN,
		BROWSER, ANDROID),
	ROW("Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 Chrome/124", HUMAN,
		BROWSER, ANDROID),
	ROW("Mozilla/5.0 (Linux; Android 13; Xbot", HUMAN, BROWSER, ANDROID),
	ROW("Mozilla/5.0 (Linux; Android 9; X1) Chrome/80 [FBMF/XBOT;FBDV/Robot;FBAV/1]", HUMAN,
		FACEBOOK, ANDROID),
	ROW(ANDROID "Chrome/111 Mobile Safari/537.36 CamScanner/6.27", HUMAN, BROWSER, ANDROID),
	ROW("Mozilla/5.0 (Linux; Android 7.0; Seoul MIX) AppleWebKit/537.36 Chrome/85", HUMAN,
		BROWSER, ANDROID),
	/* parts of words, and words that are nobody's name */
	ROW("Mozilla/5.0 (Windows NT 10.0) Chrome/126 Botanica/1 Safari/537.36", HUMAN, BROWSER,
		WINDOWS),
	ROW("Mozilla/5.0 (Windows NT 10.0) node fetch http client search Chrome/126", HUMAN,
		BROWSER, WINDOWS),
	ROW("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Ecosia ios@10.1.2", HUMAN,
		BROWSER, IOS),
	ROW("Mozilla/5.0 (Windows NT 10.0) Some@thing Other@1.2 @a.bc x@.com", HUMAN, BROWSER,
		WINDOWS),
	ROW("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Shop/2 (https://shop.example)",
		HUMAN, BROWSER, IOS),
	ROW("MAUI_WAP_Browser MRE/3.1;WAP Browser/MAUI (HTTP PGDL;HTTPS);INDEX/004", SUSPECT, OTHER,
		OTHER),
	ROW("Nokia201/2.0 (11.81) Profile/MIDP-2.1 Configuration/CLDC-1.1", SUSPECT, OTHER, OTHER),
	ROW("GOGGalaxyClient/2.0.20.39 (GOG Galaxy)", SUSPECT, OTHER, OTHER),
	ROW("Lynx/2.9.0dev.4 libwww-FM/2.14 SSL-MM/1.4.1", SUSPECT, OTHER, OTHER),
	ROW("MozacFetch/49.0.20200702190156", SUSPECT, OTHER, OTHER),
	ROW("Hello World", SUSPECT, OTHER, OTHER),
	ROW("waipu/2023.25 (Phone; CUBOT; NOTE 7; waipu; Android 10)", SUSPECT, OTHER, ANDROID),
	ROW("Shop-Feed-RSS/2 CFNetwork/1126 Darwin/19.5.0", SUSPECT, OTHER, OTHER),
	ROW("Checkout/1", SUSPECT, OTHER, OTHER),
	/* cards in chats */
	ROW("WhatsApp/2.23.20.0 A", PREVIEW, WHATSAPP, OTHER),
	ROW("WhatsApp/2.12.16/i", PREVIEW, WHATSAPP, OTHER),
	ROW("WhatsApp", PREVIEW, WHATSAPP, OTHER),
	ROW("WhatsApp/2", PREVIEW, WHATSAPP, OTHER),
	ROW("GBWhatsApp/2.22.2 A", PREVIEW, WHATSAPP, OTHER),
	ROW("YoWhatsApp2Plus/2.22 A", PREVIEW, WHATSAPP, OTHER),
	ROW("WhatsApp/2.22.2 CloudAPI/99.99.99 Device/x86_64", PREVIEW, WHATSAPP, OTHER),
	ROW("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", PREVIEW,
		FACEBOOK, OTHER),
	ROW("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, "
	    "like Gecko) "
	    "Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
		PREVIEW, FACEBOOK, MACOS),
	ROW("TelegramBot (like TwitterBot)", PREVIEW, TELEGRAM, OTHER),
	ROW("Twitterbot/1.0", PREVIEW, TWITTER, OTHER),
	ROW("LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient "
	    "+http://www.linkedin.com)",
		PREVIEW, OTHER, OTHER),
	ROW("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", PREVIEW, OTHER, OTHER),
	ROW("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", PREVIEW, OTHER,
		OTHER),
	ROW("Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots", PREVIEW,
		SNAPCHAT, OTHER),
	ROW("Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5", PREVIEW, OTHER,
		WINDOWS),
	ROW("Viber", PREVIEW, OTHER, OTHER),
	ROW("Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)", PREVIEW, OTHER, OTHER),
	ROW("WhatsApp/2.22.9.76 i", PREVIEW, WHATSAPP, OTHER),
	ROW("WhatsApp/0.3.4679 N", PREVIEW, WHATSAPP, OTHER),
	ROW("ANWhatsApp/2.23.21.88", PREVIEW, WHATSAPP, OTHER),
	ROW("facebookexternalhit/1.1 Facebot", PREVIEW, FACEBOOK, OTHER),
	ROW("meta-externalfetcher/1.1", PREVIEW, FACEBOOK, OTHER),
	ROW("facebookcatalog/1.0", PREVIEW, FACEBOOK, OTHER),
	ROW("Slack-ImgProxy (+https://api.slack.com/robots)", PREVIEW, OTHER, OTHER),
	ROW("Mozilla/5.0 (Windows NT 10.0) MicrosoftPreview/2.0", PREVIEW, OTHER, WINDOWS),
	ROW("Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
		PREVIEW, OTHER, OTHER),
	ROW("Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)", PREVIEW,
		OTHER, OTHER),
	ROW("facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com", PREVIEW,
		FACEBOOK, OTHER),
	ROW("kakaotalk-scrap/1.0", PREVIEW, OTHER, OTHER),
	ROW("Google Web Preview", PREVIEW, OTHER, OTHER),
	/* crawlers and programs */
	ROW("meta-externalagent/1.1 (+https://developers.facebook.com/docs/crawler)", BOT, OTHER,
		OTHER),
	ROW("meta-externalads/1.1", BOT, OTHER, OTHER),
	ROW("meta-webindexer/1.1", BOT, OTHER, OTHER),
	ROW("Applebot/0.3", BOT, OTHER, OTHER),
	ROW(ANDROID "Chrome/80 Mobile Safari/537.36 thirdLandingPageFeInfra", BOT, BROWSER,
		ANDROID),
	ROW(ANDROID "Chrome/41 Mobile Safari/537.36 (compatible; Google-Safety)", BOT, BROWSER,
		ANDROID),
	ROW(ANDROID "Google-Read-Aloud", BOT, BROWSER, ANDROID),
	ROW(ANDROID "(compatible; Google-InspectionTool/1.0;)", BOT, BROWSER, ANDROID),
	ROW("GoogleOther", BOT, OTHER, OTHER),
	ROW("AdsBot-Google (+http://www.google.com/adsbot.html)", BOT, OTHER, OTHER),
	ROW("Mozilla/5.0 (compatible; Google-PageRenderer)", BOT, BROWSER, OTHER),
	ROW("Mozilla/5.0 (Windows NT 10.0) browser/2020.2 Electron/7.1 PingdomTMS/2020.2", BOT,
		BROWSER, WINDOWS),
	ROW("Mozilla/5.0 (Linux; Android 7.0;) Mobile Safari/537.36 (compatible; NewBot)", BOT,
		BROWSER, ANDROID),
	ROW("NewBot", BOT, OTHER, OTHER),
	ROW("Mozilla/5.0 (compatible; NewSpider; x)", BOT, BROWSER, OTHER),
	ROW("Mozilla/5.0 (compatible; Any/1.0; https://example.org/why)", BOT, BROWSER, OTHER),
	ROW("Mozilla/5.0 (compatible; Any/1.0; abuse@mail.example.org)", BOT, BROWSER, OTHER),
	ROW("Any abuse@x.org", BOT, OTHER, OTHER),
	ROW("Site Monitor 2", BOT, OTHER, OTHER),
	ROW("OtherLinkChecker/1", BOT, OTHER, OTHER),
	ROW("curl", BOT, OTHER, OTHER),
	ROW("curled hair", SUSPECT, OTHER, OTHER),
	ROW("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", BOT,
		BROWSER, OTHER),
	ROW("Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) "
	    "Mobile "
	    "Safari/537.36 (compatible; TikTokSpider; ttspider-feedback@tiktok.com)",
		BOT, BROWSER, ANDROID),
	ROW("Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)", BOT, BROWSER,
		OTHER),
	ROW("Mozilla/5.0 (Macintosh) (Applebot/0.1; +http://www.apple.com/go/applebot)", BOT,
		BROWSER, MACOS),
	ROW("Mozilla/5.0 (compatible; NeverHeardOf/1.0; +https://example.org/crawl)", BOT, BROWSER,
		OTHER),
	ROW("curl/7.88.1", BOT, OTHER, OTHER),
	ROW("Python-urllib/3.11", BOT, OTHER, OTHER),
	ROW("python-requests/2.31", BOT, OTHER, OTHER),
	ROW("Go-http-client/1.1", BOT, OTHER, OTHER),
	ROW("Wget/1.21", BOT, OTHER, OTHER),
	ROW("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/126.0 Safari/537.36", BOT, BROWSER,
		LINUX),
	ROW("Mozilla/5.0 my curl/7", HUMAN, BROWSER, OTHER),
};

START_TEST(user_agents_have_their_class)
{
	for (size_t i = 0; i < COUNT_OF(agents); i++) {
		const struct classified got = classified_of(agents[i].agent);
		ck_assert_msg(got.class == agents[i].class && got.app == agents[i].app &&
				      got.os == agents[i].os,
			"row %zu: %s %s %s", i, click_class_name(got.class),
			click_app_name(got.app), click_os_name(got.os));
	}
}
END_TEST

START_TEST(method_and_prefetch_come_before_the_user_agent)
{
	struct classifier classifier;
	classifier_init(&classifier);
	struct headers headers = {.user_agent = STR("WhatsApp/2"), .user_agent_count = 1};
	struct classified out;
	classify(&classifier, HTTP_HEAD, &headers, &out);
	ck_assert_int_eq(out.class, CLICK_CLASS_HEAD);
	headers.is_prefetch = true;
	classify(&classifier, HTTP_HEAD, &headers, &out);
	ck_assert_int_eq(out.class, CLICK_CLASS_HEAD);
	classify(&classifier, HTTP_GET, &headers, &out);
	ck_assert_int_eq(out.class, CLICK_CLASS_PREFETCH);
}
END_TEST

START_TEST(odd_user_agents_are_suspect)
{
	struct classifier classifier;
	classifier_init(&classifier);
	char text[CLASSIFY_USER_AGENT_MAX + 1];
	memset(text, 'x', sizeof(text));
	memcpy(text, "Mozilla/5.0", 11);
	struct headers headers = {.user_agent = {.data = text, .len = CLASSIFY_USER_AGENT_MAX},
		.user_agent_count = 1};
	struct classified out;
	classify(&classifier, HTTP_GET, &headers, &out);
	ck_assert_int_eq(out.class, CLICK_CLASS_HUMAN);
	headers.user_agent.len++;
	classify(&classifier, HTTP_GET, &headers, &out);
	ck_assert_int_eq(out.class, CLICK_CLASS_SUSPECT);
	headers = (struct headers){0};
	classify(&classifier, HTTP_GET, &headers, &out);
	ck_assert_int_eq(out.class, CLICK_CLASS_SUSPECT);
	headers = (struct headers){.user_agent = STR("Mozilla/5.0"), .user_agent_count = 2};
	classify(&classifier, HTTP_GET, &headers, &out);
	ck_assert_int_eq(out.class, CLICK_CLASS_SUSPECT);
}
END_TEST

START_TEST(links_opened_out_of_sight_are_suspect)
{
	static const struct {
		struct str dest;
		enum click_class class;
	} rows[] = {
		{STR("document"), CLICK_CLASS_HUMAN},
		{STR("image"), CLICK_CLASS_SUSPECT},
		{STR("iframe"), CLICK_CLASS_SUSPECT},
		{STR("empty"), CLICK_CLASS_SUSPECT},
		{STR(""), CLICK_CLASS_SUSPECT},
	};
	struct classifier classifier;
	classifier_init(&classifier);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		static struct http_request request;
		struct headers headers;
		struct classified out;
		request.headers[0] = (struct http_header){STR("User-Agent"), STR("Mozilla/5.0")};
		request.headers[1] = (struct http_header){STR("sec-fetch-dest"), rows[i].dest};
		request.header_count = 2;
		headers_gather(&request, &headers);
		classify(&classifier, HTTP_GET, &headers, &out);
		ck_assert_msg(out.class == rows[i].class, "row %zu", i);
	}
}
END_TEST

START_TEST(headers_are_gathered)
{
	static const struct {
		struct http_header header;
		bool is_prefetch, wants_no_track;
	} rows[] = {
		{{STR("Sec-Purpose"), STR("prefetch;prerender")}, true, false},
		{{STR("sec-purpose"), STR("PREFETCH")}, true, false},
		{{STR("Purpose"), STR("prefetch")}, true, false},
		{{STR("X-Purpose"), STR("preview")}, true, false},
		{{STR("X-Moz"), STR("prefetch")}, true, false},
		{{STR("X-Moz"), STR("x")}, false, false},
		{{STR("Sec-Purpose"), STR("")}, false, false},
		{{STR("DNT"), STR("1")}, false, true},
		{{STR("dnt"), STR("0")}, false, false},
		{{STR("Sec-GPC"), STR("1")}, false, true},
		{{STR("Sec-GPC"), STR("?1")}, false, false},
		{{STR("XYZ"), STR("1")}, false, false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		static struct http_request request;
		request.headers[0] = rows[i].header;
		request.header_count = 1;
		struct headers headers;
		headers_gather(&request, &headers);
		ck_assert_msg(headers.is_prefetch == rows[i].is_prefetch &&
				      headers.wants_no_track == rows[i].wants_no_track,
			"row %zu", i);
	}
}
END_TEST

SUITE_MAIN("classify", user_agents_have_their_class, method_and_prefetch_come_before_the_user_agent,
	odd_user_agents_are_suspect, links_opened_out_of_sight_are_suspect, headers_are_gathered)
