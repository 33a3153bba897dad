/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which commands there are, and when each may be said: one table; and what the
 * short ones do. Greetings are in greetings.c, MAIL and RCPT in envelope.c.
 * RFC 5321 section 4.1, RFC 3030 (BDAT), RFC 2920 (PIPELINING).
 */
#include "gateway/listener/commands.h"

#include "gateway/listener/auth.h"
#include "gateway/listener/session.h"

enum {
	ANY = LISTENER_HELO | LISTENER_READY | LISTENER_MAIL | LISTENER_RCPT |
	      LISTENER_CHUNKS,
};

enum tls_need {
	TLS_ANY = 0,
	TLS_NOT_YET, /* refused once TLS is there */
};

struct command {
	const char *name;
	unsigned states; /* enum listener_state in which it is allowed */
	enum tls_need tls;
	bool no_args;
	bool pipelined; /* may come while answers to RCPT are missing */
	bool junk;	/* brings no message nearer */
	/* false: not now, again later */
	bool (*run)(struct listener_session *s, struct span args);
};

/* --- contents --- */

static bool
run_data(struct listener_session *s, struct span args)
{
	/* RFC 3030 3 */
	if (s->msg->m.envelope.body_binary) {
		listener_session_say(s, 503, "5.5.1",
		    "A message with BODY=BINARYMIME comes by BDAT");
		listener_session_error(s);
		return true;
	}
	listener_session_set_state(s, LISTENER_DATA);
	listener_receive_begin(s);
	listener_session_line(
	    s, 354, true, "Send the message, end with <CRLF>.<CRLF>");
	return true;
}

/* Chunks that are refused are swallowed: what is in them must never be taken
   for commands. Where that is impossible the session ends. */
static bool
run_bdat(struct listener_session *s, struct span args)
{
	struct listener_reply why;
	struct listener_bdat b;

	if (listener_parse_bdat(args, &b, &why) != ERR_OK) {
		listener_session_reply(s, &why);
		listener_session_end(s);
		return true;
	}
	if (b.size > s->max_size * 2) {
		listener_session_say(s, 552, "5.3.4",
		    "Chunk too large, messages may have %llu octets",
		    (unsigned long long)s->max_size);
		listener_session_end(s);
		return true;
	}
	s->chunk_left = b.size;
	s->chunk_last = b.last;
	s->chunk_state = s->state;
	s->chunk_refused =
	    s->state != LISTENER_RCPT && s->state != LISTENER_CHUNKS;
	if (s->chunk_refused)
		listener_reply_set(&s->chunk_reply, 503, "5.5.1",
		    "BDAT is not allowed now: no recipient was accepted");
	listener_session_set_state(s, LISTENER_BDAT);
	listener_receive_begin(s);
	return true;
}

/* --- others --- */

static bool
run_rset(struct listener_session *s, struct span args)
{
	listener_session_drop_message(s);
	if (s->state != LISTENER_HELO)
		listener_session_set_state(s, LISTENER_READY);
	listener_session_say(s, 250, "2.0.0", "Done");
	return true;
}

static bool
run_noop(struct listener_session *s, struct span args)
{
	listener_session_say(s, 250, "2.0.0", "Here I am");
	return true;
}

static bool
run_vrfy(struct listener_session *s, struct span args)
{
	listener_session_say(s, 252, "2.5.0",
	    "Addresses are not verified here; mail for it will be tried");
	return true;
}

static bool
run_expn(struct listener_session *s, struct span args)
{
	listener_session_say(
	    s, 502, "5.5.1", "There are no mailing lists here");
	return true;
}

static bool
run_help(struct listener_session *s, struct span args)
{
	listener_session_say(s, 214, "2.0.0",
	    "%s STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY QUIT; see %s",
	    s->lmtp ? "LHLO" : "EHLO HELO", s->lmtp ? "RFC 2033" : "RFC 5321");
	return true;
}

static bool
run_quit(struct listener_session *s, struct span args)
{
	listener_session_say(s, 221, "2.0.0", "Goodbye");
	listener_session_end(s);
	return true;
}

/* --- the table --- */

/* clang-format off */
static const struct command commands[] = {
    /* name, states, tls, no_args, pipelined, junk, run */
    {"LHLO", ANY, TLS_ANY, false, false, true, listener_run_ehlo},
    {"EHLO", ANY, TLS_ANY, false, false, true, listener_run_ehlo},
    {"HELO", ANY, TLS_ANY, false, false, true, listener_run_helo},
    {"MAIL", LISTENER_READY, TLS_ANY, false, false, false, listener_run_mail},
    {"RCPT", LISTENER_MAIL | LISTENER_RCPT, TLS_ANY, false, true, false,
	listener_run_rcpt},
    {"DATA", LISTENER_RCPT, TLS_ANY, true, false, false, run_data},
    /* whether it is allowed, it decides: the chunk must be read first */
    {"BDAT", ANY, TLS_ANY, false, false, false, run_bdat},
    {"RSET", ANY, TLS_ANY, true, false, true, run_rset},
    {"NOOP", ANY, TLS_ANY, false, false, true, run_noop},
    {"VRFY", ANY, TLS_ANY, false, false, true, run_vrfy},
    {"EXPN", ANY, TLS_ANY, false, false, true, run_expn},
    {"HELP", ANY, TLS_ANY, false, false, true, run_help},
    {"QUIT", ANY, TLS_ANY, true, false, false, run_quit},
    {"XCLIENT", LISTENER_HELO | LISTENER_READY, TLS_ANY, false, false, true,
	listener_run_xclient},
    {"XFORWARD", LISTENER_READY, TLS_ANY, false, false, false, listener_run_xforward},
    {"AUTH", LISTENER_READY, TLS_ANY, false, false, false,
	listener_auth_run},
    {"STARTTLS", LISTENER_READY, TLS_NOT_YET, true, false, false,
	listener_run_starttls},
};
/* clang-format on */

/* RFC 2033 4.1: each protocol has its own greeting and does not know the
   other's. */
static bool
is_of_other_protocol(const struct listener_session *s, struct span verb)
{
	bool lhlo = span_caseeq_str(verb, "LHLO");

	return s->lmtp ? span_caseeq_str(verb, "EHLO") ||
			     span_caseeq_str(verb, "HELO")
		       : lhlo;
}

static const struct command *
find_command(const struct listener_session *s, struct span verb)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (span_caseeq_str(verb, commands[i].name))
			return is_of_other_protocol(s, verb) ? NULL
							     : &commands[i];
	return NULL;
}

static const char *
what_is_missing(const struct listener_session *s)
{
	switch (s->state) {
	case LISTENER_HELO:
		return s->lmtp ? "say LHLO first" : "say EHLO first";
	case LISTENER_READY:
		return "say MAIL first";
	case LISTENER_MAIL:
		return "no recipient was accepted";
	case LISTENER_CHUNKS:
		return "the message is not complete, go on with BDAT or RSET";
	case LISTENER_RCPT:
		return "a message is in progress";
	case LISTENER_DATA:
	case LISTENER_BDAT:
	case LISTENER_JOB:
	case LISTENER_HANDSHAKE:
	case LISTENER_AUTH_LINE:
	case LISTENER_AUTH:
	case LISTENER_PROXY:
		break;
	}
	return "out of order";
}

/* true: the command may run; else the refusal has been said. */
static bool
is_allowed(
    struct listener_session *s, const struct command *c, struct span args)
{
	if (c == NULL)
		listener_session_say(
		    s, 500, "5.5.2", "This command is not known here");
	else if (c->tls == TLS_NOT_YET && s->tls != NULL)
		listener_session_say(
		    s, 503, "5.5.1", "%s: TLS is active already", c->name);
	else if ((c->states & s->state) == 0)
		listener_session_say(s, 503, "5.5.1",
		    "%s is not allowed now: %s", c->name, what_is_missing(s));
	else if (c->no_args && args.len > 0)
		listener_session_say(
		    s, 501, "5.5.4", "%s takes no parameters", c->name);
	else
		return true;
	listener_session_error(s);
	return false;
}

static void
count_junk(struct listener_session *s, const struct command *c)
{
	if (c->junk && ++s->junk > LIMIT_SESSION_JUNK)
		listener_session_error(s);
}

bool
listener_command_run(struct listener_session *s, struct span line)
{
	struct span verb = {0}, args = {0};
	struct listener_reply why;
	const struct command *c = NULL;
	bool sound = listener_command_split(line, &verb, &args, &why) == ERR_OK;

	if (sound)
		c = find_command(s, verb);
	/* answers leave in the order of commands */
	if ((c == NULL || !c->pipelined) && !TAILQ_EMPTY(&s->slots))
		return false;
	if (!sound) {
		listener_session_reply(s, &why);
		listener_session_error(s);
		return true;
	}
	if (!is_allowed(s, c, args))
		return true;
	if (!c->run(s, args))
		return false;
	count_junk(s, c);
	return true;
}
