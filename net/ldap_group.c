/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * All values there are: in pages (RFC 2696), of the members that an entry
 * names, of theirs, and of attributes that come in parts
 * ("member;range=0-1499", as Active Directory has them). Whoever is named again
 * is not asked again, so that groups which contain each other come to an end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <ldap.h>

#include "net/ldap_private.h"

enum {
	PAGE = 500, /* entries of an answer in pages */
	DN_MAX = 4096,
	NAME_MAX_OCTETS = 128, /* of an attribute with a range */
	SLOTS_FIRST = 1024,    /* of the set of names */
};

#define RANGE ";range="

/* What is gone through: names, each with its NUL, and where they are found. */
struct walk {
	struct net_ldap *q;
	LDAP *ld;
	struct buf names;
	uint32_t *slot; /* place of a name and 1, 0: free */
	size_t n_slot;	/* a power of two */
	size_t n;
};

/* Keeps one value. */
struct sink {
	enum err (*put)(struct walk *w, size_t attr, const struct berval *v);
	size_t attr;
};

/* --- the set of names --- */

static uint32_t
hash_of(const char *s)
{
	uint32_t h = 2166136261u; /* FNV-1a, without case */

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s)) *
		    16777619u;
	return h;
}

/* The slot of the name, or the free one where it belongs. */
static uint32_t *
find_slot(const struct walk *w, const char *name)
{
	size_t i = hash_of(name) & (w->n_slot - 1);

	while (
	    w->slot[i] != 0 &&
	    strcasecmp((const char *)w->names.data + w->slot[i] - 1, name) != 0)
		i = (i + 1) & (w->n_slot - 1);
	return &w->slot[i];
}

static enum err
grow(struct walk *w)
{
	size_t n = w->n_slot == 0 ? SLOTS_FIRST : 2 * w->n_slot, at = 0;
	uint32_t *slot = calloc(n, sizeof(*slot));

	if (slot == NULL)
		return ERR_NOMEM;
	free(w->slot);
	w->slot = slot;
	w->n_slot = n;
	while (at < w->names.len) {
		const char *name = (const char *)w->names.data + at;

		*find_slot(w, name) = (uint32_t)at + 1;
		at += strlen(name) + 1;
	}
	return ERR_OK;
}

static enum err
put_name(struct walk *w, size_t attr, const struct berval *v)
{
	char name[DN_MAX + 1];
	uint32_t *slot;
	enum err e = ERR_OK;

	(void)attr;
	if (v->bv_len > DN_MAX || memchr(v->bv_val, 0, v->bv_len) != NULL)
		return net_ldap_said(w->q, ERR_MALFORMED, "a name of a member");
	if (v->bv_len == 0)
		return ERR_OK;
	memcpy(name, v->bv_val, v->bv_len);
	name[v->bv_len] = '\0';
	if (2 * w->n >= w->n_slot)
		e = grow(w);
	if (e != ERR_OK)
		return e;
	slot = find_slot(w, name);
	if (*slot != 0)
		return ERR_OK;
	if (w->n == w->q->all || w->names.len + v->bv_len + 1 > w->names.max)
		return net_ldap_said(
		    w->q, ERR_TOO_BIG, "its answer has too many members");
	*slot = (uint32_t)w->names.len + 1;
	w->n++;
	return buf_put(&w->names, SPAN(name, v->bv_len + 1));
}

static enum err
put_value(struct walk *w, size_t attr, const struct berval *v)
{
	return net_ldap_add_value(w->q, attr, v);
}

/* --- values, perhaps in parts --- */

static bool
read_number(const char **p, size_t *out)
{
	size_t n = 0;
	const char *s = *p;

	for (; *s >= '0' && *s <= '9'; s++) {
		if (n > (SIZE_MAX - 9) / 10)
			return false;
		n = 10 * n + (size_t)(*s - '0');
	}
	if (s == *p)
		return false;
	*p = s;
	*out = n;
	return true;
}

bool
net_ldap_range(const char *name, const char *of, size_t *first, size_t *last)
{
	size_t len = strlen(of), from, to = SIZE_MAX;
	const char *p = name + len;

	if (strncasecmp(name, of, len) != 0 ||
	    strncasecmp(p, RANGE, sizeof(RANGE) - 1) != 0)
		return false;
	p += sizeof(RANGE) - 1;
	if (!read_number(&p, &from) || *p++ != '-')
		return false;
	if (*p == '*')
		p++;
	else if (!read_number(&p, &to) || to < from || to == SIZE_MAX)
		return false;
	if (*p != '\0')
		return false;
	*first = from;
	*last = to;
	return true;
}

static enum err
put_all(struct walk *w, LDAPMessage *entry, const char *name,
    const struct sink *to, size_t *n)
{
	struct berval **v = ldap_get_values_len(w->ld, entry, name);
	enum err e = ERR_OK;

	for (*n = 0; v != NULL && v[*n] != NULL && e == ERR_OK; (*n)++)
		e = to->put(w, to->attr, v[*n]);
	ldap_value_free_len(v);
	return e;
}

/* The part that begins at *next, which becomes where the one behind it does, 0
   behind the last. A part that is not what was asked for is no answer. */
static enum err
take_part(struct walk *w, LDAPMessage *entry, const char *of,
    const struct sink *to, size_t *next)
{
	BerElement *at = NULL;
	char *name = ldap_first_attribute(w->ld, entry, &at);
	size_t first = 0, last = 0, n = 0, from = *next;
	bool found = false;
	enum err e = ERR_OK;

	*next = 0;
	for (; name != NULL; name = ldap_next_attribute(w->ld, entry, at)) {
		if (e == ERR_OK && net_ldap_range(name, of, &first, &last)) {
			e = found || first != from
				? ERR_MALFORMED
				: put_all(w, entry, name, to, &n);
			found = true;
			if (e == ERR_OK && last != SIZE_MAX)
				e = n == 0 || last - first + 1 != n
					? ERR_MALFORMED
					: ERR_OK;
			if (e == ERR_OK && last != SIZE_MAX)
				*next = last + 1;
		}
		ldap_memfree(name);
	}
	ber_free(at, 0);
	if (e == ERR_OK && !found && from > 0)
		e = ERR_MALFORMED;
	if (e == ERR_MALFORMED && w->q->result.why.text[0] == '\0')
		e = net_ldap_said(
		    w->q, e, "the parts of its answer do not fit together");
	return e;
}

static enum err
ask_part(struct walk *w, const char *dn, const char *of, const struct sink *to,
    size_t *next)
{
	char name[NAME_MAX_OCTETS], *attrs[] = {name, NULL};
	struct timeval tv = net_ldap_left_tv(w->q);
	LDAPMessage *all = NULL, *entry;
	enum err e;
	int rc;

	if (net_ldap_left_ms(w->q) == 0)
		return net_ldap_said(w->q, ERR_TIMEOUT, "it took too long");
	snprintf(name, sizeof(name), "%s" RANGE "%zu-*", of, *next);
	rc = ldap_search_ext_s(w->ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)",
	    attrs, 0, NULL, NULL, &tv, 1, &all);
	e = net_ldap_whole(w->q, rc);
	entry = e == ERR_OK ? ldap_first_entry(w->ld, all) : NULL;
	if (e == ERR_OK && entry == NULL)
		e = net_ldap_said(
		    w->q, ERR_IO, "it has gone while it was read");
	if (e == ERR_OK)
		e = take_part(w, entry, of, to, next);
	ldap_msgfree(all);
	return e;
}

/* All values of one attribute of an entry. */
static enum err
take_attr(
    struct walk *w, LDAPMessage *entry, const char *of, const struct sink *to)
{
	size_t n, next = 0;
	enum err e = put_all(w, entry, of, to, &n);
	char *dn = NULL;

	if (e == ERR_OK && n == 0)
		e = take_part(w, entry, of, to, &next);
	if (e == ERR_OK && next > 0 && (dn = ldap_get_dn(w->ld, entry)) == NULL)
		e = ERR_NOMEM;
	while (e == ERR_OK && next > 0)
		e = ask_part(w, dn, of, to, &next);
	ldap_memfree(dn);
	return e;
}

static enum err
take_entry(struct walk *w, LDAPMessage *entry, bool values, bool members)
{
	struct net_ldap *q = w->q;
	enum err e = ERR_OK;

	for (size_t i = 0; values && e == ERR_OK && i < q->n_attrs; i++)
		e = take_attr(w, entry, q->attr[i],
		    &(struct sink){.put = put_value, .attr = i});
	if (members && e == ERR_OK)
		e = take_attr(
		    w, entry, q->member, &(struct sink){.put = put_name});
	return e;
}

/* --- searching --- */

/* The cookie of the next page; empty behind the last. */
static enum err
next_page(struct walk *w, LDAPMessage *all, struct berval *cookie)
{
	LDAPControl **back = NULL, *page;
	ber_int_t about = 0;
	int code = LDAP_SUCCESS, rc;
	enum err e = ERR_OK;

	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){0, NULL};
	rc = ldap_parse_result(w->ld, all, &code, NULL, NULL, NULL, &back, 0);
	if (rc == LDAP_SUCCESS)
		rc = code;
	page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, back, NULL);
	if (rc == LDAP_SUCCESS && page != NULL)
		rc = ldap_parse_pageresponse_control(
		    w->ld, page, &about, cookie);
	if (rc != LDAP_SUCCESS)
		e = net_ldap_whole(w->q, rc);
	ldap_controls_free(back);
	return e;
}

static enum err
one_page(struct walk *w, struct berval *cookie)
{
	struct net_ldap *q = w->q;
	bool members = q->member[0] != '\0';
	struct timeval tv = net_ldap_left_tv(q);
	char *attrs[NET_LDAP_ATTRS + 1] = {NULL};
	LDAPControl *page = NULL;
	LDAPMessage *all = NULL;
	enum err e;
	int rc;

	for (size_t i = 0; i < q->n_attrs; i++)
		attrs[i] = members ? (i == 0 ? q->member : NULL) : q->attr[i];
	rc = ldap_create_page_control(w->ld, PAGE, cookie, 0, &page);
	if (rc == LDAP_SUCCESS) {
		LDAPControl *ask[] = {page, NULL};

		rc = ldap_search_ext_s(w->ld, q->base, LDAP_SCOPE_SUBTREE,
		    q->filter, attrs, 0, ask, NULL, &tv, LDAP_NO_LIMIT, &all);
		ldap_control_free(page);
	}
	e = net_ldap_whole(q, rc);
	if (e == ERR_OK && all == NULL)
		e = net_ldap_said(q, ERR_IO, "no answer");
	for (LDAPMessage *m = e == ERR_OK ? ldap_first_entry(w->ld, all) : NULL;
	     m != NULL && e == ERR_OK; m = ldap_next_entry(w->ld, m))
		e = take_entry(w, m, !members, members);
	if (e == ERR_OK)
		e = next_page(w, all, cookie);
	ldap_msgfree(all);
	return e;
}

/* A member that is no more, or has no such attribute, has no value. */
static enum err
look_up_member(struct walk *w, const char *dn)
{
	struct net_ldap *q = w->q;
	struct timeval tv = net_ldap_left_tv(q);
	char *attrs[NET_LDAP_ATTRS + 2] = {NULL};
	LDAPMessage *all = NULL, *entry;
	enum err e;
	int rc;

	if (net_ldap_left_ms(q) == 0)
		return net_ldap_said(q, ERR_TIMEOUT, "it took too long");
	for (size_t i = 0; i < q->n_attrs; i++)
		attrs[i] = q->attr[i];
	if (q->nested)
		attrs[q->n_attrs] = q->member;
	rc = ldap_search_ext_s(w->ld, dn, LDAP_SCOPE_BASE, "(objectClass=*)",
	    attrs, 0, NULL, NULL, &tv, 1, &all);
	e = rc == LDAP_NO_SUCH_OBJECT ? ERR_OK : net_ldap_whole(q, rc);
	entry =
	    e == ERR_OK && all != NULL ? ldap_first_entry(w->ld, all) : NULL;
	if (entry != NULL)
		e = take_entry(w, entry, true, q->nested);
	ldap_msgfree(all);
	return e;
}

enum err
net_ldap_search_all(struct net_ldap *q, LDAP *ld)
{
	struct walk w = {.q = q, .ld = ld};
	struct berval cookie = {0, NULL};
	char dn[DN_MAX + 1];
	size_t at = 0;
	enum err e;

	buf_init(&w.names, q->max);
	do
		e = net_ldap_left_ms(q) == 0
			? net_ldap_said(q, ERR_TIMEOUT, "it took too long")
			: one_page(&w, &cookie);
	while (e == ERR_OK && cookie.bv_len > 0);
	ber_memfree(cookie.bv_val);
	/* more names may come on the way, and move those that are there */
	while (e == ERR_OK && at < w.names.len) {
		size_t len = strlen((const char *)w.names.data + at) + 1;

		memcpy(dn, w.names.data + at, len);
		at += len;
		e = look_up_member(&w, dn);
	}
	if (e == ERR_OK && q->result.n == 0)
		e = net_ldap_said(q, ERR_NOT_FOUND, "nobody is in it");
	buf_clear(&w.names);
	free(w.slot);
	return e;
}
