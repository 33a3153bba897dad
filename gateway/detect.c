/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The built-in detectors of `content`: one row each, with the shape of the
 * number and the function that verifies it. ISO/IEC 7812 (Luhn), ISO 13616
 * (IBAN), ISO 7064, and the rules of the states.
 */
#include "gateway/detect.h"

#include <string.h>

enum { CHARS_MAX = 34 /* of an IBAN */ };

/* A candidate: its letters (upper case) and digits without what separates
   them. */
struct candidate {
	char c[CHARS_MAX + 1];
	size_t n;
	uint64_t gaps; /* bit i: something stands before number i */
};

/* As it is written in three groups, the second and third of which begin
   there. */
#define GROUPS(a, b) (UINT64_C(1) << (a) | UINT64_C(1) << (b))

struct detector {
	const char *name;
	size_t min, max; /* letters and digits */
	bool letters;	 /* it has some, else digits only */
	bool (*check)(const struct candidate *c);
};

static unsigned
digit(const struct candidate *c, size_t i)
{
	return (unsigned)(c->c[i] - '0');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
all_digits(const struct candidate *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!is_digit(c->c[i]))
			return false;
	return true;
}

static unsigned
number(const struct candidate *c, size_t from, size_t n)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++)
		v = v * 10 + digit(c, from + i);
	return v;
}

static bool
all_alike(const struct candidate *c)
{
	for (size_t i = 1; i < c->n; i++)
		if (c->c[i] != c->c[0])
			return false;
	return true;
}

static bool
luhn(const struct candidate *c, size_t from)
{
	unsigned sum = 0;

	for (size_t i = 0; i < c->n - from; i++) {
		unsigned d = digit(c, c->n - 1 - i);

		if (i % 2 == 1)
			d = d * 2 > 9 ? d * 2 - 9 : d * 2;
		sum += d;
	}
	return sum % 10 == 0;
}

/* The sum of the first n digits, each times its weight. */
static unsigned
weighted(const struct candidate *c, const uint8_t *weight, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += digit(c, i) * weight[i];
	return sum;
}

/* Month and day at these places. */
static bool
is_date(const struct candidate *c, size_t month, size_t day)
{
	unsigned m = number(c, month, 2), d = number(c, day, 2);

	return m >= 1 && m <= 12 && d >= 1 && d <= 31;
}

static bool
is_card(const struct candidate *c)
{
	unsigned two = number(c, 0, 2), four = number(c, 0, 4);
	bool known = c->c[0] == '4' || (two >= 51 && two <= 55) ||
		     (four >= 2221 && four <= 2720) || two == 34 || two == 37 ||
		     two == 30 || two == 35 || two == 36 || two == 38 ||
		     c->c[0] == '6';

	return known && !all_alike(c) && luhn(c, 0);
}

static bool
is_iban(const struct candidate *c)
{
	static const char lengths[] =
	    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22"
	    "DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23GL18GR27GT28HR21HU28"
	    "IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27"
	    "MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24"
	    "SC31SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20";
	size_t want = 0;
	unsigned rest = 0;

	for (size_t i = 0; lengths[i] != '\0'; i += 4)
		if (memcmp(lengths + i, c->c, 2) == 0)
			want = (size_t)(lengths[i + 2] - '0') * 10 +
			       (size_t)(lengths[i + 3] - '0');
	if (want != c->n || !all_digits(c, 2, 4))
		return false;
	for (size_t i = 0; i < c->n; i++) {
		char x = c->c[(i + 4) % c->n];

		rest = is_digit(x)
			   ? (rest * 10 + (unsigned)(x - '0')) % 97
			   : (rest * 100 + (unsigned)(x - 'A') + 10) % 97;
	}
	return rest == 1;
}

/* No check digit: only as it is written, in three groups. */
static bool
is_us_ssn(const struct candidate *c)
{
	unsigned area = number(c, 0, 3);

	return c->gaps == GROUPS(3, 5) && area != 0 && area != 666 &&
	       area < 900 && number(c, 3, 2) != 0 && number(c, 5, 4) != 0;
}

static bool
is_uk_nino(const struct candidate *c)
{
	static const char *const never[] = {
	    "BG", "GB", "NK", "KN", "TN", "NT", "ZZ"};

	if (is_digit(c->c[0]) || is_digit(c->c[1]) || !all_digits(c, 2, 8) ||
	    c->c[8] < 'A' || c->c[8] > 'D' ||
	    memchr("DFIQUV", c->c[0], 6) != NULL ||
	    memchr("DFIOQUV", c->c[1], 7) != NULL)
		return false;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (memcmp(never[i], c->c, 2) == 0)
			return false;
	return true;
}

static bool
is_uk_nhs(const struct candidate *c)
{
	static const uint8_t w[] = {10, 9, 8, 7, 6, 5, 4, 3, 2};
	unsigned check = 11 - weighted(c, w, 9) % 11;

	return !all_alike(c) && check != 10 && check % 11 == digit(c, 9);
}

/* ISO 7064 MOD 11,10; of the first ten digits one stands there more than
   once, and at most three times. */
static bool
is_de_tax_id(const struct candidate *c)
{
	unsigned count[10] = {0}, more = 0, p = 10;

	for (size_t i = 0; i < 10; i++) {
		unsigned s = (digit(c, i) + p) % 10;

		count[digit(c, i)]++;
		p = 2 * (s == 0 ? 10 : s) % 11;
	}
	for (size_t i = 0; i < 10; i++) {
		if (count[i] > 3)
			return false;
		more += count[i] > 1;
	}
	return c->c[0] != '0' && more == 1 && (11 - p) % 10 == digit(c, 10);
}

/* Departments 2A and 2B of Corsica count as 19 and 18. */
static bool
is_fr_nir(const struct candidate *c)
{
	uint64_t n = 0;

	if ((c->c[0] != '1' && c->c[0] != '2') || !all_digits(c, 0, 6) ||
	    !all_digits(c, 7, 15))
		return false;
	for (size_t i = 0; i < 13; i++) {
		if (i != 6 || is_digit(c->c[6])) {
			n = n * 10 + digit(c, i);
			continue;
		}
		if (c->c[5] != '2' || (c->c[6] != 'A' && c->c[6] != 'B'))
			return false;
		n = (n / 10) * 100 + (c->c[6] == 'A' ? 19 : 18);
	}
	return 97 - n % 97 == number(c, 13, 2);
}

static bool
is_it_cf(const struct candidate *c)
{
	static const uint8_t odd[26] = {1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4,
	    18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
	static const char shape[] = "LLLLLLDDLDDLDDDL";
	unsigned sum = 0;

	for (size_t i = 0; i < 16; i++)
		if ((shape[i] == 'D') != is_digit(c->c[i]))
			return false;
	for (size_t i = 0; i < 15; i++) {
		unsigned v =
		    is_digit(c->c[i]) ? digit(c, i) : (unsigned)(c->c[i] - 'A');

		sum += i % 2 == 0 ? odd[v] : v;
	}
	return sum % 26 == (unsigned)(c->c[15] - 'A');
}

static bool
is_es_dni(const struct candidate *c)
{
	static const char letters[] = "TRWAGMYFPDXBNJZSQVHLCKE";
	unsigned n, first = 0;

	if (c->c[0] >= 'X' && c->c[0] <= 'Z')
		first = (unsigned)(c->c[0] - 'X');
	else if (is_digit(c->c[0]))
		first = digit(c, 0);
	else
		return false;
	if (!all_digits(c, 1, 8) || is_digit(c->c[8]))
		return false;
	n = first * 10000000 + number(c, 1, 7);
	return n > 0 && letters[n % 23] == c->c[8];
}

static bool
is_nl_bsn(const struct candidate *c)
{
	static const uint8_t w[] = {9, 8, 7, 6, 5, 4, 3, 2};

	return !all_alike(c) && weighted(c, w, 8) % 11 == digit(c, 8);
}

static bool
is_be_nrn(const struct candidate *c)
{
	uint64_t n = number(c, 0, 9);

	return is_date(c, 2, 4) &&
	       (97 - n % 97 == number(c, 9, 2) ||
		   97 - (2000000000u + n) % 97 == number(c, 9, 2));
}

static bool
is_ch_ahv(const struct candidate *c)
{
	static const uint8_t w[] = {1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3};

	return number(c, 0, 3) == 756 &&
	       (10 - weighted(c, w, 12) % 10) % 10 == digit(c, 12);
}

static bool
is_at_svnr(const struct candidate *c)
{
	static const uint8_t w[] = {3, 7, 9, 0, 5, 8, 4, 2, 1, 6};

	return c->c[0] != '0' && is_date(c, 6, 4) &&
	       weighted(c, w, 10) % 11 == digit(c, 3);
}

/* The century is in the month. */
static bool
is_pl_pesel(const struct candidate *c)
{
	static const uint8_t w[] = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3};
	unsigned m = number(c, 2, 2) % 20, d = number(c, 4, 2);

	return m >= 1 && m <= 12 && d >= 1 && d <= 31 &&
	       (10 - weighted(c, w, 10) % 10) % 10 == digit(c, 10);
}

static bool
is_se_pnr(const struct candidate *c)
{
	size_t from = c->n == 12 ? 2 : 0;

	return (c->n == 10 || c->n == 12) && is_date(c, from + 2, from + 4) &&
	       luhn(c, from);
}

static bool
is_no_fnr(const struct candidate *c)
{
	static const uint8_t w1[] = {3, 7, 6, 1, 8, 9, 4, 5, 2};
	static const uint8_t w2[] = {5, 4, 3, 2, 7, 6, 5, 4, 3, 2};

	return is_date(c, 2, 0) &&
	       (11 - weighted(c, w1, 9) % 11) % 11 == digit(c, 9) &&
	       (11 - weighted(c, w2, 10) % 11) % 11 == digit(c, 10);
}

static bool
is_br_cpf(const struct candidate *c)
{
	static const uint8_t w[] = {11, 10, 9, 8, 7, 6, 5, 4, 3, 2};

	return !all_alike(c) &&
	       weighted(c, w + 1, 9) * 10 % 11 % 10 == digit(c, 9) &&
	       weighted(c, w, 10) * 10 % 11 % 10 == digit(c, 10);
}

static bool
is_ca_sin(const struct candidate *c)
{
	return c->gaps == GROUPS(3, 6) && c->c[0] != '0' && c->c[0] != '8' &&
	       luhn(c, 0);
}

/* Verhoeff's check: the dihedral group of order ten. */
static unsigned
dihedral(unsigned a, unsigned b)
{
	if (a < 5)
		return b < 5 ? (a + b) % 5 : 5 + (a + b) % 5;
	return b < 5 ? 5 + (a + 5 - b) % 5 : (a + 5 - b) % 5;
}

static bool
is_in_aadhaar(const struct candidate *c)
{
	static const uint8_t step[10] = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
	unsigned sum = 0;

	for (size_t i = 0; i < 12; i++) {
		unsigned d = digit(c, 11 - i);

		for (size_t k = 0; k < i % 8; k++)
			d = step[d];
		sum = dihedral(sum, d);
	}
	return c->c[0] >= '2' && sum == 0;
}

static bool
is_au_tfn(const struct candidate *c)
{
	static const uint8_t w[] = {1, 4, 3, 7, 5, 8, 6, 9, 10};

	return c->gaps == GROUPS(3, 6) && !all_alike(c) &&
	       weighted(c, w, 9) % 11 == 0;
}

static const struct detector detectors[] = {
    {"cards", 13, 19, false, is_card},
    {"iban", 15, 34, true, is_iban},
    {"at-svnr", 10, 10, false, is_at_svnr},
    {"au-tfn", 9, 9, false, is_au_tfn},
    {"be-nrn", 11, 11, false, is_be_nrn},
    {"br-cpf", 11, 11, false, is_br_cpf},
    {"ca-sin", 9, 9, false, is_ca_sin},
    {"ch-ahv", 13, 13, false, is_ch_ahv},
    {"de-tax-id", 11, 11, false, is_de_tax_id},
    {"es-dni", 9, 9, true, is_es_dni},
    {"fr-nir", 15, 15, true, is_fr_nir},
    {"in-aadhaar", 12, 12, false, is_in_aadhaar},
    {"it-codice-fiscale", 16, 16, true, is_it_cf},
    {"nl-bsn", 9, 9, false, is_nl_bsn},
    {"no-fnr", 11, 11, false, is_no_fnr},
    {"pl-pesel", 11, 11, false, is_pl_pesel},
    {"se-pnr", 10, 12, false, is_se_pnr},
    {"uk-nhs", 10, 10, false, is_uk_nhs},
    {"uk-nino", 9, 9, true, is_uk_nino},
    {"us-ssn", 9, 9, false, is_us_ssn},
};

enum { N_DETECTORS = sizeof(detectors) / sizeof(detectors[0]) };

const struct detector *
detector_by_name(struct span name)
{
	for (size_t i = 0; i < N_DETECTORS; i++)
		if (span_eq_str(name, detectors[i].name))
			return &detectors[i];
	return NULL;
}

const char *
detector_name(size_t i)
{
	return i < N_DETECTORS ? detectors[i].name : NULL;
}

/* The letter or digit in upper case, 0 if it is none. */
static char
letter_or_digit(uint8_t c)
{
	if (is_digit((char)c) || (c >= 'A' && c <= 'Z'))
		return (char)c;
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : '\0';
}

/* Octets of what separates two groups at at, 0 if nothing does: a no-break
   blank has two. */
static size_t
separator(struct span t, size_t at)
{
	if (at < t.len && memchr(" -./", t.data[at], 4) != NULL)
		return 1;
	return t.len - at >= 2 && t.data[at] == 0xc2 && t.data[at + 1] == 0xa0
		   ? 2
		   : 0;
}

/* Read letters and digits from at on; end[i] is behind number i. */
static void
collect(const struct detector *d, struct span t, size_t at, struct candidate *c,
    size_t *end)
{
	size_t gap = 0;

	c->n = 0;
	c->gaps = 0;
	while (c->n < d->max && at < t.len) {
		char x = letter_or_digit(t.data[at]);

		if (x == '\0' || (!d->letters && !is_digit(x))) {
			if (x != '\0' || gap > 0 || c->n == 0)
				break;
			gap = separator(t, at);
			if (gap == 0)
				break;
			at += gap;
			continue;
		}
		if (gap > 0)
			c->gaps |= UINT64_C(1) << c->n;
		gap = 0;
		c->c[c->n] = x;
		end[c->n++] = ++at;
	}
}

/* The end of the number that begins at at; 0 if there is none. */
static size_t
number_end(const struct detector *d, struct span t, size_t at)
{
	struct candidate c;
	size_t end[CHARS_MAX];
	uint64_t gaps;

	collect(d, t, at, &c, end);
	gaps = c.gaps;
	for (size_t n = c.n; n >= d->min; n--) {
		size_t e = end[n - 1];

		if (e < t.len && letter_or_digit(t.data[e]) != '\0')
			continue;
		c.n = n;
		c.c[n] = '\0';
		c.gaps = gaps & ((UINT64_C(1) << n) - 1);
		if (d->check(&c))
			return e;
	}
	return 0;
}

size_t
detector_count(const struct detector *d, struct span text, size_t enough)
{
	size_t n = 0, end;

	for (size_t at = 0; n < enough && at < text.len; at++) {
		if (letter_or_digit(text.data[at]) == '\0' ||
		    (!d->letters && !is_digit((char)text.data[at])) ||
		    (at > 0 && letter_or_digit(text.data[at - 1]) != '\0'))
			continue;
		end = number_end(d, text, at);
		if (end > 0) {
			n++;
			at = end - 1;
		}
	}
	return n;
}
