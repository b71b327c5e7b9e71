/* The completion noun: a small script for each shell, all of which ask "banger __complete". */
#include <stdio.h>
#include <string.h>

#include "nouns.h"

static const char bash_script[] =
    "# bash completion of banger; load with: source <(banger completion bash)\n"
    "_banger() {\n"
    "    local line IFS=$'\\n'\n"
    "    COMPREPLY=()\n"
    "    while read -r line; do\n"
    "        COMPREPLY+=(\"${line%%$'\\t'*}\")\n"
    "    done < <(banger __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -o default -F _banger banger\n";

static const char zsh_script[] =
    "#compdef banger\n"
    "# zsh completion of banger; load with: source <(banger completion zsh)\n"
    "_banger() {\n"
    "    local -a lines\n"
    "    local line\n"
    "    for line in \"${(@f)$(banger __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\"; do\n"
    "        [[ -n $line ]] && lines+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "    done\n"
    "    if (( ${#lines} )); then _describe banger lines; else _files; fi\n"
    "}\n"
    "# A file of site functions is loaded by its first completion, and has to make it as well.\n"
    "if [[ $funcstack[1] == _banger ]]; then\n"
    "    _banger \"$@\"\n"
    "elif (( $+functions[compdef] )); then\n"
    "    compdef _banger banger\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion of banger; load with: banger completion fish | source\n"
    "function __banger_complete\n"
    "    set -l words (commandline -opc) (commandline -ct)\n"
    "    banger __complete $words[2..-1] 2>/dev/null\n"
    "end\n"
    "complete -c banger -f -a '(__banger_complete)'\n";

static int completion(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    const char *shell = args->refs[0];
    if (strcmp(shell, "bash") == 0)
        fputs(bash_script, stdout);
    else if (strcmp(shell, "zsh") == 0)
        fputs(zsh_script, stdout);
    else if (strcmp(shell, "fish") == 0)
        fputs(fish_script, stdout);
    else
        return cli_usage("completion: \"%.40s\" is not one of bash, zsh, fish", shell);
    return cli_end_output(cli);
}

static const struct command rows[] = {
    {"", NULL, "bash|zsh|fish", "print a script that completes banger's command lines",
     "An installed banger has them where the shells look.", NULL, 0, 1, 1, false, NAMES_NONE,
     completion},
};
static const struct command *const completion_commands[] = {&rows[0], NULL};
const struct noun completion_noun = {"completion", "command-line completion for shells",
                                     completion_commands};
