/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A message that came by BINARYMIME becomes one of lines before anybody parses
 * it: rules, variants and next hops know no other.
 */
#include <unistd.h>

#include "common/limits.h"
#include "gateway/worker/worker_private.h"
#include "mime/binary.h"

static enum err
put_memfd(void *arg, struct span octets)
{
	return memfd_write(*(int *)arg, octets);
}

enum err
job_make_lines(struct job *j, struct err_why *why)
{
	struct memfd_map map = {0};
	int fd = -1;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = mime_binary_write(j->map.data, &sink, why);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &map);
	close(fd);
	if (e != ERR_OK)
		return e;
	memfd_unmap(&j->map);
	j->map = map;
	return ERR_OK;
}
