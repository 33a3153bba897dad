/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Pseudonyms of the audit log, for who may read the master key: put back in
 * what is printed, and made of what is searched for.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/secret.h"
#include "gateway/cli/audit_private.h"
#include "gateway/conf.h"
#include "gateway/store/audit_pseudonym.h"
#include "gateway/store/audit_rec.h"

enum { TEXT_MAX = 2 * STORE_REC_MAX, PATH_SIZE = 1200 };

void
audit_names_open(struct cli *cli, struct audit_names *n)
{
	const struct conf *conf;
	char path[PATH_SIZE];

	*n = (struct audit_names){.unseal = CLI_UNSEAL_INIT};
	n->unseal.purpose = SEALED_AUDIT;
	if (cli_conf(cli, &conf) != ERR_OK)
		return; /* said when the log is opened */
	snprintf(path, sizeof(path), "%s/%s", conf->paths.audit,
	    STORE_PSEUDONYM_FILE);
	if (access(path, F_OK) != 0)
		return;
	n->wanted = true;
	if (cli_unseal_open(cli, &n->unseal, &n->why) != ERR_OK)
		cli_unseal_close(&n->unseal);
}

static enum err
read_key(struct audit_names *n, int dir_fd)
{
	struct secret *content_key = NULL;
	struct buf header;
	enum err e = cli_unseal_read(&n->unseal, &n->why);

	buf_init(&header, SEALED_HEADER);
	if (e == ERR_OK)
		e = store_pseudonym_key_header(dir_fd, &header);
	if (e == ERR_OK)
		e = sealed_content_key(&n->unseal.pub, n->unseal.priv,
		    buf_span(&header), &content_key);
	if (e == ERR_OK)
		e = store_pseudonym_key_open(dir_fd, content_key, &n->key);
	secret_free(content_key);
	buf_clear(&header);
	if (e != ERR_OK && n->why.text[0] == '\0')
		(void)err_why(&n->why, e, "%s", err_text(e));
	return e;
}

void
audit_names_read(struct audit_names *n, int dir_fd)
{
	if (n->wanted && n->unseal.file >= 0)
		(void)!read_key(n, dir_fd);
	cli_unseal_close(&n->unseal);
	if (n->wanted && n->key == NULL)
		cli_say("pseudonyms stay as they are: %s", n->why.text);
}

void
audit_names_close(struct audit_names *n)
{
	cli_unseal_close(&n->unseal);
	secret_free(n->key);
	n->key = NULL;
}

/* The text with names in it; NULL when nothing changes. */
static json_t *
resolved(const struct audit_names *n, const json_t *text)
{
	struct span s = SPAN(json_string_value(text), json_string_length(text));
	json_t *out = NULL;
	struct buf b;

	if (span_find_chr(s, 0, '~') == s.len)
		return NULL;
	buf_init(&b, TEXT_MAX);
	if (store_pseudonym_resolve(n->key, s, &b) == ERR_OK &&
	    !span_eq(buf_span(&b), s))
		out = json_stringn((const char *)b.data, b.len);
	buf_clear(&b);
	return out;
}

void
audit_names_put_back(const struct audit_names *n, json_t *j)
{
	const char *name;
	json_t *v, *s;
	void *next;
	size_t i;

	if (n->key == NULL)
		return;
	json_array_foreach(j, i, v)
	{
		s = json_is_string(v) ? resolved(n, v) : NULL;
		if (s != NULL)
			json_array_set_new(j, i, s);
		else
			audit_names_put_back(n, v);
	}
	json_object_foreach_safe(j, next, name, v)
	{
		s = json_is_string(v) ? resolved(n, v) : NULL;
		if (s != NULL)
			json_object_set_new(j, name, s);
		else
			audit_names_put_back(n, v);
	}
}

enum err
audit_names_alias(
    const struct audit_names *n, const char *addr, struct buf *out)
{
	return n->key == NULL ? ERR_OK
			      : store_pseudonym_of(n->key, span_str(addr), out);
}
