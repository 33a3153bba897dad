/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Pure: what the answers say, in the words of who has to act on it.
 */
#include "gateway/cli/trouble.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli/ask.h"
#include "gateway/conf.h"

enum {
	OLD_S = 4 * 3600,	 /* what waits longer is worth a look */
	END_SOON_S = 14 * 86400, /* of a certificate */
	OFTEN = 3,		 /* starts of a process within... */
	LATELY_S = 15 * 60,	 /* ...this time, the last of them */
	UNSIGNED_MAX = 5000,	 /* records of the audit log */
	FINDINGS_MAX = 5,	 /* of the configuration that are told */
};

static long long
number(const json_t *j, const char *name)
{
	return (long long)json_integer_value(json_object_get(j, name));
}

static void add(struct troubles *t, enum trouble_level level,
    const char *remedy, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* A bad one goes behind the other bad ones. */
static void
add(struct troubles *t, enum trouble_level level, const char *remedy,
    const char *fmt, ...)
{
	size_t at = level == TROUBLE_BAD ? t->n_bad : t->n;
	struct trouble *x = &t->list[at];
	va_list ap;

	if (at == TROUBLES_MAX)
		return;
	if (t->n == TROUBLES_MAX)
		t->n--;
	memmove(x + 1, x, (t->n - at) * sizeof(*x));
	x->level = level;
	x->of_file = false;
	va_start(ap, fmt);
	vsnprintf(x->text, sizeof(x->text), fmt, ap);
	va_end(ap);
	snprintf(x->remedy, sizeof(x->remedy), "%s", remedy);
	t->n++;
	t->n_bad += level == TROUBLE_BAD ? 1 : 0;
}

/* --- the configuration in the file */

static void
look_at_file(const struct trouble_facts *f, struct troubles *t)
{
	const struct conf_findings *all = f->findings;
	enum trouble_level level =
	    f->status == NULL ? TROUBLE_BAD : TROUBLE_WARN;
	char line[TROUBLE_TEXT];
	size_t told = 0;

	for (size_t i = 0; all != NULL && i < all->n && told < FINDINGS_MAX;
	     i++) {
		if (all->list[i].level != CONF_ERROR)
			continue;
		add(t, level,
		    f->status == NULL
			? "mend it (sealgate check), then: systemctl start "
			  "sealgated"
			: "it is not in use yet: mend it (sealgate check), "
			  "then sealgate reload",
		    "%s", conf_finding_text(all, i, line, sizeof(line)));
		told++;
	}
	if (all != NULL && all->n_errors > told)
		add(t, level, "sealgate check tells all of it",
		    "%zu more errors in %s", all->n_errors - told, all->file);
	for (size_t i = 0; i < t->n; i++)
		t->list[i].of_file = true;
	if (f->status != NULL && f->digest != NULL && told == 0 &&
	    cli_member(f->status, "config")[0] != '\0' &&
	    strcmp(cli_member(f->status, "config"), f->digest) != 0)
		add(t, TROUBLE_WARN, "sealgate reload",
		    "the configuration was changed and is not in use yet");
}

/* --- processes */

/* What a process that does not come up mostly lacks. */
static const char *
hint(const char *role)
{
	static const struct {
		const char *role, *text;
	} hints[] = {
	    {"keys", "its master key: sealgate doctor"},
	    {"store", "room, or a disk that works: sealgate doctor"},
	    {"listener", "its port or certificate: sealgate doctor"},
	    {"portal", "its port or certificate: sealgate doctor"},
	    {"accounts", "a file of users or recipients that can be read"},
	    {"pgp", "gpg: apt-get install gpg gpg-agent gpgconf"},
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strcmp(hints[i].role, role) == 0)
			return hints[i].text;
	return "sealgate doctor";
}

static void
look_at_process(const json_t *p, struct troubles *t)
{
	const char *role = cli_member(p, "process");
	const char *state = cli_member(p, "state");
	char remedy[TROUBLE_REMEDY];

	if (strcmp(state, "ready") != 0) {
		snprintf(remedy, sizeof(remedy),
		    "journalctl -u sealgated | grep '%s\\[%lld\\]' says why; "
		    "mostly %s",
		    role, number(p, "index"), hint(role));
		add(t, TROUBLE_BAD, remedy,
		    "process %s %lld is %s, started anew %lld times", role,
		    number(p, "index"), state, number(p, "restarts"));
	} else if (number(p, "restarts") >= OFTEN &&
		   number(p, "up_s") < LATELY_S) {
		snprintf(remedy, sizeof(remedy),
		    "journalctl -u sealgated | grep -e '%s\\[%lld\\]' -e "
		    "event=ended says why",
		    role, number(p, "index"));
		add(t, TROUBLE_WARN, remedy,
		    "process %s %lld ends again and again (%lld times)", role,
		    number(p, "index"), number(p, "restarts"));
	}
}

static void
look_at_certificates(const json_t *list, int64_t now_s, struct troubles *t)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		long long left = number(c, "end") - now_s;

		if (left < 0)
			add(t, TROUBLE_BAD,
			    "renew the file, then sealgate reload: who "
			    "verifies it does not connect",
			    "the certificate %s is over",
			    cli_member(c, "path"));
		else if (left < END_SOON_S)
			add(t, TROUBLE_WARN,
			    "renew the file, then sealgate reload",
			    "the certificate %s ends in %lld days",
			    cli_member(c, "path"), left / 86400);
	}
}

static void
look_at_status(const struct trouble_facts *f, struct troubles *t)
{
	const json_t *list = json_object_get(f->status, "processes");

	for (size_t i = 0; i < json_array_size(list); i++)
		look_at_process(json_array_get(list, i), t);
	look_at_certificates(
	    json_object_get(f->status, "certificates"), f->now_s, t);
}

/* --- store */

static void
look_at_intake(const struct trouble_facts *f, struct troubles *t)
{
	const char *intake = cli_member(f->store, "intake");
	long long space = number(f->store, "free_octets");

	if (strcmp(intake, "open") != 0)
		add(t, TROUBLE_BAD,
		    "make room where state is (df -h, df -i); nothing that was "
		    "accepted is lost",
		    "new mail is refused: %s, %lld MiB free", intake,
		    space >> 20);
	else if (f->reserve != 0 && (uint64_t)space < 4 * f->reserve)
		add(t, TROUBLE_WARN,
		    "make room: large mail that waits, old files of the audit "
		    "log",
		    "%lld MiB free, new mail is refused below %lld",
		    space >> 20, (long long)(f->reserve >> 20));
}

static void
look_at_queue(const struct trouble_facts *f, struct troubles *t)
{
	long long held = number(f->store, "held");
	long long waiting = number(f->store, "waiting");
	long long oldest = number(f->store, "oldest_s");
	char age[CLI_SPAN_SIZE];

	cli_span((uint64_t)oldest, age);
	if (held > 0)
		add(t, TROUBLE_WARN,
		    "sealgate queue list --state held, then queue show ID",
		    "%lld %s for you, held", held,
		    held == 1 ? "entry waits" : "entries wait");
	if (oldest > OLD_S)
		add(t, TROUBLE_WARN,
		    "sealgate queue list --older 4h says what it waits for",
		    "the oldest entry of the queue is there for %s", age);
	if (waiting > 0 && oldest > OLD_S)
		add(t, TROUBLE_WARN, "sealgate doctor looks at the portal",
		    "%lld notices wait for the portal to take their messages",
		    waiting);
}

enum { SKEW_S = 60 };

/* Only a gateway whose portal is elsewhere says anything of it. */
static void
look_at_dmz(const struct trouble_facts *f, struct troubles *t)
{
	const json_t *up = json_object_get(f->store, "dmz_up");
	const char *why = cli_member(f->store, "dmz_why");

	if (json_is_false(up))
		add(t, TROUBLE_BAD,
		    "is sealgate-portal running there, the port open from here "
		    "to it, the fingerprint in peer right on both? mail for "
		    "pick-up waits",
		    "no connection to the portal in the DMZ: %s",
		    why[0] != '\0' ? why : "not yet");
	else if (why[0] != '\0')
		add(t, TROUBLE_BAD,
		    "look at the disk of that machine (df -h, df -i); the "
		    "notices with links wait",
		    "the portal in the DMZ takes no message: %s", why);
	else if (up != NULL && number(f->store, "dmz_skew_s") > SKEW_S)
		add(t, TROUBLE_WARN,
		    "let the network set both clocks: expiry goes by them",
		    "the clock of the portal in the DMZ differs by %lld "
		    "seconds",
		    number(f->store, "dmz_skew_s"));
}

static void
look_at_audit(const struct trouble_facts *f, struct troubles *t)
{
	if (!json_is_true(json_object_get(f->store, "audit_signs")))
		add(t, TROUBLE_WARN,
		    "journalctl -u sealgated | grep -e event=audit -e "
		    "'keys\\['",
		    "there is no key to sign the audit log with");
	else if (number(f->store, "audit_unsigned") > UNSIGNED_MAX)
		add(t, TROUBLE_WARN,
		    "journalctl -u sealgated | grep event=audit",
		    "%lld records of the audit log are not signed",
		    number(f->store, "audit_unsigned"));
}

static void
say_no_answer(enum err asked, struct troubles *t)
{
	if (asked == ERR_NOT_FOUND)
		add(t, TROUBLE_BAD,
		    "systemctl start sealgated; journalctl -u sealgated -n 50 "
		    "says why it ended",
		    "the gateway is not running: mail waits with those who "
		    "send it");
	else if (asked == ERR_CLOSED || asked == ERR_PERMISSION)
		add(t, TROUBLE_BAD, "ask as root",
		    "the gateway does not answer this user");
	else
		add(t, TROUBLE_BAD,
		    "journalctl -u sealgated -n 50; if it stays so: systemctl "
		    "restart sealgated",
		    "the gateway does not answer: %s", err_text(asked));
}

void
trouble_find(const struct trouble_facts *f, struct troubles *out)
{
	out->n = out->n_bad = 0;
	look_at_file(f, out);
	if (f->status == NULL) {
		say_no_answer(f->asked, out);
		return;
	}
	look_at_status(f, out);
	if (f->store == NULL) {
		add(out, TROUBLE_BAD,
		    "journalctl -u sealgated | grep 'store\\['",
		    "store does not answer: no mail is taken");
		return;
	}
	look_at_intake(f, out);
	look_at_queue(f, out);
	look_at_dmz(f, out);
	look_at_audit(f, out);
}

json_t *
trouble_json(const struct troubles *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n; i++) {
		const struct trouble *x = &t->list[i];

		json_array_append_new(list,
		    json_pack("{s:s, s:o, s:s}", "level",
			x->level == TROUBLE_BAD ? "bad" : "warn", "text",
			cli_json_text(span_str(x->text)), "remedy", x->remedy));
	}
	return list;
}
