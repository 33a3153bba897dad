/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Forged verdicts in every writing go, everything else stays as it stands, and
 * ours are folded.
 */
#include "mime/verdict_fields.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "mime/header.h"

static const char *const tags[] = {"[signed]", "[encrypted]"};
static const struct mime_verdict_own own = {
    .authserv_id = "gw.example.com", .tags = tags, .n_tags = 2};

#define KEPT "Subject: x\r\n"

/* Goes as a whole: what is left of it before KEPT is "". */
static const char *const forged[] = {
    "Sealgate-Verdict: encrypted, signed-good\r\n",
    "SEALGATE-VERDICT:x\r\n",
    "sealgate-verdict : x\r\n",
    "Sealgate-Verdict\t: x\r\n y\r\n\tz\r\n",
    "Sealgate-Verdict:\r\n x\r\n",
    "Sealgate-: x\r\n",
    "Sealgate-Anything-Else: x\r\n",
    "Sealgate-Verdict: a\r\nSealgate-Verdict: b\r\n",
    "Sealgate-Ver\013dict: x\r\n",
    "Sealgate -Verdict: x\r\n",
    "\xc2\xa0Sealgate-Verdict: x\r\n",
    "Sealgate-Verdict\x01: x\r\n y\r\n",
    " Sealgate-Verdict: x\r\n",
    " \r\n",
    "\tx\r\n y\r\n",
    "Authentication-Results: gw.example.com; smime=pass\r\n",
    "authentication-results: GW.Example.COM; smime=pass\r\n",
    "Authentication-Results : gw.example.com 1; smime=pass\r\n",
    "Authentication-Results:\r\n gw.example.com;\r\n smime=pass\r\n",
    "Authentication-Results: (a (b) \\) c) gw.example.com; x=pass\r\n",
    "Authentication-Results: \"gw.example.com\"; x=pass\r\n",
    "Authentication-Results: \"gw.\\e\\xample.com\"; x=pass\r\n",
    "Authentication-Results: gw.example.com. ; x=pass\r\n",
    "Authentication-Results: gw.example.com(c); x=pass\r\n",
    "Authentication-Results: =?utf-8?q?gw.example.com?=; x=pass\r\n",
    "Authentication-Results: =?utf-8?b?Z3cuZXhhbXBsZS5jb20=?=; x=pass\r\n",
    "Authentication-Results: \"gw.example.com; x=pass\r\n",
    "Authentication-Results:; x=pass by gw.example.com\r\n",
    "Authentication\x7f-Results: gw.example.com; x=pass\r\n",
};

/* Stays octet for octet. */
static const char *const honest[] = {
    "X-Sealgate-Verdict: x\r\n",
    "Sealgatex: x\r\n",
    "X: a\r\n Sealgate-Verdict: b\r\n",
    "Authentication-Results: mx.example.com; x=pass\r\n",
    "Authentication-Results: mx.example.com; x=pass (gw.example.com)\r\n",
    "Authentication-Results: agw.example.com; x=pass\r\n",
    "Authentication-Results: gw.example.com.evil.example; x=pass\r\n",
    "ARC-Authentication-Results: i=1; gw.example.com; x=pass\r\n",
    "From a line of a mailbox\r\n",
    "Received: from a\r\n\tby b; now\r\nReceived: from c\r\n",
};

static void
check(const char *in, const char *want, const char *name)
{
	struct buf out;
	struct span rest;
	unsigned removed = 0;

	buf_init(&out, 1 << 20);
	cr_assert_eq(
	    mime_verdict_strip(span_str(in), &own, &out, &rest, &removed),
	    ERR_OK, "%s", name);
	cr_assert_eq(buf_put(&out, rest), ERR_OK);
	cr_expect(
	    out.len == strlen(want) && memcmp(out.data, want, out.len) == 0,
	    "%s: got %.*s", name, (int)out.len, (char *)out.data);
	cr_expect_eq(removed != 0, strcmp(in, want) != 0, "%s", name);
	buf_clear(&out);
}

Test(verdict_fields, forged_ones_go)
{
	char in[1024];

	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		snprintf(in, sizeof(in), "%s" KEPT "\r\nbody\r\n", forged[i]);
		check(in, KEPT "\r\nbody\r\n", forged[i]);
	}
}

Test(verdict_fields, forged_ones_go_wherever_they_stand)
{
	char in[1024];

	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		/* continues the field before it there, and belongs to it */
		if (forged[i][0] == ' ' || forged[i][0] == '\t')
			continue;
		snprintf(in, sizeof(in), KEPT "no field\r\n%s\r\n", forged[i]);
		check(in, KEPT "no field\r\n\r\n", forged[i]);
		snprintf(in, sizeof(in), KEPT "%s", forged[i]);
		check(in, KEPT, forged[i]);
	}
}

Test(verdict_fields, others_stay)
{
	char in[1024];

	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++) {
		snprintf(in, sizeof(in), "%s" KEPT "\r\nbody", honest[i]);
		check(in, in, honest[i]);
	}
	check("", "", "empty");
	check("\r\nSealgate-Verdict: x\r\n", "\r\nSealgate-Verdict: x\r\n",
	    "in the body");
}

Test(verdict_fields, tags_go_from_every_subject)
{
	check(
	    "Subject: [signed] a\r\nSubject: =?utf-8?q?=5BEncrypted=5D_b?=\r\n"
	    "\r\n",
	    "Subject: a\r\nSubject: b\r\n\r\n", "two");
	check("Subject: [sig[signed]ned] a\r\n\r\n", "Subject: a\r\n\r\n",
	    "one in the other");
	check("Subject: signed\r\n\r\n", "Subject: signed\r\n\r\n", "a word");
}

Test(verdict_fields, ours_is_folded_at_semicolons)
{
	struct buf out;

	buf_init(&out, 4096);
	cr_assert_eq(mime_verdict_put(&out, "Sealgate-Verdict",
			 "encrypted, signed-good; form=smime; "
			 "signer=somebody@partner.example; fingerprint=0123"),
	    ERR_OK);
	cr_assert_eq(buf_putc(&out, '\0'), ERR_OK);
	cr_expect_str_eq((char *)out.data,
	    "Sealgate-Verdict: encrypted, signed-good; form=smime;\r\n"
	    "\tsigner=somebody@partner.example; fingerprint=0123\r\n");
	buf_reset(&out);
	cr_expect_eq(mime_verdict_put(&out, "X", "a\r\nBcc: b"), ERR_USAGE);
	cr_expect_eq(mime_verdict_put(&out, "X", "\xc3\xa4"), ERR_USAGE);
	cr_expect_eq(out.len, 0);
	buf_clear(&out);
}

Test(verdict_fields, what_a_trusted_host_found_is_read)
{
	static const struct {
		const char *header;
		bool forged;
	} rows[] = {
	    {"Authentication-Results: gw.example.com; dmarc=fail\r\n", true},
	    {"Authentication-Results: gw.example.com;\r\n spf=pass;\r\n"
	     " dmarc=FAIL (p=none)\r\n",
		true},
	    {"Authentication-Results: gw.example.com; (x) spf=fail\r\n", true},
	    {"Authentication-Results: gw.example.com; dkim=fail\r\n", true},
	    {"Authentication-Results: gw.example.com; dkim=fail; dkim=pass\r\n",
		false},
	    {"Authentication-Results: gw.example.com; dmarc=pass; spf=pass\r\n",
		false},
	    {"Authentication-Results: gw.example.com; none\r\n", false},
	    {"Authentication-Results: mx.example.com; dmarc=fail\r\n", false},
	    {"Subject: gw.example.com; dmarc=fail\r\n", false},
	};
	struct arena *a = arena_new(1 << 20);
	struct mime_header h;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(
		    mime_header_parse(span_str(rows[i].header), a, &h, NULL),
		    ERR_OK);
		cr_expect_eq(mime_verdict_says_forged(&h, "gw.example.com"),
		    rows[i].forged, "%s", rows[i].header);
	}
	arena_free(a);
}
