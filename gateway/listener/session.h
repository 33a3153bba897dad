/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One SMTP connection: octets in and out, TLS or not, and where in the
 * dialogue it is. What commands do is in commands.c, what DATA and BDAT bring
 * in receive.c.
 */
#ifndef GATEWAY_LISTENER_SESSION_H
#define GATEWAY_LISTENER_SESSION_H

#include <netinet/in.h>

#include "gateway/listener/auth.h"
#include "gateway/listener/listener_private.h"

struct net_tls_server_conn;

/* As bits, for the table of commands. */
enum listener_state {
	LISTENER_HELO = 1 << 0,	     /* no EHLO or HELO yet */
	LISTENER_READY = 1 << 1,     /* between messages */
	LISTENER_MAIL = 1 << 2,	     /* sender known, no recipient yet */
	LISTENER_RCPT = 1 << 3,	     /* at least one recipient accepted */
	LISTENER_CHUNKS = 1 << 4,    /* between two BDAT */
	LISTENER_DATA = 1 << 5,	     /* octets of DATA come */
	LISTENER_BDAT = 1 << 6,	     /* octets of a chunk come */
	LISTENER_JOB = 1 << 7,	     /* waits for the answer */
	LISTENER_HANDSHAKE = 1 << 8, /* STARTTLS was answered */
	LISTENER_AUTH_LINE = 1 << 9, /* a response to AUTH comes */
	LISTENER_AUTH = 1 << 10,     /* AUTH is not answered yet */
	LISTENER_PROXY = 1 << 11,    /* the header of a proxy comes */
};

enum {
	LISTENER_IN = 32 * 1024,  /* octets read ahead */
	LISTENER_OUT = 64 * 1024, /* octets of answers that may wait */
	/* the same of LMTP: an answer for each recipient comes at once */
	LISTENER_OUT_LMTP =
	    LISTENER_OUT + LIMIT_RECIPIENTS * (LISTENER_REPLY_TEXT + 32),
	LISTENER_OUT_FULL = 16 * 1024, /* no command is done beyond */
	LISTENER_NAME = 256,	       /* EHLO name with its NUL */
};

struct listener_session {
	TAILQ_ENTRY(listener_session) link;
	struct listener *l;
	int fd;
	struct loop_io *io;
	char id[TEXT_ID_SIZE];
	struct listener_client client;
	char peer[INET6_ADDRSTRLEN];
	unsigned section;
	bool inbound;	   /* by `listen inbound` */
	bool lmtp;	   /* that is spoken, and no SMTP */
	bool normalise;	   /* its bare line ends are mended */
	bool may_relay;	   /* the peer is one of `clients`; who has signed in
			      may as well */
	uint64_t max_size; /* of a message */

	struct net_tls_server_conn *tls; /* NULL: not yet */
	bool tls_done;
	bool tls_wants_write;
	char tls_text[64];

	bool greeted; /* 220 was said */
	bool xclient; /* the peer may say who its client is */
	char client_name[LISTENER_NAME]; /* by XCLIENT, "" unless */
	/* By XFORWARD, for one transaction: what is told of the client, not
	   what it may. */
	char xforward_name[LISTENER_NAME];
	char xforward_addr[INET6_ADDRSTRLEN];
	char xforward_helo[LISTENER_NAME];
	struct listener_auth auth;

	enum listener_state state;
	bool esmtp; /* EHLO was said */
	char helo[LISTENER_NAME];
	struct listener_message *msg; /* from MAIL to its answer */
	TAILQ_HEAD(, listener_slot) slots;
	unsigned n_slots;
	/* lmtp.c: for each RCPT that was accepted its recipient's place */
	uint32_t *order;
	size_t n_order, cap_order;

	uint8_t *in;
	size_t in_at, in_len;
	bool skip_line; /* a command too long is swallowed */
	struct buf out;
	size_t out_at;

	/* The chunk of BDAT that comes. */
	uint64_t chunk_left;
	bool chunk_last;
	bool chunk_refused; /* swallowed; chunk_reply and the old state after */
	struct listener_reply chunk_reply;
	enum listener_state chunk_state;

	unsigned errors;
	unsigned messages;     /* begun in this session */
	unsigned junk;	       /* commands that brought no message nearer */
	uint64_t deadline_ms;  /* when patience ends */
	uint64_t transfer_ms;  /* when the octets that come now began */
	uint64_t transfer_len; /* octets since */
	uint64_t message_ms;   /* when the first octet of the message came */

	bool running; /* inside listener_session_resume() */
	bool closing; /* nothing is read any more; answers leave */
	bool dead;    /* to be freed */
};

const char *listener_state_name(enum listener_state state);
void listener_session_set_state(
    struct listener_session *s, enum listener_state state);

/* Take an accepted socket: greet. */
void listener_session_start(
    struct listener *l, int fd, const struct sockaddr *peer, unsigned section);
/* It may go on for as long as nothing comes. */
void listener_session_be_patient(struct listener_session *s);

/* --- session_client.c: who it is --- */

/* The client's address as text. */
void listener_session_set_peer(
    struct listener_session *s, const struct sockaddr *peer);
/* What an address may at this section. */
void listener_session_set_rights(
    struct listener_session *s, const struct sockaddr *peer);
/* From now on the client is somebody else: what it may is found out anew.
   False: there are too many of them, and the session is to end. */
bool listener_session_become(
    struct listener_session *s, const struct sockaddr *peer);
/* It is somebody whose address is not known, and who is listed nowhere. */
void listener_session_become_unknown(struct listener_session *s);
/* Say that there are too many of this client, and end. */
void listener_session_full(struct listener_session *s);

/* --- session.c again --- */

/* Begin anew, with a greeting. */
void listener_session_greet(struct listener_session *s);
/* Without a word. Its message goes on if it is past its final dot. */
void listener_session_free(struct listener_session *s);
/* Go on as far as possible. May free the session. */
void listener_session_resume(struct listener_session *s);
/* Time has passed (session_time.c). true: something was done, and this and
   other sessions may be gone. */
bool listener_session_tick(struct listener_session *s, uint64_t now_ms);
/* The gateway stops: say 421 unless a message is in progress. May free it. */
void listener_session_stop(struct listener_session *s);

/* Answers; what is not sent now is sent later. */
void listener_session_reply(
    struct listener_session *s, const struct listener_reply *r);
void listener_session_say(struct listener_session *s, int code,
    const char *status, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* One of several lines: "250-text". */
void listener_session_line(struct listener_session *s, int code, bool last,
    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Answers leave, then the connection ends. */
void listener_session_end(struct listener_session *s);
/* Something was wrong; ends the session when it was too often. */
void listener_session_error(struct listener_session *s);

/* Give up the message in progress. */
void listener_session_drop_message(struct listener_session *s);
/* What became of its message, which is freed by the caller; each: see
   listener_lmtp_reply(). */
void listener_session_answer(struct listener_session *s,
    const struct listener_reply *r, const struct listener_reply *each);
/* What a worker says of a recipient. May free the session. */
void listener_session_verdict(
    struct listener_slot *slot, const struct listener_reply *r);
/* Put the answers in order: those that are there, up to the first that is
   not. */
void listener_session_flush_slots(struct listener_session *s);

/* --- session_io.c: the socket --- */

enum listener_step {
	LISTENER_STEP_GO,   /* there is more to do */
	LISTENER_STEP_WAIT, /* for the socket */
	LISTENER_STEP_END,  /* broken or closed by the peer */
};

enum listener_step listener_io_read(struct listener_session *s);
enum listener_step listener_io_write(struct listener_session *s);
enum listener_step listener_io_handshake(struct listener_session *s);
/* Does nobody read any more, whatever was sent before? */
bool listener_io_is_gone(const struct listener_session *s);
/* Has the client closed its end? It may still read. */
bool listener_io_is_half_gone(const struct listener_session *s);
/* Watch for what the session waits for. */
void listener_io_watch(struct listener_session *s);

/* --- commands.c --- */

/* Do what one line says, without its CRLF. false: not now, some answers to
   RCPT are missing; call again with the same line. */
bool listener_command_run(struct listener_session *s, struct span line);

/* --- receive.c --- */

void listener_receive_begin(struct listener_session *s);
/* Take what has been read of DATA or of a chunk. */
void listener_receive_data(struct listener_session *s);
void listener_receive_chunk(struct listener_session *s);

#endif
