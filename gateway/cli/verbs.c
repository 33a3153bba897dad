/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The table of verbs of `sealgate`. A new verb is a row here, a prototype in
 * cli.h and a function in the file of its noun.
 */
#include "gateway/cli/cli.h"

/* which entries of the queue are meant */
#define FILTER                                                                 \
	"[--from ADDRESS] [--to ADDRESS] [--domain DOMAIN] [--state STATE] "   \
	"[--reason WORD] [--older TIME] [--newer TIME] [--larger SIZE] "       \
	"[--smaller SIZE]"

const struct cli_verb cli_verbs[] = {
    {"key", "import",
	"[--candidate] [--anchor] [--anchor-for DOMAIN] [--domain DOMAIN] "
	"[--passphrase-file FILE | "
	"--passphrase-fd N] FILE...",
	"Take in certificates (PEM, DER), OpenPGP keys, and secret keys to "
	"sign with (PKCS#12, PEM, OpenPGP); - is standard input",
	cli_key_import},
    {"key", "list",
	"[--domain DOMAIN] [--expires-in TIME] [--kind smime|openpgp] "
	"[--source SOURCE] [--trust LEVEL] [--deleted] [WORD]",
	"List keys, with WORD those whose address, subject or fingerprint has "
	"it; TIME is a number and h, d, w or y; with --deleted those that can "
	"be undeleted",
	cli_key_list},
    {"key", "show", "FINGERPRINT|ADDRESS...", "Show all there is to know",
	cli_key_show},
    {"key", "delete", "[--purge [--deleted]] FINGERPRINT...",
	"Delete keys; they can be undeleted, unless --purge is given, which "
	"keeps nothing of them; with --deleted of those deleted before",
	cli_key_delete},
    {"key", "undelete", "FINGERPRINT...",
	"Put deleted keys back, with their private halves", cli_key_undelete},
    {"key", "trust", "[--level LEVEL] FINGERPRINT...",
	"Let keys be used for sealing; LEVEL is trusted unless given: pinned, "
	"trusted, discovered, harvested, candidate",
	cli_key_trust},
    {"key", "distrust", "FINGERPRINT...",
	"Never use these keys, whoever brings them again", cli_key_distrust},
    {"key", "lookup", "[--kind smime|openpgp] [--offline] ADDRESS...",
	"Ask the sources for keys of an address, and tell which one mail to it "
	"is sealed to, and why no other",
	cli_key_lookup},
    {"key", "refresh",
	"[--domain DOMAIN] [--expires-in TIME] [--kind smime|openpgp] "
	"[--source SOURCE] [--trust LEVEL] [ADDRESS...]",
	"Ask the sources again, for these addresses or for those of all keys "
	"that sources have brought",
	cli_key_refresh},
    {"key", "pending", "[--all]",
	"List keys that wait for approval, with --all what was refused, too",
	cli_key_pending},
    {"key", "refused", "[ADDRESS...]",
	"List keys that were brought in the last 30 days and not let in, with "
	"the reason",
	cli_key_refused},
    {"key", "approve",
	"[--level LEVEL] [--beside] [--for ADDRESS] FINGERPRINT...",
	"Use keys that wait; those they replace become candidates unless "
	"--beside is given",
	cli_key_approve},
    {"key", "refuse", "[--for ADDRESS] FINGERPRINT...",
	"Do not use keys that wait, and do not ask again", cli_key_refuse},
    {"key", "history", "ADDRESS|@DOMAIN...",
	"Tell what happened to the keys of an address, and which it has",
	cli_key_history},
    {"key", "generate",
	"[--kind smime|openpgp] [--alg ALG] [--name NAME] [--expires TIME] "
	"[--out FILE] ADDRESS...|--domain DOMAIN",
	"Make a private key and a request for its certificate, or an OpenPGP "
	"key; ALG is p256 unless given: p384, rsa3072, rsa4096",
	cli_key_generate},
    {"key", "export",
	"[--secret] [--out FILE] [--passphrase-file FILE | --passphrase-fd N] "
	"FINGERPRINT...",
	"Write certificates (PEM) and OpenPGP keys (armored); with --secret "
	"the private key, too, under a passphrase",
	cli_key_export},
    {"key", "publish", "[--off] FINGERPRINT... | --dns [FINGERPRINT...]",
	"Let anybody have own keys from the portal's Web Key Directory, or no "
	"more; with --dns print their records for the name servers",
	cli_key_publish},
    {"ca", "init", "[--name NAME] [--alg ALG] [--valid TIME] [--out FILE]",
	"Make a CA for the gateway's own users; its key is sealed in the "
	"keystore",
	cli_ca_init},
    {"ca", "issue",
	"[--ca FINGERPRINT] [--profile both|sign|encrypt] [--alg ALG] "
	"[--name NAME] [--valid TIME] [--csr FILE | --renew] [--out FILE] "
	"ADDRESS...|--domain DOMAIN",
	"Issue a certificate with a key made here, or for the key of a "
	"request; with --renew, and for a domain, another follows by itself "
	"before it ends",
	cli_ca_issue},
    {"ca", "revoke", "[--reason REASON] FINGERPRINT...",
	"Take certificates of the CA back and make a new list of those; "
	"REASON is unspecified unless given: key-compromise, "
	"affiliation-changed, superseded, cessation, privilege-withdrawn",
	cli_ca_revoke},
    {"ca", "crl", "[--ca FINGERPRINT] [--out FILE]",
	"Make a new list of revoked certificates and write it (PEM)",
	cli_ca_crl},
    {"ca", "import-crl", "[--url URL] [--issuer FILE] FILE...",
	"Take revocation lists of others from files (PEM or DER) that could "
	"not "
	"be fetched: of a whole CA, or as if they came from URL",
	cli_ca_import_crl},
    {"recipient", "list", "", "List recipients that something is set for",
	cli_setting_list},
    {"recipient", "show", "ADDRESS",
	"Show what counts for a recipient, by itself or by its domain",
	cli_setting_show},
    {"recipient", "set",
	"[--seal-from LEVEL|configured] [--keys any|by-hand] "
	"[--smime FORMS|known] ADDRESS...",
	"Set from which level on keys are sealed to, whether sources may "
	"bring keys, and what of S/MIME is opened there",
	cli_setting_set},
    {"recipient", "delete", "ADDRESS...", "Forget what was set",
	cli_setting_delete},
    {"dkim", "generate", "[--ed25519] DOMAIN SELECTOR",
	"Make a key that signs mail of the domain when it leaves, RSA unless "
	"told otherwise, and print its record for the DNS",
	cli_dkim_generate},
    {"dkim", "import", "DOMAIN SELECTOR FILE",
	"Take such a key from a file (RSA or Ed25519, PEM)", cli_dkim_import},
    {"dkim", "show", "DOMAIN SELECTOR", "Print the record of a key",
	cli_dkim_show},
    {"dkim", "delete", "DOMAIN SELECTOR", "Delete a key", cli_dkim_delete},
    {"domain", "list", "[--tls]",
	"List domains that something is set for; with --tls those whose mail "
	"servers were looked at, and what TLS they had",
	cli_domain_list},
    {"domain", "show", "[--tls] DOMAIN",
	"Show what counts for a domain; with --tls all that is known of the "
	"TLS of its mail servers",
	cli_domain_show},
    {"domain", "check", "DOMAIN...",
	"Look at the mail servers of domains now: is their TLS "
	"authenticated?",
	cli_domain_check},
    {"domain", "set",
	"[--seal-from LEVEL|configured] [--keys any|by-hand] "
	"[--smime FORMS|known] DOMAIN...",
	"The same for all addresses of a domain", cli_setting_set},
    {"domain", "delete", "DOMAIN...", "Forget what was set",
	cli_setting_delete},
    {NULL, "explain", "--from ADDRESS --to ADDRESS... [--file MESSAGE] [--ask]",
	"Tell what would happen to a message, by which rule and key, and why",
	cli_explain},
    {NULL, "open", "--to ADDRESS",
	"Write the message on standard input as the recipient would get it "
	"opened",
	cli_open},
    {NULL, "seal", "--from ADDRESS --to ADDRESS",
	"Write the message on standard input as the recipient would get it",
	cli_seal},
    {NULL, "backup",
	"[--no-private] [--certificate FILE | --passphrase-file FILE | "
	"--passphrase-fd N] FILE | --state DIRECTORY",
	"Save the keystore as it is at this moment, sealed; - is standard "
	"output; with --state all that the state directory holds, as it is "
	"sealed there",
	cli_backup},
    {NULL, "restore",
	"[--no-private] [--key FILE] [--passphrase-file FILE | "
	"--passphrase-fd N] FILE",
	"Fill an empty keystore from a backup; private keys are sealed to "
	"this gateway",
	cli_restore},
    {"master-key", "rotate", "[--file FILE]",
	"Make another master key for the same state, while the gateway is "
	"stopped; FILE is the key's where the service manager hands it over",
	cli_master_key_rotate},
    {"queue", "list", FILTER,
	"List the mail that is not delivered yet; TIME is a number and s, m, "
	"h, d or w, SIZE a number and K, M or G",
	cli_queue_list},
    {"queue", "show", "ID",
	"Show envelope, reason, tries and last result; ID is that of an entry "
	"or of a message",
	cli_queue_show},
    {"queue", "flush", FILTER " | [ID...]", "Try at once: all of it, or these",
	cli_queue_flush},
    {"queue", "hold", FILTER " | ID...",
	"Neither deliver nor decide until released", cli_queue_hold},
    {"queue", "release", FILTER " | ID...", "Let held mail go on",
	cli_queue_release},
    {"queue", "delete", FILTER " | ID...", "Delete without a notice to anybody",
	cli_queue_delete},
    {"queue", "salvage", "[DIRECTORY...]",
	"Take mail out of a spool that was moved aside, all of them unless "
	"named; it is held",
	cli_queue_salvage},
    {"escrow", "list", "", "List the mail that stands for pick-up",
	cli_escrow_list},
    {"escrow", "show", "ID",
	"Show for whom it is, what opens it, until when, and how often it was "
	"opened; ID is that of an object or of a message",
	cli_escrow_show},
    {"escrow", "revoke", "ID...",
	"Take it back: nobody can open it any more, who has read it neither",
	cli_escrow_revoke},
    {"escrow", "extend", "--for TIME ID...",
	"Let it stand for so long from now on; TIME is a number and s, m, h, d "
	"or w",
	cli_escrow_extend},
    {"escrow", "unlock", "ID...",
	"Let it be opened again after too many wrong passphrases",
	cli_escrow_unlock},
    {"escrow", "recover",
	"[--object FILE] [--passphrase-file FILE | --passphrase-fd N] "
	"--key FILE ID",
	"Write the message on standard output, opened by the private key of "
	"the recovery certificate",
	cli_escrow_recover},
    {"escrow", "account", "list | show ADDRESS... | remove ADDRESS...",
	"Who has chosen a passphrase for mail for pick-up; remove it: what was "
	"sealed for it never opens again, and the next message is a first one",
	cli_escrow_account},
    {"escrow", "resend",
	"[--object FILE] [--passphrase-file FILE | --passphrase-fd N] "
	"--key FILE | --from FILE ID",
	"Send the message again with a new link and take the old one back, "
	"opened by the recovery key or from the sender's own copy",
	cli_escrow_resend},
    {"audit", "list",
	"[--last N] [--since TIME] [--until TIME] [--address A] [--from A] "
	"[--rcpt A] [--message-id ID] [--id ID] [--entry ID] [--object NAME] "
	"[--rule NAME] [--rung RUNG] [--result WORD] [--type TYPE] [--key FPR]",
	"List records of the audit log, oldest first", cli_audit_list},
    {"audit", "show", "ID|MESSAGE-ID|NUMBER",
	"Show what happened to a message and why, or one record",
	cli_audit_show},
    {"audit", "export",
	"[--format json|syslog|journal] [--to SOCKET|udp:HOST:PORT|"
	"tcp:HOST:PORT] [--from NUMBER] [--follow]",
	"Write the audit log for other programs, as it stands or as messages "
	"of syslog (RFC 5424) or the journal",
	cli_audit_export},
    {"audit", "reindex", "", "Make the index of the audit log anew",
	cli_audit_reindex},
    {"audit", "verify",
	"[--head NUMBER:HASH] [--key KEY] [--from NUMBER] [--dir DIRECTORY]",
	"Check chain and signatures; with --head, that a record noted "
	"elsewhere is still there",
	cli_audit_verify},
    {"user", "hash",
	"[--passphrase-file FILE | --passphrase-fd N] NAME "
	"[ADDRESS|@DOMAIN...]",
	"Write a line for the file of users of listen outbound: who may sign "
	"in, and write as which addresses",
	cli_user_hash},
    {NULL, "setup",
	"[--hostname NAME] [--domain DOMAIN]... [--mail-server HOST:PORT] "
	"[--listen ADDRESS:PORT] [--next-hop mx|HOST:PORT] [--inbound "
	"ADDRESS:PORT [--tls-cert FILE --tls-key FILE]] [--portal URL|none "
	"[--portal-address ADDRESS:PORT] [--portal-cert FILE --portal-key "
	"FILE] [--portal-dmz ADDRESS:PORT [--peer FINGERPRINT]]] [--sign] "
	"[--domain-keys] [--state DIRECTORY] [--runtime DIRECTORY] [--users "
	"PREFIX|NUMBER] [--etc DIRECTORY] [--role portal] [--dry-run]",
	"Write the first configuration, the master key and, if wanted, a CA "
	"and keys of the domains; with --role portal, that of a portal in a "
	"DMZ; asks what is not said, and tells what to do next",
	cli_setup},
    {NULL, "doctor", "",
	"Look at everything that the gateway needs, and say what to do about "
	"what is wrong",
	cli_doctor},
    {NULL, "status", "", "Show how the gateway is; 1 when it is not well",
	cli_status_show},
    {NULL, "reload", "", "Take the configuration anew if it is good",
	cli_reload},
    {NULL, "check", "", "Check the configuration", cli_check},
    {NULL, "completion", "bash|zsh",
	"Write a script that lets the shell complete verbs and options",
	cli_completion},
    {NULL, NULL, NULL, NULL, NULL},
};
