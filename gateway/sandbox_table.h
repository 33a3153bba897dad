/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What each role needs behind its walls: system calls and places.
 */
#ifndef GATEWAY_SANDBOX_TABLE_H
#define GATEWAY_SANDBOX_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/role.h"

enum {
	SANDBOX_LISTS_MAX = 8,
	SANDBOX_PLACES_MAX = 24,
	SANDBOX_END = -1, /* of a list of calls; numbers of other machines'
			     calls are below */
};

enum sandbox_access {
	SANDBOX_READ,	 /* files and directories */
	SANDBOX_READER,	 /* that, and LMDB's lock file: to open it anew */
	SANDBOX_CREATE,	 /* new files, and to remove them; no listing */
	SANDBOX_CHANGE,	 /* everything with files */
	SANDBOX_HOME,	 /* that, and sockets */
	SANDBOX_EXECUTE, /* a program, or all in a directory */
	SANDBOX_DEVICE,	 /* read and write a device */
};

/* Stands for a member of struct conf_paths at the offset. */
extern const char sandbox_of_conf[];

struct sandbox_place {
	const char *path;
	enum sandbox_access access;
	size_t offset;
};

struct sandbox_profile {
	const int *list[SANDBOX_LISTS_MAX]; /* calls that are allowed */
	bool threads;  /* new threads, never new processes */
	bool forks;    /* children behind the same walls, with limits */
	bool inet;     /* sockets to IPv4 and IPv6 */
	bool programs; /* runs others: everything but what is refused */
	struct sandbox_place place[SANDBOX_PLACES_MAX];
};

extern const struct sandbox_profile sandbox_profiles[ROLE_COUNT];
/* Of the portal where readers go to another machine: it takes no connection and
   makes one. */
extern const struct sandbox_profile sandbox_portal_elsewhere;
/* And of the one on that machine. */
extern const struct sandbox_profile sandbox_portal_alone;
/* What fails with EPERM where it is not allowed; all else ends the process. */
extern const int sandbox_refused[];
/* What fails for programs that are run. */
extern const int sandbox_refused_programs[];

#endif
