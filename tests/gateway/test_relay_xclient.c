/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Servers that are told to treat a session as the client's: what they hear, and
 * that mail of a client goes by no session but its own. */
#include <criterion/criterion.h>
#include <string.h>

#include "gateway/relay/smtp_client.h"
#include "gateway/relay/xforward.h"
#include "tests/lib/outlast.h"
#include "tests/lib/relay_driver.h"
#include "tests/lib/script_peer.h"

#define TEXT	  "Subject: x\r\n\r\nbody\r\n"
#define TEXT_8BIT "Subject: x\r\n\r\n\xc3\xa4\r\n"

#define HELLO "< 220 mx\n> EHLO gw.example.com\n"
#define OFFER HELLO "< 250-mx\n< 250-8BITMIME\n< 250 XCLIENT NAME ADDR HELO\n"
#define TOLD  "> XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.7 HELO=far.example\n"
#define AGAIN TOLD "< 220 mx again\n> EHLO far.example\n"
#define OK    "< 250 ok\n"
#define SEND                                                                   \
	"> MAIL FROM:<sender@example.com>\n" OK "> RCPT TO:<r\n" OK            \
	"> DATA\n< 354 go\nbody\n"
#define QUIT "> QUIT\n"

enum { D = PROTO_DELIVERED, F = PROTO_FAILED, T = PROTO_DEFERRED };

struct row {
	const char *name, *script, *text;
	bool hangs;
	uint8_t tls;
	uint8_t outcome;
	const char *status, *says;
	bool mail; /* may MAIL have been said? */
};

static const struct row rows[] = {
    {"told", OFFER AGAIN "< 250 mx\n" SEND OK QUIT, TEXT, false, 0, D, "2.0.0",
	"", true},
    {"announced partly",
	HELLO "< 250-mx\n< 250 XCLIENT PORT ADDR DESTADDR\n"
	      "> XCLIENT ADDR=192.0.2.7\n< 220 mx\n> EHLO far.example\n"
	      "< 250 mx\n" SEND OK QUIT,
	TEXT, false, 0, D, "2.0.0", "", true},
    {"with LOGIN",
	HELLO "< 250-mx\n< 250 xclient LOGIN addr\n"
	      "> XCLIENT ADDR=192.0.2.7 LOGIN=u+2B\n< 220 mx\n"
	      "> EHLO far.example\n< 250 mx\n" SEND OK QUIT,
	TEXT, false, 0, D, "2.0.0", "", true},
    {"not announced", HELLO "< 250 mx\n" SEND OK, TEXT, false, 0, D, "2.0.0",
	"", true},
    {"nothing of it announced", HELLO "< 250-mx\n< 250 XCLIENT PORT\n" SEND OK,
	TEXT, false, 0, D, "2.0.0", "", true},
    {"announced again, and said once",
	OFFER AGAIN "< 250-mx\n< 250 XCLIENT NAME ADDR HELO\n" SEND OK QUIT,
	TEXT, false, 0, D, "2.0.0", "", true},
    {"8BITMIME is what the second EHLO says", OFFER AGAIN "< 250 mx\n" QUIT,
	TEXT_8BIT, false, 0, F, "5.6.3", "8-bit", false},
    {"8BITMIME is there in both",
	OFFER AGAIN "< 250-mx\n< 250 8BITMIME\n" SEND OK QUIT, TEXT_8BIT, false,
	0, D, "2.0.0", "", true},
    {"SIZE is what the second EHLO says",
	OFFER AGAIN "< 250-mx\n< 250 SIZE 10\n" QUIT, TEXT, false, 0, F,
	"5.3.4", "larger", false},
    {"refused for good", OFFER TOLD "< 550 5.7.1 not you\n", TEXT, false, 0, T,
	"4.4.2", "refused XCLIENT: not you", false},
    {"refused for now", OFFER TOLD "< 450 4.7.1 later\n", TEXT, false, 0, T,
	"4.4.2", "refused XCLIENT: later", false},
    {"421", OFFER TOLD "< 421 4.3.2 bye\n", TEXT, false, 0, T, "4.4.2",
	"refused XCLIENT: bye", false},
    {"250 is no greeting", OFFER TOLD "< 250 ok\n", TEXT, false, 0, T, "4.4.2",
	"refused XCLIENT", false},
    {"no reply", OFFER TOLD "< what is this\n", TEXT, false, 0, T, "4.4.2",
	"a reply that is none", false},
    {"a reply without end", OFFER TOLD "long\nhang", TEXT, false, 0, T, "4.4.2",
	"beyond every limit", false},
    {"closed", OFFER TOLD, TEXT, false, 0, T, "4.4.2",
	"while waiting for the reply to XCLIENT", false},
    {"left hanging", OFFER TOLD "hang", TEXT, true, 0, T, "4.4.2",
	"timed out while waiting for the reply to XCLIENT", false},
    {"closed after the greeting", OFFER AGAIN, TEXT, false, 0, T, "4.4.1",
	"while waiting for the reply to EHLO", false},
    {"EHLO refused to the client",
	OFFER AGAIN "< 554 5.7.1 no\n> HELO far.example\n< 554 5.7.1 no\n",
	TEXT, false, 0, T, "4.4.1", "refused at HELO", false},
    {"the client refused",
	OFFER AGAIN "< 250 mx\n> MAIL\n< 550 5.7.1 listed\n" QUIT, TEXT, false,
	0, F, "5.7.1", "listed", true},
    {"without TLS it stays so",
	HELLO "< 250-mx\n< 250-STARTTLS\n< 250 XCLIENT NAME ADDR HELO\n"
	      "> STARTTLS\n< 454 no\n" AGAIN
	      "< 250-mx\n< 250 STARTTLS\n" SEND OK QUIT,
	TEXT, false, 0, D, "2.0.0", "", true},
    {"inside TLS, and TLS stays",
	HELLO "< 250-mx\n< 250-XCLIENT LOGIN\n< 250 STARTTLS\n> STARTTLS\n"
	      "< 220 go\ntls\n> EHLO gw.example.com\n< 250-mx\n"
	      "< 250 XCLIENT NAME ADDR HELO\n" AGAIN
	      "< 250-mx\n< 250 STARTTLS\n" SEND OK QUIT,
	TEXT, false, ENTRY_TLS_ENCRYPT, D, "2.0.0", "", true},
};

static struct entry_rcpt rcpt = {"r@example.org", "r@example.org", "", 0};

static struct entry
sample(const char *client, uint8_t tls)
{
	return (struct entry){.message_id = 5,
	    .kind = ENTRY_READY,
	    .tls = tls,
	    .from = "sender@example.com",
	    .from_key = "sender@example.com",
	    .envid = "",
	    .origin = client,
	    .client_name = "",
	    .helo = "far.example",
	    .auth_id = "u+",
	    .rcpt = &rcpt,
	    .n_rcpt = 1};
}

static void
run_row(const struct row *row)
{
	struct script_peer *p = script_peer_new(&row->script, 1);
	struct relay_driver *d =
	    relay_driver_new(script_peer_port(p), OUTLAST_MS);
	struct proto_deliver m = {0};
	struct entry e = sample("192.0.2.7", row->tls);
	const struct proto_result *r;
	uint64_t id;

	relay_driver_conf(d)->outbound.xclient = true;
	relay_driver_start(d);
	id = relay_driver_deliver(d, &m, &e, span_str(row->text));
	if (row->hangs)
		(void)outlast(d, p, 1);
	else
		relay_driver_wait(d, 1, 60000);
	r = relay_driver_result(d, id);
	cr_assert_not_null(r, "%s", row->name);
	cr_expect_eq(r->rcpt[0].outcome, row->outcome, "%s: %s", row->name,
	    r->rcpt[0].text);
	cr_expect_str_eq(r->rcpt[0].status, row->status, "%s", row->name);
	cr_expect_not_null(strstr(r->rcpt[0].text, row->says), "%s: %s",
	    row->name, r->rcpt[0].text);
	relay_driver_free(d);
	cr_expect_str_empty(script_peer_complaint(p), "%s: %s", row->name,
	    script_peer_complaint(p));
	cr_expect_eq(
	    script_peer_count(p, "MAIL FROM") > 0, row->mail, "%s", row->name);
	if (row->tls != ENTRY_TLS_OPPORTUNISTIC)
		cr_expect(
		    !script_peer_saw_plain(p, "XCLIENT"), "%s", row->name);
	script_peer_free(p);
}

Test(xclient, a_server_hears_whose_session_it_is_or_gets_no_mail)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

/* --- several messages --- */

struct said {
	const char *name;
	const char *script[3];
	unsigned n_script;
	const char *client[3]; /* of one message after the other */
	bool untold[3];	       /* by the way without xclient */
	unsigned connections;
};

#define MINE OFFER AGAIN "< 250 mx\n" SEND OK
#define OTHER                                                                  \
	OFFER                                                                  \
	"> XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::9 "                  \
	"HELO=far.example\n< 220 mx\n> EHLO far.example\n< 250 mx\n" SEND OK
#define OURS OFFER SEND OK

static const struct said sessions[] = {
    {"each client its own", {MINE QUIT, OTHER QUIT, MINE QUIT}, 3,
	{"192.0.2.7", "2001:db8::9", "192.0.2.7"}, {false}, 3},
    {"mail of our own is not a client's", {MINE QUIT, OURS QUIT}, 2,
	{"192.0.2.7", ""}, {false}, 2},
    {"mail by another way is not", {MINE QUIT, OURS QUIT}, 2,
	{"192.0.2.7", "192.0.2.7"}, {false, true}, 2},
    {"a session of ours becomes the client's",
	{OURS AGAIN "< 250 mx\n" SEND OK QUIT}, 1, {"", "192.0.2.7"}, {false},
	1},
    {"after RSET where that is needed",
	{OFFER "> MAIL\n" OK "> RCPT\n" OK
	       "> DATA\n< 354 go\nbody\n< 450 later\n"
	       "> RSET\n" OK AGAIN "< 250 mx\n" SEND OK QUIT},
	1, {"", "192.0.2.7"}, {false}, 1},
    {"RSET refused",
	{OFFER "> MAIL\n" OK "> RCPT\n" OK
	       "> DATA\n< 354 go\nbody\n< 450 later\n> RSET\n< 500 no\n"},
	1, {"", "192.0.2.7"}, {false}, 1},
};

static void
run_said(const struct said *w)
{
	struct script_peer *p = script_peer_new(w->script, w->n_script);
	struct relay_driver *d = relay_driver_new(script_peer_port(p), 60000);
	struct proto_deliver m[3];
	struct entry e[3];

	memset(m, 0, sizeof(m));
	relay_driver_conf(d)->outbound.xclient = true;
	relay_driver_conf(d)->inbound.xclient = false;
	relay_driver_start(d);
	for (unsigned i = 0; i < 3 && w->client[i] != NULL; i++) {
		e[i] = sample(w->client[i], 0);
		e[i].route = w->untold[i] ? ENTRY_INBOUND : ENTRY_OUTBOUND;
		(void)relay_driver_deliver(d, &m[i], &e[i], SPAN_LIT(TEXT));
		cr_expect_eq(
		    relay_driver_wait(d, i + 1, 60000), i + 1, "%s", w->name);
	}
	relay_driver_free(d);
	cr_expect_str_empty(script_peer_complaint(p), "%s: %s", w->name,
	    script_peer_complaint(p));
	cr_expect_eq(script_peer_connections(p), w->connections, "%s: %u",
	    w->name, script_peer_connections(p));
	script_peer_free(p);
}

Test(xclient, a_session_is_of_one_client_alone)
{
	for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++)
		run_said(&sessions[i]);
}

/* --- the command --- */

Test(xclient, the_command_says_what_is_offered_and_nothing_that_ends_a_line)
{
	static const struct {
		const char *client, *name, *helo, *login, *offer, *want;
	} row[] = {
	    {"192.0.2.7", "a.example", "h", "", "NAME ADDR HELO",
		"XCLIENT NAME=a.example ADDR=192.0.2.7 HELO=h\r\n"},
	    {"2001:db8::7", "", "", "", "NAME ADDR PORT HELO",
		"XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::7 "
		"HELO=[UNAVAILABLE]\r\n"},
	    {"192.0.2.7", "", "", "", "LOGIN ADDR",
		"XCLIENT ADDR=192.0.2.7 LOGIN=[UNAVAILABLE]\r\n"},
	    {"192.0.2.7", "", "", "a b", "LOGIN", "XCLIENT LOGIN=a+20b\r\n"},
	    {"unknown", "", "", "", "ADDR", "XCLIENT ADDR=[UNAVAILABLE]\r\n"},
	    {"192.0.2.7", "a\r\nQUIT", "+\t", "", "NAME HELO",
		"XCLIENT NAME=a+0D+0AQUIT HELO=+2B+09\r\n"},
	    {"192.0.2.7", "a", "h", "l", "PORT PROTO DESTADDR IDENT SOURCE",
		""},
	    {"192.0.2.7", "a", "h", "l", "", ""},
	    {"", "a", "h", "l", "NAME ADDR LOGIN", ""}, /* ours */
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct entry e = {.client = "127.0.0.1",
		    .origin = row[i].client,
		    .client_name = row[i].name,
		    .helo = row[i].helo,
		    .auth_id = row[i].login};
		struct buf b;

		buf_init(&b, 900);
		cr_assert_eq(
		    relay_xclient_line(
			&e, relay_xforward_offer(span_str(row[i].offer)), &b),
		    ERR_OK);
		cr_expect(span_eq_str(buf_span(&b), row[i].want), "%.*s",
		    (int)b.len, (const char *)b.data);
		buf_clear(&b);
	}
}

Test(xclient, a_greeting_that_is_no_name_is_not_repeated)
{
	static const char *const script[] = {
	    HELLO "< 250-mx\n< 250 XCLIENT HELO\n> XCLIENT HELO=a;b\n"
		  "< 220 mx\n> EHLO gw.example.com\n< 250 mx\n" SEND OK QUIT};
	struct script_peer *p = script_peer_new(script, 1);
	struct relay_driver *d = relay_driver_new(script_peer_port(p), 60000);
	struct proto_deliver m = {0};
	struct entry e = sample("192.0.2.7", 0);
	uint64_t id;

	e.helo = "a;b";
	relay_driver_conf(d)->outbound.xclient = true;
	relay_driver_start(d);
	id = relay_driver_deliver(d, &m, &e, SPAN_LIT(TEXT));
	relay_driver_wait(d, 1, 60000);
	cr_expect_eq(relay_driver_result(d, id)->rcpt[0].outcome, D);
	relay_driver_free(d);
	cr_expect_str_empty(
	    script_peer_complaint(p), "%s", script_peer_complaint(p));
	script_peer_free(p);
}

Test(xclient, who_cannot_be_told_waits)
{
	static const char *const script[] = {OFFER "hang"};
	char helo[2000];
	struct script_peer *p = script_peer_new(script, 1);
	struct relay_driver *d = relay_driver_new(script_peer_port(p), 60000);
	struct proto_deliver m = {0};
	struct entry e = sample("192.0.2.7", 0);
	uint64_t id;

	memset(helo, 'a', sizeof(helo));
	helo[sizeof(helo) - 1] = '\0';
	e.helo = helo;
	relay_driver_conf(d)->outbound.xclient = true;
	relay_driver_start(d);
	id = relay_driver_deliver(d, &m, &e, SPAN_LIT(TEXT));
	relay_driver_wait(d, 1, 60000);
	cr_expect_eq(relay_driver_result(d, id)->rcpt[0].outcome, T);
	relay_driver_free(d);
	cr_expect_eq(script_peer_count(p, "MAIL"), 0);
	script_peer_free(p);
}
