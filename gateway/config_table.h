/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Every section and option there is: type, bounds, default, manual text. What
 * drives reading, checking and defaults; a test holds sealgate.conf(5) to it.
 */
#ifndef GATEWAY_CONFIG_TABLE_H
#define GATEWAY_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_T_NUMBER,   /* unsigned */
	CONFIG_T_SIZE,	   /* uint64_t, octets */
	CONFIG_T_MS,	   /* uint64_t, a duration in milliseconds */
	CONFIG_T_S,	   /* uint64_t, a duration in seconds */
	CONFIG_T_HOST,	   /* const char *: a host name */
	CONFIG_T_PATH,	   /* const char *: an absolute path */
	CONFIG_T_MASTER,   /* a path, or the word credential */
	CONFIG_T_TLSKEY,   /* a path, or "credential:NAME" */
	CONFIG_T_ANCHORS,  /* a path, or the word none: "" */
	CONFIG_T_MAILBOX,  /* const char *: local@domain */
	CONFIG_T_LOG,	   /* bool: the words info and debug */
	CONFIG_T_USERS,	   /* a prefix of user names, or a number */
	CONFIG_T_AUTO,	   /* the words hold, reject, drop */
	CONFIG_T_DOMAINS,  /* const char **, size_t */
	CONFIG_T_ADDRS,	   /* struct conf_addr *, size_t */
	CONFIG_T_NETS,	   /* struct conf_net *, size_t */
	CONFIG_T_VIA,	   /* struct conf_relay */
	CONFIG_T_KEYSTORE, /* const char *: lmdb:PATH */
	CONFIG_T_SOURCES,  /* const uint8_t *, size_t: enum ks_source */
	CONFIG_T_URLS,	   /* const char **, size_t */
	CONFIG_T_STRING,   /* const char * */
	CONFIG_T_URL,	   /* const char *: https://… */
	CONFIG_T_PATTERNS, /* of a rule: strings */
	CONFIG_T_LADDER,   /* of a rule: words */
	CONFIG_T_BOOL,	   /* bool: the words true and false */
	CONFIG_T_ONERROR,  /* of a rule: the words weaker, hold */
	CONFIG_T_SIGN,	   /* of a rule: enum policy_sign */
	CONFIG_T_HP,	   /* of a rule: enum policy_hp */
	CONFIG_T_CIPHER,   /* of a rule: enum policy_cipher */
	CONFIG_T_PADDING,  /* of a rule: enum policy_padding */
	CONFIG_T_RSASIGN,  /* of a rule: enum policy_signature */
	CONFIG_T_SHAPE,	   /* of a rule: enum policy_signed */
	CONFIG_T_SEALED,   /* of a rule: enum policy_sealed */
	CONFIG_T_REVOKED,  /* unsigned: the words hard, soft, off */
	CONFIG_T_OWNALG,   /* unsigned: the words p256, p384, rsa3072 */
	CONFIG_T_OIDS,	   /* const char **, size_t */
	CONFIG_T_FPRS,	   /* uint8_t (*)[32], size_t */
	CONFIG_T_TLS,	   /* enum conf_tls */
	CONFIG_T_FLOOR,	   /* of a rule: enum policy_tls */
	CONFIG_T_USER,	   /* const char *: printable, not empty */
	CONFIG_T_OPTOUT,   /* bool: true unless the word is true */
	CONFIG_T_HOLD,	   /* bool: the words deliver and hold */
	CONFIG_T_LEVEL,	   /* unsigned: enum ks_trust of a source */
	CONFIG_T_SEALFROM, /* unsigned: enum ks_trust that is sealed to */
	CONFIG_T_SIGNERS,  /* const char **, size_t: fingerprints */
	CONFIG_T_INBOUND,  /* of a rule: the words outbound and inbound */
	CONFIG_T_REQUIRE,  /* of a rule: enum policy_require */
	CONFIG_T_WHEN,	   /* of a rule: conditions, by the option's name */
	CONFIG_T_LABEL,	   /* const char *: a label */
	CONFIG_T_VERIFY,   /* enum conf_verify */
	CONFIG_T_IMPLICIT, /* bool: the words starttls and implicit */
	CONFIG_T_TEXTS,	   /* const char **, size_t */
	CONFIG_T_RUNGS,	   /* unsigned: bits of enum rung */
	CONFIG_T_EXPECT,   /* const char *: a rung, refused, wait */
	CONFIG_T_DELIVERS, /* bool: the words no and tls */
	CONFIG_T_NOTICE,   /* bool: the words any and tls */
	CONFIG_T_FACTOR,   /* of a rule: enum policy_factor */
	CONFIG_T_FIRST_FACTOR,
	CONFIG_T_DELIVERY, /* of a rule: enum policy_delivery */
};

enum config_group_kind {
	CONFIG_G_ONE,	/* part of struct conf; there without being written */
	CONFIG_G_OPT,	/* part of struct conf that begins with bool present */
	CONFIG_G_LIST,	/* an element of conf.listen */
	CONFIG_G_DKIM,	/* an element of conf.dkim; the title is its domain */
	CONFIG_G_ROUTE, /* an element of conf.route; the title is its domain */
	CONFIG_G_RULE,	/* goes to the policy */
	CONFIG_G_TEST,	/* an element of conf.test */
	CONFIG_G_GROUP, /* an element of conf.group; the title is its name */
};

struct config_group {
	const char *name;  /* "" for what stands outside of sections */
	const char *title; /* "" none, "*" any, else the one word */
	enum config_group_kind kind;
	size_t offset; /* in struct conf */
	const char *man;
};

struct config_entry {
	const char *group; /* name and title as written: "listen outbound" */
	const char *name;
	enum config_type type;
	bool required;
	uint64_t min; /* of a number; in what the type counts, ms for times */
	uint64_t max;
	const char *def;     /* as it would be written; NULL if there is none */
	size_t offset;	     /* of what it sets, in the part of its group */
	size_t count_offset; /* of the number beside a list */
	const char *man;
};

extern const struct config_group config_groups[];
extern const size_t config_n_groups;
extern const struct config_entry config_entries[];
extern const size_t config_n_entries;

/* "listen outbound" of a group. Returns out. */
const char *config_group_label(
    const struct config_group *g, char *out, size_t out_size);

#endif
