/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The text of a configuration as a tree: sections, options, values, each with
 * its line. Knows the syntax only; which words exist is config_table.h.
 */
#ifndef GATEWAY_CONFIG_READ_H
#define GATEWAY_CONFIG_READ_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "gateway/conf.h"

struct arena;

enum config_kind {
	CONFIG_STRING,	 /* "text" */
	CONFIG_WORD,	 /* text */
	CONFIG_NUMBER,	 /* 12 */
	CONFIG_DURATION, /* 5min; number is in milliseconds */
	CONFIG_SIZE,	 /* 50M; number is in octets */
	CONFIG_LIST,	 /* { a, b } */
};

struct config_value {
	enum config_kind kind;
	unsigned line;
	const char *text; /* of a string without its quotes; of the others as
			     written; NULL for a list */
	uint64_t number;
	struct config_value *item; /* of a list; never a list itself */
	size_t n_item;
};

struct config_option {
	const char *name;
	unsigned line;
	struct config_value value;
};

struct config_section {
	const char *name;  /* NULL for what stands outside of sections */
	const char *title; /* NULL if there is none */
	unsigned line;
	struct config_option *option;
	size_t n_option;
};

struct config_file {
	struct config_section *section; /* [0] is outside of sections */
	size_t n_section;
};

/* Read a text. Everything that is not the syntax, a repeated option and a
   repeated section are added to f; reading goes on behind them. *out is in
   the arena; what could not be read is not in it. ERR_CONFIG if anything was
   wrong (out is filled all the same, so that more can be found), ERR_TOO_BIG
   if the text is beyond the limit, ERR_NOMEM. */
enum err config_read(struct span text, struct arena *arena,
    struct conf_findings *f, struct config_file *out) MUST_CHECK;

#endif
