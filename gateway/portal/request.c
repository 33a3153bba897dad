/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Requests: what is asked for, whether it may be asked that way, and who
 * answers. What the answers look like is in reply.c, who may have an object
 * is decided in access.c.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/portal/http_private.h"

/* --- what the request says of itself */

struct header_count {
	const char *name;
	unsigned n;
	const char *value; /* of the last */
};

static enum MHD_Result
count_header(
    void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct header_count *c = cls;

	if (strcasecmp(name, c->name) == 0) {
		c->n++;
		c->value = value != NULL ? value : "";
	}
	return MHD_YES;
}

/* The header's value if it is there exactly once, "" if it is missing; NULL if
   it is there twice: two readers would disagree. */
static const char *
one_header(const struct portal_request *req, const char *name)
{
	struct header_count c = {.name = name, .value = ""};

	MHD_get_connection_values(req->mhd, MHD_HEADER_KIND, count_header, &c);
	return c.n <= 1 ? c.value : NULL;
}

static bool
host_is_ours(const struct portal_request *req)
{
	const char *host = one_header(req, "Host");
	const char *ours = req->http->authority;
	const char *port = req->http->https ? ":443" : ":80";
	size_t len = req->http->authority_len;

	if (host == NULL || strncasecmp(host, ours, len) != 0)
		return false;
	/* the port that goes without saying may be said */
	return host[len] == '\0' || strcmp(host + len, port) == 0;
}

/* A browser says from where a script asks. Programs do not. */
static bool
origin_is_ours(const struct portal_request *req)
{
	const char *origin = one_header(req, "Origin");
	const char *ours = req->http->opt.url;
	size_t len = (size_t)(req->http->base - ours);

	return origin != NULL &&
	       (origin[0] == '\0' || (strlen(origin) == len &&
					 strncasecmp(origin, ours, len) == 0));
}

/* Where the request ends must be beyond doubt for whoever stands in front of
   us, too (RFC 9112 §6.3, §11.2): one length and nothing else says it, and what
   has no use for a body has none. */
static bool
framing_is_clear(const struct portal_request *req)
{
	const char *len = one_header(req, "Content-Length");
	const char *coding = one_header(req, "Transfer-Encoding");
	uint64_t n;

	if (len == NULL || coding == NULL || coding[0] != '\0')
		return false;
	if (len[0] == '\0' || strcmp(len, "0") == 0)
		return true;
	return strcmp(req->method, MHD_HTTP_METHOD_POST) == 0 &&
	       text_number(span_str(len), 1, UINT64_MAX, &n) == ERR_OK;
}

/* --- objects */

/* Was the proof shown? If not the refusal is sent, and *rc is its result. */
bool
portal_request_proven(struct portal_request *req, const struct portal_shown *s,
    struct object_header *h_out, struct portal_client *client,
    enum MHD_Result *rc)
{
	struct portal_http *h = req->http;

	portal_client_find(req, client);
	switch (portal_access_check(h->objects, h->throttle, s->id, s->proof,
	    client, clock_unix_ms(), h_out)) {
	case PORTAL_ACCESS_NONE:
		*rc = portal_reply_error(req, MHD_HTTP_NOT_FOUND, NULL);
		return false;
	case PORTAL_ACCESS_WAIT:
		*rc = portal_reply_error(req, MHD_HTTP_TOO_MANY_REQUESTS, NULL);
		return false;
	case PORTAL_ACCESS_GRANTED:
		return true;
	}
	*rc = MHD_NO;
	return false;
}

/* The object whose proof was shown, open, or the refusal sent. Who has the
   proof may know what the door asks for. */
static enum MHD_Result
refuse_or_open(struct portal_request *req, const struct portal_shown *s,
    struct object_header *h_out, struct portal_client *client, int *fd_out)
{
	struct portal_http *h = req->http;
	enum MHD_Result rc;
	enum err e;

	if (!portal_request_proven(req, s, h_out, client, &rc))
		return rc;
	if (object_door_has_code(h_out->door) &&
	    !portal_door_admits(
		h->door, h_out->id, s->ticket, s->code, clock_steady_ms()))
		return portal_reply_json(
		    req, MHD_HTTP_FORBIDDEN, "{\"need\":\"code\"}\n");
	e = portal_objects_file(h->objects, h_out, fd_out);
	if (e != ERR_OK) {
		char name[OBJECT_ID_TEXT_SIZE];

		object_id_format(h_out->id, name);
		log_event(LOG_LVL_ERR, NULL, "portal-object-lost",
		    KV_STR("object", name), KV_ERR(e));
		return portal_reply_error(req, MHD_HTTP_NOT_FOUND, NULL);
	}
	return MHD_YES;
}

bool
portal_json_string(const json_t *json, const char *name, struct span *out)
{
	const json_t *v = json_object_get(json, name);

	if (v != NULL && !json_is_string(v))
		return false;
	*out = v == NULL ? SPAN(NULL, 0)
			 : SPAN(json_string_value(v), json_string_length(v));
	return true;
}

/* {"id": …} and what else is shown; borrowed from *json_out,
   which the caller drops. */
static bool
parse_shown(const struct portal_request *req, json_t **json_out,
    struct portal_shown *out)
{
	json_t *json = NULL;

	*out = (struct portal_shown){.id = SPAN(NULL, 0)};
	json = json_loadb((const char *)req->body, req->body_len,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (!json_is_object(json) ||
	    !portal_json_string(json, "id", &out->id) ||
	    !portal_json_string(json, "proof", &out->proof) ||
	    !portal_json_string(json, "ticket", &out->ticket) ||
	    !portal_json_string(json, "code", &out->code) ||
	    json_object_get(json, "id") == NULL) {
		json_decref(json);
		return false;
	}
	*json_out = json;
	return true;
}

bool
portal_request_asked(struct portal_request *req, json_t **json_out,
    struct portal_shown *out, enum MHD_Result *rc)
{
	const char *type = one_header(req, "Content-Type");

	if (!origin_is_ours(req)) {
		*rc = portal_reply_error(req, MHD_HTTP_FORBIDDEN, NULL);
		return false;
	}
	if (type == NULL || strncasecmp(type, "application/json", 16) != 0) {
		*rc = portal_reply_error(
		    req, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, NULL);
		return false;
	}
	if (!parse_shown(req, json_out, out)) {
		*rc = portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
		return false;
	}
	return true;
}

static enum MHD_Result
handle_open(struct portal_request *req)
{
	struct object_header header;
	struct portal_client client;
	struct portal_shown shown;
	json_t *json = NULL;
	enum MHD_Result rc;
	int fd = -1;

	if (!portal_request_asked(req, &json, &shown, &rc))
		return rc;
	if (shown.proof.data == NULL)
		rc = portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
	else
		rc = refuse_or_open(req, &shown, &header, &client, &fd);
	json_decref(json);
	if (fd < 0)
		return rc;
	rc = portal_reply_file(req, fd, 0, object_body_offset(&header), 0);
	if (rc == MHD_YES) {
		const char *agent = one_header(req, "User-Agent");

		req->http->opt.opened(req->http->opt.arg, &header, client.text,
		    span_str(agent != NULL ? agent : ""));
	}
	return rc;
}

/* A code for the recipient's mailbox, and a ticket for this browser. */
static enum MHD_Result
handle_code(struct portal_request *req)
{
	char ticket[PORTAL_TICKET_SIZE], code[PORTAL_CODE_SIZE];
	char text[PORTAL_TICKET_SIZE + 48];
	struct object_header header;
	struct portal_client client;
	struct portal_shown shown;
	json_t *json = NULL;
	enum MHD_Result rc;

	if (!portal_request_asked(req, &json, &shown, &rc))
		return rc;
	if (shown.proof.data == NULL) {
		rc = portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
	} else if (portal_request_proven(req, &shown, &header, &client, &rc)) {
		if (!object_door_has_code(header.door)) {
			rc =
			    portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
		} else if (!req->http->opt.takes_code(req->http->opt.arg)) {
			rc = portal_reply_error(
			    req, MHD_HTTP_SERVICE_UNAVAILABLE, NULL);
		} else if (!portal_door_ask(req->http->door, header.id,
			       clock_steady_ms(), ticket, code)) {
			rc = portal_reply_error(
			    req, MHD_HTTP_TOO_MANY_REQUESTS, NULL);
		} else {
			req->http->opt.code(req->http->opt.arg, &header, code);
			snprintf(text, sizeof(text),
			    "{\"ticket\":\"%s\",\"digits\":%d}\n", ticket,
			    header.door == OBJECT_DOOR_ACCOUNT ? 12 : 6);
			rc = portal_reply_json(req, MHD_HTTP_ACCEPTED, text);
		}
		secret_wipe(code, sizeof(code));
	}
	json_decref(json);
	return rc;
}

/* The same where it stands in the header. */
static struct portal_shown
shown_by_header(const struct portal_request *req, const char *id)
{
	static const char scheme[] = "Sealgate-Proof ";
	const char *auth = one_header(req, "Authorization");
	const char *ticket = one_header(req, "Sealgate-Ticket");
	struct portal_shown s = {.id = span_str(id),
	    .ticket = span_str(ticket != NULL ? ticket : "")};

	if (auth != NULL && strncasecmp(auth, scheme, strlen(scheme)) == 0)
		s.proof = span_str(auth + strlen(scheme));
	return s;
}

static enum MHD_Result
handle_object(struct portal_request *req)
{
	struct portal_shown shown =
	    shown_by_header(req, req->url + strlen("/api/object/"));
	const char *range = one_header(req, "Range");
	struct object_header header;
	struct portal_client client;
	uint64_t from = 0, len, total;
	enum MHD_Result rc;
	int fd = -1;

	rc = refuse_or_open(req, &shown, &header, &client, &fd);
	if (fd < 0)
		return rc;
	total = object_total_size(&header);
	len = total;
	if (range != NULL && range[0] == '\0')
		return portal_reply_file(req, fd, 0, total, 0);
	if (range == NULL ||
	    portal_range_parse(span_str(range), total, &from, &len) != ERR_OK) {
		close(fd);
		return portal_reply_error(
		    req, MHD_HTTP_RANGE_NOT_SATISFIABLE, NULL);
	}
	return portal_reply_file(req, fd, from, len, total);
}

/* --- answers */

static const char answer_path[] = "/api/reply/";

static bool
is_answer(const struct portal_request *req)
{
	return strcmp(req->method, MHD_HTTP_METHOD_POST) == 0 &&
	       strncmp(req->url, answer_path, strlen(answer_path)) == 0;
}

static unsigned
answer_status(enum err e)
{
	switch (e) {
	case ERR_OK:
		return MHD_HTTP_CREATED;
	case ERR_NOT_FOUND:
		return MHD_HTTP_NOT_FOUND;
	case ERR_MALFORMED:
		return MHD_HTTP_BAD_REQUEST;
	case ERR_TOO_BIG:
		return MHD_HTTP_CONTENT_TOO_LARGE;
	case ERR_LIMIT:
		return MHD_HTTP_CONFLICT;
	default:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
}

/* Before any of it is read: may it come? Else the refusal is sent. */
static enum MHD_Result
begin_answer(struct portal_request *req)
{
	const char *type = one_header(req, "Content-Type");
	const char *len = one_header(req, "Content-Length");
	struct object_header header;
	struct portal_client client;
	struct portal_shown shown;
	enum MHD_Result rc;
	uint64_t n = 0;
	enum err e;
	int fd = -1;

	if (!host_is_ours(req))
		return portal_reply_error(
		    req, MHD_HTTP_MISDIRECTED_REQUEST, NULL);
	if (!origin_is_ours(req))
		return portal_reply_error(req, MHD_HTTP_FORBIDDEN, NULL);
	if (type == NULL || strcasecmp(type, "application/octet-stream") != 0)
		return portal_reply_error(
		    req, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, NULL);
	if (len == NULL ||
	    text_number(span_str(len), 1, UINT64_MAX, &n) != ERR_OK)
		return portal_reply_error(req, MHD_HTTP_BAD_REQUEST, NULL);
	shown = shown_by_header(req, req->url + strlen(answer_path));
	rc = refuse_or_open(req, &shown, &header, &client, &fd);
	if (fd < 0)
		return rc;
	close(fd);
	e = portal_objects_may_answer(req->http->objects, header.id);
	if (e != ERR_OK)
		return portal_reply_error(req, answer_status(e), NULL);
	e = portal_upload_begin(
	    req->http->answers, header.id, &client, n, &req->upload);
	if (e != ERR_OK)
		return portal_reply_error(req, answer_status(e), NULL);
	req->conn->deadline_ms = clock_steady_ms() + req->http->opt.request_ms;
	return MHD_YES;
}

/* A piece of it: the deadline moves with each share that has come in time, so
   that a place is not kept by saying nothing. */
static enum MHD_Result
continue_answer(struct portal_request *req, struct span piece)
{
	const uint64_t ms = req->http->opt.request_ms;
	const uint64_t share = LIMIT_PORTAL_MIN_RATE * ms / 1000;

	/* what does not fit is an end without an answer */
	if (portal_upload_put(req->upload, piece) != ERR_OK)
		return MHD_NO;
	if (portal_upload_has_moved(req->upload, share))
		req->conn->deadline_ms = clock_steady_ms() + ms;
	return MHD_YES;
}

static enum MHD_Result
end_answer(struct portal_request *req)
{
	uint64_t id;
	enum err e = portal_upload_check(req->upload);

	/* counted first: what fails afterwards is one less, never one more */
	if (e == ERR_OK)
		e = portal_objects_note_answer(
		    req->http->objects, portal_upload_object(req->upload));
	if (e == ERR_OK)
		e = portal_upload_end(req->upload, &id);
	if (e != ERR_OK)
		return portal_reply_error(req, answer_status(e), NULL);
	req->http->opt.answered(req->http->opt.arg, id);
	return portal_reply_json(req, MHD_HTTP_CREATED, "{}\n");
}

/* --- page */

static enum MHD_Result
handle_asset(struct portal_request *req, size_t i)
{
	const struct portal_asset *a =
	    portal_asset_at(req->http->opt.assets, i);
	const char *known = one_header(req, "If-None-Match");
	struct MHD_Response *r;
	enum MHD_Result rc;

	if (a->kind != PORTAL_ASSET_FILE || known == NULL ||
	    strcmp(known, a->etag) != 0)
		return portal_reply_send(
		    req, MHD_HTTP_OK, req->http->page[i], a->len);
	r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	if (r == NULL)
		return MHD_NO;
	portal_reply_headers(req->http, PORTAL_REPLY_ASSET, r);
	rc = portal_reply_send(req, MHD_HTTP_NOT_MODIFIED, r, 0);
	MHD_destroy_response(r);
	return rc;
}

/* Does the path name this file? The shell is one for every id, and whether
   there is such an object is not looked at. */
static bool
asset_matches(const struct portal_asset *a, const char *url)
{
	uint8_t id[OBJECT_ID_SIZE];

	switch (a->kind) {
	case PORTAL_ASSET_FILE:
		return strncmp(url, "/a/", 3) == 0 &&
		       strcmp(url + 3, a->file) == 0;
	case PORTAL_ASSET_SHELL:
		return strncmp(url, "/m/", 3) == 0 &&
		       object_id_parse(span_str(url + 3), id);
	case PORTAL_ASSET_FRAME:
		return strcmp(url, "/frame") == 0;
	case PORTAL_ASSET_FRAME_IMAGES:
		return strcmp(url, "/frame-images") == 0;
	}
	return false;
}

/* --- one request */

static bool
is_read(const struct portal_request *req)
{
	return strcmp(req->method, MHD_HTTP_METHOD_GET) == 0 ||
	       strcmp(req->method, MHD_HTTP_METHOD_HEAD) == 0;
}

static const struct {
	const char *url;
	enum MHD_Result (*handle)(struct portal_request *req);
} posts[] = {
    {"/api/open", handle_open},
    {"/api/code", handle_code},
    {"/api/key", portal_account_key},
    {"/api/reset", portal_account_reset},
    {"/api/account", portal_account_set},
};

static enum MHD_Result
route(struct portal_request *req)
{
	const struct portal_assets *assets = req->http->opt.assets;

	/* asked for under names that are not the portal's own */
	if (portal_published_is(req->url) && is_read(req))
		return portal_published_reply(req, one_header(req, "Host"));
	if (!host_is_ours(req))
		return portal_reply_error(
		    req, MHD_HTTP_MISDIRECTED_REQUEST, NULL);
	for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++)
		if (strcmp(req->url, posts[i].url) == 0)
			return strcmp(req->method, MHD_HTTP_METHOD_POST) == 0
				   ? posts[i].handle(req)
				   : portal_reply_error(req,
					 MHD_HTTP_METHOD_NOT_ALLOWED, "POST");
	if (!is_read(req))
		return portal_reply_error(
		    req, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD");
	if (strncmp(req->url, "/api/object/", 12) == 0)
		return handle_object(req);
	for (size_t i = 0; i < portal_assets_count(assets); i++)
		if (asset_matches(portal_asset_at(assets, i), req->url))
			return handle_asset(req, i);
	return portal_reply_error(req, MHD_HTTP_NOT_FOUND, NULL);
}

/* The path beneath that of the configured URL. A proxy in front may have taken
   its part off already. */
static const char *
path_beneath(const struct portal_http *h, const char *url)
{
	size_t len = strlen(h->base);

	return strncmp(url, h->base, len) == 0 && url[len] == '/' ? url + len
								  : url;
}

static struct portal_request *
new_request(struct portal_http *h, struct MHD_Connection *mhd, const char *url,
    const char *method)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct portal_request *req;

	if (info == NULL || info->socket_context == NULL)
		return NULL;
	req = calloc(1, sizeof(*req));
	if (req == NULL)
		return NULL;
	req->http = h;
	req->mhd = mhd;
	req->conn = info->socket_context;
	req->conn->busy = true;
	req->url = path_beneath(h, url);
	req->method = method;
	return req;
}

/* MHD calls this once with the header, once for each piece of the body and
   once at its end. */
enum MHD_Result
portal_request_step(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *data_len,
    void **req_ptr)
{
	struct portal_request *req = *req_ptr;
	const char *len;

	if (req == NULL) {
		req = new_request(cls, mhd, url, method);
		if (req == NULL)
			return MHD_NO;
		*req_ptr = req;
		if (!framing_is_clear(req))
			return portal_reply_error(
			    req, MHD_HTTP_BAD_REQUEST, NULL);
		if (is_answer(req))
			return begin_answer(req);
		len = one_header(req, "Content-Length");
		if (len != NULL && strlen(len) > 4)
			return portal_reply_error(
			    req, MHD_HTTP_CONTENT_TOO_LARGE, NULL);
		return MHD_YES;
	}
	if (*data_len > 0 && req->upload != NULL) {
		enum MHD_Result rc =
		    continue_answer(req, SPAN(data, *data_len));

		*data_len = 0;
		return rc;
	}
	if (*data_len > 0) {
		if (*data_len > sizeof(req->body) - req->body_len)
			return MHD_NO;
		memcpy(req->body + req->body_len, data, *data_len);
		req->body_len += *data_len;
		*data_len = 0;
		return MHD_YES;
	}
	return req->upload != NULL ? end_answer(req) : route(req);
}
