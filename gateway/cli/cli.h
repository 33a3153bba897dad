/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the verbs of `sealgate` share: the one table of verbs, configuration,
 * giving up root, output. A verb is a function in the file of its noun.
 */
#ifndef GATEWAY_CLI_CLI_H
#define GATEWAY_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct certs;
struct conf;
struct json_t;
struct ks_store;

/* Exit statuses, a contract with scripts. */
enum {
	CLI_DONE = 0,
	CLI_NO = 1, /* not found, not valid, refused */
	CLI_USAGE = 2,
	CLI_FAILED = 3, /* could not be done */
};

struct cli {
	const char *conf_path;
	bool json;
	struct conf *conf;   /* owned; NULL until cli_conf() */
	struct certs *certs; /* owned; NULL until cli_keystore() */
	const struct cli_verb *verb;
	unsigned uid; /* who called it, root or not */
};

/* argv[0] is the last word of the verb, options and arguments follow. Returns
   the exit status. */
struct cli_verb {
	const char *noun; /* "key"; NULL for a verb of one word */
	const char *name; /* "import" */
	const char *args; /* "[--candidate] FILE..." */
	const char *help; /* one sentence */
	int (*run)(struct cli *cli, int argc, char **argv);
};

/* The one table: dispatch and usage. Ends in a row without a name. */
extern const struct cli_verb cli_verbs[];

/* Say it on standard error as "sealgate: ...". */
void cli_say(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Say how the verb that runs is used; returns CLI_USAGE. */
int cli_usage(const struct cli *cli);
/* The status for an error: CLI_NO for a definite no, else CLI_FAILED. */
int cli_status(enum err e);

/* The configuration, read at the first call; what is wrong is said. Borrowed
   from cli. */
enum err cli_conf(struct cli *cli, const struct conf **out) MUST_CHECK;
/* Become the owner of dir (or of the directory it will be in) when run by
   root, for good. To be called before a key or a message is read. What is
   wrong is said: ERR_PERMISSION when that owner is root. */
enum err cli_give_up_root(const char *dir) MUST_CHECK;
/* Both, then open the keystore. One that is still root's or is not there yet
   goes to the user of store, if the configuration names users. What is wrong
   is said. The caller closes. */
enum err cli_keystore(
    struct cli *cli, bool write, struct ks_store **out) MUST_CHECK;

/* "user 1000", for the history. Returns it as a span of out. */
enum { CLI_WHO_SIZE = 32 };
struct span cli_who(const struct cli *cli, char out[CLI_WHO_SIZE]);
/* Print text from outside on standard output: whatever is not printable is
   escaped. */
void cli_put_text(struct span text);
/* A JSON string of text from outside; what is not UTF-8 is escaped. */
struct json_t *cli_json_text(struct span text);
/* "2027-05-01" of Unix seconds; "never" for 0. */
enum { CLI_DATE_SIZE = 24 };
void cli_date(int64_t unix_s, char out[CLI_DATE_SIZE]);

/* --- the verbs, by file --- */

/* key.c, key_import.c */
int cli_key_import(struct cli *cli, int argc, char **argv);
int cli_key_list(struct cli *cli, int argc, char **argv);
int cli_key_show(struct cli *cli, int argc, char **argv);
int cli_key_delete(struct cli *cli, int argc, char **argv);
int cli_key_undelete(struct cli *cli, int argc, char **argv);
int cli_key_trust(struct cli *cli, int argc, char **argv);
int cli_key_distrust(struct cli *cli, int argc, char **argv);
int cli_key_lookup(struct cli *cli, int argc, char **argv);

/* key_refresh.c */
int cli_key_refresh(struct cli *cli, int argc, char **argv);

/* key_change.c */
int cli_key_pending(struct cli *cli, int argc, char **argv);
int cli_key_refused(struct cli *cli, int argc, char **argv);
int cli_key_approve(struct cli *cli, int argc, char **argv);
int cli_key_refuse(struct cli *cli, int argc, char **argv);
int cli_key_history(struct cli *cli, int argc, char **argv);

/* setting.c: of a recipient or a domain, by the noun */
int cli_domain_list(struct cli *cli, int argc, char **argv);
int cli_domain_show(struct cli *cli, int argc, char **argv);
int cli_dkim_generate(struct cli *cli, int argc, char **argv);
int cli_dkim_import(struct cli *cli, int argc, char **argv);
int cli_dkim_show(struct cli *cli, int argc, char **argv);
int cli_dkim_delete(struct cli *cli, int argc, char **argv);
int cli_domain_check(struct cli *cli, int argc, char **argv);
int cli_setting_list(struct cli *cli, int argc, char **argv);
int cli_setting_show(struct cli *cli, int argc, char **argv);
int cli_setting_set(struct cli *cli, int argc, char **argv);
int cli_setting_delete(struct cli *cli, int argc, char **argv);

/* key_generate.c, key_export.c, key_publish.c */
int cli_key_publish(struct cli *cli, int argc, char **argv);
int cli_key_generate(struct cli *cli, int argc, char **argv);
int cli_key_export(struct cli *cli, int argc, char **argv);

/* user.c */
int cli_user_hash(struct cli *cli, int argc, char **argv);

/* ca.c */
int cli_ca_init(struct cli *cli, int argc, char **argv);
int cli_ca_issue(struct cli *cli, int argc, char **argv);
int cli_ca_revoke(struct cli *cli, int argc, char **argv);
int cli_ca_crl(struct cli *cli, int argc, char **argv);

/* ca_list.c */
int cli_ca_import_crl(struct cli *cli, int argc, char **argv);

/* backup.c */
int cli_backup(struct cli *cli, int argc, char **argv);
int cli_restore(struct cli *cli, int argc, char **argv);

/* master_key.c */
int cli_master_key_rotate(struct cli *cli, int argc, char **argv);

/* setup.c */
int cli_setup(struct cli *cli, int argc, char **argv);

/* doctor.c */
int cli_doctor(struct cli *cli, int argc, char **argv);

/* completion.c */
int cli_completion(struct cli *cli, int argc, char **argv);

/* explain.c */
int cli_explain(struct cli *cli, int argc, char **argv);

/* seal.c */
int cli_seal(struct cli *cli, int argc, char **argv);

/* open.c */
int cli_open(struct cli *cli, int argc, char **argv);

/* queue.c */
int cli_queue_list(struct cli *cli, int argc, char **argv);
int cli_queue_show(struct cli *cli, int argc, char **argv);
int cli_queue_flush(struct cli *cli, int argc, char **argv);
int cli_queue_hold(struct cli *cli, int argc, char **argv);
int cli_queue_release(struct cli *cli, int argc, char **argv);
int cli_queue_delete(struct cli *cli, int argc, char **argv);
int cli_queue_salvage(struct cli *cli, int argc, char **argv);

/* escrow.c */
int cli_escrow_list(struct cli *cli, int argc, char **argv);
int cli_escrow_show(struct cli *cli, int argc, char **argv);
int cli_escrow_revoke(struct cli *cli, int argc, char **argv);
int cli_escrow_extend(struct cli *cli, int argc, char **argv);
int cli_escrow_unlock(struct cli *cli, int argc, char **argv);
/* escrow_recover.c */
int cli_escrow_recover(struct cli *cli, int argc, char **argv);
/* escrow_account.c */
int cli_escrow_account(struct cli *cli, int argc, char **argv);
/* escrow_resend.c */
int cli_escrow_resend(struct cli *cli, int argc, char **argv);

/* audit.c, audit_list.c, audit_show.c, audit_export.c */
int cli_audit_list(struct cli *cli, int argc, char **argv);
int cli_audit_show(struct cli *cli, int argc, char **argv);
int cli_audit_export(struct cli *cli, int argc, char **argv);
int cli_audit_reindex(struct cli *cli, int argc, char **argv);
int cli_audit_verify(struct cli *cli, int argc, char **argv);

/* status.c */
int cli_status_show(struct cli *cli, int argc, char **argv);
int cli_reload(struct cli *cli, int argc, char **argv);
int cli_check(struct cli *cli, int argc, char **argv);

#endif
