/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The sections and options, one row each. The manual text of a row is what
 * sealgate.conf(5) says, word for word.
 */
#include "gateway/config_table.h"

#include <stdio.h>

#include "common/limits.h"
#include "gateway/conf.h"
#include "gateway/config_value.h"

#define N(a)	 (sizeof(a) / sizeof((a)[0]))
#define AT(s, m) offsetof(struct s, m)
#define KI	 (UINT64_C(1) << 10)
#define MI	 (UINT64_C(1) << 20)
#define GI	 (UINT64_C(1) << 30)
#define SECOND	 UINT64_C(1000)
#define MINUTE	 (60 * SECOND)
#define HOUR	 (60 * MINUTE)
#define DAY	 (24 * HOUR)

const struct config_group config_groups[] = {
    {"", "", CONFIG_G_ONE, 0, "Options that stand outside of sections."},
    {"listen", "outbound", CONFIG_G_LIST, 0,
	"Where own mail servers and clients hand in mail."},
    {"listen", "inbound", CONFIG_G_LIST, 0,
	"Where mail from outside comes in, for own domains only. It needs "
	"relay inbound."},
    {"relay", "outbound", CONFIG_G_OPT, AT(conf, outbound),
	"How mail for other domains leaves. This section must be there."},
    {"relay", "inbound", CONFIG_G_OPT, AT(conf, inbound),
	"How mail for own domains, and every bounce for an own sender, goes "
	"on. Without this section mail for own domains is refused and bounces "
	"leave as outbound mail does."},
    {"opening", "", CONFIG_G_ONE, AT(conf, opening),
	"What becomes of mail from outside that is encrypted or signed."},
    {"route", "*", CONFIG_G_ROUTE, 0,
	"How mail for one domain, the title, leaves instead; \"*.example.com\" "
	"means every domain below it. The most precise title counts."},
    {"dkim", "*", CONFIG_G_DKIM, 0,
	"Mail that says to come from the domain, the title, or from one below "
	"it gets a DKIM signature (RFC 6376) when it leaves: protected or not, "
	"and what the gateway writes itself. Mail whose sender (MAIL FROM) is "
	"of another domain is not signed: a stranger may have sent it, and "
	"somebody forwarded it. Of mail without a sender what the gateway "
	"writes itself is signed, else see null-sender. While it cannot be "
	"signed mail waits. The key is made or taken by sealgate dkim."},
    {"keystore", "", CONFIG_G_ONE, AT(conf, paths),
	"Where certificates and keys are."},
    {"certificates", "", CONFIG_G_ONE, AT(conf, certs),
	"Whom certificates are believed by, and whether they are asked about "
	"at their issuers. Anchors are the CA certificates that are trusted "
	"in the keystore, see sealgate key import."},
    {"discovery", "", CONFIG_G_ONE, AT(conf, discovery),
	"Where keys of strangers are looked for. They are fetched by a process "
	"of its own, judged by another, and kept in the keystore."},
    {"discovery", "wkd", CONFIG_G_ONE, AT(conf, discovery.wkd),
	"Web Key Directory: OpenPGP keys from the web server of the "
	"recipient's domain."},
    {"discovery", "dane", CONFIG_G_ONE, AT(conf, discovery.dane),
	"OPENPGPKEY and SMIMEA records of the recipient's domain. Only what "
	"DNSSEC proves counts."},
    {"discovery", "vks", CONFIG_G_ONE, AT(conf, discovery.vks),
	"Key servers that verify addresses, as keys.openpgp.org."},
    {"discovery", "hkp", CONFIG_G_ONE, AT(conf, discovery.hkp),
	"Key servers that hand out what anybody gave them. What comes from "
	"there is a candidate and is not sealed to until it is trusted."},
    {"discovery", "ldap", CONFIG_G_ONE, AT(conf, discovery.ldap),
	"Directories: userCertificate, userSMIMECertificate and pgpKey."},
    {"discovery", "mta-sts", CONFIG_G_ONE, AT(conf, discovery.sts),
	"Policies of MTA-STS (RFC 8461), by which a domain says that its mail "
	"servers have TLS and which they are."},
    {"trust", "", CONFIG_G_ONE, AT(conf, trust),
	"What keys are worth by where they came from, and what may be sealed "
	"to."},
    {"portal", "", CONFIG_G_OPT, AT(conf, portal),
	"Where recipients pick up mail that they have no key for. Without "
	"this section no rule can use the rung escrow but with escrow = "
	"attachment."},
    {"escrow", "", CONFIG_G_ONE, AT(conf, escrow),
	"What belongs to the rung escrow and not to the portal."},
    {"portal", "dmz", CONFIG_G_OPT, AT(conf, portal_dmz),
	"The portal runs on another machine, in a DMZ. The gateway connects "
	"to it, and it never connects to the gateway. Section portal stands "
	"here, too, without address: url, expires, answer-size, languages, "
	"receipts and sent-notice are the gateway's business. What the gateway "
	"publishes (keys, lists of revoked certificates) is brought there, and "
	"what has changed of it within seconds. Of accounts "
	"(second-factor = account) it is told the sealed keys, which it keeps "
	"in memory."},
    {"portal", "gateway", CONFIG_G_OPT, AT(conf, portal_gateway),
	"This machine is that portal and nothing else: sealgated runs no other "
	"process here, and there is neither mail nor a key. Beside this "
	"section a configuration has hostname, state, section portal and, "
	"where they are wanted, users, log and limits."},
    {"limits", "", CONFIG_G_ONE, AT(conf, limits), "How much is taken on."},
    {"retry", "", CONFIG_G_ONE, AT(conf, retry),
	"When delivery is tried again and when it is given up."},
    {"audit", "", CONFIG_G_ONE, AT(conf, audit),
	"The audit log: when it is signed and what is written down."},
    {"metrics", "", CONFIG_G_OPT, AT(conf, metrics),
	"What a monitoring system asks by HTTP: /metrics for Prometheus, "
	"/healthz and /readyz. Neither addresses nor content are told."},
    {"tls-reports", "", CONFIG_G_OPT, AT(conf, tls_reports),
	"Reports on TLS (RFC 8460): once a day every domain that asks for it "
	"is told how many sessions with its mail servers had the TLS that it "
	"has published, and what was wrong with the others. Without this "
	"section nothing is counted and nothing is sent. Nothing of the mail "
	"is in a report. Reports by mail are believed only with a DKIM "
	"signature of the domain of contact."},
    {"ca", "", CONFIG_G_ONE, AT(conf, ca),
	"Certificates that this gateway issues itself, once a CA was made with "
	"sealgate ca init."},
    {"rule", "*", CONFIG_G_RULE, 0,
	"What a recipient's mail must be protected by. The title is the name "
	"of the rule. from, to, client and time are conditions on the "
	"envelope: "
	"of the rules that have no other the first that matches decides. "
	"subject-tag, header, sensitivity, classification, size, attachment, "
	"content, reply-to-protected, auto-submitted and calendar are "
	"conditions on the message: rules that have one raise what the other "
	"says, all that match, wherever they stand. All conditions of a rule "
	"must hold; of a list one entry, and none that begins with an "
	"exclamation mark. What cannot be told for sure - a message that can "
	"be read in two ways, a part that cannot be decoded - counts as a "
	"match "
	"for a rule that raises."},
    {"extract", "", CONFIG_G_ONE, AT(conf, extract),
	"Documents that rules with content look into. A process of its own "
	"takes the text out of them, without a network, a key or a place to "
	"write. What cannot be read - it is encrypted, damaged, too large, or "
	"not read in time - counts as a match, as does what is embedded in it "
	"and cannot be read. Pictures are not looked into, in documents "
	"neither, apart from plain characters that stand in them; a part of "
	"one that is no picture, font, text or document counts as a match. "
	"sealgate explain does not look into documents: they are "
	"unsure there."},
    {"group", "*", CONFIG_G_GROUP, 0,
	"A group of addresses in the directory of discovery ldap, which rules "
	"name as \"ldap:NAME\". The title is its name. It is fetched as a "
	"whole "
	"and kept; while nothing is known of it, or not any more, it is unsure "
	"who is in it: then a rule that names it raises, and decides nothing. "
	"So it is while nobody is in it, or a value is no address. A server of "
	"\"ldap://\" without starttls is refused then, unless it is this "
	"machine."},
    {"test", "*", CONFIG_G_TEST, 0,
	"A message, and what must become of it: sealgate check and sealgated "
	"-n decide it by the rules and refuse the configuration if something "
	"else comes out. The title says what is tested."},
};
const size_t config_n_groups = N(config_groups);

const struct config_entry config_entries[] = {
    /* clang-format off */
    {"", "hostname", CONFIG_T_HOST, true, 0, 0, NULL,
	AT(conf, hostname), 0,
	"Name of the gateway, in full. It greets with it and signs trace "
	"fields with it."},
    {"", "state", CONFIG_T_PATH, false, 0, 0, "\"/var/lib/sealgate\"",
	AT(conf, state), 0,
	"Directory of spool, escrow, audit log and sealed keys."},
    {"", "runtime", CONFIG_T_PATH, false, 0, 0, "\"/run/sealgate\"",
	AT(conf, runtime), 0,
	"Directory of sockets and of the short-lived homes of gpg. Best on "
	"tmpfs; at most 60 octets long."},
    {"", "master-key", CONFIG_T_MASTER, false, 0, 0, NULL,
	AT(conf, master_key), 0,
	"File of the master key, made at the first start. Keep a copy off the "
	"machine: without it nothing in the state directory can be read. The "
	"word credential takes it from the service manager under the name "
	"master-key. Unless given it is master.key beside the configuration."},
    {"", "users", CONFIG_T_USERS, false, 1000, 4294900000, NULL,
	AT(conf, users), 0,
	"Who the processes run as when started by root: \"sealgate\" means "
	"users sealgate-listener, sealgate-worker and so on and the group "
	"sealgate, a number means that number as user and group and one more "
	"for each kind of process. Needed when started by root."},
    {"", "domains", CONFIG_T_DOMAINS, false, 0, 0, NULL,
	AT(conf, domains), AT(conf, n_domains),
	"Own domains; \"*.example.com\" means every domain below it. Mail for "
	"these is inbound."},
    {"", "postmaster", CONFIG_T_MAILBOX, false, 0, 0, NULL,
	AT(conf, postmaster), 0,
	"Where mail for postmaster without a domain, or at hostname, goes. "
	"Unless given it is postmaster at the first of the domains that is no "
	"pattern, or at hostname. Where it is given alarms go there by mail, "
	"too: what happened and the number of its record in the audit log, "
	"nothing of a message and no address."},
    {"", "alarm-interval", CONFIG_T_MS, false, SECOND, DAY, "15min",
	AT(conf, alarm_ms), 0,
	"Time between two mails with alarms, at least: what comes in between "
	"is collected."},
    {"", "resolver", CONFIG_T_ADDRS, false, 53, 0, "{ }",
	AT(conf, resolver), AT(conf, n_resolver),
	"Addresses of name servers to ask, with or without a port. If none is "
	"given, those of the system."},
    {"", "dnssec-anchors", CONFIG_T_ANCHORS, false, 0, 0, NULL,
	AT(conf, dnssec_anchors), 0,
	"File of DNSSEC trust anchors, DS or DNSKEY records, one a line. Unless "
	"given it is the root's, /usr/share/dns/root.key (Debian package "
	"dns-root-data). The word none does without: then nothing counts as "
	"proven, and DANE is not used. It is needed where the name servers "
	"strip signatures, which looks as if every answer were forged."},
    {"", "tls-anchors", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf, tls_anchors), 0,
	"File of the certificates, PEM, that vouch for next hops. Unless given "
	"it is the system's, /etc/ssl/certs/ca-certificates.crt."},
    {"", "automatic-mail", CONFIG_T_AUTO, false, 0, 0, "hold",
	0, 0,
	"What takes the place of the rung escrow for bounces and automatic "
	"answers: hold, reject or drop."},
    {"", "log", CONFIG_T_LOG, false, 0, 0, "info",
	AT(conf, log_debug), 0,
	"How much is logged: info or debug."},

#include "gateway/config_mail.def"

    {"opening", "authserv-id", CONFIG_T_HOST, false, 0, 0, NULL,
	AT(conf_opening, authserv_id), 0,
	"The name that stands first in the Authentication-Results fields that "
	"are added; such fields that come from outside under this name are "
	"removed. Unless given it is hostname."},
    {"opening", "subject-tags", CONFIG_T_BOOL, false, 0, 0, "false",
	AT(conf_opening, subject_tags), 0,
	"Puts the verdict into the subject, too: [encrypted], [signed] and so "
	"on. Such tags that come from outside are removed then."},
    {"opening", "undecryptable", CONFIG_T_HOLD, false, 0, 0, "deliver",
	AT(conf_opening, hold_undecryptable), 0,
	"What becomes of encrypted mail that no key opens: deliver it "
	"unchanged with a verdict that says so, or hold it until somebody "
	"imports the key and releases it."},
    {"opening", "protect-replies", CONFIG_T_BOOL, false, 0, 0, "true",
	AT(conf_opening, protect_replies), 0,
	"Mail that answers mail which arrived encrypted does not leave "
	"readable: the rung clear is left out of its ladder, and it is held if "
	"nothing is left."},
    {"opening", "weak-ciphers", CONFIG_T_BOOL, false, 0, 0, "false",
	AT(conf_opening, weak_ciphers), 0,
	"Opens S/MIME that is encrypted with 3DES or RC2, too."},
    {"opening", "attach-original", CONFIG_T_BOOL, false, 0, 0, "false",
	AT(conf_opening, attach_original), 0,
	"Attaches the message as it came to what was opened of it."},
    {"opening", "archive-to", CONFIG_T_MAILBOX, false, 0, 0, NULL,
	AT(conf_opening, archive_to), 0,
	"A mailbox of an own domain that gets, of every message that was "
	"opened, the original as it came: encrypted as its sender did it, with "
	"the verdict in front. Whoever has the private keys can read it years "
	"later. Unless given nothing is archived."},
    {"opening", "trusted-authserv", CONFIG_T_DOMAINS, false, 0, 0, "{ }",
	AT(conf_opening, trusted_authserv),
	AT(conf_opening, n_trusted_authserv),
	"Names of hosts of ours in front of this gateway whose "
	"Authentication-Results are believed; they remove what others write "
	"under them. Where one of them says that SPF, DKIM or DMARC fails no "
	"key is learned from the mail, and its sender is not told when it "
	"cannot be delivered: it is held."},
    {"opening", "known-gateways", CONFIG_T_SIGNERS, false, 0, 0, "{ }",
	AT(conf_opening, known_gateways), AT(conf_opening, n_known_gateways),
	"Fingerprints of certificates or OpenPGP keys. What opens with the key "
	"of a whole domain and does not name its recipient in a protected To "
	"or Cc is held, since anybody may have sent it on to another mailbox, "
	"unless one of these has signed it."},

#include "gateway/config_keys.def"

    {"metrics", "address", CONFIG_T_ADDRS, true, 0, 0, NULL,
	AT(conf_metrics, address), AT(conf_metrics, n_address),
	"Address and port to listen on, or a list of them. There is neither "
	"TLS nor a login: it must be a loopback address, or one of a network "
	"that only the monitoring system reaches."},
    {"portal", "address", CONFIG_T_ADDRS, false, 0, 0, NULL,
	AT(conf_portal, address), AT(conf_portal, n_address),
	"Address and port to listen on, or a list of them. It must be given "
	"unless there is a section portal dmz."},
    {"portal dmz", "at", CONFIG_T_ADDRS, true, 0, 0, NULL,
	AT(conf_dmz, address), AT(conf_dmz, n_address),
	"Address and port, in numbers, at which the portal waits for the "
	"gateway."},
    {"portal dmz", "tls-cert", CONFIG_T_PATH, true, 0, 0, NULL,
	AT(conf_dmz, tls_cert), 0,
	"File of the certificate, PEM, by which the portal knows the gateway. "
	"Nobody need issue it: the guide has the command that makes a "
	"self-signed one."},
    {"portal dmz", "tls-key", CONFIG_T_TLSKEY, true, 0, 0, NULL,
	AT(conf_dmz, tls_key), 0,
	"File of its private key, PEM."},
    {"portal dmz", "peer", CONFIG_T_FPRS, true, 0, 0, NULL,
	AT(conf_dmz, peer), AT(conf_dmz, n_peer),
	"SHA-256 fingerprint of the certificate that the portal shows the "
	"gateway, 64 hexadecimal digits, or a list of them while it is "
	"replaced. No other is talked to; names, issuers and dates in it "
	"are not looked at."},
    {"portal gateway", "address", CONFIG_T_ADDRS, true, 0, 0, NULL,
	AT(conf_dmz, address), AT(conf_dmz, n_address),
	"Address and port to wait on for the gateway. Let a firewall keep "
	"everybody else out, and whatever begins here."},
    {"portal gateway", "tls-cert", CONFIG_T_PATH, true, 0, 0, NULL,
	AT(conf_dmz, tls_cert), 0,
	"File of the certificate, PEM, by which the gateway knows this portal: "
	"not that of section portal."},
    {"portal gateway", "tls-key", CONFIG_T_TLSKEY, true, 0, 0, NULL,
	AT(conf_dmz, tls_key), 0,
	"File of its private key, PEM."},
    {"portal gateway", "peer", CONFIG_T_FPRS, true, 0, 0, NULL,
	AT(conf_dmz, peer), AT(conf_dmz, n_peer),
	"SHA-256 fingerprint of the certificate of the gateway, or a list of "
	"them. Who has no such certificate does not get past the handshake."},
    {"portal", "url", CONFIG_T_URL, true, 0, 0, NULL,
	AT(conf_portal, url), 0,
	"What links begin with. It must be https unless its host is this "
	"machine."},
    {"portal", "tls-cert", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf_portal, tls_cert), 0,
	"File of the certificate with its chain, PEM. Without it the portal "
	"speaks plain HTTP, for a reverse proxy on the same machine."},
    {"portal", "tls-key", CONFIG_T_TLSKEY, false, 0, 0, NULL,
	AT(conf_portal, tls_key), 0,
	"File of its private key, PEM, or credential: and the name of a "
	"credential of the service manager."},
    {"portal", "page", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf_portal, page), 0,
	"Directory of the page that opens messages. If it is not given, the one "
	"that was installed with the program."},
    {"portal", "name", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_portal, brand.name), 0,
	"Whose page it is, as readers know it; stands above every message."},
    {"portal", "logo", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf_portal, brand.logo), 0,
	"File of a logo beside the name: .svg, .png, .jpg or .webp, up to 1 MiB. "
	"Read at start."},
    {"portal", "colour", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_portal, brand.colour), 0,
	"Colour of buttons and links, \"#1f5f5b\" for example. The page makes it "
	"darker or lighter where it could not be read."},
    {"portal", "imprint", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_portal, brand.imprint), 0,
	"What the law wants at the foot of a page: an address that begins with "
	"https://, which becomes a link, or text."},
    {"portal", "help", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_portal, brand.help), 0,
	"Text for readers who need help: a telephone number, for example. It "
	"stands beneath the page's own words on how to tell that it is genuine."},
    {"portal", "languages", CONFIG_T_TEXTS, false, 0, 0, NULL,
	AT(conf_portal, languages), AT(conf_portal, n_languages),
	"Languages in which the mail with the link is written, one beneath the "
	"other; the subject is in the first: \"en\" (without this option), "
	"\"de\", \"fr\", \"es\", \"it\" or \"nl\". The page itself speaks the "
	"language of the browser."},
    {"portal", "expires", CONFIG_T_S, false,
	1 * SECOND, 3650 * DAY, "30d",
	AT(conf_portal, expires_s), 0,
	"How long mail can be picked up."},
    {"portal", "answer-size", CONFIG_T_SIZE, false, 0, 100 * MI, "25M",
	AT(conf_portal, answer_size), 0,
	"Largest answer that a reader may send back through the page; 0: none. "
	"Only a sender of our domains can be answered, and only where there is "
	"a section relay inbound."},
    {"portal", "receipts", CONFIG_T_BOOL, false, 0, 0, "true",
	AT(conf_portal, receipts), 0,
	"The sender of mail for pick-up is told when it is opened for the first "
	"time and from where, when it is about to expire or has expired and "
	"nobody has opened it, and when it is locked because of wrong "
	"passphrases. That mail, as the one of sent-notice, can be answered "
	"with one word: recall, extend (see there) or report. All of them are "
	"in English, the words also in the languages of languages."},
    {"portal", "sent-notice", CONFIG_T_BOOL, false, 0, 0, "false",
	AT(conf_portal, sent_notice), 0,
	"The sender of mail for pick-up is told for whom it waits, until when "
	"and how it opens. When a passphrase was made the sender is told in any "
	"case: it stands in that mail and nowhere else. That mail goes to our "
	"domains by relay inbound; by every other way only where TLS proves "
	"the server, else it waits and the passphrase is told to nobody."},
    {"portal", "connections", CONFIG_T_NUMBER, false, 1, 10000, "2000",
	AT(conf_portal, connections), 0,
	"Connections of readers served at once; others wait. A browser opens "
	"up to six, and keeps them for the time of a request."},
    {"portal", "connections-per-client", CONFIG_T_NUMBER, false, 1, 10000, "30",
	AT(conf_portal, connections_per_client), 0,
	"Connections served at once from one address, of IPv6 from one network "
	"of 64 bits; more are closed. Not counted for proxies."},
    {"portal", "request-time", CONFIG_T_MS, false, 1 * SECOND, 600 * SECOND, "20s",
	AT(conf_portal, request_ms), 0,
	"Time for a whole request, from the connection or the answer before. An "
	"answer has half as much again, and a second for each 4 KiB; an upload "
	"must bring 4 KiB a second. Who is slower is cut off."},
    {"portal", "proxies", CONFIG_T_NETS, false, 0, 0, NULL,
	AT(conf_portal, proxies), AT(conf_portal, n_proxies),
	"Networks of reverse proxies in front of the portal: the address that "
	"they put last into X-Forwarded-For is taken for the client's. Of nobody "
	"else is it believed. Without this option those on this machine, where "
	"there is no tls-cert, and none where there is."},
    {"portal", "extend", CONFIG_T_S, false, 0, 3650 * DAY, "30d",
	AT(conf_portal, extend_s), 0,
	"For how long from then on mail can be picked up once its sender has "
	"answered the mail that told of it with the word extend; 0: only an "
	"administrator can keep it longer."},
    {"portal", "quota", CONFIG_T_SIZE, false, 0, 1024 * 1024 * GI, "0",
	AT(conf_portal, quota), 0,
	"Octets of mail that may wait for pick-up, of all senders together; 0: "
	"as many as there is room for. A message that would be more is not "
	"taken (452), and the client keeps it; one that was taken before waits "
	"in the queue. What expires or is revoked makes room."},
    {"portal", "quota-objects", CONFIG_T_NUMBER, false, 0, 100000000, "0",
	AT(conf_portal, quota_objects), 0,
	"The same as a number: one for each recipient. 0: any."},
    {"portal", "sender-quota", CONFIG_T_SIZE, false, 0, 1024 * 1024 * GI, "0",
	AT(conf_portal, sender_quota), 0,
	"As quota, of one sender."},
    {"portal", "sender-quota-objects", CONFIG_T_NUMBER, false, 0, 100000000,
	"0", AT(conf_portal, sender_quota_objects), 0,
	"As quota-objects, of one sender."},

    {"escrow", "page", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf_escrow, page), 0,
	"Directory with attached.html, the file of rules with escrow = "
	"attachment before a message is in it. If it is not given, page of "
	"section portal, or the one that was installed with the program. Read "
	"at start."},
    {"escrow", "attachment-size", CONFIG_T_SIZE, false, 1 * KI, 100 * MI,
	"15M",
	AT(conf_escrow, attachment_size), 0,
	"Largest message that rules with escrow = attachment send so. The "
	"mail is 1.4 times as large, and half a megabyte more: it has to fit "
	"what the mail servers on its way take. For a larger message the "
	"ladder goes on behind escrow."},
    {"escrow", "recovery-certificate", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf_escrow, recovery), 0,
	"File of a certificate, PEM or DER, that the keys of mail for pick-up "
	"are sealed to beside. Whoever has its private key, which must not be "
	"on this machine, opens with sealgate escrow recover what stands for "
	"pick-up, and every opening is in the audit log. What is sealed "
	"stays inside; the portal never has it. Without this option nobody "
	"but the recipient can open the mail. Mail that is attached is not "
	"kept, and cannot be recovered. Read at start."},
    {"escrow", "languages", CONFIG_T_TEXTS, false, 0, 0, NULL,
	AT(conf_escrow, languages), AT(conf_escrow, n_languages),
	"Languages of the mail that a message is attached to, as languages in "
	"section portal, which stands for it where it is not given."},
    {"escrow", "name", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_escrow, brand.name), 0,
	"Whose file it is that a message comes as, as name in section portal, "
	"which stands for it where it is not given; so with the four that "
	"follow."},
    {"escrow", "logo", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf_escrow, brand.logo), 0,
	"File of a logo in that file, as logo in section portal, but up to "
	"128K: it is in every mail that a message is attached to. Read at "
	"start."},
    {"escrow", "colour", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_escrow, brand.colour), 0,
	"Its colour, as colour in section portal."},
    {"escrow", "imprint", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_escrow, brand.imprint), 0,
	"Its imprint, as imprint in section portal."},
    {"escrow", "help", CONFIG_T_STRING, false, 0, 0, NULL,
	AT(conf_escrow, brand.help), 0,
	"Its text for readers who need help, as help in section portal."},

    {"limits", "message-size", CONFIG_T_SIZE, false,
	1 * KI, 100 * MI, "50M",
	AT(conf_limits, message_size), 0,
	"Largest message."},
    {"limits", "connections", CONFIG_T_NUMBER, false, 1, 10000, "200",
	AT(conf_limits, connections), 0,
	"Connections served at once."},
    {"limits", "connections-per-client", CONFIG_T_NUMBER, false,
	1, 10000, "20",
	AT(conf_limits, connections_per_client), 0,
	"Connections served at once from one address."},
    {"limits", "recipients", CONFIG_T_NUMBER, false, 1, 1000, "1000",
	AT(conf_limits, recipients), 0,
	"Recipients of one message."},
    {"limits", "errors", CONFIG_T_NUMBER, false, 1, 1000, "10",
	AT(conf_limits, errors), 0,
	"Refused commands after which a connection is closed."},
    {"limits", "connection-rate", CONFIG_T_NUMBER, false, 1, 1000000, "300",
	AT(conf_limits, connection_rate), 0,
	"Connections in a minute from one address that is in no clients."},
    {"limits", "error-rate", CONFIG_T_NUMBER, false, 1, 1000000, "100",
	AT(conf_limits, error_rate), 0,
	"Refused commands in a minute, of one address that is in no clients, "
	"after which it is sent away."},
    {"limits", "workers", CONFIG_T_NUMBER, false, 1, 64, "2",
	AT(conf_limits, workers), 0,
	"Processes that protect messages, and as many for gpg. One for each "
	"processor is right."},
    {"limits", "openers", CONFIG_T_NUMBER, false, 1, 64, "2",
	AT(conf_limits, openers), 0,
	"Processes that open mail from outside, and as many more for gpg. "
	"There are none without listen inbound."},
    {"limits", "memory", CONFIG_T_SIZE, false, 1 * MI, 1024 * GI, "512M",
	AT(conf_limits, memory), 0,
	"Memory for messages in progress. A message that does not fit is "
	"asked to come again later. At least twice message-size."},
    {"limits", "free-space", CONFIG_T_SIZE, false, 0, 1024 * GI, "64M",
	AT(conf_limits, free_space), 0,
	"Free space on the disk of the state directory below which new mail "
	"is refused, and answers from the page."},
    {"limits", "idle", CONFIG_T_MS, false, 1 * SECOND, HOUR, "5min",
	AT(conf_limits, idle_ms), 0,
	"How long a client may say nothing."},
    {"limits", "messages", CONFIG_T_NUMBER, false, 1, 1000000, "10000",
	AT(conf_limits, messages), 0,
	"Messages in one session; who has more connects again. Clients are told "
	"(LIMITS MAILMAX, RFC 9422), as they are of recipients."},
    {"limits", "wait-limit", CONFIG_T_MS, false, 1 * SECOND, 9 * MINUTE, "5min",
	AT(conf_limits, wait_ms), 0,
	"How long a client waits for the next hop where wait is set. After that "
	"it hears 250 and the message goes on from the spool. Mail servers give "
	"up after ten minutes (RFC 5321)."},
    {"limits", "min-rate", CONFIG_T_NUMBER, false, 0, 1000000, "500",
	AT(conf_limits, min_rate), 0,
	"Octets a second that a client must send of a message, on average."},
    {"limits", "stop", CONFIG_T_MS, false, 100, 10 * MINUTE, "20s",
	AT(conf_limits, stop_ms), 0,
	"What is in progress may take so long when the gateway is stopped."},
    {"limits", "hang", CONFIG_T_MS, false, 500, DAY, "1min",
	AT(conf_limits, hang_ms), 0,
	"A process that does not answer for so long is killed and started "
	"anew; nothing is lost. Those that work on one message at a time have "
	"ten times as long."},
    {"limits", "engine", CONFIG_T_MS, false, 1 * SECOND, 10 * MINUTE, "1min",
	AT(conf_limits, engine_ms), 0,
	"Time for one operation of gpg, which is killed then: the message is "
	"put off. More than a card or a slow machine needs, and at most twice "
	"hang: a message can need several, and who waits must not be taken for "
	"one that hangs."},

    {"retry", "first", CONFIG_T_MS, false, 100, DAY, "5min",
	AT(conf_retry, first_ms), 0,
	"Time to the second try. It doubles with every further one."},
    {"retry", "max", CONFIG_T_MS, false, 100, 7 * DAY, "4h",
	AT(conf_retry, max_ms), 0,
	"Longest time between two tries."},
    {"retry", "warn", CONFIG_T_MS, false, 100, 30 * DAY, "4h",
	AT(conf_retry, warn_ms), 0,
	"Age at which the sender is told that a message is late."},
    {"retry", "hold", CONFIG_T_MS, false, 100, 30 * DAY, "4h",
	AT(conf_retry, hold_ms), 0,
	"Age at which a message that could not be protected is held, with an "
	"alarm."},
    {"retry", "tls-wait", CONFIG_T_MS, false, 0, 30 * DAY, "1h",
	AT(conf_retry, tls_ms), 0,
	"How long the TLS that the rung tls or tls-encrypt asks for is tried "
	"before a message goes on to another rung of its ladder. Before it is "
	"rejected or dropped it is tried until expire."},
    {"retry", "expire", CONFIG_T_MS, false, 100, 60 * DAY, "5d",
	AT(conf_retry, expire_ms), 0,
	"Age at which a message is given up and returned to its sender."},

    {"audit", "checkpoint-records", CONFIG_T_NUMBER, false, 1, 100000, "1000",
	AT(conf_audit, checkpoint_records), 0,
	"Number of records after which the log is signed."},
    {"audit", "checkpoint-interval", CONFIG_T_MS, false, SECOND, HOUR,
	"1min", AT(conf_audit, checkpoint_ms), 0,
	"Time after which the log is signed if anything was recorded."},
    {"audit", "checkpoint-mail", CONFIG_T_MAILBOX, false, 0, 0, NULL,
	AT(conf_audit, checkpoint_mail), 0,
	"Who gets checkpoints by mail: number, hash and key, in the clear. With "
	"one that is kept elsewhere it can be shown that the log was not cut "
	"off."},
    {"audit", "checkpoint-mail-interval", CONFIG_T_MS, false, SECOND,
	30 * DAY, "1h", AT(conf_audit, mail_ms), 0,
	"Time between two of these messages, at least."},
    {"audit", "syslog", CONFIG_T_PATH, false, 0, 0, NULL,
	AT(conf_audit, syslog), 0,
	"Socket of the system's log that is told every checkpoint, mostly "
	"/dev/log. They are in the gateway's own log in any case."},
    {"audit", "subjects", CONFIG_T_BOOL, false, 0, 0, "false",
	AT(conf_audit, subjects), 0,
	"Whether the subject of a message is written down when it is "
	"accepted. It may be what is confidential about it."},
    {"audit", "pseudonyms", CONFIG_T_BOOL, false, 0, 0, "false",
	AT(conf_audit, pseudonyms), 0,
	"Whether new records name no address and no user: a pseudonym stands "
	"for each, which sealgate audit show and list put back for who may "
	"read the master key. Filters take addresses all the same. What is "
	"exported has the pseudonyms; the log of the programs, which is no "
	"audit log, names addresses as before."},

    {"dkim", "selector", CONFIG_T_HOST, true, 0, 0, NULL,
	AT(conf_dkim, selector), 0,
	"Selector of the key, an RSA key: its record is "
	"SELECTOR._domainkey.DOMAIN."},
    {"dkim", "ed25519-selector", CONFIG_T_HOST, false, 0, 0, NULL,
	AT(conf_dkim, ed25519), 0,
	"Selector of an Ed25519 key that signs, too (RFC 8463): shorter and "
	"quicker, but not every receiver knows it yet."},
    {"dkim", "null-sender", CONFIG_T_BOOL, false, 0, 0, "false",
	AT(conf_dkim, null_sender), 0,
	"Mail without a sender (notifications of our own server, automatic "
	"answers) whose From is one address of the domain is signed, too, when "
	"its client is listed in may-sign, or has signed in as somebody who "
	"may write as that domain. Not for a server that passes on mail from "
	"outside without a sender of its own: what says From in that a "
	"stranger wrote. What came in by this gateway is known by its Received "
	"field and not signed."},

    {"tls-reports", "contact", CONFIG_T_MAILBOX, true, 0, 0, NULL,
	AT(conf_tls_reports, contact), 0,
	"Address that reports come from and that may be asked about them."},
    {"tls-reports", "organization", CONFIG_T_STRING, true, 0, 0, NULL,
	AT(conf_tls_reports, organization), 0,
	"Name of whoever runs the gateway, as reports give it."},
    {"tls-reports", "delay", CONFIG_T_MS, false, 0, 12 * HOUR, "4h",
	AT(conf_tls_reports, delay_ms), 0,
	"Reports of a day (UTC) are sent within this time after its end, each "
	"domain's at a moment of its own."},

    {"ca", "algorithm", CONFIG_T_OWNALG, false, 0, 0, "p256",
	AT(conf_ca, alg), 0,
	"What keys are made for certificates that are issued by themselves: "
	"p256, p384 or rsa3072. An RSA key takes the process that holds all "
	"keys up to a second to make; some recipients' software knows nothing "
	"else."},
    {"ca", "validity", CONFIG_T_S, false, HOUR, 3650 * DAY, "730d",
	AT(conf_ca, validity_s), 0,
	"How long a certificate is valid, but never longer than the CA."},
    {"ca", "renew", CONFIG_T_S, false, 1 * SECOND, 365 * DAY, "30d",
	AT(conf_ca, renew_s), 0,
	"How long before its end a certificate that was issued by itself, for "
	"a domain, or with --renew, is replaced by another with a new key; the "
	"old one is kept to open mail with."},
    {"ca", "crl-validity", CONFIG_T_S, false, SECOND, 365 * DAY, "7d",
	AT(conf_ca, crl_s), 0,
	"How long a list of revoked certificates is good; a new one is made "
	"when half of it is over."},
    {"ca", "crl-url", CONFIG_T_URL, false, 0, 0, NULL,
	AT(conf_ca, crl_url), 0,
	"What the address of that list in certificates begins with; /crl/ and "
	"a file name follow. Plain http is right for it: the list is signed. "
	"Unless given it is the url of the portal; without either the "
	"certificates name no list."},

#include "gateway/config_rules.def"
    /* clang-format on */
};
const size_t config_n_entries = N(config_entries);

const char *
config_group_label(const struct config_group *g, char *out, size_t out_size)
{
	bool word = g->title[0] != '\0' && g->title[0] != '*';

	snprintf(out, out_size, "%s%s%s", g->name, word ? " " : "",
	    word ? g->title : "");
	return out;
}
