/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Labels are names of sources and of results: nobody outside adds to them.
 */
#include "gateway/discovery/measures.h"

#include <stdio.h>

static const char *const result_name[DISCOVERY_RESULTS] = {
    [DISCOVERY_FOUND] = "found",
    [DISCOVERY_ABSENT] = "absent",
    [DISCOVERY_FAILED] = "failed",
    [DISCOVERY_LIMITED] = "limited",
    [DISCOVERY_REMEMBERED] = "remembered",
};

void
discovery_measures_add(struct discovery_measures *m, enum ks_source source,
    enum discovery_result result)
{
	m->source[source].result[result]++;
}

void
discovery_measures_asked(struct discovery_measures *m, enum ks_source source,
    enum discovery_result result, uint64_t us)
{
	discovery_measures_add(m, source, result);
	histogram_add(&m->source[source].time, HISTOGRAM_BRIEF, us);
}

static enum err
print_results(
    const struct discovery_measures *m, enum ks_source source, struct buf *out)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < DISCOVERY_RESULTS; i++)
		e = buf_printf(out,
		    "sealgate_lookups_total{source=\"%s\",result=\"%s\"} "
		    "%llu\n",
		    ks_source_name(source), result_name[i],
		    (unsigned long long)m->source[source].result[i]);
	return e;
}

enum err
discovery_measures_print(const struct discovery_measures *m,
    const struct conf_discovery *conf, struct buf *out)
{
	char label[64];
	enum err e = histogram_head("sealgate_lookups_total", "counter",
	    "What sources of keys were asked, and the answer.", out);

	for (size_t i = 0; e == ERR_OK && i < conf->n_source; i++)
		e = print_results(m, (enum ks_source)conf->source[i], out);
	if (e == ERR_OK)
		e = histogram_head("sealgate_lookup_seconds", "histogram",
		    "Time until a source of keys answered, or failed.", out);
	for (size_t i = 0; e == ERR_OK && i < conf->n_source; i++) {
		enum ks_source source = (enum ks_source)conf->source[i];

		snprintf(label, sizeof(label), "source=\"%s\"",
		    ks_source_name(source));
		e = histogram_print(&m->source[source].time, HISTOGRAM_BRIEF,
		    "sealgate_lookup_seconds", label, out);
	}
	return e;
}
