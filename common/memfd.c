/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealed anonymous files (memfd_create(2), fcntl(2) F_ADD_SEALS).
 */
#include "common/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum err
memfd_new(int *fd_out)
{
	int fd = memfd_create("sealgate", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_from_errno(errno);
	*fd_out = fd;
	return ERR_OK;
}

enum err
memfd_write(int fd, struct span s)
{
	ssize_t n;

	while (s.len > 0) {
		n = write(fd, s.data, s.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ENOSPC ? ERR_NOMEM
					       : err_from_errno(errno);
		s.data += n;
		s.len -= (size_t)n;
	}
	return ERR_OK;
}

enum err
memfd_seal(int fd)
{
	static const uint8_t zero[LIMIT_MESSAGE_PADDING];
	enum err e;

	if (lseek(fd, 0, SEEK_END) < 0)
		return err_from_errno(errno);
	e = memfd_write(fd, SPAN(zero, sizeof(zero)));
	if (e != ERR_OK)
		return e;
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		return err_from_errno(errno);
	return ERR_OK;
}

enum err
memfd_from(struct span s, int *fd_out)
{
	int fd = -1;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = memfd_write(fd, s);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e != ERR_OK) {
		close(fd);
		return e;
	}
	*fd_out = fd;
	return ERR_OK;
}

static enum err
copy(int from, uint64_t size, int to)
{
	uint8_t part[64 * 1024];
	uint64_t at = 0;
	enum err e;

	while (at < size) {
		uint64_t left = size - at;
		ssize_t n = pread(from, part,
		    left < sizeof(part) ? (size_t)left : sizeof(part),
		    (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? ERR_IO : err_from_errno(errno);
		e = memfd_write(to, SPAN(part, (size_t)n));
		if (e != ERR_OK)
			return e;
		at += (uint64_t)n;
	}
	return ERR_OK;
}

enum err
memfd_copy(int from, uint64_t size, int *fd_out)
{
	int fd = -1;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = copy(from, size, fd);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e != ERR_OK) {
		close(fd);
		return e;
	}
	*fd_out = fd;
	return ERR_OK;
}

enum err
memfd_map(int fd, size_t max, struct memfd_map *out)
{
	struct stat st;
	void *base;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0)
		return ERR_IPC;
	if (st.st_size < (off_t)LIMIT_MESSAGE_PADDING ||
	    (uint64_t)st.st_size - LIMIT_MESSAGE_PADDING > max)
		return ERR_IPC;
	/* private: older kernels refuse a shared map of a sealed file */
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (base == MAP_FAILED)
		return err_from_errno(errno);
	out->base = base;
	out->mapped = (size_t)st.st_size;
	out->data = SPAN(base, out->mapped - LIMIT_MESSAGE_PADDING);
	return ERR_OK;
}

void
memfd_unmap(struct memfd_map *m)
{
	if (m == NULL || m->base == NULL)
		return;
	munmap(m->base, m->mapped);
	*m = (struct memfd_map){0};
}
