/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The payload as a whole: always the same octets, nothing changed without
 * need, and layer in layer what every reader looks for.
 */
#include "mime/base64.h"
#include "mime/protected.h"
#include "tests/mime/payload_case.h"

#define HEAD                                                                   \
	"Received: by x\r\nFrom: A <a@b.example>\r\nTo: c@d.example\r\n"       \
	"Bcc: hidden@e.example\r\nSubject: the subject\r\n"                    \
	"Message-ID: <1@b.example>\r\nReferences: <0@b.example>\r\n"           \
	"MIME-Version: 1.0\r\n"
#define MIXED                                                                  \
	"Content-Type: multipart/mixed; boundary=x\r\n"                        \
	"Content-Transfer-Encoding: 8bit\r\n\r\n"                              \
	"--x\r\nContent-Type: text/plain; charset=utf-8\r\n"                   \
	"Content-Transfer-Encoding: 8bit\r\n\r\nh\xc3\xa4 \r\n"                \
	"--x\r\nContent-Type: application/octet-stream\r\n"                    \
	"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x--\r\n"

static const struct {
	enum mime_hp hp;
	bool sealed;
	enum mime_transport transport;
} forms[] = {
    {MIME_HP_NONE, true, MIME_TRANSPORT_ANY},
    {MIME_HP_BASELINE, true, MIME_TRANSPORT_ANY},
    {MIME_HP_SHY, true, MIME_TRANSPORT_PGP},
    {MIME_HP_BASELINE, false, MIME_TRANSPORT_7BIT},
    {MIME_HP_NONE, false, MIME_TRANSPORT_PGP},
};

Test(payload, always_the_same_octets_and_never_a_hidden_recipient)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct mime_payload_form form = {.hp = forms[i].hp,
		    .sealed = forms[i].sealed,
		    .transport = forms[i].transport};
		struct mime_sink sink;
		struct buf again;
		struct made m;

		buf_init(&again, 65536);
		sink = mime_sink_buf(&again);
		made_init(&m, SPAN_LIT(HEAD MIXED), &form);
		cr_assert(m.unfit == NULL, "%zu: %s", i, m.unfit);
		cr_assert(mime_payload_write(m.payload, &sink) == ERR_OK);
		cr_assert(span_eq(buf_span(&m.inner), buf_span(&again)));
		cr_assert(span_find(buf_span(&again), 0, SPAN_LIT("hidden")) ==
			  again.len);
		cr_assert(span_find(mime_payload_outer(m.payload), 0,
			      SPAN_LIT("hidden")) ==
			  mime_payload_outer(m.payload).len);
		made_clear(&m);
		buf_clear(&again);
	}
}

Test(payload, threading_stays_outside)
{
	struct mime_payload_form form = {.sealed = true};
	struct made m;

	made_init(&m, SPAN_LIT(HEAD MIXED), &form);
	cr_assert(span_eq_str(mime_payload_outer(m.payload),
	    "Received: by x\r\nFrom: A <a@b.example>\r\nTo: c@d.example\r\n"
	    "Subject: [...]\r\nMessage-ID: <1@b.example>\r\n"
	    "References: <0@b.example>\r\n"));
	made_clear(&m);
}

Test(payload, without_need_the_body_is_the_same_octets)
{
	struct mime_payload_form form = {.hp = MIME_HP_NONE, .sealed = true};
	struct made m;

	made_init(&m, SPAN_LIT(HEAD MIXED), &form);
	cr_assert(span_eq_str(buf_span(&m.inner), MIXED));
	made_clear(&m);
	made_init(&m, SPAN_LIT(HEAD "\r\nhello"), &form);
	cr_assert(span_eq_str(
	    buf_span(&m.inner), "Content-Type: text/plain\r\n\r\nhello"));
	made_clear(&m);
	made_init(&m, SPAN(NULL, 0), &form);
	cr_assert(span_eq_str(
	    buf_span(&m.inner), "Content-Type: text/plain\r\n\r\n"));
	made_clear(&m);
}

static const struct {
	const char *type;
	enum mime_hp hp;
} layers[] = {
    {"multipart/signed; boundary=x", MIME_HP_NONE},
    {"multipart/encrypted; boundary=x", MIME_HP_NONE},
    {"application/pkcs7-mime", MIME_HP_NONE},
    {"application/x-pkcs7-mime", MIME_HP_NONE},
    {"multipart/mixed; boundary=x", MIME_HP_BASELINE},
    {"text/plain", MIME_HP_BASELINE},
};

Test(payload, no_protection_around_somebody_elses_layer)
{
	struct mime_payload_form form = {.sealed = true};

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		struct parsed p;
		struct buf msg;

		buf_init(&msg, 65536);
		cr_assert(buf_printf(&msg,
			      HEAD "Content-Type: %s\r\n\r\n--x\r\n\r\na\r\n"
				   "--x--\r\n",
			      layers[i].type) == ERR_OK);
		parsed_init(&p, buf_span(&msg));
		cr_assert(mime_payload_hp(p.tree, &form) == layers[i].hp, "%s",
		    layers[i].type);
		parsed_clear(&p);
		buf_clear(&msg);
	}
}

/* RFC 6532: such a message goes only where 8-bit octets go. */
Test(payload, a_header_in_utf8_fits_with_smtputf8_only)
{
	static const char msg[] = "From: a@b.example\r\nSubject: h\xc3\xa4\r\n"
				  "\r\nhello\r\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	struct span s = SPAN(msg, sizeof(msg) - MIME_TREE_PADDING);
	struct mime_payload_form form = {.transport = MIME_TRANSPORT_PGP};
	struct mime_payload *p;
	struct mime_tree *tree;
	struct mime_scan scan;
	const char *why = "";

	cr_assert(mime_scan(s, &scan, NULL) == ERR_OK);
	for (int utf8 = 0; utf8 < 2; utf8++) {
		struct arena *a = arena_new(1024 * 1024);

		cr_assert(mime_tree_parse(
			      s, &scan, utf8 != 0, a, &tree, NULL) == ERR_OK);
		cr_assert(
		    mime_payload_make(tree, &form, a, &p, NULL) == ERR_OK);
		cr_assert(
		    mime_payload_is_fit(p, &why) == (utf8 != 0), "%s", why);
		arena_free(a);
	}
}

/* Sign, then encrypt: the payload is in the innermost layer, and what is
   around it is found again by its structure. */
Test(payload, layer_in_layer)
{
	struct mime_payload_form form = {
	    .sealed = true, .transport = MIME_TRANSPORT_7BIT};
	struct mime_boundary b = mime_boundary_make((const uint8_t *)HEAD);
	struct mime_signature sig = {
	    MIME_SIGNATURE_CMS, "sha-256", SPAN_LIT("a signature")};
	struct mime_protected prot;
	struct buf inner, sealed, back;
	struct mime_sink to_inner, to_sealed, to_back;
	struct parsed p;
	struct made m;

	buf_init(&inner, 65536);
	buf_init(&sealed, 65536);
	buf_init(&back, 65536);
	to_inner = mime_sink_buf(&inner);
	to_sealed = mime_sink_buf(&sealed);
	to_back = mime_sink_buf(&back);
	made_init(&m, SPAN_LIT(HEAD MIXED), &form);
	cr_assert(mime_write_signed(SPAN(NULL, 0), &b, buf_span(&m.inner), &sig,
		      &to_inner) == ERR_OK);
	cr_assert(
	    mime_write_smime(mime_payload_outer(m.payload),
		MIME_SMIME_ENVELOPED, buf_span(&inner), &to_sealed) == ERR_OK);
	parsed_init(&p, buf_span(&sealed));
	mime_protected_find(p.tree, &prot);
	cr_assert(prot.kind == MIME_PROTECTED_CMS);
	cr_assert(mime_protected_write(&prot, &to_back) == ERR_OK);
	cr_assert(span_eq(buf_span(&back), buf_span(&inner)));
	parsed_clear(&p);

	/* what was sealed, as a message of its own */
	buf_reset(&back);
	cr_assert(buf_puts(&back,
		      "From: a@b.example\r\nMIME-Version: 1.0\r\n") == ERR_OK);
	cr_assert(buf_put(&back, buf_span(&inner)) == ERR_OK);
	parsed_init(&p, buf_span(&back));
	mime_protected_find(p.tree, &prot);
	cr_assert(prot.kind == MIME_PROTECTED_CMS_SIGNED, "%s", prot.reason);
	cr_assert(span_eq(prot.signed_entity, buf_span(&m.inner)));
	parsed_clear(&p);
	made_clear(&m);
	buf_clear(&inner);
	buf_clear(&sealed);
	buf_clear(&back);
}

static enum err
fail_after(void *ctx, struct span s)
{
	int *left = ctx;

	return s.len > 0 && (*left)-- > 0 ? ERR_OK : ERR_DISK_FULL;
}

Test(payload, a_sink_that_fails_is_reported)
{
	struct mime_payload_form form = {
	    .sealed = true, .transport = MIME_TRANSPORT_7BIT};
	struct made m;
	enum err e;
	int n = 0;

	made_init(&m, SPAN_LIT(HEAD MIXED), &form);
	do {
		int left = n++;
		struct mime_sink sink = {fail_after, &left};

		e = mime_payload_write(m.payload, &sink);
		cr_assert(e == ERR_OK || e == ERR_DISK_FULL);
	} while (e != ERR_OK);
	cr_assert(n > 5);
	made_clear(&m);
}

Test(payload, too_little_memory_is_an_error)
{
	struct mime_payload_form form = {
	    .sealed = true, .transport = MIME_TRANSPORT_7BIT};
	struct mime_payload *payload;
	struct parsed p;
	size_t room = 0;
	enum err e;

	parsed_init(&p, SPAN_LIT(HEAD MIXED));
	do {
		struct arena *a = arena_new(room += 64);

		e = mime_payload_make(p.tree, &form, a, &payload, NULL);
		cr_assert(e == ERR_OK || e == ERR_NOMEM, "%s", err_name(e));
		arena_free(a);
	} while (e != ERR_OK && room < 1024 * 1024);
	cr_assert(e == ERR_OK);
	parsed_clear(&p);
}
