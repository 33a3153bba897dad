/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * RFC 5322 dates. Names of days and months are not the locale's.
 */
#include "mime/date.h"

#include <stdio.h>
#include <time.h>

struct mime_date
mime_date(int64_t unix_s)
{
	static const char day[7][4] = {
	    "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char month[12][4] = {"Jan", "Feb", "Mar", "Apr", "May",
	    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
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
