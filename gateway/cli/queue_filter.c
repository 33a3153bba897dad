/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The options by which `sealgate queue` is told which entries are meant.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/queue_private.h"
#include "gateway/store/filter.h"

struct unit {
	char letter; /* '\0': none is written */
	json_int_t size;
};

/* "30m", "4h"; "500K", "2M" */
static const struct unit times[] = {{'s', 1}, {'m', 60}, {'h', 3600},
    {'d', 24 * 3600}, {'w', 7 * 24 * 3600}, {'\0', 0}};
static const struct unit sizes[] = {
    {'K', 1024}, {'M', 1024 * 1024}, {'G', 1024 * 1024 * 1024}, {'\0', 1}};

/* A number with its unit; NULL if it is none. */
static json_t *
read_amount(const char *text, const struct unit *units)
{
	char *end;
	unsigned long n;

	if (text[0] < '0' || text[0] > '9')
		return NULL;
	n = strtoul(text, &end, 10);
	if (n == 0 || n > 1000000000 || (end[0] != '\0' && end[1] != '\0'))
		return NULL;
	for (; units->letter != '\0'; units++)
		if (units->letter == end[0])
			return json_integer((json_int_t)n * units->size);
	if (end[0] != '\0' || units->size == 0)
		return NULL;
	return json_integer((json_int_t)n * units->size);
}

long long
cli_queue_seconds(const char *text)
{
	json_t *n = read_amount(text, times);
	long long seconds = json_integer_value(n);

	json_decref(n);
	return seconds;
}

static json_t *
read_value(const char *name, const char *text)
{
	if (strcmp(name, "older") == 0 || strcmp(name, "newer") == 0)
		return read_amount(text, times);
	if (strcmp(name, "larger") == 0 || strcmp(name, "smaller") == 0)
		return read_amount(text, sizes);
	if (strcmp(name, "state") == 0 && !store_is_state_word(text))
		return NULL;
	return text[0] == '\0' ? NULL : json_string(text);
}

int
cli_queue_filter(json_t *out, int argc, char **argv)
{
	static const struct option options[] = {
	    {"from", required_argument, NULL, 0},
	    {"to", required_argument, NULL, 0},
	    {"domain", required_argument, NULL, 0},
	    {"reason", required_argument, NULL, 0},
	    {"state", required_argument, NULL, 0},
	    {"older", required_argument, NULL, 0},
	    {"newer", required_argument, NULL, 0},
	    {"larger", required_argument, NULL, 0},
	    {"smaller", required_argument, NULL, 0}, {NULL, 0, NULL, 0}};
	/* as store names them */
	static const char *const names[] = {"from", "to", "domain", "reason",
	    "state", "older_s", "newer_s", "larger", "smaller"};
	int c, which = 0;

	while ((c = getopt_long(argc, argv, "", options, &which)) != -1) {
		json_t *value;

		if (c == '?')
			return -1;
		value = read_value(options[which].name, optarg);
		if (value == NULL) {
			cli_say("\"%s\" is not understood here", optarg);
			return -1;
		}
		json_object_set_new(out, names[which], value);
	}
	return optind;
}
