/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What db.c (the environment) and db_access.c (transactions, entries, cursors)
 * share. Nobody else includes this.
 */
#ifndef COMMON_DB_PRIVATE_H
#define COMMON_DB_PRIVATE_H

#include <lmdb.h>

#include "common/db.h"

enum { DB_PATH_SIZE = 512 };

struct db {
	char dir[DB_PATH_SIZE];
	struct db_options opt;
	MDB_env *env;
	MDB_dbi dbi[DB_TABLES_MAX];
	MDB_txn *idle; /* a reset read transaction */
	unsigned open; /* transactions */
	size_t map;    /* octets */
	bool full;     /* of the map: it is made larger */
	bool broken;
};

/* What an error code of LMDB means to us; 0 is ERR_OK. */
enum err db_err(int rc);
/* Take the map as another process has made it; a code of LMDB. */
int db_map_adopt(struct db *db);
/* Make the map larger: the disk has grown since it was opened, or the map began
   small. Nothing happens while anything is open here. */
void db_map_grow(struct db *db);

#endif
