/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/detect.h"

#include <criterion/criterion.h>
#include <string.h>

/* Published examples and numbers made by the rules; none is anybody's. */
static const struct {
	const char *name;
	const char *text;
	size_t want;
} rows[] = {
    {"cards", "4111 1111 1111 1111", 1},
    {"cards", "4111111111111111, 5500-0000-0000-0004", 2},
    {"cards", "378282246310005", 1},
    {"cards", "6011 0009 9013 9424", 1},
    {"cards", "tel. 030 4111 1111 1111 1111", 1},
    {"cards", "4111 1111 1111 1112", 0},
    {"cards", "x4111111111111111", 0},
    {"cards", "41111111111111111", 0},
    {"cards", "0000 0000 0000 0000", 0},
    {"cards", "4111  1111 1111 1111", 0},
    {"iban", "GB82 WEST 1234 5698 7654 32", 1},
    {"iban", "de89370400440532013000.", 1},
    {"iban", "NO93 8601 1117 947 and FR1420041010050500013M02606", 2},
    {"iban", "DE89 3704 0044 0532 0130 01", 0},
    {"iban", "DE89 3704 0044 0532 0130", 0},
    {"iban", "XX82 WEST 1234 5698 7654 32", 0},
    {"at-svnr", "1237 010180", 1},
    {"at-svnr", "1238 010180", 0},
    {"au-tfn", "123 456 782", 1},
    {"au-tfn", "123456782", 0},
    {"be-nrn", "85.07.30-033.28", 1},
    {"be-nrn", "85.07.30-033.29", 0},
    {"br-cpf", "111.444.777-35", 1},
    {"br-cpf", "111.444.777-36", 0},
    {"ca-sin", "146-454-285", 1},
    {"ca-sin", "146-454-286", 0},
    {"ch-ahv", "756.9217.0000.41", 1},
    {"ch-ahv", "7569217000042", 0},
    {"de-tax-id", "86 095 742 719", 1},
    {"de-tax-id", "86 095 742 718", 0},
    {"es-dni", "12345678-Z X1234567L", 2},
    {"es-dni", "12345678A", 0},
    {"fr-nir", "2 55 08 14 168 025 38", 1},
    {"fr-nir", "2 55 08 14 168 025 39", 0},
    {"in-aadhaar", "2341 2341 2346", 1},
    {"in-aadhaar", "2341 2341 2347", 0},
    {"it-codice-fiscale", "RSSMRA85T10A562S", 1},
    {"it-codice-fiscale", "RSSMRA85T10A562T", 0},
    {"nl-bsn", "111222333", 1},
    {"nl-bsn", "111222334", 0},
    {"no-fnr", "010180 10018", 1},
    {"no-fnr", "010180 10019", 0},
    {"pl-pesel", "44051401359", 1},
    {"pl-pesel", "44051401358", 0},
    {"se-pnr", "811218-9876 19811218-9876", 2},
    {"se-pnr", "811218-9877", 0},
    {"uk-nhs", "943 476 5919", 1},
    {"uk-nhs", "943 476 5918", 0},
    {"uk-nino", "AB 12 34 56 C", 1},
    {"uk-nino", "QQ 12 34 56 C", 0},
    {"us-ssn", "536-90-4399", 1},
    {"us-ssn", "536904399", 0},
    {"us-ssn", "000-12-3456 666-12-3456 123-00-1234 123-45-0000", 0},
};

Test(detect, only_numbers_whose_check_digits_are_right)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct detector *d =
		    detector_by_name(span_str(rows[i].name));
		size_t n;

		cr_assert_not_null(d, "%s", rows[i].name);
		n = detector_count(d, span_str(rows[i].text), 100);
		cr_expect_eq(n, rows[i].want, "%s in \"%s\": %zu", rows[i].name,
		    rows[i].text, n);
	}
}

Test(detect, every_detector_has_an_example_and_a_counterexample)
{
	for (size_t i = 0; detector_name(i) != NULL; i++) {
		size_t yes = 0, no = 0;

		for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
			if (strcmp(rows[k].name, detector_name(i)) != 0)
				continue;
			yes += rows[k].want > 0;
			no += rows[k].want == 0;
		}
		cr_expect(yes > 0 && no > 0, "%s", detector_name(i));
	}
	cr_expect_null(detector_by_name(SPAN_LIT("card")));
	cr_expect_null(detector_by_name(SPAN_LIT("")));
}

Test(detect, counts_no_further_than_asked)
{
	const struct detector *d = detector_by_name(SPAN_LIT("cards"));
	static const char text[] = "4111111111111111 4111111111111111 "
				   "4111111111111111";

	cr_expect_eq(detector_count(d, SPAN_LIT(text), 2), 2);
	cr_expect_eq(detector_count(d, SPAN_LIT(text), 0), 0);
}
