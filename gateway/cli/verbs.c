/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The table of verbs of `sealgate`. A new verb is a row here, a prototype in
 * cli.h and a function in the file of its noun.
 */
#include "gateway/cli/cli.h"

const struct cli_verb cli_verbs[] = {
    {"key", "import", "[--candidate] FILE...",
	"Take in certificates (PEM, DER) and OpenPGP keys; - is standard input",
	cli_key_import},
    {"key", "list", "[WORD]",
	"List keys, with WORD those whose address, subject or fingerprint has "
	"it",
	cli_key_list},
    {"key", "show", "FINGERPRINT|ADDRESS...", "Show all there is to know",
	cli_key_show},
    {"key", "delete", "FINGERPRINT...", "Delete keys", cli_key_delete},
    {"key", "trust", "[--level LEVEL] FINGERPRINT...",
	"Let keys be used for sealing; LEVEL is trusted unless given: pinned, "
	"trusted, discovered, harvested, candidate",
	cli_key_trust},
    {"key", "distrust", "FINGERPRINT...",
	"Never use these keys, whoever brings them again", cli_key_distrust},
    {"key", "lookup", "[--kind smime|openpgp] ADDRESS...",
	"Tell which key mail to an address is sealed to, and why no other",
	cli_key_lookup},
    {NULL, "explain", "--from ADDRESS --to ADDRESS... [--file MESSAGE]",
	"Tell what would happen to a message, by which rule and key, and why",
	cli_explain},
    {NULL, NULL, NULL, NULL, NULL},
};
