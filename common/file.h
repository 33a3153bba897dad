/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Files that must be there after a crash: written beside, synced, renamed,
 * and the directory synced, too.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/buf.h"

/* All of s, whatever write(2) makes of it. */
enum err file_write_all(int fd, struct span s) MUST_CHECK;
/* Everything up to the end; ERR_TOO_BIG beyond out's maximum. */
enum err file_read_all(int fd, struct buf *out) MUST_CHECK;
enum err file_read_path(
    int dir_fd, const char *path, struct buf *out) MUST_CHECK;

/* Create dir/name with these contents: temporary name, fsync, rename, fsync
   of the directory. With replace false an existing file is ERR_EXISTS. */
enum err file_create_synced(int dir_fd, const char *name, struct span s,
    mode_t mode, bool replace) MUST_CHECK;
/* The same, replacing what there is, but for the sync of the directory: after a
   crash it is what it was or what it is to be, and whole. */
enum err file_replace(
    int dir_fd, const char *name, struct span s, mode_t mode) MUST_CHECK;
/* Is it the same file, and not written to in between? */
bool file_is_as_before(const struct stat *a, const struct stat *b);
enum err file_sync(int fd) MUST_CHECK;
enum err file_sync_dir(int dir_fd) MUST_CHECK;
/* Octets that may still be written to the file system of fd. */
enum err file_space(int fd, uint64_t *free_out) MUST_CHECK;
/* Files that may still be made there; UINT64_MAX where nothing limits them. */
enum err file_inodes(int fd, uint64_t *free_out) MUST_CHECK;

#endif
