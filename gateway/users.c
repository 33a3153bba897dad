/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Look up and become the user of a role. A group is shared one way only: the
 * worker is in the groups of store (keystore, large bodies) and of portal
 * (escrow objects), opener and keys in that of store; nobody is in the
 * worker's or in that of keys.
 */
#include "gateway/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/conf.h"

bool
users_change(void)
{
	return geteuid() == 0;
}

static enum err
find_one(const struct conf *c, enum role_id role, uid_t *uid, gid_t *gid,
    struct err_why *why)
{
	char name[64];
	struct passwd *pw;

	if (c->users == NULL && c->users_base == 0)
		return err_why(why, ERR_CONFIG,
		    "started by root, and nothing says who to run as: set "
		    "users = \"sealgate\" (users sealgate-listener and so on), "
		    "or users = 61000 (numbers, no user need exist)");
	if (c->users == NULL) {
		*uid = c->users_base + (uid_t)role;
		*gid = c->users_base + (gid_t)role;
		return ERR_OK;
	}
	snprintf(name, sizeof(name), "%s-%s", c->users, role_name(role));
	pw = getpwnam(name);
	if (pw == NULL)
		return err_why(why, ERR_CONFIG,
		    "there is no user %s: create it with "
		    "\"useradd --system --user-group --shell /usr/sbin/nologin "
		    "%s\"",
		    name, name);
	if (pw->pw_uid == 0)
		return err_why(why, ERR_CONFIG, "user %s is root", name);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return ERR_OK;
}

/* Users that share a number or a group would share files, too. */
static enum err
check_alone(const struct conf *c, enum role_id role, const struct users_id *id,
    struct err_why *why)
{
	uid_t uid;
	gid_t gid;
	enum err err = ERR_OK;

	for (int r = ROLE_KEYS; r < ROLE_COUNT && err == ERR_OK; r++) {
		if (r == (int)role)
			continue;
		err = find_one(c, (enum role_id)r, &uid, &gid, why);
		if (err == ERR_OK && (uid == id->uid || gid == id->gid))
			err = err_why(why, ERR_CONFIG,
			    "the users of %s and %s have one number or group: "
			    "give each a group of its own (useradd "
			    "--user-group)",
			    role_name(role), role_name((enum role_id)r));
	}
	return err;
}

enum err
users_find(const struct conf *c, enum role_id role, struct users_id *out,
    struct err_why *why)
{
	static const struct {
		enum role_id role, group;
	} shared[] = {
	    {ROLE_WORKER, ROLE_STORE},
	    {ROLE_WORKER, ROLE_PORTAL},
	    {ROLE_OPENER, ROLE_STORE},
	    {ROLE_KEYS, ROLE_STORE},
	    {ROLE_ISSUER, ROLE_STORE},
	};
	struct users_id id = {.uid = geteuid(), .gid = getegid()};
	enum err err;
	uid_t uid;

	if (users_change()) {
		err = find_one(c, role, &id.uid, &id.gid, why);
		/* a portal in a DMZ is the only one there */
		if (err == ERR_OK && c->users != NULL &&
		    !c->portal_gateway.present)
			err = check_alone(c, role, &id, why);
		if (err != ERR_OK)
			return err;
		for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]);
		     i++) {
			if (shared[i].role != role)
				continue;
			err = find_one(c, shared[i].group, &uid,
			    &id.group[id.n_group], why);
			if (err != ERR_OK)
				return err;
			id.n_group++;
		}
	}
	*out = id;
	return ERR_OK;
}

enum err
users_become(const struct users_id *id, struct err_why *why)
{
	if (!users_change())
		return ERR_OK;
	if (setgroups(id->n_group, id->group) != 0 ||
	    setresgid(id->gid, id->gid, id->gid) != 0 ||
	    setresuid(id->uid, id->uid, id->uid) != 0)
		return err_why(why, ERR_PERMISSION, "cannot become user %u: %s",
		    (unsigned)id->uid, strerror(errno));
	if (setuid(0) == 0 || geteuid() == 0)
		return err_why(why, ERR_PERMISSION,
		    "still root after becoming user %u", (unsigned)id->uid);
	return ERR_OK;
}
