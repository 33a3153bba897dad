/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The notice with the sealed object in it, where rules say escrow =
 * attachment: nothing waits for a portal. What opens the file is told to the
 * sender alone (tell_escrowed.c). Nothing of it is on the heap as a whole.
 */
#include <string.h>

#include "common/clock.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/escrow.h"
#include "gateway/attached_page.h"
#include "gateway/brand.h"
#include "gateway/notice_words.h"
#include "gateway/worker/worker_private.h"
#include "mime/compose.h"

/* What is written into the file. */
struct contents {
	const struct attached_page *page;
	const struct pickup *pickup;
	char nonce[ATTACHED_PAGE_NONCE + 1];
};

static enum err
write_contents(const void *arg, const struct mime_sink *to)
{
	const struct contents *c = arg;
	char link[CRYPTO_ESCROW_LINK_SIZE];
	enum err e;

	crypto_escrow_link_text(c->pickup->link, c->pickup->factor, link);
	e = attached_page_write(c->page, c->nonce, SPAN(link, sizeof(link)),
	    c->pickup->object.data, to);
	secret_wipe(link, sizeof(link));
	return e;
}

static size_t
n_languages(const struct conf *c)
{
	size_t n = c->escrow.n_languages != 0 ? c->escrow.n_languages
					      : c->portal.n_languages;

	return n == 0 ? 1 : n;
}

static const struct notice_words *
words_at(const struct conf *c, size_t i)
{
	if (c->escrow.n_languages != 0)
		return notice_words_find(c->escrow.languages[i]);
	return notice_words_find(
	    c->portal.n_languages != 0 ? c->portal.languages[i] : "en");
}

static struct notice_values
values(const struct job *j)
{
	const struct conf *c = j->conf;
	const struct conf_brand brand = brand_of_file(c);

	return (struct notice_values){.from = j->envelope.from,
	    .link = span_str(""),
	    .until = "",
	    .url = "",
	    .owner = brand.name != NULL ? brand.name : c->hostname};
}

/* All of it, in each of the languages. */
static enum err
put_words(const struct job *j, struct buf *out)
{
	const struct notice_values v = values(j);
	size_t n = n_languages(j->conf);
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		const struct notice_words *w = words_at(j->conf, i);
		const char *const texts[] = {w->attached, w->passphrase,
		    w->attached_check, w->signature};

		if (i > 0)
			e = buf_puts(out, "\n* * *\n\n");
		for (size_t k = 0;
		     e == ERR_OK && k < sizeof(texts) / sizeof(*texts); k++)
			e = notice_words_put(out, texts[k], &v);
	}
	return e;
}

static enum err
put_subject(const struct job *j, struct buf *out)
{
	const struct notice_values v = values(j);

	return notice_words_put(out, words_at(j->conf, 0)->subject, &v);
}

static enum err
write_mail(struct job *j, const struct job_rcpt *rcpt, const struct pickup *p,
    const struct entry *entry, const struct mime_sink *to)
{
	static const struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"},
	};
	struct contents contents = {.page = j->w->page, .pickup = p};
	uint8_t random[16];
	struct mime_boundary boundary;
	const struct mime_compose_file file = {.name = "message.html",
	    .boundary = &boundary,
	    .write = write_contents,
	    .arg = &contents};
	char id[TEXT_ID_SIZE];
	struct buf body, subject;
	enum err e;

	random_octets(random, sizeof(random));
	boundary = mime_boundary_make(random);
	random_octets(random, sizeof(random));
	text_base64url(SPAN(random, sizeof(random)), contents.nonce);
	buf_init(&body, LIMIT_FIELD_SIZE);
	buf_init(&subject, LIMIT_FIELD_SIZE);
	e = put_words(j, &body);
	if (e == ERR_OK)
		e = put_subject(j, &subject);
	if (e == ERR_OK) {
		struct mime_compose m = {.from = j->envelope.from,
		    .to = rcpt->rcpt->addr,
		    .subject = arena_span_str(j->arena, buf_span(&subject)),
		    .date_s = (int64_t)(clock_unix_ms() / 1000),
		    .extra = extra,
		    .n_extra = 1,
		    .body = buf_span(&body)};

		text_id(entry->id, id);
		m.message_id =
		    arena_printf(j->arena, "%s@%s", id, j->conf->hostname);
		e = m.message_id == NULL || m.subject == NULL
			? ERR_NOMEM
			: mime_compose_write_with(&m, &file, to);
	}
	buf_clear(&subject);
	buf_clear(&body);
	return e;
}

/* The mail as it leaves: signed where that can be. */
static enum err
seal_mail(struct job *j, const struct job_rcpt *rcpt, struct entry *e,
    struct span mail)
{
	const struct sealed_pub *pub = &j->w->pubs.pub[SEALED_READY];
	struct mime_sink sink;
	struct spill text;
	struct span out = mail;
	enum err err;

	spill_init(&text,
	    j->conf->limits.message_size * LIMIT_VARIANTS_FACTOR - j->octets);
	sink = spill_sink(&text);
	err = pickup_sign(j, rcpt, mail, &sink);
	if (err == ERR_OK)
		err = spill_finish(&text, &out);
	/* unsigned, where it could not be */
	err = seal_body(j, e, pub, out);
	spill_clear(&text);
	return err;
}

enum err
pickup_attach(
    struct job *j, const struct job_rcpt *rcpt, const struct pickup *p)
{
	struct entry *e = pickup_entry(j, rcpt);
	struct mime_sink sink;
	struct spill text;
	struct span mail;
	enum err err;

	if (e == NULL)
		return ERR_NOMEM;
	spill_init(&text,
	    j->conf->limits.message_size * LIMIT_VARIANTS_FACTOR - j->octets);
	sink = spill_sink(&text);
	err = write_mail(j, rcpt, p, e, &sink);
	if (err == ERR_OK)
		err = spill_finish(&text, &mail);
	if (err == ERR_OK)
		err = seal_mail(j, rcpt, e, mail);
	if (err != ERR_OK)
		j->out.n_entries--;
	spill_clear(&text);
	return err;
}
