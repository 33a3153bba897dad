/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any text as a configuration: it is read whole, or every error is said.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct conf_findings f;
	struct conf *c = NULL;
	char line[600];
	enum err err;

	conf_findings_init(&f);
	err = conf_parse(SPAN(data, len), "fuzz.conf", &f, &c);
	if ((err == ERR_OK) != (c != NULL) ||
	    (err == ERR_OK) != (f.n_errors == 0))
		abort();
	for (size_t i = 0; i < f.n; i++) {
		conf_finding_text(&f, i, line, sizeof(line));
		if (i > 0 && f.list[i].line < f.list[i - 1].line)
			abort();
	}
	conf_free(c);
	conf_findings_clear(&f);
	return 0;
}
