/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * RFC 5322 dates. Names of days and months are not the locale's.
 */
#include "mime/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char day[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct mime_date
mime_date(int64_t unix_s)
{
	struct mime_date d = {{0}};
	time_t t = (time_t)unix_s;
	struct tm tm;

	/* a year that does not fit an int: the epoch is as good as any */
	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099) {
		t = 0;
		gmtime_r(&t, &tm);
	}
	snprintf(d.text, sizeof(d.text), "%s, %d %s %04d %02d:%02d:%02d +0000",
	    day[tm.tm_wday], tm.tm_mday, month[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	return d;
}

struct words {
	struct span in;
	size_t at;
};

/* The next word; commas and colons stand alone. */
static struct span
next_word(struct words *w)
{
	size_t start;

	while (w->at < w->in.len && strchr(" \t\r\n", w->in.data[w->at]))
		w->at++;
	start = w->at;
	if (w->at < w->in.len && strchr(",:(", w->in.data[w->at])) {
		w->at++;
	} else {
		while (w->at < w->in.len &&
		       strchr(" \t\r\n,:(", w->in.data[w->at]) == NULL)
			w->at++;
	}
	return SPAN(w->in.data + start, w->at - start);
}

static int
find_name(const char (*names)[4], int n, struct span word)
{
	for (int i = 0; i < n; i++)
		if (span_caseeq_str(word, names[i]))
			return i;
	return -1;
}

/* min to max digits, -1 else. */
static int
number(struct span word, size_t min, size_t max)
{
	int n = 0;

	if (word.len < min || word.len > max)
		return -1;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return -1;
		n = n * 10 + (word.data[i] - '0');
	}
	return n;
}

/* Seconds east of Greenwich (RFC 5322 sections 3.3 and 4.3). */
static bool
read_zone(struct span word, int *out)
{
	static const struct {
		char name[4];
		int hours;
	} zones[] = {{"UT", 0}, {"GMT", 0}, {"UTC", 0}, {"Z", 0}, {"EST", -5},
	    {"EDT", -4}, {"CST", -6}, {"CDT", -5}, {"MST", -7}, {"MDT", -6},
	    {"PST", -8}, {"PDT", -7}};
	int n;

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		if (span_caseeq_str(word, zones[i].name)) {
			*out = zones[i].hours * 3600;
			return true;
		}
	}
	if (word.len != 5 || (word.data[0] != '+' && word.data[0] != '-'))
		return false;
	n = number(SPAN(word.data + 1, 4), 4, 4);
	if (n < 0 || n % 100 > 59)
		return false;
	n = n / 100 * 3600 + n % 100 * 60;
	*out = word.data[0] == '-' ? -n : n;
	return true;
}

static bool
read_day(struct words *w, struct tm *tm)
{
	struct span word = next_word(w);
	int year;

	if (find_name(day, 7, word) >= 0) {
		if (!span_eq_str(next_word(w), ","))
			return false;
		word = next_word(w);
	}
	tm->tm_mday = number(word, 1, 2);
	tm->tm_mon = find_name(month, 12, next_word(w));
	year = number(next_word(w), 4, 4);
	tm->tm_year = year - 1900;
	return tm->tm_mday > 0 && tm->tm_mday <= 31 && tm->tm_mon >= 0 &&
	       year >= 1900;
}

static bool
read_time(struct words *w, struct tm *tm, struct span *zone)
{
	tm->tm_hour = number(next_word(w), 2, 2);
	if (!span_eq_str(next_word(w), ":"))
		return false;
	tm->tm_min = number(next_word(w), 2, 2);
	*zone = next_word(w);
	if (span_eq_str(*zone, ":")) {
		tm->tm_sec = number(next_word(w), 2, 2);
		*zone = next_word(w);
	}
	return tm->tm_hour >= 0 && tm->tm_hour < 24 && tm->tm_min >= 0 &&
	       tm->tm_min < 60 && tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

enum err
mime_date_parse(struct span value, int64_t *out)
{
	struct words w = {.in = value};
	struct tm tm = {0};
	struct span zone, last;
	int east;

	if (!read_day(&w, &tm) || !read_time(&w, &tm, &zone) ||
	    !read_zone(zone, &east))
		return ERR_MALFORMED;
	/* a comment may name the zone */
	last = next_word(&w);
	if (last.len > 0 && !span_eq_str(last, "("))
		return ERR_MALFORMED;
	*out = (int64_t)timegm(&tm) - east;
	return ERR_OK;
}
