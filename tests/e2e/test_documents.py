# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The Sealgate authors
"""Content of documents: what rules look for is found in PDF and office files,
and what cannot be read counts as found, whatever a hostile file or a broken
program does."""
import base64
import io
import os
import signal
import smtplib
import subprocess
import zipfile

import pytest

from harness import children, message, run, wait_for

SENDER, ALICE = "sam@sender.example", "alice@partner.example"
RULES = '''
rule "numbers" { content = { "@iban", "strictly confidential" } try = { smime, reject } }
rule "default" { try = { clear } }
'''
IBAN = "GB82 WEST 1234 5698 7654 32"
BOTH = 'extract { pdf = "/usr/bin/pdftotext" office = true timeout = 25s }\n'


def pdf(text, more=""):
    stream = "BT /F1 12 Tf 72 720 Td (%s) Tj ET" % text
    objects = ["<< /Type /Catalog /Pages 2 0 R >>",
               "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
               "/Resources << /Font << /F1 5 0 R >> >> >>",
               "<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    out, places = "%PDF-1.4\n", []
    for n, o in enumerate(objects, 1):
        places.append(len(out))
        out += "%d 0 obj\n%s\nendobj\n" % (n, o)
    start = len(out)
    out += "xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += "".join("%010d 00000 n \n" % p for p in places)
    out += "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, more, start)
    return out.encode()


# as a program that asks for a password would write it; nobody knows that one
ENCRYPTED = pdf("x", "/ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>] "
                "/Encrypt << /Filter /Standard /V 1 /R 2 /P -44 /O <%s> /U <%s> >>" % (
                    "5a" * 32, "a5" * 32))


def archive(**entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, text in entries.items():
            z.writestr(name.replace("__", "/").replace("_types", "[Content_Types]") + ".xml", text)
    return out.getvalue()


def docx(*runs):
    return archive(_types="<Types/>", word__document="<w:document><w:p>%s</w:p></w:document>" % (
        "".join("<w:r><w:t>%s</w:t></w:r>" % r for r in runs)))


def xlsx(cell):
    return archive(_types="<Types/>", xl__workbook="<workbook/>",
                   xl__sharedStrings="<sst><si><t>%s</t></si></sst>" % cell)


def odt(text):
    return archive(content="<office:document-content><text:p>%s</text:p></office:document-content>"
                   % text)


def inside(document):
    out = io.BytesIO(docx("x"))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as z:
        z.writestr("word/embeddings/a.docx", document)
    return out.getvalue()


def attached(octets, ctype="application/octet-stream"):
    head, _ = message(to=ALICE).split(b"\r\n\r\n", 1)
    return (head + b"\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xx\r\n\r\n"
            b"--xx\r\nContent-Type: text/plain\r\n\r\nHello\r\n--xx\r\nContent-Type: " +
            ctype.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
            base64.encodebytes(octets).replace(b"\n", b"\r\n") + b"\r\n--xx--\r\n")


FOUND = [
    ("PDF", attached(pdf(IBAN), "application/pdf")),
    ("PDF that calls itself text", attached(pdf(IBAN), "text/plain")),
    ("a text document", attached(docx("Strictly", " confidential"))),
    ("runs of one word", attached(docx("GB82 WE", "ST 1234 5698", " 7654 32"))),
    ("a sheet", attached(xlsx(IBAN), "image/png")),
    ("OpenDocument", attached(odt("strictly &#99;onfidential"))),
    ("a document in a document", attached(inside(docx(IBAN)))),
]
UNREAD = [
    ("an encrypted PDF", attached(ENCRYPTED)),
    ("a damaged PDF", attached(b"%PDF-1.4\nnothing\n")),
    ("a damaged document", attached(docx("x")[:-30])),
    ("entities of its own", attached(archive(
        _types="<Types/>", word__document='<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'))),
    ("a bomb", attached(docx(" " * 40000000))),
    ("an older document", attached(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)),
]
PLAIN = [
    ("PDF", attached(pdf("Nothing of interest"))),
    ("a document", attached(docx("Nothing of", " interest"))),
    ("OpenDocument", attached(odt("nothing"))),
]


def send_all(gw, capture, mails):
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=90) as client:
        for _, mail in mails:
            client.sendmail(SENDER, ALICE, mail)
    capture.wait(len(mails))
    gw.stop()
    rows = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"]
    return [(what, row["rung"], "unsure" in row["facts"]) for (what, _), row in zip(mails, rows)]


def test_what_stands_in_documents_is_found(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES, options=BOTH)
    out = send_all(gw, capture, FOUND + UNREAD + PLAIN)
    assert out == ([(what, "smime", False) for what, _ in FOUND] +
                   [(what, "smime", True) for what, _ in UNREAD] +
                   [(what, "clear", False) for what, _ in PLAIN])


def test_only_what_is_configured_is_looked_into(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES,
                      options='extract { pdf = "/usr/bin/pdftotext" }\n')
    out = send_all(gw, capture, [("PDF", attached(pdf(IBAN))), ("office", attached(docx(IBAN)))])
    assert out == [("PDF", "smime", False), ("office", "clear", False)]


HOSTILE = {
    "hangs": "for (;;) { }",
    "sleeps": "for (;;) pause();",
    "crashes": "abort();",
    "floods": "for (;;) if (write(1, argv[0], 1) < 0) return 0;",
    "fails after its text": 'return write(1, "nothing", 7) == 7;',
    "says that it is done and stays": "close(1); for (;;) pause();",
    "eats memory": "char *p; while ((p = malloc(1 << 20)) != 0) memset(p, 1, 1 << 20); abort();",
}
PRISONER = r'''
    /* exit 0 with an empty text: nothing was possible; else a word of it */
    int fd = open("/etc/passwd", O_RDONLY), s = socket(AF_INET, SOCK_STREAM, 0);
    int out = open("/tmp/sealgate-was-here", O_WRONLY | O_CREAT, 0600);
    if (fd >= 0 || s >= 0 || out >= 0 || fcntl(3, F_GETFD) >= 0 || execl("/bin/true", "true", (char *)0) == 0)
        return write(1, "strictly confidential", 21) < 0;
'''
SOURCE = '''
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv) { (void)argc; (void)argv; %s; return 0; }
'''


def program(root, name, body):
    out = root / name.replace(" ", "-")
    source = root / (name.replace(" ", "-") + ".c")
    source.write_text(SOURCE % body)
    run("cc", "-o", out, source)
    out.chmod(0o755)
    return out


@pytest.mark.parametrize("what", HOSTILE)
def test_a_program_that_misbehaves_reads_nothing(make_gateway, capture, keys, root, what):
    tool = program(root, what, HOSTILE[what])
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES,
                      options='extract { pdf = "%s" timeout = 2s }\n' % tool)
    before = gw.pids()["extract"]
    gw.send(SENDER, ALICE, attached(pdf("Nothing of interest")))
    assert b"pkcs7-mime" in capture.wait(1)[0].data
    assert gw.pids()["extract"] == before, "who waits for it was ended with it"
    wait_for("its end", lambda: not any(children(pid) for pid in before))
    # and the next message is not kept waiting
    gw.send(SENDER, ALICE, message(to=ALICE))
    assert b"pkcs7-mime" not in capture.wait(2)[1].data


def test_a_program_sees_nothing_of_the_machine(make_gateway, capture, keys, root):
    tool = program(root, "prisoner", PRISONER)
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES,
                      options='extract { pdf = "%s" }\n' % tool)
    gw.send(SENDER, ALICE, attached(pdf("x")))
    assert b"pkcs7-mime" not in capture.wait(1)[0].data, "it saw something, or could not run"


def test_the_process_that_reads_may_die(make_gateway, capture, keys):
    gw = make_gateway(capture.port, import_keys=[keys.alice_crt], rules=RULES, options=BOTH)
    for pid in gw.pids()["extract"]:
        os.kill(pid, signal.SIGKILL)
    gw.send(SENDER, ALICE, attached(docx("nothing")))
    # whether it came back in time or not: not readable without having been read
    first = b"pkcs7-mime" in capture.wait(1)[0].data
    wait_for("it to be back", lambda: gw.pids().get("extract"))
    gw.send(SENDER, ALICE, attached(docx(IBAN)))
    assert b"pkcs7-mime" in capture.wait(2)[1].data
    gw.stop()
    row = [r["rec"] for r in gw.audit() if r["rec"].get("type") == "decided"][0]
    assert first == ("unsure" in row["facts"])


def test_explain_says_that_it_does_not_look(make_gateway, keys, root):
    gw = make_gateway(1, import_keys=[keys.alice_crt], rules=RULES, options=BOTH)
    mail = root / "mail"
    mail.write_bytes(attached(docx("nothing")))
    told = gw.cli("explain", "--from", SENDER, "--to", ALICE, "--file", mail).stdout.decode()
    assert "perhaps content" in told and "smime" in told, told


@pytest.mark.parametrize("options,said", [
    ('extract { pdf = "/nonexistent/pdftotext" }\n', "cannot be run"),
    ('extract { pdf = pdftotext }\n', "absolute path"),
    ('extract { office = maybe }\n', "true or false"),
    ('extract { office = true timeout = 31s }\n', "half of hang"),
])
def test_a_tool_that_is_missing_is_refused(make_gateway, options, said):
    gw = make_gateway(1, start=False, rules=RULES, options=options)
    out = subprocess.run([gw.build / "sealgated", "-n", "-f", gw.conf], text=True,
                         capture_output=True, timeout=90, check=False)
    assert out.returncode != 0 and said in out.stderr, out.stderr
