/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The address parser. What it accepts must be safe to write into SMTP and must
 * parse to itself.
 */
#include <stdint.h>
#include <string.h>

#include "common/arena.h"
#include "common/err.h"
#include "mime/addr.h"
#include "mime/utf8.h"

enum { FLAGS = MIME_ADDR_NULL | MIME_ADDR_POSTMASTER | MIME_ADDR_UTF8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(const struct mime_addr *addr)
{
	struct arena *a = arena_new(65536);
	struct mime_addr again;

	for (const char *p = addr->text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			fatal("control character in an address");
	if (strlen(addr->text) > 254 ||
	    !mime_utf8_is_valid(span_str(addr->text)))
		fatal("address too long or no UTF-8");
	if (mime_addr_parse(span_str(addr->text), FLAGS, a, &again, NULL) !=
	    ERR_OK)
		fatal("canonical form does not parse: %s", addr->text);
	if (strcmp(again.text, addr->text) != 0 ||
	    strcmp(again.key, addr->key) != 0 ||
	    strcmp(again.local, addr->local) != 0 ||
	    strcmp(again.domain, addr->domain) != 0)
		fatal("canonical form is not stable: %s", addr->text);
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_new(4 * 1024 * 1024);
	struct span in = SPAN(data, len), rest;
	struct mime_addr_list list;
	struct mime_addr addr;
	const char *domain;

	if (mime_addr_parse(in, FLAGS, a, &addr, NULL) == ERR_OK)
		check(&addr);
	if (mime_addr_parse_path(in, FLAGS, a, &addr, &rest, NULL) == ERR_OK)
		check(&addr);
	if (mime_addr_parse_list(in, FLAGS, a, &list, NULL) == ERR_OK)
		for (size_t i = 0; i < list.n; i++)
			check(&list.addrs[i]);
	if (mime_domain_parse(in, a, &domain, NULL) == ERR_OK &&
	    domain[0] == '\0')
		fatal("empty domain");
	arena_free(a);
	return 0;
}
