/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Inside the HTTP server: connections and their deadlines (http.c), requests
 * (request.c), answers and their headers (reply.c).
 */
#ifndef GATEWAY_PORTAL_HTTP_PRIVATE_H
#define GATEWAY_PORTAL_HTTP_PRIVATE_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>

#include "common/limits.h"
#include "gateway/portal/portal_private.h"

struct portal_conn {
	struct portal_conn *next;
	struct portal_conn *prev;
	struct portal_http *http;
	int fd;
	struct portal_client client; /* the other end */
	bool from_proxy;	     /* which may name another */
	bool busy;		     /* with a request */
	uint64_t deadline_ms;	     /* on the steady clock */
};

struct portal_http {
	struct portal_http_options opt;
	const char *authority; /* what Host must be; within opt.url */
	size_t authority_len;
	const char *base; /* path in front of every other, "" or "/x" */
	bool https;	  /* the URL is, whoever speaks TLS */
	struct MHD_Daemon **daemon;
	struct MHD_Response **page; /* one for each asset */
	struct portal_objects *objects;
	struct portal_throttle *throttle;
	struct portal_door *door;
	struct portal_answers *answers;
	struct portal_accounts *accounts;
	struct portal_conn *conns;
	size_t n_conns;
	bool stopping;
};

/* One request; lives from its first line to its last octet. */
struct portal_request {
	struct portal_http *http;
	struct MHD_Connection *mhd;
	struct portal_conn *conn;
	const char *url;
	const char *method;
	struct portal_upload *upload; /* NULL: none */
	size_t body_len;
	uint8_t body[LIMIT_PORTAL_BODY];
};

/* --- certificate.c */

/* Called by GnuTLS in each handshake (gnutls_certificate_retrieve_function2).
 */
int portal_certificate_give(gnutls_session_t session,
    const gnutls_datum_t *issuers, int n_issuers,
    const gnutls_pk_algorithm_t *algs, int n_algs, gnutls_pcert_st **chain,
    unsigned *n, gnutls_privkey_t *key);

/* --- client.c */

/* Is it believed when it names its client? */
bool portal_client_is_proxy(
    const struct portal_http *h, const struct sockaddr *sa);
/* Who asks, maybe through a proxy. */
void portal_client_find(
    const struct portal_request *req, struct portal_client *out);

/* --- request.c */

enum MHD_Result portal_request_step(void *cls, struct MHD_Connection *mhd,
    const char *url, const char *method, const char *version, const char *data,
    size_t *data_len, void **req);

/* What a request shows: text, borrowed from it. */
struct portal_shown {
	struct span id;
	struct span proof; /* empty: none, and so on */
	struct span ticket;
	struct span code;
};

struct json_t;

/* Is it what a script of ours asks, and no other? Else the refusal is sent, and
 *rc is its result. What is shown is borrowed from *json_out, which the caller
   drops. */
bool portal_request_asked(struct portal_request *req, struct json_t **json_out,
    struct portal_shown *out, enum MHD_Result *rc);
/* Was the proof shown? Else the same. */
bool portal_request_proven(struct portal_request *req,
    const struct portal_shown *s, struct object_header *h_out,
    struct portal_client *client, enum MHD_Result *rc);
/* A string member, or nothing. False: it is there and no string. */
bool portal_json_string(
    const struct json_t *json, const char *name, struct span *out);

/* --- account.c: requests about accounts */

/* /api/key: the sealed private half for who proves the passphrase. */
enum MHD_Result portal_account_key(struct portal_request *req);
/* /api/reset: a code to set another. */
enum MHD_Result portal_account_reset(struct portal_request *req);
/* /api/account: set one. */
enum MHD_Result portal_account_set(struct portal_request *req);

/* --- reply.c */

enum portal_reply_kind {
	PORTAL_REPLY_PLAIN, /* runs and loads nothing */
	PORTAL_REPLY_SHELL,
	PORTAL_REPLY_FRAME,
	PORTAL_REPLY_FRAME_IMAGES,
	PORTAL_REPLY_ASSET, /* may be kept by the browser, if it asks */
};

/* Add the headers that every answer has. */
void portal_reply_headers(const struct portal_http *h,
    enum portal_reply_kind kind, struct MHD_Response *r);
/* Milliseconds that an answer has, beside those for its octets. */
uint64_t portal_reply_ms(const struct portal_http *h);
/* Send it, with a deadline for len octets. */
enum MHD_Result portal_reply_send(struct portal_request *req, unsigned status,
    struct MHD_Response *r, uint64_t len);
/* A line of text. allow is the Allow header, or NULL. */
enum MHD_Result portal_reply_error(
    struct portal_request *req, unsigned status, const char *allow);
/* A line of JSON. */
enum MHD_Result portal_reply_json(
    struct portal_request *req, unsigned status, const char *text);
/* len octets of the file from offset on. Takes fd. total is the size of the
   whole file for a partial answer, or 0. */
enum MHD_Result portal_reply_file(struct portal_request *req, int fd,
    uint64_t from, uint64_t len, uint64_t total);
/* A whole file that is the same for everybody. Takes fd. */
enum MHD_Result portal_reply_published(
    struct portal_request *req, int fd, uint64_t len, const char *type);

/* --- published.c */

/* Is this path one of those that have nothing to do with the page? */
bool portal_published_is(const char *url);
/* Keys and lists; host as the request says it, NULL if that is not clear. */
enum MHD_Result portal_published_reply(
    struct portal_request *req, const char *host);

#endif
