/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sessions with peers that behave and with peers that do not: what is told of
 * each recipient, and what the peer never gets to see. */
#include "gateway/relay/smtp_client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/outlast.h"
#include "tests/lib/relay_driver.h"
#include "tests/lib/script_peer.h"

#define CANARY "CANARY-7f3a"
#define TEXT   "Subject: x\r\n\r\n" CANARY "\r\n.dot\r\n"

#define HELLO	 "< 220 mx ready\n> EHLO gw.example.com\n"
#define BARE	 HELLO "< 250 mx\n"
#define PIPE	 HELLO "< 250-mx\n< 250 PIPELINING\n"
#define CHUNK	 HELLO "< 250-mx\n< 250-PIPELINING\n< 250 CHUNKING\n"
#define TLS	 HELLO "< 250-mx\n< 250 STARTTLS\n> STARTTLS\n"
#define MAIL	 "> MAIL FROM:<sender@example.com>\n"
#define RCPT	 "> RCPT TO:<r"
#define OK	 "< 250 ok\n"
#define DATA	 "> DATA\n< 354 go\nbody\n"
#define ENVELOPE MAIL OK RCPT "\n" OK
#define QUIT	 "> QUIT\n"

enum { D = PROTO_DELIVERED, F = PROTO_FAILED, T = PROTO_DEFERRED };
/* What the peer may have seen of the message. */
enum { NOTHING, SECRET, PLAIN };

struct row {
	const char *name;
	const char *script[2];
	uint8_t tls;
	bool lmtp;
	bool hangs;
	uint32_t n_rcpt;
	uint8_t outcome[3];
	uint16_t code; /* of the first */
	const char *status;
	const char *text; /* is in the first's text */
	int seen;
	bool mail; /* may MAIL have been said? */
};

static const struct row rows[] = {
    /* --- as it should be */
    {"without extensions", {BARE ENVELOPE DATA "< 250 2.6.0 taken\n" QUIT}, 0,
	false, false, 1, {D}, 250, "2.6.0", "taken", PLAIN, true},
    {"pipelining",
	{PIPE MAIL RCPT "\n> DATA\n" OK OK "< 354 go\nbody\n" OK QUIT}, 0,
	false, false, 1, {D}, 250, "2.0.0", "ok", PLAIN, true},
    {"chunking", {CHUNK MAIL RCPT "\nbdat\n" OK OK OK QUIT}, 0, false, false, 1,
	{D}, 250, "2.0.0", "ok", PLAIN, true},
    {"EHLO unknown",
	{HELLO "< 502 what\n> HELO gw\n< 250 mx\n" ENVELOPE DATA OK}, 0, false,
	false, 1, {D}, 250, "2.0.0", "", PLAIN, true},
    {"replies of several lines",
	{"< 220-mx\n< 220 ready\n> EHLO\n< 250 mx\n" MAIL
	 "< 250-2.1.0 one\n< 250 2.1.0 two\n" RCPT "\n" OK DATA
	 "< 250-2.0.0 three\n< 250-2.0.0 four\n< 250 2.0.0 five\n"},
	0, false, false, 1, {D}, 250, "2.0.0", "three four five", PLAIN, true},
    {"replies in pieces",
	{"<- 22\n<- 0 mx$\n> EHLO\n<- 250\n<-  mx$\n" ENVELOPE DATA
	 "<- 2\n<- 50 ok$\n"},
	0, false, false, 1, {D}, 250, "2.0.0", "ok", PLAIN, true},

    /* --- recipients apart */
    {"some recipients",
	{BARE MAIL OK RCPT "1\n" OK RCPT "2\n< 550 5.1.1 no\n" RCPT
			   "3\n< 450 4.2.1 later\n" DATA OK QUIT},
	0, false, false, 3, {D, F, T}, 250, "2.0.0", "", PLAIN, true},
    {"some recipients, pipelined",
	{PIPE MAIL RCPT "1\n" RCPT "2\n" RCPT "3\n> DATA\n" OK
			"< 450 4.2.1 later\n< 550 5.1.1 no\n" OK
			"< 354 go\nbody\n" OK},
	0, false, false, 3, {T, F, D}, 450, "4.2.1", "later", PLAIN, true},
    {"no recipient", {BARE MAIL OK RCPT "\n< 550 5.1.1 no\n" QUIT}, 0, false,
	false, 1, {F}, 550, "5.1.1", "no", NOTHING, true},
    {"no recipient, yet 354",
	{PIPE MAIL RCPT "\n> DATA\n" OK "< 550 5.1.1 no\n< 354 go\nbody\n"
			"< 554 nobody\n" QUIT},
	0, false, false, 1, {F}, 550, "5.1.1", "no", NOTHING, true},
    {"too many recipients, the old way",
	{BARE MAIL OK RCPT "1\n" OK RCPT
			   "2\n< 552 too many\n" DATA OK MAIL OK RCPT
			   "2\n" OK DATA OK QUIT},
	0, false, false, 2, {D, D}, 250, "2.0.0", "", PLAIN, true},
    {"too many recipients, pipelined",
	{PIPE MAIL RCPT
	    "1\n" RCPT "2\n" RCPT "3\n> DATA\n" OK OK
	    "< 452 4.5.3 x\n< 452 4.5.3 x\n< 354 go\nbody\n" OK MAIL RCPT
	    "2\n" RCPT "3\n> DATA\n" OK OK
	    "< 550 5.1.1 no\n< 354 go\nbody\n" OK QUIT},
	0, false, false, 3, {D, D, F}, 250, "2.0.0", "", PLAIN, true},
    {"452 for all of them is for later",
	{BARE MAIL OK RCPT "1\n< 452 4.5.3 x\n" RCPT "2\n< 452 4.5.3 x\n" QUIT},
	0, false, false, 2, {T, T}, 452, "4.5.3", "x", NOTHING, true},
    {"452 again ends it",
	{BARE MAIL OK RCPT "1\n" OK RCPT
			   "2\n< 452 4.5.3 x\n" DATA OK MAIL OK RCPT
			   "2\n< 452 4.5.3 x\n" QUIT},
	0, false, false, 2, {D, T}, 250, "2.0.0", "", PLAIN, true},
    {"a message refused, then the rest",
	{BARE MAIL OK RCPT "1\n" OK RCPT "2\n< 452 4.5.3 x\n" DATA
			   "< 554 5.7.1 spam\n> RSET\n" OK MAIL OK RCPT
			   "2\n" OK DATA OK QUIT},
	0, false, false, 2, {F, D}, 554, "5.7.1", "spam", PLAIN, true},
    {"dropped before the rest",
	{BARE MAIL OK RCPT "1\n" OK RCPT "2\n< 452 4.5.3 x\n" DATA OK MAIL}, 0,
	false, false, 2, {D, T}, 250, "2.0.0", "", PLAIN, true},
    {"LIMITS RCPTMAX",
	{HELLO "< 250-mx\n< 250 LIMITS X RCPTMAX=2 Y=\n" MAIL OK RCPT
	       "1\n" OK RCPT "2\n" OK DATA OK MAIL OK RCPT
	       "3\n" OK DATA OK QUIT},
	0, false, false, 3, {D, D, D}, 250, "2.0.0", "", PLAIN, true},
    {"LIMITS RCPTMAX, the first refused",
	{HELLO "< 250-mx\n< 250 LIMITS RCPTMAX=1\n" MAIL OK RCPT
	       "1\n< 550 5.1.1 no\n> RSET\n" OK MAIL OK RCPT
	       "2\n" OK DATA OK QUIT},
	0, false, false, 2, {F, D}, 550, "5.1.1", "no", PLAIN, true},
    {"LMTP, each its own reply",
	{"< 220 l\n> LHLO gw\n< 250-l\n< 250 PIPELINING\n" MAIL RCPT "1\n" RCPT
	 "2\n" RCPT "3\n> DATA\n" OK OK OK OK "< 354 go\nbody\n" OK
	 "< 552 5.2.2 full\n< 451 4.2.0 busy\n" QUIT},
	0, true, false, 3, {D, F, T}, 250, "2.0.0", "", PLAIN, true},
    {"LMTP, one refused before",
	{"< 220 l\n> LHLO gw\n< 250 l\n" MAIL OK RCPT "1\n" OK RCPT
	 "2\n< 550 5.1.1 no\n" RCPT "3\n" OK DATA OK "< 451 4.2.0 busy\n"},
	0, true, false, 3, {D, F, T}, 250, "2.0.0", "", PLAIN, true},
    {"LMTP drops between the replies",
	{"< 220 l\n> LHLO gw\n< 250 l\n" MAIL OK RCPT "1\n" OK RCPT
	 "2\n" OK DATA OK},
	0, true, false, 2, {D, T}, 250, "2.0.0", "", PLAIN, true},

    /* --- refusals at each stage */
    {"greeting 554", {"< 554 5.7.1 go away\n"}, 0, false, false, 1, {T}, 554,
	"4.4.1", "go away", NOTHING, false},
    {"greeting 421", {"< 421 busy\n"}, 0, false, false, 1, {T}, 421, "4.4.1",
	"busy", NOTHING, false},
    {"EHLO 4xx", {HELLO "< 450 no\n"}, 0, false, false, 1, {T}, 450, "4.4.1",
	"no", NOTHING, false},
    {"HELO 5xx", {HELLO "< 500 no\n> HELO\n< 550 no\n"}, 0, false, false, 1,
	{T}, 550, "4.4.1", "no", NOTHING, false},
    {"MAIL 4xx", {BARE MAIL "< 451 4.7.1 grey\n" QUIT}, 0, false, false, 1, {T},
	451, "4.7.1", "grey", NOTHING, true},
    {"MAIL 5xx", {BARE MAIL "< 550 5.7.1 no\n" QUIT}, 0, false, false, 1, {F},
	550, "5.7.1", "no", NOTHING, true},
    {"MAIL 5xx, pipelined",
	{PIPE MAIL RCPT "\n> DATA\n< 550 5.7.1 no\n< 503 x\n< 503 x\n" QUIT}, 0,
	false, false, 1, {F}, 550, "5.7.1", "no", NOTHING, true},
    {"RCPT 4xx", {BARE MAIL OK RCPT "\n< 450 4.2.1 x\n" QUIT}, 0, false, false,
	1, {T}, 450, "4.2.1", "x", NOTHING, true},
    {"RCPT 421", {BARE MAIL OK RCPT "\n< 421 4.3.2 bye\n"}, 0, false, false, 1,
	{T}, 421, "4.3.2", "bye", NOTHING, true},
    {"DATA 4xx", {BARE ENVELOPE "> DATA\n< 452 4.3.1 full\n" QUIT}, 0, false,
	false, 1, {T}, 452, "4.3.1", "full", NOTHING, true},
    {"DATA 5xx", {BARE ENVELOPE "> DATA\n< 554 5.5.1 no\n" QUIT}, 0, false,
	false, 1, {F}, 554, "5.5.1", "no", NOTHING, true},
    {"DATA 250 is no answer", {BARE ENVELOPE "> DATA\n" OK}, 0, false, false, 1,
	{T}, 250, "4.4.2", "no answer to DATA", NOTHING, true},
    {"message 4xx", {BARE ENVELOPE DATA "< 451 4.3.0 later\n" QUIT}, 0, false,
	false, 1, {T}, 451, "4.3.0", "later", PLAIN, true},
    {"message 5xx", {BARE ENVELOPE DATA "< 554 5.7.1 spam\n" QUIT}, 0, false,
	false, 1, {F}, 554, "5.7.1", "spam", PLAIN, true},
    {"BDAT 5xx", {CHUNK MAIL RCPT "\nbdat\n" OK OK "< 554 5.7.1 spam\n" QUIT},
	0, false, false, 1, {F}, 554, "5.7.1", "spam", PLAIN, true},
    {"size beyond what is offered", {HELLO "< 250-mx\n< 250 SIZE 10\n" QUIT}, 0,
	false, false, 1, {F}, 0, "5.3.4", "larger", NOTHING, false},

    /* --- dropped at each stage */
    {"drop at once", {""}, 0, false, false, 1, {T}, 0, "4.4.1", "greeting",
	NOTHING, false},
    {"drop at EHLO", {HELLO}, 0, false, false, 1, {T}, 0, "4.4.1", "EHLO",
	NOTHING, false},
    {"drop at MAIL", {BARE MAIL}, 0, false, false, 1, {T}, 0, "4.4.2",
	"envelope", NOTHING, true},
    {"drop at RCPT", {BARE MAIL OK RCPT "\n"}, 0, false, false, 1, {T}, 0,
	"4.4.2", "envelope", NOTHING, true},
    {"drop at DATA", {BARE ENVELOPE "> DATA\n"}, 0, false, false, 1, {T}, 0,
	"4.4.2", "envelope", NOTHING, true},
    {"drop after the dot", {BARE ENVELOPE DATA}, 0, false, false, 1, {T}, 0,
	"4.4.2", "arrive twice", PLAIN, true},
    {"drop after BDAT LAST", {CHUNK MAIL RCPT "\nbdat\n" OK OK}, 0, false,
	false, 1, {T}, 0, "4.4.2", "arrive twice", PLAIN, true},
    {"one refused, then dropped",
	{BARE MAIL OK RCPT "1\n< 550 5.1.1 no\n" RCPT "2\n"}, 0, false, false,
	2, {F, T}, 550, "5.1.1", "no", NOTHING, true},

    /* --- left hanging at each stage */
    {"hang at once", {"hang"}, 0, false, true, 1, {T}, 0, "4.4.1",
	"timed out while waiting for the greeting", NOTHING, false},
    {"hang at EHLO", {HELLO "hang"}, 0, false, true, 1, {T}, 0, "4.4.1",
	"timed out while waiting for the reply to EHLO", NOTHING, false},
    {"hang at MAIL", {BARE MAIL "hang"}, 0, false, true, 1, {T}, 0, "4.4.2",
	"timed out", NOTHING, true},
    {"hang at RCPT", {BARE MAIL OK RCPT "\nhang"}, 0, false, true, 1, {T}, 0,
	"4.4.2", "timed out", NOTHING, true},
    {"hang at DATA", {BARE ENVELOPE "> DATA\nhang"}, 0, false, true, 1, {T}, 0,
	"4.4.2", "timed out", NOTHING, true},
    {"hang after the dot", {BARE ENVELOPE DATA "hang"}, 0, false, true, 1, {T},
	0, "4.4.2", "arrive twice", PLAIN, true},

    /* --- nonsense */
    {"a reply without end", {HELLO "long\nhang"}, 0, false, false, 1, {T}, 0,
	"4.4.1", "beyond every limit", NOTHING, false},
    {"no code", {"< hello there\n"}, 0, false, false, 1, {T}, 0, "4.4.1",
	"a reply that is none", NOTHING, false},
    {"codes that differ", {BARE MAIL "< 250-a\n< 550 b\n"}, 0, false, false, 1,
	{T}, 0, "4.4.2", "a reply that is none", NOTHING, true},
    {"code 199", {BARE MAIL "< 199 x\n"}, 0, false, false, 1, {T}, 0, "4.4.2",
	"a reply that is none", NOTHING, true},
    {"control characters in a reply", {BARE MAIL "< 550 5.7.1 a\tb\x01\n" QUIT},
	0, false, false, 1, {F}, 550, "5.7.1", "a?b?", NOTHING, true},

    /* --- STARTTLS */
    {"TLS", {TLS "< 220 go\ntls\n> EHLO\n< 250 mx\n" ENVELOPE DATA OK QUIT},
	ENTRY_TLS_OPPORTUNISTIC, false, false, 1, {D}, 250, "2.0.0", "", SECRET,
	true},
    {"TLS required and there",
	{TLS "< 220 go\ntls\n> EHLO\n< 250 mx\n" ENVELOPE DATA OK QUIT},
	ENTRY_TLS_ENCRYPT, false, false, 1, {D}, 250, "2.0.0", "", SECRET,
	true},
    {"refused, opportunistic", {TLS "< 454 no\n" ENVELOPE DATA OK QUIT},
	ENTRY_TLS_OPPORTUNISTIC, false, false, 1, {D}, 250, "2.0.0", "", PLAIN,
	true},
    {"refused, required", {TLS "< 454 no\n" QUIT}, ENTRY_TLS_ENCRYPT, false,
	false, 1, {T}, 0, "4.7.5", "TLS is required", NOTHING, false},
    {"not offered, required", {BARE QUIT}, ENTRY_TLS_ENCRYPT, false, false, 1,
	{T}, 0, "4.7.5", "TLS is required", NOTHING, false},
    {"EHLO unknown, required", {HELLO "< 502 x\n> HELO\n< 250 x\n"},
	ENTRY_TLS_ENCRYPT, false, false, 1, {T}, 0, "4.7.5", "TLS is required",
	NOTHING, false},
    {"injection, opportunistic", {TLS "<- 220 go$250 injected$\ntls\n"},
	ENTRY_TLS_OPPORTUNISTIC, false, false, 1, {T}, 0, "4.4.2", "injection",
	NOTHING, false},
    {"injection, required", {TLS "<- 220 go$250 injected$\ntls\n"},
	ENTRY_TLS_ENCRYPT, false, false, 1, {T}, 0, "4.4.2", "injection",
	NOTHING, false},
    {"no handshake, then without",
	{TLS "< 220 go\njunk\nhang",
	    HELLO "< 250-mx\n< 250 STARTTLS\n" ENVELOPE DATA OK QUIT},
	ENTRY_TLS_OPPORTUNISTIC, false, false, 1, {D}, 250, "2.0.0", "", PLAIN,
	true},
    {"no handshake, required",
	{TLS "< 220 go\njunk\nhang",
	    HELLO "< 250-mx\n< 250 STARTTLS\n" ENVELOPE DATA OK QUIT},
	ENTRY_TLS_ENCRYPT, false, false, 1, {T}, 0, "4.7.5", "handshake",
	NOTHING, false},
    {"closed in the handshake, required", {TLS "< 220 go\n"}, ENTRY_TLS_ENCRYPT,
	false, false, 1, {T}, 0, "4.7.5", "handshake", NOTHING, false},
    {"hang in the handshake, required", {TLS "< 220 go\nhang"},
	ENTRY_TLS_ENCRYPT, false, true, 1, {T}, 0, "4.7.5", "timed out",
	NOTHING, false},
    {"EHLO refused inside", {TLS "< 220 go\ntls\n> EHLO\n< 550 no\n"},
	ENTRY_TLS_ENCRYPT, false, false, 1, {T}, 550, "4.4.1", "no", NOTHING,
	false},
    {"drop inside, after the dot",
	{TLS "< 220 go\ntls\n> EHLO\n< 250 mx\n" ENVELOPE DATA},
	ENTRY_TLS_ENCRYPT, false, false, 1, {T}, 0, "4.4.2", "arrive twice",
	SECRET, true},
    {"authentication is required", {BARE}, ENTRY_TLS_AUTHENTICATED, false,
	false, 1, {T}, 0, "4.7.5", "TLS is required", NOTHING, false},
    {"authentication is required, and who it is stays open",
	{TLS "< 220 go\ntls\n> EHLO\n< 250 mx\n"}, ENTRY_TLS_AUTHENTICATED,
	false, false, 1, {T}, 0, "4.7.5", "not authenticated", NOTHING, true},
};

static struct entry_rcpt rcpts[] = {
    {"r1@example.org", "r1@example.org", "", 0},
    {"r2@example.org", "r2@example.org", "", 0},
    {"r3@example.org", "r3@example.org", "", 0},
};

static struct entry
sample(uint32_t n_rcpt, uint8_t tls)
{
	return (struct entry){.message_id = 5,
	    .kind = ENTRY_READY,
	    .tls = tls,
	    .from = "sender@example.com",
	    .from_key = "sender@example.com",
	    .envid = "",
	    .rcpt = rcpts,
	    .n_rcpt = n_rcpt};
}

static const struct proto_rcpt_result *
of_rcpt(const struct proto_result *r, uint32_t pos)
{
	for (uint32_t i = 0; i < r->n_rcpt; i++)
		if (r->rcpt[i].rcpt == pos)
			return &r->rcpt[i];
	return NULL;
}

static void
check_result(const struct row *row, const struct proto_result *r)
{
	const struct proto_rcpt_result *first;

	cr_assert_not_null(r, "%s: no result", row->name);
	cr_assert_eq(r->n_rcpt, row->n_rcpt, "%s", row->name);
	for (uint32_t i = 0; i < row->n_rcpt; i++)
		cr_assert_eq(of_rcpt(r, i)->outcome, row->outcome[i],
		    "%s: recipient %u is %u: %u %s %s", row->name, i,
		    of_rcpt(r, i)->outcome, of_rcpt(r, i)->code,
		    of_rcpt(r, i)->status, of_rcpt(r, i)->text);
	first = of_rcpt(r, 0);
	cr_assert_eq(first->code, row->code, "%s: %u %s", row->name,
	    first->code, first->text);
	cr_assert_str_eq(first->status, row->status, "%s: %s %s", row->name,
	    first->status, first->text);
	cr_assert_not_null(
	    strstr(first->text, row->text), "%s: %s", row->name, first->text);
}

static void
check_seen(const struct row *row, struct script_peer *p)
{
	bool plain = script_peer_saw_plain(p, CANARY);
	bool secret = script_peer_saw_secret(p, CANARY);

	cr_assert_str_empty(script_peer_complaint(p), "%s: %s", row->name,
	    script_peer_complaint(p));
	cr_assert_eq(plain, row->seen == PLAIN, "%s: seen in clear: %d",
	    row->name, plain);
	cr_assert_eq(secret, row->seen == SECRET, "%s: seen in TLS: %d",
	    row->name, secret);
	if (!row->mail)
		cr_assert_eq(script_peer_count(p, "MAIL"), 0, "%s", row->name);
	if (row->tls != ENTRY_TLS_OPPORTUNISTIC)
		cr_assert(!script_peer_saw_plain(p, "MAIL"), "%s", row->name);
}

static void
run_row(const struct row *row)
{
	struct script_peer *p =
	    script_peer_new(row->script, row->script[1] == NULL ? 1 : 2);
	struct relay_driver *d =
	    relay_driver_new(script_peer_port(p), OUTLAST_MS);
	struct proto_deliver m = {0};
	struct entry e = sample(row->n_rcpt, row->tls);
	uint64_t id;

	if (row->lmtp)
		relay_driver_conf(d)->outbound.kind = CONF_VIA_LMTP;
	relay_driver_start(d);
	id = relay_driver_deliver(d, &m, &e, SPAN_LIT(TEXT));
	if (row->hangs)
		(void)outlast(d, p, 1);
	else
		relay_driver_wait(d, 1, 60000);
	check_result(row, relay_driver_result(d, id));
	relay_driver_free(d);
	check_seen(row, p);
	script_peer_free(p);
}

static void
run_rows(size_t from, size_t to)
{
	for (size_t i = from; i < to && i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

Test(smtp_client, peers_that_behave_and_that_do_not)
{
	run_rows(0, sizeof(rows) / sizeof(rows[0]));
}

/* --- what is written --- */

struct written {
	const char *name;
	const char *offer;
	struct entry_rcpt rcpt;
	const char *envid;
	bool smtputf8, body_8bit, ret_hdrs;
	const char *text;
	uint8_t outcome;
	const char *status;
	const char *want[3];
	const char *never;
};

static const struct written written[] = {
    {"DSN", "< 250-mx\n< 250 DSN\n",
	{"r@example.org", "r@example.org", "rfc822;R+40example.org",
	    PROTO_NOTIFY_SUCCESS | PROTO_NOTIFY_DELAY},
	"QQ+31", false, false, true, TEXT, D, "2.0.0",
	{"MAIL FROM:<sender@example.com> RET=HDRS ENVID=QQ+31\r\n",
	    "RCPT TO:<r@example.org> NOTIFY=SUCCESS,DELAY "
	    "ORCPT=rfc822;R+40example.org\r\n"},
	"SIZE="},
    {"NOTIFY=NEVER", "< 250-mx\n< 250 DSN\n",
	{"r@example.org", "r@example.org", "", PROTO_NOTIFY_NEVER}, "", false,
	false, false, TEXT, D, "2.0.0",
	{"RCPT TO:<r@example.org> NOTIFY=NEVER\r\n"}, "ENVID"},
    {"from outside", "< 250-mx\n< 250 DSN\n",
	{"r@example.org", "r@example.org", "",
	    PROTO_NOTIFY_SUCCESS | PROTO_NOTIFY_OUTSIDE},
	"", false, false, true, TEXT, D, "2.0.0",
	{"MAIL FROM:<sender@example.com> RET=HDRS\r\n",
	    "RCPT TO:<r@example.org> NOTIFY=NEVER\r\n"},
	"SUCCESS"},
    {"no DSN offered", "< 250 mx\n",
	{"r@example.org", "r@example.org", "rfc822;x", PROTO_NOTIFY_FAILURE},
	"Q", false, false, true, TEXT, D, "2.0.0",
	{"MAIL FROM:<sender@example.com>\r\n", "RCPT TO:<r@example.org>\r\n"},
	"ORCPT"},
    {"SIZE", "< 250-mx\n< 250 SIZE 100000\n",
	{"r@example.org", "r@example.org", "", 0}, "", false, false, false,
	"a\r\n", D, "2.0.0", {"MAIL FROM:<sender@example.com> SIZE=3\r\n"},
	"BODY"},
    {"8BITMIME said", "< 250-mx\n< 250 8BITMIME\n",
	{"r@example.org", "r@example.org", "", 0}, "", false, true, false, TEXT,
	D, "2.0.0", {"MAIL FROM:<sender@example.com> BODY=8BITMIME\r\n"}, NULL},
    {"8-bit text, not said", "< 250-mx\n< 250 8BITMIME\n",
	{"r@example.org", "r@example.org", "", 0}, "", false, false, false,
	"A: b\r\n\r\n\xc3\xa4\r\n", D, "2.0.0", {"BODY=8BITMIME\r\n"}, NULL},
    {"8-bit text, not taken", "< 250 mx\n",
	{"r@example.org", "r@example.org", "", 0}, "", false, false, false,
	"A: b\r\n\r\n\xc3\xa4\r\n", F, "5.6.3", {NULL}, "MAIL"},
    {"SMTPUTF8", "< 250-mx\n< 250-8BITMIME\n< 250 SMTPUTF8\n",
	{"r\xc3\xa4@example.org", "r\xc3\xa4@example.org", "", 0}, "", true,
	true, false, TEXT, D, "2.0.0",
	{"BODY=8BITMIME SMTPUTF8\r\n", "RCPT TO:<r\xc3\xa4@example.org>\r\n"},
	NULL},
    {"SMTPUTF8 needed for an address", "< 250-mx\n< 250 8BITMIME\n",
	{"r\xc3\xa4@example.org", "r\xc3\xa4@example.org", "", 0}, "", true,
	true, false, TEXT, F, "5.6.7", {NULL}, "MAIL"},
    {"SMTPUTF8 needed for the header", "< 250-mx\n< 250 8BITMIME\n",
	{"r@example.org", "r@example.org", "", 0}, "", true, true, false,
	"Subject: \xc3\xa4\r\n\r\nx\r\n", F, "5.6.7", {NULL}, "MAIL"},
    {"SMTPUTF8 said but not needed", "< 250-mx\n< 250 8BITMIME\n",
	{"r@example.org", "r@example.org", "", 0}, "", true, true, false, TEXT,
	D, "2.0.0", {"BODY=8BITMIME\r\n"}, "SMTPUTF8"},
    {"dots", "< 250 mx\n", {"r@example.org", "r@example.org", "", 0}, "", false,
	false, false, ".\r\n..x\r\n\r\n.\r\ny.\r\n", D, "2.0.0",
	{"DATA\r\n..\r\n...x\r\n\r\n..\r\ny.\r\n.\r\n"}, NULL},
    {"no last line end", "< 250 mx\n",
	{"r@example.org", "r@example.org", "", 0}, "", false, false, false,
	"a\r\nb", D, "2.0.0", {"DATA\r\na\r\nb\r\n.\r\n"}, NULL},
    {"nothing at all", "< 250 mx\n", {"r@example.org", "r@example.org", "", 0},
	"", false, false, false, "", D, "2.0.0", {"DATA\r\n.\r\n"}, NULL},
    {"bare LF", "< 250 mx\n", {"r@example.org", "r@example.org", "", 0}, "",
	false, false, false, "a\n.\r\nb\r\n", F, "5.6.0", {NULL}, "MAIL"},
    {"bare CR", "< 250 mx\n", {"r@example.org", "r@example.org", "", 0}, "",
	false, false, false, "a\rb\r\n", F, "5.6.0", {NULL}, "MAIL"},
    {"bare CR at the end", "< 250 mx\n",
	{"r@example.org", "r@example.org", "", 0}, "", false, false, false,
	"a\r\n\r", F, "5.6.0", {NULL}, "MAIL"},
    {"LF at the start", "< 250 mx\n", {"r@example.org", "r@example.org", "", 0},
	"", false, false, false, "\na\r\n", F, "5.6.0", {NULL}, "MAIL"},
    {"a recipient with a line end in it", "< 250 mx\n",
	{"r@example.org>\r\nRSET\r\n", "r@example.org", "", 0}, "", false,
	false, false, TEXT, F, "5.1.3", {NULL}, "RSET"},
    {"an envelope id with a blank in it", "< 250-mx\n< 250 DSN\n",
	{"r@example.org", "r@example.org", "", 0}, "a b", false, false, false,
	TEXT, F, "5.1.7", {NULL}, "MAIL"},
};

static void
run_written(const struct written *w)
{
	char script[1024];
	const char *scripts[1] = {script};
	struct script_peer *p;
	struct relay_driver *d;
	struct proto_deliver m = {0};
	struct entry e = sample(1, ENTRY_TLS_OPPORTUNISTIC);
	struct entry_rcpt rcpt = w->rcpt;
	const struct proto_result *r;
	uint64_t id;

	snprintf(script, sizeof(script), "%s%s%s", HELLO, w->offer,
	    w->outcome == D ? "> MAIL\n" OK "> RCPT\n" OK DATA OK QUIT : QUIT);
	p = script_peer_new(scripts, 1);
	d = relay_driver_new(script_peer_port(p), 60000);
	e.rcpt = &rcpt;
	e.envid = w->envid;
	e.smtputf8 = w->smtputf8;
	e.body_8bit = w->body_8bit;
	e.ret_hdrs = w->ret_hdrs;
	relay_driver_start(d);
	id = relay_driver_deliver(d, &m, &e, span_str(w->text));
	relay_driver_wait(d, 1, 60000);
	r = relay_driver_result(d, id);
	cr_assert_not_null(r, "%s", w->name);
	cr_assert_eq(
	    r->rcpt[0].outcome, w->outcome, "%s: %s", w->name, r->rcpt[0].text);
	cr_assert_str_eq(r->rcpt[0].status, w->status, "%s", w->name);
	relay_driver_free(d);
	for (int i = 0; i < 3 && w->want[i] != NULL; i++)
		cr_assert(script_peer_saw_plain(p, w->want[i]), "%s: %s",
		    w->name, w->want[i]);
	if (w->never != NULL)
		cr_assert(!script_peer_saw_plain(p, w->never), "%s", w->name);
	cr_assert_str_empty(script_peer_complaint(p), "%s: %s", w->name,
	    script_peer_complaint(p));
	script_peer_free(p);
}

Test(smtp_client, what_is_written_is_what_may_be_written)
{
	for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++)
		run_written(&written[i]);
}

Test(smtp_client, a_nul_never_leaves)
{
	static const char *const scripts[] = {BARE QUIT};
	struct script_peer *p = script_peer_new(scripts, 1);
	struct relay_driver *d = relay_driver_new(script_peer_port(p), 60000);
	struct proto_deliver m = {0};
	struct entry e = sample(1, 0);
	uint64_t id;

	relay_driver_start(d);
	id = relay_driver_deliver(d, &m, &e, SPAN("a\0b\r\n", 5));
	relay_driver_wait(d, 1, 60000);
	cr_assert_eq(relay_driver_result(d, id)->rcpt[0].outcome, F);
	relay_driver_free(d);
	cr_assert(!script_peer_saw_plain(p, "MAIL"));
	script_peer_free(p);
}
