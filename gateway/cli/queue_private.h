/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate queue` share: which entries are meant, and
 * going through them page by page.
 */
#ifndef GATEWAY_CLI_QUEUE_PRIVATE_H
#define GATEWAY_CLI_QUEUE_PRIVATE_H

#include <stdint.h>

#include "gateway/cli/cli.h"

/* Read the options that choose entries into the object, as store wants it
   (gateway/store/filter.h). Returns the place of the first argument that is
   none; -1 when one is not understood, which is said. */
int cli_queue_filter(struct json_t *out, int argc, char **argv);

/* "30m", "4h", "10d" in seconds; 0: it is not understood. */
long long cli_queue_seconds(const char *text);

/* One page; returns an exit status, and not CLI_DONE ends it. */
typedef int cli_queue_page_fn(
    struct cli *cli, struct json_t *entries, void *arg);
/* Ask for the entries that the filter lets through, page by page. */
int cli_queue_each(struct cli *cli, const struct json_t *filter,
    cli_queue_page_fn *page, void *arg);

struct conf;

enum cli_salvaged_kind {
	CLI_SALVAGED_END = 0, /* n: how many of those it found are done */
	CLI_SALVAGED_ENTRY,   /* n: id of one to ask store for */
	CLI_SALVAGED_OWED,    /* n: of a message whose sender is to be told */
};

struct cli_salvaged {
	uint64_t kind;
	uint64_t n;
};

/* What `queue salvage` runs in a process of its own, below the directory of
   that name. It tells on fd, as struct cli_salvaged, what to ask store for, and
   waits until fd is closed before it cleans up. Returns an exit status. */
int cli_salvage_child(
    struct cli *cli, const struct conf *conf, const char *name, int fd);

#endif
