/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The configuration as every process sees it: checked, complete with its
 * defaults and immutable. How the text is read is gateway/config_read.c, which
 * options exist gateway/config_table.c, what they must fulfil config.c.
 */
#ifndef GATEWAY_CONF_H
#define GATEWAY_CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

struct arena;
struct entry;
struct facts_matchers;
struct policy;

/* An address to listen on or to ask. */
struct conf_addr {
	const char *text; /* as the administrator wrote it */
	unsigned line;
	struct sockaddr_storage sa;
	socklen_t sa_len;
};

/* A network, IPv4 or IPv6: the first prefix bits of addr. */
struct conf_net {
	int family; /* AF_INET or AF_INET6 */
	unsigned prefix;
	uint8_t addr[16];
};

/* Who says whether there is a recipient. */
enum conf_verify {
	CONF_VERIFY_NONE,
	CONF_VERIFY_SERVER, /* our own, by relay inbound */
	CONF_VERIFY_LDAP,   /* the directory of discovery ldap */
};

struct conf_listen {
	unsigned line;
	bool inbound;		   /* from strangers, for own domains only */
	struct conf_addr *address; /* at least one */
	size_t n_address;
	struct conf_net *clients; /* who may hand in mail; inbound: none means
				     everybody */
	size_t n_clients;
	struct conf_net *may_sign; /* whose mail may be signed; may be none */
	size_t n_may_sign;
	struct conf_net *proxies; /* their connections begin with a header of
				     the PROXY protocol */
	size_t n_proxies;
	struct conf_net *xclient; /* may say XCLIENT and XFORWARD */
	size_t n_xclient;
	struct conf_net *normalise; /* whose bare line ends are mended */
	size_t n_normalise;
	bool auth_may_sign;	 /* and that of who has signed in */
	const char *tls_cert;	 /* PEM files, both or neither */
	const char *tls_key;	 /* or CONF_CREDENTIAL and a name */
	bool implicit_tls;	 /* TLS from the first octet on */
	bool lmtp;		 /* LMTP is spoken, and no SMTP */
	const char *client_ca;	 /* PEM: whose client certificates are believed;
				    may be NULL, as the following */
	const char *users;	 /* file of passwords */
	const char *recipients;	 /* list of addresses that there are */
	enum conf_verify verify; /* who is asked without a list */
	uint64_t message_size;	 /* octets, at most limits.message_size */
};

enum conf_via_kind {
	CONF_VIA_MX,
	CONF_VIA_SMTP,
	CONF_VIA_LMTP,
};

/* What a session with a next hop must have; DANE is heeded by all. */
enum conf_tls {
	CONF_TLS_OPPORTUNISTIC,
	CONF_TLS_ENCRYPT,
	CONF_TLS_VERIFY,
	CONF_TLS_STS,
	CONF_TLS_DANE,
};

struct conf_relay {
	bool present;
	unsigned line;
	enum conf_via_kind kind;
	const char *via;  /* as written, for logs */
	const char *host; /* name or address without brackets; NULL for MX */
	uint16_t port;	  /* of the next hop; for MX that of every host */
	unsigned mx_port; /* the option port; 0 unless given */
	enum conf_tls tls;
	bool delivers; /* beyond this next hop there is none that matters */
	const char **tls_names; /* A-labels; none: see sealgate.conf(5) */
	size_t n_tls_names;
	const char *user; /* to log in as; NULL: nobody */
	const char *password_file;
	bool xforward; /* it may hear who the client was */
	bool xclient;  /* and is to treat us as that client */
	bool wait;     /* for its reply, before ours */
};

/* Another way for some domains. */
struct conf_route {
	struct conf_relay relay;
	const char *domain; /* lower case A-labels; "*.x" matches below x */
};

/* Mail of a domain that is signed when it leaves: a `dkim` section. */
struct conf_dkim {
	unsigned line;
	const char *domain; /* lower-case A-labels; those below it, too */
	const char *selector;
	const char *ed25519; /* selector of a second key, NULL: none */
	bool null_sender;    /* mail without a sender, too, of who may sign */
};

/* Whose page it is; NULL where nothing is said. */
struct conf_brand {
	const char *name;
	const char *logo;    /* file */
	const char *colour;  /* #rrggbb */
	const char *imprint; /* a URL, or text */
	const char *help;
};

struct conf_portal {
	bool present;
	unsigned line;
	struct conf_addr *address;
	size_t n_address;
	const char *url; /* without a slash at the end */
	const char *tls_cert;
	const char *tls_key; /* or CONF_CREDENTIAL and a name */
	const char *page;    /* directory; NULL: the installed one */
	struct conf_brand brand;
	const char **languages; /* of notices, the first of the subject, too */
	size_t n_languages;	/* 0: English */
	uint64_t expires_s;
	uint64_t answer_size; /* 0: none is taken */
	bool sent_notice;     /* also where no passphrase was made */
	bool receipts;	      /* the sender hears what becomes of it */
	unsigned connections; /* at once, and of those from one client */
	unsigned connections_per_client;
	uint64_t request_ms;	  /* for a whole request */
	struct conf_net *proxies; /* whose X-Forwarded-For is believed */
	size_t n_proxies;	  /* 0: without TLS, those of this machine */
	uint64_t extend_s;	  /* by the sender's word; 0: not */
	/* of what waits, in all and of one sender; 0: as much as comes */
	uint64_t quota;
	unsigned quota_objects;
	uint64_t sender_quota;
	unsigned sender_quota_objects;
};

/* The rung escrow beside the portal. */
struct conf_escrow {
	const char *page; /* directory; NULL: the portal's, or as installed */
	uint64_t attachment_size; /* octets of the message */
	const char **languages;	  /* of notices with it; none: the portal's */
	size_t n_languages;
	struct conf_brand
	    brand;	      /* of the file; what is not said: the portal's */
	const char *recovery; /* certificate, file; NULL: none */
};

/* The other end of a portal in a DMZ: of the portal for the gateway, of the
   gateway for the portal. */
struct conf_dmz {
	bool present;
	unsigned line;
	struct conf_addr *address;
	size_t n_address;
	const char *tls_cert; /* by which the other knows us */
	const char *tls_key;
	uint8_t (*peer)[32]; /* fingerprints of what the other may have */
	size_t n_peer;
};

/* What a monitoring system asks. */
struct conf_metrics {
	bool present;
	unsigned line;
	struct conf_addr *address;
	size_t n_address;
};

/* What becomes of inbound mail. */
struct conf_opening {
	const char *authserv_id; /* in Authentication-Results; never NULL */
	bool subject_tags;	 /* the verdict stands in the subject, too */
	bool hold_undecryptable;
	bool protect_replies;	 /* answers to what came encrypted never leave
				    readable */
	bool weak_ciphers;	 /* 3DES and RC2 are opened, too */
	bool attach_original;	 /* to what was opened */
	const char *archive_to;	 /* gets the original of it; NULL: nobody */
	const char *archive_key; /* the same, canonical */
	const char **trusted_authserv; /* whose results count */
	size_t n_trusted_authserv;
	/* fingerprints, hexadecimal, whose signature may send on what the key
	   of a domain opens */
	const char **known_gateways;
	size_t n_known_gateways;
};

/* Certificates that this gateway issues itself. */
struct conf_ca {
	unsigned alg; /* of new keys: enum crypto_own_alg less 1 */
	uint64_t validity_s;
	uint64_t renew_s;    /* before its end a certificate is replaced */
	uint64_t crl_s;	     /* a list of revoked ones is good for so long */
	const char *crl_url; /* without a slash at the end; NULL: the portal */
};

/* Levels are the numbers of enum ks_trust (keystore/record.h). */
struct conf_trust {
	unsigned seal_from;
	unsigned agree; /* sources; 0: agreement raises nothing */
	unsigned wkd, dane, vks, hkp, ldap, harvest;
};

/* One source of keys of strangers. */
struct conf_source {
	uint64_t timeout_ms; /* for one question */
	unsigned rate;	     /* questions a minute */
	unsigned port;	     /* of WKD */
	const char **url;
	size_t n_url;
	/* of LDAP */
	bool starttls;
	const char *base;
	const char *filter;	      /* %s: the address */
	const char *recipient_filter; /* the same, perhaps more than once */
	const char *bind_dn;	      /* NULL: anonymous */
	const char *password_file;
	uint64_t refresh_s; /* between looks for what it brought; 0: found_s */
};

struct conf_discovery {
	const uint8_t *source; /* enum ks_source, in the order written */
	size_t n_source;
	uint64_t timeout_ms;
	struct conf_net *allow; /* beyond public addresses */
	size_t n_allow;
	const char *ca_file; /* PEM; NULL: the system's */
	bool domain_keys;    /* those of whole domains are asked for, too */
	uint64_t found_s, absent_s, failed_s; /* that an answer holds */
	struct conf_source wkd, dane, vks, hkp, ldap;
	struct conf_source sts; /* of MTA-STS; no source of keys */
};

/* Documents that rules look into. */
struct conf_extract {
	const char *pdf; /* program; NULL: they are not looked into */
	bool office;
	uint64_t timeout_ms; /* for all of a message */
};

/* A group of addresses in the directory: a `group` section. */
struct conf_group {
	unsigned line;
	const char *name;
	const char *base;
	const char *filter;
	const char *attribute; /* that has the addresses */
	const char *member;    /* that names who has them; NULL: the entries
				  found have */
	bool nested;	       /* what it names may name others */
	uint64_t refresh_ms;
	uint64_t keep_s; /* an answer older than that is none */
};

/* Before the name of a file that the service manager gives us. */
#define CONF_CREDENTIAL "credential:"

struct conf_limits {
	uint64_t message_size; /* octets */
	unsigned connections;
	unsigned connections_per_client;
	unsigned recipients;
	unsigned errors;	  /* per session */
	unsigned messages;	  /* per session */
	unsigned connection_rate; /* of one client, in a minute */
	unsigned error_rate;	  /* the same, of refused commands */
	unsigned workers;
	unsigned openers;    /* 0 without `listen inbound` */
	uint64_t memory;     /* octets reserved for messages in progress */
	uint64_t free_space; /* octets below which new mail is refused */
	uint64_t idle_ms;    /* without an octet from the client */
	uint64_t wait_ms;    /* for the next hop, where a client waits for it */
	uint64_t stop_ms;    /* what SIGTERM lets finish */
	uint64_t hang_ms;    /* without an answer, a process is killed */
	uint64_t engine_ms;  /* for one operation of gpg */
	unsigned min_rate;   /* octets per second while a client sends DATA */
};

struct conf_retry {
	uint64_t first_ms;  /* doubled with every try, with jitter */
	uint64_t max_ms;    /* never longer between two tries */
	uint64_t warn_ms;   /* the sender is told that mail is late */
	uint64_t hold_ms;   /* a pending entry is held, with an alarm */
	uint64_t tls_ms;    /* TLS is tried before another rung is */
	uint64_t expire_ms; /* given up */
};

/* The audit log. */
struct conf_audit {
	unsigned checkpoint_records; /* a signature after so many */
	uint64_t checkpoint_ms;	     /* and after this time */
	const char *checkpoint_mail; /* who gets them; NULL: nobody */
	uint64_t mail_ms;	     /* not more often */
	const char *syslog;	     /* socket of the system's log, or NULL */
	bool subjects;		     /* are written down, too */
	bool pseudonyms;	     /* take the place of addresses */
};

/* Reports on TLS to those who ask for them (RFC 8460). */
struct conf_tls_reports {
	bool present;
	unsigned line;	     /* as in all that is like it */
	const char *contact; /* an address of ours; reports come from it */
	const char *organization;
	uint64_t delay_ms; /* after midnight (UTC): spread over this time */
};

enum { CONF_REVOCATION_OFF = 2 }; /* enum crypto_revocation */

/* Whom certificates are believed by. */
struct conf_certs {
	const char *anchors; /* file of CA certificates, or NULL */
	unsigned revocation; /* enum crypto_revocation */
	const char **policy; /* object identifiers */
	size_t n_policy;
	uint8_t (*distrusted)[32]; /* fingerprints */
	size_t n_distrusted;
};

/* A message and what the rules must make of it: a `test` section. */
struct conf_test {
	unsigned line;
	const char *name;
	const char *from, *to;			    /* as written */
	const char *subject, *body, *client, *user; /* NULL: none */
	const char **header;			    /* whole fields */
	size_t n_header;
	const char **attachment; /* names */
	size_t n_attachment;
	const char **from_group; /* of the directory, that the sender is in */
	size_t n_from_group;
	const char **to_group;
	size_t n_to_group;
	bool reply;	    /* it answers mail that came encrypted */
	unsigned has;	    /* bits: rungs that hold */
	unsigned fails;	    /* bits: rungs that fail */
	const char *expect; /* a rung, "refused" or "wait" */
	const char *rule;   /* whose ladder it is; NULL: any */
};

/* Where things are beneath state and runtime. No other place makes these. */
struct conf_paths {
	const char *keys;      /* state/keys: sealed purpose keys */
	const char *spool;     /* state/spool: the environment of store */
	const char *bodies;    /* state/bodies: large sealed bodies */
	const char *escrow;    /* state/escrow: objects for pick-up */
	const char *portal;    /* state/portal: index of the portal */
	const char *publish;   /* state/publish: what anybody may have */
	const char *audit;     /* state/audit: JSON lines and checkpoints */
	const char *tls;       /* state/tls: what domains' servers have */
	const char *keystore;  /* directory of the LMDB keystore */
	const char *control;   /* runtime/control: socket of `sealgate` */
	const char *pgp;       /* runtime/pgp: homes of the pgp processes */
	const char *admission; /* runtime/admission: home of admission's gpg */
	const char *ca_file;   /* discovery's, which stands elsewhere; NULL */
	const char *pdftotext; /* extract's program; NULL */
};

struct conf {
	struct arena *arena; /* owns everything below but policy */
	const char *file;
	uint8_t digest[32]; /* SHA-256 of the file's text */
	const char *hostname;
	const char *state;
	const char *runtime;
	const char *master_key; /* NULL: a credential of the service manager */
	const char *users;	/* prefix of the user names, or NULL */
	const char *postmaster; /* where mail for <postmaster> goes */
	const char *alarm_to;	/* the same if it was given; NULL: nobody */
	uint64_t alarm_ms;	/* between two mails with alarms */
	uid_t users_base;	/* first numeric user, 0 if not given */
	bool log_debug;
	const char **domains; /* lower case A-labels; "*.x" matches below x */
	size_t n_domains;
	struct conf_addr *resolver; /* name servers; none: the system's */
	size_t n_resolver;
	const char *dnssec_anchors; /* file; NULL: the root's; "": none */
	struct conf_listen *listen;
	size_t n_listen;
	struct conf_relay outbound;
	struct conf_relay inbound;
	struct conf_dkim *dkim;
	size_t n_dkim;
	struct conf_route *route;
	size_t n_route;
	const char *tls_anchors; /* PEM file; NULL: the system's */
	struct conf_opening opening;
	struct conf_metrics metrics;
	struct conf_discovery discovery;
	struct conf_certs certs;
	struct conf_portal portal;
	struct conf_escrow escrow;
	struct conf_dmz portal_dmz;	/* where it is, if not here */
	struct conf_dmz portal_gateway; /* whose it is: there is no other mail
					   here */
	struct conf_limits limits;
	struct conf_retry retry;
	struct conf_audit audit;
	struct conf_tls_reports tls_reports;
	struct conf_ca ca;
	struct conf_trust trust;
	struct conf_paths paths;
	struct conf_extract extract;
	struct conf_group *group;
	size_t n_group;
	struct conf_test *test;
	size_t n_test;
	struct policy *policy;		 /* never NULL; owned */
	struct facts_matchers *matchers; /* of its conditions; owned */
};

enum conf_level {
	CONF_ERROR,
	CONF_WARN, /* said by -n, does not stop anything */
};

struct conf_finding {
	enum conf_level level;
	unsigned line; /* 0 when the file as a whole is meant */
	const char *text;
};

/* What was found in one file, in the order of its lines. */
struct conf_findings {
	struct arena *arena;
	const char *file;
	struct conf_finding *list;
	size_t n;
	size_t n_errors;
	size_t lost; /* findings beyond the number kept */
};

void conf_findings_init(struct conf_findings *f);
void conf_findings_clear(struct conf_findings *f);
/* Write "FILE:LINE: text" of finding i, without a newline. Returns out. */
const char *conf_finding_text(
    const struct conf_findings *f, size_t i, char *out, size_t out_size);

/* Read and check a configuration. Everything that is wrong is added to f
   (initialised by the caller); ERR_CONFIG if there is an error among it,
   ERR_IO or ERR_NOT_FOUND when the file cannot be read (told in f, too). The
   caller frees *out with conf_free(). */
enum err conf_load(
    const char *path, struct conf_findings *f, struct conf **out) MUST_CHECK;
/* The same for a text in memory; name stands for the file in findings. */
enum err conf_parse(struct span text, const char *name, struct conf_findings *f,
    struct conf **out) MUST_CHECK;
void conf_free(struct conf *c);

/* The settings of a source (enum ks_source); NULL if it is never asked. */
const struct conf_source *conf_source(const struct conf *c, unsigned source);
/* Seconds that the source's answer holds when it has a key. */
uint64_t conf_found_s(const struct conf *c, unsigned source);
/* Is the domain (lower case A-labels) one of ours? */
bool conf_domain_is_ours(const struct conf *c, struct span domain);
/* The section that signs for a domain: its own, or that of the nearest domain
   above it. NULL. */
const struct conf_dkim *conf_dkim_for(const struct conf *c, const char *domain);
/* How mail for the domain (lower case A-labels) leaves: its route, the one
   named in most labels, else relay outbound. */
const struct conf_relay *conf_relay_for(
    const struct conf *c, const char *domain);
/* All of them in turn: outbound, inbound, the routes; NULL behind the last. */
const struct conf_relay *conf_relay_at(const struct conf *c, unsigned i);
/* Does any section need files of users or recipients? */
bool conf_has_accounts(const struct conf *c);
/* May mail that the client (an address as text) handed in be signed in its
   sender's name? auth_id: who has signed in, "" if nobody. */
bool conf_may_sign(
    const struct conf *c, const char *client, const char *auth_id);
/* Is the peer in one of the networks? An IPv4-mapped IPv6 address counts as
   the IPv4 address it carries. */
bool conf_net_matches(
    const struct conf_net *nets, size_t n, const struct sockaddr *sa);

/* NULL: there is none of this name. */
const struct conf_group *conf_group(const struct conf *c, const char *name);
/* Does any rule ask for TLS on the way? */
bool conf_uses_tls(const struct conf *c);
/* Is it the sealed copy for an archive that a rule asks for? */
bool conf_is_archive_copy(const struct conf *c, const struct entry *e);
/* May any rule drop mail? */
bool conf_may_drop(const struct conf *c);

#endif
