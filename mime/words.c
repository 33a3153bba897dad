/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Phrases are kept as hashes of their words, found by the last of them; a text
 * leaves the hashes of its latest words in a ring. Two words that share a
 * 64-bit hash make a match too many, never one too few.
 */
#include "mime/words.h"

#include <stdlib.h>

#include "mime/utf8.h"

struct phrase {
	uint64_t word[WORDS_PHRASE_MAX];
	size_t n;
	size_t id;
	size_t next; /* in the chain, plus one */
};

struct words {
	struct phrase *phrase;
	size_t n;
	size_t *slot; /* heads of chains, plus one */
	size_t n_slots;
};

struct words *
words_new(void)
{
	struct words *w = calloc(1, sizeof(*w));

	if (w == NULL)
		fatal("out of memory");
	return w;
}

void
words_free(struct words *w)
{
	if (w == NULL)
		return;
	free(w->phrase);
	free(w->slot);
	free(w);
}

/* Lower case of the scripts that have two and lie side by side. */
static uint32_t
fold(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	return c;
}

static bool
is_word_char(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		       (c >= 'A' && c <= 'Z');
	return c >= 0xc0 && c != 0xd7 && c != 0xf7 &&
	       (c < 0x2000 || c > 0x206f) && (c < 0x3000 || c > 0x3003) &&
	       c != 0xfffd;
}

/* The hash of the next word behind *at, 0 at the end. Marks that are not seen
   are not there. */
static uint64_t
next_word(struct span text, size_t *at)
{
	uint64_t h = 0;

	while (*at < text.len) {
		uint32_t c = 0;
		size_t len =
		    mime_utf8_next(SPAN(text.data + *at, text.len - *at), &c);

		*at += len == 0 ? 1 : len;
		if (len > 0 && c >= 0x80 && mime_utf8_is_trick(c))
			continue;
		if (len == 0 || !is_word_char(c)) {
			if (h != 0)
				return h;
			continue;
		}
		if (h == 0)
			h = 0xcbf29ce484222325u;
		h = (h ^ fold(c)) * 0x100000001b3u;
		h += h == 0;
	}
	return h;
}

static size_t
slot_of(const struct words *w, uint64_t h)
{
	return (size_t)((h ^ h >> 29) % w->n_slots);
}

static void
link_all(struct words *w)
{
	free(w->slot);
	w->n_slots = 4 * w->n + 7;
	w->slot = calloc(w->n_slots, sizeof(*w->slot));
	if (w->slot == NULL)
		fatal("out of memory");
	for (size_t i = 0; i < w->n; i++) {
		struct phrase *p = &w->phrase[i];
		size_t s = slot_of(w, p->word[p->n - 1]);

		p->next = w->slot[s];
		w->slot[s] = i + 1;
	}
}

enum err
words_add(struct words *w, struct span phrase, size_t id)
{
	struct phrase p = {.id = id};
	size_t at = 0;
	uint64_t h;

	while ((h = next_word(phrase, &at)) != 0) {
		if (p.n == WORDS_PHRASE_MAX)
			return ERR_CONFIG;
		p.word[p.n++] = h;
	}
	if (p.n == 0)
		return ERR_CONFIG;
	if ((w->n & (w->n - 1)) == 0) {
		struct phrase *grown = realloc(
		    w->phrase, (w->n == 0 ? 1 : 2 * w->n) * sizeof(*grown));

		if (grown == NULL)
			fatal("out of memory");
		w->phrase = grown;
	}
	w->phrase[w->n++] = p;
	if (w->slot == NULL || w->n > w->n_slots / 2) {
		link_all(w);
		return ERR_OK;
	}
	at = slot_of(w, p.word[p.n - 1]);
	w->phrase[w->n - 1].next = w->slot[at];
	w->slot[at] = w->n;
	return ERR_OK;
}

/* Do the words before the latest, too, stand in the ring? */
static bool
is_there(const struct phrase *p, const uint64_t *ring, size_t n)
{
	if (n < p->n)
		return false;
	for (size_t i = 0; i < p->n; i++)
		if (ring[(n - p->n + i) % WORDS_PHRASE_MAX] != p->word[i])
			return false;
	return true;
}

void
words_scan(const struct words *w, struct span text,
    void (*found)(void *arg, size_t id), void *arg)
{
	uint64_t ring[WORDS_PHRASE_MAX] = {0}, h;
	size_t at = 0, n = 0;

	if (w->n == 0)
		return;
	while ((h = next_word(text, &at)) != 0) {
		ring[n++ % WORDS_PHRASE_MAX] = h;
		for (size_t i = w->slot[slot_of(w, h)]; i != 0;
		     i = w->phrase[i - 1].next)
			if (is_there(&w->phrase[i - 1], ring, n))
				found(arg, w->phrase[i - 1].id);
	}
}
