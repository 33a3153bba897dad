/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Asking the running gateway: a line of JSON to its socket, a line back.
 */
#ifndef GATEWAY_CLI_ASK_H
#define GATEWAY_CLI_ASK_H

#include "gateway/cli/cli.h"

/* Ask the gateway of this configuration; takes the question. *out is the
   answer, with "ok" true, the caller's to release. What is wrong is said;
   returns the exit status. An answer with "ok" false is CLI_NO or CLI_FAILED,
   and is handed out, too, when bad_out is not NULL. */
int cli_ask(struct cli *cli, struct json_t *question, struct json_t **out,
    struct json_t **bad_out) MUST_CHECK;

/* Ask at this socket without a word, and wait so long at most; takes the
   question. *out is the caller's to release. ERR_NOT_FOUND: nobody is there;
   others of connect(2); ERR_CLOSED: this user may not ask; ERR_CRASHED: the
   process that answers this is not there. */
enum err cli_ask_at(const char *control, struct json_t *question,
    unsigned seconds, struct json_t **out) MUST_CHECK;

/* The same without arguments and without a word, whether there is a gateway or
   not; waits a few seconds at most. */
void cli_ask_quietly(struct cli *cli, const char *verb);

/* Print as JSON and release. */
void cli_put_json(struct json_t *json);
/* A string member; "" if there is none. */
const char *cli_member(const struct json_t *j, const char *name);
/* "3d 4h", "12m", "5s" */
enum { CLI_SPAN_SIZE = 24 };
void cli_span(uint64_t seconds, char out[CLI_SPAN_SIZE]);
/* "3 of 100 messages, 5000 of 8000 octets"; a quota of 0 is none. */
enum { CLI_USAGE_SIZE = 160 };
void cli_escrow_usage(long long objects, long long octets, long long quota,
    long long quota_objects, char out[CLI_USAGE_SIZE]);

#endif
