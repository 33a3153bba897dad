/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Durable files: data, then name, then directory.
 */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/secret.h"

enum err
file_write_all(int fd, struct span s)
{
	ssize_t n;

	while (s.len > 0) {
		n = write(fd, s.data, s.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_from_errno(errno);
		s.data += n;
		s.len -= (size_t)n;
	}
	return ERR_OK;
}

enum err
file_read_all(int fd, struct buf *out)
{
	uint8_t chunk[16384];
	ssize_t n;
	enum err e;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_from_errno(errno);
		if (n == 0)
			return ERR_OK;
		e = buf_put(out, SPAN(chunk, (size_t)n));
		if (e != ERR_OK)
			return e;
	}
}

enum err
file_read_path(int dir_fd, const char *path, struct buf *out)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	enum err e;

	if (fd < 0)
		return err_from_errno(errno);
	e = file_read_all(fd, out);
	close(fd);
	return e;
}

enum err
file_sync(int fd)
{
	return fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
}

enum err
file_sync_dir(int dir_fd)
{
	/* some file systems cannot sync a directory and say EINVAL: they
	   write the entry with the file */
	if (fsync(dir_fd) == 0 || errno == EINVAL)
		return ERR_OK;
	return err_from_errno(errno);
}

static enum err
put_in_place(int dir_fd, const char *tmp, const char *name, bool replace)
{
	if (replace)
		return renameat(dir_fd, tmp, dir_fd, name) == 0
			   ? ERR_OK
			   : err_from_errno(errno);
	if (linkat(dir_fd, tmp, dir_fd, name, 0) != 0)
		return err_from_errno(errno);
	unlinkat(dir_fd, tmp, 0);
	return ERR_OK;
}

static enum err
create(int dir_fd, const char *name, struct span s, mode_t mode, bool replace)
{
	char tmp[64];
	int fd;
	enum err e;

	snprintf(
	    tmp, sizeof(tmp), ".tmp.%016llx", (unsigned long long)random_u64());
	fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_from_errno(errno);
	e = file_write_all(fd, s);
	if (e == ERR_OK)
		e = file_sync(fd);
	if (close(fd) != 0 && e == ERR_OK)
		e = err_from_errno(errno);
	if (e == ERR_OK)
		e = put_in_place(dir_fd, tmp, name, replace);
	if (e != ERR_OK)
		unlinkat(dir_fd, tmp, 0);
	return e;
}

enum err
file_create_synced(
    int dir_fd, const char *name, struct span s, mode_t mode, bool replace)
{
	enum err e = create(dir_fd, name, s, mode, replace);

	return e == ERR_OK ? file_sync_dir(dir_fd) : e;
}

enum err
file_replace(int dir_fd, const char *name, struct span s, mode_t mode)
{
	return create(dir_fd, name, s, mode, true);
}

/* Two writes may bear one mtime, and anybody may set it: not so ctime. */
bool
file_is_as_before(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

enum err
file_inodes(int fd, uint64_t *free_out)
{
	struct statvfs v;

	if (fstatvfs(fd, &v) != 0)
		return err_from_errno(errno);
	*free_out = v.f_files == 0 ? UINT64_MAX : (uint64_t)v.f_favail;
	return ERR_OK;
}

enum err
file_space(int fd, uint64_t *free_out)
{
	struct statvfs v;

	if (fstatvfs(fd, &v) != 0)
		return err_from_errno(errno);
	*free_out = (uint64_t)v.f_bavail * v.f_frsize;
	return ERR_OK;
}
