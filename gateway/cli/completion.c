/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `sealgate completion bash|zsh`: a script for the shell, made from the table
 * of verbs: words first, then the options that a verb's usage names, else
 * files.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/cli/cli.h"

enum { OPTION_MAX = 64 };

static const char globals[] = "-f --json --help";

/* Is it the first verb of its noun, or one of one word? */
static bool
is_first(const struct cli_verb *v)
{
	for (const struct cli_verb *u = cli_verbs; u != v; u++)
		if (v->noun != NULL && u->noun != NULL &&
		    strcmp(u->noun, v->noun) == 0)
			return false;
	return true;
}

static void
put_first_words(void)
{
	for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++)
		if (is_first(v))
			printf("%s ", v->noun != NULL ? v->noun : v->name);
	fputs(globals, stdout);
}

static void
put_verbs_of(const char *noun)
{
	const char *gap = "";

	for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++) {
		if (v->noun == NULL || strcmp(v->noun, noun) != 0)
			continue;
		printf("%s%s", gap, v->name);
		gap = " ";
	}
}

/* "--level" and the like, as the usage has them. */
static void
put_options(const struct cli_verb *v)
{
	const char *at = v->args;

	while ((at = strstr(at, "--")) != NULL) {
		size_t n =
		    2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz0123456789-");

		if (n < OPTION_MAX)
			printf("%.*s ", (int)n, at);
		at += n;
	}
	fputs("--json", stdout);
}

/* Each branch of a case of the two words that were typed. */
static void
put_branches(const char *take_words, const char *take_options, const char *end)
{
	printf("\t\" \") %s\"", take_words);
	put_first_words();
	printf("\"%s ;;\n", end);
	for (const struct cli_verb *v = cli_verbs; v->name != NULL; v++) {
		if (v->noun != NULL && is_first(v)) {
			printf("\t\"%s \") %s\"", v->noun, take_words);
			put_verbs_of(v->noun);
			printf("\"%s ;;\n", end);
		}
		if (v->noun != NULL)
			printf("\t\"%s %s\") %s\"", v->noun, v->name,
			    take_options);
		else
			printf("\t\"%s \"*) %s\"", v->name, take_options);
		put_options(v);
		printf("\"%s ;;\n", end);
	}
}

static void
put_bash(void)
{
	puts("# bash completion of sealgate; written by: sealgate completion "
	     "bash\n"
	     "_sealgate()\n"
	     "{\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} i w one= two= skip=\n"
	     "\tCOMPREPLY=()\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tw=${COMP_WORDS[i]}\n"
	     "\t\tif [ -n \"$skip\" ]; then skip=; continue; fi\n"
	     "\t\tcase $w in\n"
	     "\t\t-f) skip=1 ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) if [ -z \"$one\" ]; then one=$w\n"
	     "\t\t\telif [ -z \"$two\" ]; then two=$w; fi ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\t[ -n \"$skip\" ] && return\n"
	     "\tcase \"$one $two\" in");
	put_branches("w=", "[[ $cur == -* ]] && w=", "");
	puts("\t*) w= ;;\n"
	     "\tesac\n"
	     "\t[[ -n $two && $cur != -* ]] && return\n"
	     "\tCOMPREPLY=($(compgen -W \"$w\" -- \"$cur\"))\n"
	     "}\n"
	     "complete -o default -F _sealgate sealgate");
}

static void
put_zsh(void)
{
	puts("#compdef sealgate\n"
	     "# written by: sealgate completion zsh\n"
	     "_sealgate()\n"
	     "{\n"
	     "\tlocal i w one= two= skip= found=\n"
	     "\tfor ((i = 2; i < CURRENT; i++)); do\n"
	     "\t\tw=$words[i]\n"
	     "\t\tif [[ -n $skip ]]; then skip=; continue; fi\n"
	     "\t\tcase $w in\n"
	     "\t\t-f) skip=1 ;;\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) if [[ -z $one ]]; then one=$w\n"
	     "\t\t\telif [[ -z $two ]]; then two=$w; fi ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tif [[ -n $skip ]]; then _files; return; fi\n"
	     "\tcase \"$one $two\" in");
	put_branches("found=", "[[ $PREFIX == -* ]] && found=", "");
	puts("\tesac\n"
	     "\tif [[ -z $found ]]; then _files; return; fi\n"
	     "\tcompadd -- ${=found}\n"
	     "}\n"
	     "if [[ $funcstack[1] == _sealgate ]]; then\n"
	     "\t_sealgate \"$@\"\n"
	     "elif (( $+functions[compdef] )); then\n"
	     "\tcompdef _sealgate sealgate\n"
	     "fi");
}

int
cli_completion(struct cli *cli, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "bash") == 0)
		put_bash();
	else if (argc == 2 && strcmp(argv[1], "zsh") == 0)
		put_zsh();
	else
		return cli_usage(cli);
	return CLI_DONE;
}
