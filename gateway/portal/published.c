/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What anybody may have: a Web Key Directory for our domains and the lists of
 * our CA, read from the files that the holder of the keystore makes
 * (gateway/publish.h). A name is checked before it is looked for, and nothing
 * is ever listed. draft-koch-openpgp-webkey-service-21 §3.1, §4.5.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/text.h"
#include "gateway/portal/http_private.h"

enum {
	DOMAIN_MAX = 253,
	HASH_LEN = 32, /* z-base-32 of SHA-1 */
	LIST_LEN = 64, /* hexadecimal of SHA-256 */
	PATH_SIZE = 512,
};

#define WKD	   "/.well-known/openpgpkey/"
#define ADVANCED   "openpgpkey."
#define HASH_CHARS "ybndrfg8ejkmcpqxot1uwisza345h769"

/* In lower case; only what a host name has in it, and never a dot first or
   twice: no path can be made of it. */
static bool
read_domain(const char *text, size_t len, char out[DOMAIN_MAX + 1])
{
	if (len == 0 || len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '-' || (c == '.' && i > 0 && text[i - 1] != '.')))
			return false;
		out[i] = c;
	}
	out[len] = '\0';
	return true;
}

static bool
is_word(const char *s, size_t len, const char *chars)
{
	return strlen(s) == len && strspn(s, chars) == len;
}

/* "hu/HASH" or "policy" of a domain, as a file below the directory. */
static bool
wkd_file(const char *domain, const char *rest, char out[PATH_SIZE])
{
	bool key = strncmp(rest, "hu/", 3) == 0 &&
		   is_word(rest + 3, HASH_LEN, HASH_CHARS);

	if (!key && strcmp(rest, "policy") != 0)
		return false;
	snprintf(out, PATH_SIZE, "wkd/%s/%s", domain, rest);
	return true;
}

/* The advanced method has the domain in the path and openpgpkey before it in
   the host; the direct one has it in the host alone. */
static bool
wkd_path(const char *host, const char *url, char out[PATH_SIZE])
{
	const char *rest = url + strlen(WKD), *slash = strchr(rest, '/');
	char name[DOMAIN_MAX + 1], domain[DOMAIN_MAX + 1];

	if (!read_domain(host, strcspn(host, ":"), name))
		return false;
	if (strncmp(rest, "hu/", 3) == 0 || strcmp(rest, "policy") == 0)
		return wkd_file(name, rest, out);
	return slash != NULL &&
	       read_domain(rest, (size_t)(slash - rest), domain) &&
	       strncmp(name, ADVANCED, strlen(ADVANCED)) == 0 &&
	       strcmp(name + strlen(ADVANCED), domain) == 0 &&
	       wkd_file(domain, slash + 1, out);
}

static bool
is_list(const char *name)
{
	return strlen(name) == LIST_LEN + 4 &&
	       strcmp(name + LIST_LEN, ".crl") == 0 &&
	       strspn(name, "0123456789abcdef") >= LIST_LEN;
}

/* The host is not looked at: what a certificate names may be an alias. */
static bool
list_path(const char *url, char out[PATH_SIZE])
{
	const char *name = url + strlen("/crl/");

	if (!is_list(name))
		return false;
	snprintf(out, PATH_SIZE, "crl/%s", name);
	return true;
}

bool
portal_published_is_path(const char *path)
{
	char domain[DOMAIN_MAX + 1], same[PATH_SIZE];
	const char *rest;

	if (strncmp(path, "crl/", 4) == 0)
		return is_list(path + 4);
	rest = strncmp(path, "wkd/", 4) == 0 ? strchr(path + 4, '/') : NULL;
	return rest != NULL &&
	       read_domain(path + 4, (size_t)(rest - path) - 4, domain) &&
	       wkd_file(domain, rest + 1, same) && strcmp(path, same) == 0;
}

void
portal_published_name(const char *path, char out[PORTAL_PUBLISHED_NAME])
{
	struct span octets = span_str(path);
	uint8_t digest[DIGEST_SIZE];
	size_t len = strlen(PORTAL_PUBLISHED);

	digest_sha256(&octets, 1, digest);
	memcpy(out, PORTAL_PUBLISHED, len);
	text_hex(SPAN(digest, sizeof(digest)), out + len);
}

bool
portal_published_is(const char *url)
{
	return strncmp(url, WKD, strlen(WKD)) == 0 ||
	       strncmp(url, "/crl/", 5) == 0;
}

enum MHD_Result
portal_published_reply(struct portal_request *req, const char *host)
{
	bool list = strncmp(req->url, "/crl/", 5) == 0;
	const struct portal_http_options *opt = &req->http->opt;
	char path[PATH_SIZE], flat[PORTAL_PUBLISHED_NAME];
	struct stat st;
	int fd = -1;

	if (opt->publish_fd >= 0 &&
	    (list ? list_path(req->url, path)
		  : host != NULL && wkd_path(host, req->url, path))) {
		portal_published_name(path, flat);
		fd = openat(opt->publish_fd, opt->publish_flat ? flat : path,
		    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return portal_reply_error(req, MHD_HTTP_NOT_FOUND, NULL);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return portal_reply_error(req, MHD_HTTP_NOT_FOUND, NULL);
	}
	return portal_reply_published(req, fd, (uint64_t)st.st_size,
	    list ? "application/pkix-crl"
	    : strcmp(strrchr(path, '/'), "/policy") == 0
		? "text/plain; charset=utf-8"
		: "application/octet-stream");
}
