/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The words of a configuration: what config_read.c puts together.
 */
#ifndef GATEWAY_CONFIG_LEX_H
#define GATEWAY_CONFIG_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "gateway/conf.h"

struct arena;

enum config_token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_NUMBER,
	TOKEN_STRING,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQUALS,
	TOKEN_COMMA,
	TOKEN_BAD, /* told already */
};

struct config_token {
	enum config_token_kind kind;
	unsigned line;
	struct span raw;  /* as it stands in the text */
	const char *text; /* of word, number, string */
};

struct config_lexer {
	struct span in;
	size_t pos;
	unsigned line;
	unsigned told;		 /* the last line with a stray character */
	struct config_token tok; /* the one that is looked at */
	struct arena *arena;
	struct conf_findings *f;
	bool nomem;		 /* every token is TOKEN_END from then on */
	struct strtab *sections; /* places of those that were read */
};

/* Tell of every line with octets that no configuration has: bad UTF-8, NUL,
   control characters. False if there is one; the rest expects a clean text. */
bool config_text_is_clean(struct span in, struct conf_findings *f);
/* Go on to the next token. */
void config_lex_next(struct config_lexer *r);

#endif
