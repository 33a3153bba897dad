/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Would another parser see another message? Everything here compares what
 * libetpan made of the message with the letter of RFC 2045, 2046 and 5322: a
 * message is beyond doubt only where the two agree. Costs one more pass.
 */
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/addr.h"
#include "mime/scan.h"
#include "mime/tree_private.h"
#include "mime/utf8.h"

struct check {
	struct arena *arena;
	bool smtputf8;
	/* boundaries of the multiparts around the part that is looked at */
	struct span around[LIMIT_MIME_DEPTH];
	size_t n_around;
};

/* RFC 5322 section 3.6 and RFC 2045: at most one of each. */
static const char *const unique_fields[] = {"Date", "From", "Sender",
    "Reply-To", "To", "Cc", "Bcc", "Message-ID", "In-Reply-To", "References",
    "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    "Content-Disposition", "Content-ID", "Content-Description"};

static const char *
check_duplicates(const struct mime_header *h)
{
	size_t n = sizeof(unique_fields) / sizeof(unique_fields[0]);

	for (size_t i = 0; i < n; i++)
		if (mime_header_count(h, unique_fields[i]) > 1)
			return "a header field that may occur once occurs "
			       "twice";
	return NULL;
}

static const char *
check_header_form(const struct check *c, const struct mime_header *h)
{
	if (h->no_end)
		return "a line in the header is no header field";
	if (h->blank_fold)
		return "a folded header line with nothing but blanks";
	for (size_t i = 0; i < h->n; i++)
		if (h->fields[i].blank_before_colon)
			return "a header field with a blank before its colon";
	if (!mime_is_ascii(h->whole) &&
	    (!c->smtputf8 || !mime_utf8_is_valid(h->whole)))
		return "a header with 8-bit characters";
	return check_duplicates(h);
}

static const char *
check_from(const struct check *c, const struct mime_header *h)
{
	const struct mime_field *f = mime_header_find(h, "From", NULL);
	struct mime_addr_list list;

	if (f == NULL)
		return "no From field";
	if (mime_addr_parse_list(
		f->value, MIME_ADDR_UTF8, c->arena, &list, NULL) != ERR_OK ||
	    list.n == 0)
		return "a From field that is no proper address list";
	return NULL;
}

/* Without MIME-Version some parsers take the message for plain text. */
static const char *
check_mime_version(const struct mime_header *h)
{
	const struct mime_field *f = mime_header_find(h, "MIME-Version", NULL);

	if (f == NULL &&
	    (mime_header_count(h, "Content-Type") > 0 ||
		mime_header_count(h, "Content-Transfer-Encoding") > 0))
		return "Content-Type without MIME-Version";
	if (f != NULL && !span_eq_str(span_trim(f->value), "1.0"))
		return "a MIME-Version that is not 1.0";
	return NULL;
}

/* What an octet of base64 counts as; sums tell what a text has. */
#define B64_DIGIT   ((uint64_t)1)
#define B64_PAD	    ((uint64_t)1 << 32)
#define B64_FOREIGN ((uint64_t)1 << 48)

static void
fill_base64_counts(uint64_t count[256])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < 256; i++)
		count[i] = B64_FOREIGN;
	for (size_t i = 0; i < sizeof(alphabet) - 1; i++)
		count[(uint8_t)alphabet[i]] = B64_DIGIT;
	count['='] = B64_PAD;
	count['\r'] = count['\n'] = count[' '] = count['\t'] = 0;
}

static uint64_t
sum_counts(struct span s, const uint64_t count[256])
{
	uint64_t a = 0, b = 0;
	size_t i = 0;

	for (; i + 2 <= s.len; i += 2) {
		a += count[s.data[i]];
		b += count[s.data[i + 1]];
	}
	return a + b + (i < s.len ? count[s.data[i]] : 0);
}

/* The strict alphabet and form: decoders differ on all else. Large parts are
   base64, so this is one addition an octet, in pieces that cannot overflow
   the sums. */
static const char *
check_base64(struct span body)
{
	const size_t piece = 32768;
	size_t pad_at = span_find_chr(body, 0, '='), digits = 0, pads;
	uint64_t count[256], sum;

	fill_base64_counts(count);
	for (size_t i = 0; i < pad_at; i += piece) {
		sum = sum_counts(SPAN(body.data + i,
				     pad_at - i < piece ? pad_at - i : piece),
		    count);
		if (sum >= B64_FOREIGN)
			return "base64 with foreign characters";
		digits += (size_t)sum;
	}
	if (body.len - pad_at > piece)
		return "base64 with too much behind its end";
	sum = sum_counts(SPAN(body.data + pad_at, body.len - pad_at), count);
	pads = (size_t)(sum >> 32);
	if (sum >= B64_FOREIGN || sum % B64_PAD != 0)
		return "base64 with foreign characters";
	if (pads > 2 || (digits + pads) % 4 != 0)
		return "base64 that ends in the middle";
	return NULL;
}

static bool
is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') ||
	       (c >= 'a' && c <= 'f');
}

/* RFC 2045 section 6.7: "=" starts two hex digits or ends the line, blanks of
   a relay in between. */
static const char *
check_quoted_printable(struct span body)
{
	size_t i = 0;

	while ((i = span_find_chr(body, i, '=')) < body.len) {
		i++;
		if (body.len - i >= 2 && is_hex(body.data[i]) &&
		    is_hex(body.data[i + 1])) {
			i += 2;
			continue;
		}
		while (i < body.len &&
		       (body.data[i] == ' ' || body.data[i] == '\t'))
			i++;
		if (i < body.len && body.data[i] != '\r')
			return "malformed quoted-printable";
	}
	return NULL;
}

static const char *
check_encoding(const struct mime_part *p)
{
	const struct mime_field *f =
	    mime_header_find(&p->fields, "Content-Transfer-Encoding", NULL);
	const char *e = p->encoding;
	bool identity = strcmp(e, "7bit") == 0 || strcmp(e, "8bit") == 0 ||
			strcmp(e, "binary") == 0;

	if (f != NULL && !span_caseeq_str(span_trim(f->value), e))
		return "Content-Transfer-Encoding that can be read in two ways";
	if (strcmp(p->type, "multipart") == 0 ||
	    mime_part_is(p, "message", "rfc822"))
		return identity ? NULL : "an encoded multipart or message";
	if (strcmp(e, "base64") == 0)
		return check_base64(p->body);
	if (strcmp(e, "quoted-printable") == 0)
		return check_quoted_printable(p->body);
	return identity ? NULL : "unknown Content-Transfer-Encoding";
}

static bool
is_prefix(struct span a, struct span b)
{
	return a.len <= b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* RFC 2046 section 5.1.2: nested boundaries must tell apart; some parsers
   compare the beginning of the line only. */
static const char *
check_nested_boundary(const struct check *c, struct span boundary)
{
	for (size_t i = 0; i < c->n_around; i++)
		if (is_prefix(c->around[i], boundary) ||
		    is_prefix(boundary, c->around[i]))
			return "a boundary that begins like another one";
	return NULL;
}

/* A line of a multipart that begins with "--" and the boundary. */
struct delimiter {
	size_t at;   /* position of its "--" */
	size_t next; /* behind its line end */
	bool close;
};

static bool
is_delimiter(struct span body, size_t at, struct span boundary)
{
	return (at == 0 || body.data[at - 1] == '\n') &&
	       body.len - at >= boundary.len + 2 && body.data[at + 1] == '-' &&
	       memcmp(body.data + at + 2, boundary.data, boundary.len) == 0;
}

/* The next such line at or behind pos. False if there is none; *odd if what
   follows the boundary makes it neither delimiter nor something else. From
   dash to dash and then to the next line: encoded parts have no dash. */
static bool
next_delimiter(struct span body, size_t pos, struct span boundary,
    struct delimiter *out, bool *odd)
{
	struct span rest;
	size_t at, end;

	for (;; pos = span_find_chr(body, at, '\n')) {
		at = span_find_chr(body, pos, '-');
		if (at == body.len)
			return false;
		if (is_delimiter(body, at, boundary))
			break;
	}
	end = span_find_chr(body, at, '\n');
	out->at = at;
	at += 2 + boundary.len;
	rest = SPAN(body.data + at, end - at);
	out->next = end + (end < body.len);
	out->close =
	    rest.len >= 2 && rest.data[0] == '-' && rest.data[1] == '-';
	if (out->close) {
		rest.data += 2;
		rest.len -= 2;
	}
	*odd = span_trim(rest).len > 0;
	return true;
}

/* Does libetpan's part lie where the delimiters say? It drops the empty line
   of a first part without a header, and blank lines behind it: there the
   part's body is set right. */
static const char *
check_child_span(struct mime_part *child, struct span octets, struct arena *a)
{
	struct mime_header h;
	const uint8_t *end = octets.data + octets.len;

	if (mime_header_parse(octets, a, &h, NULL) != ERR_OK)
		return "too many header fields in a part";
	if (child->body.data + child->body.len != end)
		return "parts that can be cut in two ways";
	if (h.n == 0 && !h.no_end && child->fields.n == 0 &&
	    child->header.len == 0 && child->body.data >= h.body.data &&
	    span_trim(
		SPAN(h.body.data, (size_t)(child->body.data - h.body.data)))
		    .len == 0) {
		child->header = SPAN(octets.data, 2);
		child->body = h.body;
		child->fields = h;
	}
	if (child->body.data != h.body.data)
		return "parts that can be cut in two ways";
	return NULL;
}

/* The line end before a delimiter belongs to it (RFC 2046 section 5.1.1). */
static struct span
part_octets(struct span body, size_t start, size_t end)
{
	if (end - start >= 2 && body.data[end - 1] == '\n' &&
	    body.data[end - 2] == '\r')
		end -= 2;
	return SPAN(body.data + start, end - start);
}

static const char *
check_multipart(struct check *c, const struct mime_part *p)
{
	struct span boundary = span_str(mime_part_param(p, "boundary"));
	struct delimiter d = {0};
	size_t n = 0, start = 0;
	const char *fault = check_nested_boundary(c, boundary);
	bool odd, closed = false;

	if (fault != NULL)
		return fault;
	while (next_delimiter(p->body, d.next, boundary, &d, &odd)) {
		if (odd)
			return "a line that only begins like a boundary";
		if (closed)
			return "a boundary behind the end of a multipart";
		if (n > 0) {
			if (n > p->n_children)
				return "parts that can be cut in two ways";
			fault = check_child_span(p->children[n - 1],
			    part_octets(p->body, start, d.at), c->arena);
			if (fault != NULL)
				return fault;
		}
		start = d.next;
		closed = d.close;
		n += !d.close;
	}
	if (!closed)
		return "a multipart that does not end";
	if (n != p->n_children || n == 0)
		return "parts that can be cut in two ways";
	return NULL;
}

/* libetpan looks into message/rfc822 only; others look into any message/ type,
   put pieces together (partial) or fetch the rest (external-body). */
static const char *
check_message_type(const struct mime_part *p)
{
	static const char *const known[] = {"rfc822", "delivery-status",
	    "disposition-notification", "feedback-report", "global-headers",
	    "global-delivery-status", "global-disposition-notification"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(p->subtype, known[i]) == 0)
			return NULL;
	return "a kind of message that not everyone looks into";
}

static const char *check_part(struct check *c, const struct mime_part *p);

static const char *
check_children(struct check *c, const struct mime_part *p)
{
	bool multipart = strcmp(p->type, "multipart") == 0;
	const char *fault = NULL;

	/* the tree is no deeper than the array is long */
	if (multipart)
		c->around[c->n_around++] =
		    span_str(mime_part_param(p, "boundary"));
	for (size_t i = 0; i < p->n_children && fault == NULL; i++)
		fault = check_part(c, p->children[i]);
	c->n_around -= multipart;
	return fault;
}

static const char *
check_part(struct check *c, const struct mime_part *p)
{
	const struct mime_field *type =
	    mime_header_find(&p->fields, "Content-Type", NULL);
	const char *fault = check_header_form(c, &p->fields);

	if (fault == NULL && type != NULL)
		fault = content_type_fault(type->value, p);
	if (fault == NULL && type == NULL && strcmp(p->type, "multipart") == 0)
		fault = "Content-Type that can be read in two ways";
	if (fault == NULL && p->fields.body.data != p->body.data)
		fault = "a header that ends in two places";
	if (fault == NULL && strcmp(p->type, "message") == 0)
		fault = check_message_type(p);
	if (fault == NULL)
		fault = check_encoding(p);
	if (fault == NULL && strcmp(p->type, "multipart") == 0)
		fault = check_multipart(c, p);
	return fault != NULL ? fault : check_children(c, p);
}

const char *
ambiguity_find(const struct mime_tree *t, const struct mime_scan *scan,
    bool smtputf8, bool entity, struct arena *a)
{
	struct check c = {.arena = a, .smtputf8 = smtputf8};
	const char *fault = NULL;

	if (scan->complex != NULL)
		return scan->complex;
	/* fields of a message that it has all the same (RFC 9788) are checked
	   as such */
	if (!entity || mime_header_find(&t->header, "From", NULL) != NULL)
		fault = check_from(&c, &t->header);
	if (fault == NULL && (!entity || mime_header_find(&t->header,
					     "MIME-Version", NULL) != NULL))
		fault = check_mime_version(&t->header);
	return fault != NULL ? fault : check_part(&c, t->root);
}
