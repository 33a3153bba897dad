/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers, and the headers that keep a browser from doing more with them than
 * it should: policies for the page and for the frame, no sniffing, no
 * referrer, no copies.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "gateway/portal/http_private.h"

/* The page runs its own scripts and talks to its own server; with trusted
   types even a slip in them cannot make text from a message run. */
#define CSP_SHELL                                                              \
	"default-src 'none'; script-src 'self'; style-src 'self'; "            \
	"img-src 'self'; connect-src 'self'; frame-src 'self'; "               \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "        \
	"require-trusted-types-for 'script'; trusted-types 'none'"
/* The frame has an origin of its own, keeps the styles of the mail, and loads
   nothing. A srcdoc or blob frame would inherit the policy of the page. */
#define CSP_FRAME_WITH(images)                                                 \
	"sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox; "  \
	"default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; "   \
	"img-src " images "; base-uri 'none'; form-action 'none'; "            \
	"frame-ancestors 'self'; require-trusted-types-for 'script'; "         \
	"trusted-types dompurify"
#define CSP_FRAME CSP_FRAME_WITH("data:")
/* The same once the reader has asked for images from the web. */
#define CSP_FRAME_IMAGES CSP_FRAME_WITH("data: https: http:")
#define CSP_PLAIN                                                              \
	"default-src 'none'; base-uri 'none'; form-action 'none'; "            \
	"frame-ancestors 'none'"

struct header {
	const char *name;
	const char *value;
};

static const struct header common_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Robots-Tag", "noindex, nofollow"},
    {"X-DNS-Prefetch-Control", "off"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Permissions-Policy",
	"camera=(), display-capture=(), geolocation=(), microphone=(), "
	"payment=(), usb=()"},
};

static const struct header kind_headers[][4] = {
    [PORTAL_REPLY_PLAIN] = {{"Content-Security-Policy", CSP_PLAIN},
	{"Cache-Control", "no-store"}, {"X-Frame-Options", "DENY"},
	{"Cross-Origin-Resource-Policy", "same-origin"}},
    [PORTAL_REPLY_SHELL] = {{"Content-Security-Policy", CSP_SHELL},
	{"Cache-Control", "no-store"}, {"X-Frame-Options", "DENY"},
	{"Cross-Origin-Resource-Policy", "same-origin"}},
    [PORTAL_REPLY_FRAME] = {{"Content-Security-Policy", CSP_FRAME},
	{"Cache-Control", "no-store"}},
    [PORTAL_REPLY_FRAME_IMAGES] = {{"Content-Security-Policy",
				       CSP_FRAME_IMAGES},
	{"Cache-Control", "no-store"}},
    /* The frame's scripts are fetched from its own, opaque origin; they are
       the same for everybody. */
    [PORTAL_REPLY_ASSET] = {{"Content-Security-Policy", CSP_PLAIN},
	{"Cache-Control", "no-cache"}, {"X-Frame-Options", "DENY"},
	{"Access-Control-Allow-Origin", "*"}},
};

static void
add(struct MHD_Response *r, const char *name, const char *value)
{
	/* fails only for want of memory, which is then short for the answer,
	   too: without its policy it must not go out */
	if (MHD_add_response_header(r, name, value) != MHD_YES)
		fatal("portal: out of memory");
}

void
portal_reply_headers(const struct portal_http *h, enum portal_reply_kind kind,
    struct MHD_Response *r)
{
	for (size_t i = 0; i < sizeof(common_headers) / sizeof(*common_headers);
	     i++)
		add(r, common_headers[i].name, common_headers[i].value);
	for (size_t i = 0; i < 4 && kind_headers[kind][i].name != NULL; i++)
		add(r, kind_headers[kind][i].name, kind_headers[kind][i].value);
	if (h->https)
		add(r, "Strict-Transport-Security", "max-age=31536000");
}

uint64_t
portal_reply_ms(const struct portal_http *h)
{
	return h->opt.request_ms * 3 / 2;
}

enum MHD_Result
portal_reply_send(struct portal_request *req, unsigned status,
    struct MHD_Response *r, uint64_t len)
{
	req->conn->deadline_ms = clock_steady_ms() +
				 portal_reply_ms(req->http) +
				 len * 1000 / LIMIT_PORTAL_MIN_RATE;
	return MHD_queue_response(req->mhd, status, r);
}

static const char *
sentence(unsigned status)
{
	switch (status) {
	case MHD_HTTP_BAD_REQUEST:
		return "This request makes no sense.\n";
	case MHD_HTTP_FORBIDDEN:
		return "Not from another site.\n";
	case MHD_HTTP_METHOD_NOT_ALLOWED:
		return "Not this way.\n";
	case MHD_HTTP_CONFLICT:
		return "There have been enough answers.\n";
	case MHD_HTTP_CONTENT_TOO_LARGE:
		return "The request is too large.\n";
	case MHD_HTTP_UNSUPPORTED_MEDIA_TYPE:
		return "The request must be JSON.\n";
	case MHD_HTTP_RANGE_NOT_SATISFIABLE:
		return "There is no such range.\n";
	case MHD_HTTP_MISDIRECTED_REQUEST:
		return "This server does not have that name.\n";
	case MHD_HTTP_TOO_MANY_REQUESTS:
		return "Too many attempts. Please wait a few minutes.\n";
	case MHD_HTTP_NOT_FOUND:
		return "There is nothing here.\n";
	default:
		return "The server cannot answer at the moment.\n";
	}
}

/* After these nobody knows for sure where the next request begins. */
static bool
ends_connection(unsigned status)
{
	return status == MHD_HTTP_BAD_REQUEST ||
	       status == MHD_HTTP_METHOD_NOT_ALLOWED ||
	       status == MHD_HTTP_CONTENT_TOO_LARGE ||
	       status == MHD_HTTP_MISDIRECTED_REQUEST;
}

enum MHD_Result
portal_reply_error(
    struct portal_request *req, unsigned status, const char *allow)
{
	const char *text = sentence(status);
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result rc;

	if (r == NULL)
		return MHD_NO;
	portal_reply_headers(req->http, PORTAL_REPLY_PLAIN, r);
	add(r, "Content-Type", "text/plain; charset=utf-8");
	if (allow != NULL)
		add(r, "Allow", allow);
	if (ends_connection(status))
		add(r, "Connection", "close");
	if (status == MHD_HTTP_TOO_MANY_REQUESTS)
		add(r, "Retry-After", "60");
	rc = portal_reply_send(req, status, r, strlen(text));
	MHD_destroy_response(r);
	return rc;
}

enum MHD_Result
portal_reply_json(struct portal_request *req, unsigned status, const char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc;

	if (r == NULL)
		return MHD_NO;
	portal_reply_headers(req->http, PORTAL_REPLY_PLAIN, r);
	add(r, "Content-Type", "application/json");
	rc = portal_reply_send(req, status, r, strlen(text));
	MHD_destroy_response(r);
	return rc;
}

enum MHD_Result
portal_reply_file(struct portal_request *req, int fd, uint64_t from,
    uint64_t len, uint64_t total)
{
	struct MHD_Response *r =
	    MHD_create_response_from_fd_at_offset64(len, fd, from);
	char range[96];
	enum MHD_Result rc;

	if (r == NULL) {
		close(fd);
		return MHD_NO;
	}
	portal_reply_headers(req->http, PORTAL_REPLY_PLAIN, r);
	add(r, "Content-Type", "application/octet-stream");
	add(r, "Content-Disposition", "attachment");
	add(r, "Accept-Ranges", "bytes");
	if (total > 0) {
		snprintf(range, sizeof(range),
		    "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from,
		    from + len - 1, total);
		add(r, "Content-Range", range);
	}
	rc = portal_reply_send(
	    req, total > 0 ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, r, len);
	MHD_destroy_response(r);
	return rc;
}

enum MHD_Result
portal_reply_published(
    struct portal_request *req, int fd, uint64_t len, const char *type)
{
	struct MHD_Response *r = MHD_create_response_from_fd64(len, fd);
	enum MHD_Result rc;

	if (r == NULL) {
		close(fd);
		return MHD_NO;
	}
	portal_reply_headers(req->http, PORTAL_REPLY_ASSET, r);
	add(r, "Content-Type", type);
	rc = portal_reply_send(req, MHD_HTTP_OK, r, len);
	MHD_destroy_response(r);
	return rc;
}
