/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Lines to standard error, one write(2) each, so that lines of several
 * processes do not mix.
 */
#include "common/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"

static struct {
	const char *role;
	unsigned index;
	enum log_level min;
	bool journal;
} self = {.role = "sealgate", .min = LOG_LVL_INFO};

static const struct {
	const char *name;
	int syslog;
} levels[] = {
    [LOG_LVL_DEBUG] = {"debug", 7},
    [LOG_LVL_INFO] = {"info", 6},
    [LOG_LVL_NOTICE] = {"notice", 5},
    [LOG_LVL_WARN] = {"warn", 4},
    [LOG_LVL_ERR] = {"err", 3},
    [LOG_LVL_CRIT] = {"crit", 2},
};

void
log_init(const char *role, unsigned index, enum log_level min, bool journal)
{
	self.role = role;
	self.index = index;
	self.min = min;
	self.journal = journal;
}

struct span
log_str(const char *s)
{
	return s == NULL ? SPAN_LIT("-") : span_str(s);
}

struct span
log_span(struct span s)
{
	return s.data == NULL ? SPAN_LIT("") : s;
}

static size_t
put_prefix(char *line, size_t size, enum log_level level)
{
	char when[TEXT_TIME_SIZE];
	int n;

	if (self.journal) {
		n = snprintf(line, size, "<%d>%s[%u] ", levels[level].syslog,
		    self.role, self.index);
	} else {
		text_time_ms(clock_unix_ms(), when);
		n = snprintf(line, size, "%s %s[%u] %s ", when, self.role,
		    self.index, levels[level].name);
	}
	return (size_t)n;
}

static size_t
put_pair(char *line, size_t size, const struct log_kv *kv)
{
	char value[512];
	int n;

	if (kv->str.data == NULL) {
		n = snprintf(line, size, " %s=%llu", kv->key,
		    (unsigned long long)kv->num);
	} else {
		text_escape(kv->str, value, sizeof(value));
		n = snprintf(line, size, " %s=\"%s\"", kv->key, value);
	}
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

void
log_emit(enum log_level level, const char *id, const char *event,
    const struct log_kv *kv)
{
	char line[4096];
	size_t room = sizeof(line) - 1; /* for the newline */
	size_t n;

	if (level < self.min)
		return;
	n = put_prefix(line, room, level);
	n += (size_t)snprintf(line + n, room - n, "id=%.40s event=%.60s",
	    id == NULL ? "-" : id, event);
	for (; kv->key != NULL; kv++)
		n += put_pair(line + n, room - n, kv);
	line[n++] = '\n';
	/* a log that cannot be written must not stop mail */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}
