/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The gateway that runs, whatever became of the file that it was started from:
 * for who looks when something is wrong.
 */
#ifndef GATEWAY_CLI_RUNNING_H
#define GATEWAY_CLI_RUNNING_H

#include "gateway/cli/cli.h"
#include "gateway/cli/trouble.h"
#include "gateway/conf.h"

struct running {
	struct conf_findings findings; /* of the file */
	bool file_good;
	char digest[65];       /* of the file's text; "" if it is not good */
	char control[256];     /* its socket */
	enum err asked;	       /* how asking the supervisor ended */
	struct json_t *status; /* of the supervisor; NULL: no answer */
	struct json_t *store;  /* of store; NULL: no answer */
	struct troubles troubles;
};

/* Read the file, which becomes the configuration of cli if it is good, and ask
   who runs. Says nothing. Clear it. */
void running_look(struct cli *cli, struct running *out);
void running_clear(struct running *r);
/* Take the configuration that is in use for that of cli, in place of a file
   that is not good. False: nobody has told. */
bool running_take_conf(struct cli *cli, const struct running *r);

#endif
