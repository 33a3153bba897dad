/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any line as a command, and any text as the arguments of each. What is
 * accepted can be written into a Received field and onto a wire: no control
 * character gets through.
 */
#include <stdlib.h>

#include "common/arena.h"
#include "gateway/listener/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_clean(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1024 * 1024);
	struct span verb, args;
	struct listener_reply why = {.text = ""};
	struct listener_mail mail;
	struct listener_rcpt rcpt;
	struct listener_bdat bdat;
	const char *helo;

	if (listener_command_split(SPAN(data, size), &verb, &args, &why) !=
	    ERR_OK) {
		must_be_clean(why.text);
		goto out;
	}
	if (listener_parse_mail(args, a, &mail, &why) == ERR_OK) {
		must_be_clean(mail.from.text);
		must_be_clean(mail.envid);
	}
	must_be_clean(why.text);
	for (int utf8 = 0; utf8 < 2; utf8++)
		if (listener_parse_rcpt(args, utf8, a, &rcpt, &why) == ERR_OK) {
			must_be_clean(rcpt.to.text);
			must_be_clean(rcpt.orcpt);
		}
	if (listener_parse_helo(args, a, &helo, &why) == ERR_OK)
		must_be_clean(helo);
	if (listener_parse_bdat(args, &bdat, &why) != ERR_OK)
		must_be_clean(why.text);
out:
	arena_free(a);
	return 0;
}
