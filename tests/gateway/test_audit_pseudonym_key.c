/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A log with pseudonyms: no address is written while they are on, a record is
 * found and read by who has the key, and nothing is written without it.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "gateway/store/audit_pseudonym.h"
#include "gateway/store/audit_search.h"
#include "gateway/store/audit_verify.h"
#include "tests/lib/store_rig.h"

enum { LOG_MAX = 4 * 1024 * 1024 };

static struct rig rig;
static struct buf text;

static void
set_up(void)
{
	rig_init(&rig);
	rig.conf.audit.pseudonyms = true;
	buf_init(&text, LOG_MAX);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	rig_clear(&rig);
	buf_clear(&text);
}

TestSuite(audit_pseudonym_key, .init = set_up, .fini = tear_down);

static enum err
submit(uint64_t id)
{
	struct entry e = rig_entry(&rig, id + 1000, id, ENTRY_READY);
	const char *recs[] = {
	    "{\"type\":\"sealed\",\"rcpt\":\"b@example.org\"}"};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .audit = recs,
	    .n_audit = 1};

	rig_submit(&rig, 0, id, &m);
	return rig_committed(&rig, id);
}

static int
audit_dir(void)
{
	int fd = open(rig.conf.paths.audit, O_RDONLY | O_DIRECTORY);

	cr_assert_geq(fd, 0);
	return fd;
}

/* All files of the log after the store has ended. */
static const char *
read_log(void)
{
	DIR *d = opendir(rig.conf.paths.audit);
	struct dirent *e;
	int fd = audit_dir();

	buf_reset(&text);
	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".jsonl") != NULL) {
			struct buf one;

			buf_init(&one, LOG_MAX);
			cr_assert_eq(
			    file_read_path(fd, e->d_name, &one), ERR_OK);
			cr_assert_eq(buf_put(&text, buf_span(&one)), ERR_OK);
			buf_clear(&one);
		}
	closedir(d);
	close(fd);
	return buf_cstr(&text);
}

/* As the command line of who has the master key does it. */
static struct secret *
open_key(void)
{
	struct secret *content = NULL, *key = NULL;
	struct buf header;
	int fd = audit_dir();

	buf_init(&header, SEALED_HEADER);
	cr_assert_eq(store_pseudonym_key_header(fd, &header), ERR_OK);
	cr_assert_eq(
	    sealed_content_key(&rig.pub, rig.priv, buf_span(&header), &content),
	    ERR_OK);
	cr_assert_eq(store_pseudonym_key_open(fd, content, &key), ERR_OK);
	secret_free(content);
	buf_clear(&header);
	close(fd);
	return key;
}

static void
count_line(void *arg, struct span line, const struct store_line *l)
{
	(void)line;
	(void)l;
	(*(unsigned *)arg)++;
}

/* Records of that recipient, under both names. */
static unsigned
find(const char *addr, const struct secret *key)
{
	unsigned n = 0;
	struct store_search q = {.on_line = count_line, .arg = &n};
	struct store_searched done;
	struct buf alias;
	int fd = audit_dir();

	buf_init(&alias, 4096);
	cr_assert_eq(store_pseudonym_of(key, span_str(addr), &alias), ERR_OK);
	q.term[STORE_TERM_RCPT] = span_str(addr);
	q.alias[STORE_TERM_RCPT] = buf_span(&alias);
	cr_assert_eq(store_audit_search(fd, &q, &done), ERR_OK);
	buf_clear(&alias);
	close(fd);
	return n;
}

static void
remove_indexes(void)
{
	DIR *d = opendir(rig.conf.paths.audit);
	struct dirent *e;

	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, ".idx") != NULL)
			cr_assert_eq(unlinkat(dirfd(d), e->d_name, 0), 0);
	closedir(d);
}

static void
verify(void)
{
	struct store_verified v;

	cr_assert_eq(store_audit_verify(
			 rig.conf.paths.audit, &(struct store_verify){0}, &v),
	    ERR_OK);
	cr_assert_eq(v.problems, 0);
}

Test(audit_pseudonym_key, no_address_is_written_and_records_are_found)
{
	struct secret *key;

	cr_assert_eq(submit(1), ERR_OK);
	/* the option is about new records alone */
	rig.conf.audit.pseudonyms = false;
	store_set_conf(rig.store, &rig.conf);
	cr_assert_eq(submit(2), ERR_OK);
	rig.conf.audit.pseudonyms = true;
	store_set_conf(rig.store, &rig.conf);
	cr_assert_eq(submit(3), ERR_OK);
	rig_stop(&rig);
	/* another process, the same key */
	cr_assert_eq(rig_start(&rig), ERR_OK);
	cr_assert_eq(submit(4), ERR_OK);
	rig_stop(&rig);
	verify();
	key = open_key();
	cr_assert_eq(find("b@example.org", key), 4);
	cr_assert_eq(find("B@EXAMPLE.ORG", key), 4);
	cr_assert_eq(find("c@example.org", key), 0);
	remove_indexes();
	cr_assert_eq(find("b@example.org", key), 4);
	secret_free(key);
	read_log();
	cr_assert_eq(
	    span_find(buf_span(&text),
		span_find(buf_span(&text), 0, SPAN_LIT("b@example")) + 1,
		SPAN_LIT("b@example")),
	    text.len, "more than the one record has the address");
}

Test(audit_pseudonym_key, without_the_key_nothing_with_an_address_is_taken)
{
	rig_stop(&rig);
	/* a start at which the process that keeps keys is not there */
	cr_assert_eq(rig_start_without_keys(&rig), ERR_OK);
	cr_assert_eq(submit(1), ERR_BUSY);
	rig_connect(&rig, ROLE_KEYS, 0);
	rig_run(&rig, 50);
	cr_assert_eq(submit(2), ERR_OK);
	rig_stop(&rig);
	cr_assert_null(strstr(read_log(), "b@example"));
	verify();
}

Test(audit_pseudonym_key, a_key_that_does_not_open_is_put_aside)
{
	char path[256];
	struct secret *key;
	int fd;

	cr_assert_eq(submit(1), ERR_OK);
	rig_stop(&rig);
	snprintf(path, sizeof(path), "%s/%s", rig.conf.paths.audit,
	    STORE_PSEUDONYM_FILE);
	fd = open(path, O_WRONLY);
	cr_assert_eq(pwrite(fd, "x", 1, SEALED_HEADER + 20), 1);
	close(fd);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_run(&rig, 50);
	cr_assert_eq(submit(2), ERR_OK);
	rig_stop(&rig);
	key = open_key();
	cr_assert_eq(
	    find("b@example.org", key), 1, "the one under the new key");
	secret_free(key);
	cr_assert_null(strstr(read_log(), "b@example"));
	verify();
}
