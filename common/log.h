/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One line an event: id=… event=… key="value". Every value is escaped here,
 * so that nothing from outside can forge a line or a field. Only gateway/
 * logs. Never: bodies, subjects, passphrases, session keys, link secrets.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

#include "common/buf.h"

/* By consequence: normal, worth knowing, went on despite, this message or
   peer failed, the process stops. */
enum log_level {
	LOG_LVL_DEBUG,
	LOG_LVL_INFO,
	LOG_LVL_NOTICE,
	LOG_LVL_WARN,
	LOG_LVL_ERR,
	LOG_LVL_CRIT,
};

struct log_kv {
	const char *key; /* NULL ends the list */
	struct span str; /* data NULL: a number */
	uint64_t num;
};

#define KV_STR(k, s)                                                           \
	{                                                                      \
		.key = (k), .str = log_str(s)                                  \
	}
#define KV_SPAN(k, s)                                                          \
	{                                                                      \
		.key = (k), .str = log_span(s)                                 \
	}
#define KV_NUM(k, n)                                                           \
	{                                                                      \
		.key = (k), .num = (uint64_t)(n)                               \
	}
#define KV_ERR(e)                                                              \
	{                                                                      \
		.key = "err", .str = log_str(err_name(e))                      \
	}

/* Say who logs ("worker", 3) and from which level on. journal: lines carry
   the <N> prefix that systemd reads. */
void log_init(
    const char *role, unsigned index, enum log_level min, bool journal);

/* id is a queue or session id, or NULL. At least one pair. */
#define log_event(level, id, event, ...)                                       \
	log_emit((level), (id), (event),                                       \
	    (const struct log_kv[]){__VA_ARGS__, {.key = NULL}})

void log_emit(enum log_level level, const char *id, const char *event,
    const struct log_kv *kv);
struct span log_str(const char *s);
struct span log_span(struct span s);

#endif
