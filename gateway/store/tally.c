/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A record counts in every row of the table that its type is in. Labels are
 * words of fixed lists in the record; what is none, and what comes when the
 * table is full, is counted as "other", so that nobody outside can make the
 * monitoring system keep what they like.
 */
#include "gateway/store/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/store/audit_rec.h"
#include "gateway/store/audit_terms.h"

enum {
	LABELS_MAX = 3,
	VALUE_SIZE = 32,
	SLOTS = 1024,	  /* a power of two */
	SERIES_MAX = 512, /* of which so many are used */
};

static const struct metric {
	const char *name;
	const char *help;
	const char *types; /* words; "*": all */
	/* members of the record; a label of the same name with _ for - */
	const char *label[LABELS_MAX];
} metrics[] = {
    {"sealgate_received_total",
	"Messages taken over, by the TLS of the client.", "accepted",
	{"direction", "tls"}},
    {"sealgate_refused_total",
	"Recipients and messages refused, by the reason.", "refused",
	{"error"}},
    {"sealgate_decided_total",
	"Recipients decided, by what became of them and the rung.", "decided",
	{"result", "rung"}},
    {"sealgate_sealed_total", "Variants of messages made, by the rung.",
	"sealed", {"rung"}},
    {"sealgate_opened_total", "Messages from outside opened and verified.",
	"opened", {"result"}},
    {"sealgate_deliveries_total",
	"Results of deliveries for recipients, by the TLS of the hop.",
	"sent deferred bounced dropped", {"type", "tls-had", "tls-protocol"}},
    {"sealgate_held_total", "Messages held.", "held", {"why"}},
    {"sealgate_escrow_total", "What happened to messages for pick-up.",
	"escrowed object-ready viewed replied expired revoked", {"type"}},
    {"sealgate_keys_total", "Changes of keys and certificates, by the source.",
	"key-added key-changed key-renewed key-waits key-approved key-refused "
	"key-deleted key-expired key-lost",
	{"type", "source"}},
    {"sealgate_tls_dropped_total",
	"Domains whose mail servers had less TLS than before.", "tls-dropped",
	{NULL}},
    {"sealgate_audit_records_total", "Records of the audit log, by type.", "*",
	{"type"}},
};

enum { METRICS = sizeof(metrics) / sizeof(metrics[0]) };

struct series {
	uint64_t count; /* 0: the slot is free */
	uint8_t metric;
	char value[LABELS_MAX][VALUE_SIZE];
};

struct store_tally {
	struct series slot[SLOTS];
	size_t n;
};

struct store_tally *
store_tally_new(void)
{
	struct store_tally *t = calloc(1, sizeof(*t));

	if (t == NULL)
		fatal("out of memory");
	return t;
}

void
store_tally_free(struct store_tally *t)
{
	free(t);
}

/* --- counting */

/* What labels of a record are. */
struct seen {
	struct span type;
	char value[METRICS][LABELS_MAX][VALUE_SIZE];
};

/* Of "TLSv1.3 TLS_AES_256_GCM_SHA384", in tls, the protocol alone. */
static struct span
of_label(const char *label, struct span text)
{
	if (strcmp(label, "tls") == 0)
		text.len = span_find_chr(text, 0, ' ');
	return text;
}

static void
take_word(char to[VALUE_SIZE], struct span text)
{
	bool good = text.len > 0 && text.len < VALUE_SIZE;

	for (size_t i = 0; good && i < text.len; i++)
		good = (text.data[i] >= '0' && text.data[i] <= '9') ||
		       (text.data[i] >= 'A' && text.data[i] <= 'Z') ||
		       (text.data[i] >= 'a' && text.data[i] <= 'z') ||
		       memchr("-_. /", text.data[i], 5) != NULL;
	if (good)
		snprintf(to, VALUE_SIZE, "%.*s", (int)text.len,
		    (const char *)text.data);
	else
		snprintf(to, VALUE_SIZE, "other");
}

static void
on_value(void *arg, const struct store_value *v)
{
	struct seen *s = arg;

	if (v->deeper || v->within.len > 0)
		return;
	if (span_eq_str(v->member, "type"))
		s->type = v->text;
	for (size_t m = 0; m < METRICS; m++)
		for (size_t i = 0; i < LABELS_MAX; i++)
			if (metrics[m].label[i] != NULL &&
			    s->value[m][i][0] == '\0' &&
			    span_eq_str(v->member, metrics[m].label[i]))
				take_word(s->value[m][i],
				    of_label(metrics[m].label[i], v->text));
}

/* Is the word one of a list of words? */
static bool
is_among(struct span word, const char *list)
{
	if (strcmp(list, "*") == 0)
		return true;
	while (*list != '\0') {
		size_t len = strcspn(list, " ");

		if (word.len == len && memcmp(list, word.data, len) == 0)
			return true;
		list += len + (list[len] == ' ' ? 1 : 0);
	}
	return false;
}

static size_t
slot_of(size_t metric, char value[LABELS_MAX][VALUE_SIZE])
{
	uint64_t h = 0xcbf29ce484222325u ^ metric;

	for (size_t i = 0; i < LABELS_MAX; i++)
		h = (h ^ store_term_hash(STORE_TERM_TYPE, span_str(value[i]))) *
		    0x100000001b3u;
	return (size_t)(h ^ (h >> 32)) & (SLOTS - 1);
}

static bool
is_it(const struct series *s, size_t metric, char value[LABELS_MAX][VALUE_SIZE])
{
	if (s->metric != metric)
		return false;
	for (size_t i = 0; i < LABELS_MAX; i++)
		if (strcmp(s->value[i], value[i]) != 0)
			return false;
	return true;
}

static void
count(struct store_tally *t, size_t metric, char value[LABELS_MAX][VALUE_SIZE])
{
	size_t i = slot_of(metric, value);
	struct series *s;

	for (;; i = (i + 1) & (SLOTS - 1)) {
		s = &t->slot[i];
		if (s->count == 0 || is_it(s, metric, value))
			break;
	}
	if (s->count == 0) {
		/* there is room for one of each metric beyond the limit */
		if (t->n >= SERIES_MAX && metrics[metric].label[0] != NULL &&
		    strcmp(value[0], "other") != 0) {
			for (size_t k = 0; k < LABELS_MAX; k++)
				snprintf(value[k], VALUE_SIZE, "other");
			count(t, metric, value);
			return;
		}
		t->n++;
		s->metric = (uint8_t)metric;
		memcpy(s->value, value, sizeof(s->value));
	}
	s->count++;
}

void
store_tally_add(struct store_tally *t, struct span rec)
{
	struct seen s;

	memset(&s, 0, sizeof(s));
	(void)store_values_each(rec, on_value, &s);
	for (size_t m = 0; s.type.len > 0 && m < METRICS; m++)
		if (is_among(s.type, metrics[m].types))
			count(t, m, s.value[m]);
}

/* --- printing */

static enum err
print_labels(const struct series *s, struct buf *out)
{
	const char *gap = "{";
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < LABELS_MAX; i++) {
		const char *name = metrics[s->metric].label[i];

		if (name == NULL)
			continue;
		e = buf_puts(out, gap);
		for (; e == ERR_OK && *name != '\0'; name++)
			e = buf_putc(out, *name == '-' ? '_' : (uint8_t)*name);
		if (e == ERR_OK)
			e = buf_printf(out, "=\"%s\"", s->value[i]);
		gap = ",";
	}
	return e == ERR_OK && gap[0] == ',' ? buf_putc(out, '}') : e;
}

enum err
store_tally_print(const struct store_tally *t, struct buf *out)
{
	enum err e = ERR_OK;

	for (size_t m = 0; e == ERR_OK && m < METRICS; m++) {
		e = buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n",
		    metrics[m].name, metrics[m].help, metrics[m].name);
		for (size_t i = 0; e == ERR_OK && i < SLOTS; i++) {
			const struct series *s = &t->slot[i];

			if (s->count == 0 || s->metric != m)
				continue;
			e = buf_puts(out, metrics[m].name);
			if (e == ERR_OK)
				e = print_labels(s, out);
			if (e == ERR_OK)
				e = buf_printf(out, " %llu\n",
				    (unsigned long long)s->count);
		}
	}
	return e;
}
