/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What verbs are given to look at: a message and addresses, read in the way
 * the gateway reads them.
 */
#include "gateway/cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "common/limits.h"
#include "mime/addr.h"
#include "mime/sink.h"

/* A file has the line ends of this system; a message has CRLF. */
static enum err
read_crlf(int fd, struct buf *out)
{
	static const uint8_t zero[LIMIT_MESSAGE_PADDING];
	struct mime_sink sink = mime_sink_buf(out);
	struct buf text;
	enum err e;

	buf_init(&text, LIMIT_MESSAGE_SIZE_MAX);
	e = file_read_all(fd, &text);
	if (e == ERR_OK)
		e = mime_put_crlf(&sink, buf_span(&text));
	if (e == ERR_OK)
		e = buf_put(out, SPAN(zero, sizeof(zero)));
	if (e == ERR_OK)
		out->len -= sizeof(zero);
	buf_clear(&text);
	return e;
}

enum err
cli_input_open(struct cli_input *in, const char *file,
    const struct policy *policy, struct arena *arena, struct err_why *why)
{
	int fd = strcmp(file, "-") == 0 ? STDIN_FILENO
					: open(file, O_RDONLY | O_CLOEXEC);
	enum err e;

	if (fd < 0)
		return err_why(why, err_from_errno(errno), "%s: %s", file,
		    strerror(errno));
	buf_init(&in->raw, LIMIT_MESSAGE_SIZE_MAX * 2ul);
	e = read_crlf(fd, &in->raw);
	if (fd != STDIN_FILENO)
		close(fd);
	if (e != ERR_OK)
		e = err_why(why, e, "%s: %s", file, err_text(e));
	else
		e = message_parse(
		    policy, buf_span(&in->raw), true, arena, &in->message, why);
	if (e != ERR_OK)
		buf_clear(&in->raw);
	in->is_open = e == ERR_OK;
	return e;
}

void
cli_input_close(struct cli_input *in)
{
	if (in->is_open) {
		message_clear(&in->message);
		buf_clear(&in->raw);
	}
	in->is_open = false;
}

static enum err
address(const char *text, unsigned flags, struct arena *arena, const char **out,
    struct err_why *why)
{
	struct mime_addr addr;
	enum err e = mime_addr_parse(
	    span_str(text), flags | MIME_ADDR_UTF8, arena, &addr, why);

	if (e == ERR_OK)
		*out = addr.key;
	return e;
}

enum err
cli_input_recipient(const char *text, struct arena *arena, const char **out,
    struct err_why *why)
{
	return address(text, MIME_ADDR_POSTMASTER, arena, out, why);
}

enum err
cli_input_sender(const char *text, struct arena *arena, const char **out,
    struct err_why *why)
{
	if (text[0] == '\0' || strcmp(text, "<>") == 0) {
		*out = "";
		return ERR_OK;
	}
	return address(text, 0, arena, out, why);
}
