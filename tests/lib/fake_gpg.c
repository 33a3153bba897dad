/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Stands in the place of /usr/bin/gpg in a gateway under test, and is gpg,
 * which the test has put in the place of /usr/bin/gpgsm, until it is to seal or
 * to sign: then it does what the file "mode" beside its home says. A program
 * and no script, for the walls of the pgp process let nothing else be run.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAL "/usr/bin/gpgsm"

static const char *
after(char **argv, const char *option)
{
	for (; argv[0] != NULL; argv++)
		if (strcmp(argv[0], option) == 0)
			return argv[1];
	return NULL;
}

static bool
has(char **argv, const char *option)
{
	for (; *argv != NULL; argv++)
		if (strcmp(*argv, option) == 0)
			return true;
	return false;
}

/* "" when there is none. The home for secret keys is one below the other. */
static void
read_mode(char **argv, char *out, size_t size)
{
	static const char *const where[] = {"..", "../.."};
	const char *home = after(argv, "--homedir");
	char path[256];
	ssize_t n = -1;
	int fd = -1;

	for (size_t i = 0; i < 2 && fd < 0; i++) {
		snprintf(path, sizeof(path), "%s/%s/mode",
		    home == NULL ? "." : home, where[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0) {
		n = read(fd, out, size - 1);
		close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
}

/* GPGME names its pipe "-&N", behind all options. */
static int
input_fd(int argc, char **argv)
{
	const char *last = argv[argc - 1];

	return strncmp(last, "-&", 2) == 0 ? (int)strtol(last + 2, NULL, 10)
					   : STDIN_FILENO;
}

static void
status(char **argv, const char *line)
{
	const char *fd = after(argv, "--status-fd");

	if (fd != NULL)
		dprintf((int)strtol(fd, NULL, 10), "[GNUPG:] %s\n", line);
}

static void
put(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n <= 0)
			_exit(2);
		data += n;
		len -= (size_t)n;
	}
}

static bool
signs(char **argv)
{
	return has(argv, "--detach-sign") || has(argv, "--sign");
}

static bool
opens(char **argv)
{
	return has(argv, "--decrypt") || has(argv, "--verify");
}

/* As if what came had been opened, or verified, whatever it is. */
static int
believe(int argc, char **argv)
{
	char part[4096];
	ssize_t n;

	status(argv, "BEGIN_DECRYPTION");
	status(argv, "GOODSIG 0123456789ABCDEF Eve");
	while ((n = read(input_fd(argc, argv), part, sizeof(part))) > 0)
		put(part, (size_t)n);
	status(argv, "DECRYPTION_OKAY");
	status(argv, "GOODMDC");
	return 0;
}

/* The text as it came, and the word that all is well. */
static int
echo(int argc, char **argv, const char *before, const char *behind)
{
	char part[4096];
	ssize_t n;

	if (signs(argv)) {
		const char *fpr = after(argv, "--local-user");
		char line[128];

		snprintf(line, sizeof(line),
		    "SIG_CREATED %c 22 10 00 1790000000 %s",
		    has(argv, "--detach-sign") ? 'D' : 'S',
		    fpr != NULL ? fpr : "");
		status(argv, line);
	}
	status(argv, "BEGIN_ENCRYPTION 2 9");
	put(before, strlen(before));
	while ((n = read(input_fd(argc, argv), part, sizeof(part))) > 0)
		put(part, (size_t)n);
	put(behind, strlen(behind));
	status(argv, "END_ENCRYPTION");
	return 0;
}

/* What gpg makes, but only its first octets. */
static int
part_of_it(char **argv, size_t octets, bool die)
{
	char part[4096];
	int out[2], code;
	ssize_t n;
	pid_t pid;

	if (pipe(out) != 0 || (pid = fork()) < 0)
		return 2;
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execv(REAL, argv);
		_exit(127);
	}
	close(out[1]);
	while ((n = read(out[0], part, sizeof(part))) > 0) {
		size_t some = (size_t)n < octets ? (size_t)n : octets;

		put(part, some);
		octets -= some;
		if (die && octets == 0) {
			kill(pid, SIGKILL);
			raise(SIGKILL);
		}
	}
	waitpid(pid, &code, 0);
	return 0;
}

/* gpg, on another day. */
static int
later(int argc, char **argv)
{
	char **args = calloc((size_t)argc + 3, sizeof(*args));

	if (args == NULL)
		return 2;
	args[0] = argv[0];
	args[1] = (char *)(uintptr_t) "--faked-system-time";
	args[2] = (char *)(uintptr_t) "20400101T000000";
	memcpy(args + 3, argv + 1, (size_t)argc * sizeof(*args));
	execv(REAL, args);
	return 127;
}

static int
misbehave(const char *mode, int argc, char **argv)
{
	if (strcmp(mode, "fail") == 0)
		return 2;
	if (strcmp(mode, "nothing") == 0)
		return 0;
	if (strcmp(mode, "echo") == 0 && opens(argv))
		return believe(argc, argv);
	if (strcmp(mode, "garbage") == 0)
		put("\x85\x01garbage\n", 10);
	else if (strcmp(mode, "echo") == 0)
		return echo(argc, argv, "", "");
	else if (strcmp(mode, "armor") == 0)
		return has(argv, "--detach-sign")
			   ? echo(argc, argv,
				 "-----BEGIN PGP SIGNATURE-----\n\n",
				 "-----END PGP SIGNATURE-----\n")
			   : echo(argc, argv, "-----BEGIN PGP MESSAGE-----\n\n",
				 "-----END PGP MESSAGE-----\n");
	else if (strcmp(mode, "part") == 0)
		return part_of_it(argv, 200, false);
	else if (strcmp(mode, "die") == 0)
		return part_of_it(argv, 200, true);
	else if (strcmp(mode, "later") == 0)
		return later(argc, argv);
	else if (strcmp(mode, "hang") == 0)
		for (;;)
			pause();
	return 0;
}

int
main(int argc, char **argv)
{
	char mode[32];

	read_mode(argv, mode, sizeof(mode));
	if ((has(argv, "--encrypt") || signs(argv) || opens(argv)) &&
	    mode[0] != '\0')
		return misbehave(mode, argc, argv);
	execv(REAL, argv);
	return 127;
}
