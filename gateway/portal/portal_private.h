/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the portal share: the page's files, the objects with
 * their index, the brake on wrong proofs, the HTTP server.
 */
#ifndef GATEWAY_PORTAL_PORTAL_PRIVATE_H
#define GATEWAY_PORTAL_PORTAL_PRIVATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/object_header.h"
#include "common/pickup_account.h"

/* --- assets.c: the files of the page, an exact list, read at start */

enum portal_asset_kind {
	PORTAL_ASSET_FILE,	   /* /a/FILE */
	PORTAL_ASSET_SHELL,	   /* /m/ID */
	PORTAL_ASSET_FRAME,	   /* /frame */
	PORTAL_ASSET_FRAME_IMAGES, /* /frame-images: loads them from the web */
};

struct portal_asset {
	enum portal_asset_kind kind;
	const char *file;
	const char *type;
	char etag[36]; /* with its quotes */
	uint8_t *data;
	size_t len;
};

struct portal_assets;

struct conf_brand;
struct conf_net;

/* Read every file of the list from dir, and the logo, if there is one; the
   shell says whose page it is. The reason names the file that is missing. *out
   is to be freed. */
enum err portal_assets_load(const char *dir, const struct conf_brand *brand,
    struct portal_assets **out, struct err_why *why) MUST_CHECK;
void portal_assets_free(struct portal_assets *a);
size_t portal_assets_count(const struct portal_assets *a);
const struct portal_asset *portal_asset_at(
    const struct portal_assets *a, size_t i);

/* --- objects.c: the sealed objects of a directory and their index */

struct portal_objects;

/* Open the index in index_dir and bring it in line with the files of dir: what
   it does not know is read from the files, what has no file is forgotten. A
   damaged index is made anew. */
enum err portal_objects_open(const char *dir, const char *index_dir,
    struct portal_objects **out, struct err_why *why) MUST_CHECK;
void portal_objects_close(struct portal_objects *o);
/* Take in the file that a worker has written. ERR_OK if it is there already,
   ERR_NOT_FOUND, ERR_MALFORMED if it is no complete object of this id. */
enum err portal_objects_add(
    struct portal_objects *o, const uint8_t *id) MUST_CHECK;
/* Its header; ERR_NOT_FOUND also at and after its expiry. */
enum err portal_objects_find(struct portal_objects *o, const uint8_t *id,
    uint64_t now_s, struct object_header *out) MUST_CHECK;
/* Its file, which the caller closes. ERR_NOT_FOUND, ERR_BAD_SEAL if it is not
   the file the index knows. */
enum err portal_objects_file(struct portal_objects *o,
    const struct object_header *h, int *fd_out) MUST_CHECK;
/* Delete one object whose time is over and tell its id; ERR_NOT_FOUND when
   none is left. */
enum err portal_objects_expire(
    struct portal_objects *o, uint64_t now_s, uint8_t *id_out) MUST_CHECK;
/* The first behind this one, NULL: of all; ERR_NOT_FOUND at the end. */
enum err portal_objects_next(struct portal_objects *o, const uint8_t *after,
    struct object_header *out) MUST_CHECK;
/* Second at which the next one expires; UINT64_MAX if there is none. */
uint64_t portal_objects_next_expiry(struct portal_objects *o);

/* --- objects_change.c */

/* It expires then, and what was guessed wrong before does not count any more.
   ERR_NOT_FOUND, ERR_USAGE. */
enum err portal_objects_until(
    struct portal_objects *o, const uint8_t *id, uint64_t expires_s) MUST_CHECK;
/* Delete it; ERR_OK also when there is none. */
enum err portal_objects_drop(
    struct portal_objects *o, const uint8_t *id) MUST_CHECK;
/* Were so many wrong proofs shown for it that nobody gets it any more? */
bool portal_objects_is_locked(struct portal_objects *o, const uint8_t *id);
void portal_objects_note_wrong(
    struct portal_objects *o, const uint8_t *id, const char *client);
/* It is locked whatever was counted; ERR_NOT_FOUND. */
enum err portal_objects_lock(
    struct portal_objects *o, const uint8_t *id) MUST_CHECK;
/* Write down what was noted; locked hears of each that has had its last. */
typedef void portal_locked_fn(void *arg, const uint8_t *id, const char *client);
enum err portal_objects_settle(
    struct portal_objects *o, portal_locked_fn *locked, void *arg) MUST_CHECK;
/* Locked hears of each that is, without a client. */
enum err portal_objects_each_locked(
    struct portal_objects *o, portal_locked_fn *locked, void *arg) MUST_CHECK;

/* objects_gone.c: was it one of the last LIMIT_DMZ_GONE that were here and are
   not any more? What was opened elsewhere before that heard of it is still
   told. Also after a restart, unless the index was made anew. */
bool portal_objects_was_here(struct portal_objects *o, const uint8_t *id);

/* Each that there is. */
typedef void portal_object_fn(void *arg, const struct object_header *h);
enum err portal_objects_each(
    struct portal_objects *o, portal_object_fn *fn, void *arg) MUST_CHECK;

/* May there be one more answer to it? ERR_LIMIT: it has had all. */
enum err portal_objects_may_answer(
    struct portal_objects *o, const uint8_t *id) MUST_CHECK;
/* Count one, durably; ERR_LIMIT as before. What was counted stays so, also
   when its expiry changes. */
enum err portal_objects_note_answer(
    struct portal_objects *o, const uint8_t *id) MUST_CHECK;

/* --- throttle.c: wrong proofs, by client and by object */

struct portal_throttle;

/* What is counted is in a file of this directory and counts after a restart,
   too; it has its place on the disk from the start. NULL when it cannot be
   had, and errno says why. */
struct portal_throttle *portal_throttle_new(const char *dir);
void portal_throttle_free(struct portal_throttle *t);
/* May this client try this object now? Times are of the wall clock. */
bool portal_throttle_allows(struct portal_throttle *t, struct span client,
    struct span object, uint64_t now_ms);
/* A wrong proof was shown. */
void portal_throttle_spend(struct portal_throttle *t, struct span client,
    struct span object, uint64_t now_ms);

/* --- access.c: who may have what */

/* What /api/ decides, before any of it is said in HTTP. */
enum portal_access {
	PORTAL_ACCESS_NONE, /* no such object, expired or wrong proof */
	PORTAL_ACCESS_WAIT,
	PORTAL_ACCESS_GRANTED,
};

/* Who asks. */
struct portal_client {
	char text[INET6_ADDRSTRLEN];
	uint8_t net[8]; /* what the brake counts: an IPv4 address or a /64 */
	size_t net_len;
};

/* The other end of a connection (client.c). */
void portal_client_of_socket(
    const struct sockaddr *sa, struct portal_client *out);

/* Check id and proof as they came (base64url). *out is set when granted. The
   answer, and the work done for it, are the same for every reason to refuse. */
enum portal_access portal_access_check(struct portal_objects *o,
    struct portal_throttle *t, struct span id, struct span proof,
    const struct portal_client *client, uint64_t now_ms,
    struct object_header *out);

/* --- door.c: the code by mail */

struct portal_door;

#define PORTAL_TICKET_SIZE 44 /* as text, with a NUL */
#define PORTAL_CODE_SIZE   7

struct portal_door *portal_door_new(void);
void portal_door_free(struct portal_door *d);
/* A new ticket and its code, PORTAL_TICKET_SIZE and PORTAL_CODE_SIZE octets.
   False: this object has had too many. Times are of the steady clock. */
bool portal_door_ask(struct portal_door *d, const uint8_t *object,
    uint64_t now_ms, char *ticket_out, char *code_out);
/* Does the ticket let its browser in, by this code or by one before? */
bool portal_door_admits(struct portal_door *d, const uint8_t *object,
    struct span ticket, struct span code, uint64_t now_ms);

/* --- accounts.c: what store has said of accounts */

struct portal_accounts;
struct proto_accounts;

struct portal_accounts *portal_accounts_new(void);
void portal_accounts_free(struct portal_accounts *a);
/* PROTO_ACCOUNTS, PROTO_ACCOUNT_DROP. While all are named anew those that were
   there before are found. */
void portal_accounts_take(
    struct portal_accounts *a, const struct proto_accounts *m);
void portal_accounts_drop(struct portal_accounts *a, const uint8_t *id);
/* ERR_NOT_FOUND; ERR_BUSY: store has not told all of them yet. */
enum err portal_accounts_find(const struct portal_accounts *a,
    const uint8_t *id, struct pickup_account *out) MUST_CHECK;
/* Has store told all of them, and does not tell them anew? */
bool portal_accounts_are_whole(const struct portal_accounts *a);
/* Each of one of as many parts. */
enum { PORTAL_ACCOUNT_PARTS = 4096 };
typedef void portal_account_fn(void *arg, const struct pickup_account *a);
void portal_accounts_part(const struct portal_accounts *a, size_t part,
    portal_account_fn *fn, void *arg);
/* How the setting of this account by this object stands: ERR_OK: it is there;
   ERR_AGAIN: store has not answered; *tell: it is to be told (again). Else
   what store has said, once. Times are of the steady clock. */
enum err portal_accounts_set(struct portal_accounts *a, const uint8_t *id,
    const uint8_t *object, uint64_t now_ms, bool *tell) MUST_CHECK;
/* PROTO_ACCOUNT_SAID. */
void portal_accounts_said(
    struct portal_accounts *a, const uint8_t *id, enum err result);

/* --- upload.c: answers on their way in */

struct ipc;
struct portal_answers;
struct portal_upload;

/* In this directory, of at most max octets before sealing; 0: none is taken;
   reserve octets of the disk are left to others. NULL when it cannot be had. */
struct portal_answers *portal_answers_open(
    const char *dir, uint64_t max, uint64_t reserve);
void portal_answers_close(struct portal_answers *a);
/* Begin one of len octets. ERR_TOO_BIG, ERR_LIMIT: this object has had its
   answers, or one is under way; ERR_BUSY: no room now, of all or of this
   client's; ERR_MALFORMED, ERR_NOT_FOUND: none are taken. To be freed before
   the answers are closed. */
enum err portal_upload_begin(struct portal_answers *a, const uint8_t *object,
    const struct portal_client *client, uint64_t len,
    struct portal_upload **out) MUST_CHECK;
/* The same for one that has an id already. */
enum err portal_upload_begin_as(struct portal_answers *a, uint64_t id,
    const uint8_t *object, const struct portal_client *client, uint64_t len,
    struct portal_upload **out) MUST_CHECK;
enum err portal_upload_put(struct portal_upload *u, struct span s) MUST_CHECK;
/* Have so many octets come since this was last true, or since the begin? */
bool portal_upload_has_moved(struct portal_upload *u, uint64_t octets);
/* Is it whole, what it says it is, and on disk? */
enum err portal_upload_check(struct portal_upload *u) MUST_CHECK;
const uint8_t *portal_upload_object(const struct portal_upload *u);
/* What was checked is kept; or nothing is left of it once it is freed. */
enum err portal_upload_end(
    struct portal_upload *u, uint64_t *id_out) MUST_CHECK;
void portal_upload_free(struct portal_upload *u);
/* Show store the one with this id, or with 0 all. */
void portal_answers_show(
    const struct portal_answers *a, struct ipc *store, uint64_t only);
/* Call fn for each that is whole; size octets of its file. */
typedef void portal_answer_fn(
    void *arg, uint64_t id, const uint8_t *object, uint64_t size);
void portal_answers_each(
    const struct portal_answers *a, portal_answer_fn *fn, void *arg);
/* The file of a whole one, which the caller closes; -1: there is none. */
int portal_answers_file(const struct portal_answers *a, uint64_t id);
/* None is larger than that, and than what it was opened with. */
void portal_answers_limit(struct portal_answers *a, uint64_t max);
/* Store has it. */
void portal_answers_taken(const struct portal_answers *a, uint64_t id);

/* --- published.c: what anybody may have */

/* Is that the name of such a file, below the directory of gateway/publish.h? */
bool portal_published_is_path(const char *path);
/* Its name below the portal's directory in a DMZ, where all are in one that
   holds nothing else. */
#define PORTAL_PUBLISHED "published/"
enum { PORTAL_PUBLISHED_NAME = sizeof(PORTAL_PUBLISHED) + 2 * 32 };
void portal_published_name(const char *path, char out[PORTAL_PUBLISHED_NAME]);

/* --- range.c */

/* A Range header for a representation of size octets: first octet and length.
   Only one range of octets; ERR_MALFORMED for anything else, and for one that
   has nothing in common with the object. */
enum err portal_range_parse(struct span s, uint64_t size, uint64_t *from_out,
    uint64_t *len_out) MUST_CHECK;

/* --- report.c: what the portal tells */

struct portal_reports;

/* One report, in the form gateway/proto.h gives the message of this type; id as
   there. False: it could not be taken and waits for the next one. */
typedef bool portal_report_fn(
    void *arg, uint16_t type, uint64_t id, struct span payload);

struct portal_reports *portal_reports_new(void);
void portal_reports_free(struct portal_reports *r);
/* Tell them to this one from now on, what has waited first. NULL when it is
   gone. */
void portal_reports_to(
    struct portal_reports *r, portal_report_fn *to, void *arg);
/* PROTO_OBJECT_HAVE, PROTO_OBJECT_EXPIRED, PROTO_OBJECT_DROPPED. */
void portal_report_object(
    struct portal_reports *r, uint16_t type, const uint8_t *object_id);
/* PROTO_OBJECT_FOUND: these are there. */
void portal_report_found(
    struct portal_reports *r, const struct object_header *list, uint32_t n);
/* PROTO_OBJECT_CODE: the recipient is to get it by mail. */
void portal_report_code(
    struct portal_reports *r, const uint8_t *object_id, const char *code);
/* PROTO_OBJECT_OPENED, PROTO_OBJECT_LOCKED; user_agent may be empty. */
void portal_report_event(struct portal_reports *r, uint16_t type,
    const uint8_t *object_id, const char *client, struct span user_agent);

/* --- http.c: the server */

struct portal_http;

struct portal_http_options {
	const char *url;      /* scheme and authority, as configured */
	const char *tls_cert; /* PEM text, or NULL for plain HTTP */
	const char *tls_key;
	const int *listen_fd; /* bound and listening; taken */
	size_t n_listen_fd;
	unsigned connections; /* at once, and of those from one client */
	unsigned connections_client;
	uint64_t request_ms;		/* for a whole request */
	const struct conf_net *proxies; /* borrowed, see portal_client_find */
	size_t n_proxies;
	struct portal_assets *assets; /* borrowed */
	int publish_fd;	   /* directory of what anybody may have; -1: none */
	bool publish_flat; /* its files are named by portal_published_name */
	/* The index of an object was handed out; user_agent may be empty. */
	void (*opened)(void *arg, const struct object_header *h,
	    const char *client, struct span user_agent);
	/* Can it be told who is to get one more code? */
	bool (*takes_code)(void *arg);
	/* The recipient is to get this code. */
	void (*code)(
	    void *arg, const struct object_header *h, const char *code);
	/* A reader wants this account; said again until there is an answer. */
	void (*account)(void *arg, const struct object_header *h,
	    const char *digits, const char *client,
	    const struct pickup_account *account);
	/* An answer is there. */
	void (*answered)(void *arg, uint64_t id);
	void *arg;
};

/* certificate.c: show visitors this certificate with its chain, and its private
   key, PEM texts, from now on; connections that are open go on. There is one
   for the process. ERR_TLS with the reason, and what was shown stays. */
enum err portal_certificate_show(
    const char *cert, const char *key, struct err_why *why) MUST_CHECK;
/* No connection may be left. */
void portal_certificate_forget(void);

enum err portal_http_new(const struct portal_http_options *opt,
    struct portal_http **out, struct err_why *why) MUST_CHECK;
void portal_http_free(struct portal_http *h);
/* The objects it hands out, and the brake, borrowed; before the first
 * portal_http_run(). */
void portal_http_serve(struct portal_http *h, struct portal_objects *objects,
    struct portal_throttle *throttle, struct portal_answers *answers,
    struct portal_accounts *accounts);
/* One descriptor for each of listen_fd: readable when there is work. */
int portal_http_fd(const struct portal_http *h, size_t i);
/* Do what can be done without waiting. */
void portal_http_run(struct portal_http *h);
/* Milliseconds after which portal_http_run() is due without an event. */
uint64_t portal_http_wait_ms(struct portal_http *h);
/* End connections that are beyond their deadline; to be called every second. */
void portal_http_enforce(struct portal_http *h);
/* Take no more connections, end those without a request; how many are open. */
void portal_http_quiesce(struct portal_http *h);
size_t portal_http_connections(const struct portal_http *h);

#endif
