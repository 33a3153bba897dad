/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate queue` share: which entries are meant, and
 * going through them page by page.
 */
#ifndef GATEWAY_CLI_QUEUE_PRIVATE_H
#define GATEWAY_CLI_QUEUE_PRIVATE_H

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
/* What `queue salvage` runs in a process of its own, below the directory of
   that name. It tells on fd, as 64-bit numbers, the ids to ask store for, then
   a zero and how many of those it found are done, and waits until fd is closed
   before it cleans up. Returns an exit status. */
int cli_salvage_child(
    struct cli *cli, const struct conf *conf, const char *name, int fd);

#endif
