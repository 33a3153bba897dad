/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A message and addresses that a verb is given.
 */
#ifndef GATEWAY_CLI_INPUT_H
#define GATEWAY_CLI_INPUT_H

#include <stdbool.h>

#include "common/buf.h"
#include "gateway/message.h"

/* Zeroed while it is not open. */
struct cli_input {
	bool is_open;
	struct buf raw; /* line ends are CRLF whatever they were */
	struct message message;
};

/* Read a file ("-": standard input) and parse it. Charsets are open. Nothing
   to close on failure. Errors of message_parse(), of reading. */
enum err cli_input_open(struct cli_input *in, const char *file,
    const struct policy *policy, struct arena *arena,
    struct err_why *why) MUST_CHECK;
void cli_input_close(struct cli_input *in);

/* The canonical form of an address, in the arena. A sender may be "" or "<>",
   the null sender, which is "". Errors of mime_addr_parse(). */
enum err cli_input_recipient(const char *text, struct arena *arena,
    const char **out, struct err_why *why) MUST_CHECK;
enum err cli_input_sender(const char *text, struct arena *arena,
    const char **out, struct err_why *why) MUST_CHECK;

#endif
