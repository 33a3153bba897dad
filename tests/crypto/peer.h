/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the tests of crypto/ share: the files of tests/crypto/data, temporary
 * directories, and running the programs that open what was sealed.
 */
#ifndef TESTS_CRYPTO_PEER_H
#define TESTS_CRYPTO_PEER_H

#include <stdbool.h>

#include "common/buf.h"

/* The path of a file of tests/crypto/data. Borrowed until the fourth call. */
const char *peer_data(const char *name);
/* The octets of a file; the test fails if it cannot be read. The caller
   clears. */
struct buf peer_read(const char *path);
void peer_write(const char *path, struct span octets);
/* len octets that are no text and do not repeat soon. */
struct buf peer_octets(size_t len);

/* A new directory on tmpfs with a short path; and away with it, GnuPG's
   daemons included. */
void peer_dir_make(char out[64]);
void peer_dir_remove(const char *dir);
/* "DIR/NAME". Borrowed until the fourth call. */
const char *peer_path(const char *dir, const char *name);

/* Run a program with its standard input from in_path (NULL: empty) and its
   output to out_path (NULL: away). The exit status; 127 if it is not there. */
int peer_run(const char *in_path, const char *out_path, const char *prog, ...)
    __attribute__((sentinel));
/* Is the program installed? */
bool peer_has(const char *prog);

#endif
