/* The vm noun: its table, gathered from the files that hold the commands. */
#include "vm.h"

#include "nouns.h"

static const struct command *const vm_commands[] = {
    &vm_run_command,
    &vm_exec_command,
    &vm_cp_command,
    &vm_create_command,
    &vm_list_command,
    &vm_show_commands[0],
    &vm_state_commands[0],
    &vm_state_commands[1],
    &vm_state_commands[2],
    &vm_state_commands[3],
    &vm_state_commands[4],
    &vm_state_commands[5],
    &vm_state_commands[6],
    &vm_state_commands[7],
    &vm_state_commands[8],
    &vm_state_commands[9],
    &vm_show_commands[1],
    &vm_console_command,
    &vm_show_commands[2],
    &vm_show_commands[3],
    &vm_stats_command,
    &vm_wait_command,
    &vm_show_commands[4],
    &vm_forward_command,
    &vm_ports_command,
    &vm_ssh_command,
    &vm_workspace_command,
    &vm_sync_command,
    NULL,
};

const struct noun vm_noun = {"vm", "microVMs", vm_commands};
