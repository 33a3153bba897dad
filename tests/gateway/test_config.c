/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/conf.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Seven lines that are a configuration; rows add to them or replace one. */
static const char *const base[] = {
    "hostname = \"gw.example.com\"\n",
    "domains = { \"example.com\" }\n",
    "listen outbound { address = \"127.0.0.1:10025\" }\n",
    "relay outbound { via = \"mx\" }\n",
    "portal { address = \"127.0.0.1:8080\" url = \"https://p.example\" }\n",
    "rule \"r\" { try = { smime, pgp, escrow } }\n",
};

/* The base with line number n (from 1) replaced, or added as the seventh. */
static void
text_with(char *out, size_t size, unsigned n, const char *line)
{
	size_t len = 0;

	*out = '\0';
	for (unsigned i = 1; i <= N(base) + 1; i++)
		len += (size_t)snprintf(out + len, size - len, "%s",
		    i == n	   ? line
		    : i <= N(base) ? base[i - 1]
				   : "");
}

static enum err
parse(const char *text, struct conf_findings *f, struct conf **out)
{
	conf_findings_init(f);
	return conf_parse(span_str(text), "/etc/sealgate/t.conf", f, out);
}

Test(config, fills_in_what_is_not_said)
{
	struct conf_findings f;
	struct conf *c = NULL;
	char text[4096], why[600] = "";

	text_with(text, sizeof(text), 7, "");
	cr_assert_eq(parse(text, &f, &c), ERR_OK, "%s",
	    f.n > 0 ? conf_finding_text(&f, 0, why, sizeof(why)) : "");
	cr_expect_eq(f.n_errors, 0);
	cr_expect_str_eq(c->hostname, "gw.example.com");
	cr_expect_str_eq(c->state, "/var/lib/sealgate");
	cr_expect_str_eq(c->runtime, "/run/sealgate");
	cr_expect_str_eq(c->master_key, "/etc/sealgate/master.key");
	cr_expect_str_eq(c->postmaster, "postmaster@example.com");
	cr_expect_str_eq(c->paths.keystore, "/var/lib/sealgate/keystore");
	cr_expect_str_eq(c->paths.control, "/run/sealgate/control");
	cr_expect_null(c->users);
	cr_expect_eq(c->users_base, 0);
	cr_assert_eq(c->n_listen, 1);
	cr_expect_eq(c->listen[0].n_clients, 2);
	cr_expect_eq(c->listen[0].message_size, 50 << 20);
	cr_expect_eq(c->outbound.kind, CONF_VIA_MX);
	cr_expect_eq(c->outbound.port, 25);
	cr_expect_not(c->inbound.present);
	cr_expect_eq(c->portal.expires_s, 30 * 86400);
	cr_expect_eq(c->limits.connections, 200);
	cr_expect_eq(c->limits.openers, 0);
	cr_expect_str_eq(c->opening.authserv_id, c->hostname);
	cr_expect_eq(c->retry.expire_ms, 5 * 86400000);
	cr_expect_eq(c->discovery.timeout_ms, 8000);
	cr_expect_eq(policy_n_rules(c->policy), 1);
	conf_free(c);
	conf_findings_clear(&f);
}

/* Lines that are taken. */
static const struct {
	unsigned n;
	const char *line;
} valid[] = {
    {1, "hostname = \"GW.Example.COM\"\n"},
    {2, "domains = { \"example.com\", \"*.example.com\", \"b.example\" }\n"},
    {2, "domains = \"example.com\"\n"},
    {3, "listen outbound { address = { \"127.0.0.1:1\", \"[::1]:65535\" }"
	" clients = { \"10.0.0.0/8\", \"2001:db8::/32\", \"10.1.2.3\" } }\n"},
    {3, "listen outbound { address = \"0.0.0.0:25\" tls-cert = \"/c\""
	" tls-key = \"/k\" message-size = 1K }\n"},
    {4, "relay outbound { via = \"mx\" port = 2525 }\n"},
    {4, "relay outbound { via = \"smtp.example.net:587\" }\n"},
    {4, "relay outbound { via = \"smtp.example.net\" }\n"},
    {4, "relay outbound { via = \"127.0.0.1:2526\" }\n"},
    {4, "relay outbound { via = \"[2001:db8::1]:25\" }\n"},
    {4, "relay outbound { via = \"lmtp://127.0.0.1:24\" }\n"},
    {4, "relay outbound { via = \"lmtp://[::1]\" }\n"},
    {4, "relay outbound { via = \"mx\" tls = dane }\n"},
    {4, "relay outbound { via = \"mx\" tls = verify"
	" tls-names = { \"MX.example.net\", \"b.example\" } }\n"},
    {4, "relay outbound { via = \"127.0.0.1:25\" tls = verify"
	" tls-names = \"mx.example.net\" }\n"},
    {4, "relay outbound { via = \"smtp.example.net\" tls = verify }\n"},
    {4, "relay outbound { via = \"mx\" tls = mta-sts }\n"},
    {4, "relay outbound { via = \"h.example:25\" next-hop-delivers = tls }\n"},
    {7, "route \"B.example\" { tls = verify }\nroute \"*.b.example\" {"
	" via = \"[2001:db8::1]:2525\" tls = encrypt }\n"},
    {7, "route \"c.example\" { via = \"h.example:587\" tls = verify"
	" user = \"u\" password-file = \"/p\" }\n"},
    {7, "tls-anchors = \"/a.pem\"\ndnssec-anchors = \"/root.key\"\n"},
    {5, "portal { address = \"127.0.0.1:80\" url = \"http://127.0.0.1:80/\""
	" expires = 1h }\n"},
    {5, "portal { address = \"0.0.0.0:443\" url = \"https://p.example/x/\""
	" tls-cert = \"/c\" tls-key = \"/k\" }\n"},
    {5, "portal { address = \"0.0.0.0:443\" url = \"https://p.example/x/\""
	" tls-cert = \"/c\" tls-key = \"credential:portal-key\" }\n"},
    {6, "rule \"r\" { try = { smime, pgp, hold } }\n"},
    {6, "rule \"r\" { try = clear }\n"},
    {6, "rule \"a\" { to = { \"A@B.Example\", \"@*.c.example\","
	" \"!@d.example\" } try = { reject } }\nrule b { try = { clear } }\n"},
    {6, "rule \"a\" { from = \"<>\" try = drop }\nrule b { try = clear }\n"},
    {6, "rule a { subject-tag = \"[secure]\" try = { smime, pgp, escrow } }\n"
	"rule b { try = { smime, pgp, clear } on-error = hold }\n"},
    {7, "relay inbound { via = \"10.0.0.5:25\" }\n"},
    {7, "state = \"/srv/s/\" runtime = \"/run/s\" log = debug\n"},
    {7, "master-key = credential\n"},
    {7, "master-key = \"/etc/s/key\"\n"},
    {7, "users = \"sealgate\"\n"},
    {7, "users = 61000\n"},
    {7, "postmaster = \"it@example.com\"\n"},
    {7, "resolver = { \"127.0.0.1\", \"[::1]:5353\" }\n"},
    {7, "automatic-mail = reject\n"},
    {7, "keystore { url = \"lmdb:/srv/keys\" }\n"},
    {7, "certificates { anchors = \"/etc/ssl/cas.pem\" revocation = hard"
	" policies = { \"2.23.140.1.5.1.2\", \"1.2.3\" } distrusted ="
	" \"0000000000000000000000000000000000000000000000000000000000000aBc\""
	" }\n"},
    {7, "certificates { revocation = off distrusted = { } policies = { } }\n"},
    {7, "discovery { sources = { } timeout = 2s }\n"},
    {7, "discovery { sources = { \"wkd\", \"dane\", \"vks\", \"hkp\" } "
	"allow = { \"10.0.0.0/8\", \"::1\" } found-for = 1h "
	"domain-keys = false }\n"},
    {7, "discovery { sources = \"ldap\" }\ndiscovery ldap { url = "
	"\"ldaps://ldap.example.com\" base = \"dc=example\" filter = "
	"\"(&(mail=%s)(x=y))\" }\n"},
    {7, "discovery ldap { url = \"ldap://ldap.example.com\" bind-dn = "
	"\"cn=gw\" password-file = \"/etc/pw\" }\n"},
    {7, "discovery ldap { url = { \"ldap://127.0.0.1:1389\", "
	"\"ldap://[::1]\", \"ldap://localhost\", \"ldaps://x.example\" } "
	"starttls = false bind-dn = \"cn=gw\" password-file = \"/etc/pw\" }\n"},
    {7, "discovery ldap { url = { \"ldap://127.0.0.2\", \"ldaps://x.example\" "
	"} "
	"starttls = false }\ngroup \"g\" { base = \"dc=x\" filter = "
	"\"(a=b)\" }\n"},
    {7, "discovery ldap { url = \"ldap://x.example\" }\ngroup \"g\" { base = "
	"\"dc=x\" filter = \"(a=b)\" }\n"},
    {7, "discovery wkd { refresh = 12h }\ndiscovery dane { refresh = 1h }\n"},
    {7, "discovery vks { url = { \"https://a.example\", "
	"\"https://[2001:db8::1]:8443/x/\" } rate = 5 }\n"},
    {7, "limits { message-size = 100M memory = 200M workers = 64"
	" min-rate = 0 }\n"},
    {7, "retry { first = 200ms max = 1s warn = 2s hold = 2s expire = 4s }\n"},
    {5, "portal { url = \"https://p.example\" }\n"
	"portal dmz { at = \"192.0.2.1:8443\" tls-cert = \"/c\" tls-key = "
	"\"/k\" peer = { "
	"\"0000000000000000000000000000000000000000000000000000000000000"
	"000\" } }\n"
	"rule \"x\" { to = \"@x.example\" try = { escrow } second-factor = "
	"account }\n"},
};

Test(config, takes_what_the_manual_offers)
{
	for (size_t i = 0; i < N(valid); i++) {
		struct conf_findings f;
		struct conf *c = NULL;
		char text[4096], why[600] = "";

		text_with(text, sizeof(text), valid[i].n, valid[i].line);
		cr_expect_eq(parse(text, &f, &c), ERR_OK, "%s: %s",
		    valid[i].line,
		    f.n > 0 ? conf_finding_text(&f, 0, why, sizeof(why)) : "");
		conf_free(c);
		conf_findings_clear(&f);
	}
}

/* Lines that are refused: which line is named (0: the file), and what is said
   there. */
static const struct {
	unsigned n;
	const char *line;
	unsigned at;
	const char *says;
} invalid[] = {
    {1, "\n", 0, "\"hostname\" is missing"},
    {1, "hostname = gw\n", 1, "double quotes"},
    {1, "hostname = \"\"\n", 1, "not a host name"},
    {1, "hostname = \"[127.0.0.1]\"\n", 1, "expected a host name"},
    {1, "hostname = \"a..b\"\n", 1, "not a host name"},
    {1, "hostname = \"a b\"\n", 1, "not a host name"},
    {1, "hostname = 5\n", 1, "found \"5\""},
    {1, "hostname = { \"a\" }\n", 1, "found a list"},
    {2, "\n", 0, "\"domains\" is missing"},
    {2, "domains = { }\n", 2, "empty"},
    {2, "domains = { \"*.\" }\n", 2, "not a domain"},
    {2, "domains = { \"a@example.com\" }\n", 2, "not a domain"},
    {2, "domains = { example.com }\n", 2, "double quotes"},
    {3, "\n", 0, "sections listen outbound and listen inbound are missing"},
    {3, "listen outbound { }\n", 3, "\"address\" is missing"},
    {3, "listen { address = \"127.0.0.1:1\" }\n", 3, "unknown section listen"},
    {3, "listen sideways { }\n", 3, "unknown section listen sideways"},
    {3, "listen outbound { address = \"127.0.0.1\" }\n", 3, "expected a port"},
    {3, "listen outbound { address = \"127.0.0.1:0\" }\n", 3, "address:port"},
    {3, "listen outbound { address = \"127.0.0.1:65536\" }\n", 3,
	"address:port"},
    {3, "listen outbound { address = \"::1:25\" }\n", 3, "address:port"},
    {3, "listen outbound { address = \"[::1:25\" }\n", 3, "address:port"},
    {3, "listen outbound { address = \"localhost:25\" }\n", 3, "not a name"},
    {3, "listen outbound { address = 25 }\n", 3, "address:port"},
    {3, "listen outbound { address = \"127.0.0.1:1\" clients = {} }\n", 3,
	"empty"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\""
	" clients = \"10.0.0.5/8\" }\n",
	3, "no bits set"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\""
	" clients = \"10.0.0.0/33\" }\n",
	3, "from 0 to 32"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\""
	" clients = \"::/129\" }\n",
	3, "from 0 to 128"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\""
	" clients = \"10.0.0.0/\" }\n",
	3, "prefix"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\""
	" clients = \"example.com\" }\n",
	3, "expected a network"},
    {3, "listen outbound { address = \"127.0.0.1:1\" tls-cert = \"/c\" }\n", 3,
	"tls-key, too"},
    {3, "listen outbound { address = \"127.0.0.1:1\" tls-key = \"/c\" }\n", 3,
	"tls-cert, too"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\" tls-cert = \"/c\""
	" tls-key = \"credential:\" }\n",
	3, "or credential:NAME"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\" tls-cert = \"/c\""
	" tls-key = \"credential:../x\" }\n",
	3, "or credential:NAME"},
    {3,
	"listen outbound { address = \"127.0.0.1:1\" tls-key = \"/k\""
	" tls-cert = \"credential:c\" }\n",
	3, "expected an absolute path"},
    {3, "listen outbound { address = \"127.0.0.1:1\" message-size = 60M }\n", 3,
	"beyond that of section limits"},
    {3, "listen outbound { address = \"127.0.0.1:1\" message-size = 5s }\n", 3,
	"expected a size"},
    {3, "listen outbound { adress = \"127.0.0.1:1\" }\n", 3,
	"unknown option \"adress\" in section listen outbound"},
    {4, "\n", 0, "section relay outbound is missing"},
    {4, "relay outbound { }\n", 4, "\"via\" is missing"},
    {4, "relay outbound { via = \"mx\" tls = maybe }\n", 4,
	"opportunistic, encrypt, verify, mta-sts or dane"},
    {4, "relay outbound { via = \"h.example:25\" tls = mta-sts }\n", 4,
	"for the mail servers of a domain"},
    {4, "relay outbound { via = \"mx\" next-hop-delivers = yes }\n", 4,
	"no or tls"},
    {4, "relay outbound { via = \"192.0.2.1:25\" tls = dane }\n", 4,
	"an address has no TLSA records"},
    {4, "relay outbound { via = \"[2001:db8::1]:25\" tls = verify }\n", 4,
	"verify needs tls-names"},
    {4,
	"relay outbound { via = \"mx\" tls = verify"
	" tls-names = \"*.example.net\" }\n",
	4, "is a pattern"},
    {4, "relay outbound { via = \"mx\" tls = dane tls-names = \"a.b\" }\n", 4,
	"looks at no names"},
    {4,
	"relay outbound { via = \"mx\" tls = verify tls-names = { \"a.b\","
	" \"a.b\", \"a.b\", \"a.b\", \"a.b\", \"a.b\", \"a.b\", \"a.b\","
	" \"a.b\" } }\n",
	4, "too many"},
    {4, "relay outbound { via = \"h.example\" user = \"u\" tls = verify }\n", 4,
	"expected password-file, too"},
    {4, "relay outbound { via = \"h.example\" password-file = \"/p\" }\n", 4,
	"expected user, too"},
    {4,
	"relay outbound { via = \"h.example\" user = \"u\""
	" password-file = \"/p\" tls = encrypt }\n",
	4, "tls = verify or dane"},
    {4,
	"relay outbound { via = \"mx\" user = \"u\" tls = verify"
	" password-file = \"/p\" }\n",
	4, "HOST:PORT"},
    {4, "relay outbound { via = \"h.example\" user = \"\" }\n", 4,
	"1 to 255 octets"},
    {4, "relay outbound { via = \"h.example\" user = u }\n", 4,
	"in double quotes"},
    {7, "route \"a..b\" { }\n", 7, "expected a domain"},
    {7, "route b.example { port = 26 via = \"h.example\" }\n", 7,
	"behind the next hop"},
    {7, "route \"b.example\" { }\nroute \"B.EXAMPLE\" { }\n", 8,
	"stands in line 7 already"},
    {7, "route \"b.example\" { via = \"127.0.0.1:25\" tls = dane }\n", 7,
	"an address has no TLSA records"},
    {7, "route { }\n", 7, "unknown section route"},
    {4, "relay outbound { via = mx }\n", 4, "double quotes"},
    {4, "relay outbound { via = \"\" }\n", 4, "host:port"},
    {4, "relay outbound { via = \"a b:25\" }\n", 4, "a host name"},
    {4, "relay outbound { via = \"host:\" }\n", 4, "host:port"},
    {4, "relay outbound { via = \"smtp://host\" }\n", 4, "host:port"},
    {4, "relay outbound { via = { \"mx\" } }\n", 4, "one next hop"},
    {4, "relay outbound { via = \"h.example\" port = 26 }\n", 4,
	"port is for via"},
    {5, "certificates { anchors = \"cas.pem\" }\n", 5, "absolute path"},
    {5, "certificates { revocation = maybe }\n", 5, "hard, soft or off"},
    {5, "certificates { policies = 1.2.3 }\n", 5, "double quotes"},
    {5, "certificates { policies = \"3.2.1\" }\n", 5, "object identifier"},
    {5, "certificates { policies = \"1.2.\" }\n", 5, "object identifier"},
    {5, "certificates { policies = \"1..2\" }\n", 5, "object identifier"},
    {5, "certificates { policies = \"1.2.x\" }\n", 5, "object identifier"},
    {5, "certificates { distrusted = \"abc\" }\n", 5, "64 hexadecimal"},
    {5, "\n", 6, "escrow"},
    {5, "escrow { page = \"relative\" }\n", 5, "absolute path"},
    {5, "escrow { attachment-size = 1G }\n", 5, "attachment-size"},
    {6, "rule \"r\" { try = { escrow, hold } escrow = mail }\n", 6,
	"portal or attachment"},
    {6, "rule \"r\" { try = { escrow, hold } escrow = attachment }\n", 6,
	"needs second-factor = generated, not none"},
    {6,
	"rule \"r\" { try = { escrow } escrow = attachment second-factor = "
	"generated }\n",
	6, "must go on behind escrow"},
    {5, "portal { address = \"127.0.0.1:8\" }\n", 5, "\"url\" is missing"},
    {5, "portal { url = \"https://p.example\" }\n", 5,
	"\"address\" is missing"},
    {5,
	"portal { address = \"127.0.0.1:8\" url = \"https://p.example\" "
	"colour = \"red\" }\n",
	5, "expected # and six hexadecimal digits"},
    {5,
	"portal { address = \"127.0.0.1:8\" url = \"https://p.example\" "
	"languages = { \"de\", \"pl\" } }\n",
	5, "languages: \"pl\", expected \"en\""},
    {5, "portal { address = \"127.0.0.1:8\" url = \"p.example\" }\n", 5,
	"https://"},
    {5, "portal { address = \"127.0.0.1:8\" url = \"http://p.example\" }\n", 5,
	"expected https://"},
    {5,
	"portal { address = \"127.0.0.1:8\" url = \"http://127.0.0.1.evil\" "
	"}\n",
	5, "expected https://"},
    {5, "portal { address = \"127.0.0.1:8\" url = \"https://a/?x\" }\n", 5,
	"a host"},
    {5, "portal { address = \"127.0.0.1:8\" url = \"https://a/#x\" }\n", 5,
	"a host"},
    {5, "portal { address = \"127.0.0.1:8\" url = \"https://\" }\n", 5,
	"a host"},
    {5, "portal { address = \"0.0.0.0:8\" url = \"https://p.example\" }\n", 5,
	"expected a loopback address"},
    {5,
	"portal { address = \"127.0.0.1:8\" url = \"https://a\""
	" expires = 30 }\n",
	5, "expected a time"},
    {6, "\n", 0, "rule"},
    {6, "rule { try = { clear } }\n", 6, "unknown section rule, expected"},
    {6, "rule \"r\" { }\n", 6, "\"try\" is missing"},
    {6, "rule \"r\" { try = { } }\n", 6, "empty"},
    {6, "rule \"r\" { try = { smime, pgp } }\n", 6, ""},
    {6, "rule \"r\" { try = { smime, gpg, clear } }\n", 6, "found \"gpg\""},
    {6, "rule \"r\" { try = { \"smime\", clear } }\n", 6, "found \"smime\""},
    {6, "rule \"r\" { try = { smime, tls } }\n", 6, "must end in a rung"},
    {6, "rule \"r\" { try = { tls, reject } notice = never }\n", 6,
	"any or tls"},
    {6, "rule \"r\" { try = { hold } second-factor = pin }\n", 6,
	"none, code, answer, passphrase, generated or account"},
    {6, "rule \"r\" { try = { hold } second-factor = \"none\" }\n", 6,
	"none, code, answer"},
    {6, "rule \"r\" { try = { hold } first-factor = account }\n", 6,
	"code, answer, passphrase or generated"},
    {6, "rule \"r\" { try = { hold } first-factor = none }\n", 6,
	"code, answer, passphrase or generated"},
    {6, "rule \"r\" { try = { clear, smime } }\n", 6, ""},
    {6, "rule \"r\" { try = { clear } to = { } }\n", 6, "empty"},
    {6, "rule \"r\" { try = { clear } to = { \"x\" } }\n", 6,
	"not an address pattern"},
    {6, "rule \"r\" { try = { clear } to = { \"@*\" } }\n", 6,
	"not an address pattern"},
    {6, "rule \"r\" { try = { clear } subject-tag = { \"\" } }\n", 6, "a word"},
    {6, "rule \"r\" { try = { clear } archive = true }\n", 6, "double quotes"},
    {6, "rule \"r\" { try = { clear } archive = \"nobody\" }\n", 6,
	"is no address"},
    {6,
	"rule \"r\" { try = { clear } archive = \"a@x.example\" }\n"
	"rule \"s\" { to = \"@s.example\" try = { clear } archive = "
	"\"b@x.example\" }\n"
	"rule \"t\" { to = \"@t.example\" try = { clear } archive = "
	"\"c@x.example\" }\n"
	"rule \"u\" { to = \"@u.example\" try = { clear } archive = "
	"\"d@x.example\" }\n"
	"rule \"v\" { to = \"@v.example\" try = { clear } archive = "
	"\"e@x.example\" }\n",
	10, "more than 4 different addresses"},
    {6, "rule \"r\" { try = { clear } notify = true }\n", 0, "relay inbound"},
    {6, "rule \"r\" { try = { clear } passphrase-tag = \"p w\" }\n", 6,
	"no blank"},
    {6, "rule \"r\" { try = { clear } may-lower = 1 }\n", 6, "true or false"},
    {6, "rule \"r\" { try = { clear } on-error = clear }\n", 6,
	"hold or weaker"},
    {6, "rule \"a\" { try = { clear } }\nrule \"b\" { try = { clear } }\n", 7,
	""},
    {7, "listen inbound { address = \"127.0.0.1:25\" }\n", 7,
	"section relay inbound is missing"},
    {7, "listen inbound { may-sign = \"::1\" }\n", 7,
	"unknown option \"may-sign\" in section listen inbound"},
    {7, "opening { undecryptable = drop }\n", 7, "expected deliver or hold"},
    {7, "opening { undecryptable = refuse }\n", 7, "expected deliver or hold"},
    {7, "relay inbound { via = \"mx\" }\n", 7, "lead back here"},
    {7, "relay inbound { via = \"h\" port = 5 }\n", 7, "unknown option"},
    {7, "hostnam = \"x\"\n", 7, "unknown option \"hostnam\", expected one of"},
    {7, "hostname = \"x\"\n", 7, "second time, first in line 1"},
    {7, "state = \"relative\"\n", 7, "absolute path"},
    {7, "state = \"/a/../b\"\n", 7, "absolute path"},
    {7, "state = \"/a//b\"\n", 7, "absolute path"},
    {7, "state = \"/a/.\"\n", 7, "absolute path"},
    {7,
	"runtime = \"/0123456789/0123456789/0123456789/0123456789/0123456789"
	"/0123456789\"\n",
	0, "at most 60 octets"},
    {7, "master-key = file\n", 7, "or credential"},
    {7, "users = 10\n", 7, "from 1000"},
    {7, "users = \"../x\"\n", 7, "prefix of user names"},
    {7, "users = \"\"\n", 7, "prefix of user names"},
    {7, "users = 5000000000\n", 7, "from 1000"},
    {7, "postmaster = \"postmaster\"\n", 7, "not a mail address"},
    {7, "resolver = { \"ns.example.com\" }\n", 7, "not a name"},
    {7, "automatic-mail = clear\n", 7, "hold, reject or drop"},
    {7, "automatic-mail = escrow\n", 7, "hold, reject or drop"},
    {7, "log = loud\n", 7, "info or debug"},
    {7, "keystore { url = \"/srv/keys\" }\n", 7, "lmdb:"},
    {7, "keystore { url = \"lmdb:keys\" }\n", 7, "lmdb:"},
    {7, "keystore { url = \"postgresql://x\" }\n", 7, "lmdb:"},
    {7, "discovery { sources = { \"wkd\", \"pki\" } }\n", 7,
	"\"wkd\", \"dane\", \"vks\", \"hkp\" or \"ldap\""},
    {7, "discovery { sources = { wkd } }\n", 7, "\"wkd\", \"dane\""},
    {7, "discovery { sources = { \"wkd\", \"wkd\" } }\n", 0, "twice"},
    {7, "discovery { sources = { \"ldap\" } }\n", 0, "url is missing"},
    {7, "discovery { allow = { } }\n", 7, "the list is empty"},
    {7, "discovery { allow = \"ldap.example.com\" }\n", 7, ""},
    {7, "discovery ldap { url = \"https://ldap.example.com\" }\n", 7,
	"ldaps://HOST"},
    {7, "discovery ldap { url = \"ldaps://ldap.example.com/dc=x\" }\n", 7,
	"a host"},
    {7, "discovery ldap { filter = \"(mail=x)\" }\n", 0, "one %s"},
    {7, "discovery ldap { bind-dn = \"cn=gw\" }\n", 0,
	"expected password-file"},
    {7, "discovery ldap { password-file = \"/etc/pw\" }\n", 0,
	"expected bind-dn"},
    {7,
	"discovery ldap { url = { \"ldaps://a.example\", "
	"\"ldap://b.example\" } starttls = false bind-dn = \"cn=gw\" "
	"password-file = \"/etc/pw\" }\n",
	0, "on the way to ldap://b.example"},
    {7,
	"discovery ldap { url = \"ldap://localhost.example\" starttls = false "
	"bind-dn = \"cn=gw\" password-file = \"/etc/pw\" }\n",
	0, "readable on the way"},
    {7,
	"discovery ldap { url = \"ldap://127.example\" starttls = false "
	"bind-dn = \"cn=gw\" password-file = \"/etc/pw\" }\n",
	0, "readable on the way"},
    {7,
	"discovery ldap { url = { \"ldaps://a.example\", "
	"\"ldap://10.0.0.5:389\" } starttls = false } group \"g\" { base = "
	"\"dc=x\" filter = \"(a=b)\" }\n",
	7, "on the way to ldap://10.0.0.5:389"},
    {7, "discovery wkd { refresh = 0s }\n", 7, "expected"},
    {7, "discovery ldap { filter = \"(mail=%s)(x=%s)\" }\n", 0, "one %s"},
    {7, "discovery ldap { filter = \"mail=%s\" }\n", 0, "one %s"},
    {7, "discovery ldap { filter = \"(mail=%d%s)\" }\n", 0, "one %s"},
    {7, "discovery vks { url = \"http://keys.example\" }\n", 7, "https://HOST"},
    {7, "discovery vks { url = \"https://a b\" }\n", 7, "a host"},
    {7, "discovery dns { timeout = 1s }\n", 7, "unknown section"},
    {7, "discovery wkd { url = \"https://a.example\" }\n", 7, "unknown option"},
    {7, "discovery { timeout = 8 }\n", 7, "expected a time"},
    {7, "discovery { timeout = 1h }\n", 7, "from 100 ms to 300000 ms"},
    {7, "limits { message-size = 101M }\n", 7, "from 1024 octets"},
    {7, "limits { message-size = 100M memory = 199M }\n", 0, "twice"},
    {7, "limits { workers = 0 }\n", 7, "from 1 to 64"},
    {7, "limits { connections = 5K }\n", 7, "expected a number"},
    {7, "limits { connections = 5 }\n", 0, "connections-per-client"},
    {7, "limits { hang = 29s }\n", 0,
	"engine is 60 s (60 s where it is not written) and hang 29 s: expected "
	"at most twice hang, that is engine = 58s or less"},
    {7, "limits { engine = 121s }\n", 0, "at most twice hang"},
    {7, "retry { first = 1h max = 1min }\n", 0, "first is longer than max"},
    {7, "retry { expire = 1h }\n", 0, "must not be longer than expire"},
    {7, "portals { }\n", 7, "unknown section portals, expected one of"},
};

Test(config, says_what_is_wrong_and_where)
{
	for (size_t i = 0; i < N(invalid); i++) {
		struct conf_findings f;
		struct conf *c = NULL;
		char text[4096];
		bool found = false;

		text_with(text, sizeof(text), invalid[i].n, invalid[i].line);
		cr_expect_eq(
		    parse(text, &f, &c), ERR_CONFIG, "%s", invalid[i].line);
		cr_expect_null(c, "%s", invalid[i].line);
		for (size_t k = 0; k < f.n; k++)
			found |=
			    f.list[k].level == CONF_ERROR &&
			    f.list[k].line == invalid[i].at &&
			    strstr(f.list[k].text, invalid[i].says) != NULL;
		cr_expect(found, "%s: line %u \"%s\" expected, first is %u %s",
		    invalid[i].line, invalid[i].at, invalid[i].says,
		    f.n > 0 ? f.list[0].line : 0,
		    f.n > 0 ? f.list[0].text : "nothing");
		conf_free(c);
		conf_findings_clear(&f);
	}
}

Test(config, says_several_things_at_once_in_order)
{
	static const char text[] = "hostname = 5\n"
				   "frobnicate = yes\n"
				   "domains = { \"example.com\" }\n"
				   "listen outbound { address = \"x\" }\n"
				   "listen inbound { }\n"
				   "rule r { try = { smime, foo } }\n";
	static const unsigned lines[] = {1, 2, 4, 5, 6};
	struct conf_findings f;
	struct conf *c = NULL;
	char line[600];

	cr_assert_eq(parse(text, &f, &c), ERR_CONFIG);
	cr_assert_eq(f.n, N(lines));
	for (size_t i = 0; i < N(lines); i++)
		cr_expect_eq(f.list[i].line, lines[i]);
	cr_expect_str_eq(conf_finding_text(&f, 1, line, 41),
	    "/etc/sealgate/t.conf:2: unknown option \"");
	conf_findings_clear(&f);
}

Test(config, warns_of_what_is_dangerous)
{
	static const struct {
		unsigned n;
		const char *line;
		const char *says;
	} row[] = {
	    {3,
		"listen outbound { address = \"127.0.0.1:1\""
		" clients = \"0.0.0.0/0\" }\n",
		"open relay"},
	    {7, "master-key = \"/var/lib/sealgate/key\"\n",
		"lies in the state directory"},
	};

	for (size_t i = 0; i < N(row); i++) {
		struct conf_findings f;
		struct conf *c = NULL;
		char text[4096];
		bool found = false;

		text_with(text, sizeof(text), row[i].n, row[i].line);
		cr_assert_eq(parse(text, &f, &c), ERR_OK, "%s", row[i].line);
		for (size_t k = 0; k < f.n; k++) {
			cr_expect_eq(f.list[k].level, CONF_WARN);
			found |= strstr(f.list[k].text, row[i].says) != NULL;
		}
		cr_expect(found, "%s", row[i].line);
		conf_free(c);
		conf_findings_clear(&f);
	}
}

Test(config, a_file_that_is_not_there_is_said)
{
	struct conf_findings f;
	struct conf *c = NULL;

	conf_findings_init(&f);
	cr_expect_neq(conf_load("/nonexistent/sealgate.conf", &f, &c), ERR_OK);
	cr_expect_null(c);
	cr_expect_eq(f.n_errors, 1);
	conf_findings_clear(&f);
}

Test(conf, knows_its_domains)
{
	static const struct {
		const char *domain;
		bool ours;
	} row[] = {
	    {"example.com", true},
	    {"EXAMPLE.com", true},
	    {"b.example", false},
	    {"x.b.example", true},
	    {"y.x.b.example", true},
	    {".b.example", false},
	    {"xb.example", false},
	    {"sub.example.com", false},
	    {"example.com.evil", false},
	    {"notexample.com", false},
	    {"", false},
	};
	struct conf_findings f;
	struct conf *c = NULL;
	char text[4096];

	text_with(text, sizeof(text), 2,
	    "domains = { \"*.B.example\", \"Example.com\" }\n");
	cr_assert_eq(parse(text, &f, &c), ERR_OK);
	for (size_t i = 0; i < N(row); i++)
		cr_expect_eq(conf_domain_is_ours(c, span_str(row[i].domain)),
		    row[i].ours, "%s", row[i].domain);
	conf_free(c);
	conf_findings_clear(&f);
}

Test(conf, knows_the_nearest_route)
{
	static const struct {
		const char *domain;
		uint16_t port;
		enum conf_tls tls;
	} rows[] = {
	    {"a.example", 25, CONF_TLS_OPPORTUNISTIC},
	    {"b.example", 1, CONF_TLS_VERIFY},
	    {"x.b.example", 2, CONF_TLS_ENCRYPT},
	    {"x.y.b.example", 3, CONF_TLS_DANE},
	    {"y.b.example", 2, CONF_TLS_ENCRYPT},
	    {"xb.example", 25, CONF_TLS_OPPORTUNISTIC},
	    {"example", 25, CONF_TLS_OPPORTUNISTIC},
	    {"", 25, CONF_TLS_OPPORTUNISTIC},
	};
	struct conf_findings f;
	struct conf *c = NULL;
	char text[4096];

	text_with(text, sizeof(text), 7,
	    "route \"*.b.example\" { port = 2 tls = encrypt }\n"
	    "route \"b.example\" { port = 1 tls = verify }\n"
	    "route \"*.y.b.example\" { port = 3 tls = dane }\n");
	cr_assert_eq(parse(text, &f, &c), ERR_OK);
	for (size_t i = 0; i < N(rows); i++) {
		const struct conf_relay *r = conf_relay_for(c, rows[i].domain);

		cr_expect_eq(r->port, rows[i].port, "%s", rows[i].domain);
		cr_expect_eq(r->tls, rows[i].tls, "%s", rows[i].domain);
	}
	conf_free(c);
	conf_findings_clear(&f);
}

Test(conf, knows_who_may_relay)
{
	static const struct {
		const char *peer;
		bool in;
	} row[] = {
	    {"10.0.0.1", true},
	    {"10.255.255.255", true},
	    {"11.0.0.1", false},
	    {"192.0.2.127", true},
	    {"192.0.2.128", false},
	    {"203.0.113.7", true},
	    {"203.0.113.6", false},
	    {"::ffff:10.1.1.1", true},
	    {"::ffff:11.1.1.1", false},
	    {"::10.1.1.1", false},
	    {"2001:db8::1", true},
	    {"2001:db8:7fff::1", true},
	    {"2001:db8:8000::1", false},
	    {"::1", false},
	};
	struct conf_findings f;
	struct conf *c = NULL;
	char text[4096];

	text_with(text, sizeof(text), 3,
	    "listen outbound { address = \"127.0.0.1:1\" clients = {"
	    " \"10.0.0.0/8\", \"192.0.2.0/25\", \"203.0.113.7\","
	    " \"2001:db8::/33\" } }\n");
	cr_assert_eq(parse(text, &f, &c), ERR_OK);
	for (size_t i = 0; i < N(row); i++) {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
		struct sockaddr_in in4 = {.sin_family = AF_INET};
		const struct sockaddr *sa = (const void *)&in4;

		if (inet_pton(AF_INET, row[i].peer, &in4.sin_addr) != 1) {
			cr_assert_eq(
			    inet_pton(AF_INET6, row[i].peer, &in6.sin6_addr),
			    1);
			sa = (const void *)&in6;
		}
		cr_expect_eq(conf_net_matches(c->listen[0].clients,
				 c->listen[0].n_clients, sa),
		    row[i].in, "%s", row[i].peer);
	}
	cr_expect_not(conf_net_matches(
	    c->listen[0].clients, 4, &(struct sockaddr){.sa_family = AF_UNIX}));
	conf_free(c);
	conf_findings_clear(&f);
}
